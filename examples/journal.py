"""Keep a journal, lose the process half-way, take everything up again, and look into what was written.

Runs against the simulated broker, in a directory of its own. The commands at the end are those of the shell, so
`fillwatch explain 1d93 --journal trades.db` there is `fillwatch("explain", "1d93", "--journal", "trades.db")` here.
"""

from __future__ import annotations

import asyncio
import tempfile
from datetime import datetime
from pathlib import Path

from fillwatch import FillDetectionEngine, SmartOrderExecutor, SqliteJournal
from fillwatch.cli.app import app
from fillwatch.simulator import Fate, SimulatedBroker, World


async def until_the_crash(world: World, path: Path, order_id: str) -> None:
    """A trade is made, another order is watched; then the process is gone."""
    async with SqliteJournal(path) as journal, engine_of(world, journal) as engine:
        executor = SmartOrderExecutor(engine, journal=journal, wall=lambda: now(world))
        engine.watch(order_id, timeout_seconds=20)
        signal = world.price("AAPL")
        result = await executor.execute_trade("AAPL", "buy", 10, signal, risk_amount=2, intent_id="monday-1")
        print(f"bought {result.fill.fill_quantity if result.fill else 0}, protected: {result.position_protected}")


async def after_it(world: World, path: Path) -> None:
    """The next process: what was open goes on, with what is left of its time."""
    async with SqliteJournal(path) as journal, engine_of(world, journal) as engine:
        watches = await engine.recover()
        results = await SmartOrderExecutor(engine, journal=journal, wall=lambda: now(world)).recover()
        print(f"taken up again: {len(watches)} watch, {len(results)} trade")
        for watch in watches:
            result = await watch
            print(f"{result.outcome}: {result.reason}")


def engine_of(world: World, journal: SqliteJournal) -> FillDetectionEngine:
    return FillDetectionEngine(SimulatedBroker(world), journal=journal, wall=lambda: now(world))


def now(world: World) -> datetime:
    """The simulated world has a calendar of its own; without one, leave `wall` out."""
    return world.wall(asyncio.get_running_loop().time())


def fillwatch(*words: str) -> int:
    """A command of the shell; its exit code."""
    print(f"\n$ fillwatch {' '.join(words)}")
    return int(app(words, standalone_mode=False) or 0)


async def main() -> int:
    world = World(seed=7, clock=asyncio.get_running_loop().time, fate=Fate.MARKET)
    order_id = world.place(fate=Fate.CANCEL_SLOW)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "trades.db"
        await until_the_crash(world, path, order_id)
        await asyncio.sleep(5)
        await after_it(world, path)
        fillwatch("journal", "list", str(path))
        fillwatch("explain", order_id, "--journal", str(path))
        return fillwatch("audit", str(path))


if __name__ == "__main__":
    asyncio.run(main())
