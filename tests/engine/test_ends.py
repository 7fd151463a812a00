"""The list of ended orders: it makes ends known before a sweep comes round, and is left alone where it does not."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from datetime import datetime

import pytest

from fillwatch import FillDetectionConfig, FillDetectionEngine, FillOutcome
from fillwatch.brokers.base import Listing
from fillwatch.brokers.push import Connected, Event
from fillwatch.core.errors import BrokerError, PermanentError, TransientError
from fillwatch.core.evidence import Route, Unanswered
from fillwatch.engine.audits import FEED_AUDIT
from fillwatch.engine.ends import IN_VAIN, SET_ASIDE
from fillwatch.simulator import Fate, SimulatedBroker, World
from fillwatch.simulator.plans import Act, Step
from fillwatch.testing import run_virtual, virtual

QUIET = FillDetectionConfig(timeout_seconds=math.inf, partial_fills="wait")
#: Seconds in which every order is described and tokens gather.
WARM = 60.0


def now() -> float:
    return asyncio.get_running_loop().time()


def end(world: World, order_id: str, act: Act) -> None:
    """It comes to this end now."""
    market = world.door.market
    market.schedule(market.records[order_id], Step(after=0.0, act=act), now(), last=False)
    world.advance()


class Noted(SimulatedBroker):
    """Notes when its ended orders were asked for."""

    def __init__(self, world: World, *, page_size: int = 10, stream: bool = False) -> None:
        super().__init__(world, page_size=page_size, stream=stream)
        self.asked: list[float] = []

    async def ended(self, *, after: datetime | None = None, until: datetime | None = None) -> Listing | Unanswered:
        self.asked.append(now())
        return await super().ended(after=after, until=until)


class Untold(Noted):
    """Its feed stands and tells nothing."""

    async def events(self) -> AsyncIterator[tuple[Event, ...]]:
        yield (Connected(as_of=now()),)
        await asyncio.sleep(math.inf)


class Unfiltered(Noted):
    """Takes no notice of the status that is asked for."""

    async def ended(self, *, after: datetime | None = None, until: datetime | None = None) -> Listing | Unanswered:
        self.asked.append(now())
        return await self.list(after=after, until=until)


class Failing(Noted):
    """Never answers with orders."""

    error: BrokerError = TransientError("no")

    async def ended(self, *, after: datetime | None = None, until: datetime | None = None) -> Listing | Unanswered:
        self.asked.append(now())
        await asyncio.sleep(0.05)
        return Unanswered(error=self.error, route=Route.LIST, as_of=now())


class Refusing(Failing):
    error = PermanentError("there is no such list", status=404)


async def watched(broker: Noted, engine: FillDetectionEngine, orders: int = 200) -> list[str]:
    """So many resting orders, handed in and described."""
    ids = [broker.world.place(fate=Fate.NEVER) for _ in range(orders)]
    for order_id in ids:
        engine.watch(order_id, at_timeout="leave")
    await asyncio.sleep(WARM)
    return ids


@virtual
async def test_other_ends_among_many_orders_are_told_before_a_sweep_comes_round() -> None:
    """Twenty pages take ten seconds and more; what has ended of them is one."""
    broker = Noted(World(1, clock=now))
    async with FillDetectionEngine(broker, QUIET) as engine:
        ids = await watched(broker, engine)
        for order_id, act, outcome in [
            (ids[0], Act.CANCEL, FillOutcome.CANCELED),
            (ids[120], Act.CANCEL, FillOutcome.CANCELED),
            (ids[60], Act.FILL, FillOutcome.FILLED),
            (ids[190], Act.CANCEL, FillOutcome.CANCELED),
        ]:
            watch = engine.watch(order_id, at_timeout="leave")
            ended = now()
            end(broker.world, order_id, act)
            assert (await watch).outcome is outcome
            assert now() - ended <= 2.5


@virtual
async def test_fills_are_told_while_the_list_is_read_for_the_first_time() -> None:
    """So many orders take pages, although no sweep has shown that yet: the tape has turns from the first page on."""
    broker = Noted(World(1, clock=now))
    async with FillDetectionEngine(broker, QUIET) as engine:
        watches = [engine.watch(broker.world.place(fate=Fate.NEVER), at_timeout="leave") for _ in range(300)]
        await asyncio.sleep(3.0)
        ended = now()
        end(broker.world, watches[0].order_id, Act.FILL)
        assert (await watches[0]).filled
        assert now() - ended <= 1.5


@pytest.mark.parametrize("stream", [False, True])
def test_one_page_of_the_whole_list_needs_no_list_of_ends(stream: bool) -> None:
    async def run() -> None:
        broker = Noted(World(1, clock=now), page_size=500, stream=stream)
        async with FillDetectionEngine(broker, QUIET) as engine:
            await watched(broker, engine)
        assert broker.asked == []

    run_virtual(run)


@virtual
async def test_a_feed_among_many_orders_is_audited_by_ended_orders_too() -> None:
    """A sweep is rare beside a healthy feed; a cancel that it did not tell is known before."""
    broker = Untold(World(1, clock=now), stream=True)
    async with FillDetectionEngine(broker, QUIET) as engine:
        ids = await watched(broker, engine, 300)
        watch = engine.watch(ids[250], at_timeout="leave")
        ended = now()
        end(broker.world, ids[250], Act.CANCEL)
        assert (await watch).outcome is FillOutcome.CANCELED
        assert now() - ended <= 2 * FEED_AUDIT + 1.0


@pytest.mark.parametrize("kind", [Unfiltered, Refusing])
def test_a_broker_that_cannot_cut_its_list_down_is_asked_once(kind: type[Noted]) -> None:
    """A page of open orders, and a refusal, say that there is no such list."""

    async def run() -> None:
        broker = kind(World(2, clock=now))
        async with FillDetectionEngine(broker, QUIET) as engine:
            ids = await watched(broker, engine, 50)
            watch = engine.watch(ids[7], at_timeout="leave")
            end(broker.world, ids[7], Act.CANCEL)
            assert (await watch).outcome is FillOutcome.CANCELED
            assert len(broker.asked) == 1

    run_virtual(run)


@virtual
async def test_a_list_that_goes_unanswered_is_tried_again_later() -> None:
    broker = Failing(World(3, clock=now))
    async with FillDetectionEngine(broker, QUIET) as engine:
        await watched(broker, engine, 50)
        await asyncio.sleep(4 * SET_ASIDE - WARM)
    first, later = broker.asked[:IN_VAIN], broker.asked[IN_VAIN:]
    assert first[-1] - first[0] < SET_ASIDE
    assert 2 <= len(later) <= 4
    assert all(after - before >= SET_ASIDE for before, after in zip(broker.asked[IN_VAIN - 1 :], later, strict=False))


@virtual
async def test_a_list_of_ends_that_is_longer_than_a_page_is_left_to_the_sweep() -> None:
    """Its first page would hide ends of older orders."""
    broker = Noted(World(4, clock=now))
    async with FillDetectionEngine(broker, QUIET) as engine:
        ids = [broker.world.place(fate=Fate.NEVER) for _ in range(30)]
        for _ in range(15):
            broker.world.place(fate=Fate.INSTANT, foreign=True)
        for order_id in ids:
            engine.watch(order_id, at_timeout="leave")
        await asyncio.sleep(2 * SET_ASIDE)
        assert len(broker.asked) <= 3
        watch = engine.watch(ids[3], at_timeout="leave")
        end(broker.world, ids[3], Act.CANCEL)
        assert (await watch).outcome is FillOutcome.CANCELED
