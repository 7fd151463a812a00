"""A bot to be killed.

It says that it is ready, takes up what earlier lives left open, makes one trade in each symbol meanwhile, and tells a
line for each result. Without symbols it only takes up what is open, and ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path

from fillwatch.brokers.alpaca import AlpacaBroker
from fillwatch.core.config import FillDetectionConfig, RateLimit
from fillwatch.core.trade_result import TradeResult
from fillwatch.core.trade_terms import ExecutorConfig
from fillwatch.engine.engine import FillDetectionEngine
from fillwatch.execution.executor import SmartOrderExecutor
from fillwatch.journal import SqliteJournal
from fillwatch.simulator.server import Address

#: Nothing waits for its turn; entries that are not filled soon are given up.
WATCHING = FillDetectionConfig(rate_limit=RateLimit(limit=60_000), initial_poll_interval=0.1, max_poll_interval=0.2)
TRADING = ExecutorConfig(
    fill_timeout_seconds=3.0, quarantine_seconds=2.0, submit_patience_seconds=2.0, exit_patience_seconds=5.0
)
QUANTITY = 10
READY = "ready"


UNKNOWN = "?"


def line_of(result: TradeResult) -> str:
    if result.fill is not None:
        filled = UNKNOWN if result.fill.fill_quantity is None else str(result.fill.fill_quantity)
    else:
        filled = UNKNOWN if any(" in doubt: " in step.what for step in result.steps) else "0"
    return f"{result.intent_id} {filled} {int(result.position_protected)} {result.reason}"


async def live(
    address: Address, path: Path, life: int, prices: Mapping[str, Decimal], tell: Callable[[str], None]
) -> None:
    async with (
        SqliteJournal(path) as journal,
        FillDetectionEngine(
            AlpacaBroker(address.key, address.secret, base_url=address.url), WATCHING, journal=journal
        ) as engine,
        asyncio.TaskGroup() as group,
    ):
        executor = SmartOrderExecutor(engine, TRADING)
        assert await engine.recover() == ()  # every order is a trade's

        async def trade(symbol: str, price: Decimal) -> None:
            result = await executor.execute_trade(symbol, "buy", QUANTITY, price, 2, intent_id=f"{life}-{symbol}")
            tell(line_of(result))

        for symbol, price in prices.items():
            group.create_task(trade(symbol, price))
        for result in await executor.recover():
            tell(line_of(result))


def run(address: Address, path: Path, life: int, prices: Mapping[str, Decimal], told: Connection) -> None:
    """One life, in a process of its own; what it says goes into `told`."""
    told.send(READY)
    asyncio.run(live(address, path, life, prices, told.send))
