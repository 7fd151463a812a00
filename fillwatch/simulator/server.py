"""The world behind Alpaca's API: REST, the WebSocket stream, server-sent events, and the control routes.

Needs the extra `simulator` (starlette, uvicorn, websockets).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from fillwatch.simulator import control, sse, stream
from fillwatch.simulator.answers import Call
from fillwatch.simulator.delivery import Delivered, TransportInScope, exchange
from fillwatch.simulator.keys import Keys
from fillwatch.simulator.pump import Pump
from fillwatch.simulator.routes import ROUTES
from fillwatch.simulator.world import World

LOOPBACK = "127.0.0.1"
#: Where a server bound to every address is reached from the same machine.
_REACHED_AT = {"0.0.0.0": LOOPBACK, "": LOOPBACK, "::": "::1"}
#: Bytes of the longest message that a client may send over the WebSocket; a real one has a hundred.
_LONGEST_MESSAGE = 65_536
#: Seconds between two looks at whether the last connection has gone, when the server ends.
_STEP = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a served world is, and the keys it takes. `stream_url` is the WebSocket's."""

    url: str
    stream_url: str
    key: str
    secret: str = field(repr=False)


def create_app(world: World, key: str, secret: str) -> Starlette:
    """All of the API over `world`, for callers that show this key and secret.

    Broken connections and cut-off bodies need `serve`, whose protocol lets them reach the connection.
    """

    keys, pump = Keys(key=key, secret=secret), Pump(world)
    routes: list[BaseRoute] = [
        *(Route(path, _Endpoint(world, keys, make), methods=[method]) for method, path, make in ROUTES),
        *stream.routes(pump, keys),
        *sse.routes(pump, keys),
        *control.routes(world, keys),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _no_such_route})
    app.router.redirect_slashes = False  # Alpaca has no such address, and a client that follows would lose its body
    return app


class _Endpoint:
    """One route of the REST API, as an application of its own: less stands between a request and its answer."""

    def __init__(self, world: World, keys: Keys, make: Callable[[Request], Awaitable[Call]]) -> None:
        self._world = world
        self._keys = keys
        self._make = make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            call = await self._make(request)
        except ClientDisconnect:
            return
        refused = self._keys.problem(request.headers)
        reply = await exchange(self._world, replace(call, method=request.method, problem=refused or call.problem))
        await Delivered(call.op, reply)(scope, receive, send)


async def _no_such_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    return JSONResponse({"code": status * 100_000 + 10_000, "message": "endpoint not found"}, status)


class _Server(uvicorn.Server):
    """uvicorn in a loop that is not its own: it leaves the signals alone and says when it has started.

    It ends as soon as it is told to, where uvicorn looks once in a tenth of a second: tests start hundreds of servers.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.over = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        """Until it is told to end. One tick makes the headers of all answers, in which there is no date to renew."""
        await self.on_tick(0)
        await self.over.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Break every connection, so that no answer still held back keeps the server up.

        A WebSocket whose client reads is closed in good order instead, with a closing frame.
        """
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        state = self.server_state
        for connection in list(state.connections):
            transport = connection.transport
            closes = isinstance(connection, WebSocketsSansIOProtocol)
            if not closes or transport.get_write_buffer_size() or not transport.is_reading():
                transport.abort()
            connection.shutdown()
        while state.connections or state.tasks:  # noqa: ASYNC110 - uvicorn's own sets, of which nobody tells
            await asyncio.sleep(_STEP)
        for server in self.servers:
            await server.wait_closed()


@asynccontextmanager
async def serve(
    world: World, port: int = 0, key: str | None = None, secret: str | None = None, *, host: str = LOOPBACK
) -> AsyncIterator[Address]:
    """Serve `world` in the running loop until the block is left; `OSError` when the port is taken.

    Port 0 is a free one. `host`: the numeric address to bind to. Keys that are not given are drawn from the seed.
    """
    keys = Keys.drawn(world.seed, key, secret)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Asyncio turns Nagle's algorithm off only for sockets that name their protocol; left on, an answer takes 44 ms.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        config = uvicorn.Config(
            create_app(world, keys.key, keys.secret),
            http=TransportInScope,
            ws="websockets-sansio",
            ws_max_size=_LONGEST_MESSAGE,
            # The broker's own pings are not known; clients ping, and a dead one on loopback is closed by its kernel.
            ws_ping_interval=None,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        started = asyncio.create_task(server.ready.wait())
        try:
            await asyncio.wait({serving, started}, return_when=asyncio.FIRST_COMPLETED)
            yield _address(host, listener.getsockname()[1], keys)
        finally:
            started.cancel()
            server.over.set()
            await serving


def _address(host: str, port: int, keys: Keys) -> Address:
    name = _REACHED_AT.get(host, host)
    place = f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
    return Address(url=f"http://{place}", stream_url=f"ws://{place}/stream", key=keys.key, secret=keys.secret)
