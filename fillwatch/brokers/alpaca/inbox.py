"""What a connection has brought and its reader has not taken yet: a burst waits here, and nobody waits for it."""

from __future__ import annotations

import asyncio
from collections import deque

from fillwatch.brokers.push import Event

#: Bytes that may lie here, which is some 50,000 trade updates; then nothing more is read from the socket.
ROOM = 64 * 2**20


class Replayed(bytes):
    """A trade update of the server-sent feed, as it was."""


#: One thing that came: when, on the loop's clock, and a frame as it was or an event of the connection itself.
Item = tuple[float, bytes | Event]


class Inbox:
    """A queue in the order of arrival, for one reader."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._items: deque[Item] = deque()
        self._bytes = 0
        self._closed = False
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be put here for now."""
        return self._bytes >= self._room

    def put(self, at: float, item: bytes | Event) -> None:
        """Keep what came at `at`."""
        self._items.append((at, item))
        if isinstance(item, bytes):
            self._bytes += len(item)
            if self._bytes >= self._room:
                self._emptied.clear()
        self._filled.set()

    async def room(self) -> None:
        """Wait until it is not full."""
        await self._emptied.wait()

    async def take(self, most: int) -> list[Item]:
        """The next items, at least one and up to `most`; none when it was closed."""
        while not self._items and not self._closed:
            self._filled.clear()
            await self._filled.wait()
        if self._closed:
            return []
        taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
        self._bytes -= sum(len(item) for _, item in taken if isinstance(item, bytes))
        if self._bytes < self._room:
            self._emptied.set()
        return taken

    def close(self) -> None:
        """Wake the reader for good; what was not taken is dropped."""
        self._closed = True
        self._items.clear()
        self._filled.set()
