"""How late over real HTTP and a real WebSocket: an engine in a process of its own, the simulated server in this one.

Virtual time cannot show what sockets, JSON, two event loops and the system's scheduler add; this does. A second of it
takes a second, so it has fewer orders and ends than `lateness`, by the same targets: the round trip is loopback's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from types import MappingProxyType

from benchmarks.crowd import FILLS_PER_SECOND, FILLS_TO_ONE_CANCEL
from benchmarks.driver import LIMIT, Played, play
from benchmarks.figures import Figure, Row, keep, mean, percentile, progress
from benchmarks.lateness import DEFAULT, PAGE, Mode, goal_of
from benchmarks.scripts import one_after_another
from benchmarks.systems import System

SIZES = (1_000, 5_000)
#: Cases that run side by side, each with a server and an engine that need a tenth of a core at most.
AT_A_TIME = 6
SECONDS = 60.0
#: Seconds of a round trip over loopback, with a page of the list on its way back.
ROUND_TRIP = 0.02
_HOW: Mapping[Mode, str] = MappingProxyType({Mode.POLLING: "polling", Mode.STREAM: "stream", Mode.LOSSY: "stream"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wired:
    """One run: so many orders for so many seconds."""

    orders: int
    mode: Mode
    seconds: float
    share: float = DEFAULT

    @property
    def settling(self) -> float:
        """Seconds in which the engine finds all orders and its tokens come to rest."""
        return 15.0 + self.orders / PAGE


def _cases(sizes: Sequence[int], seconds: float) -> list[Wired]:
    return [Wired(orders=orders, mode=mode, seconds=seconds) for orders in sizes for mode in Mode]


async def _run(case: Wired) -> Row:
    script = one_after_another(
        case.orders,
        case.seconds,
        per_second=FILLS_PER_SECOND,
        others=FILLS_TO_ONE_CANCEL,
        lossy=case.mode is Mode.LOSSY,
        settling=case.settling,
        share=case.share,
    )
    began = time.perf_counter()
    played = await play(System(name="fillwatch", folder="fillwatch", how=_HOW[case.mode], ours=True), script)
    name = f"{case.orders:,} orders, {case.mode}, share {case.share:g}, over the wire"
    facts: dict[str, object] = {
        "orders": case.orders,
        "mode": case.mode.value,
        "share": case.share,
        "delays_of_fills": [round(delay, 4) for delay in sorted(played.delays)],
        "delays_of_other_ends": [round(delay, 4) for delay in sorted(played.others)],
        "wrong": played.wrong,
    }
    return Row(case=name, figures=_figures(case, played), facts=facts, seconds=time.perf_counter() - began)


def _figures(case: Wired, played: Played) -> tuple[Figure, ...]:
    goal = goal_of(case.orders, case.mode, case.share, ROUND_TRIP)
    fills, others = played.delays, played.others
    return (
        Figure(name="fills mean", value=mean(fills), unit="s", at_most=goal.fills_mean),
        Figure(name="fills p50", value=percentile(fills, 0.5), unit="s", at_most=goal.fills_p50),
        Figure(name="fills p99", value=percentile(fills, 0.99), unit="s", at_most=goal.fills_p99),
        Figure(name="other ends mean", value=mean(others), unit="s", at_most=goal.others_mean),
        Figure(name="other ends p99", value=percentile(others, 0.99), unit="s", at_most=goal.others_p99),
        Figure(name="fills told", value=len(fills), unit=f"of {played.fills}", at_least=played.fills),
        Figure(name="missed", value=played.missed, at_most=0),
        Figure(name="phantom", value=played.phantom, at_most=0),
        Figure(name="requests per fill", value=played.requests / (played.fills or 1), at_most=goal.per_fill),
        Figure(name="429s", value=played.refused, at_most=0),
        Figure(name="requests in the worst minute", value=played.worst_minute, at_most=LIMIT),
        Figure(name="processor", value=100.0 * played.processor, unit="% of a core"),
        Figure(name="loop late, p99", value=1e3 * played.figures.get("loop late, p99", 0.0), unit="ms"),
        Figure(name="loop late, worst", value=1e3 * played.figures.get("loop late, worst", 0.0), unit="ms"),
    )


def _play(case: Wired) -> Row:
    return asyncio.run(_run(case))


def wire(sizes: Sequence[int] = SIZES, seconds: float = SECONDS) -> Iterator[str]:
    """How late, with 1,000 and 5,000 orders over real HTTP and WebSocket, all cases side by side (real time)."""
    cases = _cases(sizes, seconds)
    with ProcessPoolExecutor(max_workers=AT_A_TIME, mp_context=get_context("spawn")) as pool:
        progress(f"{len(cases)} cases side by side, {seconds + cases[-1].settling:.0f} s and more")
        rows = [*pool.map(_play, cases)]
    for row in rows:
        yield from row.lines
    keep("wire", rows)


BENCHMARKS: Mapping[str, Callable[[], Iterator[str]]] = MappingProxyType({"wire": wire})
