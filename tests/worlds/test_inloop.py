"""The server without sockets answers as the one with sockets does, and breaks as a network breaks, to the second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus

from fillwatch.simulator import Fate, Kind, Op, World
from fillwatch.simulator.server import serve
from fillwatch.simulator.stream_faults import StreamFaults
from fillwatch.testing import run_virtual, virtual
from fillwatch.testing.inloop import KEY, SECRET, InLoop, alpaca_over, in_loop
from fillwatch.testing.worlds import run_world

LATENCY = (0.02, 0.08)
STREAM = "ws://127.0.0.1:8787/stream"


@asynccontextmanager
async def wired(seed: int = 1) -> AsyncIterator[tuple[World, InLoop, httpx.AsyncClient]]:
    """A world, its wire, and a client with a time-out of three seconds."""
    world = World(seed, clock=asyncio.get_running_loop().time, fate=Fate.NEVER)
    async with in_loop(world, latency=LATENCY) as wire, client_of(wire) as client:
        yield world, wire, client


def client_of(wire: InLoop) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=wire, base_url=wire.url, headers=wire.headers, timeout=3.0)


ASKED = [
    ("GET", "/v2/account", None),
    ("GET", "/v2/orders?status=all&limit=3&direction=asc", None),
    ("GET", "/v2/orders?status=wrong", None),
    ("GET", "/v2/orders:by_client_order_id?client_order_id=a+b%2Fc", None),
    ("GET", "/v2/orders/00000000-0000-4000-8000-000000000000", None),
    ("GET", "/v2/orders/%2E%2E", None),
    ("GET", "/v2/positions/BTC%2FUSD", None),
    ("POST", "/v2/orders", b'{"symbol":"SPY","qty":"3","side":"buy","type":"market","client_order_id":"a b/c"}'),
    ("POST", "/v2/orders", b'{"symbol":"SPY","qty":"3","side":"buy","type":"market","client_order_id":"a b/c"}'),
    ("GET", "/v2/orders:by_client_order_id?client_order_id=a+b%2Fc", None),
    ("POST", "/v2/orders", b"no json"),
    ("DELETE", "/v2/orders", None),
    ("PUT", "/v2/orders", None),
    ("GET", "/v2/positions", None),
    ("GET", "/v2/account/activities/FILL", None),
    ("GET", "/v2/clock", None),
    ("GET", "/elsewhere", None),
    ("GET", "/sim/faults", None),
    ("GET", "/sim/ledger", None),
]


def test_it_answers_as_the_one_with_sockets_does() -> None:
    """Statuses, headers and bodies to the byte, of one request after another in a world whose clock stands still."""

    async def answers(client: httpx.AsyncClient) -> list[tuple[object, ...]]:
        said: list[tuple[object, ...]] = []
        for method, path, body in ASKED:
            answer = await client.request(method, path, content=body)
            said.append((path, answer.status_code, dict(answer.headers), answer.content))
        return said

    async def with_sockets() -> list[tuple[object, ...]]:
        async with serve(standing(), key=KEY, secret=SECRET) as address:
            headers = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
            async with httpx.AsyncClient(base_url=address.url, headers=headers, trust_env=False) as client:
                return await answers(client)

    async def without() -> list[tuple[object, ...]]:
        async with in_loop(standing()) as wire, client_of(wire) as client:
            return await answers(client)

    def standing() -> World:
        world = World(3, clock=lambda: 5.0, fate=Fate.NEVER)
        world.populate(5)
        return world

    real, virtual_ones = asyncio.run(with_sockets()), run_virtual(without)
    for expected, found in zip(real, virtual_ones, strict=True):
        assert found == expected


@virtual
async def test_keys_are_asked_for() -> None:
    async with wired() as (_, _wire, client):
        wrong = await client.get("/v2/account", headers={"APCA-API-SECRET-KEY": "other"})
        assert (wrong.status_code, wrong.json()) == (401, {"message": "unauthorized."})


BROKEN = {
    Kind.TIMEOUT_BEFORE: (httpx.ReadTimeout, 3.0),
    Kind.TIMEOUT_AFTER: (httpx.ReadTimeout, 3.0),
    Kind.RESET_BEFORE: (httpx.ReadError, None),
    Kind.RESET_AFTER: (httpx.ReadError, None),
    Kind.CUT_OFF: (httpx.RemoteProtocolError, None),
}


@pytest.mark.parametrize("kind", BROKEN, ids=str)
@virtual
async def test_a_request_breaks_as_on_a_socket(kind: Kind) -> None:
    """A hang ends with the client's time-out, to the digit; all else within the latency of the wire."""
    error, after = BROKEN[kind]
    async with wired() as (world, _, client):
        world.strike(kind)
        began = asyncio.get_running_loop().time()
        with pytest.raises(error) as caught:
            await client.get("/v2/orders")
        took = asyncio.get_running_loop().time() - began
        assert caught.value.request.url.path == "/v2/orders"
        assert took == after if after is not None else 0 < took <= LATENCY[1]
        assert (await client.get("/v2/orders")).json() == []


@virtual
async def test_a_body_is_cut_off_in_the_middle_and_what_came_is_there() -> None:
    async with wired() as (world, _, client):
        world.strike(Kind.CUT_OFF)
        got = bytearray()

        async def read(response: httpx.Response) -> None:
            async for piece in response.aiter_bytes():
                got.extend(piece)

        async with client.stream("GET", "/v2/account") as response:
            assert response.status_code == 200
            with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
                await read(response)
        whole = (await client.get("/v2/account")).content
        assert 0 < len(got) < len(whole)
        assert whole.startswith(got)


