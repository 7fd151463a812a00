"""How answers leave over HTTP: whole, as HTML, cut off, as a reset connection, or not at all."""

from __future__ import annotations

import asyncio
import html
import socket
import struct
from collections.abc import Coroutine
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from fillwatch.simulator import wire
from fillwatch.simulator.answers import Call, Delivery, Op, Reply
from fillwatch.simulator.world import World

#: Seconds for which an unanswered connection is kept, if its client never gives up.
LONGEST_SILENCE = 300.0
#: With this linger option, closing a socket sends a reset.
_RESET = struct.pack("ii", 1, 0)


class TransportInScope(H11Protocol):
    """uvicorn's protocol, with the connection's transport in `scope["state"]`, so that a fault can break it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # narrower, as in H11Protocol
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


def transport_of(scope: Scope) -> asyncio.Transport | None:
    """The connection's transport; None under a server that does not show it."""
    transport: asyncio.Transport | None = scope.get("state", {}).get("transport")
    return transport


class Delivered(Response):
    """A reply, delivered in the way that its fault says."""

    def __init__(self, op: Op, reply: Reply) -> None:
        content, media_type = _content(op, reply)
        super().__init__(content, reply.answer.status or 200, dict(reply.headers), media_type)
        self._delivery = reply.delivery
        if reply.answer.status == 204:
            del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, or fail to."""
        if self._delivery in (Delivery.WHOLE, Delivery.HTML):
            await super().__call__(scope, receive, send)
            return
        transport: asyncio.Transport = scope["state"]["transport"]
        if self._delivery is Delivery.RESET:
            connection: socket.socket = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()
        elif self._delivery is Delivery.CUT_OFF:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            half = bytes(self.body)[: len(self.body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
            transport.close()
        try:
            async with asyncio.timeout(LONGEST_SILENCE):
                await client_gone(receive)
        except TimeoutError:
            transport.abort()


async def exchange(world: World, call: Call) -> Reply:
    """Carry a call to the world and its reply back, with what both ways take."""
    there, back = world.transit(call)
    if there:
        await asyncio.sleep(there)
    reply = world.receive(call)
    if back:
        await asyncio.sleep(back)
    return reply


async def client_gone(receive: Receive) -> None:
    """Wait until the client has closed the connection, or the answer is complete."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def first_of(*sides: Coroutine[Any, Any, None]) -> None:
    """Run the sides of a connection together until one of them is through."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(side) for side in sides]
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in running:
            task.cancel()


def _content(op: Op, reply: Reply) -> tuple[bytes, str | None]:
    answer = reply.answer
    if reply.delivery is Delivery.HTML:
        title = html.escape(f"{answer.status} {answer.message}")
        page = f"<html>\r\n<head><title>{title}</title></head>\r\n<body><h1>{title}</h1></body>\r\n</html>"
        return page.encode(), "text/html"
    content = wire.text(op, answer) if answer.status else None
    if content is not None and reply.bend is not None:
        content = msgspec.json.encode(reply.bend(msgspec.json.decode(content)))
    return (b"", None) if content is None else (content, "application/json")
