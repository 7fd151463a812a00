"""The FILL activities as a feed: where it has been read to, where the next read begins, and who waits for it."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Iterator
from datetime import datetime, timedelta

from fillwatch.brokers.base import Broker, Fills
from fillwatch.core.errors import Failure
from fillwatch.core.evidence import Executed, Route, Unanswered
from fillwatch.core.orders import OrderSnapshot
from fillwatch.core.positions import PositionBook
from fillwatch.engine.case import Case
from fillwatch.engine.index import Index

#: Rows come late and rows of one millisecond come in any order, so every read begins this long before the newest row.
OVERLAP = timedelta(seconds=5)
#: A read for somebody's sake begins so many rows back, if that is earlier: they fit in its page, and rows which came
#: later still are met for nothing.
ROWS_AGAIN = 50
#: Seconds for which a page is awaited before the same one is asked for again.
PATIENCE = 1.0
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
        #: The newest rows, and since when somebody has wanted them to be read again.
        self._latest: dict[str, datetime] = {}
        self._wanted_again = -math.inf

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

    def read_again(self, now: float) -> None:
        """Let a read that begins from now on go over the newest rows once more."""
        self._wanted_again = now

    @property
    def is_ready(self) -> bool:
        """Whether it is known where to begin."""
        return self.start is not None

    @property
    def after(self) -> datetime | None:
        """Where the next read begins."""
        if self.newest is None or self.start is None:
            return self.start
        since = self.newest - OVERLAP
        if self._wanted_again > -math.inf:
            since = min([since, *self._latest.values()])
        return max(self.start, since)

    def take(self, page: Fills, began: float, generation: int) -> float | None:
        """Move on past `page`; when it was the last one, the moment since which all is known."""
        if generation != self.generation:
            return None
        times = [row.at for row in page.executions if row.at is not None]
        self.newest = max([*times, *([self.newest] if self.newest else [])], default=None)
        self._keep(page)
        if page.complete or page.page_token is None:
            self.token, self.began = None, None
            if self._wanted_again <= began:
                self._wanted_again = -math.inf
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


class TapeReader:
    """Reads the tape a page at a time: its rows go to the book and to the cases they concern."""

    def __init__(self, broker: Broker, index: Index, book: PositionBook, kick: asyncio.Event) -> None:
        self._broker = broker
        self._index = index
        self._book = book
        self._kick = kick
        self._loop = asyncio.get_running_loop()
        self._feed = TapeFeed()
        self._cases: dict[Case, float] = {}
        self._waiters: list[tuple[float, asyncio.Future[None]]] = []
        self._asked = -math.inf
        self._out = 0

    @property
    def exists(self) -> bool:
        """Whether the broker has a tape to read."""
        return self._broker.caps.fills_page_size > 0

    @property
    def is_ready(self) -> bool:
        """Whether the tape can be read: there is one, and it is known from where."""
        return self.exists and self._feed.is_ready

    @property
    def is_wanted(self) -> bool:
        """Whether somebody waits for it, and no page that may tell him is on its way."""
        if not self.is_ready or not (self._cases or self._waiters):
            return False
        return not self.is_paging or any(asked > self._asked for asked in self._wishes())

    @property
    def is_paging(self) -> bool:
        """Whether a page was asked for just now and has not come."""
        return self._out > 0 and self.age < PATIENCE

    def _wishes(self) -> Iterator[float]:
        """Since when each of those who wait has waited."""
        yield from self._cases.values()
        yield from (asked for asked, _ in self._waiters)

    @property
    def age(self) -> float:
        """Seconds since it was last asked."""
        return self._loop.time() - self._asked

    def begin(self, order: OrderSnapshot) -> None:
        """The first order that is seen says from where the tape is of interest."""
        if not self._feed.is_ready:
            self._feed.reach_back(order.created_at or order.submitted_at)

    @property
    def read_to(self) -> float:
        """How far it was read, in seconds of the broker's clock since 1970; -inf: not at all."""
        newest = self._feed.newest
        return -math.inf if newest is None else newest.timestamp()

    def want(self, case: Case) -> None:
        """A case waits for the tape, from the beginning of its order on.

        It is taken back there only if rows of the order may have been read while nobody knew whom they concerned:
        rows come with the time at which they happened, so those that were read before the order was made are not its.
        """
        best = case.chain.first.best
        created = None if best is None else best.created_at or best.submitted_at
        self._feed.reach_back(created)
        if created is not None and case.tape_since >= created.timestamp():
            case.tape_since = -math.inf
            self._feed.back_to(created)
        now = self._loop.time()
        self._feed.read_again(now)
        self._cases.setdefault(case, now)
        self._kick.set()

    async def until_read(self) -> None:
        """Wait until the tape has been read to its end, asked from now on; at once if there is nothing to read."""
        if not self.is_ready:
            return
        done: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append((self._loop.time(), done))
        self._kick.set()
        await done

    async def read(self) -> Fills | Unanswered:
        """One page, as one request on the wire."""
        self._asked = now = self._loop.time()
        feed = self._feed
        began = now if feed.began is None else feed.began
        generation = feed.generation
        self._out += 1
        try:
            page = await self._broker.fills(after=feed.after, page_token=feed.token)
        finally:
            self._out -= 1
        if isinstance(page, Unanswered):
            if page.error.failure is not Failure.TRANSIENT and page.error.failure is not Failure.RATE_LIMITED:
                feed.restart()  # the token may be what it does not like
            for case in [*self._cases]:
                case.unanswered(page)
            return page
        for row in page.executions:
            self._book.record_execution(row, as_of=page.as_of)
            for case in self._index.of(row.order_id):
                case.absorb(Executed(execution=row, route=Route.ACTIVITIES, as_of=page.as_of), self._loop.time())
        self._finish(feed.take(page, began, generation))
        return page

    def _finish(self, as_of: float | None) -> None:
        """The tape is known as of this moment: tell those who have waited since before it."""
        if as_of is None:
            return
        for asked, waiter in [*self._waiters]:
            if asked <= as_of:
                self._waiters.remove((asked, waiter))
                if not waiter.done():
                    waiter.set_result(None)
        for case, wanted in [*self._cases.items()]:
            if wanted <= as_of:
                del self._cases[case]
                case.api_calls += 1
                case.read_tape(as_of)
