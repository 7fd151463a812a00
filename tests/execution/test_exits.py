"""Exits are watched for as long as they stand: what ends them is told, and shares they leave behind are seen to."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from fillwatch.core.orders import OrderRequest, OrderStatus, Side
from fillwatch.core.trade_amendment import TradeAmendment, TradeChange
from fillwatch.core.trade_facts import client_id
from fillwatch.core.trade_terms import ExecutorConfig
from fillwatch.journal import FactKind, MemoryJournal
from fillwatch.simulator import Fate, Faults, World
from fillwatch.simulator.acts import ACTS
from fillwatch.simulator.plans import Act, Step
from fillwatch.testing import run_virtual, virtual
from tests.execution.scene import Scene, now, scene

D = Decimal


class Ear:
    """Everything that the executor tells after results."""

    def __init__(self, there: Scene) -> None:
        self.heard: list[TradeAmendment] = []
        self._task = asyncio.ensure_future(self._listen(there))

    async def _listen(self, there: Scene) -> None:
        async for amendment in there.executor.amendments():
            self.heard.append(amendment)

    @property
    def kinds(self) -> list[TradeChange]:
        return [amendment.kind for amendment in self.heard]


async def standing(there: Scene) -> Ear:
    """A protected trade, a minute after its exits were seen to stand."""
    ear = Ear(there)
    result = await there.trade(intent_id="T")
    assert result.success, result.reason
    there.world.set_price("AAPL", result.filled_price or 0)
    await asyncio.sleep(61.0)
    assert ear.heard == []
    return ear


def act(there: Scene, order_id: str, *acts: Act, share: float = 1.0) -> None:
    """Something happens to an order at the broker."""
    market = there.world._market
    for what in acts:
        ACTS[what](market, market.records[order_id], Step(after=0.0, act=what, share=share), there.world.advance())


def exits(there: Scene, name: str = "x1") -> tuple[str, str]:
    target = there.sent("T", name).order_id
    (stop,) = (truth.order_id for truth in there.orders() if truth.parent_id == target)
    return target, stop


async def kinds_in_journal(there: Scene) -> list[FactKind]:
    return [entry.fact.kind for entry in await there.journal.read(intent_id="T")]


@pytest.mark.parametrize(("move", "name"), [(+5, "target"), (-5, "stop")])
def test_an_exit_that_fills_closes_the_trade(move: int, name: str) -> None:
    async def run() -> None:
        async with scene(1) as there:
            ear = await standing(there)
            there.world.set_price("AAPL", there.world.price("AAPL") + move)
            await asyncio.sleep(30.0)
            assert there.position() == 0
            assert ear.kinds[-1] is TradeChange.CLOSED
            told = ear.heard[-1].amended
            fill = there.world.ledger.truth(exits(there)[name == "stop"])
            assert (told.exit_quantity, told.exit_price) == (D(100), fill.average_price)
            assert told.position_protected
            assert f"the {name} closed 100 shares" in (told.reason or "")
            assert (await kinds_in_journal(there)).count(FactKind.CLOSED) == 1
            assert await there.journal.intents(open_only=True) == ()

    run_virtual(run)


@pytest.mark.parametrize("ends", ["canceled", "expired", "rejected"])
def test_exits_that_are_lost_are_told_and_replaced(ends: str) -> None:
    async def run() -> None:
        async with scene(1) as there:
            ear = await standing(there)
            lost = now()
            if ends == "canceled":  # somebody cancels in the broker's own window
                there.world._market.cancel(exits(there)[0], there.world.advance())
            else:
                act(there, exits(there)[0], Act.EXPIRE if ends == "expired" else Act.REJECT)
            while not there.stopped():
                await asyncio.sleep(0.1)
            assert now() - lost < 5.0
            await asyncio.sleep(5.0)
            assert ear.kinds == [TradeChange.UNPROTECTED, TradeChange.PROTECTED]
            assert "100 shares are without exits" in ear.heard[0].reason
            assert not ear.heard[0].amended.position_protected
            assert ear.heard[1].amended.success
            assert ear.heard[1].result == ear.heard[0].amended
            assert there.sent("T", "x2").qty == 100
            assert there.bare() == 0

    run_virtual(run)


@virtual
async def test_lost_exits_close_the_position_if_that_is_the_policy() -> None:
    async with scene(1, config=ExecutorConfig(on_lost_exits="close")) as there:
        ear = await standing(there)
        act(there, exits(there)[0], Act.CANCEL)
        await asyncio.sleep(20.0)
        assert there.position() == 0
        assert ear.kinds == [TradeChange.UNPROTECTED, TradeChange.CLOSED]
        assert ear.heard[-1].amended.exit_quantity == 100
        assert await there.journal.intents(open_only=True) == ()


@virtual
async def test_lost_exits_are_only_told_if_that_is_the_policy() -> None:
    async with scene(1, config=ExecutorConfig(on_lost_exits="report")) as there:
        ear = await standing(there)
        orders = len(there.orders())
        act(there, exits(there)[0], Act.CANCEL)
        await asyncio.sleep(120.0)
        assert ear.kinds == [TradeChange.UNPROTECTED]
        assert "the exits for 100 shares were lost" in ear.heard[0].reason
        assert len(there.orders()) == orders
        assert len(await there.journal.intents(open_only=True)) == 1


@pytest.mark.parametrize(("sold", "left"), [(100, 0), (40, 60)])
def test_shares_that_somebody_sold_are_not_sold_again(sold: int, left: int) -> None:
    """Whoever cancels the exits to close the position by hand must not end up short."""

    async def run() -> None:
        async with scene(1) as there:
            ear = await standing(there)
            there.world._market.cancel(exits(there)[0], there.world.advance())
            await asyncio.sleep(0.4)
            there.world.place(OrderRequest(symbol="AAPL", side=Side.SELL, qty=D(sold)), Fate.INSTANT, foreign=True)
            await asyncio.sleep(60.0)
            assert there.position() == left
            assert there.stopped() == left
            assert ear.kinds[-1] is (TradeChange.PROTECTED if left else TradeChange.CLOSED)
            assert f"{sold} of them closed by somebody else" in ear.heard[-1].reason

    run_virtual(run)


@virtual
async def test_exits_that_are_cancelled_again_and_again_are_given_up_for_a_close() -> None:
    async with scene(1) as there:
        await there.trade(intent_id="T")
        for _ in range(400):
            for truth in there.orders():
                if truth.client_order_id.startswith(client_id("T", "x")) and not truth.status.is_terminal:
                    act(there, truth.order_id, Act.CANCEL)
            await asyncio.sleep(0.25)
        assert there.position() == 0
        assert sum(truth.client_order_id.startswith(client_id("T", "x")) for truth in there.orders()) == 2


@virtual
async def test_a_target_filled_in_part_leaves_a_stop_for_the_rest() -> None:
    async with scene(1) as there:
        ear = await standing(there)
        act(there, exits(there)[0], Act.FILL, share=0.3)
        await asyncio.sleep(60.0)
        assert there.position() == 70
        assert there.bare() == 0
        assert ear.heard == []
        act(there, exits(there)[0], Act.FILL)
        await asyncio.sleep(10.0)
        assert ear.kinds == [TradeChange.CLOSED]


@contextmanager
def group_deaf_to(there: Scene, order_id: str) -> Iterator[None]:
    """Whatever happens to this order, the broker does nothing about the other one of its group."""
    record = there.world._market.records[order_id]
    request, record.request = record.request, replace(record.request, order_class="simple")
    yield
    record.request = request


@virtual
async def test_a_stop_that_ends_alone_is_noticed() -> None:
    """The target would wait for ever, and nothing would sell if the price falls."""
    async with scene(1) as there:
        ear = await standing(there)
        target, stop = exits(there)
        with group_deaf_to(there, stop):
            act(there, stop, Act.REJECT)
        await asyncio.sleep(40.0)
        assert ear.kinds == [TradeChange.UNPROTECTED, TradeChange.PROTECTED]
        assert "the target alone stands" in ear.heard[0].reason
        assert there.world.ledger.truth(target).status is OrderStatus.CANCELED
        assert there.bare() == 0


@virtual
async def test_a_stop_that_does_not_shrink_with_its_target_is_replaced() -> None:
    """It would sell thirty shares that nobody holds any more."""
    async with scene(1) as there:
        ear = await standing(there)
        target, _ = exits(there)
        with group_deaf_to(there, target):
            act(there, target, Act.FILL, share=0.3)
        assert there.bare() == -30
        await asyncio.sleep(60.0)
        assert "the stop stands for 100 shares, 70 are left" in ear.heard[0].reason
        assert ear.kinds == [TradeChange.UNPROTECTED, TradeChange.CHANGED, TradeChange.PROTECTED]
        assert there.position() == 70
        assert there.bare() == 0


@virtual
async def test_both_exits_filling_is_told_with_the_exact_number() -> None:
    async with scene(1) as there:
        ear = await standing(there)
        target, stop = exits(there)
        with group_deaf_to(there, target):
            act(there, target, Act.FILL)
        with group_deaf_to(there, stop):
            act(there, stop, Act.FILL, share=0.4)
            act(there, stop, Act.CANCEL)
        await asyncio.sleep(60.0)
        assert there.position() == -40
        assert not ear.heard[-1].amended.position_protected
        assert "40 shares too many were traded back" in ear.heard[-1].reason
        assert len(await there.journal.intents(open_only=True)) == 1


@virtual
async def test_exits_for_a_day_are_renewed_when_the_day_ends() -> None:
    """They expire at the bell and are put in again at once, for the next session."""
    opening = datetime(2026, 6, 15, 19, 50, tzinfo=UTC)  # ten minutes before the closing bell
    config = ExecutorConfig(exit_time_in_force="day")
    async with scene(1, config=config, hours="exchange", epoch=opening) as there:
        ear = await standing(there)
        await asyncio.sleep(600.0)
        assert there.sent("T", "x1").status is OrderStatus.EXPIRED
        renewed = there.sent("T", "x2")
        assert not renewed.status.is_terminal
        assert ear.kinds == [TradeChange.UNPROTECTED, TradeChange.PROTECTED]
        assert there.stopped() == 100


@virtual
async def test_exits_that_the_caller_watches_otherwise_are_looked_at_all_the_same() -> None:
    async with scene(1) as there:
        ear = Ear(there)
        task = asyncio.create_task(there.trade(intent_id="T"))
        while len(there.orders()) < 3:
            await asyncio.sleep(0.001)
        there.engine.watch(exits(there)[0], timeout_seconds=9e6, at_timeout="leave")
        assert (await task).success
        await asyncio.sleep(60.0)
        act(there, exits(there)[0], Act.CANCEL)
        await asyncio.sleep(45.0)
        assert ear.kinds == [TradeChange.UNPROTECTED, TradeChange.PROTECTED]
        assert there.bare() == 0


@virtual
async def test_exits_whose_watch_fails_are_looked_at_all_the_same() -> None:
    """A fault of ours ends the watch of one order; what it watched is not forgotten."""
    async with scene(1) as there:
        ear = await standing(there)
        target, _ = exits(there)
        assert there.engine._office is not None
        (case,) = (case for case in there.engine._office._tasks if case.order_id == target)
        case.end(ArithmeticError("a fault of ours"))
        await asyncio.sleep(1.0)
        act(there, target, Act.CANCEL)
        await asyncio.sleep(60.0)
        assert ear.kinds[-1] is TradeChange.PROTECTED
        assert there.bare() == 0


@virtual
async def test_a_bust_after_the_trade_was_closed_reopens_it() -> None:
    """The shares were sold, and then forty of them had never been bought: said exactly, also after a restart."""
    loop = asyncio.get_running_loop()
    world, journal = World(1, clock=loop.time, fate=Fate.MARKET, partial_fills=0.0), MemoryJournal()
    async with scene(1, world=world, journal=journal) as there:
        ear = await standing(there)
        act(there, exits(there)[0], Act.FILL)
        await asyncio.sleep(10.0)
        assert ear.kinds == [TradeChange.CLOSED]
        act(there, there.sent("T", "e1").order_id, Act.BUST)
        await asyncio.sleep(60.0)
        assert there.position() == -100
        assert "100 shares too many were traded back" in ear.heard[-1].reason
        kinds = await kinds_in_journal(there)
        assert kinds.index(FactKind.REOPENED) > kinds.index(FactKind.CLOSED)
    async with scene(1, world=world, journal=journal) as there:
        (result,) = await there.executor.recover()
        assert not result.position_protected
        assert "the account short" in (result.reason or "")


@virtual
async def test_a_bust_of_an_exit_puts_the_shares_under_new_exits() -> None:
    async with scene(1, partial_fills=0.0) as there:
        ear = await standing(there)
        act(there, exits(there)[0], Act.FILL)
        await asyncio.sleep(10.0)
        act(there, exits(there)[0], Act.BUST)
        await asyncio.sleep(60.0)
        assert ear.kinds == [TradeChange.CLOSED, TradeChange.UNPROTECTED, TradeChange.PROTECTED]
        assert there.position() == 100
        assert there.bare() == 0


@pytest.mark.parametrize("gone", [True, False])
def test_what_stood_is_seen_again_after_a_restart(gone: bool) -> None:
    """Exits that were lost while nobody watched are noticed, told and replaced."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        world, journal = World(1, clock=loop.time, fate=Fate.MARKET), MemoryJournal()
        async with scene(1, world=world, journal=journal) as there:
            await standing(there)
        if gone:
            act(there, exits(there)[0], Act.CANCEL)
        await asyncio.sleep(3600.0)
        async with scene(1, world=world, journal=journal) as there:
            ear = Ear(there)
            (result,) = await there.executor.recover()
            assert result.position_protected
            assert there.bare() == 0
            assert len(there.orders()) == (5 if gone else 3)
            standing_now = exits(there, "x2" if gone else "x1")
            world.set_price("AAPL", world.price("AAPL") + 9)
            await asyncio.sleep(20.0)
            assert ear.kinds == [TradeChange.CLOSED]
            assert world.ledger.truth(standing_now[0]).status is OrderStatus.FILLED

    run_virtual(run)


