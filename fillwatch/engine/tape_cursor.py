"""Where the FILL activities have been read to, and where the next read of them begins."""

from __future__ import annotations

import heapq
from datetime import datetime, timedelta

from fillwatch.brokers.base import Fills

#: Rows come late and rows of one millisecond come in any order, so every read begins this long before the newest row;
#: and so many rows back, if that is earlier: they fit in its page, and rows which come later still, or are dated like
#: the fill that they undo, are met for nothing.
OVERLAP = timedelta(seconds=5)
ROWS_AGAIN = 50
#: What happened in the first seconds of an order must not fall between it and a broker's clock.
MARGIN = timedelta(seconds=5)


class TapeFeed:
    """The cursor of the tape. One read may take several pages; `began` is when the first of them was asked for."""

    def __init__(self) -> None:
        self.start: datetime | None = None
        self.newest: datetime | None = None
        self.token: str | None = None
        self.began: float | None = None
        #: Counts the times it was taken back; what was asked before that moves the cursor no more.
        self.generation = 0
        #: The newest rows.
        self._latest: dict[str, datetime] = {}

    def reach_back(self, to: datetime | None) -> None:
        """The tape is needed from this time on; one that began later is read again from there."""
        if to is None:
            return
        start = to - MARGIN
        if self.start is None or start < self.start:
            self.start, self.newest = start, None
            self.generation += 1
            self.restart()

    def back_to(self, moment: datetime | None) -> None:
        """Read again what has happened since `moment`: when it was read, nobody knew what it concerned."""
        if moment is not None and self.newest is not None and moment < self.newest:
            self.newest = moment
            self.generation += 1
            self.restart()

    @property
    def is_ready(self) -> bool:
        """Whether it is known where to begin."""
        return self.start is not None

    @property
    def after(self) -> datetime | None:
        """Where the next read begins."""
        if self.newest is None or self.start is None:
            return self.start
        return max(self.start, min([self.newest - OVERLAP, *self._latest.values()]))

    def take(self, page: Fills, began: float, generation: int) -> float | None:
        """Move on past `page`; when it was the last one, the moment since which all is known."""
        if generation != self.generation:
            return None
        times = [row.at for row in page.executions if row.at is not None]
        self.newest = max([*times, *([self.newest] if self.newest else [])], default=None)
        self._keep(page)
        if page.complete or page.page_token is None:
            self.token, self.began = None, None
            return began if page.complete else None
        self.token, self.began = page.page_token, began
        return None

    def _keep(self, page: Fills) -> None:
        self._latest |= {row.execution_id: row.at for row in page.executions if row.at is not None}
        if len(self._latest) > ROWS_AGAIN:
            self._latest = dict(heapq.nlargest(ROWS_AGAIN, self._latest.items(), key=_moment))

    def restart(self) -> None:
        """A page went unanswered: begin the read anew."""
        self.token, self.began = None, None


def _moment(row: tuple[str, datetime]) -> datetime:
    return row[1]
