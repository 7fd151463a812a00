"""Watch one order until it has its result, and see each change on the way.

Runs against the simulated broker. With an account of your own, three lines are different:

    broker = AlpacaBroker.from_env()
    order_id = ...                                  # of an order your bot has sent
    asyncio.run(follow(broker, order_id))
"""

from __future__ import annotations

import asyncio
from decimal import Decimal

from fillwatch import Broker, FillDetectionConfig, FillDetectionEngine, FillResult, OrderRequest
from fillwatch.core.orders import Side
from fillwatch.simulator import Fate, SimulatedBroker, World


async def follow(broker: Broker, order_id: str) -> FillResult:
    config = FillDetectionConfig(timeout_seconds=30, max_slippage="0.25")
    async with FillDetectionEngine(broker, config) as engine:
        watch = engine.watch(order_id, expected_price="150.00")
        async for change in watch:
            print(f"{change.before or 'unseen'} -> {change.status}: {change.filled_quantity} executed")
        result = await watch
    print(f"{result.outcome}: {result.fill_quantity} at {result.fill_price}, found by {result.detection_method}")
    if result.slippage is not None:
        print(f"slippage {result.slippage:+.3f} %{', more than allowed' if result.slippage_exceeded else ''}")
    return result


async def main() -> FillResult:
    world = World(seed=7, clock=asyncio.get_running_loop().time)
    request = OrderRequest(
        symbol="AAPL", side=Side.BUY, qty=Decimal(100), order_type="limit", limit_price=Decimal("150.25")
    )
    order_id = world.place(request, Fate.MANY_PARTIALS)
    return await follow(SimulatedBroker(world), order_id)


if __name__ == "__main__":
    asyncio.run(main())
