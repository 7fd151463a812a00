"""How late ends are told among N open orders, at 200 requests a minute: polling, with a stream, with a lossy stream.

The time is virtual: the figures are delays, not costs, and do not depend on the machine. Cases run side by side in
processes of their own.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing import get_context
from types import MappingProxyType

from benchmarks import crowd
from benchmarks.crowd import LIMIT, ROUND_TRIP, Ran
from benchmarks.figures import Figure, Row, keep, mean, percentile, progress
from fillwatch.simulator import Faults, SimulatedBroker, World
from fillwatch.simulator.plans import Act
from fillwatch.simulator.stream_faults import StreamFaults
from fillwatch.testing import run_virtual

#: The rows of a page of the list.
PAGE = 500
SIZES = (10, 100, 500, 1_000, 5_000, 10_000)
#: So many ends are waited for.
ENDS = 250
#: The share of the limit that an engine uses by default, and all of it.
DEFAULT, ALL = 0.8, 1.0
#: Seconds on top of the network's that a pushed event may take at the median.
OWN = 0.005
#: The least and most that a pushed event of the simulated broker is on its way (seconds).
PUSH = (0.002, 0.008)


class Mode(StrEnum):
    """How the broker tells."""

    POLLING = "polling"
    STREAM = "stream"
    LOSSY = "lossy stream"


_STREAMS: Mapping[Mode, StreamFaults] = MappingProxyType(
    {
        Mode.POLLING: StreamFaults(),
        Mode.STREAM: StreamFaults(),
        Mode.LOSSY: StreamFaults(drop=0.1, disconnect_every=30.0),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run."""

    orders: int
    mode: Mode
    share: float
    seed: int = 1

    @property
    def name(self) -> str:
        """As the tables call it."""
        return f"{self.orders:,} orders, {self.mode}, share {self.share:g}"


def cases(sizes: Sequence[int] = SIZES) -> list[Case]:
    """Every combination that has a target, the longest first, so that they share the processors well."""
    return [
        Case(orders=orders, mode=mode, share=share)
        for orders in sorted(sizes, reverse=True)
        for mode in Mode
        for share in ((DEFAULT, ALL) if mode is Mode.POLLING else (DEFAULT,))
    ]


def play(case: Case) -> Row:
    """One case, with its figures."""
    began = time.perf_counter()

    async def main() -> Ran:
        world = World(
            case.seed,
            clock=asyncio.get_running_loop().time,
            faults=Faults(stream=_STREAMS[case.mode]),
            requests_per_minute=LIMIT,
        )
        broker = SimulatedBroker(world, stream=case.mode is not Mode.POLLING, latency=(ROUND_TRIP, ROUND_TRIP))
        return await crowd.live(orders=case.orders, ends=ENDS, world=world, broker=broker, share=case.share, seed=5)

    ran = run_virtual(main, seed=case.seed)
    facts: dict[str, object] = {
        "orders": case.orders,
        "mode": case.mode.value,
        "share": case.share,
        "ends": len(ran.ends),
        "fills": ran.fills,
        "requests": dict(sorted(ran.requests.items())),
        "delays_of_fills": [round(delay, 4) for delay in sorted(ran.delays(Act.FILL))],
        "delays_of_other_ends": [round(delay, 4) for delay in sorted(ran.delays(Act.CANCEL))],
    }
    return Row(case=case.name, figures=_figures(case, ran), facts=facts, seconds=time.perf_counter() - began)


