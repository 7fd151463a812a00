# mypy: ignore-errors
# Its packages are in an environment of its own, where no type checker goes.
"""fillwatch over HTTP: `run.py polling` or `run.py stream`."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from typing import Any

from telling import asked, ready, tell

from fillwatch import AlpacaBroker, FillDetectionConfig, FillDetectionEngine, FillResult, OrderWatch, RateLimit


class Polling(AlpacaBroker):
    """As if Alpaca had no stream."""

    @property
    def caps(self) -> Any:  # noqa: ANN401 - a frozen struct of the base class
        """Without the stream."""
        return replace(super().caps, stream=False)


async def main(how: str) -> None:
    question = asked()
    kind = Polling if how == "polling" else AlpacaBroker
    broker = kind(question["key"], question["secret"], base_url=question["url"], stream_url=question["stream_url"])
    config = FillDetectionConfig(
        timeout_seconds=question["timeout"] or 1e6, rate_limit=RateLimit(share=0.95), partial_fills="wait"
    )
    leave = "cancel" if question["timeout"] else "leave"

    def say(result: FillResult) -> None:
        tell(result.order_id, result.outcome, result.fill_quantity, result.fill_price)

    async def follow(watch: OrderWatch) -> None:
        say(await watch)

    async def amended(engine: FillDetectionEngine) -> None:
        async for amendment in engine.amendments():
            say(amendment.amended)

    async with asyncio.TaskGroup() as group, FillDetectionEngine(broker, config) as engine:
        group.create_task(amended(engine))
        for order_id in question["orders"]:
            group.create_task(follow(engine.watch(order_id, at_timeout=leave)))
        await asyncio.sleep(3.0)
        ready()
        await asyncio.sleep(1e6)


if sys.argv[1] == "tracker":
    import tracker  # noqa: F401
else:
    asyncio.run(main(sys.argv[1]))
