"""The costs that bound how many orders one process can watch: seconds of processor, best of several runs.

Processor time, not the clock on the wall: other programs on the machine stretch the latter most. What a profile showed
and what was done about it is in `benchmarks/README.md`, "Speed".
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
import tracemalloc
import uuid
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

from fillwatch import FillDetectionConfig, FillDetectionEngine, RateLimit
from fillwatch.brokers.alpaca import decode, frames
from fillwatch.brokers.alpaca.known import KnownRows
from fillwatch.core.belief import OrderBelief
from fillwatch.core.evidence import Executed, Route, Seen
from fillwatch.core.orders import OrderSnapshot, OrderStatus
from fillwatch.engine.case import Case, Wishes
from fillwatch.engine.common import Common
from fillwatch.engine.limiter import Priority, RateLimiter
from fillwatch.simulator import SimulatedBroker, World
from fillwatch.testing import run_virtual

BEGAN = datetime(2026, 6, 15, 14, 30, tzinfo=UTC)
RUNS = 5
#: Frames that are decoded and absorbed at a stretch, as the stream does.
BATCH = 64


def _best(work: Callable[[], object]) -> float:
    """Seconds of processor of the cheapest of several runs."""

    def once() -> float:
        start = time.process_time()
        work()
        return time.process_time() - start

    return min(once() for _ in range(RUNS))


def _verdict(value: float, most: float) -> str:
    return f"{'pass' if value <= most else 'MISS'} (at most {most:g})"


def _order(number: int, filled: int = 0, moment: int = 0) -> dict[str, object]:
    """An order as Alpaca writes it."""
    created, updated = (f"{BEGAN + timedelta(microseconds=at):%Y-%m-%dT%H:%M:%S.%f}789Z" for at in (number, moment))
    return {
        "id": str(uuid.UUID(int=number + 1)),
        "client_order_id": f"client-{number}",
        "symbol": "AAPL",
        "created_at": created,
        "submitted_at": created,
        "updated_at": updated,
        "filled_at": None,
        "expired_at": None,
        "canceled_at": None,
        "failed_at": None,
        "replaced_at": None,
        "replaced_by": None,
        "replaces": None,
        "asset_id": str(uuid.UUID(int=7)),
        "asset_class": "us_equity",
        "notional": None,
        "qty": "100000",
        "filled_qty": str(filled),
        "filled_avg_price": "100.5" if filled else None,
        "order_class": "",
        "order_type": "limit",
        "type": "limit",
        "side": "buy",
        "time_in_force": "day",
        "limit_price": "101",
        "stop_price": None,
        "status": "partially_filled" if filled else "new",
        "extended_hours": False,
        "legs": None,
        "trail_percent": None,
        "trail_price": None,
        "hwm": None,
    }


def _frame(number: int, filled: int = 0, moment: int = 0) -> bytes:
    """A trade update as it comes over the socket."""
    data: dict[str, object] = {"event": "new", "timestamp": "2026-06-15T14:30:00Z"}
    if filled:
        data |= {"event": "partial_fill", "execution_id": str(uuid.UUID(int=10**9 + moment)), "qty": "1"}
        data |= {"price": "100.5", "position_qty": str(filled)}
    return json.dumps({"stream": "trade_updates", "data": data | {"order": _order(number, filled, moment)}}).encode()


def _frames(orders: int, count: int, *, news_every: int) -> list[bytes]:
    """Updates of so many orders; one in `news_every` is a fill, the others repeat what was said of some order last."""
    last = [_frame(number) for number in range(orders)]
    filled = [0] * orders
    out = []
    for moment in range(1, count + 1):
        number = moment % orders
        if moment % news_every == 0:
            filled[number] += 1
            last[number] = _frame(number, filled[number], moment)
        out.append(last[number])
    return out


def stream() -> Iterator[str]:
    """Trade updates from the bytes of the frame to the belief, its tasks woken; without the socket."""
    count = 10_000
    for news_every, most in ((10, 25.0), (1, 50.0)):
        for orders in (100, 1_000, 5_000, 20_000):
            each = min(run_virtual(_absorbing(orders, count, news_every)) for _ in range(2)) / count * 1e6
            kind = "all news" if news_every == 1 else "a tenth news"
            a_second = f"{1e6 / each:6.0f} a second"
            yield f"{each:6.1f} µs an update, {orders:6} orders, {kind}: {a_second} {_verdict(each, most)}"


def _absorbing(orders: int, count: int, news_every: int) -> Callable[[], Coroutine[object, object, float]]:
    async def absorb() -> float:
        config = FillDetectionConfig(timeout_seconds=3600.0, partial_fills="wait")
        world = World(1, clock=asyncio.get_running_loop().time, requests_per_minute=None)
        first, rest = _frames(orders, orders, news_every=orders + 1), _frames(orders, count, news_every=news_every)
        async with FillDetectionEngine(SimulatedBroker(world), config) as engine:
            watches = {
                watch.order_id: watch for watch in [engine.watch(str(uuid.UUID(int=n + 1))) for n in range(orders)]
            }
            cases = {order_id: watch._case for order_id, watch in watches.items()}
            await asyncio.sleep(0)
            await _take_in(first, cases)
            gc.collect()
            began = time.process_time()
            await _take_in(rest, cases)
            return time.process_time() - began

    return absorb


async def _take_in(raws: list[bytes], cases: Mapping[str, Case]) -> None:
    loop = asyncio.get_running_loop()
    for start in range(0, len(raws), BATCH):
        now = loop.time()
        for raw in raws[start : start + BATCH]:
            for told in frames.told(raw, now):
                if isinstance(told, Seen):
                    cases[told.order.order_id].absorb(told, now)
                elif isinstance(told, Executed):
                    cases[told.execution.order_id].absorb(told, now)
        await asyncio.sleep(0)


def page() -> Iterator[str]:
    """A page of 500 orders, decoded, compared and absorbed: as it comes first, and when nothing has changed."""

    async def read() -> tuple[float, float]:
        body = json.dumps([_order(number) for number in range(500)], separators=(",", ":")).encode()
        common = Common(FillDetectionConfig, lambda case, changes: None)
        first: list[float] = []
        again: list[float] = []
        for _ in range(RUNS):
            known = KnownRows()
            cases = {order_id: _case(order_id, common) for order_id in (str(uuid.UUID(int=n + 1)) for n in range(500))}
            first.append(_read_page(body, known, cases))
            again += [_read_page(body, known, cases) for _ in range(RUNS)]
        return min(first), min(again)

    first, again = run_virtual(read)
    yield f"{first * 1e3:6.2f} ms a page of 500 orders seen for the first time"
    yield f"{again * 1e3:6.2f} ms the same page again {_verdict(again * 1e3, 1.5)}"


def _case(order_id: str, common: Common) -> Case:
    return Case(order_id, Wishes(), common)


def _read_page(body: bytes, known: KnownRows, cases: Mapping[str, Case]) -> float:
    began, now = time.process_time(), asyncio.get_running_loop().time()
    for order in reversed(decode.orders(body, known).values):
        case = cases[order.order_id]
        if not case.see_again(order, Route.LIST, now):
            case.absorb(Seen(order=order, route=Route.LIST, as_of=now), now)
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
    yield f"{old * 1e6:6.1f} µs evidence that says nothing new"
    yield f"{new * 1e6:6.1f} µs evidence that is news ({new / old:.1f} times as much)"


def limiter() -> Iterator[str]:
    """Acquisitions with ten thousand waiting, on virtual time."""
    waiters = 10_000

    async def crowd() -> None:
        gate = RateLimiter(RateLimit(limit=10_000_000, share=1.0))

        async def one() -> None:
            async with gate.permit(Priority.POLL):
                pass

        await asyncio.gather(*(one() for _ in range(waiters)))

    each = _best(lambda: run_virtual(crowd)) / waiters * 1e6
    yield f"{each:6.1f} µs an acquisition, its task and the virtual loop included {_verdict(each, 40.0)}"


def watches() -> Iterator[str]:
    """Memory of parked watches of orders not seen yet, and what Python's garbage collector walks over."""
    count = 5_000

    async def hold() -> tuple[int, int]:
        world = World(1, clock=asyncio.get_running_loop().time, requests_per_minute=None)
        ids = [str(uuid.UUID(int=number + 1)) for number in range(count)]
        config = FillDetectionConfig(timeout_seconds=3600.0)
        async with FillDetectionEngine(SimulatedBroker(world), config) as engine:
            gc.collect()
            objects = len(gc.get_objects())
            tracemalloc.start()
            for order_id in ids:
                engine.watch(order_id)
            for _ in range(3):
                await asyncio.sleep(0)
            gc.collect()
            used, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            return used, len(gc.get_objects()) - objects

    used, objects = run_virtual(hold)
    yield f"{used / count / 1000:6.2f} kB a watch with its task {_verdict(used / count / 1000, 3.0)}"
    yield f"{objects / count:6.1f} objects a watch that the garbage collector walks over"


BENCHMARKS: Mapping[str, Callable[[], Iterator[str]]] = MappingProxyType(
    {"stream": stream, "page": page, "absorb": absorb, "limiter": limiter, "watches": watches}
)