@virtual
async def test_an_answer_without_a_body_cannot_be_cut_off() -> None:
    """A 204 is complete with its head."""
    async with wired() as (world, _, client):
        order_id = world.place()
        await asyncio.sleep(1.0)
        world.strike(Kind.CUT_OFF)
        assert (await client.delete(f"/v2/orders/{order_id}")).status_code == 204


@virtual
async def test_latency_is_that_of_the_wire_and_that_of_the_fault() -> None:
    async with wired() as (world, _, client):
        now = asyncio.get_running_loop().time
        times = []
        for _ in range(50):
            began = now()
            await client.get("/v2/clock")
            times.append(now() - began)
        assert LATENCY[0] <= min(times) < 0.03
        assert 0.07 < max(times) <= LATENCY[1]
        world.strike(Kind.SLOW)
        began = now()
        await client.get("/v2/clock", timeout=60.0)
        assert now() - began > 0.5


@virtual
async def test_a_request_arrives_although_its_client_has_given_up() -> None:
    """And though the client is closed: the bytes were sent. Leaving the wire waits until they are there."""
    async with wired() as (world, wire, client):
        order_id = world.place()
        async with client_of(wire) as hasty:
            with pytest.raises(httpx.ReadTimeout):
                await hasty.delete(f"/v2/orders/{order_id}", timeout=0.001)
        assert not world.ledger.arrivals
        assert (await client.get("/v2/account")).status_code == 200
    assert [arrival.operation for arrival in world.ledger.arrivals if arrival.target == order_id] == ["cancel"]


@virtual
async def test_leaving_it_ends_what_hangs() -> None:
    """Longer than any client waits: the server's side is told that nobody is there any more."""
    began = asyncio.get_running_loop().time()
    async with wired() as (world, _, client):
        world.strike(Kind.TIMEOUT_AFTER, times=3)
        asked = [asyncio.create_task(client.get("/v2/account", timeout=None)) for _ in range(3)]
        await asyncio.sleep(1.0)
        for task in asked:
            task.cancel()
        await asyncio.wait(asked)
    assert asyncio.get_running_loop().time() - began == 1.0


@virtual
async def test_a_client_that_still_waits_is_told_that_the_server_has_gone() -> None:
    async with wired() as (world, _, client):
        world.strike(Kind.TIMEOUT_BEFORE)
        waiting = asyncio.create_task(client.get("/v2/account", timeout=None))
        await asyncio.sleep(1.0)
    with pytest.raises(httpx.ReadError, match="the server has gone"):
        await waiting


@virtual
async def test_the_server_learns_at_once_that_a_client_has_given_up() -> None:
    """So that nothing of a request is left, however long the wire is kept."""
    async with wired() as (world, _, client):
        world.strike(Kind.TIMEOUT_BEFORE)
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/v2/account")
        await asyncio.sleep(0.1)
        assert asyncio.all_tasks() == {asyncio.current_task()}


@virtual
async def test_server_sent_events_come_as_they_happen() -> None:
    async with wired() as (world, _, client):
        heard: list[str] = []
        async with client.stream("GET", "/v2/events/trades", timeout=30.0) as response:
            assert response.status_code == 200
            world.place(fate=Fate.INSTANT)
            async for line in response.aiter_lines():
                heard.append(line)
                if '"fill"' in line:
                    break
        assert any(line.startswith("data:") for line in heard)


@virtual
async def test_a_socket_that_breaks_is_known_to_at_once() -> None:
    async with wired() as (_, wire, _):
        socket = await wire.open_socket(STREAM, 1.0)
        reading = asyncio.create_task(socket.recv(decode=False))
        await asyncio.sleep(0.0)
        began = asyncio.get_running_loop().time()
        socket.far_end.abort()
        with pytest.raises(ConnectionClosedError):
            await reading
        assert asyncio.get_running_loop().time() == began
        with pytest.raises(ConnectionClosedError):
            await socket.send(b"{}", text=True)


@virtual
async def test_a_socket_that_the_server_closes_is_told_farewell() -> None:
    async with wired() as (world, wire, _):
        socket = await wire.open_socket(STREAM, 1.0)
        [guest] = world.guests
        await guest.leave()
        with pytest.raises(ConnectionClosedOK):
            await socket.recv(decode=False)


@virtual
async def test_a_socket_that_is_refused_says_with_which_status() -> None:
    async with wired() as (world, wire, _):
        world.faults = replace(world.faults, stream=StreamFaults(refuse=((0.0, 60.0),)))
        with pytest.raises(InvalidStatus) as refused:
            await wire.open_socket(STREAM, 1.0)
        assert refused.value.response.status_code == 429


@virtual
async def test_many_at_once_share_the_wire() -> None:
    async with wired() as (world, wire, _):
        broker = alpaca_over(wire)
        placed = [world.place() for _ in range(40)]
        seen = await asyncio.gather(*(broker.look(order_id) for order_id in placed))
        assert [look.order.order_id for look in seen] == placed  # type: ignore[union-attr]  # each was Seen, or this fails
        await broker.aclose()
    assert len(world.ledger.arrivals) == sum(arrival.operation == Op.LOOK for arrival in world.ledger.arrivals) == 40


def test_a_seed_replays_a_whole_run() -> None:
    """Requests, answers and their times, of an engine over HTTP."""

    @asynccontextmanager
    async def over(world: World) -> AsyncIterator[object]:
        async with in_loop(world) as wire:
            broker = alpaca_over(wire)
            yield broker
            await broker.aclose()

    traces = {run_world(5, 12, over=over).trace for _ in range(2)}  # type: ignore[arg-type]  # an AlpacaBroker is a Broker
    assert len(traces) == 1
