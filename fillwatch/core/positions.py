"""What the broker's positions should be: a baseline, what our orders executed since, what others traded since.

Which executions the baseline already holds is told by time. Two clocks can tell: the broker's (execution times against
the `Date` of the positions answer, which has a resolution of one second) and the event loop's (when we knew of a
quantity). Positions trail orders by up to `lag` seconds (10 s were reported for Alpaca), so what was executed within
that doubt of the baseline is *uncertain*: it may be in the baseline in whole, in part (an order fills in pieces) or
not at all, and every broker quantity between the two extremes is accepted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from fillwatch.core.ledger import ZERO, Change, Ledger
from fillwatch.core.orders import Execution, Side

#: How much later than its text a time stamp of HTTP's `Date` may be (RFC 9110 §5.6.7: whole seconds).
DATE_RESOLUTION = timedelta(seconds=1)

#: Answers for which a symbol's expectation is kept: thousands of fills of one symbol may wait for the same one.
CACHED_MOMENTS = 4


def normal_symbol(symbol: str) -> str:
    """The one spelling of an instrument: Alpaca's orders say `BTC/USD` where its positions say `BTCUSD`."""
    return symbol.strip().upper().replace("/", "")


def normal_quantities(quantities: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Positions by normal symbol."""
    totals: dict[str, Decimal] = {}
    for symbol, quantity in quantities.items():
        totals[normal_symbol(symbol)] = totals.get(normal_symbol(symbol), ZERO) + quantity
    return totals


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What the broker's position of one symbol should be, in shares, shorts negative.

    `expected` is the likeliest value, `low` and `high` the bounds that the uncertain executions leave open.
    """

    expected: Decimal
    low: Decimal
    high: Decimal

    @classmethod
    def exactly(cls, quantity: Decimal) -> Expectation:
        """An expectation without doubt."""
        return cls(expected=quantity, low=quantity, high=quantity)

    def __str__(self) -> str:
        return str(self.expected) if self.low == self.high else f"{self.expected} ({self.low} to {self.high})"

    def allows(self, quantity: Decimal) -> bool:
        """Whether a broker's position of `quantity` is what was expected."""
        return self.low <= quantity <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class _Baseline:
    quantity: Decimal
    as_of: float
    at: datetime | None

    def holds(self, change: Change, lag: float) -> bool | None:
        """Whether `change` happened before this baseline was taken; None when neither clock can tell."""
        if self.at is not None:
            if change.latest is not None and change.latest <= self.at - timedelta(seconds=lag):
                return True
            if change.earliest is not None and change.earliest > self.at + DATE_RESOLUTION:
                return False
        if change.known + lag <= self.as_of:
            return True
        if change.absent >= self.as_of + lag:
            return False
        return None

    def probably_holds(self, change: Change) -> bool:
        if self.at is not None and change.latest is not None:
            return change.latest <= self.at
        return change.known <= self.as_of


class PositionBook:
    """Baseline, our fills and others' fills, per symbol. Recording is a join: any order, any number of times.

    All `as_of` are seconds of the event loop's clock, as in the evidence they come from; `lag` is in seconds.
    """

    def __init__(self, *, lag: float = 10.0) -> None:
        self._lag = lag
        self._start: tuple[Mapping[str, Decimal], float, datetime | None] | None = None
        self._synced: dict[str, _Baseline] = {}
        self._orders: dict[str, Ledger] = {}
        self._by_symbol: dict[str, list[Ledger]] = {}
        self._cache: dict[str, dict[float, Expectation | None]] = {}

    @property
    def has_baseline(self) -> bool:
        """Whether the broker's positions have been read at least once."""
        return self._start is not None

    def start(self, quantities: Mapping[str, Decimal], *, as_of: float, at: datetime | None = None) -> None:
        """Take the broker's positions as the baseline of every symbol; a symbol that is absent is flat.

        `as_of`: when they were asked for. `at`: the broker's own time of the answer, None if it told none.
        """
        self._start = (normal_quantities(quantities), as_of, at)
        self._synced.clear()
        self._cache.clear()

    def sync(self, symbol: str, quantity: Decimal, *, as_of: float, at: datetime | None = None) -> None:
        """Give up what was expected of one symbol and go on from the broker's `quantity`."""
        self._synced[normal_symbol(symbol)] = _Baseline(quantity=quantity, as_of=as_of, at=at)
        self._cache.pop(normal_symbol(symbol), None)

    def record(
        self,
        order_id: str,
        *,
        symbol: str,
        side: Side,
        quantity: Decimal,
        as_of: float,
        at: datetime | None = None,
        created_at: datetime | None = None,
        busts: int = 0,
    ) -> None:
        """`quantity` shares have been executed under this order id in all (a successor counts its own alone).

        `at` is the broker's time of the last of them, `created_at` that of the order: together they tell what the
        baseline holds already. A smaller quantity than one recorded before is old news, unless `busts`, how many
        busts and corrections `quantity` takes into account, is greater.
        """
        ledger = self._ledger(order_id, symbol, side)
        ledger.state(quantity, busts=busts, as_of=as_of, at=at, created_at=created_at)

    def record_execution(self, execution: Execution, *, as_of: float) -> None:
        """One row of the tape, of any order. Rows of an order that is recorded too are counted once.

        A row without a symbol belongs to no position and is passed over; one without a side leaves the sign open.
        """
        known = self._orders.get(execution.order_id)
        symbol = execution.symbol or (known.symbol if known else "")
        if symbol:
            self._ledger(execution.order_id, symbol, execution.side).enter(execution, as_of)

    def symbol_of(self, order_id: str) -> str | None:
        """The symbol of an order that was recorded, in normal form."""
        ledger = self._orders.get(order_id)
        return None if ledger is None else ledger.symbol

    def symbols(self) -> list[str]:
        """Every symbol of the baseline or of an order, sorted."""
        start = self._start[0] if self._start is not None else {}
        return sorted({*start, *self._synced, *self._by_symbol})

    def expected(self, symbol: str) -> Decimal | None:
        """The quantity the broker should hold, shorts negative; None while there is no baseline."""
        expectation = self.expectation(symbol)
        return None if expectation is None else expectation.expected

    def expectation(self, symbol: str, *, shown_at: float = math.inf) -> Expectation | None:
        """As `expected`, with its bounds.

        `shown_at`: when the positions to compare with were asked for; what became known less than `lag` before it may
        be missing from them.
        """
        symbol = normal_symbol(symbol)
        cached = self._cache.setdefault(symbol, {})
        if shown_at not in cached:
            if len(cached) > CACHED_MOMENTS:
                cached.clear()
            cached[shown_at] = self._count(symbol, shown_at)
        return cached[shown_at]

    def _ledger(self, order_id: str, symbol: str, side: Side | None) -> Ledger:
        ledger = self._orders.get(order_id)
        if ledger is None:
            ledger = Ledger(symbol=normal_symbol(symbol), side=side, pays_in_kind="/" in symbol)
            self._orders[order_id] = ledger
            self._by_symbol.setdefault(ledger.symbol, []).append(ledger)
        ledger.side = ledger.side or side
        ledger.pays_in_kind = ledger.pays_in_kind or "/" in symbol
        self._cache.pop(ledger.symbol, None)
        return ledger

    def _baseline(self, symbol: str) -> _Baseline | None:
        if symbol in self._synced or self._start is None:
            return self._synced.get(symbol)
        quantities, as_of, at = self._start
        return _Baseline(quantity=quantities.get(symbol, ZERO), as_of=as_of, at=at)

    def _count(self, symbol: str, shown_at: float) -> Expectation | None:
        baseline = self._baseline(symbol)
        if baseline is None:
            return None
        expected = low = high = baseline.quantity
        for ledger in self._by_symbol.get(symbol, ()):
            for change in ledger.changes():
                held = baseline.holds(change, self._lag)
                if held:
                    continue
                sure = held is False and change.known + self._lag <= shown_at
                low += change.low if sure else min(change.low, ZERO)
                high += change.high if sure else max(change.high, ZERO)
                if held is False or not baseline.probably_holds(change):
                    expected += change.amount
        return Expectation(expected=expected, low=low, high=high)


class PositionsView(Mapping[str, Decimal]):
    """What every position should be now, by symbol: a live, read-only view. A symbol that is absent is flat.

    Empty while `has_baseline` is false: before the broker's positions were read nothing can be said of any.
    """

    def __init__(self, book: PositionBook) -> None:
        self._book = book

    @property
    def has_baseline(self) -> bool:
        """Whether the broker's positions have been read at least once."""
        return self._book.has_baseline

    def __getitem__(self, symbol: str) -> Decimal:
        quantity = self._book.expected(symbol)
        if not quantity:
            raise KeyError(symbol)
        return quantity

    def __iter__(self) -> Iterator[str]:
        return (symbol for symbol in self._book.symbols() if self._book.expected(symbol))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        if not self.has_baseline:
            return "<positions: no baseline yet>"
        held = ", ".join(f"{symbol} {quantity:+}" for symbol, quantity in self.items())
        return f"<positions: {held or 'flat'}>"
