"""One pass over the order list, page by page, newest submission first."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta

from fillwatch.brokers.base import Listing
from fillwatch.core.belief import OrderBelief
from fillwatch.core.schedule import goes_on
from fillwatch.engine.case import Case

#: `submitted_at` may precede what we know of it; the list is asked from this long before the oldest order on.
MARGIN = timedelta(seconds=60)
#: The list ends before `until`.
INSTANT = timedelta(microseconds=1)
#: Pages in a row that may go unanswered in the middle of a sweep: begun anew each time, a long one would never end.
IN_VAIN = 5


class Sweep:
    """The orders still to be met (`missing`), and where the next page begins."""

    def __init__(self, missing: Iterable[str], after: datetime | None) -> None:
        self.missing = dict.fromkeys(missing)
        self.after = after
        self.until: datetime | None = None
        self.pages = 0
        self.began = math.inf
        self.is_complete = False
        self._barren = 0
        self._lost = 0
        self._unreadable = False

    @classmethod
    def over(cls, cases: Iterable[Case]) -> Sweep:
        """A sweep that is to meet these cases; bounded by the oldest of them if all are known."""
        beliefs = [case.chain.current for case in cases]
        times = [submitted(belief) for belief in beliefs]
        known = [moment for moment in times if moment is not None]
        after = min(known) - MARGIN if known and len(known) == len(times) else None
        return cls([belief.order_id for belief in beliefs], after)

    @classmethod
    def at(cls, cases: Iterable[Case]) -> Sweep:
        """A page that begins at the newest of these cases, as far as it is known when they were submitted."""
        times = {case.chain.current.order_id: submitted(case.chain.current) for case in cases}
        known = {order_id: moment for order_id, moment in times.items() if moment is not None}
        sweep = cls(known, min(known.values(), default=None))
        if sweep.after is not None:
            sweep.after -= MARGIN
            sweep.until = max(known.values()) + INSTANT
        return sweep

    def take(self, page: Listing) -> bool:
        """Count a page; whether the next one is worth its request."""
        self.pages += 1
        self._lost = 0
        self.began = min(self.began, page.as_of)
        met = [order.order_id for order in page.orders if order.order_id in self.missing]
        for order_id in met:
            del self.missing[order_id]
        self._unreadable = self._unreadable or page.unreadable > 0
        self._barren = 0 if met else self._barren + 1
        self.is_complete = page.complete and not self._unreadable
        if page.complete or page.until is None or not self.missing:
            return False
        self.until = page.until
        return goes_on(missing=len(self.missing), barren=self._barren)

    def lose(self) -> bool:
        """Count a page that went unanswered; whether to ask for it again rather than begin anew."""
        self._lost += 1
        return self.pages > 0 and self._lost < IN_VAIN


def submitted(belief: OrderBelief) -> datetime | None:
    """Where the list shows the order."""
    return None if belief.best is None else belief.best.submitted_at or belief.best.created_at
