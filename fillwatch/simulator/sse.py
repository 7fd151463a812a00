"""`/v2/events/trades` and `/v2beta1/events/activities`: the log as server-sent events, replayed and then live.

Alpaca documents the first for brokers; whether it answers retail accounts is not known (facts §4c), so that it can be
switched off (`StreamFaults.no_events_route`).
"""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fillwatch.core.orders import ExecutionKind
from fillwatch.simulator import answers
from fillwatch.simulator.answers import Call, Delivery, Op
from fillwatch.simulator.delivery import Delivered, client_gone, exchange, first_of, transport_of
from fillwatch.simulator.events import Event, body, nanoseconds, stamp
from fillwatch.simulator.intervals import Interval, interval
from fillwatch.simulator.keys import Keys
from fillwatch.simulator.letters import Coding, Said, written
from fillwatch.simulator.pump import MOST_BEHIND, Condition, Letter, Pump

#: Seconds without an event after which a comment shows that the connection lives.
HEARTBEAT = 15.0
_AT_A_STRETCH = 64
#: Calendar days from a trade to its settlement, when no week-end lies between.
_SETTLES_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One feed: which events it has, and what it says of each."""

    wants: Callable[[Event], bool]
    say: Callable[[Letter], Said]


class Feed(Response):
    """An answer that goes on for as long as its client reads."""

    media_type = "text/event-stream"

    def __init__(self, pump: Pump, kind: Kind, asked: Interval, headers: Mapping[str, str]) -> None:
        super().__init__(headers={**headers, "cache-control": "no-cache"})
        del self.headers["content-length"]
        self._pump = pump
        self._kind = kind
        self._asked = asked
        self._channel = pump.channel()
        self._channel.cursor = _first(pump.log.events, asked)
        self._channel.wants = kind.wants
        self._clock = asyncio.get_running_loop().time
        self._last = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until the client goes, a fault breaks the connection, or the interval is over."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        # A first byte, so that clients who wait for one know that they are connected.
        await self._write(send, b": connected\n\n")
        await first_of(client_gone(receive), self._tell(scope, send))

    async def _tell(self, scope: Scope, send: Send) -> None:
        pump, channel = self._pump, self._channel
        ends_at = self._ends_at()
        with pump.news() as news:
            while True:
                now = pump.log.catch_up()
                news.clear()
                is_dead = channel.condition(now) is Condition.HALF_OPEN
                over = False if is_dead else await self._deliver(send, now)
                if channel.condition(now) is Condition.BROKEN:
                    pump.world.reached["stream:disconnect"] += 1
                    _abort(scope)
                    return
                if over or now > ends_at:
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
                    return
                patience = math.inf if is_dead else HEARTBEAT - (self._clock() - self._last)
                await pump.wait(news, min(channel.wakes_at(now), ends_at + 0.001), patience)
                if not is_dead and self._clock() - self._last >= HEARTBEAT:
                    await self._write(send, b": heartbeat\n\n")

    async def _deliver(self, send: Send, now: float) -> bool:
        """Send what there is to be sent; whether it was the last there will be."""
        for number, letter in enumerate(self._channel.take(now), 1):
            if self._asked.is_past(letter.event):
                return True
            begun = self._clock()
            await self._write(send, b"data: " + written(letter, Coding.JSON, say=self._kind.say) + b"\n\n")
            if self._last - begun > 1.0 and self._channel.behind > MOST_BEHIND:
                missed = self._channel.skip()
                await self._write(send, b": you are reading too slowly, dropped %d messages\n\n" % missed)
                return False
            if number % _AT_A_STRETCH == 0:
                await asyncio.sleep(0)
        return False

    async def _write(self, send: Send, raw: bytes) -> None:
        await send({"type": "http.response.body", "body": raw, "more_body": True})
        self._last = self._clock()

    def _ends_at(self) -> float:
        """When (clock seconds) the last moment asked for is over."""
        if self._asked.until is None:
            return math.inf
        world = self._pump.world
        return world.start + (self._asked.until - nanoseconds(world.wall(world.start))) / 1e9


def _first(events: list[Event], asked: Interval) -> int:
    """The number of the first event asked for."""
    if asked.since_id is not None:
        return bisect_left(events, asked.since_id, key=lambda event: event.event_id)
    if asked.since is not None:
        return bisect_left(events, asked.since, key=lambda event: nanoseconds(event.at))
    return len(events)


def _abort(scope: Scope) -> None:
    if (transport := transport_of(scope)) is not None:
        transport.abort()


def _trade_update(letter: Letter) -> Said:
    return body(letter.event)


def _activity(letter: Letter) -> Said:
    """An execution as the activities feed tells of it (`ActivityEventV2` of the OpenAPI document)."""
    event = letter.event
    assert event.trade is not None
    row, order = event.trade.execution, body(event)["order"]
    signed = (-1 if row.kind is ExecutionKind.BUST else 1) * row.qty
    undone = {} if row.previous_id is None else {"previous_id": row.previous_id}
    money = -signed * row.price * (1 if row.side is None else row.side.sign)
    return {
        "at": stamp(event.at),
        "event_id": event.event_id,
        "activity_type": "TRD",
        "executed_at": stamp(event.at),
        "status": "executed",
        "settle_date": (event.at + _SETTLES_AFTER).date().isoformat(),
        "currency": "USD",
        "ref_id": row.execution_id,
        **undone,
        "price": f"{row.price:f}",
        "qty": f"{signed:f}",
        "net_amount": f"{money:f}",
        "details": {
            "order_id": row.order_id,
            "client_order_id": order["client_order_id"],
            "side": order["side"],
            "symbol": row.symbol,
            "asset_id": order["asset_id"],
            "cum_qty": f"{row.cum_qty or 0:f}",
            "leaves_qty": f"{row.leaves_qty or 0:f}",
            "order_status": order["status"],
            "execution_type": row.kind.value if row.kind is ExecutionKind.FILL else f"trade_{_WORDS[row.kind]}",
        },
    }


_WORDS = {ExecutionKind.BUST: "bust", ExecutionKind.CORRECTION: "correct"}
TRADES = Kind(wants=lambda event: not event.is_legs, say=_trade_update)
ACTIVITIES = Kind(wants=lambda event: event.trade is not None, say=_activity)


def routes(pump: Pump, keys: Keys) -> list[Route]:
    """Both feeds, for the application that serves the pump's world."""

    def endpoint(kind: Kind) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            world = pump.world
            asked = interval(request.query_params)
            problem = keys.problem(request.headers)
            if problem is None and world.faults.stream.no_events_route:
                problem = answers.refusal(404, 40410000, "endpoint not found")
            if problem is None and not isinstance(asked, Interval):
                problem = asked
            call = Call(op=Op.EVENTS, target=request.url.path, problem=problem)
            reply = await exchange(world, call)
            whole = reply.delivery is Delivery.WHOLE and reply.answer.status == 200
            if whole and isinstance(asked, Interval):
                return Feed(pump, kind, asked, reply.headers)
            return Delivered(call.op, reply)

        return answer

    return [
        Route("/v2/events/trades", endpoint(TRADES), methods=["GET"]),
        Route("/v2beta1/events/activities", endpoint(ACTIVITIES), methods=["GET"]),
    ]
