"""What wakes an order's task, and what need not."""

from __future__ import annotations

import asyncio

import pytest

from fillwatch import FillDetectionConfig, FillOutcome
from fillwatch.simulator import Fate
from fillwatch.testing import virtual
from tests.worlds.live import live


@pytest.mark.parametrize("policy", ["wait", "cancel_remainder"])
def test_the_time_out_of_an_order_type_holds_from_the_first_description_on(policy: str) -> None:
    @virtual
    async def run() -> None:
        config = FillDetectionConfig(timeout_seconds=600.0, timeouts={"market": 5.0}, partial_fills=policy)
        async with live(config=config) as scene:
            await asyncio.sleep(60.0)
            began = asyncio.get_running_loop().time()
            result = await scene.follower.watch(scene.world.place(fate=Fate.NEVER))
            assert result.outcome is FillOutcome.TIMED_OUT
            assert asyncio.get_running_loop().time() < began + 15.0

    run()
