"""The simulated broker, recorded or not, with large pages and small ones, keeps to the contract of every broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fillwatch.simulator import Fate, SimulatedBroker, World
from fillwatch.testing.conformance import BrokerConformance, Stage
from fillwatch.testing.history import History
from fillwatch.testing.recorder import RecordingBroker


class TestSimulated(BrokerConformance):
    """The broker of the simulator."""

    PAGE = 500

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[Stage]:
        clock = asyncio.get_running_loop().time
        world = World(1, clock=clock)
        filled = world.place(fate=Fate.INSTANT)
        others = [world.place(fate=Fate.NEVER) for _ in range(5)]
        await asyncio.sleep(1.0)
        broker = SimulatedBroker(world, page_size=self.PAGE, fills_page_size=self.PAGE)
        yield Stage(
            broker=RecordingBroker(broker, History(clock)),
            open_id=others[0],
            filled_id=filled,
            unknown_id="00000000-0000-4000-8000-000000000000",
        )


class TestSmallPages(TestSimulated):
    """Six orders on pages of two."""

    PAGE = 2
