"""A trade as a fold of its facts.

Doing a trade and taking it up again after a crash are the same: fold what is known, ask for the next step
(`trade_steps`), carry it out, add what was learnt. A fact that comes twice, or too late, changes nothing: each order
only ever learns more (an id, a larger quantity, an end).

The central notion is the *bare* quantity: shares that were bought (or sold short) and that no exit and no closing order
answers for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import MappingProxyType

from fillwatch.core import trading_rules as rules
from fillwatch.core.trade_facts import (
    ENTRY,
    Cleared,
    Closed,
    Declined,
    Intended,
    Part,
    Reopened,
    Told,
    TradeFact,
    number_of,
)
from fillwatch.core.trade_learning import learnt
from fillwatch.core.trade_order import ZERO, TradeOrder, average
from fillwatch.core.trade_terms import Intent


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """All that is known of one trade. Make it with `fold`."""

    intent: Intent
    declined: Declined | None = None
    cleared: Cleared | None = None
    told: Told | None = None
    closings: int = 0
    reopenings: int = 0
    orders: Mapping[str, TradeOrder] = field(default_factory=lambda: MappingProxyType({}))

    def order(self, name: str) -> TradeOrder:
        """The order of this name, known or not."""
        return self.orders.get(name) or TradeOrder(name=name)

    def those(self, part: Part) -> tuple[TradeOrder, ...]:
        """The orders of one part, in the order of their names."""
        found = (order for order in self.orders.values() if order.part is part)
        return tuple(sorted(found, key=lambda order: number_of(order.name)))

    @property
    def entry(self) -> TradeOrder:
        """The order that opens the position."""
        return self.order(ENTRY)

    @property
    def price(self) -> Decimal | None:
        """What a share was bought at on average. While it is not known, the entry's limit: no fill is worse."""
        entry = self.entry
        if entry.result is not None and entry.result.fill_price is not None:
            return entry.result.fill_price
        return None if entry.request is None or not entry.filled else entry.request.limit_price

    @property
    @rules.exactly
    def bare(self) -> Decimal:
        """Shares of the position that nothing answers for."""
        covered = sum((order.answers_for for part in _COVER for order in self.those(part)), ZERO)
        return max(self.entry.filled - covered, ZERO)

    @property
    @rules.exactly
    def excess(self) -> Decimal:
        """Shares for which exits stand although their purchase was undone, and those traded back too many."""
        if not self.entry.undone:
            return self.flipped
        claimed = sum((order.answers_for for part in _COVER for order in self.those(part)), ZERO)
        return max(claimed - self.entry.filled, ZERO)

    @property
    @rules.exactly
    def flipped(self) -> Decimal:
        """Shares traded back beyond what was entered, so that the position is on the other side by so many."""
        return max(self.traded_back - self.entry.filled, ZERO)

    @property
    @rules.exactly
    def traded_back(self) -> Decimal:
        """Shares that the exits and the orders that close have executed."""
        return sum((order.filled for part in _COVER for order in self.those(part)), ZERO)

    @property
    @rules.exactly
    def exit_price(self) -> Decimal | None:
        """The average price of the shares traded back; None when there are none, or it is not known."""
        return average((order.filled, order.price) for part in _COVER for order in self.those(part))

    @property
    def exits(self) -> rules.Exits | None:
        """Stop and target from the fill; None before there is one, or when there is no room for them."""
        if self.price is None:
            return None
        return rules.exits(self.intent.side, self.price, self.intent.risk_amount, self.intent.rr_ratio)

    @property
    def slippage(self) -> Decimal | None:
        """Slippage of the entry in percent, positive = worse for us; None before there is a fill."""
        return None if self.price is None else rules.slipped(self.intent, self.price)

    @property
    def is_protected(self) -> bool:
        """Whether every share held has exits that were seen working, and none can be added any more."""
        exits_work = all(order.is_over or order.works for order in self.those(Part.EXITS))
        closed = all(order.is_over for order in self.those(Part.CLOSE))
        return self.entry.is_over and not self.bare and not self.excess and exits_work and closed

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to be done or to be watched: no order lives, and nothing is held."""
        over = all(order.is_over for order in self.orders.values())
        return self.declined is not None or (self.entry.is_over and over and not self.bare and not self.excess)

    @property
    def is_closed(self) -> bool:
        """Whether it was settled, and no late fact has reopened it."""
        return self.closings > self.reopenings

    @property
    @rules.exactly
    def held(self) -> Decimal:
        """Shares of this trade that are still in the market, as far as is known."""
        elsewhere = sum((order.gone for order in self.those(Part.EXITS)), ZERO)
        return max(self.entry.filled - self.traded_back - elsewhere, ZERO)


_COVER = (Part.EXITS, Part.CLOSE)


def fold(first: Intended, *facts: TradeFact) -> Trade:
    """The trade that these facts make."""
    trade = Trade(intent=first.intent)
    for fact in facts:
        trade = absorb(trade, fact)
    return trade


def absorb(trade: Trade, fact: TradeFact) -> Trade:
    """The trade with one more fact."""
    match fact:
        case Intended():
            return trade
        case Declined():
            return replace(trade, declined=trade.declined or fact)
        case Cleared():
            return replace(trade, cleared=trade.cleared or fact)
        case Told():
            return replace(trade, told=trade.told or fact)
        case Closed():
            return replace(trade, closings=max(trade.closings, fact.number))
        case Reopened():
            return replace(trade, reopenings=max(trade.reopenings, fact.number))
        case _:
            order = trade.order(fact.name)
            known = learnt(order, fact)
            if known == order and fact.name in trade.orders:
                return trade
            return replace(trade, orders=MappingProxyType({**trade.orders, fact.name: known}))


def taken_up(trade: Trade) -> Trade:
    """The trade as a new process finds it: exits that stood have to be seen again."""
    orders = {name: replace(order, is_stale=order.seen is not None) for name, order in trade.orders.items()}
    return replace(trade, orders=MappingProxyType(orders))
