"""`/stream`: trade updates over a WebSocket, as Alpaca's trading API sends them (facts §5).

The client speaks first; nothing is replayed and no snapshot is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from starlette.responses import JSONResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from fillwatch.simulator.delivery import LONGEST_SILENCE, first_of, transport_of
from fillwatch.simulator.keys import Keys
from fillwatch.simulator.letters import Coding, coded, written
from fillwatch.simulator.pump import MOST_BEHIND, Condition, Entry, Pump
from fillwatch.simulator.stream_faults import Frames

#: The one stream there is.
TRADE_UPDATES = "trade_updates"
#: Seconds for which one frame may wait for its reader; after that the connection is dropped.
PATIENCE = 30.0
#: Frames written at a stretch before other tasks get their turn.
_AT_A_STRETCH = 64
#: Seconds that a closing frame may wait for its reader.
_FAREWELL = 1.0
_TOO_MANY = {"code": 42910000, "message": "connection limit exceeded"}


class Hall:
    """All connections of one served world. `keys` are the ones it takes."""

    def __init__(self, pump: Pump, keys: Keys) -> None:
        self.pump = pump
        self.keys = keys

    async def enter(self, socket: WebSocket) -> None:
        """One connection, from the upgrade to its end."""
        entry = await self.pump.entry()
        if entry is Entry.UNANSWERED:
            await _no_answer(socket)
            return
        if entry is Entry.REFUSED:
            await socket.send_denial_response(JSONResponse(_TOO_MANY, 429))
            return
        guests = self.pump.world.guests
        visit = Visit(socket, self)
        guests.append(visit)
        try:
            await visit.run()
        finally:
            guests.remove(visit)


class Visit:
    """One WebSocket connection."""

    def __init__(self, socket: WebSocket, hall: Hall) -> None:
        self.authorized = False
        self.hall = hall
        self.channel = hall.pump.channel()
        self._socket = socket
        packed = socket.headers.get("content-type", "").startswith("application/msgpack")
        self._coding = Coding.MSGPACK if packed else Coding.JSON
        self._over = False

    async def run(self) -> None:
        """Hear the client and tell it what happens, until either is over."""
        await self._socket.accept()
        await first_of(self._hear(), self._tell())

    async def leave(self) -> None:
        """Close the connection, as a broker does that goes down in good order."""
        if self._over:
            return
        self._over = True
        try:
            async with asyncio.timeout(_FAREWELL):
                await self._socket.close(1000)
        except (TimeoutError, WebSocketDisconnect):  # it does not read, or has gone already
            self._abort()

    async def say(self, stream: str, data: Mapping[str, object]) -> None:
        """A message to the client that is no trade update."""
        await self._send(coded({"stream": stream, "data": data}, self._coding))

    async def _hear(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            now = self.hall.pump.log.catch_up()
            if self.channel.condition(now) is not Condition.WELL:
                self._deafen()
                continue
            try:
                await self._answer(message.get("bytes") or (message.get("text") or "").encode())
            except WebSocketDisconnect:
                return

    async def _answer(self, raw: bytes) -> None:
        heard = self._decoded(raw)
        action = heard.get("action") if isinstance(heard, dict) else None
        act = _ACTIONS.get(action) if isinstance(action, str) else None
        if act is None:
            allowed = ", ".join(_ACTIONS)
            await self.say("error", {"error": f"invalid message; its action must be one of {allowed}"})
            return
        await act(self, heard)

    def _decoded(self, raw: bytes) -> Any:  # noqa: ANN401 - whatever the client sent
        packed = self._coding is Coding.MSGPACK and not raw.startswith(b"{")
        try:
            return msgspec.msgpack.decode(raw) if packed else msgspec.json.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    async def _tell(self) -> None:
        pump, channel = self.hall.pump, self.channel
        with pump.news() as news:
            while True:
                now = pump.log.catch_up()
                news.clear()
                try:
                    if channel.condition(now) is Condition.HALF_OPEN:
                        self._deafen()
                    else:
                        await self._deliver(now)
                except (TimeoutError, WebSocketDisconnect):
                    await self._break()
                    return
                if channel.condition(now) is Condition.BROKEN:
                    pump.world.reached["stream:disconnect"] += 1
                    await self._break()
                    return
                await pump.wait(news, channel.wakes_at(now))

    async def _deliver(self, now: float) -> None:
        """Send what there is to be sent; `TimeoutError` when the client is too slow for it."""
        clock = asyncio.get_running_loop().time
        for number, letter in enumerate(self.channel.take(now), 1):
            begun = clock()
            async with asyncio.timeout(PATIENCE):
                await self._send(written(letter, self._coding, wrap=_enveloped))
            if clock() - begun > 1.0 and self.channel.behind > MOST_BEHIND:
                raise TimeoutError
            if number % _AT_A_STRETCH == 0:
                await asyncio.sleep(0)

    async def _send(self, raw: bytes) -> None:
        if self._over:
            raise WebSocketDisconnect(1006)
        text = self._coding is Coding.JSON and self.hall.pump.world.faults.stream.frames is Frames.TEXT
        if text:
            await self._socket.send_text(raw.decode(errors="replace"))
        else:
            await self._socket.send_bytes(raw)

    def _deafen(self) -> None:
        """Read nothing more, so that not even a ping is answered."""
        if (transport := transport_of(self._socket.scope)) is not None and not transport.is_closing():
            transport.pause_reading()

    async def _break(self) -> None:
        """End the connection without a closing frame."""
        if not self._abort():
            await self.leave()

    def _abort(self) -> bool:
        """Break the connection; False under a server that does not show it."""
        transport = transport_of(self._socket.scope)
        if transport is not None:
            self._over = True
            transport.abort()
        return transport is not None


async def _authenticate(visit: Visit, heard: Mapping[str, Any]) -> None:
    """Either form: `key_id` and `secret_key` in `data`, or `key` and `secret` beside the action."""
    inner = heard.get("data")
    shown = inner if isinstance(inner, dict) else {}
    hall = visit.hall
    visit.authorized = not hall.pump.world.refuse_keys and (
        hall.keys.fit(shown.get("key_id"), shown.get("secret_key"))
        or hall.keys.fit(heard.get("key"), heard.get("secret"))
    )
    if not visit.authorized:
        visit.channel.cursor = None
    await visit.say("authorization", {"status": _STATUS[visit.authorized], "action": "authenticate"})


async def _listen(visit: Visit, heard: Mapping[str, Any]) -> None:
    """The list replaces the one before; the answer names those of it that there are."""
    if not visit.authorized:
        await visit.say("authorization", {"status": _STATUS[False], "action": "listen"})
        return
    inner = heard.get("data")
    wanted = inner.get("streams") if isinstance(inner, dict) else None
    streams = [TRADE_UPDATES] if isinstance(wanted, list) and TRADE_UPDATES in wanted else []
    channel = visit.channel
    channel.cursor, start = (channel.cursor, channel.mark()) if streams else (None, None)
    await visit.say("listening", {"streams": streams})
    if streams and channel.cursor is None:
        channel.cursor = start
        visit.hall.pump.world.wake()  # what happened while the answer was on its way is to be sent


_STATUS = {True: "authorized", False: "unauthorized"}
_ACTIONS: Mapping[str, Callable[[Visit, Mapping[str, Any]], Any]] = MappingProxyType(
    {"authenticate": _authenticate, "auth": _authenticate, "listen": _listen}
)


def _enveloped(said: object) -> object:
    return {"stream": TRADE_UPDATES, "data": said}


async def _no_answer(socket: WebSocket) -> None:
    """Leave the upgrade without an answer until the client gives up."""
    try:
        async with asyncio.timeout(LONGEST_SILENCE):
            while (await socket.receive())["type"] != "websocket.disconnect":
                pass
    except TimeoutError:
        if (transport := transport_of(socket.scope)) is not None:
            transport.abort()


def routes(pump: Pump, keys: Keys) -> list[WebSocketRoute]:
    """The WebSocket route, for the application that serves the pump's world."""
    return [WebSocketRoute("/stream", Hall(pump, keys).enter)]
