"""One real trade against the paper account of the environment, when its keys are set: `pytest -m paper`."""

from __future__ import annotations

import asyncio
import os

import pytest

from fillwatch.brokers.alpaca import AlpacaBroker
from fillwatch.core.evidence import Seen
from fillwatch.engine.engine import FillDetectionEngine
from fillwatch.execution.executor import SmartOrderExecutor

KEYS = ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY")


@pytest.mark.paper
@pytest.mark.skipif(not all(os.environ.get(name) for name in KEYS), reason="no keys of a paper account are set")
def test_one_share_is_bought_and_protected_on_paper() -> None:
    """FILLWATCH_PAPER_PRICE is what a share of FILLWATCH_PAPER_SYMBOL (F) costs; the exits are cancelled afterwards."""
    symbol = os.environ.get("FILLWATCH_PAPER_SYMBOL", "F")
    price = os.environ.get("FILLWATCH_PAPER_PRICE")
    if price is None:
        pytest.skip("FILLWATCH_PAPER_PRICE is not set")

    async def run() -> None:
        broker = AlpacaBroker.from_env()
        assert "paper" in repr(broker), "this test trades on paper accounts only"
        async with FillDetectionEngine(broker) as engine:
            result = await SmartOrderExecutor(engine).execute_trade(symbol, "buy", 1, price, 1)
            assert result.position_protected, result.reason
            for order_id in result.exit_order_ids:
                assert isinstance(await engine.trading.look(order_id), Seen)
            for order_id in result.exit_order_ids[:1]:
                await engine.trading.cancel(order_id)

    asyncio.run(run())
