"""A loopback server that speaks hand-written HTTP, so that it can break it; and rows as Alpaca writes them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from fillwatch.brokers.alpaca import AlpacaBroker
from fillwatch.brokers.alpaca.client import Caps, Timeouts
from fillwatch.brokers.alpaca.keys import Credentials, Endpoint
from fillwatch.brokers.alpaca.transport import Transport

KEY = "PKCANARYKEYID0123456"
SECRET = "sCANARYsecretCANARYsecretCANARYsecret99"
ORDER = "61e69015-8549-4bfd-b9c3-01e75843f47d"
OTHER = "904837e3-3b76-47ec-b432-046db621571b"
QUICK = Timeouts(connect=0.3, write=0.3, read=0.3, pool=0.2, total=0.5, stuck=0.6, drain=0.5)

Handler = Callable[["Request", asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Request:
    """What the server read."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    reader: asyncio.StreamReader


@dataclass
class Server:
    """The running server: its address, what it was asked, and its connections (open now, opened ever)."""

    url: str
    asked: list[Request] = field(default_factory=list)
    open: int = 0
    opened: int = 0


def row(order_id: object = ORDER, **changes: object) -> dict[str, object]:
    """An order as `GET /v2/orders` shows it."""
    plain: dict[str, object] = {
        "id": order_id,
        "client_order_id": "mine-1",
        "created_at": "2026-03-02T14:30:00.123456Z",
        "updated_at": "2026-03-02T14:30:00.223456Z",
        "submitted_at": "2026-03-02T14:30:00.123456Z",
        "filled_at": None,
        "symbol": "AAPL",
        "notional": None,
        "qty": "10",
        "filled_qty": "0",
        "filled_avg_price": None,
        "order_class": "",
        "order_type": "limit",
        "type": "limit",
        "side": "buy",
        "time_in_force": "day",
        "limit_price": "101.5",
        "stop_price": None,
        "status": "new",
        "extended_hours": False,
        "legs": None,
    }
    return plain | changes


def http(status: int, body: object = b"", **headers: str) -> bytes:
    """A whole HTTP answer."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(payload)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + payload


def answering(status: int, body: object = b"") -> Handler:
    """A handler that always says the same."""

    async def handle(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(http(status, body))
        await writer.drain()

    return handle


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Server]:
    """A server on a free port, with its connections closed at the end."""
    writers: set[asyncio.StreamWriter] = set()
    tasks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        writers.add(writer)
        server.open += 1
        server.opened += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, target, _ = head[0].split(" ")
                headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                server.asked.append(Request(method, target, headers, body, reader))
                await handler(server.asked[-1], writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            server.open -= 1
            writers.discard(writer)
            tasks.discard(task)
            writer.close()

    listener = await asyncio.start_server(talk, "127.0.0.1", 0)
    server = Server(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
    try:
        yield server
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listener.wait_closed()


def transport(
    url: str = "http://127.0.0.1:1",
    *,
    timeouts: Timeouts | None = QUICK,
    caps: Caps | None = None,
    wire: httpx.AsyncBaseTransport | None = None,
) -> Transport:
    """A transport with short time-outs."""
    endpoint = Endpoint.check(url, None, live=False)
    return Transport(endpoint, Credentials.keys(KEY, SECRET), timeouts=timeouts, caps=caps, wire=wire)


def scripted(answer: Callable[[httpx.Request], httpx.Response]) -> AlpacaBroker:
    """A broker whose network is the function `answer`."""
    return AlpacaBroker.over(transport(wire=httpx.MockTransport(answer)))


def recorded(asked: list[httpx.Request], answer: httpx.Response) -> AlpacaBroker:
    """A broker that always hears `answer`, and whose requests are kept in `asked`."""

    def reply(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return answer

    return scripted(reply)
