"""How many cases there are of each kind, as the planner wants to know them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass

from fillwatch.engine.case import Case
from fillwatch.engine.index import Index

#: Cases counted in a second at most, so that counting stays below a hundredth of the work; few are counted each time.
COUNTED_PER_SECOND, FEW = 40_000.0, 64
#: Seconds after `watch()` for which news of a market order is likely: one that fills does so at once, or not soon.
HOT = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """Cases that the list shows: `live`, `audited`; `exposed`: live ones of which nothing tells reliably but reads.

    `hot`: whether an exposed one is likely to have news at any moment.
    """

    live: int = 0
    audited: int = 0
    exposed: int = 0
    hot: bool = False


class Counter:
    """Counts the cases of an index; when there are many the last count is good for a while."""

    def __init__(self, index: Index, relieved: Callable[[Case], bool]) -> None:
        self._index = index
        self._relieved = relieved
        self._last = Census()
        self._taken = -math.inf

    def census(self) -> Census:
        """The present numbers, or nearly."""
        now, size = asyncio.get_running_loop().time(), len(self._index)
        if size <= FEW or now - self._taken >= size / COUNTED_PER_SECOND:
            self._last, self._taken = self._count(now), now
        return self._last

    def _count(self, now: float) -> Census:
        shown = [case for case in self._index if case.is_listed]
        live = [case for case in shown if case.is_live]
        exposed = [case for case in live if not self._relieved(case)]
        return Census(
            live=len(live),
            audited=sum(case.is_audited for case in shown),
            exposed=len(exposed),
            hot=any(_is_hot(case, now) for case in exposed),
        )


def _is_hot(case: Case, now: float) -> bool:
    order = case.chain.current.best
    return now - case.started < HOT and (order is None or order.order_type in ("", "market"))
