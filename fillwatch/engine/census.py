"""How many cases there are of each kind, as the planner wants to know them."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from fillwatch.core.quick import quick
from fillwatch.engine.case import Case
from fillwatch.engine.index import Index

#: Seconds after `watch()` for which news of a market order is likely: one that fills does so at once, or not soon.
HOT = 1.5


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """Cases that the list shows: `live`, `audited`; `exposed`: live ones of which nothing tells reliably but reads (0
    if there is none, else perhaps too many).

    `hot`: whether an exposed one is likely to have news at any moment.
    """

    live: int = 0
    audited: int = 0
    exposed: int = 0
    hot: bool = False


class Counter:
    """Counts the cases of an index without walking over them: there may be a hundred thousand, and it is asked often.

    `relieved_since`: a case that was described at that moment or later can wait, because a feed tells of it; infinite
    while there is no such feed.
    """

    def __init__(self, index: Index, relieved_since: Callable[[], float]) -> None:
        self._index = index
        self._relieved_since = relieved_since
        self._since = math.inf
        #: Cases that may be exposed although a feed stands, and cases that came a moment ago; the earliest first.
        self._doubtful: deque[Case] = deque()
        self._young: deque[Case] = deque()
        index.arrived = self._note

    def census(self) -> Census:
        """The present numbers."""
        exposed = self._exposed()
        hot = bool(self._young) and bool(exposed) and self._is_hot(asyncio.get_running_loop().time() - HOT)
        return Census(live=len(self._index.live), audited=len(self._index.audited), exposed=exposed, hot=hot)

    def _note(self, case: Case) -> None:
        self._young.append(case)
        if self._since < math.inf:
            self._doubtful.append(case)

    def _exposed(self) -> int:
        since = self._relieved_since()
        if since != self._since:
            self._since = since
            self._doubtful = deque(self._index.live) if since < math.inf else deque()
        if since == math.inf:
            return len(self._index.live)
        while self._doubtful and not self._is_exposed(self._doubtful[0]):
            self._doubtful.popleft()
        return len(self._doubtful)

    def _is_exposed(self, case: Case) -> bool:
        return case in self._index.live and not case.chain.seen_as_of >= self._since

    def _is_hot(self, earliest: float) -> bool:
        young = self._young
        while young and (young[0].started <= earliest or not _may_fill_soon(young[0])):
            young.popleft()
        return any(case.started > earliest and _may_fill_soon(case) and self._is_exposed(case) for case in young)


def _may_fill_soon(case: Case) -> bool:
    order = case.chain.current.best
    return order is None or order.order_type in ("", "market")
