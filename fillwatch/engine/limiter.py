"""One rate limit shared by everybody who asks the broker: first come, first served within five priorities.

Why no sliding window of the *broker's* arrival log holds more than our grant: a permit is in flight from the moment it
is granted until its request has really ended, and the request arrives somewhere in between. At every moment
`level + in_flight <= burst` (granting moves one from the first to the second; tokens gather up to `burst - in_flight`
and no further). What arrives during a window that begins at `t` was in flight at `t` or was granted since; the former
are `in_flight(t)`, the latter at most `level(t) + rate * window`; together at most `burst + rate * window`, and
`Terms.of` keeps that below the next whole number above the grant. No latency occurs in it, so none can break it.
A restart begins with a token or two instead of a burst: a window that spans it may hold that many more, not twice.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fillwatch.brokers.base import Quota
from fillwatch.core.config import RateLimit
from fillwatch.core.errors import EngineClosed
from fillwatch.core.tokens import ENOUGH, Meter, Terms
from fillwatch.engine.turns import Permit, Priority, Turns

__all__ = ["Permit", "Priority", "RateLimiter"]

#: Seconds between two cancels while standing still. They may pass although the broker has asked for silence: a cancel
#: that comes too late costs money, one that is answered 429 costs nothing, and one a second adds little to the load.
CANCEL_SPACING = 1.0
#: Seconds of the first stand-still after a 429 that names no reset; doubled by each that follows, up to the longest.
FIRST_STANDSTILL, LONGEST_STANDSTILL = 1.0, 60.0
#: Requests that only cancels may have in flight.
RESERVED_PLACES = 2


class RateLimiter:
    """Hands out permits at the pace of a `RateLimit`; it belongs to one event loop.

    `max_in_flight` permits at most are out at a time (None: as many as the burst allows). Of tokens and places some
    are kept back for cancels. `largest`: tokens that the dearest call takes. `start`: tokens at the beginning, from
    which no reserve is kept. `clock` gives seconds; None is the running loop's time. When nobody waits nothing runs.
    """

    def __init__(
        self,
        rate: RateLimit,
        *,
        clock: Callable[[], float] | None = None,
        max_in_flight: int | None = None,
        largest: int = 1,
        start: float = 1.0,
    ) -> None:
        self.rate = rate
        self.max_in_flight = max_in_flight
        self.largest = largest
        #: Permits granted so far, those that came back unused not counted.
        self.granted = 0
        #: Permits that are out.
        self.in_flight = 0
        self._clock = clock
        self._start = start
        self._started: Meter | None = None
        self._quota: Quota | None = None
        self._standstill = 0.0
        self._last_cancel = -math.inf
        self._queue = Turns()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def acquire(self, priority: Priority, tokens: int = 1) -> Permit:
        """Wait for a permit of so many tokens, at most `largest`; end it with `release()`.

        A caller cancelled meanwhile leaves no trace. Raises `EngineClosed` once the limiter is closed.
        """
        permit = self.try_acquire(priority, tokens)
        if permit is not None:
            return permit
        first = not self._queue.has_before(priority)
        future = self._queue.append(priority, tokens, asyncio.get_running_loop().create_future())
        if first:
            self._serve()
        try:
            return await future
        except asyncio.CancelledError:
            if future.cancelled():
                self._queue.forget()
                if not self._queue.waiting:
                    self._rearm(math.inf)
            elif future.exception() is None:
                future.result().give_back()
            raise

    def try_acquire(self, priority: Priority, tokens: int = 1) -> Permit | None:
        """A permit if one can be had at once and without passing anybody. Raises `EngineClosed` when closed."""
        if self._closed:
            raise EngineClosed("the rate limiter is closed: no request is sent any more")
        now = self._now()
        if self._queue.has_before(priority) or self._seconds_until(priority, tokens, now) > ENOUGH:
            return None
        return self._grant(priority, tokens, now)

    @asynccontextmanager
    async def permit(self, priority: Priority) -> AsyncIterator[Permit]:
        """`async with limiter.permit(priority):` acquires, and releases at the end."""
        permit = await self.acquire(priority)
        try:
            yield permit
        finally:
            permit.release()

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
        self._serve()

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
        self._serve()

    def succeeded(self) -> None:
        """The broker answered properly: the next stand-still without a reset is a short one again."""
        if not self.is_standing_still:
            self._standstill = 0.0

    def reconfigure(self, rate: RateLimit) -> None:
        """Go on with another limit, at once; who waits keeps his place."""
        self.rate = rate
        self._refit(self._now())
        self._serve()

    def close(self) -> None:
        """Wake everybody who waits with `EngineClosed`. Permits that are out may still be released."""
        self._closed = True
        self._queue.fail("the rate limiter was closed while waiting for a permit")
        self._rearm(math.inf)

    @property
    def level(self) -> float:
        """Tokens that lie ready now."""
        return self._meter.level(self._now())

    @property
    def waiting(self) -> int:
        """Callers that wait for a permit."""
        return self._queue.waiting

    @property
    def rate_now(self) -> float:
        """Tokens a second that flow in as a rule."""
        return self._meter.terms.rate

    @property
    def beyond_reserve(self) -> float:
        """Tokens that lie ready for those who must leave the reserve."""
        return max(0.0, self.level - self._meter.terms.reserve)

    def seconds_until_beyond_reserve(self, tokens: float) -> float:
        """Seconds until so many lie ready beyond the reserve; infinite when requests have to end first."""
        return self._meter.seconds_until(tokens + self._meter.terms.reserve, self._now())

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

    def _kept_from(self, priority: Priority) -> float:
        """Tokens that must stay behind. The first requests of all need not wait until a reserve has gathered."""
        if priority is Priority.CANCEL or self.granted < self._start or self._queue.yields_to(priority):
            return 0.0
        return self._meter.terms.reserve

    def _seconds_until(self, priority: Priority, tokens: int, now: float) -> float:
        """Seconds until so many requests of this class may go if nothing ends before; never less for a lower class."""
        meter, is_cancel = self._meter, priority is Priority.CANCEL
        if self._is_crowded(priority):
            return math.inf
        seconds = meter.seconds_until(tokens + self._kept_from(priority), now)
        gate = min(meter.still_until, self._last_cancel + CANCEL_SPACING) if is_cancel else meter.still_until
        return max(seconds, gate - now)

    def _is_crowded(self, priority: Priority) -> bool:
        """Whether all places in flight that this class may have are taken."""
        if self.max_in_flight is None:
            return False
        reserved = 0 if priority is Priority.CANCEL else min(RESERVED_PLACES, self.max_in_flight - 1)
        return self.in_flight >= self.max_in_flight - reserved

    def _grant(self, priority: Priority, tokens: int, now: float) -> Permit:
        self._meter.take(now, tokens)
        self.granted += 1
        self.in_flight += 1
        self._queue.served(priority)
        if priority is Priority.CANCEL:
            self._last_cancel = now
        return Permit(tokens, self._ended)

    def _ended(self, tokens: int, refund: int) -> None:
        self._meter.end(self._now(), tokens, refund=refund)
        self.in_flight -= 1
        self.granted -= refund > 0
        self._serve()

    def _serve(self) -> None:
        """Grant what can be granted and set the one timer for the next."""
        now = self._now()
        while (turn := self._queue.turn(self._may_have_a_turn)) is not None:
            priority, tokens = turn
            seconds = self._seconds_until(priority, tokens, now)
            if seconds > ENOUGH:
                self._rearm(seconds)
                return
            self._queue.pop(priority).set_result(self._grant(priority, tokens, now))
        self._rearm(math.inf)

    def _may_have_a_turn(self, priority: Priority) -> bool:
        return not self.is_standing_still and not self._is_crowded(priority)

    def _rearm(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds < math.inf:
            # Not sooner than in a microsecond: the loop's clock has to move, or the timer would go off for ever.
            self._timer = asyncio.get_running_loop().call_later(max(seconds, 1e-6), self._serve)
