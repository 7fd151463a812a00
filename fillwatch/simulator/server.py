"""The world behind Alpaca's HTTP API, on loopback. Needs the extra `simulator` (starlette, uvicorn)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fillwatch.simulator import answers
from fillwatch.simulator.answers import Answer, Call
from fillwatch.simulator.delivery import Delivered, TransportInScope
from fillwatch.simulator.routes import ROUTES
from fillwatch.simulator.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a served world is, and the keys it takes."""

    url: str
    key: str
    secret: str = field(repr=False)


def create_app(world: World, key: str, secret: str) -> Starlette:
    """The HTTP API over `world`, for callers that show this key and secret.

    Broken connections and cut-off bodies need `serve`, whose protocol lets them reach the connection.
    """

    def endpoint(make: Callable[[Request], Awaitable[Call]]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                call = replace(await make(request), method=request.method)
            except ClientDisconnect:
                return Response(status_code=400)
            refused = _keys_problem(request, key, secret)
            return await _exchange(world, call if refused is None else replace(call, problem=refused))

        return answer

    routes = [Route(path, endpoint(make), methods=[method]) for method, path, make in ROUTES]
    return Starlette(routes=routes, exception_handlers={HTTPException: _no_such_route})


async def _exchange(world: World, call: Call) -> Response:
    there, back = world.transit(call)
    await asyncio.sleep(there)
    reply = world.receive(call)
    await asyncio.sleep(back)
    return Delivered(call.op, reply)


async def _no_such_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    return JSONResponse({"code": status * 100_000 + 10_000, "message": "endpoint not found"}, status)


def _keys_problem(request: Request, key: str, secret: str) -> Answer | None:
    """Both header styles: the two APCA headers, or HTTP Basic. No keys at all and wrong ones are told apart."""
    shown = request.headers.get("APCA-API-KEY-ID"), request.headers.get("APCA-API-SECRET-KEY")
    scheme, _, coded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, word = base64.b64decode(coded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return answers.UNAUTHORIZED
        shown = name, word
    if shown[0] is None or shown[1] is None:
        return answers.NO_KEYS
    right = hmac.compare_digest(shown[0].encode(), key.encode()) & hmac.compare_digest(
        shown[1].encode(), secret.encode()
    )
    return None if right else answers.UNAUTHORIZED


class _Server(uvicorn.Server):
    """uvicorn in a loop that is not its own: it leaves the signals alone and says when it has started."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Break every connection, so that no answer still held back keeps the server up."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await super().shutdown(sockets)


@asynccontextmanager
async def serve(
    world: World, port: int = 0, key: str | None = None, secret: str | None = None
) -> AsyncIterator[Address]:
    """Serve `world` on loopback in the running loop until the block is left; `OSError` when the port is taken.

    Port 0 is a free one. Keys that are not given are drawn from the world's seed.
    """
    draw = random.Random(f"{world.seed}/keys")
    key = key or "PK" + "".join(draw.choices("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=18))
    secret = secret or "".join(draw.choices("abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=40))
    # Asyncio turns Nagle's algorithm off only for sockets that name their protocol; left on, an answer takes 44 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        config = uvicorn.Config(
            create_app(world, key, secret),
            http=TransportInScope,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            date_header=False,
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        started = asyncio.create_task(server.ready.wait())
        try:
            await asyncio.wait({serving, started}, return_when=asyncio.FIRST_COMPLETED)
            yield Address(url=f"http://127.0.0.1:{listener.getsockname()[1]}", key=key, secret=secret)
        finally:
            started.cancel()
            server.should_exit = True
            await serving
