"""One real trade against the paper account of the environment, when its keys are set: `pytest -m paper`. The same trade
goes to a simulated account over HTTP in every run, so that it is known to work when the keys come."""

from __future__ import annotations

import asyncio
import os

import pytest

from fillwatch.brokers.alpaca import AlpacaBroker
from fillwatch.core.config import FillDetectionConfig
from fillwatch.core.evidence import Seen
from fillwatch.core.trade_terms import ExecutorConfig
from fillwatch.engine.engine import FillDetectionEngine
from fillwatch.execution.executor import SmartOrderExecutor
from fillwatch.simulator import Fate, World
from fillwatch.simulator.server import serve

KEYS = ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY")


async def one_trade(broker: AlpacaBroker, symbol: str, price: str) -> None:
    """A share is bought and protected; then its exits are cancelled, and it is sold by the policy for lost exits."""
    async with FillDetectionEngine(broker, FillDetectionConfig(timeout_seconds=60)) as engine:
        executor = SmartOrderExecutor(engine, ExecutorConfig(on_lost_exits="close"))
        result = await executor.execute_trade(symbol, "buy", 1, price, 1)
        assert result.position_protected, result.reason
        if result.fill is None or not result.fill.fill_quantity:
            return  # the price has moved away: nothing was bought, and nothing has to be sold
        assert result.success, result.reason
        for order_id in result.exit_order_ids:
            assert isinstance(await engine.trading.look(order_id), Seen)
        changes = executor.amendments()
        await engine.trading.cancel(result.exit_order_ids[0])
        async with asyncio.timeout(120.0):
            async for amendment in changes:
                if amendment.kind == "closed":
                    assert amendment.amended.exit_quantity == 1
                    return


@pytest.mark.paper
@pytest.mark.skipif(not all(os.environ.get(name) for name in KEYS), reason="no keys of a paper account are set")
def test_one_share_is_bought_protected_and_sold_on_paper() -> None:
    """FILLWATCH_PAPER_PRICE is what a share of FILLWATCH_PAPER_SYMBOL (F) costs."""
    price = os.environ.get("FILLWATCH_PAPER_PRICE")
    if price is None:
        pytest.skip("FILLWATCH_PAPER_PRICE is not set")
    broker = AlpacaBroker.from_env()
    assert "live=False" in repr(broker), "this test does not trade with money"
    asyncio.run(one_trade(broker, os.environ.get("FILLWATCH_PAPER_SYMBOL", "F"), price))


def test_the_trade_of_the_paper_account_on_a_simulated_one() -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        world = World(1, clock=loop.time, fate=Fate.MARKET)
        async with serve(world) as address:
            broker = AlpacaBroker(address.key, address.secret, base_url=address.url)
            await one_trade(broker, "F", str(world.price("F")))
        assert len(world.ledger.order_ids) == 4

    asyncio.run(run())
