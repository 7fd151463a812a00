"""The one module that touches the HTTP library (swap `httpx` for a compatible successor here and nowhere else)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import httpx
from loguru import logger

from fillwatch.brokers.alpaca.answers import Answer, Lost, RateHeaders, Reply
from fillwatch.brokers.alpaca.keys import Credentials, Endpoint, Scheme
from fillwatch.core.errors import AmbiguousError, BrokerError, PermanentError, TransientError
from fillwatch.core.text import plain

_EVENT_STREAM = "text/event-stream"
#: What takes the network's place under a client, so that no other module has to name the HTTP library.
Wire = httpx.AsyncBaseTransport


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """In seconds. `total`: every call has ended by then. `stuck`: a request older than this condemns its client.

    `drain`: how long requests in flight may take to finish when their client is closed. `idle`: how long an unused
    connection is kept; below the 5 s after which many servers drop it, since a POST that races with that is lost.
    """

    connect: float = 3.0
    write: float = 3.0
    read: float = 5.0
    pool: float = 2.0
    total: float = 10.0
    stuck: float = 12.0
    drain: float = 10.0
    idle: float = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Upper bounds: requests in flight, bytes of one body, and pool time-outs in a row before a client is replaced."""

    in_flight: int = 8
    body: int = 32 * 2**20
    pool_timeouts: int = 3


@dataclass(eq=False, slots=True, kw_only=True)
class Call:
    """One request and its caller's future. `as_of` (handed to the wire) and `deadline` are loop times."""

    method: str
    path: str
    params: Mapping[str, str]
    body: bytes | None
    deadline: float
    as_of: float
    reply: asyncio.Future[Reply]

    def settle(self, reply: Reply) -> None:
        """Tell the caller, if it is still there."""
        if not self.reply.done():
            self.reply.set_result(reply)


#: Told of every answer's headers.
Listen = Callable[[RateHeaders], None]


class Follower(Protocol):
    """Who reads an answer that goes on."""

    def opened(self, at: datetime | None) -> None:
        """It has begun; `at` is its `Date`."""
        ...

    async def hear(self, line: bytes) -> bool:
        """The next line of it; whether to go on."""
        ...


#: Read from the top. What our own side of the protocol refuses to send does not get better by sending it again.
_ERRORS: tuple[tuple[type[BaseException], type[BrokerError]], ...] = (
    (httpx.LocalProtocolError, AmbiguousError),
    (httpx.UnsupportedProtocol, PermanentError),
    (httpx.InvalidURL, PermanentError),
    (httpx.TransportError, TransientError),
    (httpx.HTTPError, AmbiguousError),
    (httpx.StreamError, AmbiguousError),
    (OSError, TransientError),
)


class _KeyAuth(httpx.Auth):
    """The one place where the keys are unwrapped."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        secret, key_id = self._credentials.secret, self._credentials.key_id
        if self._credentials.scheme is Scheme.BEARER or key_id is None:
            request.headers["Authorization"] = f"Bearer {secret.reveal()}"
        else:
            request.headers["APCA-API-KEY-ID"] = key_id.reveal()
            request.headers["APCA-API-SECRET-KEY"] = secret.reveal()
        yield request

    def scrub(self, body: bytes) -> bytes:
        """`body` without our keys, should somebody send or say them back to us."""
        for secret in (self._credentials.secret, self._credentials.key_id):
            if secret is not None:
                body = body.replace(secret.reveal().encode(), b"***")
        return body


class Client:
    """One HTTP client with its pool of connections, for one event loop. `listen` is told of every answer's headers."""

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: Credentials,
        timeouts: Timeouts,
        caps: Caps,
        listen: Listen,
        wire: httpx.AsyncBaseTransport | None,
    ) -> None:
        # At DEBUG they log what goes over the wire.
        for name in ("httpx", "httpcore"):
            library = logging.getLogger(name)
            if library.getEffectiveLevel() < logging.INFO:
                library.setLevel(logging.INFO)
        self._auth = _KeyAuth(credentials)
        self._caps = caps
        self._listen = listen
        self._http = httpx.AsyncClient(
            base_url=endpoint.base_url,
            auth=self._auth,
            headers={"User-Agent": "fillwatch", "Accept": "application/json"},
            timeout=httpx.Timeout(
                connect=timeouts.connect, write=timeouts.write, read=timeouts.read, pool=timeouts.pool
            ),
            limits=httpx.Limits(
                max_connections=caps.in_flight,
                max_keepalive_connections=caps.in_flight,
                keepalive_expiry=timeouts.idle,
            ),
            follow_redirects=False,
            trust_env=False,
            transport=wire,
        )

    async def exchange(self, call: Call) -> Reply:
        """Send the request and read its answer. Raises whatever the library does: `translate` knows what it means."""
        request = self._http.build_request(call.method, call.path, params=call.params or None, content=call.body)
        if call.body is not None:
            request.headers["Content-Type"] = "application/json"
        response = await self._http.send(request, stream=True)
        try:
            heard = RateHeaders.read(response.headers)
            self._listen(heard)
            chunks: list[bytes] = []
            size = 0
            async for chunk in response.aiter_bytes():
                chunks.append(chunk)
                size += len(chunk)
                if size > self._caps.body:
                    return Lost(error=AmbiguousError(f"the answer is over {self._caps.body} bytes"), as_of=call.as_of)
                if asyncio.get_running_loop().time() > call.deadline:
                    return Lost(error=TransientError("the answer came too slowly"), as_of=call.as_of)
        finally:
            await response.aclose()
        body = self._auth.scrub(b"".join(chunks))
        return Answer(status=response.status_code, body=body, as_of=call.as_of, at=heard.at, reset_in=heard.wait)

    async def follow(self, path: str, params: Mapping[str, str], silence: float, follower: Follower) -> int:
        """Read server-sent lines until they end, or nothing comes for `silence` seconds; the status of the answer.

        406 when it is no such answer. Raises whatever the library does. The client serves nobody else meanwhile.
        """
        request = self._http.build_request("GET", path, params=params or None, headers={"Accept": _EVENT_STREAM})
        request.extensions["timeout"] = {**request.extensions["timeout"], "read": silence}
        response = await self._http.send(request, stream=True)
        try:
            heard = RateHeaders.read(response.headers)
            self._listen(heard)
            if response.status_code != 200:
                return response.status_code
            if not response.headers.get("content-type", "").startswith(_EVENT_STREAM):
                return 406
            follower.opened(heard.at)
            rest = b""
            async for chunk in response.aiter_bytes():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if not await follower.hear(line.rstrip(b"\r")):
                        return 200
                if len(rest) > self._caps.body:
                    break
            return 200
        finally:
            await response.aclose()

    def translate(self, error: BaseException) -> BrokerError:
        """What `error` means, as a new error with its text alone: the old one holds the request, and so the keys."""
        kind = next((ours for theirs, ours in _ERRORS if isinstance(error, theirs)), None)
        text = plain(self._auth.scrub(str(error).encode("utf-8", "replace")).decode("utf-8", "replace"))
        message = f"{type(error).__name__}: {text}" if text else type(error).__name__
        if kind is None:
            logger.error("a request to the broker failed in an unexpected way: {}", message)
        return (kind or AmbiguousError)(message)

    async def aclose(self) -> None:
        """Close the connections; requests still in flight fail."""
        await self._http.aclose()


def is_pool_timeout(error: BaseException | None) -> bool:
    """Whether a request ended because no connection came free, which our own cap on requests should rule out."""
    return isinstance(error, httpx.PoolTimeout)
