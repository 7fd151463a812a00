"""Hand many orders to one engine and take each result as it comes, while requests fail now and then.

The looks of all watches share one budget of requests: a hundred orders cost hardly more than one.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from fillwatch import FillDetectionConfig, FillDetectionEngine, FillOutcome
from fillwatch.simulator import Faults, SimulatedBroker, World


async def main() -> Counter[FillOutcome]:
    world = World(seed=7, clock=asyncio.get_running_loop().time, faults=Faults.rate(0.05), timeout=20)
    order_ids = world.populate(100, needs_cancel_at_most=10)
    outcomes: Counter[FillOutcome] = Counter()
    async with FillDetectionEngine(SimulatedBroker(world), FillDetectionConfig(timeout_seconds=20)) as engine:
        async for result in engine.as_resolved(order_ids):
            outcomes[result.outcome] += 1
            if result.outcome is FillOutcome.UNRESOLVED:
                print(f"{result.order_id} may be live: {result.reason}")
    print(", ".join(f"{outcome} {count}" for outcome, count in outcomes.most_common()))
    print(f"{len(world.ledger.arrivals)} requests, {world.ledger.worst_window()} in the worst minute")
    return outcomes


if __name__ == "__main__":
    asyncio.run(main())
