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
from collections.abc import Callable
from types import TracebackType

from fillwatch.core.config import RateLimit
from fillwatch.core.errors import EngineClosed
from fillwatch.core.tokens import ENOUGH
from fillwatch.engine.allowance import Allowance
from fillwatch.engine.turns import FIRST, Permit, Priority, Rank, Turns

__all__ = ["Permit", "Priority", "RateLimiter"]

#: Seconds between two cancels while standing still. They may pass although the broker has asked for silence: a cancel
#: that comes too late costs money, one that is answered 429 costs nothing, and one a second adds little to the load.
CANCEL_SPACING = 1.0
#: Requests that only cancels may have in flight.
RESERVED_PLACES = 2


class RateLimiter(Allowance):
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
        super().__init__(rate, clock=clock, largest=largest, start=start)
        self.max_in_flight = max_in_flight
        #: Permits granted so far, those that came back unused not counted.
        self.granted = 0
        #: Permits that are out.
        self.in_flight = 0
        #: Who waits, and whose turn it is.
        self.turns = Turns()
        self._last_cancel = -math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def acquire(self, priority: Priority, tokens: int = 1, rank: Rank = FIRST) -> Permit:
        """Wait for a permit of so many tokens, at most `largest`; end it with `release()`.

        `rank`: those of a class with a smaller one go first, first come first served among equals.
        A caller cancelled meanwhile leaves no trace. Raises `EngineClosed` once the limiter is closed.
        """
        before = self._has_before(priority, rank)
        if not before and (permit := self._at_once(priority, tokens)) is not None:
            return permit
        future = self.turns.append(priority, tokens, asyncio.get_running_loop().create_future(), rank)
        if not before:
            self._serve()
        try:
            return await future
        except asyncio.CancelledError:
            if future.cancelled():
                self.turns.forget()
                self._serve()  # the next one may want less
            elif future.exception() is None:
                future.result().give_back()
            raise

    def try_acquire(self, priority: Priority, tokens: int = 1, rank: Rank = FIRST) -> Permit | None:
        """A permit if one can be had at once and without passing anybody. Raises `EngineClosed` when closed."""
        return None if self._has_before(priority, rank) else self._at_once(priority, tokens)

    def permit(self, priority: Priority) -> Turn:
        """`async with limiter.permit(priority):` acquires, and releases at the end."""
        return Turn(self, priority)

    def close(self) -> None:
        """Wake everybody who waits with `EngineClosed`. Permits that are out may still be released."""
        self._closed = True
        self.turns.fail("the rate limiter was closed while waiting for a permit")
        self._rearm(math.inf)

    @property
    def waiting(self) -> int:
        """Callers that wait for a permit."""
        return self.turns.waiting

    def _has_before(self, priority: Priority, rank: Rank) -> bool:
        if self._closed:
            raise EngineClosed("the rate limiter is closed: no request is sent any more")
        return self.turns.has_before(priority, rank)

    def _at_once(self, priority: Priority, tokens: int) -> Permit | None:
        now = self._now()
        return None if self._seconds_until(priority, tokens, now) > ENOUGH else self._grant(priority, tokens, now)

    def _kept_from(self, priority: Priority) -> float:
        """Tokens that must stay behind. The first requests of all need not wait until a reserve has gathered."""
        if priority is Priority.CANCEL or self.granted < self._start or self.turns.yields_to(priority):
            return 0.0
        return self._meter.terms.reserve

    def _seconds_until(self, priority: Priority, tokens: int, now: float) -> float:
        """Seconds until so many requests of this class may go if nothing ends before; never less for a lower class."""
        meter, is_cancel = self._meter, priority is Priority.CANCEL
        if self.max_in_flight is not None and self._is_crowded(priority):
            return math.inf
        seconds = meter.seconds_until(tokens + self._kept_from(priority), now)
        if meter.still_until <= now:
            return seconds
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
        self.turns.served(priority)
        if priority is Priority.CANCEL:
            self._last_cancel = now
        return Permit(tokens, self._ended)

    def _ended(self, tokens: int, refund: int) -> None:
        self._meter.end(self._now(), tokens, refund=refund)
        self.in_flight -= 1
        self.granted -= refund > 0
        # While the timer runs the next one waits for time to pass, which room does not hasten: only a token does.
        if self._timer is None or refund:
            self._serve()

    def _serve(self) -> None:
        """Grant what can be granted and set the one timer for the next."""
        now = self._now()
        while (turn := self.turns.turn(self._may_have_a_turn)) is not None:
            priority, tokens = turn
            seconds = self._seconds_until(priority, tokens, now)
            if seconds > ENOUGH:
                self._rearm(seconds)
                return
            self.turns.pop(priority).set_result(self._grant(priority, tokens, now))
        self._rearm(math.inf)

    def _changed(self) -> None:
        self._serve()

    def _time_has_come(self) -> None:
        self._timer = None
        self._serve()

    def _may_have_a_turn(self, priority: Priority) -> bool:
        return not self.is_standing_still and not self._is_crowded(priority)

    def _rearm(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds < math.inf:
            # Not sooner than in a microsecond: the loop's clock has to move, or the timer would go off for ever.
            self._timer = asyncio.get_running_loop().call_later(max(seconds, 1e-6), self._time_has_come)


class Turn:
    """One permit as a context. A class of its own, since a generator costs as much as the permit does."""

    __slots__ = ("_limiter", "_permit", "_priority")

    def __init__(self, limiter: RateLimiter, priority: Priority) -> None:
        self._limiter = limiter
        self._priority = priority
        self._permit: Permit | None = None

    async def __aenter__(self) -> Permit:
        self._permit = permit = await self._limiter.acquire(self._priority)
        return permit

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._permit is not None:
            self._permit.release()
