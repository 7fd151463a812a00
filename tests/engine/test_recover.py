"""`engine.recover()`: what an earlier process watched is watched again, with what is left of its time."""

from __future__ import annotations

import asyncio
import dataclasses
import math
from decimal import Decimal

import pytest

from fillwatch import AmendmentKind, FillOutcome, FillResult, OrderRequest, WatchConflict
from fillwatch.core.orders import Side
from fillwatch.journal import Fact, FactKind, MemoryJournal
from fillwatch.journal.watching import Canceling, Released, WatchBegun
from fillwatch.simulator import Fate, Faults, Op
from fillwatch.testing import VirtualLoop, virtual
from tests.engine.diary_stage import Stage, kinds, now, stage

BUY = OrderRequest(symbol="AAPL", side=Side.BUY, qty=Decimal(10))
HOUR = 3_600.0


async def left(there: Stage, fate: Fate, after: float = 5.0, **watch: object) -> str:
    """An engine watches an order and is gone `after` seconds, as if it had been killed: the journal's last word."""
    async with there.engine(timeout_seconds=30) as engine:
        order_id = there.world.place(BUY, fate)
        engine.watch(order_id, **watch)  # type: ignore[arg-type]  # parameters of watch()
        await asyncio.sleep(after)
    return order_id


def cancels(there: Stage) -> list[float]:
    """When cancels reached the broker."""
    return [arrival.t for arrival in there.world.ledger.arrivals if arrival.operation == Op.CANCEL]


@virtual
async def test_a_watch_goes_on_with_what_is_left_of_its_time() -> None:
    there = stage()
    began = now()
    order_id = await left(there, Fate.NEVER, timeout_seconds=60, expected_price="100.5")
    await asyncio.sleep(15)
    async with there.engine(timeout_seconds=30) as engine:
        [watch] = await engine.recover()
        assert (watch.order_id, watch.done()) == (order_id, False)
        assert engine.watch(order_id, timeout_seconds=60, expected_price="100.5").future is watch.future
        with pytest.raises(WatchConflict):
            engine.watch(order_id)
        result = await watch
    assert result.outcome is FillOutcome.TIMED_OUT
    [canceled] = cancels(there)
    assert began + 60 <= canceled <= began + 61
    assert result.elapsed_time == pytest.approx(now() - began, abs=0.5), "since watch(), whichever process that was"
    begun = [fact.read(WatchBegun) for fact in await there.facts(order_id, FactKind.WATCH)]
    assert [one.resumed for one in begun] == [False, True]
    assert begun[0].began == begun[1].began
    assert begun[0].deadline == begun[1].deadline


@virtual
async def test_a_watch_without_time_left_goes_straight_to_its_final_check() -> None:
    there = stage()
    order_id = await left(there, Fate.NEVER, timeout_seconds=20)
    await asyncio.sleep(HOUR)
    async with there.engine() as engine:
        began = now()
        [watch] = await engine.recover()
        result = await watch
    assert (result.order_id, result.outcome) == (order_id, FillOutcome.TIMED_OUT)
    assert cancels(there)[0] <= began + 2.0
    looks = [a.t for a in there.world.ledger.arrivals if a.t >= began and a.operation in (Op.LOOK, Op.LIST)]
    assert looks[0] < cancels(there)[0], "after a last look"


@virtual
async def test_what_was_filled_meanwhile_is_known_with_quantity_and_price() -> None:
    there = stage()
    order_id = await left(there, Fate.SLOW, after=0.5)
    await asyncio.sleep(60)
    async with there.engine() as engine:
        [watch] = await engine.recover()
        result = await watch
        truth = there.world.ledger.truth(order_id)
        assert (result.filled, result.fill_quantity, result.fill_price) == (True, Decimal(10), truth.average_price)
        assert await engine.recover() == ()
    assert cancels(there) == []
    assert await there.journal.watches(open_only=True) == ()


@pytest.mark.parametrize(("moved", "canceled_after"), [(-HOUR, 40.0), (HOUR, 0.0), (0.0, 20.0)])
def test_time_that_is_left_lies_between_nothing_and_all_of_it(moved: float, canceled_after: float) -> None:
    """The wall clock was set while nobody was there: at worst the time begins anew, or is over at once."""

    @virtual
    async def run() -> None:
        there = stage()
        await left(there, Fate.NEVER, after=20.0, timeout_seconds=40)
        there.clock_moved = moved
        async with there.engine() as engine:
            began = now()
            [watch] = await engine.recover()
            await watch
        assert cancels(there)[0] - began == pytest.approx(canceled_after, abs=2.0)

    run()


