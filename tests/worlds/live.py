"""An engine over a simulated broker in virtual time, in a line: what the tests of whole lives share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

from fillwatch.core.config import FillDetectionConfig
from fillwatch.engine.engine import FillDetectionEngine
from fillwatch.simulator import NO_FAULTS, Faults, Ledger, SimulatedBroker, World
from fillwatch.testing.checker import check
from fillwatch.testing.history import History, Phase
from fillwatch.testing.recorder import Follower, RecordingBroker
from fillwatch.testing.violations import Terms, Violation


@dataclass(slots=True, kw_only=True)
class Live:
    """A running engine, the world behind it, and the history of both."""

    world: World
    engine: FillDetectionEngine
    follower: Follower
    history: History

    @property
    def ledger(self) -> Ledger:
        """The truth."""
        return self.world.ledger

    def violations(self, **terms: Any) -> list[Violation]:  # noqa: ANN401 - fields of Terms
        """What the checker finds; to be asked after the engine is closed."""
        return check(self.history, self.ledger, Terms(**terms))


@asynccontextmanager
async def live(
    seed: int = 1,
    *,
    faults: Faults = NO_FAULTS,
    config: FillDetectionConfig | None = None,
    page_size: int = 500,
    stream: bool = False,
    **world: Any,  # noqa: ANN401 - settings of World
) -> AsyncIterator[Live]:
    """An engine that runs inside the block; its followers end after it."""
    clock = asyncio.get_running_loop().time
    history = History(clock)
    chosen = FillDetectionConfig() if config is None else config
    place = World(seed, clock=clock, faults=faults, **({"timeout": chosen.timeout_seconds} | world))
    broker = RecordingBroker(SimulatedBroker(place, page_size=page_size, stream=stream), history)
    async with asyncio.TaskGroup() as group:
        async with FillDetectionEngine(broker, chosen, rng=Random(seed)) as engine:
            yield Live(world=place, engine=engine, follower=Follower(history, engine, group), history=history)
            history.write("engine", "close", Phase.INVOKE)
        history.write("engine", "close", Phase.OK)
