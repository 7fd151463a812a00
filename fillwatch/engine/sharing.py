"""Calls that many wait for and nobody cancels: one at a time, shared by all who asked before it began."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Generic, TypeVar

T = TypeVar("T")
A = TypeVar("A")

#: Those who are told at once, some 10 ms of work with what they do then, and the longest that telling them may take in
#: seconds; everybody else in the loop has a turn before the next of them.
PORTION, LONGEST_PORTION = 200, 0.005


class Background:
    """Work that must outlive the caller who asked for it: requests once begun, and the user's hooks."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[object]] = set()

    def start(self, work: Coroutine[object, object, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def drain(self, grace: float) -> None:
        """Wait until all work is done; what is not after `grace` seconds is cancelled."""
        if self._running:
            await asyncio.wait(self._running, timeout=grace)
        late = set(self._running)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)


class SharedCall(Generic[T, A]):
    """One call at a time, at least `spacing` seconds from start to start; all who asked before it began share it.

    `tell` is called with its outcome and each who asked: in portions, so that thousands of them do not keep the loop
    from everybody else. `began`: when a call began, as its value says.
    """

    def __init__(
        self,
        call: Callable[[], Awaitable[T]],
        began: Callable[[T], float],
        tell: Callable[[asyncio.Future[T], A], None],
        tasks: Background,
        spacing: float,
    ) -> None:
        self._call = call
        self._began = began
        self._tell = tell
        self._tasks = tasks
        self._spacing = spacing
        self._task: asyncio.Task[T] | None = None
        self._not_before = 0.0
        # When they asked, and who: two queues and no pairs, of which the garbage collector would walk over thousands.
        self._asked: deque[float] = deque()
        self._askers: deque[A] = deque()

    def ask(self, asker: A) -> None:
        """Have the outcome of a call told to `asker` that begins after this one."""
        self._asked.append(asyncio.get_running_loop().time())
        self._askers.append(asker)
        self._begin()

    def _begin(self) -> None:
        if self._task is None and self._asked:
            self._task = self._tasks.start(self._run())
            self._task.add_done_callback(self._over)

    async def _run(self) -> T:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._not_before - loop.time()))
        self._not_before = loop.time() + self._spacing
        return await self._call()

    def _over(self, task: asyncio.Future[T]) -> None:
        """Those who asked before it began are told; for the others there is another call."""
        self._task = None
        began = math.inf if task.cancelled() or task.exception() is not None else self._began(task.result())
        due: deque[A] = deque()
        while self._asked and self._asked[0] <= began:
            self._asked.popleft()
            due.append(self._askers.popleft())
        self._tell_next(task, due)
        self._begin()

    def _tell_next(self, outcome: asyncio.Future[T], due: deque[A]) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + LONGEST_PORTION
        for _ in range(min(PORTION, len(due))):
            self._tell(outcome, due.popleft())
            if loop.time() > until:
                break
        if due:
            loop.call_soon(self._tell_next, outcome, due)
