"""What it costs to watch a hundred thousand orders at once by reading the list of them, page after page.

The broker is none but its pages: the JSON of 500 orders each, made beforehand, which ours is to decode, compare and
absorb. What the network and TLS cost is not in it. Time is virtual, the processor's is real.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from benchmarks.figures import Figure, Row, keep
from benchmarks.orders import BEGAN, order, order_id
from fillwatch import FillDetectionConfig, FillDetectionEngine, RateLimit
from fillwatch.brokers.alpaca import decode
from fillwatch.brokers.alpaca.known import KnownRows
from fillwatch.brokers.base import (
    Account,
    Broker,
    CancelAnswer,
    Capabilities,
    Fills,
    Listing,
    MarketClock,
    Positions,
    SubmitAnswer,
)
from fillwatch.core.evidence import Look
from fillwatch.core.orders import OrderRequest
from fillwatch.simulator import SimulatedBroker, World
from fillwatch.testing import run_virtual

#: Orders on a page, and seconds that the broker takes to answer.
PAGE, ROUND_TRIP = 500, 0.05
#: Sweeps over the whole list that are measured, after one that makes the orders known.
SWEEPS = 2
#: Watches that are held, and those whose memory is measured; runs of which the best counts.
WATCHED, PARKED, RUNS = 100_000, 5_000, 5


class PagedBroker(Broker):
    """Orders that rest for ever, listed newest first; no tape and no stream, so that every request is a page."""

    caps = Capabilities(page_size=PAGE, fills_page_size=0, stream=False)
    quota = None

    def __init__(self, orders: int) -> None:
        self.pages = 0
        self._known = KnownRows()
        #: Each page by the `until` that asks for it: its body, and the `until` that asks for the next.
        self._bodies: dict[datetime | None, tuple[bytes, datetime | None]] = {}
        until: datetime | None = None
        for first in range(orders - 1, -1, -PAGE):
            last = max(first - PAGE, -1)
            body = json.dumps([order(number) for number in range(first, last, -1)], separators=(",", ":")).encode()
            then = BEGAN + timedelta(microseconds=last + 1) if last >= 0 else None
            self._bodies[until] = body, then
            until = then

    def check_order_id(self, order_id: str) -> str:
        """Any id."""
        return order_id

    async def list(self, *, after: datetime | None = None, until: datetime | None = None) -> Listing:
        """The page that begins there."""
        as_of = asyncio.get_running_loop().time()
        await asyncio.sleep(ROUND_TRIP)
        body, then = self._bodies[until]
        self.pages += 1
        rows = await decode.orders_in_turns(body, self._known)
        return Listing(orders=rows.values, complete=then is None, until=then, as_of=as_of)

    async def look(self, order_id: str) -> Look:
        """Nobody asks for one order of many; nor for what follows."""
        raise NotImplementedError

    async def look_by_client_id(self, client_order_id: str) -> Look:
        """Not asked for."""
        raise NotImplementedError

    async def fills(self, *, after: datetime | None = None, page_token: str | None = None) -> Fills:
        """Not asked for: see `caps`."""
        raise NotImplementedError

    async def submit(self, request: OrderRequest) -> SubmitAnswer:
        """Not asked for."""
        raise NotImplementedError

    async def cancel(self, order_id: str) -> CancelAnswer:
        """Not asked for."""
        raise NotImplementedError

    async def clock(self) -> MarketClock:
        """Not asked for."""
        raise NotImplementedError

    async def positions(self) -> Positions:
        """None."""
        return Positions(quantities={}, as_of=asyncio.get_running_loop().time())

    async def account(self) -> Account:
        """One that may trade."""
        now = asyncio.get_running_loop().time()
        return Account(account_id="a", currency="USD", buying_power=None, can_trade=True, as_of=now)

    def cost(self, operation: object) -> int:
        """One request."""
        return 1

    async def aclose(self) -> None:
        """There is nothing to close."""


class Collector:
    """How long Python's garbage collector stops everything, in all and at most, from `begin` on."""

    def __init__(self) -> None:
        self._began = self.seconds = self.longest = 0.0
        gc.callbacks.append(self._heard)

    def begin(self) -> None:
        """Count from now on."""
        self.seconds = self.longest = 0.0

    def close(self) -> None:
        """Count no more."""
        gc.callbacks.remove(self._heard)

    def _heard(self, phase: str, about: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.process_time()
            return
        pause = time.process_time() - self._began
        self.seconds += pause
        self.longest = max(self.longest, pause)


class Turns:
    """The longest turn of the running loop, in seconds of processor: nobody else gets to run during one."""

    def __init__(self) -> None:
        self.longest = 0.0
        loop = asyncio.get_running_loop()
        turn: Callable[[], None] = loop._run_once  # type: ignore[attr-defined]  # asyncio has no other name for a turn
        setattr(loop, "_run_once", lambda: self._measure(turn))  # noqa: B010 - the name is known to no type

    def _measure(self, turn: Callable[[], None]) -> None:
        began = time.process_time()
        turn()
        self.longest = max(self.longest, time.process_time() - began)


async def _watch_all(orders: int) -> tuple[Figure, ...]:
    loop = asyncio.get_running_loop()
    broker = PagedBroker(orders)
    config = FillDetectionConfig(timeout_seconds=1e6, rate_limit=RateLimit(share=1.0))
    gc.collect()
    collector, turns = Collector(), Turns()
    async with FillDetectionEngine(broker, config) as engine:
        began = time.process_time()
        watches = [engine.watch(order_id(number)) for number in range(orders)]
        await _until(lambda: watches[0].age < math.inf)  # the oldest, on the last page
        building, pause = time.process_time() - began, collector.longest
        collector.begin()
        turns.longest = 0.0
        pages, then, began = broker.pages, loop.time(), time.process_time()
        await _until(lambda: broker.pages >= pages + SWEEPS * -(-orders // PAGE))
        used, passed = time.process_time() - began, loop.time() - then
        held, collecting, collected = turns.longest, collector.longest, collector.seconds
    collector.close()
    return (
        Figure(name="of a core", value=used / passed * 100.0, unit="%", at_most=8.0),
        Figure(name="list calls a minute", value=(broker.pages - pages) / passed * 60.0),
        Figure(
            name="of the core's work in the garbage collector",
            value=collected / used * 100.0,
            unit="%",
            at_most=5.0,
        ),
        Figure(name="longest pause of the collector", value=collecting * 1e3, unit="ms", at_most=50.0),
        Figure(name="longest turn of the loop", value=held * 1e3, unit="ms"),
        Figure(name="until all were watched and seen", value=building, unit="s"),
        Figure(name="longest pause of the collector till then", value=pause * 1e3, unit="ms"),
    )


async def _until(done: Callable[[], bool]) -> None:
    while not done():  # noqa: ASYNC110 - nobody tells, and time is virtual
        await asyncio.sleep(ROUND_TRIP)


def first_page() -> float:
    """Seconds of processor for which a page of 500 rows, none of them seen before, keeps the loop at a stretch."""

    async def read() -> float:
        config = FillDetectionConfig(timeout_seconds=1e6)
        async with FillDetectionEngine(PagedBroker(PAGE), config) as engine:
            watches = [engine.watch(order_id(number)) for number in range(PAGE)]
            await asyncio.sleep(0)  # their tasks begin
            gc.collect()
            turns = Turns()
            await _until(lambda: watches[0].age < math.inf and watches[-1].age < math.inf)
            return turns.longest

    return min(run_virtual(read) for _ in range(RUNS))


def hold() -> Iterator[str]:
    """A hundred thousand watches, by reading the list alone, 200 calls a minute."""
    began = time.perf_counter()
    figures = run_virtual(lambda: _watch_all(WATCHED))
    seconds = time.perf_counter() - began
    row = Row(case=f"{WATCHED:,} watches", figures=figures, facts={"watches": WATCHED}, seconds=seconds)
    yield from row.lines
    keep("hold", [row])


def watches() -> Iterator[str]:
    """Memory of parked watches of orders not seen yet, and what Python's garbage collector walks over."""
    began = time.perf_counter()
    used, objects = run_virtual(lambda: _parked(PARKED))
    figures = (
        Figure(name="a watch with its task", value=used / 1000.0, unit="kB", at_most=3.0),
        Figure(name="objects of it that the garbage collector walks over", value=objects),
    )
    row = Row(case="parked watches", figures=figures, facts={"watches": PARKED}, seconds=time.perf_counter() - began)
    yield from row.lines
    keep("watches", [row])


async def _parked(count: int) -> tuple[float, float]:
    """Bytes, and objects that the collector knows, for each; what the caller holds of a watch included."""
    world = World(1, clock=asyncio.get_running_loop().time, requests_per_minute=None)
    ids = [order_id(number) for number in range(count)]
    config = FillDetectionConfig(timeout_seconds=3600.0)
    async with FillDetectionEngine(SimulatedBroker(world), config) as engine:
        gc.collect()
        objects = len(gc.get_objects())
        tracemalloc.start()
        watches = [engine.watch(one) for one in ids]
        for _ in range(3):
            await asyncio.sleep(0)
        gc.collect()
        used, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(watches) == count
        return used / count, (len(gc.get_objects()) - objects) / count
