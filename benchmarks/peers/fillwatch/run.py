# mypy: ignore-errors
# Its packages are in an environment of its own, where no type checker goes.
"""fillwatch over HTTP: `run.py polling` or `run.py stream`."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from typing import Any

from telling import asked, figure, ready, tell

from fillwatch import AlpacaBroker, FillDetectionConfig, FillDetectionEngine, FillResult, OrderWatch, RateLimit

#: Seconds between two beats.
BEAT = 0.01


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
        timeout_seconds=question["timeout"] or 1e6, rate_limit=RateLimit(share=question["share"]), partial_fills="wait"
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
        await asyncio.sleep(question["settling"])
        ready()
        await beat()


async def beat() -> None:
    """Tell, whenever it grows, how late a task of this loop is waked that nobody holds up but the engine."""
    loop, worst, late = asyncio.get_running_loop(), 0.0, []
    while True:
        due = loop.time() + BEAT
        await asyncio.sleep(BEAT)
        late.append(loop.time() - due)
        if late[-1] > worst:
            worst = late[-1]
            figure("loop late, worst", worst)
        if len(late) % 500 == 0:
            figure("loop late, p99", sorted(late)[len(late) * 99 // 100])


if sys.argv[1] == "tracker":
    import tracker  # noqa: F401
else:
    asyncio.run(main(sys.argv[1]))
