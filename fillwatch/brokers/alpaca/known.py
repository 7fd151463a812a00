"""Rows of the list that were read lately: a row that is the same to the byte is not read again."""

from __future__ import annotations

from fillwatch.core.orders import OrderSnapshot

#: Rows that are kept at least, and twice as many at most: four pages, 1.5 MB each thousand.
ROWS = 2_000
#: A sweep over a longer list comes round too late to find its rows here. As long as none is found only one in so many
#: is kept, to notice when that changes: the rest would live just long enough for the garbage collector to count them.
SAMPLE = 16


class KnownRows:
    """The values of rows, by their bytes; what was not asked for while `ROWS` others were is forgotten."""

    __slots__ = ("_found", "_is_barren", "_newer", "_older", "_read", "_rows")

    def __init__(self, rows: int = ROWS) -> None:
        self._rows = rows
        self._newer: dict[bytes, OrderSnapshot] = {}
        self._older: dict[bytes, OrderSnapshot] = {}
        #: Rows that were read and rows that were found here since the older ones were forgotten.
        self._read = self._found = 0
        self._is_barren = False

    def get(self, row: bytes) -> OrderSnapshot | None:
        """What this very row was read as; None if it is not known."""
        found = self._newer.get(row)
        if found is None:
            found = self._older.get(row)
            if found is not None:
                self._is_barren = False
                self.keep(row, found)
        if found is not None:
            self._found += 1
        return found

    def keep(self, row: bytes, value: OrderSnapshot) -> None:
        """Remember what a row was read as."""
        if self._read >= self._rows:
            self._is_barren = bool(self._older) and not self._found
            self._older, self._newer = self._newer, {}
            self._read = self._found = 0
        self._read += 1
        if not self._is_barren or self._read % SAMPLE == 0:
            self._newer[row] = value

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)
