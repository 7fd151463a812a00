"""Who is asked by an id next, when more such looks are due than tokens are there."""

from __future__ import annotations

import asyncio
import math
from heapq import heapify, heappop, heappush
from itertools import count

from fillwatch.core.schedule import PASSED_OVER, is_near_deadline, is_young
from fillwatch.engine.case import Case

#: Entries of the heap beyond twice those that are of use, after which the others are dropped.
STALE = 64


class ById:
    """Cases of which a look by id is due, the longest due first, but for those who go before: those near their
    deadline, the nearest first, then the young. Whoever has been due for longest is passed over `PASSED_OVER` times in
    a row at most.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._due: dict[Case, None] = {}
        #: Those of them that were young when they became due, and the deadlines of all that have one, with stale ones.
        self._young: dict[Case, None] = {}
        self._deadlines: list[tuple[float, int, Case]] = []
        self._number = count()
        self._passed_over = 0

    def __len__(self) -> int:
        return len(self._due)

    def __contains__(self, case: object) -> bool:
        return case in self._due

    @property
    def is_owed(self) -> bool:
        """Whether the next look by id belongs to whoever has been due for longest, whoever else is waited for."""
        return bool(self._due) and self._passed_over >= PASSED_OVER

    def add(self, case: Case) -> None:
        """A look at the case is due; if one was already, it keeps its place."""
        self._due[case] = None
        if _is_young(case, self._loop.time()):
            self._young[case] = None
        deadline = case.terms().deadline
        if deadline < math.inf:
            heappush(self._deadlines, (deadline, next(self._number), case))

    def discard(self, case: Case) -> None:
        """No look at the case is due."""
        self._due.pop(case, None)
        self._young.pop(case, None)
        if not self._due:
            self._deadlines.clear()
        elif len(self._deadlines) > 2 * len(self._due) + STALE:
            self._deadlines = [entry for entry in self._deadlines if entry[2] in self._due]
            heapify(self._deadlines)

    def first(self) -> Case | None:
        """Whose turn it is."""
        if not self.is_owed:
            now = self._loop.time()
            before = self._first_near_deadline(now) or self._first_young(now)
            if before is not None:
                return before
        return next(iter(self._due), None)

    def asked(self, case: Case) -> None:
        """A request by the id of `case` is being sent, whether it was due or is waited for."""
        longest = next(iter(self._due), None)
        self._passed_over = 0 if longest is None or longest is case else self._passed_over + 1

    def _first_near_deadline(self, now: float) -> Case | None:
        """The heap only reminds: who has been seen since, or has been given more time, is passed."""
        while self._deadlines and is_near_deadline(self._deadlines[0][0] - now):
            case = self._deadlines[0][2]
            if case in self._due and is_near_deadline(case.terms().deadline - now, now - case.chain.seen_as_of):
                return case
            heappop(self._deadlines)
        return None

    def _first_young(self, now: float) -> Case | None:
        """Who has grown old while it was waiting is young no more."""
        while (case := next(iter(self._young), None)) is not None and not _is_young(case, now):
            del self._young[case]
        return case


def _is_young(case: Case, now: float) -> bool:
    return is_young(age=now - case.started, checks=case.checks)
