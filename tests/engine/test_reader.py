"""Looks are shared: what is asked of the broker, and how often, as its own arrival log tells."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from fillwatch import FillDetectionConfig, FillDetectionEngine, FillOutcome, OrderRequest, RateLimit
from fillwatch.brokers.base import Fills
from fillwatch.core.orders import Execution, Side
from fillwatch.engine.tape_cursor import OVERLAP, ROWS_AGAIN, TapeFeed
from fillwatch.simulator import Arrival, Fate, Faults, Kind, Op, Rule, SimulatedBroker, World
from fillwatch.simulator.plans import Act, Step
from fillwatch.testing import run_virtual, virtual
from tests.worlds.live import Live, live

BUY = OrderRequest(symbol="AAPL", side=Side.BUY, qty=Decimal(10))
SELL = OrderRequest(symbol="TSLA", side=Side.SELL, qty=Decimal(10))
#: Of a market order news is likely at once, and all tokens are spent on that; of this one it is not.
LIMITED = OrderRequest(symbol="AAPL", side=Side.BUY, qty=Decimal(10), order_type="limit", limit_price=Decimal(10))
#: Seconds after which the limiter, which begins nearly empty, has a burst in hand.
WARM = 60.0


def waiting(**changes: Any) -> FillDetectionConfig:  # noqa: ANN401 - fields of the configuration
    """Orders that are only looked at: no timeout, no remainder to be cancelled."""
    fields: dict[str, Any] = {"timeout_seconds": math.inf, "partial_fills": "wait"} | changes
    return FillDetectionConfig(**fields)


def since(scene: Live, t: float, *ops: Op) -> list[Arrival]:
    return [a for a in scene.ledger.arrivals if a.t >= t and a.operation in ops]


async def until_all_seen(scene: Live, n: int) -> None:
    """Until each open watch has been described once."""
    async with asyncio.timeout(60.0):
        while sum(watch.age < math.inf for watch in scene.engine.snapshot().watches) < n:
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("n", [2, 40, 499])
def test_many_orders_due_are_one_request_for_the_list(n: int) -> None:
    async def run() -> None:
        async with live(config=waiting()) as scene:
            await asyncio.sleep(WARM)
            start = asyncio.get_running_loop().time()
            for _ in range(n):
                scene.follower.watch(scene.world.place(BUY, Fate.NEVER))
            await until_all_seen(scene, n)
            assert len(since(scene, start, Op.LIST)) == 1
            assert since(scene, start, Op.LOOK) == []
            for watch in scene.engine.snapshot().watches:
                scene.engine.watch(watch.order_id).release()

    run_virtual(run)


@virtual
async def test_one_order_is_asked_by_its_id() -> None:
    async with live(config=waiting()) as scene:
        order_id = scene.world.place(BUY, Fate.NEVER)
        scene.engine.watch(order_id)
        await asyncio.sleep(WARM)
        looks = since(scene, 0.0, Op.LOOK)
        assert {look.target for look in looks} == {order_id}
        assert len(looks) >= 30
        assert since(scene, 0.0, Op.LIST) == []


@virtual
async def test_1200_orders_are_three_pages() -> None:
    async with live(config=waiting()) as scene:
        await asyncio.sleep(WARM)
        start = asyncio.get_running_loop().time()
        for order_id in scene.world.populate(1_200, mix={Fate.NEVER: 1}):
            scene.engine.watch(order_id)
        await until_all_seen(scene, 1_200)
        assert len(since(scene, start, Op.LIST)) == 3
        assert since(scene, start, Op.LOOK) == []


@virtual
async def test_a_truncated_list_proves_nothing() -> None:
    """Ours are older than several pages of others: they are found all the same, and never thought to be gone."""
    async with live(config=FillDetectionConfig(timeout_seconds=30.0), page_size=5) as scene:
        ours = [scene.world.place(BUY, fate) for fate in (Fate.SLOW, Fate.NEVER, Fate.SLOW)]
        await asyncio.sleep(0.5)
        for _ in range(60):
            scene.world.place(SELL, Fate.NEVER, foreign=True)
        watches = [scene.follower.watch(order_id) for order_id in ours]
        results = await asyncio.gather(*watches)
        assert {look.target for look in since(scene, 0.0, Op.LOOK)} == set(ours)
        assert [watch.belief.missing_as_of for watch in watches] == [-math.inf] * 3
    assert [result.outcome for result in results] == [FillOutcome.FILLED, FillOutcome.TIMED_OUT, FillOutcome.FILLED]
    assert scene.violations() == []


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_orders_that_the_list_leaves_out_are_asked_by_id(seed: int) -> None:
    async def run() -> None:
        faults = Faults(absent_from_list=1.0, absent_seconds=8.0)
        async with live(seed, config=waiting(), faults=faults) as scene:
            ids = scene.world.populate(12, mix={Fate.SLOW: 1})
            results = await asyncio.gather(*(scene.follower.watch(order_id) for order_id in ids))
            assert since(scene, 0.0, Op.LOOK)
            assert all(result.filled for result in results)
        assert scene.violations() == []

    run_virtual(run, seed=seed)


def test_the_tape_is_read_more_when_the_list_takes_several_pages() -> None:
    async def tape_reads(page_size: int) -> int:
        async with live(config=waiting(), page_size=page_size) as scene:
            for order_id in scene.world.populate(40, mix={Fate.NEVER: 1}):
                scene.engine.watch(order_id)
            await asyncio.sleep(WARM)
            return len(since(scene, 0.0, Op.FILLS))

    assert run_virtual(lambda: tape_reads(10)) > 2 * run_virtual(lambda: tape_reads(500))


@virtual
async def test_the_tape_tells_a_fill_before_the_sweep_comes_round() -> None:
    async with live(config=waiting(), page_size=10) as scene:
        for order_id in scene.world.populate(150, mix={Fate.NEVER: 1}):
            scene.engine.watch(order_id)
        await asyncio.sleep(WARM)
        ids = [scene.world.place(BUY, Fate.INSTANT) for _ in range(5)]
        await asyncio.gather(*(scene.engine.watch(order_id) for order_id in ids))
        assert asyncio.get_running_loop().time() <= max(scene.ledger.truth(i).ended_at or math.inf for i in ids) + 3.0


@virtual
async def test_spare_budget_looks_earlier_than_the_interval() -> None:
    """The interval is the longest an order may go unseen, not the pace."""
    async with live(config=waiting(interval_for=lambda belief: 500.0)) as scene:
        await asyncio.sleep(WARM)
        start = asyncio.get_running_loop().time()
        order_id = scene.world.place(BUY, Fate.SLOW)
        assert (await scene.engine.watch(order_id)).filled
        ended = scene.ledger.truth(order_id).ended_at
        assert ended is not None
        assert asyncio.get_running_loop().time() <= ended + 1.5
        assert len(since(scene, start, Op.LOOK)) >= 3


@virtual
async def test_nothing_is_asked_when_nothing_is_watched() -> None:
    async with live(config=waiting()) as scene:
        assert (await scene.engine.watch(scene.world.place(BUY, Fate.INSTANT))).filled
        await asyncio.sleep(WARM)
        rest = asyncio.get_running_loop().time()
        await asyncio.sleep(600.0)
        assert since(scene, rest, Op.LOOK, Op.LIST) == []


@virtual
async def test_an_unanswered_read_is_no_answer_and_its_orders_are_due_again() -> None:
    async with live(config=waiting()) as scene:
        for kind in (Kind.SERVER_ERROR, Kind.TIMEOUT_AFTER, Kind.CUT_OFF, Kind.RESET_BEFORE):
            scene.world.strike(kind, Op.LIST, times=2)
        ids = [scene.world.place(request, Fate.SLOW) for request in (BUY, SELL, BUY)]
        results = await asyncio.gather(*(scene.follower.watch(order_id) for order_id in ids))
    assert [result.outcome for result in results] == [FillOutcome.FILLED] * 3
    assert sum(bool(arrival.fault) for arrival in scene.ledger.arrivals) >= 2
    assert scene.violations() == []


@pytest.mark.parametrize("share", [0.5, 0.9])
@pytest.mark.parametrize("orders", [1, 30])
def test_no_window_holds_more_requests_than_our_share(share: float, orders: int) -> None:
    async def run() -> None:
        rate = RateLimit(limit=60, share=share)
        config = FillDetectionConfig(timeout_seconds=90.0, rate_limit=rate)
        async with live(config=config, page_size=7, requests_per_minute=60) as scene:
            ids = scene.world.populate(orders)
            await asyncio.gather(*(scene.engine.watch(order_id) for order_id in ids))
            await asyncio.sleep(30.0)
            assert scene.ledger.worst_window() <= rate.granted
            assert not any(arrival.status == 429 for arrival in scene.ledger.arrivals)

    run_virtual(run)


@virtual
async def test_a_deadline_that_is_woken_for_a_hair_early_is_not_slept_through() -> None:
    """Sixty orders share twelve requests a minute: slow, but each watch ends."""
    loop = asyncio.get_running_loop()
    world = World(0, clock=loop.time, requests_per_minute=60, timeout=90.0)
    ids = world.populate(60)
    config = FillDetectionConfig(timeout_seconds=90.0, rate_limit=RateLimit(limit=60, share=0.2))
    async with FillDetectionEngine(SimulatedBroker(world, page_size=7), config) as engine, asyncio.timeout(1_800.0):
        results = [result async for result in engine.as_resolved(ids)]
    assert len(results) == len(ids)


@virtual
async def test_an_order_whose_look_by_id_fails_for_good_is_seen_by_another_route() -> None:
    """Decision D2: look again through another route."""
    faults = Faults(rules=(Rule(kind=Kind.SERVER_ERROR, operations=frozenset({Op.LOOK})),))
    async with live(config=waiting(), faults=faults) as scene:
        order_id = scene.world.place(BUY, Fate.SLOW)
        result = await scene.follower.watch(order_id)
        assert result.filled
        assert asyncio.get_running_loop().time() - (scene.ledger.truth(order_id).ended_at or 0.0) <= 4.0
    assert scene.violations() == []


def tend(scene: Live, order_id: str, act: Act, share: float = 1.0) -> None:
    """This happens to the order now."""
    market, step = scene.world.door.market, Step(after=0.0, act=act, share=share)
    market.schedule(market.records[order_id], step, asyncio.get_running_loop().time(), last=False)
    scene.world.advance()


@virtual
async def test_pages_keep_an_even_beat_whatever_else_is_asked() -> None:
    """Proofs of ends, positions and first looks at new orders are paid for by what the beat leaves over."""
    rate = RateLimit()
    async with live(config=waiting()) as scene:
        ids = [scene.world.place(LIMITED, Fate.NEVER) for _ in range(30)]
        for order_id in ids:
            scene.engine.watch(order_id, at_timeout="leave")
        await asyncio.sleep(WARM)
        start = asyncio.get_running_loop().time()
        for number, order_id in enumerate(ids):
            await asyncio.sleep(1.7)
            tend(scene, order_id, Act.CANCEL if number % 3 == 0 else Act.FILL)
            await asyncio.sleep(0.9)
            scene.engine.watch(scene.world.place(LIMITED, Fate.NEVER), at_timeout="leave")
        pages = [arrival.t for arrival in since(scene, start, Op.LIST)]
        gaps = [after - before for before, after in pairwise(pages)]
        assert max(gaps) <= 1.35 * 60.0 / rate.granted  # the beat, and a shorter way to the broker than the time before
        assert len(since(scene, start, Op.FILLS, Op.POSITIONS)) >= 15


@virtual
async def test_the_proof_of_an_end_does_not_read_the_tape_from_the_beginning() -> None:
    """What was read while the order was watched was told to it; only what came since is read."""
    async with live(config=waiting()) as scene:
        order_id = scene.world.place(BUY, Fate.NEVER)
        watch = scene.engine.watch(order_id, at_timeout="leave")
        scene.engine.watch(scene.world.place(BUY, Fate.NEVER), at_timeout="leave")
        for _ in range(260):  # nearly three pages
            await asyncio.sleep(0.25)
            scene.world.place(SELL, Fate.INSTANT, foreign=True)
        await asyncio.sleep(WARM)
        start = asyncio.get_running_loop().time()
        tend(scene, order_id, Act.CANCEL)
        assert (await watch).outcome is FillOutcome.CANCELED
        assert len(since(scene, start, Op.FILLS)) == 1


@virtual
async def test_the_tape_is_taken_back_for_an_order_that_was_handed_in_late() -> None:
    """Its executions were read when nobody watched it, and hundreds of others since."""
    async with live(config=waiting()) as scene:
        late = scene.world.place(BUY, Fate.NEVER)
        for _ in range(2):
            scene.engine.watch(scene.world.place(BUY, Fate.NEVER), at_timeout="leave")
        await asyncio.sleep(5.0)
        tend(scene, late, Act.FILL, 0.4)
        for _ in range(260):
            await asyncio.sleep(0.25)
            scene.world.place(SELL, Fate.INSTANT, foreign=True)
        await asyncio.sleep(30.0)
        watch = scene.engine.watch(late, at_timeout="leave")
        await asyncio.sleep(5.0)
        tend(scene, late, Act.CANCEL)
        assert (await watch).fill_quantity == 4
        tape = watch.belief.fullest_tape
        assert tape is not None
        assert tape.net == 4


def test_each_read_goes_over_the_newest_rows_again() -> None:
    """They fit in its page, so a row that came late is met for nothing; of few rows a read has the last seconds."""
    start = datetime(2026, 11, 23, 15, tzinfo=UTC)
    rows = [
        Execution(execution_id=str(n), order_id="o", qty=Decimal(1), price=Decimal(1), at=start + timedelta(minutes=n))
        for n in range(200)
    ]
    feed = TapeFeed()
    feed.reach_back(start)
    end = Fills(executions=(), complete=True, page_token=None, as_of=0.0)
    feed.take(replace(end, executions=tuple(rows[:100])), 1.0, feed.generation)
    feed.take(replace(end, executions=tuple(rows[90:])), 2.0, feed.generation)
    assert feed.after == start + timedelta(minutes=200 - ROWS_AGAIN)
    burst = [replace(row, execution_id=f"b{n}", at=start + timedelta(minutes=200)) for n, row in enumerate(rows)]
    feed.take(replace(end, executions=tuple(burst)), 3.0, feed.generation)
    assert feed.after == start + timedelta(minutes=200) - OVERLAP
