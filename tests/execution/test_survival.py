"""What a run of trades must survive: an outage, a full disk, clocks that jump, and a machine that was asleep."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from random import Random

import pytest
from loguru import logger

from fillwatch.core.errors import EngineClosed
from fillwatch.core.results import FillOutcome
from fillwatch.core.trade_facts import client_id
from fillwatch.core.trade_terms import ExecutorConfig
from fillwatch.engine.engine import FillDetectionEngine
from fillwatch.execution.executor import SmartOrderExecutor
from fillwatch.journal import Fact, FactKind, JournalFull, MemoryJournal
from fillwatch.simulator import Fate, Faults, Kind, Op, SimulatedBroker, World
from fillwatch.simulator.faults import Rule
from fillwatch.testing import run_virtual, virtual
from tests.execution.scene import Scene, now, scene
from tests.execution.test_exits import Ear

QUICK = ExecutorConfig(quarantine_seconds=10.0, submit_patience_seconds=10.0)


def count(there: Scene, name: str) -> int:
    return sum(order.client_order_id == client_id("T", name) for order in there.orders())


@contextmanager
def told(level: str) -> Iterator[list[str]]:
    """What is logged at this level and above."""
    lines: list[str] = []
    sink = logger.add(lines.append, level=level, format="{message}")
    logger.enable("fillwatch")
    try:
        yield lines
    finally:
        logger.disable("fillwatch")
        logger.remove(sink)


# An outage


@pytest.mark.parametrize("start", [1.3, 3.0, 3.6])
def test_an_outage_longer_than_every_timeout(start: float) -> None:
    """Ten minutes without an answer, from before the entry to after the exits stand."""

    async def run() -> None:
        faults = Faults(outages=((start, start + 600.0),))
        async with scene(1, faults=faults) as there:
            ear = Ear(there)
            result = await there.trade(intent_id="T")
            if not result.position_protected:
                assert result.reason
            else:
                assert there.bare() == 0
            await asyncio.sleep(900.0)
            assert there.bare() == 0
            assert all(count(there, name) <= 1 for name in ("e1", "x1", "x2", "c1"))
            last = ear.heard[-1].amended if ear.heard else result
            assert last.position_protected

    run_virtual(run)


# The journal's disk


class FullDisk(MemoryJournal):
    """Takes nothing while it is full."""

    def __init__(self) -> None:
        super().__init__()
        self.is_full = False

    async def write(self, *facts: Fact, durable: bool | None = None) -> None:
        if self.is_full:
            raise JournalFull("no space left on device")
        await super().write(*facts, durable=durable)


@virtual
async def test_a_full_disk_stops_entries_and_nothing_else() -> None:
    """A trade is filled and protected, another is timed out and cancelled, an exit fills; all of it is said loudly."""
    journal = FullDisk()
    rules = (Rule(kind=Fate.NEVER, orders=frozenset({client_id("never", "e1")})),)
    with told("ERROR") as lines:
        async with scene(1, faults=Faults(rules=rules), journal=journal) as there:
            ear = Ear(there)
            running = asyncio.create_task(there.trade(intent_id="T"))
            timing_out = asyncio.create_task(there.trade(intent_id="never", symbol="MSFT"))
            while not there.position() or len(there.orders()) < 2:
                await asyncio.sleep(0.01)
            journal.is_full = True
            refused = await there.trade(intent_id="N", symbol="NVDA")
            assert not refused.success
            assert "no space left on device" in (refused.reason or "")
            assert not there.orders("N")
            assert (await running).success
            assert there.bare() == 0
            cancelled = await timing_out
            assert cancelled.fill is not None
            assert cancelled.fill.outcome is FillOutcome.TIMED_OUT
            there.world.set_price("AAPL", there.world.price("AAPL") + 9)
            await asyncio.sleep(30.0)
            assert there.position() == 0
            assert ear.heard[-1].kind == "closed"
            assert sum("no space left on device" in line for line in lines) >= 3
            journal.is_full = False
            assert (await there.trade(intent_id="again", symbol="NVDA")).success


# Clocks


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_the_wall_clock_jumps_during_a_trade(jump: float) -> None:
    """Deadlines go by the clock that does not jump: the entry has its whole minute, and no more."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        world = World(1, clock=loop.time, fate=Fate.MARKET)
        off = timedelta(0)

        def wall() -> datetime:
            return world.wall(loop.time()) + off

        journal = MemoryJournal()
        broker = SimulatedBroker(world)
        async with FillDetectionEngine(broker, rng=Random(1), journal=journal, wall=wall) as engine:
            executor = SmartOrderExecutor(engine, wall=wall)
            there = Scene(world=world, engine=engine, executor=executor, journal=journal)
            world.let_orders_go(Fate.NEVER)
            task = asyncio.create_task(there.trade(intent_id="T"))
            await asyncio.sleep(20.0)
            off = timedelta(seconds=jump)
            result = await task
            assert result.fill is not None
            assert result.fill.outcome is FillOutcome.TIMED_OUT
            assert 60.0 <= result.fill.elapsed_time < 65.0
            world.let_orders_go(Fate.MARKET)
            assert (await there.trade(symbol="MSFT")).success
            assert there.bare("MSFT") == 0

    run_virtual(run)


