"""The push routes without sockets: an ASGI client in the test's own loop, and a connection that faults can break."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

from starlette.applications import Starlette

from fillwatch.core.orders import OrderRequest, Side
from fillwatch.simulator import Fate, Faults, World, sse, stream
from fillwatch.simulator.keys import Keys
from fillwatch.simulator.pump import Pump
from fillwatch.simulator.stream_faults import StreamFaults
from fillwatch.testing import run_virtual

T = TypeVar("T")
KEYS = Keys(key="K", secret="S")
SHOWN = {"apca-api-key-id": "K", "apca-api-secret-key": "S"}
AUTH = {"action": "auth", "key": "K", "secret": "S"}
LISTEN = {"action": "listen", "data": {"streams": ["trade_updates"]}}


class Plug(asyncio.Transport):
    """A connection that is nothing but its state."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = asyncio.Event()
        self.deaf = False

    def abort(self) -> None:
        self.broken.set()

    def is_closing(self) -> bool:
        return self.broken.is_set()

    def pause_reading(self) -> None:
        self.deaf = True


class Visitor:
    """A client of one connection. `heard`: (loop seconds, message), `raw`: the frames as they came."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.plug = Plug()
        self.heard: list[tuple[float, Any]] = []
        self.raw: list[bytes | str] = []
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.closed_with: int | None = None
        #: While it is cleared, the client reads nothing and every write of the server's has to wait.
        self.reads = asyncio.Event()
        self.reads.set()
        self._sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._text = b""

    @property
    def is_over(self) -> bool:
        """Whether the connection has ended, in whatever way."""
        return self.plug.broken.is_set() or self.closed_with is not None

    @property
    def updates(self) -> list[Any]:
        """What trade updates said."""
        return [said["data"] for _, said in self.heard if said.get("stream") == "trade_updates"]

    @property
    def events(self) -> list[str]:
        """The names of the events heard of, over either route."""
        return [
            said["event"] for said in (self.updates or [said for _, said in self.heard]) if said and "event" in said
        ]

    @property
    def text(self) -> Any:  # noqa: ANN401 - JSON
        """The body of an answer that was no stream."""
        return json.loads(self._text) if self._text else None

    def say(self, *messages: object) -> None:
        for message in messages:
            frame = {"bytes": message} if isinstance(message, bytes) else {"text": json.dumps(message)}
            if not self.plug.deaf:
                self._sent.put_nowait({"type": "websocket.receive", **frame})

    def leave(self) -> None:
        self.plug.abort()

    async def receive(self) -> dict[str, Any]:
        if not self._sent.empty():
            return self._sent.get_nowait()
        sent = asyncio.create_task(self._sent.get())
        broken = asyncio.create_task(self.plug.broken.wait())
        try:
            await asyncio.wait({sent, broken}, return_when=asyncio.FIRST_COMPLETED)
            return sent.result() if sent.done() else {"type": f"{self._kind}.disconnect", "code": 1006}
        finally:
            sent.cancel()
            broken.cancel()

    async def send(self, message: dict[str, Any]) -> None:
        if not self.reads.is_set():
            waits = [asyncio.create_task(self.reads.wait()), asyncio.create_task(self.plug.broken.wait())]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in waits:
                    task.cancel()
        if self.plug.broken.is_set():
            if message["type"].startswith("websocket"):
                raise OSError("the client has gone")
            return
        self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        kind = message["type"].rpartition(".")[2]
        if kind == "accept":
            self.status = 101
        elif kind == "start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        elif kind == "close":
            self.closed_with = message["code"]
            self._sent.put_nowait({"type": "websocket.disconnect", "code": message["code"]})
        elif kind == "send":
            self._note(message.get("bytes") if message.get("text") is None else message["text"])
        elif kind == "body":
            self._text += message["body"]
            *whole, self._text = self._text.split(b"\n\n")
            for line in whole:
                self._note(line.removeprefix(b"data: "))
            if not message.get("more_body"):
                self.closed_with = 200

    def _note(self, frame: bytes | str | None) -> None:
        assert frame is not None
        self.raw.append(frame)
        try:
            said = json.loads(frame)
        except ValueError:
            said = {"unreadable": frame}
        self.heard.append((asyncio.get_running_loop().time(), said))


class House:
    """A world and its push routes on the loop's clock."""

    def __init__(self, world: World) -> None:
        self.world = world
        pump = Pump(world)
        self._app = Starlette(routes=[*stream.routes(pump, KEYS), *sse.routes(pump, KEYS)])

    def set(self, **faults: Any) -> None:  # noqa: ANN401 - fields of StreamFaults
        """Other stream faults from now on."""
        self.world.faults = Faults(stream=StreamFaults(**faults))
        self.world.wake()

    def place(self, fate: Fate, qty: int = 10, symbol: str = "AAPL", side: Side = Side.BUY) -> str:
        """An order with this fate; its id."""
        return self.world.place(OrderRequest(symbol=symbol, side=side, qty=qty), fate)  # type: ignore[arg-type] # exact() takes an int

    @asynccontextmanager
    async def visit(self, *said: object, headers: dict[str, str] | None = None) -> AsyncIterator[Visitor]:
        """A WebSocket client that has said this."""
        visitor = Visitor("websocket")
        visitor._sent.put_nowait({"type": "websocket.connect"})
        visitor.say(*said)
        scope = _scope("websocket", "/stream", headers or {}, visitor)
        async with self._running(scope, visitor):
            yield visitor

    def listening(self) -> AbstractAsyncContextManager[Visitor]:
        """A WebSocket client that listens to trade updates."""
        return self.visit(AUTH, LISTEN)

    @asynccontextmanager
    async def read(
        self, query: str = "", path: str = "/v2/events/trades", headers: dict[str, str] | None = None
    ) -> AsyncIterator[Visitor]:
        """A reader of server-sent events."""
        visitor = Visitor("http")
        visitor._sent.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        scope = _scope("http", path, SHOWN if headers is None else headers, visitor)
        scope["query_string"] = query.encode()
        async with self._running(scope, visitor):
            yield visitor

    @asynccontextmanager
    async def _running(self, scope: dict[str, Any], visitor: Visitor) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._app(scope, visitor.receive, visitor.send))  # type: ignore[arg-type] # plain dicts
            await asyncio.sleep(0.001)
            yield
            visitor.leave()


def _scope(kind: str, path: str, headers: dict[str, str], visitor: Visitor) -> dict[str, Any]:
    return {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "server": ("127.0.0.1", 80),
        "subprotocols": [],
        "state": {"transport": visitor.plug},
        "extensions": {"websocket.http.response": {}},
    }


def in_house(test: Callable[[House], Awaitable[T]], *, seed: int = 1, **settings: Any) -> T:  # noqa: ANN401 - of World
    """Run `test` in virtual time with the push routes of a fresh world; its arguments beyond `seed` are World's."""

    async def run() -> T:
        clock = settings.pop("clock", asyncio.get_running_loop().time)
        return await test(House(World(seed, clock=clock, **settings)))

    return run_virtual(run)
