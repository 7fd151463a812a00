"""The executions of one order as one route told them: a set keyed by execution id, and what is void of it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from fillwatch.core.orders import Execution, ExecutionKind

ZERO = Decimal(0)


class Tape:
    """Rows of one route. Adding is a join: any order, any repetition, the same tape.

    Ids are compared within a route only: whether Alpaca's activity ids are its stream's execution ids is not known.
    """

    __slots__ = ("rows",)

    def __init__(self) -> None:
        self.rows: dict[str, Execution] = {}

    def add(self, row: Execution) -> None:
        """Take `row`; of two that bear the same id the same one is kept whichever came first."""
        known = self.rows.get(row.execution_id)
        if known is None or (known != row and fingerprint(known) < fingerprint(row)):
            self.rows[row.execution_id] = row

    @property
    def voided(self) -> frozenset[str]:
        """Ids of executions that were busted or corrected."""
        return frozenset(row.previous_id for row in self.rows.values() if row.previous_id is not None)

    @property
    def gross(self) -> Decimal:
        """Shares executed before anything was undone: the least that the order's cumulative quantity once was."""
        fills = sum((row.qty for row in self.rows.values() if row.kind is ExecutionKind.FILL), ZERO)
        unseen = {row.previous_id: row.qty for row in self.rows.values() if row.kind is not ExecutionKind.FILL}
        return fills + sum((qty for known, qty in unseen.items() if known not in self.rows), ZERO)

    @property
    def net(self) -> Decimal:
        """Shares that stand executed."""
        return sum((row.qty for row in self._standing()), ZERO)

    @property
    def average_price(self) -> Decimal | None:
        """Exact average of what stands, in the quote currency; None when nothing does."""
        standing = self._standing()
        quantity = sum((row.qty for row in standing), ZERO)
        return sum((row.qty * row.price for row in standing), ZERO) / quantity if quantity else None

    def _standing(self) -> list[Execution]:
        voided = self.voided
        return [row for key, row in self.rows.items() if row.kind is not ExecutionKind.BUST and key not in voided]


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
