"""The transport against a real socket whose other end misbehaves."""

from __future__ import annotations

import asyncio
import gc
import time
import warnings

import httpx
import pytest

from fillwatch.brokers.alpaca import AlpacaBroker
from fillwatch.brokers.alpaca.answers import Answer, Lost
from fillwatch.brokers.alpaca.client import Caps, Timeouts
from fillwatch.core.errors import AmbiguousError, Failure, TransientError
from fillwatch.core.evidence import Seen, Unanswered
from tests.alpaca.wire import (
    KEY,
    ORDER,
    QUICK,
    SECRET,
    Handler,
    Request,
    Server,
    answering,
    http,
    row,
    serving,
    transport,
)

WHOLE = http(200, row())


async def reset(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def hang(request: Request, writer: asyncio.StreamWriter) -> None:
    await request.reader.read()


async def cut_off(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(WHOLE[:-40])
    await writer.drain()
    writer.close()


async def trickle_body(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(WHOLE[:120])
    for byte in WHOLE[120:]:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


async def trickle_head(request: Request, writer: asyncio.StreamWriter) -> None:
    for byte in WHOLE:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


async def hung_up(server: Server) -> None:
    """Wait until the server has no connection left; fail if that takes more than a second."""
    async with asyncio.timeout(1.0):
        while server.open:
            await asyncio.sleep(0.005)


async def nonsense(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example.org ESMTP\r\n\r\n")
    await writer.drain()


@pytest.mark.parametrize("fault", [reset, hang, cut_off, trickle_body, trickle_head, nonsense])
@pytest.mark.asyncio
async def test_every_transport_fault_is_unanswered_and_ends_in_time(fault: Handler) -> None:
    """A broken connection in any manner says nothing about the order, and says it within the bound."""
    async with serving(fault) as server:
        broker = AlpacaBroker.over(transport(server.url))
        began = time.monotonic()
        look = await broker.look(ORDER)
        assert time.monotonic() - began < QUICK.total + 1.0
        assert isinstance(look, Unanswered)
        assert look.error.failure is Failure.TRANSIENT
        await broker.aclose()
        assert len(server.asked) == 1, "nothing is ever repeated by the transport"


@pytest.mark.asyncio
async def test_nobody_listening_is_unanswered() -> None:
    """A refused connection is a transient failure."""
    broker = AlpacaBroker.over(transport("http://127.0.0.1:1"))
    look = await broker.look(ORDER)
    assert isinstance(look, Unanswered)
    assert isinstance(look.error, TransientError)
    await broker.aclose()


@pytest.mark.asyncio
async def test_cancelled_callers_do_not_poison_the_client() -> None:
    """After heavy cancel churn against a slow server every request works (encode/httpcore#1093)."""

    async def slow(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.01)
        writer.write(WHOLE)
        await writer.drain()

    async with serving(slow) as server:
        broker = AlpacaBroker.over(transport(server.url, timeouts=Timeouts()))
        for wave in range(40):
            callers = [asyncio.create_task(broker.look(ORDER)) for _ in range(12)]
            await asyncio.sleep(0.001 * (wave % 13))
            for caller in callers:
                caller.cancel()
            await asyncio.gather(*callers, return_exceptions=True)
        looks = await asyncio.gather(*(broker.look(ORDER) for _ in range(20)))
        assert all(isinstance(look, Seen) for look in looks)
        assert server.opened <= Caps().in_flight, "no connection was lost to a cancellation"
        await broker.aclose()


@pytest.mark.asyncio
async def test_a_request_begun_goes_on_without_its_caller() -> None:
    """The caller is cancelled alone; the server gets to write its whole answer to a client that reads it."""
    go, written = asyncio.Event(), asyncio.Event()

    async def held(request: Request, writer: asyncio.StreamWriter) -> None:
        await go.wait()
        writer.write(http(200, row(), X_RateLimit_Limit="200", X_RateLimit_Remaining="7"))
        await writer.drain()
        written.set()

    async with serving(held) as server:
        sender = transport(server.url, timeouts=Timeouts())
        caller = asyncio.create_task(sender.ask("GET", f"/v2/orders/{ORDER}"))
        while not server.asked:
            await asyncio.sleep(0.001)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        go.set()
        await written.wait()
        await sender.aclose()
        assert sender.quota is not None
        assert sender.quota.remaining == 7


@pytest.mark.asyncio
async def test_at_most_eight_in_flight_and_a_caller_that_left_the_queue_is_not_sent() -> None:
    """The cap holds, the queue is served in order, and a request that never began leaves with its caller."""
    go = asyncio.Event()
    now = most = 0

    async def held(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await go.wait()
        now -= 1
        writer.write(http(200, []))
        await writer.drain()

    async with serving(held) as server:
        sender = transport(server.url, timeouts=Timeouts())
        callers = [asyncio.create_task(sender.ask("GET", f"/n/{n}")) for n in range(12)]
        while len(server.asked) < 8:
            await asyncio.sleep(0.001)
        callers[10].cancel()
        await asyncio.sleep(0.02)
        assert len(server.asked) == 8
        go.set()
        await asyncio.gather(*callers, return_exceptions=True)
        assert most == 8
        assert sorted(request.target for request in server.asked) == sorted(f"/n/{n}" for n in range(12) if n != 10)
        await sender.aclose()


@pytest.mark.asyncio
async def test_as_of_is_when_the_request_went_out_not_when_it_was_asked_for() -> None:
    """A request that waited for its turn is not dated back to the call."""

    async def slow(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        writer.write(WHOLE)
        await writer.drain()

    async with serving(slow) as server:
        sender = transport(server.url, timeouts=Timeouts(), caps=Caps(in_flight=1))
        first, second = await asyncio.gather(sender.ask("GET", "/1"), sender.ask("GET", "/2"))
        assert second.as_of - first.as_of > 0.09
        await sender.aclose()


@pytest.mark.asyncio
async def test_a_stuck_client_is_replaced() -> None:
    """When every connection is stuck beyond its time, a new client serves the next requests."""
    stuck = True

    async def half_dead(request: Request, writer: asyncio.StreamWriter) -> None:
        if stuck:
            await trickle_head(request, writer)
        else:
            writer.write(WHOLE)
            await writer.drain()

    async with serving(half_dead) as server:
        broker = AlpacaBroker.over(transport(server.url, caps=Caps(in_flight=2)))
        await asyncio.gather(broker.look(ORDER), broker.look(ORDER))
        stuck = False
        await asyncio.sleep(QUICK.stuck - QUICK.total + 0.05)
        assert isinstance(await broker.look(ORDER), Seen)
        await broker.aclose()


@pytest.mark.asyncio
async def test_pool_timeouts_in_a_row_replace_the_client() -> None:
    """A pool that gives no connection three times running is given up."""
    opened: list[httpx.Request] = []

    class Poisoned(httpx.AsyncBaseTransport):
        closed = 0

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            opened.append(request)
            raise httpx.PoolTimeout("none free", request=request)

        async def aclose(self) -> None:
            self.closed += 1

    wire = Poisoned()
    sender = transport(wire=wire)
    for times in (1, 2):
        assert isinstance(await sender.ask("GET", "/x"), Lost)
        assert wire.closed == 0, times
    await sender.ask("GET", "/x")
    await asyncio.sleep(0.05)
    assert wire.closed == 1
    await sender.aclose()
    assert wire.closed == 2


@pytest.mark.asyncio
async def test_close_waits_for_what_is_in_flight_and_leaves_nothing() -> None:
    """No task, no socket; twice is allowed; a later call opens again."""

    async def slow(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)
        writer.write(WHOLE)
        await writer.drain()

    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        async with serving(slow) as server:
            broker = AlpacaBroker.over(transport(server.url, timeouts=Timeouts()))
            look = asyncio.create_task(broker.look(ORDER))
            while not server.asked:
                await asyncio.sleep(0.001)
            await broker.aclose()
            await broker.aclose()
            assert isinstance(await look, Seen)
            await hung_up(server)
            assert isinstance(await broker.look(ORDER), Seen)
            await broker.aclose()
            await hung_up(server)
            names = [str(task.get_coro()) for task in asyncio.all_tasks()]
            assert not [name for name in names if "exchange" in name or "_drain" in name or "aclose" in name]
        gc.collect()


@pytest.mark.asyncio
async def test_close_is_bounded() -> None:
    """A server that never answers delays the close by the drain time and no more, and its caller is told."""
    async with serving(hang) as server:
        broker = AlpacaBroker.over(transport(server.url, timeouts=Timeouts(read=30, total=30, drain=0.2)))
        look = asyncio.create_task(broker.look(ORDER))
        while not server.asked:
            await asyncio.sleep(0.001)
        began = time.monotonic()
        await broker.aclose()
        assert time.monotonic() - began < 2.0
        assert isinstance(await look, Unanswered)
        await hung_up(server)


@pytest.mark.asyncio
async def test_an_endless_body_is_not_read_to_its_end() -> None:
    """A body over the bound is unreadable, and its connection is dropped."""
    async with serving(answering(200, b" " * 5000)) as server:
        sender = transport(server.url, caps=Caps(body=1000))
        reply = await sender.ask("GET", "/v2/orders")
        assert isinstance(reply, Lost)
        assert isinstance(reply.error, AmbiguousError)
        await sender.aclose()


@pytest.mark.asyncio
async def test_an_answer_that_trickles_on_after_its_time_is_hung_up_on() -> None:
    """It would hold one of eight places for as long as the server likes."""
    async with serving(trickle_body) as server:
        broker = AlpacaBroker.over(transport(server.url))
        assert isinstance(await broker.look(ORDER), Unanswered)
        await hung_up(server)
        await broker.aclose()


@pytest.mark.asyncio
async def test_a_redirect_is_not_followed() -> None:
    """A redirect would carry the keys to another host."""

    async def elsewhere(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(http(302, b"", location="/elsewhere"))
        await writer.drain()

    async with serving(elsewhere) as server:
        broker = AlpacaBroker.over(transport(server.url))
        assert isinstance(await broker.look(ORDER), Unanswered)
        assert [request.target for request in server.asked] == [f"/v2/orders/{ORDER}"]
        await broker.aclose()


@pytest.mark.asyncio
async def test_the_keys_are_sent_and_the_environment_is_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys go as Alpaca's two headers; a proxy of the environment is ignored."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    async with serving(answering(200, row())) as server:
        broker = AlpacaBroker.over(transport(server.url))
        assert isinstance(await broker.look(ORDER), Seen)
        assert server.asked[0].headers["apca-api-key-id"] == KEY
        assert server.asked[0].headers["apca-api-secret-key"] == SECRET
        await broker.aclose()


@pytest.mark.asyncio
async def test_an_unexpected_exception_is_a_value_too() -> None:
    """Whatever the HTTP library raises, the caller gets a `Lost`."""

    def broken(request: httpx.Request) -> httpx.Response:
        raise KeyError(SECRET)

    sender = transport(wire=httpx.MockTransport(broken))
    reply = await sender.ask("GET", "/x")
    assert isinstance(reply, Lost)
    assert isinstance(reply.error, AmbiguousError)
    assert SECRET not in str(reply.error)
    await sender.aclose()


def test_one_broker_can_serve_one_loop_after_another() -> None:
    """`asyncio.run` twice on one broker, closed in between."""

    async def once(broker: AlpacaBroker) -> object:
        async with serving(answering(200, row())) as server:
            del server
            look = await broker.look(ORDER)
            await broker.aclose()
            return look

    broker = AlpacaBroker.over(transport(wire=httpx.MockTransport(lambda request: httpx.Response(200, json=row()))))
    assert isinstance(asyncio.run(once(broker)), Seen)
    assert isinstance(asyncio.run(once(broker)), Seen)


def test_two_loops_at_a_time_are_refused() -> None:
    """The pool belongs to one loop: a call from another says so instead of hanging."""
    sender = transport(wire=httpx.MockTransport(lambda request: httpx.Response(200)))
    one, two = asyncio.new_event_loop(), asyncio.new_event_loop()
    try:
        assert isinstance(one.run_until_complete(sender.ask("GET", "/x")), Answer)
        with pytest.raises(RuntimeError, match="another event loop"):
            two.run_until_complete(sender.ask("GET", "/x"))
        one.run_until_complete(sender.aclose())
        assert isinstance(two.run_until_complete(sender.ask("GET", "/x")), Answer)
        two.run_until_complete(sender.aclose())
    finally:
        one.close()
        two.close()
