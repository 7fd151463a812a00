"""The account: cash, positions and what open orders hold, folded from everything that happened in the market."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from fillwatch.core.orders import ExecutionKind, Side
from fillwatch.simulator.assets import OPTION, asset
from fillwatch.simulator.book import Record, Trade
from fillwatch.simulator.market import Market
from fillwatch.simulator.rivals import Rivals

ZERO = Decimal(0)
#: What the account begins with, and how often buying power holds what is left of it (a margin account's two).
STARTING_CASH, MULTIPLIER = Decimal(50_000_000), 2
#: A short sale is counted at no less than this share of the price.
SHORT_MARGIN = Decimal("1.03")
#: Shares of an option contract.
CONTRACT = Decimal(100)


@dataclass(slots=True)
class Holding:
    """A position: signed shares, and the signed money that they cost."""

    qty: Decimal = ZERO
    cost: Decimal = ZERO

    @property
    def entry(self) -> Decimal:
        """Average price paid for what is held; 0 when nothing is."""
        return self.cost / self.qty if self.qty else ZERO

    def move(self, change: Decimal, price: Decimal) -> None:
        """Buy (or, negative, sell) `change` shares: what closes a part of the position leaves its average alone."""
        if self.qty * change >= 0:
            self.qty, self.cost = self.qty + change, self.cost + change * price
            return
        closing = min(abs(change), abs(self.qty)).copy_sign(change)
        entry, rest = self.entry, change - closing
        self.qty += closing
        self.cost = entry * self.qty + rest * price
        self.qty += rest

    def undo(self, change: Decimal, price: Decimal) -> None:
        """As if `change` shares had never been bought (or, negative, sold) at this price."""
        before = self.qty - change
        if before * self.qty > 0 and before * change > 0:
            self.qty, self.cost = before, self.cost - change * price
        else:
            self.move(-change, price)


@dataclass(slots=True)
class Positions:
    """What executions come to: cash spent and earned, and a holding for each symbol."""

    cash: Decimal = ZERO
    holdings: dict[str, Holding] = field(default_factory=dict)
    _prices: dict[str, Decimal] = field(default_factory=dict)

    @classmethod
    def of(cls, trades: Iterable[Trade]) -> Positions:
        """All of these, in order."""
        made = cls()
        for trade in trades:
            made.absorb(trade)
        return made

    def absorb(self, trade: Trade) -> None:
        """One more row of the tape; a bust takes its execution back, a correction changes its price."""
        row = trade.execution
        assert row.side is not None
        holding = self.holdings.setdefault(row.symbol, Holding())
        if row.kind is ExecutionKind.CORRECTION:
            moved = row.side.sign * row.qty * (row.price - self._prices.get(row.previous_id or "", row.price))
            self.cash -= moved * multiplier(row.symbol)
            holding.cost += moved if holding.qty else ZERO
        else:
            change = row.side.sign * trade.change
            self.cash -= change * row.price * multiplier(row.symbol)
            if row.kind is ExecutionKind.BUST:
                holding.undo(-change, row.price)
            else:
                holding.move(change, row.price)
        self._prices[row.execution_id] = row.price

    def held(self, symbol: str) -> Holding:
        """The position in a symbol, perhaps none."""
        return self.holdings.get(symbol, Holding())


@dataclass(slots=True)
class Open:
    """An order that may still execute, and what it keeps for itself: shares, and money when it opens a position."""

    record: Record
    unit: Decimal
    left: Decimal = ZERO

    @property
    def money(self) -> Decimal:
        """Buying power that it takes."""
        return self.left * self.unit


@dataclass(slots=True)
class Openings:
    """The open orders of one side of a symbol, in groups of which one order can execute, and what they come to."""

    groups: dict[str, dict[str, Open]] = field(default_factory=dict)
    rivals: Rivals = field(default_factory=Rivals)
    shares: Decimal = ZERO
    money: Decimal = ZERO

    def follow(self, name: str, record: Record, unit: Callable[[], Decimal]) -> Decimal:
        """Keep the order in its group for as long as it is open; by how much the money on hold changes.

        `unit` says what one of its shares takes, and is asked once.
        """
        group = self.groups.setdefault(name, {})
        shares, money = _most_shares(group), _most_money(group)
        order = record.now
        if order.status.is_terminal or order.raw_status == "held" or order.order_class == "mleg":
            group.pop(record.order_id, None)
            self.rivals.discard(record)
        else:
            if record.order_id not in group:
                group[record.order_id] = Open(record=record, unit=unit())
                self.rivals.add(record)
            group[record.order_id].left = max(record.left, ZERO)
        change = _most_money(group) - money
        self.shares += _most_shares(group) - shares
        self.money += change
        if not group:
            del self.groups[name]
        return change


_NO_OPENINGS = Openings()


class Account:
    """The account as it is now: positions, and open orders by symbol and side."""

    def __init__(self, market: Market, cash: Decimal = STARTING_CASH) -> None:
        self.starting_cash = cash
        self.positions = Positions(cash=cash)
        self.reserved = ZERO
        self._market = market
        self._read = 0
        self._open: dict[tuple[str, Side], Openings] = {}
        self._groups: dict[str, str] = {}

    def catch_up(self) -> Account:
        """Take in what has happened since."""
        changes = self._market.changes
        while self._read < len(changes):
            change = changes[self._read]
            self._read += 1
            if change.trade is not None:
                self.positions.absorb(change.trade)
            self._follow(change.record)
        return self

    def price(self, symbol: str, t: float) -> Decimal:
        """What a symbol costs at clock second `t`."""
        return self._market.quotes.at(symbol, t)

    def openings(self, symbol: str, side: Side) -> Openings:
        """The orders of this side that may still execute."""
        return self._open.get((symbol, side), _NO_OPENINGS)

    def open_orders(self, symbol: str, side: Side, but: Record | None = None) -> list[Open]:
        """Those orders one by one, `but` for one and those that exclude it."""
        left_out = None if but is None else self._group(but)
        groups = self.openings(symbol, side).groups
        return [order for name, group in groups.items() if name != left_out for order in group.values()]

    def on_hold(self, symbol: str, side: Side, but: Record | None = None) -> Decimal:
        """Shares that open orders of this side keep; orders of which only one can execute keep them once."""
        openings = self.openings(symbol, side)
        own = ZERO if but is None else _most_shares(openings.groups.get(self._group(but), {}))
        return openings.shares - own

    def reserved_by(self, record: Record | None) -> Decimal:
        """Buying power that one order keeps."""
        if record is None:
            return ZERO
        openings = self.openings(record.request.symbol, record.request.side)
        return _most_money(openings.groups.get(self._group(record), {}))

    def _unit_cost(self, record: Record, t: float) -> Decimal:
        """Buying power that one share of an order takes: none when it closes a position."""
        request = record.request
        held = self.positions.held(request.symbol).qty
        if held * request.side.sign < 0:
            return ZERO
        unit = request.limit_price or request.stop_price or self.price(request.symbol, t)
        if request.side is Side.SELL:
            unit = max(unit, SHORT_MARGIN * self.price(request.symbol, t))
        return unit * multiplier(request.symbol)

    def _follow(self, record: Record) -> None:
        request = record.request
        openings = self._open.setdefault((request.symbol, request.side), Openings())
        t = record.versions[-1].t
        self.reserved += openings.follow(self._group(record), record, lambda: self._unit_cost(record, t))

    def _group(self, record: Record) -> str:
        """Orders that exclude each other: the legs of one order, an order and its successor."""
        known = self._groups.get(record.order_id)
        if known is None:
            before = record.now.replaces
            known = record.parent_id or (record.order_id if before is None else self._groups.get(before, before))
            self._groups[record.order_id] = known
        return known


def multiplier(symbol: str) -> Decimal:
    """Units of the quote currency for each point of a price: a hundred for options."""
    known = asset(symbol)
    return CONTRACT if known is not None and known.kind == OPTION else Decimal(1)


def _most_shares(group: Mapping[str, Open]) -> Decimal:
    return max((order.left for order in group.values()), default=ZERO)


def _most_money(group: Mapping[str, Open]) -> Decimal:
    return max((order.money for order in group.values()), default=ZERO)
