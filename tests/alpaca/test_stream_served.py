"""`AlpacaBroker.events` against the simulated server, over loopback sockets: the same story as the ledger's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest

from fillwatch.brokers.alpaca import AlpacaBroker
from fillwatch.brokers.push import Connected, Disconnected, Event, Gap, Pushes, executed
from fillwatch.core.evidence import Seen
from fillwatch.simulator import Faults, SimulatedBroker, World
from fillwatch.simulator.server import Address, serve
from fillwatch.simulator.stream_faults import StreamFaults, StreamKind
from fillwatch.testing import run_virtual

T = TypeVar("T")


def broker_at(address: Address) -> AlpacaBroker:
    return AlpacaBroker(address.key, address.secret, address.url, address.stream_url)


@asynccontextmanager
async def hearing(broker: Pushes) -> AsyncIterator[list[Event]]:
    """Listen while the block lasts."""
    heard: list[Event] = []

    async def listen() -> None:
        async for batch in broker.events():
            heard.extend(batch)

    listening = asyncio.create_task(listen())
    try:
        yield heard
    finally:
        listening.cancel()
        await asyncio.wait({listening})


def of(kind: type[T], heard: list[Event]) -> list[T]:
    return [event for event in heard if isinstance(event, kind)]


def served(test: Callable[[World, AlpacaBroker], Awaitable[T]], faults: StreamFaults | None = None, seed: int = 1) -> T:
    """Run `test` in virtual time with a world that is served, and the broker of those who talk to it."""

    async def run() -> T:
        world = World(seed, clock=asyncio.get_running_loop().time, requests_per_minute=None)
        world.faults = Faults(stream=faults or StreamFaults())
        async with serve(world) as address:
            broker = broker_at(address)
            try:
                return await test(world, broker)
            finally:
                await broker.aclose()

    return run_virtual(run, seed=seed)


async def lived(world: World, broker: Pushes) -> list[Event]:
    """What was heard of thirty orders of all kinds in a minute."""
    async with hearing(broker) as heard:
        await asyncio.sleep(0.5)
        world.populate(30)
        await asyncio.sleep(60.0)
    return heard


def test_the_stream_tells_the_ledgers_story() -> None:
    async def test(world: World, broker: AlpacaBroker) -> None:
        assert broker.caps.stream
        heard = await lived(world, broker)
        told = {event.execution.execution_id: event.execution for event in executed(heard)}
        true = [row for order_id in world.ledger.order_ids for row in world.ledger.truth(order_id).executions]
        assert true
        for row in true:
            mine = told.pop(row.execution_id)
            for name in ("order_id", "qty", "price", "symbol", "side", "kind", "previous_id", "at"):
                assert getattr(mine, name) == getattr(row, name), name
        assert not told
        assert not of(Gap, heard)
        assert not of(Disconnected, heard)

    served(test)


@pytest.mark.parametrize("kind", StreamKind)
def test_faults_are_heard_over_sockets_as_in_memory(kind: StreamKind) -> None:
    faults = StreamFaults(**{kind.value: 0.5})  # type: ignore[arg-type] # a float

    async def in_memory() -> list[Event]:
        world = World(1, clock=asyncio.get_running_loop().time, requests_per_minute=None)
        world.faults = Faults(stream=faults)
        broker = SimulatedBroker(world, stream=True)
        try:
            return await lived(world, broker)
        finally:
            await broker.aclose()

    def figures(heard: list[Event]) -> list[object]:
        told = [
            (event.order.order_id, event.order.raw_status, event.order.filled_qty, event.order.updated_at)
            if isinstance(event, Seen)
            else type(event).__name__
            for event in heard
            if isinstance(event, Seen | Gap)
        ]
        return [*told, *(event.execution.execution_id for event in executed(heard))]

    assert figures(served(lived, faults)) == figures(run_virtual(in_memory, seed=1))


def test_an_account_whose_slot_is_taken_is_told_so() -> None:
    async def test(world: World, broker: AlpacaBroker) -> None:
        async with hearing(broker) as first:
            await asyncio.sleep(1.0)
            other = AlpacaBroker.over(broker._transport)
            async with hearing(other) as second:
                await asyncio.sleep(20.0)
            assert of(Connected, first)
            assert not of(Connected, second)
            assert all(event.slot_taken for event in of(Disconnected, second))
            assert len(of(Disconnected, second)) <= 4

    served(test, StreamFaults(refuse_second=True))


def test_refused_keys_may_be_right_again() -> None:
    async def test(world: World, broker: AlpacaBroker) -> None:
        world.refuse_keys = True
        async with hearing(broker) as heard:
            await asyncio.sleep(100.0)
            assert not of(Connected, heard)
            world.refuse_keys = False
            await asyncio.sleep(61.0)
            assert of(Connected, heard)

    served(test)


def test_a_half_open_connection_is_given_up_and_a_broken_one_is_made_again() -> None:
    async def test(world: World, broker: AlpacaBroker) -> None:
        async with hearing(broker) as heard:
            await asyncio.sleep(10.0)
            since = world.advance() - world.start
            world.faults = Faults(stream=StreamFaults(half_open=((since, since + 60.0),)))
            await asyncio.sleep(20.5)
            assert len(of(Disconnected, heard)) == 1
            await asyncio.sleep(90.0)
            assert len(of(Connected, heard)) == 2

    served(test)


def test_closing_the_broker_ends_its_events() -> None:
    async def test(world: World, broker: AlpacaBroker) -> None:
        ended = asyncio.Event()

        async def listen() -> None:
            async for _ in broker.events():
                pass
            ended.set()

        listening = asyncio.create_task(listen())
        await asyncio.sleep(1.0)
        await broker.aclose()
        await asyncio.wait_for(ended.wait(), 1.0)
        await listening

    served(test)
