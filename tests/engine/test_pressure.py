"""More looks are due than can be sent: equal orders wait equally long, the young and those near their deadline less."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import pairwise
from statistics import median

import pytest

from fillwatch import FillDetectionConfig, FillDetectionEngine, OrderRequest
from fillwatch.brokers.base import Listing
from fillwatch.core.orders import Side
from fillwatch.core.schedule import NEAR, PASSED_OVER
from fillwatch.simulator import Fate, Op, SimulatedBroker, World
from fillwatch.simulator.plans import Act, Step
from fillwatch.testing import run_virtual, virtual
from fillwatch.testing.history import History, Phase
from fillwatch.testing.recorder import RecordingBroker

RESTING = OrderRequest(symbol="AAPL", side=Side.BUY, qty=Decimal(10), order_type="limit", limit_price=Decimal(10))
QUIET = FillDetectionConfig(timeout_seconds=math.inf, partial_fills="wait")
#: Requests a second that flow in with the default limit, roughly: 160 a minute, less the burst.
RATE = 2.5


def now() -> float:
    return asyncio.get_running_loop().time()


class Scene:
    """An engine over orders that rest, and all that was asked of their broker."""

    def __init__(self, world: World, engine: FillDetectionEngine, history: History) -> None:
        self.world, self.engine, self.history = world, engine, history

    def rest(self, count: int, *, timeout: float | None = None) -> list[str]:
        """So many more orders that rest, watched."""
        ids = [self.world.place(RESTING, Fate.NEVER) for _ in range(count)]
        for order_id in ids:
            self.engine.watch(order_id, timeout_seconds=timeout)
        return ids

    def release(self, ids: Iterable[str]) -> None:
        for order_id in ids:
            self.engine.watch(order_id).release()

    def looks(self, since: float = 0.0) -> Mapping[str, list[float]]:
        """When each order was asked for by its id."""
        times: dict[str, list[float]] = defaultdict(list)
        for arrival in self.world.ledger.arrivals:
            if arrival.operation == Op.LOOK and arrival.t >= since:
                times[arrival.target].append(arrival.t)
        return times

    def gaps(self, ids: Iterable[str], since: float) -> list[float]:
        """Seconds between two looks at the same order, be it by its id or on a page of the list."""
        times: dict[str, list[float]] = defaultdict(list)
        for line in self.history.lines:
            if line.phase is Phase.OK and line.t >= since:
                if line.op == "look":
                    times[line.order].append(line.t)
                elif line.op == "list" and isinstance(line.value, Listing):
                    for order in line.value.orders:
                        times[order.order_id].append(line.t)
        assert all(len(times[order_id]) >= 4 for order_id in ids)
        return [after - before for order_id in ids for before, after in pairwise(times[order_id])]

    async def first_seen(self, *, timeout: float | None = None) -> float:
        """Seconds until one more order was seen."""
        began, watch = now(), self.engine.watch(self.rest(1, timeout=timeout)[0], timeout_seconds=timeout)
        while watch.age == math.inf:
            await asyncio.sleep(0.01)
        return now() - began


@asynccontextmanager
async def scene(*, page_size: int = 0, tape: int = 0, config: FillDetectionConfig = QUIET) -> AsyncIterator[Scene]:
    """By default at a broker that has neither a list nor a tape."""
    history = History(now)
    world = World(1, clock=now)
    broker = RecordingBroker(SimulatedBroker(world, page_size=page_size, fills_page_size=tape), history)
    async with FillDetectionEngine(broker, config) as engine:
        yield Scene(world, engine, history)


@pytest.mark.parametrize(
    ("orders", "page_size", "tape"),
    [(60, 0, 0), (30, 0, 100), (300, 10, 100), (300, 10, 0)],
    ids=["one by one", "one by one beside the tape", "pages beside the tape", "pages"],
)
def test_under_pressure_intervals_stretch_evenly_and_shrink_back(orders: int, page_size: int, tape: int) -> None:
    """Many times the longest interval between two looks at each of them, and for all of them nearly the same."""

    async def run() -> None:
        async with scene(page_size=page_size, tape=tape) as stage:
            ids = stage.rest(orders)
            await asyncio.sleep(120.0)
            since = now()
            await asyncio.sleep(300.0)
            gaps = stage.gaps(ids, since)
            assert median(gaps) >= 5.0 * QUIET.max_poll_interval
            assert max(gaps) <= 1.1 * median(gaps)
            stage.release(ids[3:])
            await asyncio.sleep(2.0 * max(gaps))
            since = now()
            await asyncio.sleep(60.0)
            assert max(stage.gaps(ids[:3], since)) <= 3.0 * QUIET.max_poll_interval

    run_virtual(run)


def test_young_orders_are_seen_at_once_however_many_wait_and_these_go_on_being_seen() -> None:
    """A new one every four seconds among two hundred that fill the budget: they would be seen after a minute and more.

    The others pay with a share of their looks, and not one more than another.
    """

    async def run() -> None:
        async with scene() as stage:
            ids = stage.rest(200)
            await asyncio.sleep(300.0)
            since = now()
            for _ in range(200):
                assert await stage.first_seen(timeout=60.0) < 1.5
                await asyncio.sleep(4.0)
            gaps = stage.gaps(ids, since)
            assert max(gaps) <= (PASSED_OVER + 1) * len(ids) / RATE
            assert max(gaps) <= 1.3 * median(gaps)

    run_virtual(run)


@pytest.mark.parametrize("orders", [20, 200])
def test_an_order_is_seen_shortly_before_its_deadline_however_many_wait(orders: int) -> None:
    """Handed in early, so that it is not young any more: its last look is then not the first for a minute."""

    async def run() -> None:
        async with scene() as stage:
            stage.rest(orders)
            await asyncio.sleep(60.0)
            (order_id,) = stage.rest(1, timeout=90.0)
            deadline = now() + 90.0
            await asyncio.sleep(89.9)
            near = [t for t in stage.looks(deadline - NEAR - 0.1)[order_id] if t < deadline]
            assert len(near) == 1 or orders == 20
            assert near

    run_virtual(run)


@virtual
async def test_an_order_that_a_long_list_leaves_out_is_looked_at_as_often_as_the_others() -> None:
    """The simulated list loses one at a seam of its pages, time and again; nothing but a look by its id shows it."""
    async with scene(page_size=10, tape=100) as stage:
        ids = stage.rest(200)
        await asyncio.sleep(240.0)
        since = now()
        await asyncio.sleep(240.0)
        assert max(map(len, stage.looks(since).values())) >= 8
        gaps = stage.gaps(ids, since)
        assert max(gaps) <= 1.3 * median(gaps)


@virtual
async def test_a_new_order_is_seen_long_before_the_sweep_that_is_under_way_has_ended() -> None:
    """It is on the first page of a list of fifty, of which one comes every second."""
    async with scene(page_size=10, tape=100) as stage:
        stage.rest(500)
        await asyncio.sleep(120.0)
        for _ in range(10):
            assert await stage.first_seen() < 2.5
            await asyncio.sleep(7.0)


@virtual
async def test_new_orders_do_not_keep_a_long_sweep_from_going_on() -> None:
    """With one that comes with every page it has every other page."""
    async with scene(page_size=10, tape=100) as stage:
        stage.rest(200)
        await asyncio.sleep(120.0)
        since = now()
        for _ in range(200):
            stage.rest(1)
            await asyncio.sleep(0.5)
        asked = [line.value for line in stage.history.of("list", Phase.INVOKE) if line.t >= since]
        first = sum(isinstance(bounds, dict) and bounds["until"] is None for bounds in asked)
        assert 0.4 * len(asked) <= first <= 0.55 * len(asked)


@virtual
async def test_without_a_list_the_tape_tells_what_looks_at_one_order_after_the_other_would_tell_late() -> None:
    """A hundred orders take forty seconds; the tape has its turn several times in each of them."""
    async with scene(tape=100) as stage:
        ids = stage.rest(100)
        await asyncio.sleep(120.0)
        market = stage.world.door.market
        for order_id in ids[:10]:
            market.schedule(market.records[order_id], Step(after=0.0, act=Act.FILL), now(), last=False)
            stage.world.advance()
            began = now()
            assert (await stage.engine.watch(order_id)).filled
            assert now() - began < 1.0
            await asyncio.sleep(3.3)
