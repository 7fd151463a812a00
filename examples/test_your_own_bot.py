"""Test a bot of your own against the simulated broker, in virtual time: a minute passes in a few milliseconds.

The bot here buys and wants to know within a minute what it holds. The tests name the fate of its order; the ledger
knows the truth. Run it with pytest or as a script.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal

from fillwatch import Broker, FillDetectionEngine, FillOutcome, OrderRequest
from fillwatch.brokers.base import Accepted
from fillwatch.core.orders import Side
from fillwatch.simulator import Fate, SimulatedBroker, World
from fillwatch.testing import virtual


async def buy(broker: Broker, symbol: str, shares: int) -> Decimal | None:
    """Shares that the bot holds afterwards; None when that is not known."""
    answer = await broker.submit(OrderRequest(symbol=symbol, side=Side.BUY, qty=Decimal(shares)))
    assert isinstance(answer, Accepted)
    async with FillDetectionEngine(broker) as engine:
        result = await engine.monitor_order_fill(answer.order.order_id, timeout_seconds=60)
    return None if result.outcome is FillOutcome.UNRESOLVED else result.fill_quantity


def world_of(fate: Fate) -> World:
    return World(seed=7, clock=asyncio.get_running_loop().time, fate=fate)


@virtual
async def test_the_bot_holds_what_it_bought() -> None:
    assert await buy(SimulatedBroker(world_of(Fate.SLOW)), "AAPL", 40) == 40


@virtual
async def test_the_bot_holds_the_half_that_was_filled_while_it_cancelled() -> None:
    world = world_of(Fate.HALF_AFTER_CANCEL)
    held = await buy(SimulatedBroker(world), "AAPL", 40)
    assert held == world.ledger.position("AAPL")
    assert held is not None
    assert 0 < held < 40


@virtual
async def test_the_bot_holds_nothing_after_a_rejection() -> None:
    assert await buy(SimulatedBroker(world_of(Fate.REJECTED)), "AAPL", 40) == 0


def main() -> None:
    tests = (
        test_the_bot_holds_what_it_bought,
        test_the_bot_holds_the_half_that_was_filled_while_it_cancelled,
        test_the_bot_holds_nothing_after_a_rejection,
    )
    for test in tests:
        test()
        print(f"passed: {test.__name__}")


if __name__ == "__main__":
    main()