@virtual
async def test_what_cannot_be_seen_after_a_restart_is_not_called_protected() -> None:
    loop = asyncio.get_running_loop()
    world, journal = World(1, clock=loop.time, fate=Fate.MARKET), MemoryJournal()
    async with scene(1, world=world, journal=journal) as there:
        await standing(there)
    start = loop.time() - world.start
    world.faults = Faults(outages=((start, start + 120.0),))
    async with scene(1, world=world, journal=journal) as there:
        ear = Ear(there)
        began = now()
        (result,) = await there.executor.recover()
        assert now() - began < 60.0
        assert not result.position_protected
        await asyncio.sleep(150.0)
        assert ear.kinds == [TradeChange.PROTECTED]


@virtual
async def test_trades_that_are_over_leave_nothing_behind() -> None:
    async with scene(1, config=ExecutorConfig(max_submits_per_minute=None)) as there:

        async def round_trip(number: int) -> None:
            result = await there.trade(intent_id=f"T{number}", quantity=10)
            assert result.success, result.reason
            act(there, exits_of(there, f"T{number}"), Act.FILL)
            await asyncio.sleep(30.0)

        for number in range(4):
            await round_trip(number)
        floor = there.executor._floor()
        gc.collect()
        assert not floor._runners
        assert not floor._owners
        assert not floor._live
        tasks = {task.get_name() for task in asyncio.all_tasks() if "fillwatch-" in task.get_name()}
        assert not {name for name in tasks if "exit" in name or "trade-" in name}, tasks


def exits_of(there: Scene, intent_id: str) -> str:
    return there.sent(intent_id, "x1").order_id
