"""When fills are asked for that the list hides, or that nobody waits for: the tape's turns, and audits of a feed.

A page of ended orders, as long as it holds them all, shows fills as the tape does, and other ends as well: the two take
turns. What an order that lives on has executed, and what was undone later, only the tape tells.
"""

from __future__ import annotations

import math

from fillwatch.core.schedule import tape_period
from fillwatch.engine.ends import EndsReader
from fillwatch.engine.index import Index
from fillwatch.engine.list_reader import ListReader
from fillwatch.engine.tape_feed import TapeReader

#: Seconds between two reads of the tape that nobody asked for: for late facts (busts, corrections), which no look at a
#: live order shows, and to audit a feed that stands.
LATE_FACTS, FEED_AUDIT = 20.0, 10.0
#: Seconds between two audits of a feed by the list, for each page of it: alone, and beside pages of ended orders.
SECONDS_PER_PAGE, SECONDS_PER_PAGE_BESIDE_ENDS = 8.0, 16.0


class Audits:
    """Says how long it is until the next one, in seconds."""

    def __init__(self, index: Index, list_: ListReader, tape: TapeReader, ends: EndsReader, *, page_size: int) -> None:
        self._page_size = page_size
        self._index = index
        self._list = list_
        self._tape = tape
        self._ends = ends

    @property
    def pages(self) -> int:
        """Requests that a whole sweep takes: over a list as many as the last one, but never fewer than its orders;
        without a list one for each."""
        listed = len(self._index.live) + len(self._index.audited)
        return max(self._list.pages, math.ceil(listed / self._page_size) if self._page_size else listed)

    def due_in(self, feed_audit: float) -> float:
        """Until fills are asked for although nobody waits for them; `feed_audit`: the longest that a feed which stands
        goes without (infinite if there is none): a new one has not earned all of `FEED_AUDIT`."""
        if not self._tape.is_ready or not self._index:
            return math.inf
        late = LATE_FACTS - self._tape.age
        return min(late, min(feed_audit, FEED_AUDIT) - self._told_age) if feed_audit < math.inf else late

    def turn_in(self, rate: float) -> float:
        """Until the tape has its turn because a sweep is so long that fills hide, at `rate` requests a second; infinite
        if none do."""
        if not self._tape.is_ready or self.pages < 2:
            return math.inf
        return tape_period(rate, self.pages) - self._told_age

    @property
    def ends_may_go(self) -> bool:
        """Whether a page of ended orders may stand in for the tape, which went last."""
        return self._tape.age < self._ends.age and self.pages > 1 and self._ends.is_ready

    @property
    def sweep_spacing(self) -> float:
        """From one audit of a feed by the list to the next; without a list, by a look at each order."""
        seconds = SECONDS_PER_PAGE_BESIDE_ENDS if self._ends_tell else SECONDS_PER_PAGE
        return seconds * (self.pages if self._page_size else 1)

    @property
    def _told_age(self) -> float:
        """Since fills were last asked for."""
        return min(self._tape.age, self._ends.age) if self._ends_tell else self._tape.age

    @property
    def _ends_tell(self) -> bool:
        return self._ends.pays and self.pages > 1