@virtual
async def test_a_clock_that_was_set_back_gives_the_whole_time_once_and_not_to_each_life() -> None:
    there = stage()
    await left(there, Fate.NEVER, after=20.0, timeout_seconds=40)
    there.clock_moved = -HOUR
    began = now()
    for _ in range(3):
        async with there.engine() as engine:
            await engine.recover()
            await asyncio.sleep(10)
    async with there.engine() as engine:
        [watch] = await engine.recover()
        await watch
    assert cancels(there)[0] - began == pytest.approx(40.0, abs=2.0)


@pytest.mark.parametrize("moved", [-HOUR, HOUR])
def test_a_clock_that_jumps_while_watching_changes_nothing(moved: float) -> None:
    @virtual
    async def run() -> None:
        there = stage()
        async with there.engine() as engine:
            began = now()
            watch = engine.watch(there.world.place(BUY, Fate.NEVER), timeout_seconds=20)
            await asyncio.sleep(10)
            there.clock_moved = moved
            result = await watch
        assert began + 20 <= cancels(there)[0] <= began + 21
        assert result.elapsed_time < 30

    run()


@pytest.mark.parametrize(
    ("given", "timeout"), [(None, 30.0), (math.inf, None)], ids=["the configuration's", "none at all"]
)
def test_a_timeout_that_is_no_number_survives(given: float | None, timeout: float | None) -> None:
    """The configuration's is that of the process that goes on."""

    @virtual
    async def run() -> None:
        there = stage()
        order_id = await left(there, Fate.NEVER, timeout_seconds=given)
        async with there.engine(timeouts={"market": 50.0}) as engine:
            began = now()
            [watch] = await engine.recover()
            await asyncio.sleep(200)
            assert watch.done() is (given is None)
            if given is None:
                assert cancels(there)[0] - began == pytest.approx(45.0, abs=2.0)
        assert len(await there.facts(order_id, FactKind.WATCH)) == 2

    run()


@virtual
async def test_an_order_that_is_not_ours_to_touch_stays_so() -> None:
    there = stage()
    order_id = await left(there, Fate.NEVER, timeout_seconds=20, at_timeout="leave")
    await asyncio.sleep(60)
    async with there.engine() as engine:
        [watch] = await engine.recover()
        assert (await watch).outcome is FillOutcome.UNRESOLVED
    assert cancels(there) == []
    assert watch.order_id == order_id


@virtual
async def test_an_end_by_a_cancel_that_we_had_sent_is_ours() -> None:
    """The process ended between its cancel and the end of the order."""
    there = stage(timeout=20.0)
    order_id = await left(there, Fate.CANCEL_SLOW, after=20.5, timeout_seconds=20)
    assert len(cancels(there)) == 1
    await asyncio.sleep(60)
    async with there.engine() as engine:
        [watch] = await engine.recover()
        result = await watch
    assert result.outcome is FillOutcome.TIMED_OUT
    assert len(cancels(there)) == 1
    assert (await there.facts(order_id, FactKind.WATCH))[-1].read(WatchBegun).cancel_sent


@virtual
async def test_an_end_by_a_cancel_of_somebody_else_is_not_ours() -> None:
    there = stage()
    await left(there, Fate.CANCELED_BY_OTHERS, after=0.5)
    await asyncio.sleep(60)
    async with there.engine() as engine:
        [watch] = await engine.recover()
        assert (await watch).outcome is FillOutcome.CANCELED


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ([None], FillOutcome.TIMED_OUT),
        ([None, "requested"], FillOutcome.TIMED_OUT),
        ([None, "unknown", None, "refused"], FillOutcome.TIMED_OUT),
        ([None, "not_sent"], FillOutcome.CANCELED),
        ([None, "refused"], FillOutcome.CANCELED),
        ([None, "refused", None], FillOutcome.TIMED_OUT),
    ],
)
def test_a_cancel_counts_as_ours_unless_it_surely_did_nothing(answers: list[str | None], outcome: FillOutcome) -> None:
    @virtual
    async def run() -> None:
        there = stage()
        order_id = await left(there, Fate.CANCELED_BY_OTHERS, after=0.5)
        for answer in answers:
            body = Canceling(target=order_id, answer=answer)
            there.journal.note(Fact.of(FactKind.CANCELING, body, at=there.wall(), monotonic=now(), order_id=order_id))
        await asyncio.sleep(60)
        for _ in range(2):  # the second life knows it from the first
            async with there.engine() as engine:
                assert await engine.trading.cancel_sent(order_id) is (outcome is FillOutcome.TIMED_OUT)
                [watch] = await engine.recover()
        async with there.engine() as engine:
            [watch] = await engine.recover()
            assert (await watch).outcome is outcome

    run()


