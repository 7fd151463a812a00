"""One connection to the trade updates: opened, authenticated, listened to, and given up when it shows no life.

The client speaks first; nothing is replayed (facts: Alpaca's "Websocket Streaming" page, alpacahq/Alpaca-API issue 94).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from fillwatch.brokers.alpaca import frames
from fillwatch.brokers.alpaca.dialogue import LISTEN, GaveUp, heed, shown
from fillwatch.brokers.alpaca.frames import TRADE_UPDATES
from fillwatch.brokers.alpaca.inbox import Inbox
from fillwatch.brokers.alpaca.keys import Credentials
from fillwatch.brokers.alpaca.socket import Opener, Socket, open_socket
from fillwatch.brokers.alpaca.updates import Rest
from fillwatch.brokers.pauses import Loss
from fillwatch.brokers.push import Connected, Heartbeat

#: What the HTTP status of a refused upgrade means; any other: it could not be made.
_REFUSALS = {401: Loss.KEYS, 403: Loss.KEYS, 429: Loss.TAKEN}
#: Seconds by which a wake-up may be late before the loop, and not the broker, is taken for the one that slept.
_LATE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """In seconds. `opening`: until the subscription is acknowledged. `ping`: between two of our pings.

    `silence`: without a frame and without a pong until the connection is given up. `closing`: for a farewell.
    """

    opening: float = 10.0
    ping: float = 5.0
    silence: float = 15.0
    closing: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Why a connection is over. `stood`: for how many seconds it was of use."""

    loss: Loss
    reason: str
    stood: float = 0.0


class Line:
    """One connection. `newer_form`: authenticate by the newer form first (facts: both have been seen to work).

    `opener`: what opens its WebSocket.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        inbox: Inbox,
        patience: Patience,
        *,
        newer_form: bool = False,
        opener: Opener = open_socket,
    ) -> None:
        self._url = url
        self._opener = opener
        self._credentials = credentials
        self._inbox = inbox
        self._patience = patience
        self._newer_form = newer_form
        self._loop = asyncio.get_running_loop()
        self._since: float | None = None
        self._heard = 0.0

    async def run(self) -> Lost:
        """Be connected for as long as it goes, and put what comes into the inbox."""
        try:
            await self._run()
        except GaveUp as error:
            return self._lost(str(error), error.loss)
        except InvalidStatus as error:
            status = error.response.status_code
            return self._lost(f"HTTP {status} at the upgrade", _REFUSALS.get(status, Loss.BROKEN))
        except ConnectionClosed as error:
            # What the broker says as its reason may hold anything, our keys included; its code may not.
            told = f"with code {error.rcvd.code}" if error.rcvd is not None else "without a word"
            return self._lost(f"the connection was closed {told}")
        except TimeoutError:
            return self._lost(f"no answer within {self._patience.opening:g} s")
        except (WebSocketException, OSError, EOFError, UnicodeError) as error:
            return self._lost(f"the connection could not be made or broke ({type(error).__name__})")

    def _lost(self, reason: str, loss: Loss = Loss.BROKEN) -> Lost:
        stood = 0.0 if self._since is None else self._loop.time() - self._since
        return Lost(loss=loss, reason=reason, stood=stood)

    async def _run(self) -> NoReturn:
        deadline = self._loop.time() + self._patience.opening
        async with asyncio.timeout_at(deadline):
            socket = await self._opener(self._url, self._patience.closing)
        try:
            async with asyncio.timeout_at(deadline):
                early = await self._subscribe(socket)
            self._since = self._heard = self._loop.time()
            self._inbox.put(self._heard, Connected(as_of=self._heard))
            for raw in early:
                self._inbox.put(self._heard, raw)
            await self._listen(socket)
        finally:
            await self._hang_up(socket)

    async def _subscribe(self, socket: Socket) -> list[bytes]:
        """Show the keys and ask for the trade updates; such of them as have come before the acknowledgement."""
        await self._authenticate(socket)
        await socket.send(LISTEN, text=True)
        early: list[bytes] = []
        answer = await _answer(socket, "listening", early)
        if TRADE_UPDATES not in (answer.streams or ()):
            raise GaveUp("the broker does not offer trade updates to this account")
        return early

    async def _authenticate(self, socket: Socket) -> None:
        """Show the keys, in the other form too where the first is refused."""
        refused = False
        for keys in shown(self._credentials, newer_first=self._newer_form):
            try:
                await socket.send(keys, text=True)
                answer = await _answer(socket, "authorization", [])
            except ConnectionClosed:
                if refused:
                    break
                raise
            if answer.status == "authorized":
                return
            refused = True
        raise GaveUp("the keys were refused", Loss.KEYS)

    async def _listen(self, socket: Socket) -> NoReturn:
        """Put frames into the inbox, ping, and give up when nothing is heard."""
        clock, patience = self._loop.time, self._patience
        ping_at, excused = self._heard + patience.ping, 0.0
        while True:
            check_at = min(ping_at, self._heard + patience.silence)
            try:
                async with asyncio.timeout_at(check_at) as until:
                    while True:
                        if self._inbox.is_full:
                            await self._inbox.room()
                        raw = await socket.recv(decode=False)
                        self._heard = clock()
                        if raw[:64].find(b"trade_updates") < 0:
                            heed(raw)
                        self._inbox.put(self._heard, raw)
            except TimeoutError:
                if not until.expired():
                    raise
            now = clock()
            if self._inbox.is_full:
                self._heard = now  # it is we who do not listen
            elif now - check_at > _LATE and self._heard != excused:
                excused = self._heard = max(self._heard, now - patience.silence + patience.ping)
            if now - self._heard >= patience.silence:
                socket.transport.abort()
                raise GaveUp(f"nothing was heard for {patience.silence:g} s, not even an answer to a ping")
            if now >= ping_at:
                ping_at = now + patience.ping
                await self._ping(socket)

    async def _ping(self, socket: Socket) -> None:
        try:
            async with asyncio.timeout(self._patience.closing):
                pong = await socket.ping()
        except TimeoutError:
            return  # the way out is blocked; if it stays so, silence will tell
        asyncio.ensure_future(pong).add_done_callback(self._ponged)

    def _ponged(self, pong: asyncio.Future[float]) -> None:
        if not pong.cancelled() and pong.exception() is None:
            self._heard = self._loop.time()
            self._inbox.put(self._heard, Heartbeat(as_of=self._heard))

    async def _hang_up(self, socket: Socket) -> None:
        """Say farewell, but not for long."""
        try:
            async with asyncio.timeout(2 * self._patience.closing):
                await socket.close()
        except TimeoutError:
            pass
        finally:
            socket.transport.abort()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._patience.closing):
                    await socket.wait_closed()


async def _answer(socket: Socket, stream: str, early: list[bytes]) -> Rest:
    """The next message of `stream`; trade updates that come before it are kept in `early`."""
    while True:
        raw = await socket.recv(decode=False)
        frame = frames.read(raw)
        if frame is not None and frame.stream == stream and frame.data is not None:
            return frame.data
        early.append(raw)
