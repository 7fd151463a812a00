"""An executor over a simulated broker in virtual time, and what the broker's ledger says of its trades."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any

from fillwatch.core.config import FillDetectionConfig
from fillwatch.core.trade_facts import client_id
from fillwatch.core.trade_result import TradeResult
from fillwatch.core.trade_terms import ExecutorConfig
from fillwatch.engine.engine import FillDetectionEngine
from fillwatch.execution.executor import SmartOrderExecutor
from fillwatch.journal import Journal, MemoryJournal
from fillwatch.simulator import NO_FAULTS, Fate, Faults, SimulatedBroker, World
from fillwatch.simulator.ledger import Truth

ZERO = Decimal(0)
#: Seconds without a fault after which all has been put right: what may be left of the patience to submit an order, and
#: of the quarantine after that.
QUIET = 90.0
#: Ten seconds of either are long enough for every request to have arrived, and leave as much again for the rest.
QUICK = ExecutorConfig(quarantine_seconds=10.0, submit_patience_seconds=10.0)
QUICK_QUIET = 45.0


@dataclass(slots=True, kw_only=True)
class Scene:
    """A running executor and the world behind it."""

    world: World
    engine: FillDetectionEngine
    executor: SmartOrderExecutor
    journal: Journal

    async def trade(self, side: str = "buy", quantity: int = 100, **wishes: Any) -> TradeResult:  # noqa: ANN401
        """A trade in AAPL at the present price, 2.00 a share at risk, unless `wishes` say otherwise."""
        symbol = wishes.pop("symbol", "AAPL")
        price = wishes.pop("signal_price", None) or self.world.price(symbol)
        risk = wishes.pop("risk_amount", 2)
        return await self.executor.execute_trade(symbol, side, quantity, price, risk, **wishes)

    def orders(self, intent_id: str | None = None) -> list[Truth]:
        """The truth of every order, or of those that one intent sent."""
        found = [self.world.ledger.truth(order_id) for order_id in self.world.ledger.order_ids]
        if intent_id is None:
            return found
        prefix = client_id(intent_id, "")
        return [truth for truth in found if truth.client_order_id.startswith(prefix)]

    def sent(self, intent_id: str, name: str) -> Truth:
        """The truth of one order of a trade."""
        wanted = client_id(intent_id, name)
        (found,) = (truth for truth in self.orders() if truth.client_order_id == wanted)
        return found

    def position(self, symbol: str = "AAPL") -> Decimal:
        """Signed shares that have really been bought and sold."""
        return position(self.world, symbol)

    def stopped(self, symbol: str = "AAPL") -> Decimal:
        """Shares for which a stop stands at the broker, or an order that a stop has become."""
        return stopped_shares(self.world, symbol)

    def bare(self, symbol: str = "AAPL") -> Decimal:
        """Shares that are really in the market without a stop; below zero: stops for shares that nobody holds."""
        return bare_shares(self.world, symbol)


def _orders(world: World, symbol: str) -> list[Truth]:
    found = (world.ledger.truth(order_id) for order_id in world.ledger.order_ids)
    return [truth for truth in found if truth.symbol == symbol]


def position(world: World, symbol: str) -> Decimal:
    """Signed shares that have really been bought and sold."""
    ledger = world.ledger
    return sum((one.side.sign * ledger.executed_at(one.order_id) for one in _orders(world, symbol)), ZERO)


def stopped_shares(world: World, symbol: str) -> Decimal:
    """Shares for which a stop stands at the broker, or an order that a stop has become."""
    stops = (one for one in _orders(world, symbol) if one.parent_id is not None and not one.status.is_terminal)
    return sum((one.target - world.ledger.executed_at(one.order_id) for one in stops), ZERO)


def bare_shares(world: World, symbol: str) -> Decimal:
    """Shares that are really in the market without a stop; below zero: stops for shares that nobody holds."""
    return abs(position(world, symbol)) - stopped_shares(world, symbol)


def now() -> float:
    return asyncio.get_running_loop().time()


async def calm(world: World, quiet: float = QUIET) -> None:
    """Until the faults have healed, if they ever do, and then so many seconds in which all has to be put right."""
    healed = world.start + world.faults.heal_at
    left = max(healed - now(), 0.0) if math.isfinite(healed) else 0.0
    await asyncio.sleep(left + quiet)


@asynccontextmanager
async def scene(
    seed: int = 1,
    *,
    faults: Faults = NO_FAULTS,
    config: ExecutorConfig | None = None,
    watching: FillDetectionConfig | None = None,
    journal: Journal | None = None,
    world: World | None = None,
    stream: bool = False,
    **settings: Any,  # noqa: ANN401 - settings of World
) -> AsyncIterator[Scene]:
    """An engine and an executor inside the block; orders go by the market unless `fate` says otherwise."""
    clock = asyncio.get_running_loop().time
    place = world or World(seed, clock=clock, faults=faults, **({"fate": Fate.MARKET} | settings))
    kept = journal if journal is not None else MemoryJournal()
    chosen = watching or FillDetectionConfig()

    def wall() -> datetime:
        return place.wall(clock())

    broker = SimulatedBroker(place, stream=stream)
    async with FillDetectionEngine(broker, chosen, rng=Random(seed), journal=kept, wall=wall) as engine:
        executor = SmartOrderExecutor(engine, config, wall=wall)
        yield Scene(world=place, engine=engine, executor=executor, journal=kept)
