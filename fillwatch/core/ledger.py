"""One order's account of what it executed and when: a join of cumulative quantities and of rows of the tape."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from fillwatch.core.orders import Execution, ExecutionKind, Side

ZERO = Decimal(0)

#: Alpaca takes the fee of a crypto purchase out of the coins bought ("charged on the credited crypto asset"); 0.25 %,
#: the taker's of the lowest tier, is the highest rate of its table (alpaca.markets, "Crypto Fees", since March 2023).
CRYPTO_FEE = Decimal("0.0025")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A part of a position, in shares, shorts negative; `low` and `high` bound what it may have moved the position by.

    It was executed between `earliest` and `latest` (the broker's clock), was known at `known` and still absent at
    `absent` (the event loop's).
    """

    low: Decimal
    amount: Decimal
    high: Decimal
    earliest: datetime | None
    latest: datetime | None
    known: float
    absent: float = -math.inf


#: A cumulative quantity of one order: when it was reached (the broker's clock), and when we were first and last told of
#: it. A plain tuple of plain values: there may be thousands, and Python's garbage collector passes such ones over.
_Mark = tuple[datetime | None, float, float]


@dataclass(slots=True)
class Ledger:
    """One order: the cumulative quantities we recorded, and its rows on the tape. Both are joins.

    Marks are keyed by (busts, quantity): between two marks lies the change from one to the next, and a quantity
    restated after a bust stands behind everything that was recorded before it.
    """

    symbol: str
    side: Side | None
    pays_in_kind: bool
    created_at: datetime | None = None
    #: Until when (the broker's clock) its executions may have been counted before this account was opened.
    counted_to: datetime | None = None
    #: Whether more than rows of the tape may still come.
    is_followed: bool = False
    marks: dict[tuple[int, Decimal], _Mark] = field(default_factory=dict)
    rows: dict[str, tuple[Execution, float]] = field(default_factory=dict)

    def state(
        self, quantity: Decimal, *, busts: int, as_of: float, at: datetime | None, created_at: datetime | None
    ) -> None:
        """The order has executed `quantity` in all; see `PositionBook.record`."""
        if created_at is not self.created_at and created_at != self.created_at:
            self.created_at = _earlier(self.created_at, created_at)
        mark = self.marks.get((busts, quantity))
        if mark is None:
            self.marks[busts, quantity] = (at, as_of, as_of)
        else:
            known, first, last = mark
            self.marks[busts, quantity] = (_earlier(known, at), min(first, as_of), max(last, as_of))

    def enter(self, execution: Execution, as_of: float) -> None:
        """The tape shows `execution`."""
        first, since = self.rows.get(execution.execution_id, (execution, as_of))
        self.rows[execution.execution_id] = (first, min(since, as_of))

    @property
    def last(self) -> tuple[datetime | None, float]:
        """When the newest execution happened (the broker's clock; None: it did not say) and was known (the loop's)."""
        told = [*((at, first) for key, (at, first, _) in self.marks.items() if key[1]), *self._told_by_rows()]
        times = [at for at, _ in told if at is not None]
        return max(times, default=None), max((known for _, known in told), default=-math.inf)

    def _told_by_rows(self) -> Iterator[tuple[datetime | None, float]]:
        return ((row.at, known) for row, known in self.rows.values())

    def changes(self) -> Iterator[Change]:
        """The order's executions, counted by whichever of its two accounts knows more."""
        undone = sum(1 for row, _ in self.rows.values() if row.kind is not ExecutionKind.FILL)
        on_tape = (undone, sum((self._row_quantity(row) for row, _ in self.rows.values()), ZERO))
        return self._of_rows() if on_tape >= max(self.marks, default=(0, ZERO)) else self._of_marks()

    def _of_marks(self) -> Iterator[Change]:
        before, earliest, absent = ZERO, self.created_at, -math.inf
        ordered = sorted(self.marks.items(), key=lambda item: item[0])
        for index, ((_, quantity), (at, _, last)) in enumerate(ordered):
            # Whoever told of a later quantity told of this one too, however late its own news came.
            known = min(first for _, (_, first, _) in ordered[index:])
            # A bust has no time of its own in a mark: the last execution that is left was long before it.
            latest = at if quantity > before else None
            if quantity != before:
                yield self._change(self.side, quantity - before, earliest, latest, known, min(absent, known))
            before, earliest, absent = quantity, latest or earliest, last

    def _of_rows(self) -> Iterator[Change]:
        for row, as_of in self.rows.values():
            yield self._change(row.side or self.side, self._row_quantity(row), row.at, row.at, as_of, -math.inf)

    def _row_quantity(self, row: Execution) -> Decimal:
        match row.kind:
            case ExecutionKind.FILL:
                return row.qty
            case ExecutionKind.BUST:
                return -row.qty
            case ExecutionKind.CORRECTION:
                previous = self.rows.get(row.previous_id or "")
                return ZERO if previous is None else row.qty - previous[0].qty

    def _change(
        self,
        side: Side | None,
        quantity: Decimal,
        earliest: datetime | None,
        latest: datetime | None,
        known: float,
        absent: float,
    ) -> Change:
        amount = quantity * side.sign if side is not None else ZERO
        ends = (amount, amount) if side is not None else (-quantity, quantity)
        if self.pays_in_kind and side is Side.BUY:
            ends = (amount - amount * CRYPTO_FEE, amount)
        low, high = min(ends), max(ends)
        return Change(low=low, amount=amount, high=high, earliest=earliest, latest=latest, known=known, absent=absent)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return min(one, other)
