"""The simulated broker, recorded or not, with large pages and small ones, keeps to the contract of every broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fillwatch.brokers.base import Broker
from fillwatch.simulator import SimulatedBroker, World
from fillwatch.testing.conformance import BrokerConformance
from fillwatch.testing.history import History
from fillwatch.testing.recorder import RecordingBroker


class TestSimulated(BrokerConformance):
    """The broker of the simulator, and whether noting its calls changes it."""

    PUSHES = False

    @asynccontextmanager
    async def over(self, world: World) -> AsyncIterator[Broker]:
        broker = RecordingBroker(SimulatedBroker(world), History(asyncio.get_running_loop().time))
        yield broker
        await broker.aclose()


class TestSmallPages(BrokerConformance):
    """Pages of two orders and of five executions."""

    PUSHES = False

    @asynccontextmanager
    async def over(self, world: World) -> AsyncIterator[Broker]:
        broker = SimulatedBroker(world, page_size=2, fills_page_size=5)
        yield broker
        await broker.aclose()


class TestPushing(BrokerConformance):
    """With the feed of trade updates beside the reads."""

    @asynccontextmanager
    async def over(self, world: World) -> AsyncIterator[Broker]:
        broker = SimulatedBroker(world, stream=True)
        yield broker
        await broker.aclose()
