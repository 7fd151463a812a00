"""A scripted WebSocket server in the test's own virtual loop, a client that listens to it, and frames to send."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from fillwatch.brokers.alpaca.keys import Credentials
from fillwatch.brokers.alpaca.line import Patience
from fillwatch.brokers.alpaca.stream import Stream
from fillwatch.brokers.push import Event, executed
from fillwatch.core.evidence import Executed
from fillwatch.testing import run_virtual
from tests.alpaca.wire import KEY, SECRET, row

T = TypeVar("T")
EXECUTION = "2f63ea93-423d-4169-b3f6-3fdafc10c418"
AUTHORIZED = {"stream": "authorization", "data": {"status": "authorized", "action": "authenticate"}}
UNAUTHORIZED = {"stream": "authorization", "data": {"status": "unauthorized", "action": "authenticate"}}
LISTENING = {"stream": "listening", "data": {"streams": ["trade_updates"]}}
USUAL = {"action": "authenticate", "data": {"key_id": KEY, "secret_key": SECRET}}
NEWER = {"action": "auth", "key": KEY, "secret": SECRET}
LISTEN = {"action": "listen", "data": {"streams": ["trade_updates"]}}

Script = Callable[["Visit"], Awaitable[None]]


def update(event: str = "new", order: object = None, **more: object) -> dict[str, Any]:
    """A trade update in its envelope."""
    data = {"event": event, "order": row() if order is None else order, "timestamp": "2026-03-02T14:30:00.223456789Z"}
    return {"stream": "trade_updates", "data": {**data, **more}}


def fill(qty: object = "4", price: object = "100.25", cum: str = "10", **more: object) -> dict[str, Any]:
    """A fill of the order, in part of it or to the end."""
    order = row(status="filled" if cum == "10" else "partially_filled", filled_qty=cum, filled_avg_price="100.10")
    more = {"execution_id": EXECUTION, "position_qty": cum, **more}
    return update("fill" if cum == "10" else "partial_fill", order, qty=qty, price=price, **more)


def frame(message: object) -> bytes:
    """As the broker sends it."""
    return json.dumps(message).encode()


@dataclass
class Visit:
    """One connection as the server sees it."""

    socket: ServerConnection
    number: int
    said: list[Any] = field(default_factory=list)

    async def hear(self) -> Any:  # noqa: ANN401 - JSON
        self.said.append(json.loads(await self.socket.recv()))
        return self.said[-1]

    async def say(self, *messages: object, text: bool | None = None) -> None:
        for message in messages:
            raw = message if isinstance(message, bytes) else frame(message)
            await self.socket.send(raw, text=text)

    async def welcome(self) -> None:
        """Take the keys and the subscription."""
        await self.hear()
        await self.say(AUTHORIZED)
        await self.hear()
        await self.say(LISTENING)

    async def stay(self) -> None:
        """Stand until the client goes, and answer its pings."""
        with suppress(ConnectionClosed):
            while True:
                await self.hear()


class Ear:
    """A client that listens. `heard`: (loop seconds, event)."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.heard: list[tuple[float, Event]] = []
        self.batches: list[int] = []
        #: What it does with each batch before it asks for the next.
        self.pace = 0.0
        self._news = asyncio.Event()
        self.begun = asyncio.get_running_loop().time()

    def of(self, kind: type[T]) -> list[T]:
        return [event for _, event in self.heard if isinstance(event, kind)]

    def executed(self) -> list[Executed]:
        return executed(event for _, event in self.heard)

    def times(self, kind: type[Event]) -> list[float]:
        return [t for t, event in self.heard if isinstance(event, kind)]

    async def listen(self) -> None:
        async for batch in self.stream.events():
            assert batch
            self.batches.append(len(batch))
            now = asyncio.get_running_loop().time()
            self.heard += [(now - self.begun, event) for event in batch]
            assert all(event.as_of <= now for event in batch)
            self._news.set()
            if self.pace:
                await asyncio.sleep(self.pace)

    async def until(self, kind: type[Event], times: int = 1, within: float = 100.0) -> None:
        async with asyncio.timeout(within):
            while len(self.of(kind)) < times:
                self._news.clear()
                await self._news.wait()


class House:
    """A server that plays `script` with each visitor. `refuse`: HTTP statuses for the next upgrades."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.refuse: list[int] = []
        self.visits: list[Visit] = []
        self.upgrades = 0
        self.elsewhere = ""

    async def enter(self, socket: ServerConnection) -> None:
        visit = Visit(socket, len(self.visits))
        self.visits.append(visit)
        with suppress(ConnectionClosed):
            await self.script(visit)

    async def upgrade(self, socket: ServerConnection, request: Request) -> Response | None:
        self.upgrades += 1
        if not self.refuse:
            return None
        response = socket.respond(HTTPStatus(self.refuse.pop(0)), "no\n")
        response.headers["Location"] = self.elsewhere
        return response

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """Serve on loopback; the address."""
        async with serve(
            self.enter, "127.0.0.1", 0, process_request=self.upgrade, ping_interval=None, close_timeout=0.2
        ) as server:
            port = server.sockets[0].getsockname()[1]
            yield f"ws://127.0.0.1:{port}/stream"


async def welcoming(visit: Visit) -> None:
    """Let everybody in and say nothing."""
    await visit.welcome()
    await visit.stay()


def talk(
    test: Callable[[Ear, House], Awaitable[T]],
    script: Script = welcoming,
    *,
    credentials: Credentials | None = None,
    patience: Patience | None = None,
    refuse: tuple[int, ...] = (),
) -> T:
    """Run `test` with a listener to a server that plays `script`, in virtual time over loopback."""

    async def run() -> T:
        house = House(script)
        house.refuse = list(refuse)
        async with house.open() as url:
            shown = credentials or Credentials.keys(KEY, SECRET)
            ear = Ear(Stream(url, shown, patience=patience, rng=random.Random(1)))
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(ear.listen())
                result = await test(ear, house)
                await ear.stream.aclose()
        return result

    return run_virtual(run)


def sending(*messages: object, text: bool | None = None) -> Script:
    """A script that says these after the welcome."""

    async def script(visit: Visit) -> None:
        await visit.welcome()
        await visit.say(*messages, text=text)
        await visit.stay()

    return script
