"""Twenty market orders at once: how late an engine that was at rest tells of their fills, by polling alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from random import Random
from types import MappingProxyType

from benchmarks.crowd import LIMIT, ROUND_TRIP
from benchmarks.figures import Figure, Row, keep, mean, percentile
from fillwatch import FillDetectionConfig, FillDetectionEngine, FillResult, RateLimit
from fillwatch.core.orders import OrderRequest, Side
from fillwatch.simulator import Fate, SimulatedBroker, World
from fillwatch.simulator.draws import SYMBOLS
from fillwatch.simulator.plans import Act, Step
from fillwatch.testing import run_virtual

BASKET, BASKETS = 20, 20
#: Seconds between two baskets, in which tokens are saved up.
APART = 60.0
#: Seconds, on average, that a market order takes to fill.
FILLS_WITHIN = 0.3
TARGET = 0.1


def _baskets(share: float) -> list[float]:
    """Seconds from each fill to its result."""
    delays: list[float] = []

    async def main() -> None:
        loop, rng = asyncio.get_running_loop(), Random(3)
        world = World(1, clock=loop.time, requests_per_minute=LIMIT)
        market = world.door.market
        config = FillDetectionConfig(rate_limit=RateLimit(limit=LIMIT, share=share))

        def place(number: int) -> str:
            request = OrderRequest(symbol=SYMBOLS[number % len(SYMBOLS)], side=Side.BUY, qty=Decimal(100))
            order_id = world.place(request, Fate.NEVER)
            step = Step(after=0.02 + rng.expovariate(1 / FILLS_WITHIN), act=Act.FILL)
            market.schedule(market.records[order_id], step, loop.time(), last=False)
            return order_id

        async def told(engine: FillDetectionEngine, order_id: str) -> None:
            result: FillResult = await engine.watch(order_id)
            truth = world.ledger.truth(order_id)
            assert result.filled, result
            assert truth.ended_at is not None
            delays.append(loop.time() - truth.ended_at)

        broker = SimulatedBroker(world, latency=(ROUND_TRIP, ROUND_TRIP))
        async with FillDetectionEngine(broker, config) as engine:
            for _ in range(BASKETS):
                await asyncio.sleep(APART)
                await asyncio.gather(*(told(engine, place(number)) for number in range(BASKET)))
        assert not any(arrival.status == 429 for arrival in world.ledger.arrivals)

    run_virtual(main, seed=1)
    return delays


def basket() -> Iterator[str]:
    """A basket of 20 market orders, polling alone, with the default share of the limit and with all of it (virtual)."""
    rows = []
    for share in (0.8, 1.0):
        delays = _baskets(share)
        figures = (
            Figure(name="mean", value=mean(delays), unit="s", at_most=TARGET, bound=ROUND_TRIP / 2),
            Figure(name="p50", value=percentile(delays, 0.5), unit="s"),
            Figure(name="p99", value=percentile(delays, 0.99), unit="s"),
            Figure(name="worst", value=max(delays), unit="s"),
        )
        facts: dict[str, object] = {"share": share, "delays": [round(delay, 4) for delay in sorted(delays)]}
        rows.append(Row(case=f"basket of {BASKET} market orders, share {share:g}", figures=figures, facts=facts))
        yield from rows[-1].lines
    keep("basket", rows)


BENCHMARKS: Mapping[str, Callable[[], Iterator[str]]] = MappingProxyType({"basket": basket})
