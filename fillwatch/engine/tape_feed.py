"""Reads the FILL activities: what they show goes to the book and the cases, and those who wait for it are told."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator

from fillwatch.brokers.base import Broker, Fills
from fillwatch.core.errors import Failure
from fillwatch.core.evidence import Executed, Route, Unanswered
from fillwatch.core.orders import OrderSnapshot
from fillwatch.core.positions import PositionBook
from fillwatch.engine.case import Case
from fillwatch.engine.index import Index
from fillwatch.engine.tape_cursor import TapeFeed

#: Seconds for which a page is awaited before the same one is asked for again.
PATIENCE = 1.0
#: Pages in a row that may go unanswered before there are pauses, in seconds: the first, doubled up to the longest.
IN_VAIN, FIRST_PAUSE, LONGEST_PAUSE = 3, 0.5, 8.0


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
        self._unanswered = 0

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
        if not self._is_awaited or self.age < self._pause:
            return False
        return not self.is_paging or any(asked > self._asked for asked in self._wishes())

    @property
    def wanted_in(self) -> float:
        """Seconds until it is asked again after pages that went unanswered; infinite if nobody waits for that."""
        left = self._pause - self.age
        return left if left > 0.0 and self._is_awaited else math.inf

    @property
    def _is_awaited(self) -> bool:
        return self.is_ready and bool(self._cases or self._waiters)

    @property
    def _pause(self) -> float:
        """Seconds from one page to the next: none before it failed often, or it would take all requests for nothing."""
        often = self._unanswered - IN_VAIN
        return 0.0 if often < 0 else min(FIRST_PAUSE * 2.0**often, LONGEST_PAUSE)

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
        self._cases.setdefault(case, self._loop.time())
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
            self._miss(page)
            return page
        self._unanswered = 0
        for row in page.executions:
            self._book.record_execution(row, as_of=page.as_of)
            for case in self._index.of(row.order_id):
                case.absorb(Executed(execution=row, route=Route.ACTIVITIES, as_of=page.as_of), self._loop.time())
        self._finish(feed.take(page, began, generation))
        return page

    def _miss(self, page: Unanswered) -> None:
        """No answer: those who wait wait on, unless the broker turns out to have no tape."""
        self._unanswered = min(self._unanswered + 1, 99)
        if page.error.failure is not Failure.TRANSIENT and page.error.failure is not Failure.RATE_LIMITED:
            self._feed.restart()  # the token may be what it does not like
        for case in [*self._cases]:
            case.unanswered(page)
        if not self.exists:
            for case in [*self._cases]:
                case.wake()
            for _, waiter in self._waiters:
                if not waiter.done():
                    waiter.set_result(None)
            self._cases.clear()
            self._waiters.clear()

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
