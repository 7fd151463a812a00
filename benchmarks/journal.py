"""The journal: facts on the disk in a second, how long one writer waits, and what the disk takes for itself.

The directory is the system's for temporary files (`TMPDIR` moves it: on a file system in memory a sync costs nothing).
A cycle is what one order leaves behind; every fact in it is awaited until it is on the disk. What a journal costs the
engine is the difference between watches with one and without: the simulated broker's own work is in both, and most
results have a commit to themselves, as orders that end one by one do.
"""

from __future__ import annotations

import asyncio
import math
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import MappingProxyType

from benchmarks.figures import Figure, Row, keep
from fillwatch import FillDetectionConfig, FillDetectionEngine, OrderRequest, RateLimit
from fillwatch.core.orders import Execution, Side
from fillwatch.journal import Fact, FactKind, Journal, JournalReader, SqliteJournal
from fillwatch.simulator import Fate, SimulatedBroker, World
from fillwatch.testing import run_virtual

RUNS = 3
WRITERS = 1_000
#: Watches that are written down and that are not, and how often.
WATCHES, WATCH_RUNS = 500, 5
REQUEST = OrderRequest(symbol="AAPL", side=Side.BUY, qty=Decimal(10))
#: What an order leaves behind that has to be on the disk.
CYCLE = (
    *(FactKind.INTENT, FactKind.SENDING, FactKind.ACCEPTED, FactKind.WATCH),
    *(FactKind.EXECUTION, FactKind.EXECUTION, FactKind.RESULT, FactKind.CLOSED),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long writers waited for their facts, in seconds, and how many facts a second that was for all of them.

    `cpu`: seconds of processor for one fact, making it included; what else the machine does changes that little.
    """

    each: list[float]
    per_second: float
    cpu: float = 0.0

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.each)

    @property
    def late(self) -> float:
        """The 99th of a hundred, in seconds."""
        return sorted(self.each)[len(self.each) * 99 // 100]


#: What a fact says costs what it costs without a journal too; putting it into JSON is the journal's.
BODY = Execution(
    execution_id="20260615143000000::3b2f8a50-6d0e-4b0c-9d3c-5a1f0c2b7e11",
    order_id="61e69015-8549-4bfd-b9c3-01e75843f47d",
    symbol="AAPL",
    side=Side.BUY,
    qty=Decimal("12.5"),
    price=Decimal("187.43"),
    at=datetime(2026, 6, 15, 14, 30, tzinfo=UTC),
)


def _fact(kind: FactKind, order_id: str) -> Fact:
    at = datetime.now(UTC)
    return Fact.of(kind, BODY, at=at, monotonic=time.monotonic(), intent_id=order_id, order_id=order_id)


async def _crowd(path: Path, writers: int, cycles: int) -> Waits:
    each: list[float] = []

    async def one() -> None:
        for _ in range(cycles):
            order_id = str(uuid.uuid4())
            for kind in CYCLE:
                fact = _fact(kind, order_id)
                start = time.perf_counter()
                await kept.write(fact, durable=True)
                each.append(time.perf_counter() - start)

    async with SqliteJournal(path) as kept:
        start, before = time.perf_counter(), time.process_time()
        async with asyncio.TaskGroup() as group:
            for _ in range(writers):
                group.create_task(one())
        taken, spent = time.perf_counter() - start, time.process_time() - before
        return Waits(each=each, per_second=len(each) / taken, cpu=spent / len(each))


async def _notes(path: Path, count: int) -> Waits:
    """Facts that ride along: what the one who gives them away pays."""
    order_id = str(uuid.uuid4())
    facts = [_fact(FactKind.EVIDENCE, order_id) for _ in range(count)]
    async with SqliteJournal(path) as kept:
        start = time.perf_counter()
        for fact in facts:
            kept.note(fact)
        taken = time.perf_counter() - start
        await kept.write(_fact(FactKind.RESULT, order_id), durable=True)
        assert not kept.lost
        return Waits(each=[taken / count], per_second=count / (time.perf_counter() - start))


def _bare(path: Path, count: int = 300) -> Waits:
    """A page appended to a file and synced, again and again, by nobody but the system."""
    each = []
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    # SQLite syncs data and size, not the times of the file, where the system can tell them apart.
    sync = getattr(os, "fdatasync", os.fsync)
    try:
        for _ in range(count):
            start = time.perf_counter()
            os.write(descriptor, bytes(4096))
            sync(descriptor)
            each.append(time.perf_counter() - start)
    finally:
        os.close(descriptor)
    return Waits(each=each, per_second=count / sum(each))


def _best(work: Callable[[Path], Coroutine[None, None, Waits]]) -> Waits:
    """The fastest of several runs, each with a new file: what else the machine does only ever slows them."""

    def once() -> Waits:
        with tempfile.TemporaryDirectory(prefix="fillwatch-bench-") as folder:
            return asyncio.run(work(Path(folder) / "journal.db"))

    return max((once() for _ in range(RUNS)), key=lambda waits: waits.per_second)


def journal() -> Iterator[str]:
    """Durable facts with a crowd of writers and with one, facts that ride along, and the bare sync beside them."""
    with tempfile.TemporaryDirectory(prefix="fillwatch-bench-") as folder:
        bare = _bare(Path(folder) / "bare")
    began = time.perf_counter()
    one = _best(lambda path: _crowd(path, 1, 60))
    crowd = _best(lambda path: _crowd(path, WRITERS, 15))
    notes = _best(lambda path: _notes(path, 50_000))
    disk = Row(
        case="journal",
        facts={"writers": WRITERS, "cycle": len(CYCLE)},
        seconds=time.perf_counter() - began,
        figures=(
            Figure(name="bare sync of a page, p50", value=bare.median * 1e3, unit="ms"),
            Figure(name="bare sync of a page, p99", value=bare.late * 1e3, unit="ms"),
            Figure(name="one writer, p50", value=one.median * 1e3, unit="ms", at_most=1.0, bound=bare.median * 1e3),
            Figure(name="one writer, p99", value=one.late * 1e3, unit="ms", bound=bare.late * 1e3),
            Figure(name="one writer, processor for one fact", value=one.cpu * 1e6, unit="µs"),
            Figure(name=f"{WRITERS:,} writers", value=crowd.per_second, unit="durable facts a second", at_least=50_000),
            Figure(name=f"{WRITERS:,} writers, p50", value=crowd.median * 1e3, unit="ms"),
            Figure(name=f"{WRITERS:,} writers, p99", value=crowd.late * 1e3, unit="ms"),
            Figure(name=f"{WRITERS:,} writers, processor for one fact", value=crowd.cpu * 1e6, unit="µs"),
            Figure(name="giving away a fact that rides along", value=notes.each[0] * 1e6, unit="µs"),
            Figure(name="facts that ride along", value=notes.per_second, unit="a second"),
        ),
    )
    yield from disk.lines
    watched = _watched()
    yield from watched.lines
    keep("journal", [disk, watched])


def _watched() -> Row:
    """What the engine pays for writing everything down, in processor time, the writing thread's included."""
    began = time.perf_counter()
    plain, kept, facts = math.inf, math.inf, 0
    for _ in range(WATCH_RUNS):  # in turn, and the least of each: what else the machine does only ever adds
        plain = min(plain, run_virtual(lambda: _watch(None), seed=1))
        with tempfile.TemporaryDirectory(prefix="fillwatch-bench-") as folder:
            path = Path(folder) / "journal.db"
            kept = min(kept, run_virtual(partial(_watch_with, path), seed=1))
            with JournalReader(path) as reader:
                facts = len(reader.read())
    return Row(
        case="watches that are written down",
        facts={"watches": WATCHES, "facts": facts},
        seconds=time.perf_counter() - began,
        figures=(
            Figure(name="facts of a watch", value=facts / WATCHES),
            Figure(name="processor for a watch without a journal, the broker's part in it", value=plain, unit="µs"),
            Figure(name="processor for a watch with a journal, the broker's part in it", value=kept, unit="µs"),
            Figure(name="processor for writing a watch down", value=kept - plain, unit="µs"),
        ),
    )


async def _watch_with(path: Path) -> float:
    async with SqliteJournal(path) as kept:
        return await _watch(kept)


async def _watch(kept: Journal | None) -> float:
    """Microseconds of processor for each of many watches whose orders are filled within seconds."""
    world = World(1, clock=asyncio.get_running_loop().time, requests_per_minute=None)
    order_ids = [world.place(REQUEST, Fate.SLOW) for _ in range(WATCHES)]
    config = FillDetectionConfig(rate_limit=RateLimit(limit=2_000))
    async with FillDetectionEngine(SimulatedBroker(world), config, journal=kept) as engine:
        before = time.process_time()
        async for result in engine.as_resolved(order_ids):
            assert result.filled
        return (time.process_time() - before) / WATCHES * 1e6


BENCHMARKS: Mapping[str, Callable[[], Iterator[str]]] = MappingProxyType({"journal": journal})