def _figures(case: Case, ran: Ran) -> tuple[Figure, ...]:
    fills, others = ran.delays(Act.FILL), ran.delays(Act.CANCEL)
    goal = goal_of(case.orders, case.mode, case.share)
    rate = LIMIT * case.share / 60
    pages = math.ceil(case.orders / PAGE)
    push = case.mode is not Mode.POLLING
    least = sum(PUSH) / 2 if push else 0.5 / rate + ROUND_TRIP / 2
    most = PUSH[1] if push else 1 / rate + ROUND_TRIP / 2
    other_least, other_most = (least, most) if push else (pages / rate / 2 + ROUND_TRIP / 2, pages / rate + ROUND_TRIP)
    return (
        Figure(name="fills mean", value=mean(fills), unit="s", at_most=goal.fills_mean, bound=least),
        Figure(name="fills p50", value=percentile(fills, 0.5), unit="s", at_most=goal.fills_p50, bound=least),
        Figure(name="fills p99", value=percentile(fills, 0.99), unit="s", at_most=goal.fills_p99, bound=most),
        Figure(name="fills worst", value=max(fills, default=math.nan), unit="s", bound=most),
        Figure(name="other ends mean", value=mean(others), unit="s", at_most=goal.others_mean, bound=other_least),
        Figure(name="other ends p50", value=percentile(others, 0.5), unit="s", bound=other_least),
        Figure(
            name="other ends p99", value=percentile(others, 0.99), unit="s", at_most=goal.others_p99, bound=other_most
        ),
        Figure(name="other ends worst", value=max(others, default=math.nan), unit="s", bound=other_most),
        Figure(name="missed", value=ran.wrong.get("missed", 0), at_most=0),
        Figure(name="phantom", value=ran.wrong.get("phantom", 0), at_most=0),
        Figure(name="requests per fill", value=ran.requests_per_fill, at_most=goal.per_fill),
        Figure(name="429s", value=ran.refused, at_most=0),
        Figure(name="requests in the worst minute", value=ran.worst_minute, at_most=LIMIT),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """The targets of a case, in seconds and in requests for each fill; None: it has none of that kind."""

    fills_mean: float | None = None
    fills_p50: float | None = None
    fills_p99: float | None = None
    others_mean: float | None = None
    others_p99: float | None = None
    per_fill: float | None = None


def goal_of(orders: int, mode: Mode, share: float, round_trip: float = ROUND_TRIP) -> Goal:
    """A quarter more than an even poll, up to a thousand orders; what a split of the budget allows beyond.

    With a share of the limit, delays may be as much longer.
    """
    long = orders >= 1_000
    if mode is Mode.STREAM:
        return Goal(fills_p50=sum(PUSH) / 2 + OWN, fills_p99=0.25, per_fill=1.0 if long else None)
    if mode is Mode.LOSSY:
        return Goal(fills_p50=sum(PUSH) / 2 + OWN, fills_p99=1.5)
    average, most = (1.25 * (bound + round_trip) / share for bound in (0.175, 0.32))
    if orders > 1_000:
        return Goal(fills_p99=0.7 / share, others_mean=8.0 / share, per_fill=7.0)
    if long:
        return Goal(fills_mean=average, fills_p99=most, per_fill=7.0)
    return Goal(fills_mean=average, fills_p99=most, others_mean=average, others_p99=most)


def side_by_side(play_one: Callable[[Case], Row], all_cases: Sequence[Case]) -> list[Row]:
    """Each case in a process, as many at a time as there are processors; in the order of the cases."""
    with ProcessPoolExecutor(max_workers=os.cpu_count() or 1, mp_context=get_context("spawn")) as pool:
        rows = []
        for row in pool.map(play_one, all_cases):
            progress(f"{row.case}: {row.seconds:.0f} s")
            rows.append(row)
        return rows


def lateness(sizes: Sequence[int] = SIZES) -> Iterator[str]:
    """How late ends are told among 10 to 10,000 open orders: polling, stream, lossy stream (virtual time)."""
    rows = sorted(
        side_by_side(play, cases(sizes)), key=lambda row: (str(row.facts["mode"]), int(str(row.facts["orders"])))
    )
    for row in rows:
        yield from row.lines
    keep("lateness", rows)


BENCHMARKS: Mapping[str, Callable[[], Iterator[str]]] = MappingProxyType({"lateness": lateness})
