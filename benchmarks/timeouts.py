"""A thousand orders whose time is over at the same moment: a thousand cancels, at 200 requests a minute."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from benchmarks.crowd import LIMIT, ROUND_TRIP
from benchmarks.figures import Figure, Row, keep
from fillwatch import FillDetectionConfig, FillDetectionEngine, FillOutcome, FillResult, RateLimit
from fillwatch.simulator import Fate, SimulatedBroker, World
from fillwatch.testing import run_virtual

ORDERS, TIMEOUT, SHARE = 1_000, 30.0, 0.8
#: Seconds between two hand-ins, so that it is known who comes first; and by how many places he may be late.
APART, MOVED = 0.001, 50
#: How much longer than the requests themselves need the last cancel may take: looks go between them.
OVERHEAD = 1.25


def timeouts() -> Iterator[str]:
    """The order in which they are served, and how long the last one waits."""
    began = time.perf_counter()
    results: dict[str, tuple[float, FillResult]] = {}
    cancels: list[tuple[float, str]] = []
    seen: dict[str, object] = {}

    async def main() -> None:
        loop = asyncio.get_running_loop()
        world = World(1, clock=loop.time, requests_per_minute=LIMIT)
        config = FillDetectionConfig(
            timeout_seconds=TIMEOUT, rate_limit=RateLimit(limit=LIMIT, share=SHARE), resolution_seconds=30.0
        )
        async with FillDetectionEngine(SimulatedBroker(world, latency=(ROUND_TRIP, ROUND_TRIP)), config) as engine:
            order_ids = [world.place(None, Fate.NEVER) for _ in range(ORDERS)]
            due = loop.time() + TIMEOUT

            async def told(order_id: str) -> None:
                result = await engine.watch(order_id)
                results[order_id] = (loop.time(), result)

            async with asyncio.TaskGroup() as group:
                for order_id in order_ids:
                    group.create_task(told(order_id))
                    await asyncio.sleep(APART)
            arrivals = world.ledger.arrivals
            cancels.extend((a.t - due, a.target) for a in arrivals if a.operation == "cancel" and a.committed)
            place_of = {order_id: place for place, order_id in enumerate(order_ids)}
            served = [place_of[target] for _, target in cancels if target in place_of]
            seen.update(
                moved=max(abs(at - place) for at, place in enumerate(served)),
                twice=len(served) - len(set(served)),
                refused=sum(a.status == 429 for a in arrivals),
                worst=world.ledger.worst_window(),
                operations=dict(Counter(a.operation for a in arrivals)),
                lasted=loop.time() - due,
            )

    run_virtual(main, seed=1)
    outcomes = Counter(result.outcome for _, result in results.values())
    needed = ORDERS / (LIMIT * SHARE / 60)
    figures = (
        Figure(name="last cancel after", value=cancels[-1][0], unit="s", bound=needed, at_most=needed * OVERHEAD),
        Figure(name="last result after", value=float(str(seen["lasted"])), unit="s", bound=needed),
        Figure(name="furthest moved in the queue", value=int(str(seen["moved"])), unit="places", at_most=MOVED),
        Figure(name="cancelled twice", value=int(str(seen["twice"])), at_most=0),
        Figure(name="timed out, as it should be", value=outcomes[FillOutcome.TIMED_OUT], at_least=ORDERS),
        Figure(name="429s", value=int(str(seen["refused"])), at_most=0),
        Figure(name="requests in the worst minute", value=int(str(seen["worst"])), at_most=LIMIT),
    )
    facts: dict[str, object] = {
        "orders": ORDERS,
        "share": SHARE,
        "operations": seen["operations"],
        "cancels": [round(at, 3) for at, _ in cancels],
        "outcomes": {outcome.value: count for outcome, count in outcomes.items()},
    }
    name = f"{ORDERS:,} time-outs at once, share {SHARE:g}"
    row = Row(case=name, figures=figures, facts=facts, seconds=time.perf_counter() - began)
    yield from row.lines
    keep("timeouts", [row])


BENCHMARKS: Mapping[str, Callable[[], Iterator[str]]] = MappingProxyType({"timeouts": timeouts})
