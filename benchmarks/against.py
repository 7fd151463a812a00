"""Systems that watch orders, each in a process of its own, before the same simulated server, limit and seeds.

Real time: `hard` runs ours through the table of hard cases; `peers` runs what people use today through the same, and
measures how late each tells of fills. The environments of the peers are made on demand under `.venv/peers`; a peer
whose environment cannot be made, or that cannot be driven, is left out, and the reason is kept with the figures.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType

from benchmarks import plots
from benchmarks.driver import Played, play
from benchmarks.figures import Figure, Row, keep, keep_json, mean, percentile, progress
from benchmarks.scripts import HARD, Script, one_after_another
from benchmarks.systems import System, Undriven, prepared, tracked

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


@dataclass(slots=True, kw_only=True)
class Verdicts:
    """What is wrong, by case and system; and why a system has no say in a case."""

    wrong: dict[str, dict[str, list[str]]] = field(default_factory=lambda: {script.name: {} for script in HARD})
    left_out: dict[str, dict[str, str]] = field(default_factory=lambda: {script.name: {} for script in HARD})

    @property
    def lines(self) -> Iterator[str]:
        """One for each case and system."""
        for case, by_system in self.wrong.items():
            for system, wrong in by_system.items():
                yield f"{case:32} {system:28} {'right' if not wrong else f'WRONG ({len(wrong)}): {wrong[0]}'}"
            for system, reason in self.left_out[case].items():
                yield f"{case:32} {system:28} left out: {reason}"


async def _table(systems: Sequence[System], at_a_time: int = 4) -> Verdicts:
    """Each system through each hard case; at most so many cases run at a time."""
    room, found = asyncio.Semaphore(at_a_time), Verdicts()

    async def one(script: Script, system: System) -> None:
        async with room:
            try:
                found.wrong[script.name][system.name] = (await play(system, script)).wrong
            except (Undriven, OSError) as error:
                found.left_out[script.name][system.name] = _reason(error)
            progress(f"{script.name}: {system.name}")

    async with asyncio.TaskGroup() as group:
        for script in HARD:
            for system in systems:
                group.create_task(one(script, system))
    return found


def _reason(error: Exception) -> str:
    return error.reason if isinstance(error, Undriven) else f"{type(error).__name__}: {error}"


def hard() -> Iterator[str]:
    """Ours through every hard case, right or wrong."""
    found = asyncio.run(_table(OURS))
    yield from found.lines
    figures = tuple(
        Figure(
            name=f"{case}: {system.name}", value=len(found.wrong[case].get(system.name, ["-"])), unit="wrong", at_most=0
        )
        for case in found.wrong
        for system in OURS
    )
    keep("hard", [Row(case="hard cases", figures=figures, facts=asdict(found))])


#: Open orders, and seconds for which they fill one after another.
SIZES, SECONDS = (10, 100), 90.0


def peers() -> Iterator[str]:
    """Everybody: lateness among 10 and 100 open orders, the hard cases, and how fast a tracker tracks."""
    progress("environments of the peers, from the network if they are not there")
    missing = {system.folder: reason for system in (*PEERS, *TRACKERS) if (reason := prepared(system)) is not None}
    yield from (f"{folder} is left out: {reason}" for folder, reason in missing.items())
    systems = [*OURS, *(system for system in PEERS if system.folder not in missing)]
    trackers = [system for system in TRACKERS if system.folder not in missing]
    rows = asyncio.run(_lateness(systems))
    keep("peers", rows)
    for row in rows:
        yield from row.lines
    found = asyncio.run(_table(systems))
    for system in trackers:
        _told(system, found)
    for system in (*PEERS, *TRACKERS):
        if system.folder in missing:
            for case in found.left_out.values():
                case[system.name] = missing[system.folder]
    keep_json("peers_hard", asdict(found))
    yield from found.lines
    yield plots.verdicts("peers_hard", found.wrong)
    rates = [_tracked(system) for system in trackers]
    keep("trackers", rates)
    for row in rates:
        yield from row.lines


def _told(system: System, found: Verdicts) -> None:
    """The hard cases of a system that has no server to be put before, and is told of them instead."""
    if system.ours:  # it has been before the server
        return
    try:
        told = tracked(replace(system, script="cases.py"))
    except Undriven as error:
        told = [{"case": name, "left_out": error.reason} for name in found.wrong]
    for each in told:
        if "left_out" in each:
            found.left_out[each["case"]][system.name] = each["left_out"]
        elif "case" in each:
            found.wrong[each["case"]][system.name] = each["wrong"]


async def _lateness(systems: Sequence[System]) -> list[Row]:
    """Each system among each number of open orders, as many at a time as there are processors: they mostly wait."""
    room = asyncio.Semaphore(os.cpu_count() or 1)

    async def one(script: Script, system: System) -> Row:
        async with room:
            progress(f"{script.name}: {system.name}, {SECONDS:.0f} s and more")
            try:
                return _lateness_row(system, script, await play(system, script))
            except (Undriven, OSError) as error:
                facts: dict[str, object] = {"system": system.name, "left_out": _reason(error)}
                return Row(case=f"{script.name}: {system.name} (left out: {_reason(error)})", figures=(), facts=facts)

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
        Figure(name="processor", value=100.0 * played.processor, unit="% of a core"),
    )
    facts: dict[str, object] = {"orders": script.orders, "system": system.name, "delays": sorted(played.delays)}
    return Row(case=f"{script.name}: {system.name}", figures=figures, facts=facts)


def _tracked(system: System) -> Row:
    name = f"tracker of {system.name}"
    try:
        told = tracked(system)
    except Undriven as error:
        facts: dict[str, object] = {"system": system.name, "left_out": error.reason}
        return Row(case=f"{name} (left out: {error.reason})", figures=(), facts=facts)
    figures = tuple(Figure(name=each["figure"], value=each["value"]) for each in told if "figure" in each)
    return Row(case=name, figures=figures, facts={"system": system.name})


BENCHMARKS: Mapping[str, Callable[[], Iterator[str]]] = MappingProxyType({"hard": hard})
PEER_BENCHMARKS: Mapping[str, Callable[[], Iterator[str]]] = MappingProxyType({"peers": peers})
