"""The engine as a state machine: Hypothesis places, watches, waits, gives up and releases in any order."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from fillwatch import FillDetectionConfig, FillDetectionEngine, FillOutcome, FillResult, OrderWatch
from fillwatch.simulator import Fate, Faults, SimulatedBroker, World
from fillwatch.simulator.fates import PLANNED
from fillwatch.testing import VirtualLoop

NO_BUSTS = sorted(set(PLANNED) - {Fate.BUSTED, Fate.CORRECTED})


class EngineMachine(RuleBasedStateMachine):
    """One engine over one world; whatever is done in between, what it says is never more than what was executed."""

    orders: Bundle[str] = Bundle("orders")

    @initialize(seed=st.integers(0, 9_999), share=st.sampled_from((0.0, 0.1, 0.3)))
    def begin(self, seed: int, share: float) -> None:
        self.loop = VirtualLoop(seed=seed)
        self.stack = AsyncExitStack()
        self.watches: dict[str, OrderWatch] = {}
        self.results: dict[str, FillResult] = {}
        faults = Faults.rate(share, heal_at=120.0)
        self.world = World(seed, clock=self.loop.time, faults=faults, timeout=5.0)
        config = FillDetectionConfig(timeout_seconds=5.0, resolution_seconds=5.0)

        async def enter() -> FillDetectionEngine:
            return await self.stack.enter_async_context(FillDetectionEngine(SimulatedBroker(self.world), config))

        # One task enters and leaves, as a task group asks for.
        self.done = self.loop.create_future()
        entered: asyncio.Future[FillDetectionEngine] = self.loop.create_future()

        async def live() -> None:
            entered.set_result(await enter())
            await self.done
            await self.stack.aclose()

        self.life = self.loop.create_task(live())
        self.engine = self.loop.run_until_complete(entered)

    @rule(target=orders, fate=st.sampled_from(NO_BUSTS))
    def place(self, fate: Fate) -> str:
        return self.world.place(fate=fate)

    @rule(order=orders)
    def watch(self, order: str) -> None:
        async def watch() -> OrderWatch:
            return self.engine.watch(order)

        self.watches[order] = self.loop.run_until_complete(watch())
        self.results.pop(order, None)

    @rule(seconds=st.floats(0.0, 15.0))
    def wait(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    @rule(order=orders)
    def release(self, order: str) -> None:
        async def release() -> None:
            if order in self.watches:
                self.watches[order].release()

        self.loop.run_until_complete(release())

    @invariant()
    def nothing_is_invented(self) -> None:
        for order, watch in getattr(self, "watches", {}).items():
            executed = self.world.ledger.executed_in_chain(order)
            assert (watch.belief.filled_quantity or 0) <= executed
            if not watch.done():
                continue
            result = self.results.setdefault(order, watch.future.result())
            assert watch.future.result() is result, "one result, and it does not change"
            assert (result.fill_quantity or 0) <= executed
            if result.outcome is FillOutcome.FILLED:
                last = self.world.ledger.truth(self.world.ledger.chain(order)[-1])
                assert last.status.value in {"filled", "replaced"} or executed >= last.target

    @invariant()
    def the_limit_holds(self) -> None:
        if hasattr(self, "world"):
            assert self.world.ledger.worst_window() <= 161

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        # Every watch ends by itself: time-out, resolution, the longest request, and the queue for tokens.
        pending = [watch for watch in self.watches.values() if not watch.done()]
        self.loop.run_until_complete(asyncio.sleep(300.0 if pending else 0.0))
        assert all(watch.done() for watch in self.watches.values())
        self.nothing_is_invented()
        self.done.set_result(None)
        self.loop.run_until_complete(self.life)
        assert not self.loop.failures
        self.loop.close()


TestEngineMachine = EngineMachine.TestCase
TestEngineMachine.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
