"""A simulated broker with a virtual loop of its own: what the fixture `simulated_broker` gives to a test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from fillwatch.simulator import Ledger, SimulatedBroker, World
from fillwatch.simulator.scenarios import Scenario, enact
from fillwatch.testing.loop import VirtualLoop, VirtualRunner, virtual_runner

T = TypeVar("T")


class OfflineBroker(SimulatedBroker):
    """`SimulatedBroker` with its scenario and its virtual time.

    The simulated exchange is `world`: it places orders, sets prices and lets faults strike. Asynchronous code that
    uses the broker runs in its loop: an `async def` test does so by itself, an ordinary one calls `run`.
    """

    def __init__(self, world: World, scenario: Scenario, runner: VirtualRunner) -> None:
        super().__init__(world)
        self.scenario = scenario
        self._runner = runner

    @property
    def ledger(self) -> Ledger:
        """The truth, which no fault touches."""
        return self.world.ledger

    def run(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run `main()` in virtual time and return what it returns; time goes on from call to call."""
        return self._runner(main)


class _OwnTime:
    """The clock of one loop; refuses to be read from within another one, where its hands would stand still."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def __call__(self) -> float:
        running = asyncio._get_running_loop()
        if running is not None and running is not self._loop:
            raise RuntimeError(
                "simulated_broker lives in virtual time and is used in another event loop; let the test be `async def` "
                "and let no other plugin run it or its fixtures, or call `simulated_broker.run(main)`"
            )
        return self._loop.time()


@contextmanager
def offline_broker(scenario: Scenario, seed: int) -> Iterator[OfflineBroker]:
    """A broker in a world of its own in which `scenario` begins at once."""
    with virtual_runner(seed=seed) as runner:
        world = World(seed, clock=_OwnTime(runner.loop))
        enact(scenario, world)
        yield OfflineBroker(world, scenario, runner)
