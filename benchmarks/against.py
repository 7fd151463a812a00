"""Systems that watch orders, each in a process of its own, before the same simulated server, limit and seeds.

Real time: `hard` runs ours through the table of hard cases; `peers` runs what people use today through the same, and
measures how late each tells of fills. The environments of the peers are made on demand under `.venv/peers`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from benchmarks.driver import Played, System, play, tracked
from benchmarks.figures import Figure, Row, keep, keep_json, mean, percentile
from benchmarks.scripts import HARD, Script, one_after_another

OURS = (
    System(name="fillwatch, polling", folder="fillwatch", how="polling", ours=True),
    System(name="fillwatch, stream", folder="fillwatch", how="stream", ours=True),
)
PEERS = (
    System(name="alpaca-py loop in threads", folder="alpaca_py", how="loop"),
    System(name="alpaca-py TradingStream", folder="alpaca_py", how="stream"),
    System(name="one page every 5 s", folder="alpaca_py", how="lister"),
    System(name="ccxt fetch_order", folder="ccxt"),
)
TRACKERS = (
    System(name="fillwatch", folder="fillwatch", how="tracker", ours=True),
    System(name="nautilus_trader", folder="nautilus_trader"),
    System(name="ib_async", folder="ib_async"),
)


async def _table(systems: Sequence[System], at_a_time: int = 4) -> dict[str, dict[str, list[str]]]:
    """What is wrong, by case and system; at most so many cases run at a time."""
    room = asyncio.Semaphore(at_a_time)
    found: dict[str, dict[str, list[str]]] = {script.name: {} for script in HARD}

    async def one(script: Script, system: System) -> None:
        async with room:
            try:
                found[script.name][system.name] = (await play(system, script)).wrong
            except (TimeoutError, BrokenPipeError, ConnectionError) as error:
                found[script.name][system.name] = [f"it could not be driven: {type(error).__name__}"]

    async with asyncio.TaskGroup() as group:
        for script in HARD:
            for system in systems:
                group.create_task(one(script, system))
    return found


def hard() -> Iterator[str]:
    """Ours through every hard case, right or wrong."""
    found = asyncio.run(_table(OURS))
    yield from _told(found)
    figures = tuple(
        Figure(name=f"{case}: {system}", value=len(wrong), unit="wrong", at_most=0)
        for case, by_system in found.items()
        for system, wrong in by_system.items()
    )
    keep("hard", [Row(case="hard cases", figures=figures, facts={"wrong": found})])


def _told(found: Mapping[str, Mapping[str, Sequence[str]]]) -> Iterator[str]:
    for case, by_system in found.items():
        for system, wrong in by_system.items():
            verdict = "right" if not wrong else f"WRONG ({len(wrong)}): {wrong[0]}"
            yield f"{case:32} {system:28} {verdict}"


#: Open orders, and seconds for which they fill one after another.
SIZES, SECONDS = (10, 100), 90.0


def peers() -> Iterator[str]:
    """Everybody: lateness among 10 and 100 open orders, the hard cases, and how fast a tracker tracks."""
    rows = asyncio.run(_lateness((*OURS, *PEERS)))
    keep("peers", rows)
    for row in rows:
        yield from row.lines
    found = asyncio.run(_table((*OURS, *PEERS)))
    keep_json("peers_hard", {"wrong": found})
    yield from _told(found)
    rates = [_tracked(system) for system in TRACKERS]
    keep("trackers", rates)
    for row in rates:
        yield from row.lines


async def _lateness(systems: Sequence[System]) -> list[Row]:
    """Each system among each number of open orders, at most so many at a time as there are processors to spare."""
    room = asyncio.Semaphore(max(1, (os.cpu_count() or 1) // 2))

    async def one(script: Script, system: System) -> Row:
        async with room:
            return _lateness_row(system, script, await play(system, script))

    plain = [(one_after_another(size, SECONDS), system) for size in SIZES for system in systems]
    lossy = [
        (one_after_another(max(SIZES), SECONDS, lossy=True), system) for system in systems if system.how == "stream"
    ]
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(one(script, system)) for script, system in (*plain, *lossy)]
    return [task.result() for task in running]


def _lateness_row(system: System, script: Script, played: Played) -> Row:
    figures = (
        Figure(name="fills mean", value=mean(played.delays), unit="s"),
        Figure(name="fills p50", value=percentile(played.delays, 0.5), unit="s"),
        Figure(name="fills p99", value=percentile(played.delays, 0.99), unit="s"),
        Figure(name="fills told", value=len(played.delays), unit=f"of {played.fills}"),
        Figure(name="missed", value=played.missed),
        Figure(name="phantom", value=played.phantom),
        Figure(name="requests per fill", value=played.requests / (played.fills or 1)),
        Figure(name="429s", value=played.refused),
        Figure(name="requests in the worst minute", value=played.worst_minute),
    )
    facts: dict[str, object] = {"orders": script.orders, "system": system.name, "delays": sorted(played.delays)}
    return Row(case=f"{script.name}: {system.name}", figures=figures, facts=facts)


def _tracked(system: System) -> Row:
    figures = tuple(Figure(name=name, value=value) for name, value in tracked(system).items())
    return Row(case=f"tracker of {system.name}", figures=figures, facts={"system": system.name})


BENCHMARKS: Mapping[str, Callable[[], Iterator[str]]] = MappingProxyType({"hard": hard})
PEER_BENCHMARKS: Mapping[str, Callable[[], Iterator[str]]] = MappingProxyType({"peers": peers})
