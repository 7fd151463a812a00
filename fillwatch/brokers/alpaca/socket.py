"""What a connection to the trade updates asks of a WebSocket, and how one is opened."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

from websockets.asyncio.client import connect

#: Bytes of one frame. One that is too long to be read (`frames.LONGEST`) costs itself alone; one longer than this ends
#: the connection, for it would have to be kept whole to be passed over.
LONGEST_FRAME = 2**24
#: Frames that the library keeps before it stops reading; ours are taken from it at once.
_QUEUE = 64


class Socket(Protocol):
    """An open WebSocket, as `websockets.asyncio.client.ClientConnection` is one. Raises the errors of that library."""

    transport: asyncio.Transport

    async def send(self, message: bytes, *, text: bool | None = None) -> None:
        """Send one message."""

    async def recv(self, decode: Literal[False]) -> bytes:
        """The next message, text or not."""
        ...

    async def ping(self) -> Awaitable[float]:
        """Send a ping; what is returned is done when the answer has come."""
        ...

    async def close(self) -> None:
        """Say farewell and wait for the other side's."""

    async def wait_closed(self) -> None:
        """Until the connection is over."""


#: Opens the WebSocket at an address; the number is the seconds that a farewell may take.
Opener = Callable[[str, float], Awaitable[Socket]]


class _OwnWayOnly(connect):
    """Follows no redirect: it could lead the keys to another host."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def open_socket(url: str, closing: float) -> Socket:
    """Over the network."""
    return await _OwnWayOnly(
        url,
        additional_headers={"Content-Type": "application/json"},  # and not application/msgpack
        user_agent_header="fillwatch",
        compression=None,  # a trade update is small; unpacking would be a door for frames that are not
        proxy=None,
        open_timeout=None,
        ping_interval=None,
        close_timeout=closing,
        max_size=LONGEST_FRAME,
        max_queue=_QUEUE,
        logger=_silent(),
    )


def _silent() -> logging.Logger:
    """A logger of the library's that nobody can turn up: at DEBUG it logs what is sent, keys included."""
    logger = logging.Logger("fillwatch.websockets", logging.CRITICAL)
    logger.addHandler(logging.NullHandler())
    return logger
