"""Many orders at once: a long list without a 429, ten thousand watches, nobody unseen for long, memory that returns."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections import Counter
from decimal import Decimal

import pytest

from fillwatch.core import positions
from fillwatch.core.config import FillDetectionConfig
from fillwatch.core.ledger import Ledger
from fillwatch.core.orders import OrderRequest, Side
from fillwatch.core.results import FillOutcome
from fillwatch.engine import outcomes
from fillwatch.engine.case import Case
from fillwatch.engine.engine import FillDetectionEngine
from fillwatch.simulator import Fate, SimulatedBroker, World
from fillwatch.testing import run_virtual, virtual
from tests.worlds.live import live


@virtual(seed=1)
async def test_1200_open_orders_are_watched_without_a_429() -> None:
    async with live(config=FillDetectionConfig(timeout_seconds=20.0)) as scene:
        ids = scene.world.populate(1_200, mix={Fate.SLOW: 1})
        watches = [scene.follower.watch(order) for order in ids]
        results = await asyncio.gather(*watches)
        await asyncio.sleep(60.0)
    assert {result.outcome for result in results} == {FillOutcome.FILLED}
    assert not any(arrival.status == 429 for arrival in scene.ledger.arrivals)
    assert scene.violations() == []


@virtual(seed=2)
async def test_nobody_starves() -> None:
    """Invariant 16: hundreds of open orders over several pages, each seen every few seconds."""
    config = FillDetectionConfig(timeout_seconds=30.0, partial_fills="wait")  # cancels would take from the budget
    async with live(config=config, page_size=100) as scene:
        await asyncio.sleep(15.0)  # the rate limiter begins nearly empty
        ids = scene.world.populate(300, mix={Fate.SLOW: 3, Fate.LATE_REST: 1, Fate.ODD_STATUSES: 1})
        await asyncio.gather(*(scene.follower.watch(order) for order in ids))
    assert scene.violations(seen_within=6.0) == []


@virtual(seed=3)
async def test_10_000_concurrent_watches() -> None:
    config = FillDetectionConfig(timeout_seconds=600.0, partial_fills="wait")
    async with live(config=config, page_size=2_500) as scene:
        ids = scene.world.populate(10_000, mix={Fate.INSTANT: 1})
        watches = [scene.engine.watch(order) for order in ids]
        assert len(scene.engine.snapshot().watches) == 10_000
        results = await asyncio.gather(*watches)
    assert sum(result.filled for result in results) == 10_000
    assert scene.violations() == []


def test_memory_does_not_grow_with_the_orders_of_a_long_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariant 12: of the orders that ended only so many are kept, and the positions of the rest in one sum."""
    monkeypatch.setattr(outcomes, "ENDED_KEPT", 100)
    monkeypatch.setattr(positions, "FOLD_FROM", 300)
    sizes: list[tuple[int, int]] = []

    async def main() -> None:
        world = World(5, clock=asyncio.get_running_loop().time)
        request = OrderRequest(symbol="AAPL", side=Side.BUY, qty=Decimal(10))
        async with FillDetectionEngine(SimulatedBroker(world)) as engine:
            for _ in range(20):
                ids = [world.place(request, Fate.INSTANT, foreign=number % 2 == 0) for number in range(100)]
                await asyncio.gather(*(engine.watch(order) for order in ids[::2]))
                await asyncio.sleep(200.0)
                found = Counter(type(thing) for thing in gc.get_objects())
                sizes.append((found[Case], found[Ledger]))
            assert engine.positions["AAPL"] == 20 * 100 * 10

    run_virtual(main, seed=5)
    assert max(cases for cases, _ in sizes) <= 100
    assert max(ledgers for _, ledgers in sizes) <= 1_000
    assert sizes[-1][1] < sizes[len(sizes) // 2][1] + 300


def test_memory_returns() -> None:
    """Invariant 12: after the engine nothing of a watch is left, and while it runs ended watches leave it."""
    kept: list[weakref.ref[object]] = []

    async def main() -> None:
        world = World(4, clock=asyncio.get_running_loop().time)
        request = OrderRequest(symbol="AAPL", side=Side.BUY, qty=Decimal(10))
        async with FillDetectionEngine(SimulatedBroker(world)) as engine:
            kept.append(weakref.ref(engine))
            for _ in range(20):
                watch = engine.watch(world.place(request, Fate.INSTANT))
                kept.append(weakref.ref(watch))
                assert (await watch).filled
                del watch
            await asyncio.sleep(60.0)
            assert engine.snapshot().watches == ()
        del engine

    run_virtual(main, seed=4)
    gc.collect()
    assert [reference() for reference in kept if reference() is not None] == []
