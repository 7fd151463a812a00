"""Every order as it is now, in the order of the list: made once for as long as nothing happens.

Bots read pages of the list again and again, and hardly ever does anything happen between two of them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sized
from datetime import datetime

from fillwatch.core.orders import OrderSnapshot
from fillwatch.simulator.book import Record, Version


class Shelf:
    """The newest versions, sorted; `changes` tells by its length whether they still are the newest."""

    __slots__ = ("_count", "_rows")

    def __init__(self) -> None:
        self._count = -1
        self._rows: list[Version] = []

    def rows(
        self,
        records: Mapping[str, Record],
        changes: Sized,
        *,
        after: datetime | None,
        until: datetime | None,
        descending: bool,
    ) -> Iterator[Version]:
        """Those that were submitted between the bounds, which are exclusive."""
        if self._count != len(changes):
            self._count = len(changes)
            self._rows = [record.versions[-1] for record in records.values()]
            self._rows.sort(key=_place)
        first = 0 if after is None else bisect_right(self._rows, after, key=_submitted)
        end = len(self._rows) if until is None else bisect_left(self._rows, until, key=_submitted)
        places = range(end - 1, first - 1, -1) if descending else range(first, end)
        return (self._rows[place] for place in places)


def submitted(order: OrderSnapshot) -> datetime:
    """The list's cursor."""
    assert order.submitted_at is not None
    return order.submitted_at


def _submitted(version: Version) -> datetime:
    return submitted(version.order)


def _place(version: Version) -> tuple[datetime, str]:
    return submitted(version.order), version.order.order_id
