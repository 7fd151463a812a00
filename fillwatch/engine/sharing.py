"""Calls that many wait for and nobody cancels: one at a time, shared by all who asked before it began."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Generic, TypeVar

T = TypeVar("T")


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


class SharedCall(Generic[T]):
    """One call at a time, at least `spacing` seconds from start to start; all who asked before it began share it."""

    def __init__(
        self, call: Callable[[], Awaitable[T]], began: Callable[[T], float], tasks: Background, spacing: float
    ) -> None:
        self._call = call
        self._began = began
        self._tasks = tasks
        self._spacing = spacing
        self._task: asyncio.Task[T] | None = None
        self._not_before = 0.0

    async def ask(self) -> T:
        """The value of a call that began after this was called. A caller who is cancelled cancels nobody's request."""
        asked = asyncio.get_running_loop().time()
        running = self._task
        if running is not None and not running.done():
            value = await asyncio.shield(running)
            if self._began(value) >= asked:
                return value
        if self._task is None or self._task is running:
            self._task = self._tasks.start(self._run())
        return await asyncio.shield(self._task)

    async def _run(self) -> T:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._not_before - loop.time()))
        self._not_before = loop.time() + self._spacing
        return await self._call()
