"""When more cancels are wanted than the request limit lets through at once: who waits, and saying so."""

from __future__ import annotations

import asyncio
import math

from fillwatch.engine.case import Case
from fillwatch.engine.limiter import RateLimiter
from fillwatch.engine.turns import YIELD_AFTER
from fillwatch.logs import plain_logger

#: Seconds of waiting from which on it is worth a word, and between two such words.
LONG_WAIT, SPACING = 5.0, 30.0


class Crowd:
    """The cases whose cancel waits for its turn at the limiter."""

    def __init__(self, limiter: RateLimiter) -> None:
        self._limiter = limiter
        self._waiting: dict[Case, None] = {}
        self._said = -math.inf

    def enter(self, case: Case) -> None:
        """A cancel of this case begins to wait."""
        self._waiting[case] = None
        now = asyncio.get_running_loop().time()
        # While looks wait as well, one turn in so many is theirs.
        seconds = len(self._waiting) / self._limiter.rate_now * (YIELD_AFTER + 1) / YIELD_AFTER
        if seconds >= LONG_WAIT and now >= self._said + SPACING:
            self._said = now
            asyncio.get_running_loop().call_soon(self._say)

    def leave(self, case: Case) -> None:
        """It was sent, or has become needless."""
        self._waiting.pop(case, None)

    def _say(self) -> None:
        """After all that came in the same moment have been counted."""
        seconds = len(self._waiting) / self._limiter.rate_now * (YIELD_AFTER + 1) / YIELD_AFTER
        plain_logger().warning(
            "{} cancels wait for the request limit; the last goes out in about {:.0f} s", len(self._waiting), seconds
        )
