"""Token-bucket arithmetic for requests that take a while to arrive: how many tokens there are, and when enough.

Time is an argument throughout, in seconds of one clock. Levels are floats (tokens are no money).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

#: A level this much short of what is needed counts as enough. The debt stays in the level, so that it never adds up.
ENOUGH = 1e-9
#: The part of the burst that is kept in hand when tokens are spent because they might as well be.
AMPLE = 0.75
#: Tokens that may lie ready while standing still: one, for a cancel, and a gentle start afterwards.
STILL_LEVEL = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a grant of requests in any sliding window is spent: `burst` at once, `rate` a second, `reserve` kept back.

    `burst + rate * window` stays below the next whole number above the grant, and what is counted is whole.
    """

    burst: float
    rate: float
    reserve: float

    @classmethod
    def of(cls, granted: float, window: float, largest: int = 1) -> Terms:
        """The terms for `granted` requests in any `window` seconds, `largest` of which may be needed for one call.

        The burst is a sixteenth of the grant, so that 94 % of a large one can be used evenly, but at most 20 (a burst
        is what a broker dislikes) and for grants below 32 up to 2, so that a request which hangs does not keep the
        next one waiting. A grant below 5 is too small to keep anything back.
        """
        whole = max(1, math.floor(granted + ENOUGH))
        burst = max(largest, min(20.0, max(1.0, min(2.0, whole / 4), whole / 16)))
        rate = max(whole + 0.99 - burst, 0.99) / window
        return cls(burst=burst, rate=rate, reserve=min(2.0, burst - largest))


class Meter:
    """A token bucket whose level and requests in flight together never exceed the burst.

    It begins with `start` tokens: few, or a restart would double a window.
    `stretch` slows its flow, and `stand_still` lets no more than one token lie ready, both up to a moment.
    """

    __slots__ = ("_at", "_level", "_slow_rate", "_slow_until", "in_flight", "still_until", "terms")

    def __init__(self, terms: Terms, now: float, *, start: float = 1.0) -> None:
        self.terms = terms
        self.in_flight = 0
        self.still_until = -math.inf
        self._level = min(start, terms.burst)
        self._at = now
        self._slow_rate = 0.0
        self._slow_until = -math.inf

    def level(self, now: float) -> float:
        """Tokens at `now`."""
        if self._slow_until <= self._at and self.still_until <= self._at:  # nearly always, and a third of the work
            if now > self._at:
                self._level = min(self.terms.burst - self.in_flight, self._level + (now - self._at) * self.terms.rate)
                self._at = now
            return self._level
        for end in sorted((self._slow_until, self.still_until, now)):
            if self._at < end <= now:
                rate = self._slow_rate if end <= self._slow_until else self.terms.rate
                self._level = min(self._ceiling(self._at), self._level + (end - self._at) * rate)
                self._at = end
        return self._level

    def seconds_until(self, tokens: float, now: float) -> float:
        """Seconds from `now` until `tokens` lie ready if nothing ends before: infinite when something has to."""
        missing = tokens - self.level(now)
        if missing <= ENOUGH:
            return 0.0
        if tokens > self._room + ENOUGH:
            return math.inf
        if self._slow_until <= now and self.still_until <= now:
            return missing / self.terms.rate
        slow = max(0.0, self._slow_until - now)
        if slow * self._slow_rate >= missing:
            seconds = missing / self._slow_rate
        else:
            seconds = slow + (missing - slow * self._slow_rate) / self.terms.rate
        # Above the level of standing still nothing gathers before its end; asked again then, the answer is exact.
        return seconds if tokens <= self._ceiling(now + seconds) + ENOUGH else self.still_until - now

    def take(self, now: float, tokens: int = 1) -> None:
        """Tokens become requests in flight."""
        self._level = self.level(now) - tokens
        self.in_flight += tokens

    def end(self, now: float, tokens: int = 1, *, refund: int = 0) -> None:
        """Requests in flight have ended. `refund` of them were never sent."""
        self.level(now)
        self.in_flight -= tokens
        self._level = min(self._ceiling(now), self._level + refund)

    def is_ample(self, now: float) -> bool:
        """Whether a token can be spent at `now` without regret: most of what may lie ready does."""
        return self.level(now) + ENOUGH >= self._ample(now)

    def seconds_until_ample(self, now: float) -> float:
        """Seconds from `now` until a token can be spent without regret, if nothing is taken and nothing ends before."""
        return self.seconds_until(self._ample(now), now)

    def _ample(self, now: float) -> float:
        """A little below the brim: what flows in while requests are in flight, which take room, is not lost."""
        return max(1.0, min(self._ceiling(now), AMPLE * self.terms.burst))

    def stand_still(self, until: float, now: float) -> None:
        """Gather no more than one token before `until`. It never shortens; the end of a stretch is forgotten."""
        self.level(now)
        self.still_until = max(self.still_until, until)
        self._slow_until = -math.inf
        self._level = min(self._level, self._ceiling(now))

    def stretch(self, allowed: float, until: float, now: float) -> None:
        """Spend at most `allowed` tokens before `until`, evenly. More than the usual flow gives is no stretch.

        What lies ready goes first, down to a token above the reserve; only then the flow slows down.
        """
        level, flow = self.level(now), self.terms.rate * (until - now)
        if allowed >= level + flow:
            self._slow_until = -math.inf
            return
        self._level = min(level, allowed, max(1.0 + self.terms.reserve, allowed - flow))
        self._slow_rate = min(self.terms.rate, (allowed - self._level) / (until - now))
        self._slow_until = until

    def follow(self, remaining: int, until: float, now: float) -> None:
        """The broker grants `remaining` more requests before `until`: spread them, or stand still if there are none.

        Whether those in flight are counted in it already is not known, so they are taken off; one is left for a cancel.
        """
        if remaining <= 0:
            self.stand_still(until, now)
        else:
            self.stretch(max(1.0, remaining - self.in_flight), until, now)

    def refit(self, terms: Terms, now: float) -> None:
        """Go on with other terms; a smaller burst takes from the level at once."""
        self.level(now)
        self.terms = terms
        self._level = min(self._level, self._ceiling(now))

    @property
    def _room(self) -> float:
        return self.terms.burst - self.in_flight

    def _ceiling(self, moment: float) -> float:
        return min(self._room, STILL_LEVEL) if moment < self.still_until else self._room
