"""A bot to be killed: `python -m tests.execution.crash_child JOURNAL LIFE SYMBOL@PRICE...`.

It says that it is ready, takes up what earlier lives left open, makes one trade in each symbol meanwhile, and prints a
line for each result.
Without symbols it only takes up what is open, and ends. Keys and address come from the environment.
"""

from __future__ import annotations

import asyncio
import os
import sys

from fillwatch.brokers.alpaca import AlpacaBroker
from fillwatch.core.config import FillDetectionConfig, RateLimit
from fillwatch.core.trade_result import TradeResult
from fillwatch.core.trade_terms import ExecutorConfig
from fillwatch.engine.engine import FillDetectionEngine
from fillwatch.execution.executor import SmartOrderExecutor
from fillwatch.journal import SqliteJournal

#: Nothing waits for its turn; entries that are not filled soon are given up.
WATCHING = FillDetectionConfig(rate_limit=RateLimit(limit=60_000), initial_poll_interval=0.1, max_poll_interval=0.2)
TRADING = ExecutorConfig(
    fill_timeout_seconds=3.0, quarantine_seconds=2.0, submit_patience_seconds=2.0, exit_patience_seconds=5.0
)
QUANTITY = 10


def tell(result: TradeResult) -> None:
    filled = None if result.fill is None else result.fill.fill_quantity
    line = f"{result.intent_id} {filled or 0} {int(result.position_protected)} {result.reason}\n"
    os.write(1, line.encode())


async def live(path: str, life: str, symbols: list[str]) -> None:
    async with (
        SqliteJournal(path) as journal,
        FillDetectionEngine(AlpacaBroker.from_env(), WATCHING, journal=journal) as engine,
        asyncio.TaskGroup() as group,
    ):
        executor = SmartOrderExecutor(engine, TRADING)
        assert await engine.recover() == ()  # every order is a trade's

        async def trade(symbol: str, price: str) -> None:
            tell(await executor.execute_trade(symbol, "buy", QUANTITY, price, 2, intent_id=f"{life}-{symbol}"))

        for symbol in symbols:
            group.create_task(trade(*symbol.split("@")))
        for result in await executor.recover():
            tell(result)


if __name__ == "__main__":
    os.write(1, b"ready\n")
    asyncio.run(live(sys.argv[1], sys.argv[2], sys.argv[3:]))
