"""Where conformance tests are played: a broker over a world of its own, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import ClassVar

from fillwatch.brokers.base import Broker
from fillwatch.simulator import NO_FAULTS, Fate, Faults, World
from fillwatch.testing.loop import run_virtual

#: An id of the right form that no order has.
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
#: Requests a minute that the worlds of these tests allow: the limit is not what they are about.
AMPLE = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A broker that answers properly; `open_id` rests there, `filled_id` is filled, `unknown_id` is no order of it."""

    broker: Broker
    open_id: str
    filled_id: str
    unknown_id: str
    malformed: tuple[str, ...] = field(default=("", "../account", "x?status=all"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A broker, the world behind it, and the world's clock."""

    broker: Broker
    world: World

    @property
    def now(self) -> float:
        """Seconds of the loop's clock."""
        return asyncio.get_running_loop().time()


class Stages:
    """Opens stages for the tests; `over` is what a subclass gives. `PUSHES`: whether that broker has a stream."""

    PUSHES: ClassVar[bool] = True

    def over(self, world: World) -> AbstractAsyncContextManager[Broker]:
        """The broker to be tested, talking to `world`; to be entered in the running loop, and closed when left.

        An adapter that speaks Alpaca's HTTP API is put over `fillwatch.testing.inloop.in_loop(world)`; one that speaks
        another language brings its own front to `World.receive`.
        """
        raise NotImplementedError("give `over(world)`: the broker to be tested, talking to that world")

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[Stage]:
        """One filled order and five that rest, a second after they were placed."""
        async with self.scene() as scene:
            filled = scene.world.place(fate=Fate.INSTANT)
            resting = [scene.world.place(fate=Fate.NEVER) for _ in range(5)]
            await asyncio.sleep(1.0)
            yield Stage(broker=scene.broker, open_id=resting[0], filled_id=filled, unknown_id=UNKNOWN_ID)

    @asynccontextmanager
    async def scene(
        self, *, faults: Faults = NO_FAULTS, fate: Fate = Fate.NEVER, seed: int = 1
    ) -> AsyncIterator[Scene]:
        """An empty world with these faults, in which submitted orders have this fate, and a broker over it."""
        clock = asyncio.get_running_loop().time
        world = World(seed, clock=clock, faults=faults, fate=fate, requests_per_minute=AMPLE)
        async with self.over(world) as broker:
            yield Scene(broker=broker, world=world)

    def run(self, scene: Callable[[Stage], Awaitable[None]]) -> None:
        """Play one scene on a stage of its own."""

        async def play() -> None:
            async with self.stage() as stage:
                await scene(stage)

        run_virtual(play)

    def play(
        self,
        act: Callable[[Scene], Awaitable[None]],
        *,
        faults: Faults = NO_FAULTS,
        fate: Fate = Fate.NEVER,
        seed: int = 1,
    ) -> None:
        """Play `act` in a world of its own."""

        async def begin() -> None:
            async with self.scene(faults=faults, fate=fate, seed=seed) as scene:
                await act(scene)

        run_virtual(begin, seed=seed)
