"""The executions of one order as one route told them: a set keyed by execution id, and what is void of it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from fillwatch.core.orders import Execution, ExecutionKind

ZERO = Decimal(0)


class Tape:
    """Rows of one route. Adding is a join: any order, any repetition, the same tape.

    Ids are compared within a route only: whether Alpaca's activity ids are its stream's execution ids is not known.
    The sums are kept as rows are added for as long as nothing is undone, so that an order with thousands of
    executions costs no more a row than one with two; from a bust or a correction on they are counted anew each time.

    `voided`: ids of executions that were busted or corrected. `gross`: shares executed before anything was undone, the
    least that the order's cumulative quantity once was; `net`: shares that stand executed. `last`: the fill that tells
    of most, by its cumulative quantity; busts and corrections tell of none.
    """

    __slots__ = ("_paid", "_plain", "gross", "last", "net", "rows", "voided")

    def __init__(self) -> None:
        self.rows: dict[str, Execution] = {}
        self.gross = self.net = self._paid = ZERO
        self.voided: frozenset[str] = frozenset()
        self.last: Execution | None = None
        #: Whether every row is a fill that undoes nothing.
        self._plain = True

    def add(self, row: Execution) -> bool:
        """Take `row`; of two that bear the same id the same one is kept whichever came first. Whether it was news."""
        known = self.rows.get(row.execution_id)
        if known is not None and (known == row or fingerprint(known) >= fingerprint(row)):
            return False
        self.rows[row.execution_id] = row
        self._plain = self._plain and row.kind is ExecutionKind.FILL and row.previous_id is None
        if known is not None or not self._plain:
            self._count()
            return True
        self.gross = self.net = self.gross + row.qty
        self._paid += row.qty * row.price
        if self.last is None or _telling(row) > _telling(self.last):
            self.last = row
        return True

    @property
    def average_price(self) -> Decimal | None:
        """Exact average of what stands, in the quote currency; None when nothing does."""
        return self._paid / self.net if self.net else None

    def _count(self) -> None:
        rows = self.rows.values()
        self.voided = frozenset(row.previous_id for row in rows if row.previous_id is not None)
        fills = sum((row.qty for row in rows if row.kind is ExecutionKind.FILL), ZERO)
        unseen = {row.previous_id: row.qty for row in rows if row.kind is not ExecutionKind.FILL}
        self.gross = fills + sum((qty for known, qty in unseen.items() if known not in self.rows), ZERO)
        told = [(key, row) for key, row in self.rows.items() if row.kind is not ExecutionKind.BUST]
        standing = [row for key, row in told if key not in self.voided]
        self.last = max((row for row in rows if row.kind is ExecutionKind.FILL), key=_telling, default=None)
        self.net = sum((row.qty for row in standing), ZERO)
        self._paid = sum((row.qty * row.price for row in standing), ZERO)


def _telling(row: Execution) -> tuple[Decimal, str]:
    return row.cum_qty or ZERO, row.execution_id


def fingerprint(value: object) -> str:
    """Text that is the same for equal snapshots and rows, however their numbers and times are written."""
    return repr([_plain(getattr(value, name)) for name in getattr(value, "__slots__", ())])


def _plain(part: object) -> object:
    match part:
        case Decimal():
            return format(part.normalize(), "f")
        case datetime():
            return part.astimezone(UTC).isoformat()
        case tuple():
            return [fingerprint(item) for item in part]
        case _:
            return part
