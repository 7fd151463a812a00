"""Orders that come to the broker by other ways than its door: placed before anybody looked, or by and by."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from fillwatch.core.orders import OrderRequest
from fillwatch.simulator.door import Door
from fillwatch.simulator.fates import Fate, deal


@dataclass(slots=True, kw_only=True)
class Inflow:
    """The orders of a bot, and now and then of somebody else. `coming` holds those whose time is still to come."""

    door: Door
    coming: deque[tuple[float, Fate]] = field(default_factory=deque)

    def advance(self, now: float) -> None:
        """Let what is due by `now` come in, each order at its own time."""
        while self.coming and self.coming[0][0] <= now:
            t, fate = self.coming.popleft()
            self.door.market.advance(t)
            self.door.desk.place(None, fate, t)

    def place(self, request: OrderRequest | None, fate: Fate | None, now: float, *, foreign: bool) -> str:
        """An order that somebody placed just before `now`; its id."""

        def just_before(stream: random.Random) -> datetime:
            return self.door.wall(now) - timedelta(milliseconds=stream.uniform(20.0, 400.0))

        return self.door.desk.place(request, fate, now, foreign=foreign, stamp=just_before).order_id

    def populate(self, n: int, now: float, mix: Mapping[Fate, int], needs_cancel_at_most: int | None) -> list[str]:
        """`n` orders of the bot's, and one of somebody else's for every twenty; the bot's ids."""
        stream = self.door.stream("populate")
        placed = []
        for number, fate in enumerate(deal(n, stream, mix, needs_cancel_at_most)):
            placed.append(self.place(None, fate, now, foreign=False))
            if number % 20 == 5:
                self.place(None, stream.choice((Fate.SLOW, Fate.NEVER, Fate.MANY_PARTIALS)), now, foreign=True)
        return placed

    def expect(self, n: int, now: float, over_seconds: float, mix: Mapping[Fate, int]) -> None:
        """`n` orders of the bot's come in within so many seconds from `now`."""
        stream = self.door.stream("expected")
        times = sorted(now + stream.uniform(0.0, over_seconds) for _ in range(n))
        more = zip(times, deal(n, stream, mix, None), strict=True)
        self.coming = deque(sorted([*self.coming, *more], key=lambda order: order[0]))
