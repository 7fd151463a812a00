"""One seeded world, lived through in virtual time: orders, faults, callers who give up; then every word is checked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from fillwatch.brokers.base import Broker
from fillwatch.core.config import FillDetectionConfig, RateLimit
from fillwatch.core.errors import FillwatchError
from fillwatch.core.results import Amendment, FillResult
from fillwatch.engine.engine import FillDetectionEngine
from fillwatch.simulator import USUAL_MIX, Fate, Faults, SimulatedBroker, World
from fillwatch.testing.checker import check
from fillwatch.testing.conduct import errors
from fillwatch.testing.history import History, Phase
from fillwatch.testing.loop import run_virtual
from fillwatch.testing.recorder import Follower, RecordingBroker
from fillwatch.testing.violations import Terms, Violation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fillwatch.engine.watch import OrderWatch

#: Opens a broker over a world, in the running loop, and closes it when it is left.
Over = Callable[[World], AbstractAsyncContextManager[Broker]]
#: Virtual seconds after healing within which unresolved orders that have an end must have been amended: an audit comes
#: at growing intervals, and the last may just have been missed.
SETTLING = 1_200.0
#: Virtual seconds between two looks of the world's run at whether all is settled.
STEP = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldReport:
    """How a world went.

    `reached`: fates that came to pass and faults that struck. `counts`: outcomes, amendments, requests, errors. `trace`
    is a hash of the whole history: the same seed gives the same one.
    """

    seed: int
    violations: tuple[Violation, ...]
    reached: Counter[str]
    counts: Mapping[str, int]
    trace: str
    history: History

    def __str__(self) -> str:
        broken = "".join(f"\n  {violation}" for violation in self.violations)
        counts = " ".join(f"{name}={number}" for name, number in sorted(self.counts.items()))
        return f"seed {self.seed}: {len(self.violations)} violations; {counts}{broken}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the seed decides of a world besides its orders and their fates.

    `mix`: how often each fate occurs. `arriving`: seconds over which the orders are placed (0: just before the run).
    """

    faults: Faults
    config: FillDetectionConfig
    page_size: int = 500
    fills_page_size: int = 100
    latency: tuple[float, float] = (0.02, 0.08)
    mix: Mapping[Fate, int] = field(default_factory=lambda: USUAL_MIX)
    arriving: float = 0.0

    @classmethod
    def drawn(cls, seed: int) -> Setting:
        """The setting of `seed`."""
        draw = Random(f"setting/{seed}")
        config = FillDetectionConfig(
            timeout_seconds=draw.uniform(5.0, 30.0),
            partial_fills=draw.choice(("cancel_remainder", "wait")),
            resolution_seconds=draw.choice((5.0, 30.0)),
            rate_limit=RateLimit(share=draw.choice((0.5, 0.8, 0.9))),
            enable_adaptive_polling=draw.random() < 0.8,
        )
        return cls(
            faults=Faults.random(seed),
            config=config,
            page_size=draw.choice((500, 500, 100, 7)),
            fills_page_size=draw.choice((100, 100, 5)),
            latency=draw.choice(((0.02, 0.08), (0.1, 0.9))),
        )

    @asynccontextmanager
    async def simulated(self, world: World) -> AsyncIterator[Broker]:
        """The broker in memory, with this latency and these pages."""
        yield SimulatedBroker(
            world, latency=self.latency, page_size=self.page_size, fills_page_size=self.fills_page_size
        )


def run_world(seed: int, orders: int = 30, *, setting: Setting | None = None, over: Over | None = None) -> WorldReport:
    """Live through the world of `seed` and check it; `setting` replaces what the seed would have drawn of it.

    `over` opens the broker that the engine talks to (None: the simulated one in memory). Raises what the run raises:
    `Deadlock`, `LeftOverTasks`, an error nobody has caught. That is a finding, too.
    """
    chosen = Setting.drawn(seed) if setting is None else setting
    return run_virtual(lambda: _Life(seed, orders, chosen, over or chosen.simulated).run(), seed=seed)


