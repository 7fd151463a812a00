"""One HTTP request of a client in this loop, from its bytes to its answer, with neither socket nor server between.

The application on one side, a client that may give up on the other, and between them the ways there and back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

import httpx
from starlette.applications import Starlette

#: Statuses whose answers never have a body.
BODILESS = frozenset({204, 304})


class Exchange:
    """One request and its answer: the application on one side, a client that may give up on the other."""

    def __init__(self, request: httpx.Request, body: bytes, patience: float | None) -> None:
        self._request = request
        self._body = body
        self._patience = patience
        self._taken = False
        self._gone = asyncio.Event()
        self._back = 0.0
        #: What comes back: the head of the answer, pieces of its body, None at the end, or why there is no more.
        self._heard: asyncio.Queue[dict[str, Any] | bytes | httpx.TransportError | None] = asyncio.Queue()

    async def run(self, app: Starlette, there: float, back: float) -> None:
        """The server's side of it."""
        self._back = back
        await asyncio.sleep(there)
        await app(self._scope(), self._receive, self._send)  # type: ignore[arg-type]  # plain dicts are ASGI messages
        self.hang_up()

    async def answer(self) -> httpx.Response:
        """The client's side: the head of the answer, and a stream of what follows it."""
        began = False
        try:
            head = await self.hear()
            assert isinstance(head, dict)
            began = True
        finally:
            if not began:
                self.hang_up()
        if head["status"] in BODILESS:  # complete with its head, whatever becomes of the connection
            self._heard = asyncio.Queue()
            self._heard.put_nowait(None)
        return httpx.Response(head["status"], headers=head["headers"], stream=Pieces(self), request=self._request)

    async def hear(self) -> dict[str, Any] | bytes | None:
        """The next thing that comes back; raises when nothing does in time, or never will."""
        try:
            async with asyncio.timeout(self._patience):
                heard = await self._heard.get()
        except TimeoutError:
            raise httpx.ReadTimeout("no answer in time", request=self._request) from None
        if isinstance(heard, httpx.TransportError):
            raise heard
        return heard

    def hang_up(self) -> None:
        """The connection is over: whoever still waits on the server's side is told."""
        self._gone.set()

    def gone(self) -> None:
        """The server is there no more."""
        self.break_off(httpx.ReadError("the server has gone"))

    def break_off(self, error: httpx.TransportError) -> None:
        """The server breaks the connection, which is how the client comes to know of it."""
        self._heard.put_nowait(error)
        self.hang_up()

    def _scope(self) -> dict[str, Any]:
        url = self._request.url
        raw = url.raw_path.partition(b"?")[0]
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": self._request.method,
            "scheme": url.scheme,
            "path": unquote(raw.decode("ascii")),
            "raw_path": raw,
            "root_path": "",
            "query_string": url.query,
            "headers": [(name.lower(), value) for name, value in self._request.headers.raw],
            "client": ("127.0.0.1", 1),
            "server": (url.host, url.port),
            "state": {"transport": Connection(self)},
        }

    async def _receive(self) -> dict[str, Any]:
        if not self._taken:
            self._taken = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            await asyncio.sleep(self._back)
            self._heard.put_nowait(message)
            return
        if piece := message.get("body", b""):
            self._heard.put_nowait(piece)
        if not message.get("more_body", False):
            self._heard.put_nowait(None)


class Pieces(httpx.AsyncByteStream):
    """The body of an answer, as it arrives."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await self._exchange.hear()) is not None:
            assert isinstance(piece, bytes)
            yield piece

    async def aclose(self) -> None:
        """The client wants no more of it."""
        self._exchange.hang_up()


class Connection(asyncio.Transport):
    """What the server may do to the connection: end it early, or reset it."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        self._exchange = exchange

    def get_extra_info(self, name: str, default: object = None) -> object:
        """The socket, of which nothing but its linger option is ever asked."""
        return self if name == "socket" else default

    def setsockopt(self, *_: object) -> None:
        """A reset is told from a close by `abort` alone."""

    def close(self) -> None:
        """Ended in the middle of a body."""
        text = "peer closed connection without sending complete message body"
        self._exchange.break_off(httpx.RemoteProtocolError(text))

    def abort(self) -> None:
        """Reset."""
        self._exchange.break_off(httpx.ReadError("connection reset"))
