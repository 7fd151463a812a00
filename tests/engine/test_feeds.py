"""The push route: early when it stands, repaired when it fell, audited for what it loses, and never needed."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from fillwatch import FillDetectionConfig, FillDetectionEngine, FillResult
from fillwatch.brokers.push import Connected, Disconnected, Event
from fillwatch.core.evidence import Route
from fillwatch.core.loss import LONGEST_AUDIT, LossMeter
from fillwatch.engine.feeds import STEADY
from fillwatch.simulator import Fate, Faults, Op, SimulatedBroker, World
from fillwatch.simulator.plans import Act, Step
from fillwatch.simulator.stream_faults import StreamFaults
from fillwatch.testing import run_virtual, virtual
from tests.worlds.live import Live, live

QUIET = FillDetectionConfig(timeout_seconds=math.inf, partial_fills="wait")
#: Seconds on the wire and in the hands of the simulated stream.
AT_ONCE = 0.02


def now() -> float:
    return asyncio.get_running_loop().time()


def requests(scene: Live, since: float, *ops: Op) -> int:
    return sum(1 for arrival in scene.ledger.arrivals if arrival.t >= since and (not ops or arrival.operation in ops))


async def delays_of(scene: Live, fills: int, *, resting: int = 20, pause: float = 2.0) -> list[float]:
    """How late we were told of `fills` orders, handed in long before, one after the other; sorted."""
    draw = Random(7)
    for _ in range(resting):
        scene.engine.watch(scene.world.place(fate=Fate.NEVER))
    ids = [scene.world.place(fate=Fate.NEVER) for _ in range(fills)]
    watches = {order_id: scene.follower.watch(order_id) for order_id in ids}
    await asyncio.sleep(30.0)
    at = now()
    for order_id in ids:
        at += draw.uniform(0.5, 1.5) * pause
        fill_at(scene.world, order_id, at)

    async def one(order_id: str) -> float:
        assert (await watches[order_id]).filled
        return now() - (scene.ledger.truth(order_id).ended_at or math.inf)

    return sorted(await asyncio.gather(*map(one, ids)))


def fill_at(world: World, order_id: str, at: float) -> None:
    """Let an order that would never fill be filled at this moment."""
    market = world._market
    market.schedule(market.records[order_id], Step(after=at - now(), act=Act.FILL), now(), last=False)


@virtual
async def test_a_fill_is_told_at_once_and_costs_next_to_no_requests() -> None:
    async with live(config=QUIET, stream=True) as scene:
        delays = await delays_of(scene, 100)
        start = now() - 100.0
        assert delays[-1] <= AT_ONCE
        assert requests(scene, start, Op.LIST, Op.LOOK, Op.FILLS) <= 60
    assert scene.violations() == []


@virtual
async def test_with_the_stream_healthy_polling_drops_to_an_audit() -> None:
    async with live(config=QUIET, stream=True) as scene:
        await delays_of(scene, 150, pause=0.5)
        start = now()
        await asyncio.sleep(100.0)
        assert 5 <= requests(scene, start, Op.LIST) <= 100.0 / (LONGEST_AUDIT / 2)


@virtual
async def test_a_stream_that_loses_events_is_audited_more_often() -> None:
    faults = Faults(stream=StreamFaults(drop=0.1, disconnect_every=30.0))
    async with live(config=QUIET, stream=True, faults=faults) as scene:
        delays = await delays_of(scene, 150, resting=50, pause=1.0)
        assert delays[75] <= AT_ONCE
        assert delays[-3] <= 1.5  # p99, from the first loss on
        assert scene.world.reached["stream:drop"] > 0
    assert scene.violations() == []


@pytest.mark.parametrize("silence", ["mute", "half_open"])
def test_a_stream_that_tells_nothing_is_found_out(silence: str) -> None:
    """Pongs and no events, or nothing at all: reads see the fills, and reads go back to their usual pace."""

    async def run() -> None:
        faults = Faults(stream=StreamFaults(**{silence: ((0.0, math.inf),)}))  # type: ignore[arg-type]  # both are windows
        async with live(config=QUIET, stream=True, faults=faults) as scene:
            delays = await delays_of(scene, 60)
            assert delays[30] <= 1.0
            assert delays[-1] <= LONGEST_AUDIT
            start = now()
            await asyncio.sleep(20.0)
            assert requests(scene, start, Op.LIST) >= 20
        assert scene.violations() == []

    run_virtual(run)


@virtual
async def test_what_happened_while_the_stream_was_down_is_read_after_it_stands_again() -> None:
    faults = Faults(stream=StreamFaults(refuse=((20.0, 60.0),), disconnect_at=(20.0,)))
    async with live(config=QUIET, stream=True, faults=faults) as scene:
        ids = [scene.world.place(fate=Fate.NEVER) for _ in range(3)]
        watches = [scene.engine.watch(order_id) for order_id in ids]
        feed = scene.engine._entered()._reader.feed
        await asyncio.sleep(15.0)
        ups = [feed.is_up]
        await asyncio.sleep(30.0)
        ups.append(feed.is_up)
        assert ups == [True, False]
        start = now()
        await asyncio.sleep(10.0)
        assert requests(scene, start, Op.LIST) >= 5  # reads are back at their usual pace
        async with asyncio.timeout(120.0):
            while not feed.is_up:
                await asyncio.sleep(0.1)
        await asyncio.sleep(1.0)
        assert all(watch.age <= 1.5 for watch in watches)  # and the gap is repaired as soon as it stands
        for watch in watches:
            watch.release()


class LateFeed(SimulatedBroker):
    """Its feed stands from a moment on, and tells nothing of what happened a hundredth of a second before."""

    UP_AT = 50.0

    async def events(self) -> AsyncIterator[tuple[Event, ...]]:
        await asyncio.sleep(self.UP_AT - (now() - self.world.start))
        yield (Connected(as_of=now()),)
        await asyncio.sleep(math.inf)


@virtual
async def test_a_feed_is_not_trusted_before_each_order_was_read_since_it_stands() -> None:
    world = World(4, clock=asyncio.get_running_loop().time)
    async with FillDetectionEngine(LateFeed(world, stream=True), QUIET) as engine:
        ids = [world.place(fate=Fate.NEVER) for _ in range(5)]
        watches = [engine.watch(order_id) for order_id in ids]
        fill_at(world, ids[0], world.start + LateFeed.UP_AT - 0.01)
        assert (await watches[0]).filled
        assert now() <= world.start + LateFeed.UP_AT + 0.5


@virtual
async def test_orders_of_a_long_list_are_all_read_once_the_feed_stands() -> None:
    """A gap is repaired at once, however long the list, and polling ends with that."""
    world = World(4, clock=asyncio.get_running_loop().time)
    async with FillDetectionEngine(LateFeed(world, stream=True, page_size=10), QUIET) as engine:
        for _ in range(50):
            engine.watch(world.place(fate=Fate.NEVER))
        await asyncio.sleep(LateFeed.UP_AT + 15.0)
        before = len(world.ledger.arrivals)
        await asyncio.sleep(40.0)
        assert len(world.ledger.arrivals) - before <= 15


class Breaking(SimulatedBroker):
    """Its feed breaks at two minutes, and stands again at once."""

    async def events(self) -> AsyncIterator[tuple[Event, ...]]:
        yield (Connected(as_of=now()),)
        await asyncio.sleep(120.0)
        yield (Disconnected(reason="broken", as_of=now(), retry_in=0.1),)
        yield (Connected(as_of=now()),)
        await asyncio.sleep(math.inf)


@virtual
async def test_a_feed_that_broke_spares_no_reads_for_a_while() -> None:
    """Whoever breaks connections loses events as well, and the first loss is to be found soon."""
    world = World(5, clock=asyncio.get_running_loop().time)
    async with FillDetectionEngine(Breaking(world, stream=True), QUIET) as engine:
        for _ in range(5):
            engine.watch(world.place(fate=Fate.NEVER))

        async def lists(seconds: float) -> int:
            before = len(world.ledger.arrivals)
            await asyncio.sleep(seconds)
            return sum(arrival.operation == Op.LIST for arrival in world.ledger.arrivals[before:])

        await asyncio.sleep(60.0)
        assert 1 <= await lists(50.0) <= 20
        await asyncio.sleep(12.0)
        assert await lists(STEADY - 10.0) >= STEADY
        await asyncio.sleep(20.0)
        assert await lists(50.0) <= 20


class BrokenOff(SimulatedBroker):
    """Its feed tells nothing, breaks off at 30.5 s and stands again at 31.2 s; or does not break off."""

    BREAKS = True

    async def events(self) -> AsyncIterator[tuple[Event, ...]]:
        yield (Connected(as_of=now()),)
        await asyncio.sleep(30.5)
        if self.BREAKS:
            yield (Disconnected(reason="broken", as_of=now(), retry_in=0.7),)
            await asyncio.sleep(0.7)
            yield (Connected(as_of=now()),)
        await asyncio.sleep(math.inf)


class Mute(BrokenOff):
    BREAKS = False


@pytest.mark.parametrize(("kind", "is_loss"), [(BrokenOff, False), (Mute, True)])
def test_what_a_broken_connection_did_not_tell_is_no_loss_of_the_feed(kind: type[BrokenOff], is_loss: bool) -> None:
    """An event may have been on its way when the connection broke; the gap is repaired, and that is all."""

    async def run() -> None:
        world = World(6, clock=asyncio.get_running_loop().time)
        async with FillDetectionEngine(kind(world, stream=True), QUIET) as engine:
            start = now()
            watch = engine.watch(world.place(fate=Fate.NEVER))
            before = engine.snapshot().feed_loss
            fill_at(world, watch.order_id, start + 30.0)
            await asyncio.sleep(30.1)
            await watch.fresh()  # a read finds it, while the feed stands and covers the order
            await asyncio.sleep(10.0)
            after = engine.snapshot().feed_loss
            assert before is not None
            assert after is not None
            assert (after > before) is is_loss

    run_virtual(run)


@virtual
async def test_events_from_before_the_watch_are_kept_for_half_a_minute() -> None:
    """The fill may come before `watch` is called; one that is told needs no look."""
    async with live(config=QUIET, stream=True) as scene:
        await asyncio.sleep(10.0)
        early, late = scene.world.place(fate=Fate.INSTANT), scene.world.place(fate=Fate.INSTANT)
        await asyncio.sleep(20.0)
        start = now()
        assert (await scene.follower.watch(early)).filled
        assert now() == start
        await asyncio.sleep(20.0)
        start = now()
        result = await scene.follower.watch(late)
        assert result.filled
        assert now() > start
        assert not (result.detection_method or "").endswith(Route.STREAM.value)
    assert scene.violations() == []


@virtual
async def test_a_burst_of_5000_events_loses_nothing_and_blocks_nobody() -> None:
    async with live(config=QUIET, stream=True, page_size=2_500) as scene:
        ids = [scene.world.place(fate=Fate.NEVER) for _ in range(5_000)]
        watches = [scene.engine.watch(order_id) for order_id in ids]
        await asyncio.sleep(8.0)
        at = now() + 1.0
        for number, order_id in enumerate(ids):
            fill_at(scene.world, order_id, at + number / 5_000)
        results: list[FillResult] = await asyncio.gather(*watches)
        assert now() <= at + 1.0 + 2 * AT_ONCE
        assert all(result.filled for result in results)
    assert scene.violations() == []


class Broken(SimulatedBroker):
    """Pushes, but breaks the promise never to raise."""

    async def events(self) -> AsyncIterator[tuple[Event, ...]]:
        yield (Connected(as_of=now()),)
        await asyncio.sleep(5.0)
        raise OSError("no more")


@virtual
async def test_a_feed_that_raises_costs_nothing_but_itself() -> None:
    world = World(3, clock=asyncio.get_running_loop().time)
    async with FillDetectionEngine(Broken(world, stream=True), QUIET) as engine:
        await asyncio.sleep(6.0)
        order_id = world.place(fate=Fate.SLOW)
        assert (await engine.watch(order_id)).filled
        assert now() - (world.ledger.truth(order_id).ended_at or 0.0) <= 1.5


@pytest.mark.parametrize("seed", range(8))
def test_every_result_agrees_with_the_ledger_whatever_the_stream_does(seed: int) -> None:
    draw = Random(f"stream/{seed}")
    kinds = ("drop", "duplicate", "reorder", "delay", "data_null", "unreadable", "unknown_event", "unknown_status")
    shares: dict[str, Any] = {kind: draw.choice((0.0, 0.05, 0.1)) for kind in kinds}
    stream = StreamFaults(disconnect_every=draw.choice((None, 7.0, 30.0)), **shares)
    faults = Faults(stream=stream, reset_after=0.03, server_error=0.03, stale=0.05, heal_at=60.0)

    async def run() -> None:
        config = FillDetectionConfig(timeout_seconds=20.0)
        async with live(seed, config=config, stream=True, faults=faults) as scene:
            ids = scene.world.populate(40)
            await asyncio.gather(*(scene.follower.watch(order_id) for order_id in ids))
            await asyncio.sleep(400.0)
        assert scene.violations() == []

    run_virtual(run, seed=seed)


# ---- fresh


@virtual
async def test_fresh_waits_for_a_look_if_need_be() -> None:
    async with live(config=FillDetectionConfig(timeout_seconds=math.inf, interval_for=lambda belief: 400.0)) as scene:
        await asyncio.sleep(30.0)
        watch = scene.engine.watch(scene.world.place(fate=Fate.NEVER))
        other = scene.engine.watch(scene.world.place(fate=Fate.NEVER))
        await asyncio.sleep(5.0)
        age, start = watch.age, now()
        belief = await watch.fresh(max_age=age + 1.0)
        assert now() == start
        assert belief.order_id == watch.order_id
        await watch.fresh()
        assert 0 < now() - start <= 0.2
        assert watch.age <= 0.2
        with pytest.raises(ValueError, match="max_age"):
            await watch.fresh(max_age=-1.0)
        watch.release()
        other.release()


@virtual
async def test_fresh_works_after_the_result_too() -> None:
    async with live() as scene:
        for _ in range(3):
            scene.engine.watch(scene.world.place(fate=Fate.NEVER), at_timeout="leave")
        watch = scene.engine.watch(scene.world.place(fate=Fate.INSTANT))
        await watch
        await asyncio.sleep(30.0)
        start = now()
        await watch.fresh()
        assert 0 < now() - start <= 1.0


@virtual
async def test_fresh_asks_again_while_the_broker_does_not_answer() -> None:
    async with live(faults=Faults(outages=((10.0, 40.0),))) as scene:
        watch = scene.engine.watch(scene.world.place(fate=Fate.NEVER), timeout_seconds=math.inf)
        await asyncio.sleep(12.0)
        await watch.fresh()
        assert 28.0 <= now() - scene.world.start - 12.0 <= 40.0
        watch.release()


# ---- the loss meter


def test_the_meter_earns_trust_slowly_and_loses_it_fast() -> None:
    meter = LossMeter()
    assert meter.audit_interval == pytest.approx(4.0)
    for _ in range(200):
        meter.note(lost=False)
    assert meter.audit_interval == LONGEST_AUDIT
    for _ in range(5):
        meter.note(lost=True)
    assert meter.audit_interval <= 1.0


def test_the_meter_forgets() -> None:
    meter = LossMeter()
    for _ in range(50):
        meter.note(lost=True)
    assert meter.share > 0.4
    for _ in range(2_000):
        meter.note(lost=False)
    assert meter.share < 0.001
