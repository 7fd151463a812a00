"""When more cancels are wanted than the request limit lets through at once: who goes first, who waits, and saying so.

Those whose cancel can go out within seconds are let in: they have their last look, which one page answers for all of
them, and queue at the limiter. The others stand in line, by deadline and then by hand-in, and cost nothing; a last
look minutes before its cancel would be no last look. Whose order ends meanwhile leaves without a request.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

from fillwatch.core.schedule import Looks
from fillwatch.engine.agenda import Agenda
from fillwatch.engine.case import Case
from fillwatch.engine.limiter import RateLimiter
from fillwatch.engine.turns import YIELD_AFTER, Rank
from fillwatch.logs import plain_logger

#: Seconds of cancels that are let in, and the fewest of them. Where each takes a request for its last look and one for
#: the proof of its end, so few that a last look comes in time, and is not one of those that the cancel cannot wait for.
AHEAD, LEAST_INSIDE = 10.0, 8
AHEAD_SINGLE = 1.5
#: Cancels in a row while others stand in line and looks are shared: these have every eighth turn then, since one of
#: them answers for all who need one.
IN_A_ROW = 7
#: Seconds of waiting from which on it is worth a word; between two such words; until all have come who come together.
LONG_WAIT, SPACING, GATHERING = 5.0, 30.0, 1.0


class Crowd:
    """The cases whose cancel waits for its turn. `looks_are_shared`: for how many of them one look answers now."""

    def __init__(self, limiter: RateLimiter, agenda: Agenda, *, looks_are_shared: Callable[[], Looks]) -> None:
        self._looks = looks_are_shared
        self._limiter = limiter
        self._agenda = agenda
        self._loop = asyncio.get_running_loop()
        self._inside: dict[Case, None] = {}
        self._in_line: dict[Case, None] = {}
        self._line: list[tuple[Rank, int, Case]] = []
        self._number = count()
        self._says_again = -math.inf

    async def turn(self, case: Case, rank: Rank) -> bool:
        """Wait until the cancel of `case` is one of the next, or its order has ended; whether that took time.

        Those of a smaller `rank` go first. `leave` has to follow, whatever happens.
        """
        self._in_line[case] = None
        heappush(self._line, (rank, next(self._number), case))
        self._let_in()
        self._notice()
        has_waited = False
        while case in self._in_line and not case.chain.is_over:
            has_waited = True
            await case.news()
            case.heed()
        return has_waited

    def leave(self, case: Case) -> None:
        """Its cancel was sent, or has become needless."""
        if case in self._inside or case in self._in_line:
            self._inside.pop(case, None)
            self._in_line.pop(case, None)
            self._let_in()

    def _let_in(self) -> None:
        looks, rate = self._looks(), self._limiter.rate_now
        room = math.ceil(AHEAD_SINGLE * rate) if looks is Looks.SINGLE else max(LEAST_INSIDE, math.ceil(AHEAD * rate))
        while self._line and (len(self._inside) < room or self._line[0][2] not in self._in_line):
            _, _, case = heappop(self._line)
            if case in self._in_line:
                del self._in_line[case]
                self._inside[case] = None
                case.wake()
        is_shared = bool(self._in_line) and looks is Looks.SHARED
        self._limiter.turns.cancels_in_a_row = IN_A_ROW if is_shared else YIELD_AFTER

    @property
    def _seconds(self) -> float:
        """Seconds until the last cancel goes out, if looks have all their turns."""
        in_a_row = self._limiter.turns.cancels_in_a_row
        requests = 3.0 if self._looks() is Looks.SINGLE else (in_a_row + 1) / in_a_row
        return (len(self._inside) + len(self._in_line)) / self._limiter.rate_now * requests

    def _notice(self) -> None:
        now = self._loop.time()
        if self._seconds >= LONG_WAIT and now >= self._says_again:
            self._says_again = now + SPACING
            self._agenda.at(now + GATHERING, self._say)

    def _say(self) -> None:
        if self._seconds >= LONG_WAIT:
            plain_logger().warning(
                "{} cancels wait for the request limit and are sent by deadline, then by hand-in; "
                "the last goes out in about {:.0f} s",
                *(len(self._inside) + len(self._in_line), self._seconds),
            )
