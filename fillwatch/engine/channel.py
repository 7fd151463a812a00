"""News for any number of listeners, each at its own pace."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Channel(Generic[T]):
    """What is published reaches every listener there is; `close` ends their iterations once they have read it all."""

    __slots__ = ("_closed", "_listeners")

    def __init__(self) -> None:
        self._listeners: tuple[_Listener[T], ...] = ()
        self._closed = False

    def publish(self, item: T) -> None:
        """Give `item` to every listener."""
        for listener in self._listeners:
            listener.put(item)

    def close(self) -> None:
        """End every iteration after what was published before."""
        self._closed = True
        for listener in self._listeners:
            listener.wake()

    def listen(self, first: Iterable[T] = ()) -> AsyncIterator[T]:
        """Iterate over `first` and then what is published from this call on."""
        listener = _Listener(first)
        if not self._closed:
            self._listeners = (*self._listeners, listener)
        return self._drain(listener)

    async def _drain(self, listener: _Listener[T]) -> AsyncIterator[T]:
        try:
            while True:
                while listener.items:
                    yield listener.items.popleft()
                if self._closed:
                    return
                await listener.wait()
        finally:
            self._listeners = tuple(other for other in self._listeners if other is not listener)


class _Listener(Generic[T]):
    __slots__ = ("_waiter", "items")

    def __init__(self, first: Iterable[T]) -> None:
        self.items: deque[T] = deque(first)
        self._waiter: asyncio.Future[None] | None = None

    def put(self, item: T) -> None:
        self.items.append(item)
        self.wake()

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
