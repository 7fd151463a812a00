"""How much may be sent, and when: the meter of a `RateLimit`, and what the broker says of our quota."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fillwatch.brokers.base import Quota
from fillwatch.core.config import RateLimit
from fillwatch.core.tokens import Meter, Terms

#: Seconds of the first stand-still after a 429 that names no reset; doubled by each that follows, up to the longest.
FIRST_STANDSTILL, LONGEST_STANDSTILL = 1.0, 60.0


class Allowance:
    """The tokens of a `RateLimit`; they never are more than its grant, and fewer if the broker says so.

    `largest`: tokens that the dearest call takes. `start`: tokens at the beginning. `clock` gives seconds; None is the
    running loop's time. It starts with the first question. `_changed` is called after whatever may let more go.
    """

    def __init__(
        self, rate: RateLimit, *, clock: Callable[[], float] | None = None, largest: int = 1, start: float = 1.0
    ) -> None:
        self.rate = rate
        self.largest = largest
        self._clock = clock
        self._start = start
        self._started: Meter | None = None
        self._quota: Quota | None = None
        self._standstill = 0.0

    def observe(self, quota: Quota) -> None:
        """Follow what the broker says of our allowance, down and never above the `RateLimit`.

        A smaller limit makes a smaller grant. A `remaining` too small for what we would send until the reset is spread
        over that time; none remaining means standing still until then. A quota older than the last one is ignored.
        """
        if self._quota is not None and (quota.as_of < self._quota.as_of or quota == self._quota):
            return
        self._quota = quota
        now = self._now()
        self._refit(now)
        if quota.remaining is not None and quota.reset_in is not None:
            until = quota.as_of + min(quota.reset_in, self._longest)
            if until > now:
                self._meter.follow(quota.remaining, until, now)
        elif quota.remaining == 0:
            self.stand_still(None)
        self._changed()

    def stand_still(self, reset_in: float | None) -> None:
        """The broker answered 429: nothing but spaced cancels for `reset_in` seconds.

        None (or no positive number): 1 s, doubled by each further 429 up to 60 s, until `succeeded()`.
        """
        now, meter = self._now(), self._meter
        if reset_in is not None and reset_in > 0:
            meter.stand_still(now + min(reset_in, self._longest), now)
        elif now >= meter.still_until:  # the answers to what was sent before a stand-still say nothing new
            self._standstill = min(LONGEST_STANDSTILL, 2 * self._standstill or FIRST_STANDSTILL)
            meter.stand_still(now + self._standstill, now)
        self._changed()

    def succeeded(self) -> None:
        """The broker answered properly: the next stand-still without a reset is a short one again."""
        if not self.is_standing_still:
            self._standstill = 0.0

    def reconfigure(self, rate: RateLimit) -> None:
        """Go on with another limit, at once; who waits keeps his place."""
        self.rate = rate
        self._refit(self._now())
        self._changed()

    @property
    def level(self) -> float:
        """Tokens that lie ready now."""
        return self._meter.level(self._now())

    @property
    def rate_now(self) -> float:
        """Tokens a second that flow in as a rule."""
        return self._meter.terms.rate

    @property
    def beyond_reserve(self) -> float:
        """Tokens that lie ready for those who must leave the reserve."""
        return max(0.0, self.level - self._meter.terms.reserve)

    def seconds_until_ample(self) -> float:
        """Seconds until a token can be spent without regret; infinite when requests have to end first."""
        now = self._now()
        return max(self._meter.seconds_until_ample(now), self._meter.still_until - now)

    @property
    def is_standing_still(self) -> bool:
        """Whether only cancels pass."""
        return self._now() < self._meter.still_until

    @property
    def standing_still_until(self) -> float | None:
        """The clock's reading at which a present stand-still ends; None when there is none."""
        return self._meter.still_until if self.is_standing_still else None

    @property
    def _meter(self) -> Meter:
        if self._started is None:
            self._started = Meter(self._terms(self.rate.granted), self._now(), start=self._start)
        return self._started

    @property
    def _longest(self) -> float:
        """The seconds to which a broker's reset is cut down: a stray header must not silence us for good."""
        return max(self.rate.window_seconds, LONGEST_STANDSTILL)

    def _now(self) -> float:
        return asyncio.get_running_loop().time() if self._clock is None else self._clock()

    def _refit(self, now: float) -> None:
        limit = self.rate.limit
        if self._quota is not None and self._quota.limit is not None:
            limit = min(limit, self._quota.limit)
        self._meter.refit(self._terms(limit * self.rate.share), now)

    def _terms(self, granted: float) -> Terms:
        return Terms.of(granted, self.rate.window_seconds, self.largest)

    def _changed(self) -> None:
        """Nobody waits here."""
