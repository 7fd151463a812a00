"""Rows of the list that were read lately: a row that is the same to the byte is not read again."""

from __future__ import annotations

from fillwatch.core.orders import OrderSnapshot

#: Rows that are kept at least, and twice as many at most: four pages, 1.5 MB each thousand. A sweep over a longer list
#: comes round too late to find its rows here, but then pages of one and the same row come seldom, too.
ROWS = 2_000


class KnownRows:
    """The values of rows, by their bytes; what was not asked for while `ROWS` others were is forgotten."""

    __slots__ = ("_newer", "_older", "_rows")

    def __init__(self, rows: int = ROWS) -> None:
        self._rows = rows
        self._newer: dict[bytes, OrderSnapshot] = {}
        self._older: dict[bytes, OrderSnapshot] = {}

    def get(self, row: bytes) -> OrderSnapshot | None:
        """What this very row was read as; None if it is not known."""
        found = self._newer.get(row)
        if found is None:
            found = self._older.get(row)
            if found is not None:
                self.keep(row, found)
        return found

    def keep(self, row: bytes, value: OrderSnapshot) -> None:
        """Remember what a row was read as."""
        if len(self._newer) >= self._rows:
            self._older, self._newer = self._newer, {}
        self._newer[row] = value

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)