class _Life:
    """One run: its world, its callers, its history."""

    def __init__(self, seed: int, orders: int, setting: Setting, over: Over) -> None:
        self._seed = seed
        self._orders = orders
        self._setting = setting
        self._over = over
        self._draw = Random(f"life/{seed}")
        self._rng = Random(f"engine/{seed}")
        clock = asyncio.get_running_loop().time
        self._world = World(seed, clock=clock, faults=setting.faults, timeout=setting.config.timeout_seconds)
        self._history = History(clock)

    async def run(self) -> WorldReport:
        setting, history = self._setting, self._history
        placed = [] if setting.arriving else self._world.populate(self._orders, mix=setting.mix)
        async with self._over(self._world) as broker, asyncio.TaskGroup() as group:
            async with FillDetectionEngine(RecordingBroker(broker, history), setting.config, rng=self._rng) as engine:
                follower = Follower(history, engine, group)
                async with asyncio.TaskGroup() as callers:
                    for order in placed:
                        callers.create_task(self._call(follower, order))
                    for number in range(self._orders - len(placed)):
                        callers.create_task(self._arrive(follower, number))
                await self._settle()
                history.write("engine", "close", Phase.INVOKE)
            history.write("engine", "close", Phase.OK)
        await asyncio.sleep(STEP)
        return self._report()

    async def _arrive(self, follower: Follower, number: int) -> None:
        """A caller whose order is placed while the engine is running."""
        await asyncio.sleep(self._setting.arriving * number / self._orders)
        [order] = self._world.populate(1, mix=self._setting.mix)
        await self._call(follower, order)

    async def _call(self, follower: Follower, order: str) -> None:
        """A caller: comes a little late, may leave the order alone, give up on it, or release it."""
        draw = Random(f"caller/{self._seed}/{order}")
        if draw.random() < 0.3:
            await asyncio.sleep(draw.uniform(0.0, 10.0))
        leave = draw.random() < 0.1
        keywords = {"at_timeout": "leave"} if leave else {}
        watch = follower.watch(order, may_cancel=not leave, **keywords)
        manner = draw.choices(("waits", "gives up", "releases"), weights=(12, 3, 1))[0]
        if manner == "gives up":
            await self._give_up(watch, draw.uniform(0.0, 20.0))
        elif manner == "releases":
            await asyncio.sleep(draw.uniform(0.0, 20.0))
            if not watch.done():
                follower.release(watch)
            return
        try:
            await watch
        except FillwatchError:
            self._history.write("caller", "disappointed", Phase.INFO, order=order)

    async def _give_up(self, watch: OrderWatch, seconds: float) -> None:
        """Wait for a while; what becomes of the wait must not matter to the watch."""
        try:
            async with asyncio.timeout(seconds):
                await watch
        except TimeoutError:
            self._history.write("caller", "gave up", Phase.INFO, order=watch.order_id)

    async def _settle(self) -> None:
        """Until the world has healed and each unresolved order that has an end was amended, or time has run out."""
        loop = asyncio.get_running_loop()
        healed = self._world.start + self._setting.faults.heal_at
        await asyncio.sleep(max(0.0, healed - loop.time()))
        for _ in range(int(SETTLING / STEP)):
            if not self._unsettled():
                break
            await asyncio.sleep(STEP)

    def _unsettled(self) -> bool:
        last: dict[str, FillResult] = {}
        for line in self._history.lines:
            if line.op == "result" and isinstance(line.value, FillResult):
                last[line.order] = line.value
            elif isinstance(line.value, Amendment):
                last[line.order] = line.value.amended
        ledger = self._world.ledger
        for line in self._history.of("release"):
            last.pop(line.order, None)
        return any(
            (not result.outcome.is_end or result.fill_quantity is None)
            and ledger.truth(ledger.chain(order)[-1]).ended_at is not None
            for order, result in last.items()
        )

    def _report(self) -> WorldReport:
        history, ledger = self._history, self._world.ledger
        counts: Counter[str] = Counter()
        for line in history.of("result"):
            name = line.value.outcome if isinstance(line.value, FillResult) else type(line.value).__name__
            counts[f"result:{name}"] += 1
        for line in history.of("amendment"):
            if isinstance(line.value, Amendment):
                counts[f"amendment:{line.value.kind}"] += 1
        counts["requests"] = len(ledger.arrivals)
        counts["worst_minute"] = ledger.worst_window()
        counts["429_of_ours"] = sum(arrival.status == 429 and not arrival.fault for arrival in ledger.arrivals)
        counts.update({f"error:{name}": number for name, number in errors(history).items()})
        terms = Terms(granted=self._setting.config.rate_limit.granted)
        return WorldReport(
            seed=self._seed,
            violations=tuple(check(history, ledger, terms)),
            reached=self._world.reached,
            counts=counts,
            trace=history.digest(),
            history=history,
        )
