"""A WebSocket to the simulated server without sockets: frames both ways on the loop's clock, in virtual time.

The far end is the very application that `fillwatch.simulator.server` puts behind a port. What its faults do to a
connection happens here too: an upgrade that is refused or never answered, a connection that breaks without a word,
and one that is half open, on which not even a ping is answered.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from random import Random
from typing import Any, Literal, TypeVarTuple

from starlette.applications import Starlette
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK, InvalidStatus
from websockets.frames import Close
from websockets.http11 import Response

Message = MutableMapping[str, Any]
Args = TypeVarTuple("Args")


class Way:
    """One direction. `takes`: least and most seconds of a frame, drawn from `draw`; none overtakes another."""

    def __init__(self, takes: tuple[float, float], draw: Random) -> None:
        self._loop = asyncio.get_running_loop()
        self._takes = takes
        self._draw = draw
        self._latest = -math.inf

    def carry(self, arrive: Callable[[*Args], object], *what: *Args) -> None:
        """Call `arrive` when it has arrived."""
        at = self._loop.time() + self._draw.uniform(*self._takes)
        # Timers of the very same moment would go off in any order.
        self._latest = at if at > self._latest else math.nextafter(self._latest, math.inf)
        self._loop.call_at(self._latest, arrive, *what)


class LoopSocket:
    """The near end of one connection: a `fillwatch.brokers.alpaca.socket.Socket`."""

    def __init__(self, takes: tuple[float, float], draw: Random) -> None:
        self._loop = asyncio.get_running_loop()
        self._there, self._back = Way(takes, draw), Way(takes, draw)
        self.far_end = FarEnd(self, self._back)
        self.transport: asyncio.Transport = NearEnd(self)
        #: The server's answer to the upgrade, when it has come.
        self.upgrade: asyncio.Future[Message] = self._loop.create_future()
        self._heard: asyncio.Queue[bytes | Close | None] = asyncio.Queue()
        self._closed: ConnectionClosed | None = None
        self._over = asyncio.Event()

    @property
    def is_over(self) -> bool:
        """Whether it was closed, or cut."""
        return self._over.is_set()

    async def open(self) -> LoopSocket:
        """Ask for the upgrade. Raises `InvalidStatus` when it is refused; waits for as long as nobody answers."""
        self._there.carry(self.far_end.arrive, {"type": "websocket.connect"})
        status: int | None = None
        try:
            answer = await self.upgrade
            status = answer.get("status", 101)
        finally:
            if status != 101:
                self.cut()
        if status != 101:
            raise InvalidStatus(Response(status, "", Headers()))
        return self

    async def send(self, message: bytes, *, text: bool | None = None) -> None:
        """Send one message; what the far end does not read is lost with the connection."""
        self._check()
        form = {"text": message.decode()} if text else {"bytes": message}
        self._there.carry(self.far_end.arrive, {"type": "websocket.receive", **form})

    async def recv(self, decode: Literal[False]) -> bytes:
        """The next message. Raises `ConnectionClosedOK` after a farewell, `ConnectionClosedError` without one."""
        if self._closed is None:
            heard = await self._heard.get()
            if isinstance(heard, bytes):
                return heard
            ended_well = heard is not None and heard.code == 1000
            self._closed = (ConnectionClosedOK if ended_well else ConnectionClosedError)(heard, None)
        raise self._closed

    async def ping(self) -> Awaitable[float]:
        """The answer comes after two ways, unless the far end reads nothing; then it never does."""
        self._check()
        pong: asyncio.Future[float] = self._loop.create_future()
        self._there.carry(self._pinged, pong, self._loop.time())
        return pong

    def _pinged(self, pong: asyncio.Future[float], sent: float) -> None:
        if self.far_end.reads:
            self._back.carry(self._ponged, pong, sent)

    def _ponged(self, pong: asyncio.Future[float], sent: float) -> None:
        if not pong.done() and not self.is_over:
            pong.set_result(self._loop.time() - sent)

    def hear(self, said: bytes | Close) -> None:
        """A frame has arrived: a message, or a farewell."""
        if not self.is_over:
            self._heard.put_nowait(said)

    async def close(self) -> None:
        """Leave; the far end is told."""
        self.cut()

    async def wait_closed(self) -> None:
        """Until the connection is over."""
        await self._over.wait()

    def cut(self) -> None:
        """The connection is over, for both ends."""
        if not self.is_over:
            self._over.set()
            self._heard.put_nowait(None)
            self.far_end.arrive({"type": "websocket.disconnect", "code": 1006})

    def _check(self) -> None:
        if self.is_over:
            raise self._closed or ConnectionClosedError(None, None)


class NearEnd(asyncio.Transport):
    """What the client may do to the connection besides speaking: break it."""

    def __init__(self, socket: LoopSocket) -> None:
        super().__init__()
        self._socket = socket

    def abort(self) -> None:
        """Without a word."""
        self._socket.cut()


class FarEnd(asyncio.Transport):
    """The server's side: what its application hears and says, and what it may do to the connection."""

    def __init__(self, socket: LoopSocket, back: Way) -> None:
        super().__init__()
        self.reads = True
        self._socket = socket
        self._back = back
        self._arrived: asyncio.Queue[Message] = asyncio.Queue()

    async def serve(self, app: Starlette, path: str, headers: Mapping[str, str]) -> None:
        """The connection as the application sees it, to its end."""
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
            "state": {"transport": self},
        }
        try:
            await app(scope, self._arrived.get, self._say)
        finally:
            if self._socket.upgrade.done():  # an answer on its way arrives first
                self._back.carry(self._socket.cut)

    def arrive(self, message: Message) -> None:
        """What the client has sent is there."""
        self._arrived.put_nowait(message)

    async def _say(self, message: Message) -> None:
        socket, kind = self._socket, message["type"]
        if kind in ("websocket.accept", "websocket.http.response.start"):
            self._back.carry(_answer, socket.upgrade, message)
        elif kind == "websocket.send":
            raw = message.get("bytes")
            self._back.carry(socket.hear, message["text"].encode() if raw is None else raw)
        elif kind == "websocket.close":
            self._back.carry(socket.hear, Close(message.get("code", 1000), ""))

    def is_closing(self) -> bool:
        """Whether the connection is over."""
        return self._socket.is_over

    def pause_reading(self) -> None:
        """Not even a ping is answered from now on."""
        self.reads = False

    def abort(self) -> None:
        """Break it without a word."""
        self._socket.cut()


def _answer(upgrade: asyncio.Future[Message], message: Message) -> None:
    if not upgrade.done():
        upgrade.set_result(message)
