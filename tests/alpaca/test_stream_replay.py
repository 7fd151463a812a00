"""The server-sent feed beside the WebSocket: probed once, resumed where it was lost, and never needed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, TypeVar

import httpx
import pytest

from fillwatch.brokers.alpaca import AlpacaBroker, frames
from fillwatch.brokers.alpaca.client import Caps, Client, Timeouts
from fillwatch.brokers.alpaca.inbox import Inbox
from fillwatch.brokers.alpaca.keys import Credentials, Endpoint
from fillwatch.brokers.alpaca.replay import LONGEST, _Visit
from fillwatch.brokers.push import Connected, Event, Gap, executed
from fillwatch.core.evidence import Route, Seen
from fillwatch.core.orders import OrderRequest, Side
from fillwatch.simulator import Fate, Faults, World
from fillwatch.simulator.answers import Op
from fillwatch.simulator.server import serve
from fillwatch.simulator.stream_faults import StreamFaults
from fillwatch.testing import run_virtual
from tests.alpaca.pushing import fill, frame, update
from tests.alpaca.test_stream_served import hearing, of
from tests.alpaca.wire import KEY, SECRET

T = TypeVar("T")


def served(test: Callable[[World, AlpacaBroker], Awaitable[T]], faults: StreamFaults | None = None) -> T:
    """Run `test` in virtual time with a world that is served, and a broker that reads both feeds."""

    async def run() -> T:
        world = World(1, clock=asyncio.get_running_loop().time, requests_per_minute=None)
        world.faults = Faults(stream=faults or StreamFaults())
        async with serve(world) as address:
            broker = AlpacaBroker(address.key, address.secret, address.url, address.stream_url, replay=True)
            try:
                return await test(world, broker)
            finally:
                await broker.aclose()

    return run_virtual(run)


def place(world: World) -> str:
    return world.place(OrderRequest(symbol="AAPL", side=Side.BUY, qty=Decimal(10)), Fate.INSTANT)


def attempts(world: World) -> int:
    return sum(1 for arrival in world.ledger.arrivals if arrival.operation == Op.EVENTS)


def test_both_feeds_tell_the_same() -> None:
    async def test(world: World, broker: AlpacaBroker) -> None:
        async with hearing(broker) as heard:
            await asyncio.sleep(1.0)
            place(world)
            await asyncio.sleep(5.0)
        told = [(event.route, event.execution.execution_id) for event in executed(heard)]
        ids = {execution_id for _, execution_id in told}
        assert ids
        assert set(told) == {(route, each) for route in (Route.STREAM, Route.EVENTS) for each in ids}
        assert attempts(world) == 1

    served(test)


def test_an_account_without_it_is_asked_once_and_nothing_is_said_of_it() -> None:
    async def test(world: World, broker: AlpacaBroker) -> None:
        async with hearing(broker) as heard:
            await asyncio.sleep(100.0)
            place(world)
            await asyncio.sleep(5.0)
        async with hearing(broker):
            await asyncio.sleep(10.0)
        assert attempts(world) == 1
        assert of(Seen, heard)
        assert not of(Gap, heard)

    served(test, StreamFaults(no_events_route=True))


def test_what_happened_while_it_was_lost_is_replayed_and_held_to_be_no_news() -> None:
    async def test(world: World, broker: AlpacaBroker) -> None:
        async with hearing(broker) as heard:
            await asyncio.sleep(1.0)
            place(world)
            await asyncio.sleep(8.9999)
            # Both connections are broken now, and neither is back before the order is filled.
            missed = place(world)
            lost_at = asyncio.get_running_loop().time()
            await asyncio.sleep(20.0)
            late = place(world)
            await asyncio.sleep(5.0)
        replayed = [event for event in executed(heard) if event.execution.order_id == missed]
        assert {event.route for event in replayed} == {Route.EVENTS}
        assert all(event.as_of <= lost_at for event in replayed)
        live = [event for event in executed(heard) if event.execution.order_id == late]
        assert {event.route for event in live} == {Route.STREAM, Route.EVENTS}
        assert all(event.as_of > lost_at + 20.0 for event in live)
        ids = [event.execution.execution_id for event in executed(heard) if event.route is Route.EVENTS]
        assert len(ids) == len(set(ids)), "the event from which it resumes is not told again"
        assert len(of(Connected, heard)) == 2

    served(test, StreamFaults(disconnect_at=(9.9,), refuse=((9.9, 11.0),)))


def test_a_server_that_is_down_is_tried_again_and_the_stream_goes_its_own_way() -> None:
    async def test(world: World, broker: AlpacaBroker) -> None:
        world.faults = Faults(outages=((1.0, 30.0),))
        async with hearing(broker) as heard:
            await asyncio.sleep(120.0)
            place(world)
            await asyncio.sleep(5.0)
        assert {event.route for event in executed(heard)} == {Route.STREAM, Route.EVENTS}

    served(test)


def answered(body: bytes, kind: str) -> tuple[int, list[bytes]]:
    """The status that is told of a whole answer of this type, and the lines that were heard."""

    class Lines:
        heard: ClassVar[list[bytes]] = []

        def opened(self, at: datetime | None) -> None:
            self.heard.clear()

        async def hear(self, line: bytes) -> bool:
            self.heard.append(line)
            return True

    async def run() -> int:
        wire = httpx.MockTransport(lambda request: httpx.Response(200, content=body, headers={"Content-Type": kind}))
        endpoint = Endpoint.check("https://paper-api.alpaca.markets", None, live=False)
        client = Client(endpoint, Credentials.keys(KEY, SECRET), Timeouts(), Caps(), lambda heard: None, wire)
        try:
            return await client.follow("/v2/events/trades", {}, 1.0, Lines())
        finally:
            await client.aclose()

    return run_virtual(run), Lines.heard


def test_lines_end_in_either_way() -> None:
    assert answered(b"data: 1\r\n\r\ndata: 2\n\n", "text/event-stream; charset=utf-8") == (
        200,
        [b"data: 1", b"", b"data: 2", b""],
    )


def test_a_page_that_is_no_stream_is_no_feed() -> None:
    assert answered(b"<html>", "text/html") == (406, [])


def visited(*lines: bytes) -> tuple[list[bool], list[Event]]:
    """What a reader makes of these lines: whether it goes on after each, and the events."""

    async def run() -> tuple[list[bool], list[Event]]:
        inbox = Inbox()
        visit = _Visit(inbox, None, 0.0)
        visit.opened(None)
        goes_on = [await visit.hear(line) for line in lines]
        inbox.put(0.0, b"")
        return goes_on, [event for at, raw in await inbox.take(100) if raw for event in frames.event(raw, at)]  # type: ignore[arg-type] # bytes

    return run_virtual(run)


def test_lines_become_events() -> None:
    raw = frame(fill()["data"])
    half = raw.index(b",") + 1
    goes_on, events = visited(
        b": connected", b"", b"id: 7", b"data: " + raw, b"", b"data:" + raw[:half], b"data: " + raw[half:], b"", b""
    )
    assert all(goes_on)
    assert [type(event) for event in events] == [Seen] * 2
    assert len(executed(events)) == 2


def test_what_the_broker_has_dropped_is_asked_for_again() -> None:
    goes_on, _ = visited(b": heartbeat", b": you are reading too slowly, dropped 10000 messages")
    assert goes_on == [True, False]


def test_an_event_without_an_end_is_not_kept() -> None:
    goes_on, events = visited(*[b"data: " + b"x" * 100_000] * 12)
    assert goes_on == [True] * 10 + [False] * 2
    assert not events


def test_lines_that_say_nothing_are_not_kept_for_ever_either() -> None:
    goes_on, events = visited(*[b"data:"] * (LONGEST // 5 + 2))
    assert goes_on[-1] is False
    assert not events


@pytest.mark.parametrize("raw", [b"", b"{", b"null", b"[]", b'{"event_id": 5}', frame(update())])
def test_what_is_no_trade_update_is_a_gap(raw: bytes) -> None:
    (gap,) = frames.event(raw, 1.0)
    assert isinstance(gap, Gap)
    assert frames.mark(raw) == (None, None)
