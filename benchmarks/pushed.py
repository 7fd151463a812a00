"""A simulated broker whose trade updates come over Alpaca's stream: every line of ours from a socket to the engine."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable
from typing import Literal

from fillwatch.brokers.alpaca.keys import Credentials
from fillwatch.brokers.alpaca.stream import Stream
from fillwatch.brokers.push import Event
from fillwatch.core.evidence import Seen
from fillwatch.simulator import SimulatedBroker, World

#: Frames that lie in the socket at once; a reader that takes them is not interrupted in between.
BURST = 500


class _Transport(asyncio.Transport):
    def abort(self) -> None:
        """There is nothing to give up."""


class _Socket:
    """An open WebSocket without a network: it gives what it is handed."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport = _Transport()
        self.frames: deque[bytes] = deque()
        self.filled = asyncio.Event()

    async def send(self, message: bytes, *, text: bool | None = None) -> None:
        if b"authenticate" in message:
            self.hand([b'{"stream": "authorization", "data": {"status": "authorized"}}'])
        elif b"listen" in message:
            self.hand([b'{"stream": "listening", "data": {"streams": ["trade_updates"]}}'])

    async def recv(self, decode: Literal[False]) -> bytes:
        while not self.frames:
            self.filled.clear()
            await self.filled.wait()
        return self.frames.popleft()

    def hand(self, raws: list[bytes]) -> None:
        self.frames.extend(raws)
        self.filled.set()

    async def ping(self) -> Awaitable[float]:
        pong = asyncio.get_running_loop().create_future()
        pong.set_result(0.0)
        return pong

    async def close(self) -> None:
        pass

    async def wait_closed(self) -> None:
        pass


class Pushed(SimulatedBroker):
    """What is read is the simulator's; what is pushed are the frames that `give` is given."""

    def __init__(self, world: World) -> None:
        super().__init__(world, stream=True)
        self._socket = _Socket()
        self._stream = Stream("", Credentials.keys("key", "secret"), opener=self._open)
        self._given = self._taken = 0
        self._stands, self._done = asyncio.Event(), asyncio.Event()

    async def _open(self, url: str, closing: float) -> _Socket:
        return self._socket

    async def give(self, raws: list[bytes]) -> None:
        """Let these frames come, and wait until the engine has taken them in and who was woken has had his turn."""
        await self._stands.wait()
        for start in range(0, len(raws), BURST):
            burst = raws[start : start + BURST]
            self._given += len(burst)
            self._done.clear()
            self._socket.hand(burst)
            await self._done.wait()
            await asyncio.sleep(0)

    async def events(self) -> AsyncIterator[tuple[Event, ...]]:
        """See `Pushes.events`."""
        async for batch in self._stream.events():
            yield batch
            self._stands.set()  # the first of all says that the connection stands
            self._taken += sum(1 for event in batch if isinstance(event, Seen))
            if self._taken >= self._given:
                self._done.set()

    async def aclose(self) -> None:
        """End the stream too."""
        await self._stream.aclose()
        await super().aclose()
