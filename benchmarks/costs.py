"""What evidence costs, from the bytes to the belief: seconds of processor, best of several runs.

Processor time, not the clock on the wall: other programs on the machine stretch the latter most. What a profile showed
and what was done about it is in `benchmarks/README.md`, "Speed".
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType

from benchmarks.figures import Figure, Row, keep
from benchmarks.holding import first_page, hold, watches
from benchmarks.orders import BEGAN, order, order_id, updates
from benchmarks.pushed import Pushed
from fillwatch import FillDetectionConfig, FillDetectionEngine, OrderWatch
from fillwatch.brokers.alpaca import decode
from fillwatch.brokers.alpaca.known import KnownRows
from fillwatch.core.belief import OrderBelief
from fillwatch.core.evidence import Route, Seen
from fillwatch.core.orders import OrderSnapshot, OrderStatus
from fillwatch.engine.case import Case, Wishes
from fillwatch.engine.common import Common
from fillwatch.simulator import World
from fillwatch.testing import run_virtual

RUNS = 5
#: Updates that are measured, and how often.
UPDATES, STREAM_RUNS = 10_000, 3


def _best(work: Callable[[], object]) -> float:
    """Seconds of processor of the cheapest of several runs."""

    def once() -> float:
        start = time.process_time()
        work()
        return time.process_time() - start

    return min(once() for _ in range(RUNS))


def stream() -> Iterator[str]:
    """Trade updates from the bytes of the frame to the belief; where all are news, to whoever iterates over a watch.

    Over the adapter's own stream and the engine's own feed: see `benchmarks.pushed`.
    """
    rows = []
    for case, news_every, most in (("a tenth news", 10, 25.0), ("all news, a waiter woken by each", 1, 50.0)):
        began = time.perf_counter()
        figures = []
        for orders in (100, 1_000, 5_000, 20_000):
            work = _absorbing(orders, news_every)
            each = min(run_virtual(work) for _ in range(STREAM_RUNS)) / UPDATES * 1e6
            figures.append(Figure(name=f"an update, {orders:,} orders", value=each, unit="µs", at_most=most))
        row = Row(case=case, figures=tuple(figures), facts={"updates": UPDATES}, seconds=time.perf_counter() - began)
        rows.append(row)
        yield from row.lines
    keep("stream", rows)


def _absorbing(orders: int, news_every: int) -> Callable[[], Coroutine[object, object, float]]:
    async def absorb() -> float:
        config = FillDetectionConfig(timeout_seconds=3600.0, partial_fills="wait")
        broker = Pushed(World(1, clock=asyncio.get_running_loop().time, requests_per_minute=None))
        first = updates(orders, orders, news_every=orders + 1)
        rest = updates(orders, UPDATES, news_every=news_every)
        async with asyncio.TaskGroup() as ears, FillDetectionEngine(broker, config) as engine:
            watches = [engine.watch(order_id(number)) for number in range(orders)]
            heard = [0]
            for watch in watches if news_every == 1 else ():
                ears.create_task(_listen(watch, heard))
            await broker.give(first)
            heard[0] = 0
            gc.collect()
            began = time.process_time()
            await broker.give(rest)
            used = time.process_time() - began
            assert heard[0] == (UPDATES if news_every == 1 else 0)
            assert all(watch.belief.seen_as_of > 0 for watch in watches)
        return used

    return absorb


async def _listen(watch: OrderWatch, heard: list[int]) -> None:
    async for _ in watch:
        heard[0] += 1


def page() -> Iterator[str]:
    """A page of 500 orders, decoded, compared and absorbed: when nothing has changed, and as it comes first."""
    began = time.perf_counter()
    first, again = run_virtual(_read_pages)
    figures = (
        Figure(name="nothing changed", value=again * 1e3, unit="ms", at_most=1.5),
        Figure(name="all seen for the first time", value=first * 1e3, unit="ms"),
        Figure(name="longest turn of the loop meanwhile", value=first_page() * 1e3, unit="ms", at_most=1.5),
    )
    row = Row(case="page of 500", figures=figures, facts={"runs": RUNS}, seconds=time.perf_counter() - began)
    yield from row.lines
    keep("page", [row])


async def _read_pages() -> tuple[float, float]:
    body = json.dumps([order(number) for number in range(500)], separators=(",", ":")).encode()
    common = Common(FillDetectionConfig, lambda case, changes: None)
    first: list[float] = []
    again: list[float] = []
    for _ in range(RUNS):
        known = KnownRows()
        cases = {order_id(number): Case(order_id(number), Wishes(), common) for number in range(500)}
        first.append(_read_page(body, known, cases))
        again += [_read_page(body, known, cases) for _ in range(RUNS)]
    return min(first), min(again)


def _read_page(body: bytes, known: KnownRows, cases: Mapping[str, Case]) -> float:
    began, now = time.process_time(), asyncio.get_running_loop().time()
    for one in reversed(decode.orders(body, known).values):
        case = cases[one.order_id]
        if not case.see_again(one, Route.LIST, now):
            case.absorb(Seen(order=one, route=Route.LIST, as_of=now), now)
    return time.process_time() - began


def absorb() -> Iterator[str]:
    """One piece of evidence into a belief: when it says nothing new, and when all of it is news."""
    count = 20_000
    first = OrderSnapshot(
        order_id="a", status=OrderStatus.NEW, qty=Decimal(count), filled_qty=Decimal(0), updated_at=BEGAN
    )
    same = Seen(order=first, route=Route.LIST, as_of=1.0)
    news = [
        Seen(
            order=replace(first, filled_qty=Decimal(n), updated_at=BEGAN + timedelta(milliseconds=n)),
            route=Route.LIST,
            as_of=float(n),
        )
        for n in range(1, count + 1)
    ]

    def stale() -> None:
        belief = OrderBelief("a")
        for _ in range(count):
            belief.absorb(same)

    def fresh() -> None:
        belief = OrderBelief("a")
        for evidence in news:
            belief.absorb(evidence)

    old, new = _best(stale) / count, _best(fresh) / count
    figures = (
        Figure(name="says nothing new", value=old * 1e6, unit="µs"),
        Figure(name="is news", value=new * 1e6, unit="µs"),
    )
    row = Row(case="a piece of evidence absorbed", figures=figures, facts={"pieces": count})
    yield from row.lines
    keep("absorb", [row])


BENCHMARKS: Mapping[str, Callable[[], Iterator[str]]] = MappingProxyType(
    {"stream": stream, "page": page, "absorb": absorb, "watches": watches, "hold": hold}
)