@pytest.mark.parametrize(("jump", "least", "most"), [(-3600.0, 59.0, 65.0), (3600.0, 0.0, 5.0)])
def test_the_wall_clock_jumped_before_recovery(jump: float, least: float, most: float) -> None:
    """What is left of an entry's minute is never more than a minute, and never less than nothing."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        world, journal = World(1, clock=loop.time, fate=Fate.NEVER), MemoryJournal()
        async with scene(1, world=world, journal=journal) as there:
            task = asyncio.create_task(there.trade(intent_id="T"))
            await asyncio.sleep(20.0)
        with pytest.raises(EngineClosed):
            await task

        def wall() -> datetime:
            return world.wall(loop.time()) + timedelta(seconds=jump)

        async with FillDetectionEngine(SimulatedBroker(world), rng=Random(1), journal=journal, wall=wall) as engine:
            began = now()
            (result,) = await SmartOrderExecutor(engine, wall=wall).recover()
            assert least <= now() - began <= most
            assert result.fill is not None
            assert result.fill.outcome is FillOutcome.TIMED_OUT
            assert result.position_protected
            assert len(world.ledger.order_ids) == 1

    run_virtual(run)


# Sleep


class Sleeper:
    """The world's clock, and with `stops` set also not the loop's, goes on by ten minutes while the machine sleeps.

    Linux's monotonic clock stands still meanwhile, others do not; the broker's goes on in either case.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._slept = 0.0

    def clock(self) -> float:
        return self._loop.time() + self._slept

    def sleep(self, *, stops: bool) -> None:
        if stops:
            self._slept += 600.0
        else:
            self._loop._jump_to(self._loop.time() + 600.0)  # type: ignore[attr-defined]


MOMENTS = (0.5, 1.25, 1.5, 2.5, 3.3, 3.6, 4.0, 20.0)


@pytest.mark.parametrize("stops", [True, False])
@pytest.mark.parametrize("at", MOMENTS)
def test_a_machine_that_was_asleep_for_ten_minutes(at: float, stops: bool) -> None:
    """At any moment of a trade, by either kind of clock."""

    async def run() -> None:
        sleeper = Sleeper()
        world = World(1, clock=sleeper.clock, fate=Fate.MARKET)
        journal = MemoryJournal()

        def wall() -> datetime:
            return world.wall(sleeper.clock())

        broker = SimulatedBroker(world)
        async with FillDetectionEngine(broker, rng=Random(1), journal=journal, wall=wall) as engine:
            executor = SmartOrderExecutor(engine, QUICK, wall=wall)
            there = Scene(world=world, engine=engine, executor=executor, journal=journal)
            ear = Ear(there)
            task = asyncio.create_task(there.trade(intent_id="T"))
            await asyncio.sleep(at)
            sleeper.sleep(stops=stops)
            result = await task
            assert result.position_protected or result.reason
            await asyncio.sleep(120.0)
            last = ear.heard[-1].amended if ear.heard else result
            assert last.position_protected == (there.bare() == 0)
            assert there.bare() == 0
            assert all(count(there, name) <= 1 for name in ("e1", "x1", "x2", "c1"))
            executed = there.world.ledger.executed_at(there.sent("T", "e1").order_id) if count(there, "e1") else 0
            assert (last.fill.fill_quantity if last.fill else 0) == executed

    run_virtual(run)


@virtual
async def test_asleep_while_an_answer_is_awaited_under_quarantine() -> None:
    """The request never arrived; after the sleep the entry is denied for a whole quarantine before it is given up."""
    rules = (
        Rule(kind=Kind.TIMEOUT_BEFORE, orders=frozenset({client_id("T", "e1")}), operations=frozenset({Op.SUBMIT})),
    )
    sleeper = Sleeper()
    world = World(1, clock=sleeper.clock, fate=Fate.MARKET, faults=Faults(rules=rules))
    async with scene(1, world=world, config=QUICK) as there:
        task = asyncio.create_task(there.trade(intent_id="T"))
        await asyncio.sleep(15.0)
        sleeper.sleep(stops=False)
        result = await task
        assert not result.success
        assert not there.orders()
        assert result.position_protected or "no answer" in (result.reason or "") or result.reason
        await asyncio.sleep(60.0)
        kinds = [entry.fact.kind for entry in await there.journal.read(intent_id="T")]
        assert FactKind.QUARANTINED in kinds
