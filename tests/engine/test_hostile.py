"""A broker that answers badly for long: nobody starves, nothing is asked for ever, no proof becomes weaker."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

import pytest

from fillwatch import FillDetectionConfig, FillDetectionEngine, FillOutcome, FillResult
from fillwatch.brokers.base import Capabilities, Fills, Listing
from fillwatch.brokers.push import Connected, Event
from fillwatch.core.errors import BrokerError, PermanentError, TransientError
from fillwatch.core.evidence import Route, Seen, Unanswered
from fillwatch.core.orders import OrderSnapshot, OrderStatus
from fillwatch.core.results import ConsistencyResult
from fillwatch.engine.early import SECONDS, TOLD, Early
from fillwatch.engine.ends import IN_VAIN
from fillwatch.engine.final_check import FRESH
from fillwatch.simulator import Fate, SimulatedBroker, World
from fillwatch.simulator.plans import Act, Plan, Step
from fillwatch.testing import run_virtual, virtual
from tests.worlds.live import live

QUIET = FillDetectionConfig(timeout_seconds=math.inf, partial_fills="wait")


def now() -> float:
    return asyncio.get_running_loop().time()


class Paged(SimulatedBroker):
    """Notes when pages of all orders were asked for; of every `loses`th the answer is lost."""

    def __init__(self, world: World, *, loses: int = 0, stream: bool = False) -> None:
        super().__init__(world, page_size=10, stream=stream)
        self.asked: list[float] = []
        self._loses = loses

    async def list(self, *, after: datetime | None = None, until: datetime | None = None) -> Listing | Unanswered:
        self.asked.append(now())
        if self._loses and len(self.asked) % self._loses == 0:
            await asyncio.sleep(0.05)
            return Unanswered(error=TransientError("503"), route=Route.LIST, as_of=now())
        return await super().list(after=after, until=until)


class Untaped(Paged):
    """Has no tape to read, whose turns would wake the reader."""

    @property
    def caps(self) -> Capabilities:
        return replace(super().caps, fills_page_size=0)


class Untold(Paged):
    """Its feed stands and tells nothing."""

    async def events(self) -> AsyncIterator[tuple[Event, ...]]:
        yield (Connected(as_of=now()),)
        await asyncio.sleep(math.inf)


class Raising(Paged):
    """Has no answer for ended orders, and says so as no broker may."""

    ended_asked = 0

    async def ended(self, *, after: datetime | None = None, until: datetime | None = None) -> Listing | Unanswered:
        self.ended_asked += 1
        raise KeyError("closed")


class Tapeless(SimulatedBroker):
    """From a moment on its tape fails, and is gone altogether after a while if it answers 404."""

    def __init__(self, world: World, error: BrokerError) -> None:
        super().__init__(world)
        self.error = error
        self.fails = False
        self.failures = 0

    @property
    def caps(self) -> Capabilities:
        gone = self.failures >= 2 and self.error.status == 404
        return replace(super().caps, fills_page_size=0) if gone else super().caps

    async def fills(self, *, after: datetime | None = None, page_token: str | None = None) -> Fills | Unanswered:
        if not self.fails:
            return await super().fills(after=after, page_token=page_token)
        self.failures += 1
        await asyncio.sleep(0.05)
        return Unanswered(error=self.error, route=Route.ACTIVITIES, as_of=now())


@virtual
async def test_a_long_list_whose_pages_are_lost_now_and_then_starves_nobody() -> None:
    """Ten pages, every fourth unanswered: begun anew each time, a sweep would never meet the oldest orders."""
    broker = Paged(World(1, clock=now), loses=4)
    async with FillDetectionEngine(broker, QUIET) as engine:
        watches = [engine.watch(broker.world.place(fate=Fate.NEVER), at_timeout="leave") for _ in range(100)]
        await asyncio.sleep(60.0)
        for _ in range(60):
            await asyncio.sleep(1.0)
            assert max(watch.age for watch in watches) < 30.0


@virtual
async def test_an_audit_of_a_feed_goes_on_to_its_end() -> None:
    """Its pages follow each other at the beat: nobody else wakes the reader while a healthy feed tells everything."""
    broker = Untaped(World(1, clock=now), stream=True)
    async with FillDetectionEngine(broker, QUIET) as engine:
        for _ in range(200):
            engine.watch(broker.world.place(fate=Fate.NEVER), at_timeout="leave")
        await asyncio.sleep(900.0)
    gaps = [later - earlier for earlier, later in pairwise(broker.asked) if earlier > 60.0]
    assert len(gaps) >= 20
    assert [gap for gap in gaps if 5.0 < gap < 60.0] == []


@virtual
async def test_a_wish_for_an_order_that_was_replaced_meanwhile_is_not_asked_for_ever() -> None:
    """The look that was waited for is one at the successor now; no page would ever answer the old wish."""
    async with live(config=QUIET, stream=True) as scene:
        for _ in range(40):
            scene.engine.watch(scene.world.place(fate=Fate.NEVER), at_timeout="leave")
        await asyncio.sleep(200.0)
        order_id = scene.world.place(fate=Fate.REPLACED_NEVER)
        watch = scene.engine.watch(order_id, at_timeout="leave")
        wishes = []
        while watch.belief.order_id == order_id:
            wishes.append(asyncio.ensure_future(watch.fresh()))
            await asyncio.sleep(0.01)
        await asyncio.sleep(20.0)
        assert [wish for wish in wishes if not wish.done()] == []
        before = len(scene.ledger.arrivals)
        await asyncio.sleep(60.0)
        assert len(scene.ledger.arrivals) - before < 40


@pytest.mark.parametrize("stream", [False, True])
def test_an_order_whose_replacement_was_rejected_is_told_among_many(stream: bool) -> None:
    """One page shows both, time and again: the first has to be seen after the rejection, not after its last mention."""

    async def run() -> None:
        async with live(3, config=QUIET, stream=stream) as scene:
            for _ in range(40):
                scene.engine.watch(scene.world.place(fate=Fate.NEVER), at_timeout="leave")
            order_id, market = scene.world.place(fate=Fate.NEVER), scene.world.door.market
            refused = Plan(fate=Fate.REJECTED, steps=(Step(after=0.4, act=Act.REJECT),))
            for step in (
                Step(after=1.0, act=Act.STATUS, word="pending_replace"),
                Step(after=1.1, act=Act.REPLACE, successor=refused),
            ):
                market.schedule(market.records[order_id], step, now(), last=False)
            async with asyncio.timeout(20.0):
                result = await scene.engine.watch(order_id)
            assert result.outcome is FillOutcome.REJECTED

    run_virtual(run)


@virtual
async def test_a_list_of_ended_orders_that_raises_is_set_aside() -> None:
    broker = Raising(World(1, clock=now))
    async with FillDetectionEngine(broker, QUIET) as engine:
        for _ in range(100):
            engine.watch(broker.world.place(fate=Fate.NEVER), at_timeout="leave")
        await asyncio.sleep(50.0)
    assert broker.ended_asked == IN_VAIN


@virtual
async def test_a_tape_that_fails_for_good_does_not_take_all_requests() -> None:
    """Somebody traded as well, so that a position is not compared before the tape was read: that may be never."""
    broker = Tapeless(World(1, clock=now), TransientError("500"))
    async with FillDetectionEngine(broker, QUIET) as engine:
        engine.watch(broker.world.place(fate=Fate.NEVER), at_timeout="leave")
        await asyncio.sleep(60.0)
        broker.fails = True
        watch = engine.watch(broker.world.place(fate=Fate.INSTANT), at_timeout="leave")
        broker.world.place(fate=Fate.INSTANT, foreign=True)
        assert (await watch).filled
        assert "fills of others" in str((await watch.consistency()).discrepancy)
        before = broker.failures
        await asyncio.sleep(60.0)
        assert 2 <= broker.failures - before <= 15


@virtual
async def test_nobody_waits_for_a_tape_that_turns_out_not_to_be_there() -> None:
    broker = Tapeless(World(1, clock=now), PermanentError("no such page", status=404))
    told: list[ConsistencyResult] = []
    async with FillDetectionEngine(broker, QUIET, on_discrepancy=told.append) as engine:
        engine.watch(broker.world.place(fate=Fate.NEVER), at_timeout="leave")
        await asyncio.sleep(60.0)
        broker.fails = True
        watch = engine.watch(broker.world.place(fate=Fate.INSTANT), at_timeout="leave")
        broker.world.place(fate=Fate.INSTANT, foreign=True)
        assert (await watch).filled
        began = now()
        assert not (await watch.consistency()).consistent
        assert now() - began < 15.0
    assert len(told) == 1


@virtual
async def test_the_first_loss_of_a_feed_is_found_within_seconds() -> None:
    """A feed that has not told anything yet has not earned the longest interval."""
    broker = Untold(World(1, clock=now), stream=True)
    async with FillDetectionEngine(broker, QUIET) as engine:
        for _ in range(200):
            engine.watch(broker.world.place(fate=Fate.NEVER), at_timeout="leave")
        await asyncio.sleep(62.0)
        order_id = broker.world.place(fate=Fate.NEVER)
        watch = engine.watch(order_id, at_timeout="leave")
        await asyncio.sleep(3.0)
        market, filled_at = broker.world.door.market, now()
        market.schedule(market.records[order_id], Step(after=0.0, act=Act.FILL), filled_at, last=False)
        assert (await watch).filled
        assert now() - filled_at < 5.0


def test_events_of_orders_that_nobody_watches_take_no_more_room_as_time_goes_on() -> None:
    early = Early()
    order = OrderSnapshot(order_id="a", status=OrderStatus.NEW)
    for number in range(10 * TOLD):
        early.keep("a", Seen(order=order, route=Route.STREAM, as_of=0.001 * number), 0.001 * number)
    assert len(early.take("a", 10.0)) == TOLD
    for number in range(100):
        early.keep("a", Seen(order=order, route=Route.STREAM, as_of=float(number)), float(number))
    early.keep("b", Seen(order=order, route=Route.EVENTS, as_of=0.0), 99.0)  # replayed: old when it came
    assert len(early.take("a", 99.0)) == SECONDS + 1
    assert early.take("b", 99.0) == []


@virtual
async def test_who_had_to_wait_for_his_cancel_has_a_last_look_of_his_own_time() -> None:
    """Beside a healthy feed nobody reads the list for its own sake: what it showed before is no last look."""
    async with live(config=FillDetectionConfig(timeout_seconds=20.0), stream=True) as scene:
        await asyncio.sleep(70.0)  # a burst is in hand
        began = now()
        asking: list[asyncio.Future[FillResult]] = []
        for _ in range(100):
            asking.append(asyncio.ensure_future(scene.follower.watch(scene.world.place(fate=Fate.NEVER))))
            await asyncio.sleep(0.02)
        results = await asyncio.gather(*asking)
    assert {result.outcome for result in results} == {FillOutcome.TIMED_OUT}
    over = {result.order_id: began + 0.02 * at + 20.0 for at, result in enumerate(results)}
    for cancel in (each for each in scene.ledger.arrivals if each.operation == "cancel"):
        earlier = [each for each in scene.ledger.arrivals if each.t < cancel.t]
        last = max(
            each.t
            for each in earlier
            if each.operation == "list" or (each.operation, each.target) == ("look", cancel.target)
        )
        assert over[cancel.target] - 0.01 <= last
        assert cancel.t - last <= FRESH
