"""`SimulatedBroker.events`: the trade updates of a world for a client in the same process, with the stream's faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from fillwatch.brokers.push import Connected, Disconnected, Event, Gap, Heartbeat, Pushes, executed
from fillwatch.core.evidence import Executed, Route, Seen
from fillwatch.core.orders import OrderRequest, OrderStatus, Side
from fillwatch.simulator import Fate, Faults, SimulatedBroker, World
from fillwatch.simulator.pushing import TOLD
from fillwatch.simulator.stream_faults import StreamFaults, StreamKind
from fillwatch.testing import run_virtual

T = TypeVar("T")


class Ear:
    """Hears everything that a broker pushes. `heard`: (loop seconds, event)."""

    def __init__(self, broker: SimulatedBroker) -> None:
        self.broker = broker
        self.world = broker.world
        self.heard: list[tuple[float, Event]] = []
        self.batches = 0
        self._begun = asyncio.get_running_loop().time()

    def of(self, kind: type[T]) -> list[T]:
        return [event for _, event in self.heard if isinstance(event, kind)]

    def executed(self) -> list[Executed]:
        return executed(event for _, event in self.heard)

    def times(self, kind: type[Event]) -> list[float]:
        return [t for t, event in self.heard if isinstance(event, kind)]

    async def listen(self) -> None:
        async for batch in self.broker.events():
            assert batch
            self.batches += 1
            now = asyncio.get_running_loop().time()
            for event in batch:
                assert event.as_of <= now
                self.heard.append((now - self._begun, event))

    def place(self, fate: Fate, qty: int = 10) -> str:
        return self.world.place(OrderRequest(symbol="AAPL", side=Side.BUY, qty=Decimal(qty)), fate)


@asynccontextmanager
async def listening(broker: SimulatedBroker) -> AsyncIterator[Ear]:
    ear = Ear(broker)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ear.listen())
        await asyncio.sleep(0.1)
        yield ear
        await broker.aclose()


def hearing(test: Callable[[Ear], Awaitable[T]], seed: int = 1, faults: Faults | None = None, **stream: Any) -> T:  # noqa: ANN401 - fields of StreamFaults
    """Run `test` in virtual time with a listener to a fresh world."""

    async def run() -> T:
        told = faults or Faults(stream=StreamFaults(**stream))
        world = World(seed, clock=asyncio.get_running_loop().time, faults=told, requests_per_minute=None)
        async with listening(SimulatedBroker(world, stream=True)) as ear:
            return await test(ear)

    return run_virtual(run, seed=seed)


async def lived(ear: Ear) -> Ear:
    """Thirty orders of all kinds, for a minute and a half."""
    ear.world.populate(30)
    await asyncio.sleep(90.0)
    return ear


def known(ear: Ear) -> dict[str, tuple[Decimal | None, OrderStatus]]:
    """The last that was told of each order."""
    return {seen.order.order_id: (seen.order.filled_qty, seen.order.status) for seen in ear.of(Seen)}


def quiet(seen: Seen) -> tuple[str, Decimal | None, OrderStatus]:
    return seen.order.order_id, seen.order.filled_qty, seen.order.status


def test_the_broker_pushes_when_it_is_asked_to() -> None:
    async def talk(ear: Ear) -> None:
        assert ear.broker.caps.stream
        assert isinstance(ear.broker, Pushes)
        assert not SimulatedBroker(ear.world).caps.stream

    hearing(talk)


def test_everything_that_happens_is_told_within_milliseconds_with_its_executions() -> None:
    async def talk(ear: Ear) -> None:
        order_id = ear.place(Fate.MANY_PARTIALS)
        await asyncio.sleep(30.0)
        assert isinstance(ear.heard[0][1], Connected)
        executions = [found.execution for found in ear.executed()]
        assert executions == list(ear.world.ledger.truth(order_id).executions)
        assert {found.route for found in ear.executed()} == {Route.STREAM}
        for found in ear.executed():
            assert found.execution.at is not None
            late = (ear.world.wall(found.as_of) - found.execution.at).total_seconds()
            assert 0.002 <= late <= 0.010
        assert ear.of(Seen)[-1].order.status is OrderStatus.FILLED
        assert not ear.of(Gap)
        assert not ear.of(Disconnected)

    hearing(talk)


def test_nothing_of_before_the_subscription_is_told() -> None:
    async def talk(ear: Ear) -> None:
        await ear.broker.aclose()
        ear.place(Fate.INSTANT)
        await asyncio.sleep(5.0)
        later = SimulatedBroker(ear.world, stream=True)
        async with listening(later) as second:
            await asyncio.sleep(5.0)
            assert not second.of(Seen)

    hearing(talk)


def test_a_quiet_connection_shows_that_it_stands() -> None:
    async def talk(ear: Ear) -> list[float]:
        await asyncio.sleep(31.0)
        return ear.times(Heartbeat)

    beats = hearing(talk)
    assert len(beats) == 6
    assert beats[1] - beats[0] == pytest.approx(5.0)


def test_a_connection_that_answers_no_ping_is_given_up_within_twenty_seconds() -> None:
    async def talk(ear: Ear) -> tuple[list[float], list[float]]:
        await asyncio.sleep(60.0)
        return ear.times(Disconnected), ear.times(Connected)

    lost, made = hearing(talk, half_open=((7.0, 40.0),))
    assert 15.0 <= lost[0] - 5.0 <= 20.0
    assert made[1] >= 40.0, "while nothing is answered no subscription is acknowledged"


def test_a_mute_connection_is_alive_and_tells_nothing() -> None:
    async def talk(ear: Ear) -> None:
        await asyncio.sleep(1.0)
        ear.place(Fate.INSTANT)
        await asyncio.sleep(25.0)
        assert len(ear.of(Heartbeat)) == 5
        assert not ear.of(Seen)
        assert not ear.of(Disconnected)

    hearing(talk, mute=((0.5, 30.0),))


def test_a_broken_connection_is_made_again_and_the_pause_is_announced() -> None:
    async def talk(ear: Ear) -> None:
        await asyncio.sleep(450.0)
        lost, made = ear.of(Disconnected), ear.of(Connected)
        assert len(lost) == 22
        assert len(made) == 23
        for before, after in zip(lost, made[1:], strict=True):
            assert 0.0 <= after.as_of - before.as_of - before.retry_in <= 0.1
            assert before.retry_in <= 0.25, "one that stood for a while begins a new row"
            assert not before.slot_taken

    hearing(talk, disconnect_every=20.0)


def test_a_slot_that_somebody_else_holds_is_asked_for_ever_more_rarely() -> None:
    async def talk(ear: Ear) -> None:
        second = SimulatedBroker(ear.world, stream=True)
        async with listening(second) as other:
            await asyncio.sleep(200.0)
            assert not other.of(Connected)
            waits = [lost.retry_in for lost in other.of(Disconnected)]
            assert all(lost.slot_taken for lost in other.of(Disconnected))
            assert 4.0 <= waits[0] <= 8.0
            assert 30.0 <= waits[-1] <= 60.0
            await ear.broker.aclose()
            await asyncio.sleep(61.0)
            assert other.of(Connected)

    hearing(talk, refuse_second=True)


def test_the_newer_connection_may_be_the_one_that_stays() -> None:
    async def talk(ear: Ear) -> None:
        second = SimulatedBroker(ear.world, stream=True)
        async with listening(second) as other:
            assert len(ear.of(Disconnected)) == 1
            assert other.of(Connected)

    hearing(talk, second_kicks_first=True)


def test_refused_keys_are_tried_again_slowly() -> None:
    async def talk(ear: Ear) -> None:
        await ear.broker.aclose()
        ear.world.refuse_keys = True
        async with listening(SimulatedBroker(ear.world, stream=True)) as other:
            await asyncio.sleep(100.0)
            assert len(other.of(Disconnected)) <= 5
            assert "keys" in other.of(Disconnected)[0].reason
            ear.world.refuse_keys = False
            await asyncio.sleep(61.0)
            assert other.of(Connected)

    hearing(talk)


def test_in_an_outage_connections_break_and_new_ones_are_not_answered() -> None:
    async def talk(ear: Ear) -> None:
        await asyncio.sleep(60.0)
        lost, made = ear.times(Disconnected), ear.times(Connected)
        assert lost[0] == pytest.approx(1.0)
        assert lost[1] - lost[0] >= 10.0
        assert made[1] >= 20.0

    hearing(talk, faults=Faults(outages=((1.0, 20.0),)))


def test_every_kind_of_fault_is_heard_as_what_it_is() -> None:
    assert set(TOLD) == set(StreamKind)
    truth = hearing(lived)
    for kind in StreamKind:
        share = 0.5 if kind in (StreamKind.REORDER, StreamKind.DELAY) else 1.0
        struck = hearing(lived, faults=Faults(stream=StreamFaults(**{kind.value: share})))  # type: ignore[arg-type] # floats
        seen = [quiet(one) for one in struck.of(Seen)]
        told = [quiet(one) for one in truth.of(Seen)]
        match kind:
            case StreamKind.DROP:
                assert not seen
                assert not struck.of(Gap)
            case StreamKind.DATA_NULL | StreamKind.UNREADABLE:
                assert not seen
                assert len(struck.of(Gap)) == len(told)
            case StreamKind.DUPLICATE:
                assert seen == [one for one in told for _ in range(2)]
            case StreamKind.REORDER | StreamKind.DELAY:
                assert sorted(map(str, seen)) == sorted(map(str, told))
                assert seen != told
            case StreamKind.UNKNOWN_EVENT:
                assert seen == told
                assert not struck.executed()
                assert len(struck.of(Gap)) == len(truth.executed())
            case StreamKind.UNKNOWN_STATUS:
                assert {status for _, _, status in seen} == {OrderStatus.UNKNOWN}
                assert struck.executed()
                assert len(struck.executed()) == len(truth.executed())
            case StreamKind.UNKNOWN_FIELD:
                assert seen == told


def test_a_slow_reader_loses_nothing_and_is_told_when_it_came() -> None:
    async def run() -> None:
        world = World(1, clock=asyncio.get_running_loop().time, requests_per_minute=None)
        broker = SimulatedBroker(world, stream=True)
        events = broker.events()
        await anext(events)
        order_id = world.place(OrderRequest(symbol="AAPL", side=Side.BUY, qty=Decimal(10)), Fate.MANY_PARTIALS)
        await asyncio.sleep(30.0)
        batch = await anext(events)
        fills = executed(batch)
        assert [one.execution for one in fills] == list(world.ledger.truth(order_id).executions)
        assert fills[-1].as_of < asyncio.get_running_loop().time() - 20.0
        await broker.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(events)

    run_virtual(run)


def test_closing_the_broker_ends_the_iteration_whatever_it_waits_for() -> None:
    async def talk(ear: Ear) -> None:
        await asyncio.sleep(12.0)

    always = ((0.0, 500.0),)
    for faults in (StreamFaults(), StreamFaults(refuse=always), StreamFaults(half_open=always)):
        hearing(talk, faults=Faults(stream=faults))  # the task group ends only when the iteration has


def test_a_newer_iteration_ends_the_older_one() -> None:
    async def talk(ear: Ear) -> None:
        newer = ear.broker.events()
        assert isinstance((await anext(newer))[0], Connected)
        ear.place(Fate.INSTANT)
        with suppress(StopAsyncIteration):
            while not isinstance((await anext(newer))[0], Seen):
                pass
        assert not ear.of(Seen)

    hearing(talk)


def test_the_same_seed_tells_the_same() -> None:
    faults = StreamFaults.rate(0.4)

    def told() -> list[str]:
        return [f"{t!r} {event!r}" for t, event in hearing(lived, faults=Faults(stream=faults)).heard]

    assert told() == told()
