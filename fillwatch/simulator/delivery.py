"""How answers leave over HTTP: whole, as HTML, cut off, as a reset connection, or not at all."""

from __future__ import annotations

import asyncio
import html
import json
import socket
import struct

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from fillwatch.simulator.answers import Delivery, Op, Reply
from fillwatch.simulator.wire import body

#: Seconds for which an unanswered connection is kept, if its client never gives up.
LONGEST_SILENCE = 300.0
#: With this linger option, closing a socket sends a reset.
_RESET = struct.pack("ii", 1, 0)


class TransportInScope(H11Protocol):
    """uvicorn's protocol, with the connection's transport in `scope["state"]`, so that a fault can break it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # narrower, as in H11Protocol
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


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
        await _client_gone(receive, transport)


async def _client_gone(receive: Receive, transport: asyncio.Transport) -> None:
    try:
        async with asyncio.timeout(LONGEST_SILENCE):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        transport.abort()


def _content(op: Op, reply: Reply) -> tuple[bytes, str | None]:
    answer = reply.answer
    if reply.delivery is Delivery.HTML:
        title = html.escape(f"{answer.status} {answer.message}")
        page = f"<html>\r\n<head><title>{title}</title></head>\r\n<body><h1>{title}</h1></body>\r\n</html>"
        return page.encode(), "text/html"
    content = body(op, answer) if answer.status else None
    return (b"", None) if content is None else (json.dumps(content).encode(), "application/json")
