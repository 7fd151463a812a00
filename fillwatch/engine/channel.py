"""News for any number of listeners, each at its own pace."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Channel(Generic[T]):
    """What is published reaches every listener there is; `close` ends their iterations once they have read it all.

    Who iterates no more is forgotten: nothing here keeps a listener.
    """

    __slots__ = ("_closed", "_listeners")

    def __init__(self) -> None:
        self._listeners: tuple[weakref.ref[_Listener[T]], ...] = ()
        self._closed = False

    def publish(self, item: T) -> None:
        """Give `item` to every listener."""
        for known in self._listeners:
            listener = known()
            if listener is not None:
                listener.put(item)

    def close(self) -> None:
        """End every iteration after what was published before."""
        self._closed = True
        for known in self._listeners:
            listener = known()
            if listener is not None:
                listener.close()

    def listen(self, first: Iterable[T] = ()) -> AsyncIterator[T]:
        """Iterate over `first` and then what is published from this call on."""
        listener = _Listener(first)
        if self._closed:
            listener.close()
        else:
            self._listeners = (*(known for known in self._listeners if known() is not None), weakref.ref(listener))
        return listener


class _Listener(AsyncIterator[T]):
    """What was published and not yet read. No generator, which would cost a task that listens twice as much."""

    __slots__ = ("__weakref__", "_closed", "_items", "_waiter")

    def __init__(self, first: Iterable[T]) -> None:
        self._items = [*first]
        self._closed = False
        self._waiter: asyncio.Future[None] | None = None

    async def __anext__(self) -> T:
        while not self._items:
            if self._closed:
                raise StopAsyncIteration
            if self._waiter is None or self._waiter.done():  # whoever waited was cancelled
                self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._items.pop(0)

    def put(self, item: T) -> None:
        """Give it to whoever iterates."""
        self._items.append(item)
        if self._waiter is not None:
            self._wake(self._waiter)

    def close(self) -> None:
        """End the iteration after what was put before."""
        self._closed = True
        if self._waiter is not None:
            self._wake(self._waiter)

    def _wake(self, waiter: asyncio.Future[None]) -> None:
        self._waiter = None
        if not waiter.done():
            waiter.set_result(None)
