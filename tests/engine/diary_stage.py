"""What the tests of the diary and of recovery share: an engine with a journal, and a disk that can be held back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

from fillwatch import FillDetectionConfig, FillDetectionEngine
from fillwatch.journal import Entry, Fact, FactKind, Journal, JournalError, JournalFull, MemoryJournal
from fillwatch.simulator import SimulatedBroker, World


def now() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()


class Disk(MemoryJournal):
    """Memory that behaves like a file on a disk: what was given is `kept` until it can be written.

    `hold()` lets the disk hang until `go_on()`, `hold_at` from the first fact of that kind on; while it is `full`
    whatever waits is refused.
    """

    def __init__(self) -> None:
        super().__init__()
        self.full = False
        self.hold_at: FactKind | None = None
        self.kept: list[Fact] = []
        self._moves = asyncio.Event()
        self._moves.set()

    @property
    def problem(self) -> JournalError | None:
        """Why nothing can be written."""
        return JournalFull("the disk is full", kept=True) if self.full else None

    async def write(self, *facts: Fact, durable: bool | None = None) -> None:
        """Kept until the disk moves; refused while it is full, but kept all the same."""
        self.kept.extend(facts)
        if any(fact.kind is self.hold_at for fact in facts):
            self.hold()
        if self.full:
            raise JournalFull("the disk is full", kept=True)
        await self._moves.wait()
        self._flush()

    def note(self, fact: Fact) -> None:
        """Kept, and written if the disk moves and has room."""
        self.kept.append(fact)
        self._flush()

    @property
    def written(self) -> list[str]:
        """The kinds of what is on the disk."""
        return kinds(self._entries)

    def hold(self) -> None:
        """From now on the disk does not answer."""
        self._moves.clear()

    def go_on(self) -> None:
        """It answers again, and everything kept is written."""
        self.hold_at = None
        self._moves.set()
        self._flush()

    def _flush(self) -> None:
        if self.full or not self._moves.is_set():
            return
        kept, self.kept = self.kept, []
        for fact in kept:
            super().note(fact)


@dataclass(slots=True, kw_only=True)
class Stage:
    """A world, the journal, and how far somebody has moved the wall clock (seconds)."""

    world: World
    journal: Journal
    clock_moved: float = 0.0

    def wall(self) -> datetime:
        """The machine's clock."""
        return self.world.wall(now() + self.clock_moved)

    @asynccontextmanager
    async def engine(
        self,
        stream: bool = False,
        latency: tuple[float, float] = (0.02, 0.08),
        **config: Any,  # noqa: ANN401 - fields of the configuration
    ) -> AsyncIterator[FillDetectionEngine]:
        """A life of an engine over the same world and the same journal."""
        broker = SimulatedBroker(self.world, stream=stream, latency=latency)
        chosen = FillDetectionConfig(**config)
        async with FillDetectionEngine(broker, chosen, rng=Random(1), journal=self.journal, wall=self.wall) as engine:
            yield engine

    async def facts(self, order_id: str | None = None, *kinds: FactKind) -> list[Fact]:
        """What is on the disk."""
        return [entry.fact for entry in await self.journal.read(order_id=order_id, kinds=kinds)]


def stage(journal: Journal | None = None, seed: int = 1, **world: Any) -> Stage:  # noqa: ANN401 - settings of World
    """A world in the running loop, and a journal in memory unless one is given."""
    place = World(seed, clock=now, **world)
    return Stage(world=place, journal=MemoryJournal() if journal is None else journal)


def kinds(facts: Iterable[Fact | Entry]) -> list[str]:
    """Their kinds, in order."""
    return [(fact.fact if isinstance(fact, Entry) else fact).kind.value for fact in facts]


async def until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait in steps of a hundredth until something is so; `TimeoutError` if it does not become so."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
