"""A bot to be killed: `python -m tests.engine.watch_child JOURNAL ORDER_ID...`.

It takes up what earlier lives left open, watches these orders as well, prints a line for each result and amendment, and
ends when nothing is left to be known. Keys and address come from the environment.
"""

from __future__ import annotations

import asyncio
import os
import sys

from fillwatch.brokers.alpaca import AlpacaBroker
from fillwatch.core.config import FillDetectionConfig, RateLimit
from fillwatch.core.results import FillResult
from fillwatch.engine.engine import FillDetectionEngine
from fillwatch.engine.watch import OrderWatch
from fillwatch.journal import SqliteJournal

#: Nothing waits for its turn; an order that is not filled within three seconds is cancelled.
WATCHING = FillDetectionConfig(
    rate_limit=RateLimit(limit=60_000),
    initial_poll_interval=0.1,
    max_poll_interval=0.2,
    timeout_seconds=3.0,
    resolution_seconds=2.0,
)


def tell(result: FillResult) -> None:
    os.write(1, f"{result.order_id} {result.outcome.value} {result.fill_quantity}\n".encode())


async def live(path: str, order_ids: list[str]) -> None:
    async with (
        SqliteJournal(path) as journal,
        FillDetectionEngine(AlpacaBroker.from_env(), WATCHING, journal=journal) as engine,
        asyncio.TaskGroup() as group,
    ):

        async def hear() -> None:
            async for late in engine.amendments():
                tell(late.amended)

        async def follow(watch: OrderWatch) -> None:
            tell(await watch)

        hearing = group.create_task(hear())
        watches = [*await engine.recover(), *(engine.watch(order_id) for order_id in order_ids)]
        await asyncio.gather(*(follow(watch) for watch in watches))
        while engine.snapshot().watches:
            await asyncio.sleep(0.05)
        hearing.cancel()


if __name__ == "__main__":
    asyncio.run(live(sys.argv[1], sys.argv[2:]))
