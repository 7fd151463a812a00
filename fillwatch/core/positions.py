"""What the broker's positions should be: a baseline, what our orders executed since, what others traded since.

Which executions the baseline already holds is told by time. Two clocks can tell: the broker's (execution times against
the `Date` of the positions answer, which has a resolution of one second) and the event loop's (when we knew of a
quantity). Positions trail orders by up to `lag` seconds (10 s were reported for Alpaca), so what was executed within
that doubt of the baseline is *uncertain*: it may be in the baseline in whole, in part (an order fills in pieces) or
not at all, and every broker quantity between the two extremes is accepted.

The book does not grow with the orders of a long life: what is long past is folded into one sum per symbol.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from fillwatch.core.baseline import NOTHING, Baseline, Expectation
from fillwatch.core.ledger import ZERO, Ledger
from fillwatch.core.orders import Execution, Side
from fillwatch.core.symbols import normal_quantities, normal_symbol

__all__ = ["PositionBook", "PositionsView", "normal_quantities", "normal_symbol"]

#: Answers for which a symbol's expectation is kept: thousands of fills of one symbol may wait for the same one.
CACHED_MOMENTS = 4

#: Orders of which the book keeps account before it first folds the past, and for how long nothing is past: rows of the
#: tape may come late and come again.
FOLD_FROM, PAST_AFTER = 4_000, timedelta(minutes=5)


class PositionBook:
    """Baseline, our fills and others' fills, per symbol. Recording is a join: any order, any number of times.

    All `as_of` are seconds of the event loop's clock, as in the evidence they come from; `lag` is in seconds.
    """

    def __init__(self, *, lag: float = 10.0) -> None:
        self._lag = lag
        self._start: tuple[Mapping[str, Decimal], float, datetime | None] | None = None
        self._synced: dict[str, Baseline] = {}
        self._orders: dict[str, Ledger] = {}
        self._by_symbol: dict[str, list[Ledger]] = {}
        self._cache: dict[str, dict[float, Expectation | None]] = {}
        self._folded: dict[str, Expectation] = {}
        #: What was executed until then (the broker's clock) and is not in an account of its own is folded.
        self._folded_to: datetime | None = None
        self._fold_at = FOLD_FROM

    def __len__(self) -> int:
        """Orders of which an account is kept."""
        return len(self._orders)

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
        self._folded.clear()
        self._cache.clear()

    def sync(self, symbol: str, quantity: Decimal, *, as_of: float, at: datetime | None = None) -> None:
        """Give up what was expected of one symbol and go on from the broker's `quantity`."""
        name = normal_symbol(symbol)
        self._synced[name] = Baseline(quantity=quantity, as_of=as_of, at=at)
        self._folded.pop(name, None)
        self._cache.pop(name, None)

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
        ledger = self._orders.get(order_id)
        if ledger is None or ledger.side is None or (not ledger.pays_in_kind and "/" in symbol):
            ledger = self._ledger(order_id, symbol, side)
        elif self._cache:
            self._cache.pop(ledger.symbol, None)
        ledger.is_followed = True
        ledger.state(quantity, busts=busts, as_of=as_of, at=at, created_at=created_at)

    def record_execution(self, execution: Execution, *, as_of: float) -> None:
        """One row of the tape, of any order. Rows of an order that is recorded too are counted once.

        A row without a symbol belongs to no position and is passed over; one without a side leaves the sign open. So is
        a row of the folded past, unless its order has an account.
        """
        known = self._orders.get(execution.order_id)
        if known is None and self._is_past(execution.at):
            return
        symbol = execution.symbol or (known.symbol if known else "")
        if symbol:
            self._ledger(execution.order_id, symbol, execution.side).enter(execution, as_of)

    def let_go(self, order_id: str) -> None:
        """Nothing more is recorded of this order but rows of the tape: its account may be folded when it is past."""
        if order_id in self._orders:
            self._orders[order_id].is_followed = False

    def symbol_of(self, order_id: str) -> str | None:
        """The symbol of an order that was recorded, in normal form."""
        ledger = self._orders.get(order_id)
        return None if ledger is None else ledger.symbol

    def symbols(self) -> list[str]:
        """Every symbol of the baseline or of an order, sorted."""
        start = self._start[0] if self._start is not None else {}
        return sorted({*start, *self._synced, *self._folded, *self._by_symbol})

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
            if len(self._orders) >= self._fold_at:
                self._fold()
            ledger = Ledger(
                symbol=normal_symbol(symbol), side=side, pays_in_kind="/" in symbol, counted_to=self._folded_to
            )
            self._orders[order_id] = ledger
            self._by_symbol.setdefault(ledger.symbol, []).append(ledger)
        ledger.side = ledger.side or side
        ledger.pays_in_kind = ledger.pays_in_kind or "/" in symbol
        self._cache.pop(ledger.symbol, None)
        return ledger

    def _baseline(self, symbol: str) -> Baseline | None:
        if symbol in self._synced or self._start is None:
            return self._synced.get(symbol)
        quantities, as_of, at = self._start
        return Baseline(quantity=quantities.get(symbol, ZERO), as_of=as_of, at=at)

    def _count(self, symbol: str, shown_at: float) -> Expectation | None:
        baseline = self._baseline(symbol)
        if baseline is None:
            return None
        total = Expectation.exactly(baseline.quantity) + self._folded.get(symbol, NOTHING)
        for ledger in self._by_symbol.get(symbol, ()):
            total += self._moved(ledger, baseline, shown_at)
        return total

    def _moved(self, ledger: Ledger, baseline: Baseline, shown_at: float = math.inf) -> Expectation:
        total = NOTHING
        for change in ledger.changes():
            total += baseline.moved_by(change, lag=self._lag, shown_at=shown_at, counted_to=ledger.counted_to)
        return total

    def _is_past(self, at: datetime | None) -> bool:
        return at is not None and self._folded_to is not None and at <= self._folded_to

    def _fold(self) -> None:
        """Add up the accounts that are past, per symbol, and forget them.

        Rows of theirs that come again are told by their time. Without a baseline there is nothing to add them to.
        """
        lasts = {order_id: ledger.last for order_id, ledger in self._orders.items()}
        newest = max((at for at, _ in lasts.values() if at is not None), default=None)
        known_before = max(known for _, known in lasts.values()) - PAST_AFTER.total_seconds()
        if self._start is not None:
            if newest is not None:
                self._folded_to = max(newest - PAST_AFTER, self._folded_to or newest - PAST_AFTER)
            for order_id, (at, known) in lasts.items():
                ledger = self._orders[order_id]
                if not ledger.is_followed and known <= known_before and (at is None or self._is_past(at)):
                    self._close(order_id)
            self._by_symbol = {}
            for ledger in self._orders.values():
                self._by_symbol.setdefault(ledger.symbol, []).append(ledger)
        self._fold_at = max(FOLD_FROM, 2 * len(self._orders))

    def _close(self, order_id: str) -> None:
        ledger = self._orders.pop(order_id)
        baseline = self._baseline(ledger.symbol)
        assert baseline is not None  # every symbol has one since `start`
        moved = self._moved(ledger, baseline)
        if moved != NOTHING:
            self._folded[ledger.symbol] = self._folded.get(ledger.symbol, NOTHING) + moved


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
