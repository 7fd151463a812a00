"""A feed that tells of a successor too early, tells nothing at all, or nothing that can be read."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest
from loguru import logger

from fillwatch import FillDetectionConfig, FillDetectionEngine
from fillwatch.brokers.push import Connected, Event, Gap, Heartbeat
from fillwatch.core.evidence import Route, Seen
from fillwatch.core.orders import Execution, OrderSnapshot, OrderStatus, Side
from fillwatch.engine.feeds import MUTE, MUTE_FILLS, PAUSE_AFTER_FAILURE
from fillwatch.simulator import Fate, Faults, SimulatedBroker, World
from fillwatch.testing import virtual
from tests.engine.test_feeds import AT_ONCE, QUIET, fill_at, now

SUCCESSOR = "00000000-0000-4000-8000-0000000000bb"


class Replacing(SimulatedBroker):
    """Cannot be asked any more when its feed tells that the successor is filled, and then whose successor it is."""

    first = ""

    async def events(self) -> AsyncIterator[tuple[Event, ...]]:
        yield (Connected(as_of=now()),)
        await asyncio.sleep(60.0)
        yield (self._told(SUCCESSOR, OrderStatus.FILLED, filled_qty=Decimal(10), filled_avg_price=Decimal(100)),)
        await asyncio.sleep(0.5)
        yield (self._told(self.first, OrderStatus.REPLACED, replaced_by=SUCCESSOR),)
        await asyncio.sleep(math.inf)

    def _told(self, order_id: str, status: OrderStatus, **more: Decimal | str) -> Seen:
        order = OrderSnapshot(
            order_id=order_id, status=status, qty=Decimal(10), updated_at=self.world.wall(now()), **more  # type: ignore[arg-type]  # each its own type
        )  # fmt: skip
        return Seen(order=order, route=Route.STREAM, as_of=now())


@virtual
async def test_what_is_told_of_a_successor_before_anybody_knows_whose_it_is_is_not_forgotten() -> None:
    world = World(1, clock=asyncio.get_running_loop().time, faults=Faults(outages=((50.0, 500.0),)))
    broker = Replacing(world, stream=True)
    broker.first = world.place(fate=Fate.NEVER)
    async with FillDetectionEngine(broker, QUIET) as engine:
        async with asyncio.timeout(100.0):
            result = await engine.watch(broker.first)
        assert result.filled
        assert result.final_order_id == SUCCESSOR
        assert now() - world.start <= 61.0


class Executing(SimulatedBroker):
    """Tells of executions, one every three seconds from `start` on: their quantity and that of the order."""

    def __init__(self, world: World, *told: tuple[int, int]) -> None:
        super().__init__(world, stream=True)
        self.order_id = world.place(fate=Fate.NEVER)
        self.start = now() + 60.0
        self._told = told

    async def events(self) -> AsyncIterator[tuple[Event, ...]]:
        yield (Connected(as_of=now()),)
        look = await self.look(self.order_id)
        assert isinstance(look, Seen)
        await asyncio.sleep(self.start - now())
        for number, (qty, cum) in enumerate(self._told, 1):
            row = Execution(
                execution_id=str(number), order_id=self.order_id, qty=Decimal(qty), price=Decimal(100), symbol="AAPL",
                side=Side.BUY, cum_qty=Decimal(cum),
            )  # fmt: skip
            shown = replace(
                look.order,
                status=OrderStatus.PARTIALLY_FILLED,
                filled_qty=Decimal(cum),
                filled_avg_price=Decimal(100),
                updated_at=self.world.wall(now()),
            )
            yield (Seen(order=shown, route=Route.STREAM, as_of=now(), execution=row),)
            await asyncio.sleep(3.0)
        await asyncio.sleep(math.inf)


@virtual
@pytest.mark.parametrize(
    ("told", "after"),
    [(((1, 1), (2, 3)), set()), (((1, 1), (2, 4)), {1}), (((1, 1), (2, 4), (1, 5)), {1}), (((1, 1), (3, 3)), {1})],
    ids=["all were told", "one was not", "which is one look's worth", "too many were"],
)
async def test_executions_that_are_not_the_orders_quantity_cause_a_look(
    told: tuple[tuple[int, int], ...], after: set[int]
) -> None:
    """By the order's own id, at once; not one for each that follows."""
    world = World(1, clock=asyncio.get_running_loop().time)
    broker = Executing(world, *told)
    async with FillDetectionEngine(broker, QUIET) as engine:
        engine.watch(broker.order_id)
        await asyncio.sleep(69.0)
        asked = [one.t - broker.start for one in world.ledger.arrivals if one.target == broker.order_id]
        assert {t // 3.0 for t in asked if t >= 0.0 and t % 3.0 < 0.5} == after


class MuteOnce(SimulatedBroker):
    """Its first connection shows that it stands, and nothing else."""

    connections = 0

    async def events(self) -> AsyncIterator[tuple[Event, ...]]:
        self.connections += 1
        if self.connections == 1:
            yield (Connected(as_of=now()),)
            while True:
                await asyncio.sleep(5.0)
                yield (Heartbeat(as_of=now()),)
        async for batch in super().events():
            yield batch


@virtual
async def test_a_feed_that_stands_and_tells_nothing_is_connected_anew() -> None:
    world = World(1, clock=asyncio.get_running_loop().time)
    broker = MuteOnce(world, stream=True)
    async with FillDetectionEngine(broker, QUIET) as engine:
        ids = [world.place(fate=Fate.NEVER) for _ in range(60)]
        watches = [engine.watch(order_id) for order_id in ids]
        await asyncio.sleep(60.0)
        assert broker.connections == 1, "a quiet feed is not a mute one"
        start = now()
        for number, order_id in enumerate(ids):
            fill_at(world, order_id, start + 2.0 * number)
        await watches[MUTE_FILLS + 3]
        await asyncio.sleep(MUTE + PAUSE_AFTER_FAILURE)
        assert broker.connections == 2
        await watches[-1]
        assert now() - start - 2.0 * 59 <= AT_ONCE
        assert broker.connections == 2


class Unreadable(SimulatedBroker):
    """Its feed brings nothing but what cannot be read, a thousand times in two seconds."""

    async def events(self) -> AsyncIterator[tuple[Event, ...]]:
        yield (Connected(as_of=now()),)
        await asyncio.sleep(10.0)
        for _ in range(1_000):
            await asyncio.sleep(0.002)
            yield (Gap(reason="a frame could not be read", as_of=now()),)
        await asyncio.sleep(math.inf)


@pytest.fixture
def warned() -> object:
    lines: list[str] = []
    logger.enable("fillwatch")
    sink = logger.add(lines.append, level="WARNING")
    yield lines
    logger.remove(sink)
    logger.disable("fillwatch")


def test_a_flood_of_gaps_is_not_a_flood_of_warnings(warned: list[str]) -> None:
    @virtual
    async def run() -> None:
        world = World(1, clock=asyncio.get_running_loop().time)
        async with FillDetectionEngine(Unreadable(world, stream=True), FillDetectionConfig()):
            await asyncio.sleep(20.0)

    run()
    assert 2 <= sum("lost something" in line for line in warned) <= 3
