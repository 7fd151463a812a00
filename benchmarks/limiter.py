"""What the rate limiter costs with ten thousand waiting, what it costs idle, and how much of a grant it lets through.

A waiter is a task that parks on a future, is woken, and ends; a timer goes off for each token. The same number of tasks
that do the same without a limiter (a deque in its place) are measured beside it, run for run, and taken off.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from benchmarks.figures import Figure, Row, keep
from fillwatch import RateLimit
from fillwatch.engine.limiter import Priority, RateLimiter
from fillwatch.testing import run_virtual

WAITERS, RUNS = 10_000, 7
#: Microseconds an acquisition may cost; the share of a core that an idle limiter may take, and seconds watched.
MOST, MOST_IDLE, IDLE_SECONDS = 40.0, 0.01, 1.0
#: Requests a minute; how many minutes are looked at; the least share of the grant that has to be used.
LIMIT, MINUTES, USED = 200, 10, 0.93


async def _limited() -> None:
    gate = RateLimiter(RateLimit(limit=10_000_000, share=1.0))

    async def one() -> None:
        async with gate.permit(Priority.POLL):
            pass

    await asyncio.gather(*(one() for _ in range(WAITERS)))


async def _bare() -> None:
    loop, waiting = asyncio.get_running_loop(), deque[asyncio.Future[None]]()

    async def one() -> None:
        waiting.append(future := loop.create_future())
        await future

    def next_one() -> None:
        waiting.popleft().set_result(None)
        if waiting:
            loop.call_later(60.0 / 10_000_000, next_one)

    loop.call_later(1e-4, next_one)
    await asyncio.gather(*(one() for _ in range(WAITERS)))


def _each(work: Callable[[], Awaitable[None]]) -> float:
    """Microseconds of processor for each waiter."""

    async def main() -> None:
        await work()

    start = time.process_time()
    run_virtual(main)
    return (time.process_time() - start) / WAITERS * 1e6


def _idle() -> float:
    """The share of a core that a limiter takes with permits out, tokens gathering and nobody waiting; in real time."""

    async def main() -> float:
        gate = RateLimiter(RateLimit(limit=LIMIT, share=1.0))
        permit = await gate.acquire(Priority.POLL)
        start = time.process_time()
        await asyncio.sleep(IDLE_SECONDS)
        used = time.process_time() - start
        permit.release()
        return used / IDLE_SECONDS

    return asyncio.run(main())


def _sent() -> list[float]:
    """When requests were sent by twenty who always want to, over some virtual minutes; each takes 0.3 s."""
    sent: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        gate, began = RateLimiter(RateLimit(limit=LIMIT, share=1.0)), loop.time()

        async def poll() -> None:
            while loop.time() - began < 60.0 * (MINUTES + 1):
                async with gate.permit(Priority.POLL):
                    sent.append(loop.time() - began)
                    await asyncio.sleep(0.3)

        await asyncio.gather(*(poll() for _ in range(20)))

    run_virtual(main)
    return sent


def _worst_minute(sent: Sequence[float]) -> int:
    first = worst = 0
    for last, at in enumerate(sent):
        while at - sent[first] > 60.0:
            first += 1
        worst = max(worst, last - first + 1)
    return worst


def limiter() -> Iterator[str]:
    """Ten thousand waiting, nobody waiting, and a busy quarter of an hour."""
    began = time.perf_counter()
    runs = [(_each(_limited), _each(_bare)) for _ in range(RUNS)]
    whole, bare = (min(each) for each in zip(*runs, strict=True))
    sent = _sent()
    used = sum(60.0 <= at < 60.0 * (MINUTES + 1) for at in sent) / MINUTES / LIMIT
    figures = (
        Figure(name="an acquisition, tasks and loop taken off", value=whole - bare, unit="µs", at_most=MOST),
        Figure(name="the same with its task and the virtual loop", value=whole, unit="µs"),
        Figure(name="its task and the virtual loop alone", value=bare, unit="µs"),
        Figure(name="idle, share of a core", value=_idle(), at_most=MOST_IDLE),
        Figure(name="requests in the worst sliding minute", value=_worst_minute(sent), at_most=LIMIT),
        Figure(name="share of the grant that is used", value=used, at_least=USED),
    )
    row = Row(
        case=f"{WAITERS:,} waiters; a busy limiter of {LIMIT} a minute",
        figures=figures,
        facts={"runs": RUNS, "best of": "processor time of single runs"},
        seconds=time.perf_counter() - began,
    )
    yield from row.lines
    keep("limiter", [row])


BENCHMARKS: Mapping[str, Callable[[], Iterator[str]]] = MappingProxyType({"limiter": limiter})
