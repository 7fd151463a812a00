"""When the next read has its turn: an even beat a little below the limit, and what may go between two beats.

The beat leaves a few tokens over. They gather, and pay for the reads that come between: proofs of ends, positions,
first looks at new orders. So these delay no beat, and no delay is two beats long.
"""

from __future__ import annotations

import asyncio
import math

from fillwatch.engine.limiter import RateLimiter

#: Beats are so many times further apart than tokens come, unless tokens abound.
PACE = 1.16
#: Seconds between two reads while news is likely: what was saved lasts the better part of a second at that.
HOT_PACE = 0.1


class Beat:
    """Says, in seconds from now, when reads may go at the pace of `limiter`; `struck` begins a new beat."""

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter
        self._loop = asyncio.get_running_loop()
        self._last = -math.inf

    def struck(self) -> None:
        """A read that tells of all orders, or of the one that is due, is being sent."""
        self._last = self._loop.time()

    @property
    def next_in(self) -> float:
        """Until the next beat."""
        return self._last + PACE / self._limiter.rate_now - self._loop.time()

    @property
    def look_in(self) -> float:
        """Until a look that is due has its turn: the beat comes, or tokens abound."""
        return max(0.0, min(self.next_in, self._limiter.seconds_until_ample()))

    @property
    def hot_in(self) -> float:
        """Until a look at orders that are likely to have news has its turn."""
        return min(self.next_in, self._last + HOT_PACE - self._loop.time())