@virtual
async def test_what_was_told_unresolved_is_sought_on_and_amended() -> None:
    """The outage is longer than the first life; the end is found in the third."""
    there = stage(faults=Faults(outages=((3.0, 100.0),)))
    async with there.engine(resolution_seconds=5) as engine:
        order_id = there.world.place(BUY, Fate.SLOW)
        told = await engine.watch(order_id, timeout_seconds=20)
        assert told.outcome is FillOutcome.UNRESOLVED
    restarted = now()
    async with there.engine() as engine:
        [watch] = await engine.recover()
        assert watch.done()
        assert await watch == told
        assert (await watch.consistency()).consistent
        assert [one.audited for one in engine.snapshot().watches] == [True]
        assert await engine.recover() == ()
        await asyncio.sleep(10)
    await asyncio.sleep(100)
    async with there.engine() as engine:
        [watch] = await engine.recover()
        late = await anext(engine.amendments())
        await asyncio.sleep(1)
        assert engine.snapshot().watches == ()
    assert (late.kind, late.result, late.amended.filled) == (AmendmentKind.RESOLVED, told, True)
    assert late.amended.fill_quantity == 10
    facts = await there.facts(order_id)
    assert kinds(facts)[-1] == "released"
    assert facts[-1].read(Released).reason == "what its result lacked is known"
    assert kinds(facts).count("result") == 1
    assert max(cancels(there)) < restarted, "what is sought only is not touched"
    async with there.engine() as engine:
        assert await engine.recover() == ()


@virtual
async def test_an_amendment_is_not_told_twice_when_its_release_was_lost() -> None:
    """Killed between the amendment and the fact that nothing more is sought."""
    there = stage(faults=Faults(outages=((3.0, 60.0),)))
    async with there.engine(resolution_seconds=5) as engine:
        order_id = there.world.place(BUY, Fate.SLOW)
        await engine.watch(order_id, timeout_seconds=20)
        await anext(engine.amendments())
        await asyncio.sleep(1)
    facts = await there.facts(order_id)
    there = Stage(world=there.world, journal=MemoryJournal())
    for fact in facts[: kinds(facts).index("released")]:
        there.journal.note(fact)
    async with there.engine() as engine:
        [watch] = await engine.recover()
        assert (await watch).filled
        await asyncio.sleep(120)
        assert engine.snapshot().counts.get("amendments", 0) == 0
    assert "released" in kinds(await there.facts(order_id))


@virtual
async def test_releasing_a_resumed_audit_ends_it_for_good() -> None:
    there = stage()
    await left(there, Fate.NEVER, after=30.0, timeout_seconds=20, at_timeout="leave")
    async with there.engine() as engine:
        [watch] = await engine.recover()
        assert watch.done()
        watch.release()
    assert await there.journal.watches(open_only=True) == ()


@virtual
async def test_what_is_watched_already_is_left_as_it_is() -> None:
    there = stage()
    order_id = await left(there, Fate.NEVER, timeout_seconds=600)
    async with there.engine() as engine:
        mine = engine.watch(order_id, timeout_seconds=300)
        assert await engine.recover() == ()
        assert not mine.done()
        first, second = await asyncio.gather(engine.recover(), engine.recover())
        assert first == second == ()


@virtual
async def test_two_recoveries_at_once_take_up_nothing_twice() -> None:
    there = stage()
    order_id = await left(there, Fate.NEVER, timeout_seconds=600)
    async with there.engine() as engine:
        first, second = await asyncio.gather(engine.recover(), engine.recover())
        assert len(first) + len(second) == 1
        assert [one.order_id for one in engine.snapshot().watches] == [order_id]


