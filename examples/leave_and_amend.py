"""Watch an order that is not ours to cancel, and hear of what happens after its result.

At the timeout the order is left alone: the result is UNRESOLVED, and the engine keeps looking. When the order fills
later, an amendment says so; the result itself never changes.
"""

from __future__ import annotations

import asyncio

from fillwatch import Amendment, FillDetectionEngine
from fillwatch.simulator import Fate, SimulatedBroker, World


async def main() -> Amendment:
    world = World(seed=7, clock=asyncio.get_running_loop().time)
    order_id = world.place(fate=Fate.RESTAMPED)  # fills after 4 to 9 seconds
    async with FillDetectionEngine(SimulatedBroker(world)) as engine:
        result = await engine.monitor_order_fill(order_id, timeout_seconds=2, at_timeout="leave")
        print(f"after {result.elapsed_time:.1f} s: {result.outcome}, {result.reason}")
        async for amendment in engine.amendments():
            after = amendment.amended
            print(f"later: {amendment.kind}, {after.outcome}, {after.fill_quantity} at {after.fill_price}")
            if after.outcome.is_end:
                return amendment
    raise AssertionError("the engine was closed before the order ended")


if __name__ == "__main__":
    asyncio.run(main())
