"""Reads the list of ended orders: one page tells of every end among thousands of orders for as long as few have ended.

It shows nothing of orders that live on, so it replaces no sweep over the list: it makes ends known before that.
"""

from __future__ import annotations

import asyncio
import math
from datetime import datetime
from itertools import chain

from fillwatch.brokers.base import Broker, Listing, ListsEnded
from fillwatch.core.errors import Failure, KeysRefused
from fillwatch.core.evidence import Route, Seen, Unanswered
from fillwatch.core.orders import OrderStatus
from fillwatch.engine.index import Index
from fillwatch.engine.sweep import MARGIN
from fillwatch.logs import plain_logger

#: Seconds for which a page is awaited before the next one is asked for.
PATIENCE = 1.0
#: Seconds before the list is tried again after it turned out longer than a page, or went unanswered so many times.
SET_ASIDE, IN_VAIN = 60.0, 3
#: Seconds for which the bound of the list is good, and cases that are walked over for it in a second at most.
BOUND_FOR, WALKED_PER_SECOND = 5.0, 1_000.0
#: What no ended order can be: a page that is mostly of these was not cut down to ended ones.
_OPEN = frozenset({OrderStatus.NEW, OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED})


class EndsReader:
    """One page at a time, of what was submitted since the oldest live order; longer lists are left to the sweep."""

    def __init__(self, broker: Broker, index: Index) -> None:
        has_list = broker.caps.page_size > 0 and broker.caps.lists_ended
        self._broker = broker if has_list and isinstance(broker, ListsEnded) else None
        self._index = index
        self._loop = asyncio.get_running_loop()
        self._asked = -math.inf
        self._out = 0
        self._not_before = -math.inf
        self._in_vain = 0
        self._after: datetime | None = None
        self._bounded_at = -math.inf

    @property
    def is_ready(self) -> bool:
        """Whether a page tells of all ends, as far as is known, and none is on its way."""
        now = self._loop.time()
        if self._broker is None or now < self._not_before or (self._out and now < self._asked + PATIENCE):
            return False
        return self._bound(now) is not None

    @property
    def pays(self) -> bool:
        """Whether its pages count as looks at all fills: there is such a list, and it is short."""
        return self._broker is not None and self._loop.time() >= self._not_before

    @property
    def age(self) -> float:
        """Seconds since it was last asked."""
        return self._loop.time() - self._asked

    async def read(self) -> Listing | Unanswered | None:
        """One page, as one request on the wire."""
        if self._broker is None:
            return None
        self._asked = self._loop.time()
        self._out += 1
        page: Listing | Unanswered | None = None
        try:
            page = await self._broker.ended(after=self._after)
        finally:
            self._out -= 1
            if page is None:  # it raised, which the protocol forbids
                self._fail()
        if isinstance(page, Unanswered):
            self._miss(page)
        else:
            self._absorb(page)
        return page

    def _absorb(self, page: Listing) -> None:
        self._in_vain = 0
        if sum(order.status in _OPEN for order in page.orders) * 2 > len(page.orders):
            plain_logger().warning("the broker's list of ended orders shows open ones: not read any more")
            self._broker = None
        elif not page.complete:
            self._set_aside()
        now = self._loop.time()
        for order in reversed(page.orders):  # the replaced one before its successor, which nobody knows before it
            for case in self._index.of(order.order_id):
                if case.is_live or case.is_audited:
                    case.api_calls += 1
                if not case.see_again(order, Route.LIST, page.as_of):
                    case.absorb(Seen(order=order, route=Route.LIST, as_of=page.as_of), now)

    def _miss(self, page: Unanswered) -> None:
        """No answer: try again, later if that becomes a habit, never if the broker says that there is no such list."""
        error = page.error
        if error.failure is Failure.PERMANENT and not isinstance(error, KeysRefused):
            plain_logger().info("the broker has no list of ended orders: {}", error)
            self._broker = None
        self._fail()

    def _fail(self) -> None:
        self._in_vain += 1
        if self._in_vain >= IN_VAIN:
            self._set_aside()

    def _set_aside(self) -> None:
        self._not_before = self._loop.time() + SET_ASIDE

    def _bound(self, now: float) -> datetime | None:
        """From when on ends are of interest: the oldest order that is waited for, of those that are known."""
        size = len(self._index.live) + len(self._index.audited)
        if now >= self._bounded_at + max(BOUND_FOR, size / WALKED_PER_SECOND):
            self._bounded_at = now
            beliefs = (case.chain.current.best for case in chain(self._index.live, self._index.audited))
            times = (best.submitted_at or best.created_at for best in beliefs if best is not None)
            oldest = min((moment for moment in times if moment is not None), default=None)
            self._after = None if oldest is None else oldest - MARGIN
        return self._after