@virtual
async def test_orders_of_trades_are_left_to_those_who_recover_trades() -> None:
    there = stage()
    async with there.engine() as engine:
        first, second = (there.world.place(BUY, Fate.NEVER) for _ in range(2))
        engine.trading.watch(first, intent_id="T")
        engine.watch(second)  # as it was before watches of trades said so
        for kind, order_id in ((FactKind.INTENT, ""), (FactKind.ACCEPTED, second)):
            there.journal.note(Fact.of(kind, {}, at=there.wall(), monotonic=now(), intent_id="U", order_id=order_id))
    async with there.engine() as engine:
        assert await engine.recover() == ()


@virtual
async def test_a_fact_that_cannot_be_read_costs_no_other_watch() -> None:
    there = stage()
    broken = Fact.of(FactKind.WATCH, {"began": "?"}, at=there.wall(), monotonic=now(), order_id="somebody's")
    there.journal.note(broken)
    order_id = await left(there, Fate.NEVER)
    [watched] = await there.facts(order_id, FactKind.WATCH)
    there.journal.note(dataclasses.replace(watched, order_id="no id of this broker's"))
    async with there.engine() as engine:
        assert [watch.order_id for watch in await engine.recover()] == [order_id]


@virtual
async def test_a_replaced_order_is_found_again_by_its_first_id() -> None:
    there = stage()
    order_id = await left(there, Fate.REPLACED_FILLS, after=0.2)
    await asyncio.sleep(60)
    async with there.engine() as engine:
        [watch] = await engine.recover()
        result = await watch
    assert (result.order_id, result.filled) == (order_id, True)
    assert result.final_order_id == there.world.ledger.chain(order_id)[-1] != order_id


@virtual
async def test_an_outage_of_ten_minutes_over_a_restart_ends_in_the_truth() -> None:
    there = stage(faults=Faults(outages=((2.0, 602.0),)))
    async with there.engine() as engine:
        filled, never = (there.world.place(BUY, fate) for fate in (Fate.SLOW, Fate.NEVER))
        results = {one.order_id: one async for one in engine.as_resolved((filled, never), timeout_seconds=20)}
        assert {one.outcome for one in results.values()} == {FillOutcome.UNRESOLVED}
    async with there.engine() as engine:
        watches = await engine.recover()
        assert {watch.order_id for watch in watches} == {filled, never}
        late = await anext(engine.amendments())
    assert (late.order_id, late.amended.filled) == (filled, True)


@virtual
async def test_a_machine_that_slept_for_ten_minutes_tells_the_truth_when_it_wakes() -> None:
    """No task had a turn, both clocks went on: what ran out meanwhile is looked at before it is cancelled."""
    there = stage()
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    async with there.engine() as engine:
        filled, never = (there.world.place(BUY, fate) for fate in (Fate.SLOW, Fate.NEVER))
        watches = [engine.watch(order_id, timeout_seconds=20) for order_id in (filled, never)]
        await asyncio.sleep(0.5)
        loop._now += 600.0
        woken = now()
        results = [await watch for watch in watches]
    assert [one.outcome for one in results] == [FillOutcome.FILLED, FillOutcome.TIMED_OUT]
    assert now() < woken + 10.0
    [canceled] = cancels(there)
    assert any(woken <= a.t < canceled and a.operation in (Op.LOOK, Op.LIST) for a in there.world.ledger.arrivals)
    for watch, result in zip(watches, results, strict=True):
        [fact] = await there.facts(watch.order_id, FactKind.RESULT)
        assert fact.read(FillResult) == result


def test_recover_needs_an_engine_that_runs() -> None:
    @virtual
    async def run() -> None:
        there = stage()
        async with there.engine() as engine:
            pass
        with pytest.raises(Exception, match="the engine was left"):
            await engine.recover()

    run()


@virtual
async def test_the_result_of_a_resumed_watch_can_be_read_back() -> None:
    there = stage()
    order_id = await left(there, Fate.PARTIAL, after=2.0)
    async with there.engine() as engine:
        [watch] = await engine.recover()
        result = await watch
    [fact] = await there.facts(order_id, FactKind.RESULT)
    assert fact.read(FillResult) == result
