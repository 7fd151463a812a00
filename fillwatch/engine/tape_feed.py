"""The FILL activities as a feed: where it has been read to, and where the next read begins."""

from __future__ import annotations

from datetime import datetime, timedelta

from fillwatch.brokers.base import Fills

#: Rows come late and rows of one millisecond come in any order, so every read begins this long before the newest row.
OVERLAP = timedelta(seconds=5)
#: What happened in the first seconds of an order must not fall between it and a broker's clock.
MARGIN = timedelta(seconds=5)


class TapeFeed:
    """The cursor of the tape. One read may take several pages; `began` is when the first of them was asked for."""

    def __init__(self) -> None:
        self.start: datetime | None = None
        self.newest: datetime | None = None
        self.token: str | None = None
        self.began: float | None = None

    def reach_back(self, to: datetime | None) -> None:
        """The tape is needed from this time on; one that began later is read again from there."""
        if to is None:
            return
        start = to - MARGIN
        if self.start is None or start < self.start:
            self.start, self.newest, self.token, self.began = start, None, None, None

    @property
    def is_ready(self) -> bool:
        """Whether it is known where to begin."""
        return self.start is not None

    @property
    def after(self) -> datetime | None:
        """Where the next read begins."""
        if self.newest is None or self.start is None:
            return self.start
        return max(self.start, self.newest - OVERLAP)

    def take(self, page: Fills, began: float, start: datetime | None) -> float | None:
        """Move on past `page`; when it was the last one, the moment since which all is known."""
        if start != self.start:
            return None
        times = [row.at for row in page.executions if row.at is not None]
        self.newest = max([*times, *([self.newest] if self.newest else [])], default=None)
        if page.complete or page.page_token is None:
            self.token, self.began = None, None
            return began if page.complete else None
        self.token, self.began = page.page_token, began
        return None

    def restart(self) -> None:
        """A page went unanswered: begin the read anew."""
        self.token, self.began = None, None
