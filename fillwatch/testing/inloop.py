"""The simulated server without sockets: HTTP requests of this loop's clients, answered in this loop, in virtual time.

The requests go to the very application that `fillwatch.simulator.server` puts behind a port, and so do WebSockets
(`inloop_socket`); only the wire between is replaced. Latency, hangs, resets and bodies that are cut off happen on the
loop's clock, and time-outs are kept as `httpx` would keep them on a socket. Needs the extra `simulator`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import httpx
from starlette.applications import Starlette

from fillwatch.brokers.alpaca import AlpacaBroker
from fillwatch.brokers.alpaca.keys import Credentials, Endpoint
from fillwatch.brokers.alpaca.stream import Stream
from fillwatch.brokers.alpaca.transport import Transport
from fillwatch.simulator import World
from fillwatch.simulator.server import create_app
from fillwatch.testing.inloop_exchange import Exchange
from fillwatch.testing.inloop_socket import LoopSocket

URL = "http://127.0.0.1:8787"
KEY, SECRET = "PKINTHISLOOP", "secretinthisloop"


class InLoop(httpx.AsyncBaseTransport):
    """A transport for `httpx.AsyncClient`; `in_loop` makes one. It may be used by many clients, one after another.

    A request goes on its way even when its client has given up, as bytes do that have been sent. So `aclose`, which
    clients call, waits for nothing; leaving `in_loop` does.
    """

    def __init__(self, app: Starlette, world: World, latency: tuple[float, float]) -> None:
        self.url, self.key, self.secret = URL, KEY, SECRET
        self._app = app
        self._world = world
        self._latency = latency
        #: What the server is at, and what breaks the connection it is at it for.
        self._begun: dict[asyncio.Task[None], Callable[[], None]] = {}

    @property
    def headers(self) -> dict[str, str]:
        """What shows the keys."""
        return {"APCA-API-KEY-ID": self.key, "APCA-API-SECRET-KEY": self.secret}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request. Raises `httpx.ReadTimeout`, `httpx.ReadError` or `httpx.RemoteProtocolError`."""
        body = await request.aread()
        patience = request.extensions.get("timeout", {}).get("read")
        exchange = Exchange(request, body, patience)
        self._begin(exchange.run(self._app, *self._ways(request)), exchange.gone)
        return await exchange.answer()

    def draw(self, name: str) -> Random:
        """Random numbers of the world's seed, for whoever has this name."""
        return self._world.stream(f"wire/{name}")

    def _ways(self, request: httpx.Request) -> tuple[float, float]:
        draw = self.draw(f"{request.method} {request.url.path}")
        round_trip = draw.uniform(*self._latency)
        there = round_trip * draw.uniform(0.2, 0.5)
        return there, round_trip - there

    def _over(self, task: asyncio.Task[None]) -> None:
        if task.exception() is None:  # a failure of the server's stays, for `settle` to raise
            del self._begun[task]

    async def open_socket(self, url: str, closing: float) -> LoopSocket:
        """A WebSocket to the address that belongs to `url`. Raises as `websockets` does.

        A frame takes a third of a round trip of the wire's at most.
        """
        draw = self.draw(url)
        socket = LoopSocket((self._latency[0] / 4, self._latency[1] / 3), draw)
        path = httpx.URL(url).path
        self._begin(socket.far_end.serve(self._app, path, {"Content-Type": "application/json"}), socket.cut)
        return await socket.open()

    def _begin(self, work: Coroutine[Any, Any, None], broken: Callable[[], None]) -> None:
        task = asyncio.create_task(work)
        self._begun[task] = broken
        task.add_done_callback(self._over)

    async def settle(self) -> None:
        """Break every connection and let what is under way arrive; raises what failed inside the server."""
        for broken in self._begun.values():
            broken()
        if self._begun:
            await asyncio.wait(set(self._begun))
        for task in list(self._begun):
            await task


@asynccontextmanager
async def in_loop(world: World, *, latency: tuple[float, float] = (0.02, 0.08)) -> AsyncIterator[InLoop]:
    """Alpaca's API over `world` for clients of the running loop, to be given to them as their transport.

    `latency`: least and most seconds of a round trip without faults. At the end what is still under way is let arrive.
    """
    wire = InLoop(create_app(world, KEY, SECRET), world, latency)
    try:
        yield wire
    finally:
        await wire.settle()


def alpaca_over(wire: InLoop, *, stream: bool = True) -> AlpacaBroker:
    """A new `AlpacaBroker` that talks through `wire`, with its usual time-outs. `stream`: whether it pushes, too."""
    endpoint, keys = Endpoint.check(wire.url, None, live=False), Credentials.keys(wire.key, wire.secret)
    pauses = wire.draw("pauses of the stream")
    pushing = Stream(endpoint.stream_url, keys, rng=pauses, opener=wire.open_socket) if stream else None
    return AlpacaBroker.over(Transport(endpoint, keys, wire=wire), pushing)
