"""The demonstration: many live orders of a simulated broker, watched over real HTTP, every result held to the truth."""

from __future__ import annotations

import asyncio
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fillwatch import (
    AlpacaBroker,
    Amendment,
    EngineClosed,
    FillDetectionConfig,
    FillDetectionEngine,
    FillResult,
    OrderWatch,
    RateLimit,
)
from fillwatch.cli.comparison import Told, Verdict, judge
from fillwatch.cli.facts import Fact, read_fact
from fillwatch.cli.watching import kept
from fillwatch.core.orders import OrderStatus
from fillwatch.simulator import Faults, World
from fillwatch.simulator.ledger import Ledger
from fillwatch.simulator.server import serve
from fillwatch.simulator.stream_faults import StreamFaults, StreamKind

REQUESTS_PER_MINUTE = 200
#: The key is the demonstration's alone; the rest is the margin for requests on their way.
SHARE = 0.95
#: Seconds an end is sought after our cancel: with the time-out and the queue for cancels it fits into a minute.
RESOLUTION_SECONDS = 12.0
#: At most so many of the orders live until they are cancelled, whatever their number.
CANCELS_AT_MOST = 60
#: Seconds that a connection of the stream lasts, if there are faults at all.
DISCONNECT_EVERY = 20.0
#: Seconds in which amendments may still come after the last result.
LISTEN_ON = 1.5
TICK = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What to demonstrate.

    `faults`: the share of requests and of pushed events that something happens to; `timeout` in seconds. `stream`:
    whether the broker lets us have its stream; otherwise we live by polling. `journal`: where to keep one.
    """

    orders: int = 250
    seed: int = 0
    faults: float = 0.10
    timeout: float = 10.0
    stream: bool = True
    journal: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a run stands after `elapsed` seconds. `requests` counts what arrived at the broker."""

    elapsed: float
    settled: int
    total: int
    outcomes: Mapping[str, int]
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run that is over, judged: facts, what was told and verdicts are in the same order.

    `requests` counts by operation what arrived at the broker, `faulty` those that a fault struck.
    """

    settings: Settings
    seconds: float
    facts: Sequence[Fact]
    told: Sequence[Sequence[Told]]
    verdicts: Sequence[Verdict]
    amendments: Mapping[str, int]
    requests: Mapping[str, int]
    faulty: int
    worst_minute: int
    limit: int = REQUESTS_PER_MINUTE


@dataclass(slots=True)
class _Ear:
    """Everything the engine says, with the time at which it was heard."""

    clock: Callable[[], float]
    results: dict[str, list[tuple[float, FillResult]]] = field(default_factory=lambda: defaultdict(list))
    amendments: dict[str, list[tuple[float, Amendment]]] = field(default_factory=lambda: defaultdict(list))
    believed_full: dict[str, float] = field(default_factory=dict)

    async def hear_results(self, engine: FillDetectionEngine, order_ids: Sequence[str]) -> None:
        # An interrupted run leaves the engine first; an order that lacks a result is found by the comparison.
        with suppress(EngineClosed):
            async for result in engine.as_resolved(order_ids):
                self.results[result.order_id].append((self.clock(), result))

    async def hear_amendments(self, engine: FillDetectionEngine) -> None:
        async for amendment in engine.amendments():
            self.amendments[amendment.order_id].append((self.clock(), amendment))

    async def hear_beliefs(self, watch: OrderWatch) -> None:
        async for change in watch:
            # Quantity and price may lag behind the status by seconds, at the broker; the fill is known without them.
            if change.status is OrderStatus.FILLED:
                self.believed_full.setdefault(watch.order_id, self.clock())

    def told_of(self, order_id: str) -> tuple[Told, ...]:
        return tuple(
            Told(
                result=result,
                at=at,
                amendments=tuple(self.amendments.get(order_id, ())),
                believed_full_at=self.believed_full.get(order_id),
            )
            for at, result in self.results.get(order_id, ())
        )

    def progress(self, elapsed: float, total: int, ledger: Ledger) -> Progress:
        outcomes = Counter(result.outcome.value for heard in self.results.values() for _, result in heard)
        return Progress(
            elapsed=elapsed, settled=len(self.results), total=total, outcomes=outcomes, requests=len(ledger.arrivals)
        )


async def demonstrate(settings: Settings, show: Callable[[Progress], None]) -> Run:
    """Run it. `show` is called a few times a second; the run ends soon after the last order has its result.

    Raises `JournalError` when the journal cannot be kept.
    """
    clock = asyncio.get_running_loop().time
    world = World(
        settings.seed,
        clock=clock,
        faults=replace(Faults.rate(settings.faults), stream=_stream(settings)),
        timeout=settings.timeout,
        requests_per_minute=REQUESTS_PER_MINUTE,
    )
    ear = _Ear(clock)
    began = clock()
    async with serve(world) as address, kept(settings.journal) as journal:
        broker = AlpacaBroker(address.key, address.secret, base_url=address.url)
        # The engine comes first: the position book's baseline is what the account held before the orders.
        async with (
            asyncio.TaskGroup() as group,
            FillDetectionEngine(broker, _config(settings), journal=journal) as engine,
        ):
            order_ids = world.populate(settings.orders, needs_cancel_at_most=CANCELS_AT_MOST)
            group.create_task(ear.hear_amendments(engine))
            for order_id in order_ids:
                group.create_task(ear.hear_beliefs(engine.watch(order_id)))
            settled = group.create_task(ear.hear_results(engine, order_ids))
            while not settled.done():
                show(ear.progress(clock() - began, len(order_ids), world.ledger))
                await asyncio.wait({settled}, timeout=TICK)
            show(ear.progress(clock() - began, len(order_ids), world.ledger))
            await asyncio.sleep(LISTEN_ON)
    return _judged(settings, world, ear, order_ids, clock() - began)


def _stream(settings: Settings) -> StreamFaults:
    """Every kind of fault equally often, and a connection that breaks now and then; or somebody else has the slot."""
    if not settings.stream:
        return StreamFaults(refuse=((0.0, math.inf),))
    each: dict[str, Any] = {kind.value: settings.faults / len(StreamKind) for kind in StreamKind}
    return StreamFaults(disconnect_every=DISCONNECT_EVERY if settings.faults else None, **each)


def _config(settings: Settings) -> FillDetectionConfig:
    return FillDetectionConfig(
        timeout_seconds=settings.timeout,
        resolution_seconds=RESOLUTION_SECONDS,
        rate_limit=RateLimit(limit=REQUESTS_PER_MINUTE, share=SHARE),
    )


def _judged(settings: Settings, world: World, ear: _Ear, order_ids: Sequence[str], seconds: float) -> Run:
    facts = [read_fact(world.ledger, order_id) for order_id in order_ids]
    told = [ear.told_of(order_id) for order_id in order_ids]
    arrivals = world.ledger.arrivals
    return Run(
        settings=settings,
        seconds=seconds,
        facts=facts,
        told=told,
        verdicts=[judge(fact, words) for fact, words in zip(facts, told, strict=True)],
        amendments=Counter(amendment.kind.value for heard in ear.amendments.values() for _, amendment in heard),
        requests=Counter(arrival.operation for arrival in arrivals),
        faulty=sum(1 for arrival in arrivals if arrival.fault),
        worst_minute=world.ledger.worst_window(60.0),
    )
