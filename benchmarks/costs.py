"""The costs that bound how many orders one process can watch; the best of several runs, as other load only adds."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

from fillwatch import FillDetectionConfig, FillDetectionEngine, RateLimit
from fillwatch.core.belief import OrderBelief
from fillwatch.core.evidence import Route, Seen
from fillwatch.core.orders import OrderSnapshot, OrderStatus
from fillwatch.engine.limiter import Priority, RateLimiter
from fillwatch.simulator import SimulatedBroker, World
from fillwatch.testing import run_virtual

BEGAN = datetime(2026, 6, 15, 14, 30, tzinfo=UTC)
RUNS = 5


def _best(work: Callable[[], object]) -> float:
    """Seconds of the fastest of several runs."""

    def once() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return min(once() for _ in range(RUNS))


def absorb() -> Iterator[str]:
    """One piece of evidence into a belief: when it says nothing new, and when all of it is news."""
    count = 20_000
    first = OrderSnapshot(
        order_id="a", status=OrderStatus.NEW, qty=Decimal(count), filled_qty=Decimal(0), updated_at=BEGAN
    )
    same = Seen(order=first, route=Route.LIST, as_of=1.0)
    news = [
        Seen(
            order=replace(first, filled_qty=Decimal(n), updated_at=BEGAN + timedelta(milliseconds=n)),
            route=Route.LIST,
            as_of=float(n),
        )
        for n in range(1, count + 1)
    ]

    def stale() -> None:
        belief = OrderBelief("a")
        for _ in range(count):
            belief.absorb(same)

    def fresh() -> None:
        belief = OrderBelief("a")
        for evidence in news:
            belief.absorb(evidence)

    old, new = _best(stale) / count, _best(fresh) / count
    yield f"{old * 1e6:6.1f} µs evidence that says nothing new"
    yield f"{new * 1e6:6.1f} µs evidence that is news ({new / old:.1f} times as much)"


def limiter() -> Iterator[str]:
    """Acquisitions with ten thousand waiting, on virtual time."""
    waiters = 10_000

    async def crowd() -> None:
        gate = RateLimiter(RateLimit(limit=10_000_000, share=1.0))

        async def one() -> None:
            async with gate.permit(Priority.POLL):
                pass

        await asyncio.gather(*(one() for _ in range(waiters)))

    each = _best(lambda: run_virtual(crowd)) / waiters
    yield f"{each * 1e6:6.1f} µs an acquisition, its task and the virtual loop included"


def watches() -> Iterator[str]:
    """Memory of a thousand watches, parked."""
    count = 1_000

    async def hold() -> int:
        world = World(1, clock=asyncio.get_running_loop().time, requests_per_minute=None)
        ids = world.populate(count)
        config = FillDetectionConfig(timeout_seconds=3600.0)
        async with FillDetectionEngine(SimulatedBroker(world), config) as engine:
            tracemalloc.start()
            for order_id in ids:
                engine.watch(order_id)
            await asyncio.sleep(0)
            used, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            return used

    yield f"{run_virtual(hold) / count / 1000:6.1f} kB a watch with its task"


BENCHMARKS: Mapping[str, Callable[[], Iterator[str]]] = MappingProxyType(
    {"absorb": absorb, "limiter": limiter, "watches": watches}
)
