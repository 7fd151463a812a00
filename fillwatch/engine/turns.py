"""Whose turn it is, five priorities and first come first served within each; and the permit that is waited for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from enum import IntEnum

from fillwatch.core.errors import EngineClosed


class Priority(IntEnum):
    """Who goes first: a higher class (a smaller number), but while one waits in numbers every fourth turn is for the
    next below it: a hundred cancels must not blind us to fills, and one look makes dozens of cancels needless.

    `CANCEL` is for cancels and protective exits, the requests that take money out of the market.
    """

    CANCEL = 0
    SUBMIT = 1
    FINAL_CHECK = 2
    POSITION = 3
    POLL = 4


class Permit:
    """The right to send one request, in flight until one of its methods is called; later calls do nothing."""

    __slots__ = ("_ended",)

    def __init__(self, ended: Callable[[int], None]) -> None:
        self._ended: Callable[[int], None] | None = ended

    def release(self) -> None:
        """The request has really ended: its answer is in, or none can come any more."""
        self._end(0)

    def give_back(self) -> None:
        """The request was never sent, so its token returns."""
        self._end(1)

    def _end(self, refund: int) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(refund)


class Turns:
    """Who waits: one queue for each class. Those who gave up are dropped when met, or all at once when they prevail."""

    __slots__ = ("_by_class", "waiting")

    def __init__(self) -> None:
        self._by_class: dict[Priority, deque[asyncio.Future[Permit]]] = {priority: deque() for priority in Priority}
        self.waiting = 0

    def append(self, priority: Priority, future: asyncio.Future[Permit]) -> asyncio.Future[Permit]:
        """Wait behind those of the same class."""
        self._by_class[priority].append(future)
        self.waiting += 1
        return future

    def forget(self) -> None:
        """One who waited has cancelled his future."""
        self.waiting -= 1
        if sum(map(len, self._by_class.values())) > 2 * self.waiting + 64:
            for priority, queue in self._by_class.items():
                self._by_class[priority] = deque(future for future in queue if not future.done())

    def next_class(self, below: Priority | None = None) -> Priority | None:
        """The highest class in which somebody waits; of those below `below` if it is given."""
        for priority, queue in self._by_class.items():
            while queue and queue[0].done():
                queue.popleft()
            if queue and (below is None or priority > below):
                return priority
        return None

    def has_before(self, priority: Priority) -> bool:
        """Whether somebody waits who would be served before a newcomer of this class."""
        if not self.waiting:
            return False
        first = self.next_class()
        return first is not None and first <= priority

    def pop(self, priority: Priority) -> asyncio.Future[Permit]:
        """The first of a class that `next_class` named."""
        self.waiting -= 1
        return self._by_class[priority].popleft()

    def fail(self, message: str) -> None:
        """Everybody who waits gets `EngineClosed`."""
        for queue in self._by_class.values():
            for future in queue:
                if not future.done():
                    self.waiting -= 1
                    future.set_exception(EngineClosed(message))
            queue.clear()
