"""Reads the list of orders, a page at a time, and knows what it fails to show."""

from __future__ import annotations

import asyncio
import math

from fillwatch.brokers.base import Broker, Listing
from fillwatch.core.evidence import Missing, Route, Seen, Unanswered
from fillwatch.core.orders import OrderSnapshot
from fillwatch.core.quick import maker
from fillwatch.core.schedule import STRAYS, YOUNG, Looks
from fillwatch.engine.case import Case
from fillwatch.engine.dues import Dues
from fillwatch.engine.index import Index
from fillwatch.engine.sweep import Sweep
from fillwatch.engine.tape_feed import TapeReader
from fillwatch.logs import plain_logger

#: Seconds for which a page is awaited before the same one is asked for again.
PATIENCE = 1.0
#: Rows that bring news, about a millisecond of them, after which everybody else has a turn; so with other long walks.
BREATH = 24
#: Pages of a sweep beyond which those whom somebody waits for get pages of their own, so many for each of the sweep's.
#: A page that shows less than this share of them was aimed badly; seconds after which the next one is aimed then.
LONG, AIMED_IN_A_ROW, GOOD_REACH, AIMS_AGAIN = 2, 2, 0.5, 60.0

_seen = maker(Seen)


class ListReader:
    """Sweeps over the list: what a page shows goes to the cases that it concerns, newest page first.

    An order that a whole sweep did not meet is a stray: it is asked by its id from then on.
    """

    def __init__(self, broker: Broker, index: Index, dues: Dues, tape: TapeReader) -> None:
        #: Requests that the last sweep took.
        self.pages = 1
        self._broker = broker
        self._index = index
        self._dues = dues
        self._tape = tape
        self._loop = asyncio.get_running_loop()
        self._sweep: Sweep | None = None
        self._asked = -math.inf
        #: Aimed pages in a row, the share of those waited for that the last one showed, and when to aim again.
        self._aimed, self._reach, self._aims_again = 0, 1.0, -math.inf
        self._often = plain_logger().opt(lazy=True)

    @property
    def exists(self) -> bool:
        """Whether the broker has a list to read."""
        return self._broker.caps.page_size > 0

    @property
    def is_sweeping(self) -> bool:
        """Whether a sweep has begun and not ended."""
        return self._sweep is not None

    @property
    def is_paging(self) -> bool:
        """Whether a page was asked for just now and has not come."""
        return self.awaits_for > 0.0

    @property
    def awaits_for(self) -> float:
        """Seconds for which a page that was asked for is still awaited before it is asked for again."""
        return max(0.0, self._asked + PATIENCE - self._loop.time())

    async def read(self) -> Listing | Unanswered:
        """One page, as one request on the wire: the next one of the sweep, the first of a new one, or an aimed one."""
        aimed = self._aim()
        if aimed is None and self._sweep is None:
            self._sweep = Sweep.over(self._searchable())
            self._dues.sweep(self._sweep.missing)
        sweep = aimed or self._sweep
        assert sweep is not None
        self._dues.cover(sweep.missing)
        self._asked = asked = self._loop.time()
        page = await self._broker.list(after=sweep.after, until=sweep.until)
        if isinstance(page, Unanswered):
            await self._give_up(sweep, page)
        else:
            await self._absorb(sweep, page)
            if sweep.until is not None and aimed is sweep:
                self._aim_again(aimed, page)
        if self._asked == asked:
            self._asked = -math.inf
        return page

    @property
    def answers_for_many(self) -> Looks:
        """For how many of those whom somebody waits for one request answers."""
        if not self.exists:
            return Looks.SINGLE
        return Looks.SHARED if self.pages <= LONG or self._reach >= GOOD_REACH else Looks.PAGED

    def _aim(self) -> Sweep | None:
        """Beside a long sweep, a page for those whom somebody waits for, who came together and so are neighbours on
        the list, or for those whom nobody has seen, who are at its beginning.

        When a page does not reach those who are waited for, the next is tried after a while.
        """
        if self.pages > LONG and self._aimed < AIMED_IN_A_ROW and self._loop.time() >= self._aims_again:
            aimed = Sweep.at(self._dues.waited_for)
            if aimed.until is not None:
                self._aimed += 1
                return aimed
        if self.pages > LONG and not self._aimed and self._sweep is not None and (new := self._dues.newcomers):
            self._aimed += 1
            return Sweep(new, after=None)
        self._aimed = 0
        return None

    def _aim_again(self, aimed: Sweep, page: Listing) -> None:
        """Whom the page did not reach is still waited for; if it shows nobody of them, they are asked by their ids."""
        shown = aimed.missing.keys() & {order.order_id for order in page.orders}
        self._reach = len(shown) / len(aimed.missing)
        if self._reach < GOOD_REACH:
            self._aims_again = self._loop.time() + AIMS_AGAIN
        for order_id in aimed.missing.keys() - shown:
            for case in self._index.of(order_id):
                case.is_stray = case.is_stray or not shown
                self._dues.mark(case)
                self._dues.want_again(case, order_id)

    async def _give_up(self, sweep: Sweep, page: Unanswered) -> None:
        """A page went unanswered: whoever waits for it is told; the sweep goes on if it had come further."""
        if self._sweep is sweep and not sweep.lose():
            self._sweep = None
            self._dues.failed()
        for number, order_id in enumerate([*sweep.missing], start=1):
            for case in self._index.of(order_id):
                case.unanswered(page)
            if number % (20 * BREATH) == 0:
                await asyncio.sleep(0)

    async def _absorb(self, sweep: Sweep, page: Listing) -> None:
        again: list[tuple[Case, OrderSnapshot]] = []
        shown: list[Case] = []
        news, as_of = 0, page.as_of
        for order in reversed(page.orders):  # the replaced one before its successor, which nobody knows before it
            for case in self._index.of(order.order_id):
                shown.append(case)
                was_stray, case.is_stray = case.is_stray, False
                case.api_calls += 1
                if case.see_again(order, Route.LIST, as_of):
                    again.append((case, order))
                else:
                    case.absorb(_seen(order=order, route=Route.LIST, as_of=as_of), self._loop.time())
                    news += 1
                if was_stray:
                    self._dues.forget(case)
                    self._dues.keep_due(case)
                self._tape.begin(order)
            if news >= BREATH:
                news = 0
                await asyncio.sleep(0)
        if news < len(shown) - len(again):  # there was a turn in between: the judgement has one of its own
            await asyncio.sleep(0)
        self._often.debug("page: {} orders, {} as before", lambda: len(page.orders), lambda: _told(again, as_of))
        self._take(sweep, page, shown)

    def _take(self, sweep: Sweep, page: Listing, shown: list[Case]) -> None:
        """The whole page was absorbed: go on to the next one, or judge what the sweep did not meet."""
        goes_on = sweep is not self._sweep or sweep.take(page)  # a page of a sweep that was given up proves nothing
        self._dues.shown(shown, page.as_of)
        if goes_on:
            return
        self._sweep, self.pages = None, max(1, sweep.pages)
        self._lose(sweep)
        self._dues.swept()

    def _lose(self, sweep: Sweep) -> None:
        """What a sweep did not meet is asked by its id; if it was complete, absence is evidence."""
        now = self._loop.time()
        for order_id in sweep.missing:
            for case in self._index.of(order_id):
                case.is_stray = True
                if sweep.is_complete and now - case.started > YOUNG:
                    case.absorb(Missing(order_id=order_id, route=Route.LIST, as_of=sweep.began), now)
                self._dues.mark(case)

    def _searchable(self) -> list[Case]:
        """The cases a sweep is to meet: those the list shows, and the others too when they have become many."""
        strays = self._index.strays
        if len(strays) > STRAYS:
            for case in [*strays]:
                case.is_stray = False
                self._dues.mark(case)
        return [*self._index.live, *self._index.audited]


def _told(again: list[tuple[Case, OrderSnapshot]], as_of: float) -> int:
    """Log each look that brought nothing new; it is called only if somebody would see that."""
    for case, order in again:
        case.told_again(order, Route.LIST, as_of)
    return len(again)
