"""The broker's request limit, counted where the requests arrive."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime


@dataclass(slots=True, kw_only=True)
class Quota:
    """At most `limit` admitted requests in any `window` seconds; a refused one does not count. None: no limit.

    `neighbour_per_minute`: requests that somebody else makes with the same keys, evenly spread from time 0 on
    or since they were last changed.
    """

    limit: int | None
    window: float = 60.0
    neighbour_per_minute: float = 0.0
    _admitted: deque[float] = field(default_factory=deque)
    _neighbours: int = 0
    _neighbours_since: float = 0.0

    def admit(self, t: float, *, neighbours_until: float = math.inf) -> bool:
        """Count a request arriving at `t` (seconds since the world began); False when it is one too many."""
        self._let_neighbours_in(min(t, neighbours_until))
        self._forget(t)
        if self.limit is not None and len(self._admitted) >= self.limit:
            return False
        self._admitted.append(t)
        return True

    def hear_neighbours(self, per_minute: float, t: float) -> None:
        """Somebody else makes so many requests a minute from `t` on."""
        if per_minute != self.neighbour_per_minute:
            self._let_neighbours_in(t)
            self.neighbour_per_minute, self._neighbours_since, self._neighbours = per_minute, t, 0

    def remaining(self, t: float) -> int:
        """Requests that would still be admitted at `t`."""
        self._forget(t)
        return 0 if self.limit is None else max(self.limit - len(self._admitted), 0)

    def reset_in(self, t: float) -> float:
        """Seconds until the oldest counted request leaves the window."""
        self._forget(t)
        return self._admitted[0] + self.window - t if self._admitted else 0.0

    def headers(self, t: float, at: datetime) -> dict[str, str]:
        """What a response says of the limit; `at` is the broker's time at `t`. The reset is in whole epoch seconds."""
        date = {"Date": format_datetime(at.astimezone(UTC), usegmt=True)}
        if self.limit is None:
            return date
        return date | {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining(t)),
            "X-RateLimit-Reset": str(math.ceil(at.timestamp() + self.reset_in(t))),
        }

    def _forget(self, t: float) -> None:
        while self._admitted and self._admitted[0] <= t - self.window:
            self._admitted.popleft()

    def _let_neighbours_in(self, t: float) -> None:
        due = int((t - self._neighbours_since) * self.neighbour_per_minute / 60.0)
        for number in range(self._neighbours + 1, due + 1):
            at = self._neighbours_since + number * 60.0 / self.neighbour_per_minute
            self._forget(at)
            if self.limit is None or len(self._admitted) < self.limit:
                self._admitted.append(at)
        self._neighbours = max(due, self._neighbours)
