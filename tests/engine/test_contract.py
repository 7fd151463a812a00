"""The public contract, promise by promise, through the public door and in virtual time."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import io
import math
import re
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, timedelta
from decimal import Decimal
from typing import Any

import pytest

from fillwatch import (
    AlpacaBroker,
    AmendmentKind,
    ConsistencyResult,
    EngineClosed,
    FillDetectionConfig,
    FillDetectionEngine,
    FillOutcome,
    FillResult,
    OrderRequest,
    OrderWatch,
    RateLimit,
    Transition,
    WatchConflict,
    enable_logging,
)
from fillwatch.brokers.base import Positions
from fillwatch.core.errors import KeysRefused
from fillwatch.core.evidence import Unanswered
from fillwatch.core.orders import OrderStatus, Side
from fillwatch.simulator import EPOCH, Fate, Faults, Kind, Op, SimulatedBroker, World
from fillwatch.testing import virtual

BUY = OrderRequest(symbol="AAPL", side=Side.BUY, qty=Decimal(10))
SELL = OrderRequest(symbol="TSLA", side=Side.SELL, qty=Decimal(10))
LIMIT = OrderRequest(symbol="MSFT", side=Side.BUY, qty=Decimal(5), order_type="limit", limit_price=Decimal("101.5"))


def now() -> float:
    return asyncio.get_running_loop().time()


def a_world(seed: int = 1, **settings: Any) -> World:  # noqa: ANN401 - settings of World
    return World(seed, clock=asyncio.get_running_loop().time, **settings)


def an_engine(world: World, **config: Any) -> FillDetectionEngine:  # noqa: ANN401 - fields of the configuration
    return FillDetectionEngine(SimulatedBroker(world), FillDetectionConfig(**config))


def asked(world: World, op: Op, order_id: str | None = None) -> int:
    """How many requests of this kind (about this order) have reached the broker."""
    return sum(a.operation == op and order_id in (None, a.target) for a in world.ledger.arrivals)


async def all_of(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


class DatedBroker(SimulatedBroker):
    """Says when its positions were true, as Alpaca does with the `Date` of its answers."""

    async def positions(self) -> Positions | Unanswered:
        answer = await super().positions()
        return dataclasses.replace(answer, at=self.world.wall(now())) if isinstance(answer, Positions) else answer


# A watch and those who wait for it


@virtual
async def test_watch_returns_at_once_and_one_task_runs() -> None:
    world = a_world()
    async with an_engine(world) as engine:
        order_id, before, tasks = world.place(BUY, Fate.SLOW), now(), len(asyncio.all_tasks())
        watch = engine.watch(order_id)
        assert isinstance(watch, OrderWatch)
        assert (now(), watch.done(), watch.order_id) == (before, False, order_id)
        assert (watch.age, watch.route) == (math.inf, None)
        assert len(asyncio.all_tasks()) == tasks + 1
        assert (await watch).filled
        assert watch.done()
        assert watch.age < 3.0
        assert watch.route is not None
        assert watch.belief.status is OrderStatus.FILLED


@virtual
async def test_the_seeds_call_gives_the_result() -> None:
    world = a_world()
    async with an_engine(world) as engine:
        order_id = world.place(BUY, Fate.SLOW)
        result = await engine.monitor_order_fill(order_id, timeout_seconds=30)
    assert isinstance(result, FillResult)
    assert (result.outcome, result.order_id, result.fill_quantity) == (FillOutcome.FILLED, order_id, Decimal(10))


@virtual
async def test_many_may_await_and_one_giving_up_disturbs_none() -> None:
    world = a_world()

    async def wait(watch: OrderWatch) -> FillResult:
        return await watch

    async with an_engine(world) as engine:
        watch = engine.watch(world.place(BUY, Fate.SLOW))
        waiters = [asyncio.create_task(wait(watch)) for _ in range(4)]
        await asyncio.sleep(0.1)
        waiters[0].cancel()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await watch
        results = await asyncio.gather(*waiters, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError)
        assert [result is await watch for result in results[1:]] == [True] * 3
        assert asked(world, Op.CANCEL) == 0


@virtual
async def test_a_cancelled_monitor_order_fill_leaves_the_watch_alone() -> None:
    world = a_world()
    async with an_engine(world) as engine:
        order_id = world.place(BUY, Fate.SLOW)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await engine.monitor_order_fill(order_id)
        assert (await engine.watch(order_id)).filled
    assert asked(world, Op.CANCEL) == 0


@virtual
async def test_iteration_begins_with_the_present_belief_and_ends_with_the_end() -> None:
    world = a_world()
    async with an_engine(world) as engine:
        watch = engine.watch(world.place(BUY, Fate.SLOW))
        early = asyncio.create_task(all_of(aiter(watch)))
        await asyncio.sleep(0.3)
        late = asyncio.create_task(all_of(aiter(watch)))
        result = await watch
        changes: list[Transition] = await early
        assert (changes[0].before, changes[0].status) == (None, OrderStatus.UNKNOWN)
        assert changes[-1].is_end
        assert changes[-1].filled_quantity == result.fill_quantity
        assert [change.is_end for change in changes].count(True) == 1
        assert [change.at for change in changes] == sorted(change.at for change in changes)
        follower: list[Transition] = await late
        assert (follower[0].before, follower[0].status) == (None, OrderStatus.PENDING_NEW)
        assert follower[1:] == [change for change in changes if change.at > follower[0].at]
        (after,) = await all_of(aiter(watch))
        assert (after.before, after.status) == (None, OrderStatus.FILLED)


@virtual
async def test_as_resolved_gives_results_as_they_come() -> None:
    world = a_world()
    async with an_engine(world) as engine:
        slow, quick, never = (world.place(BUY, fate) for fate in (Fate.SLOW, Fate.INSTANT, Fate.NEVER))
        results = await all_of(engine.as_resolved([never, slow, quick, slow], timeout_seconds=15.0))
    assert [result.order_id for result in results] == [quick, slow, never]
    assert [result.outcome for result in results] == ["filled", "filled", "timed_out"]


@virtual
async def test_as_resolved_knows_two_spellings_of_one_id() -> None:
    world = a_world()
    async with an_engine(world) as engine:
        order_id = world.place(BUY, Fate.SLOW)
        (result,) = await all_of(engine.as_resolved([order_id, order_id.upper()]))
    assert result.filled


@virtual
async def test_a_predecessor_and_its_successor_may_both_be_watched() -> None:
    """A bot that replaces an order knows the new id, and watches it beside the old one."""
    world = a_world()
    async with an_engine(world, timeout_seconds=30.0) as engine:
        for _ in range(3):
            engine.watch(world.place(SELL, Fate.NEVER), at_timeout="leave")
        order_id = world.place(BUY, Fate.REPLACED_FILLS)
        old = engine.watch(order_id)
        while len(chain := world.ledger.chain(order_id)) == 1:
            await asyncio.sleep(0.05)
        new = engine.watch(chain[1])
        results = await asyncio.gather(old, new)
        ended = world.ledger.truth(chain[1]).ended_at
        assert ended is not None
        assert now() <= ended + 3.0
    assert [result.outcome for result in results] == [FillOutcome.FILLED] * 2
    assert [(result.order_id, result.final_order_id) for result in results] == [chain, (chain[1], chain[1])]
    assert asked(world, Op.CANCEL) == 0


@virtual
async def test_as_resolved_of_nothing_ends() -> None:
    async with an_engine(a_world()) as engine:
        assert await all_of(engine.as_resolved([])) == []


# The same order again


@virtual
async def test_the_same_id_again_is_the_same_watch() -> None:
    world = a_world()
    async with an_engine(world) as engine:
        order_id = world.place(BUY, Fate.SLOW)
        first = engine.watch(order_id, timeout_seconds=30.0, expected_price="101.5")
        again = engine.watch(order_id.upper(), timeout_seconds=30, expected_price=101.5)
        assert await first is await again
        assert len(engine.snapshot().watches) <= 1
        assert sum(engine.snapshot().counts[outcome] for outcome in ("filled",)) == 1


@pytest.mark.parametrize("other", [{"timeout_seconds": 31.0}, {"expected_price": 7}, {"at_timeout": "leave"}])
def test_other_parameters_raise_watch_conflict(other: dict[str, Any]) -> None:
    @virtual
    async def run() -> None:
        world = a_world()
        async with an_engine(world) as engine:
            order_id = world.place(BUY, Fate.SLOW)
            watch = engine.watch(order_id, timeout_seconds=30.0)
            with pytest.raises(WatchConflict, match=order_id):
                engine.watch(order_id, **({"timeout_seconds": 30.0} | other))
            assert (await watch).filled

    run()


@virtual
async def test_after_its_result_a_new_watch_looks_afresh() -> None:
    world = a_world()
    async with an_engine(world) as engine:
        order_id = world.place(BUY, Fate.SLOW)
        first = await engine.watch(order_id)
        looks = asked(world, Op.LOOK, order_id)
        again = await engine.watch(order_id, timeout_seconds=5.0)
        assert asked(world, Op.LOOK, order_id) > looks
        assert (again.checks_performed, again.elapsed_time < 1.0) == (1, True)
    assert (first is again, first.fill_quantity, first.fill_price) == (False, again.fill_quantity, again.fill_price)


@virtual
async def test_an_order_that_has_ended_costs_one_look() -> None:
    world = a_world()
    async with an_engine(world) as engine:
        order_id = world.place(BUY, Fate.INSTANT)
        await asyncio.sleep(1.0)
        result = await engine.watch(order_id)
    assert (result.outcome, result.checks_performed, result.api_calls) == (FillOutcome.FILLED, 1, 1)
    assert result.elapsed_time < 0.2
    assert asked(world, Op.LOOK) == 1
    assert asked(world, Op.LIST) == 0


# Time


@virtual
async def test_time_counts_from_the_call() -> None:
    world = a_world()
    async with an_engine(world, timeout_seconds=60.0) as engine:
        await asyncio.sleep(20.0)
        called = now()
        result = await engine.watch(world.place(BUY, Fate.NEVER), timeout_seconds=5.0)
        assert result.elapsed_time == pytest.approx(now() - called)
    (cancel,) = [a for a in world.ledger.arrivals if a.operation == Op.CANCEL]
    assert called + 5.0 <= cancel.t <= called + 5.5
    assert result.outcome is FillOutcome.TIMED_OUT


@virtual
async def test_none_is_the_configurations_timeout_per_order_type() -> None:
    world = a_world()
    async with an_engine(world, timeout_seconds=9.0, timeouts={"limit": 3.0}) as engine:
        market, limit = (engine.watch(world.place(request, Fate.NEVER)) for request in (BUY, LIMIT))
        results = await asyncio.gather(market, limit)
    assert 9.0 <= results[0].elapsed_time <= 12.0
    assert 3.0 <= results[1].elapsed_time <= 6.0


@virtual
async def test_infinity_is_no_timeout() -> None:
    world = a_world()
    async with an_engine(world, timeout_seconds=2.0, rate_limit=RateLimit(limit=20)) as engine:
        watch = engine.watch(world.place(BUY, Fate.NEVER), timeout_seconds=math.inf)
        await asyncio.sleep(900.0)
        assert not watch.done()
    assert asked(world, Op.CANCEL) == 0


# Orders that are not ours to touch


@pytest.mark.parametrize(("config", "keywords"), [({}, {"at_timeout": "leave"}), ({"final": False}, {})])
@pytest.mark.parametrize("fate", [Fate.NEVER, Fate.PARTIAL, Fate.LATE_REST])
def test_leave_touches_nothing_ends_unresolved_and_stays_watched(
    fate: Fate, config: dict[str, bool], keywords: dict[str, Any]
) -> None:
    @virtual
    async def run() -> None:
        world = a_world()
        settings: dict[str, Any] = {"enable_final_verification": False} if config else {}
        async with an_engine(world, timeout_seconds=5.5, **settings) as engine:
            order_id = world.place(BUY, fate)
            result = await engine.watch(order_id, **keywords)
            assert (result.outcome, result.filled) == (FillOutcome.UNRESOLVED, False)
            assert 5.5 <= result.elapsed_time <= 6.5
            assert result.fill_quantity == (world.ledger.truth(order_id).filled_qty or None)
            (watch,) = engine.snapshot().watches
            assert (watch.order_id, watch.audited) == (order_id, True)
            await asyncio.sleep(60.0)
        assert asked(world, Op.CANCEL) == 0

    run()


@virtual
async def test_what_was_left_unresolved_is_resolved_by_an_amendment() -> None:
    world = a_world()
    async with an_engine(world) as engine:
        order_id = world.place(BUY, Fate.LATE_REST)
        told = await engine.watch(order_id, timeout_seconds=3.0, at_timeout="leave")
        amendment = await anext(engine.amendments())
        assert (amendment.order_id, amendment.kind) == (order_id, AmendmentKind.RESOLVED)
        assert (amendment.result, amendment.amended.outcome) == (told, FillOutcome.FILLED)
        assert amendment.amended.fill_quantity == world.ledger.executed_at(order_id)
        await asyncio.sleep(1.0)
        assert engine.snapshot().watches == ()
    assert asked(world, Op.CANCEL) == 0


@virtual
async def test_a_foreign_order_is_never_touched() -> None:
    world = a_world()
    async with an_engine(world, timeout_seconds=3.0) as engine:
        foreign = world.place(BUY, Fate.NEVER, foreign=True)
        await engine.watch(world.place(BUY, Fate.NEVER))
        await asyncio.sleep(30.0)
    assert asked(world, Op.CANCEL) >= 1
    assert asked(world, Op.CANCEL, foreign) == 0
    assert asked(world, Op.CANCEL_ALL) == 0


# Ids


@pytest.mark.parametrize("order_id", ["", "not-an-id", "../account", "12345", "*"])
def test_a_malformed_id_is_a_value_error(order_id: str) -> None:
    @virtual
    async def run() -> None:
        async with an_engine(a_world()) as engine:
            with pytest.raises(ValueError, match="order_id"):
                engine.watch(order_id)
            assert engine.snapshot().watches == ()

    run()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("timeout_seconds", bad) for bad in (0, -1.0, math.nan)),
        *(("expected_price", bad) for bad in (0, "-1", "nan", math.inf, "a lot")),
        ("at_timeout", "sell"),
    ],
)
def test_bad_parameters_are_value_errors_that_name_the_field(field: str, value: object) -> None:
    @virtual
    async def run() -> None:
        world = a_world()
        async with an_engine(world) as engine:
            bad: dict[str, Any] = {field: value}
            with pytest.raises(ValueError, match=field):
                engine.watch(world.place(BUY, Fate.SLOW), **bad)

    run()


@virtual
async def test_an_unknown_id_is_looked_for_and_nothing_is_cancelled() -> None:
    world = a_world()
    async with an_engine(world, timeout_seconds=20.0) as engine:
        unknown = str(uuid.UUID(int=7, version=4))
        result = await engine.watch(unknown)
    assert (result.outcome, result.fill_quantity) == (FillOutcome.UNRESOLVED, None)
    assert "never seen" in (result.reason or "")
    assert result.elapsed_time >= 20.0
    assert asked(world, Op.LOOK, unknown) >= 5
    assert asked(world, Op.CANCEL) == 0


# Ends: release, leaving the engine


@virtual
async def test_release_ends_a_watch_without_touching_the_order() -> None:
    world = a_world()
    async with an_engine(world, timeout_seconds=5.0) as engine:
        order_id = world.place(BUY, Fate.NEVER)
        watch = engine.watch(order_id)
        await asyncio.sleep(1.0)
        watch.release()
        result = await watch
        assert result.outcome is FillOutcome.UNRESOLVED
        assert "released" in (result.reason or "")
        assert engine.snapshot().watches == ()
        await asyncio.sleep(1.0)  # a look may have been on its way
        looks = len(world.ledger.arrivals)
        await asyncio.sleep(30.0)
        assert len(world.ledger.arrivals) == looks
        watch.release()
        assert engine.watch(order_id, timeout_seconds=9.0) is not watch
    assert asked(world, Op.CANCEL) == 0


@virtual
async def test_leaving_the_engine_raises_engine_closed_and_touches_nothing() -> None:
    world = a_world()
    async with an_engine(world) as engine:
        order_id = world.place(BUY, Fate.LATE_REST)
        watch = engine.watch(order_id, at_timeout="leave")
        waiting = asyncio.ensure_future(asyncio.wait_for(_result(watch), 100.0))
        following = asyncio.create_task(all_of(aiter(watch)))
        late = asyncio.create_task(all_of(engine.amendments()))
        await asyncio.sleep(4.0)
    for promise in (waiting, _result(watch), watch.consistency()):
        with pytest.raises(EngineClosed) as closed:
            await promise
        assert closed.value.belief is watch.belief
    assert watch.belief.filled_quantity == world.ledger.executed_at(order_id)
    assert (await following)[-1].status is OrderStatus.PARTIALLY_FILLED
    assert await late == []
    with pytest.raises(EngineClosed):
        engine.watch(order_id)
    with pytest.raises(EngineClosed):
        engine.reconfigure(FillDetectionConfig())
    calls = len(world.ledger.arrivals)
    await asyncio.sleep(300.0)
    assert len(world.ledger.arrivals) == calls
    assert asked(world, Op.CANCEL) == 0
    assert len(asyncio.all_tasks()) == 1


async def _result(watch: OrderWatch) -> FillResult:
    return await watch


@pytest.mark.parametrize("kind", [Kind.TIMEOUT_BEFORE, Kind.TIMEOUT_AFTER, Kind.SLOW])
def test_requests_in_flight_may_finish_and_none_follows(kind: Kind) -> None:
    @virtual
    async def run() -> None:
        world = a_world()
        async with an_engine(world) as engine:
            world.strike(kind, times=3)
            watch = engine.watch(world.place(BUY, Fate.NEVER))
            await asyncio.sleep(1.0)
            left = now()
        assert now() - left <= 10.5
        assert watch.done()
        calls = len(world.ledger.arrivals)
        await asyncio.sleep(120.0)
        assert len(world.ledger.arrivals) == calls

    run()


@virtual
async def test_leaving_at_once_leaves_nothing_behind() -> None:
    world = a_world()
    async with an_engine(world) as engine:
        watch = engine.watch(world.place(BUY, Fate.SLOW))
    with pytest.raises(EngineClosed):
        await watch
    await engine.aclose()
    del watch, engine
    gc.collect()


@virtual
async def test_a_result_that_has_come_outlives_the_engine() -> None:
    world = a_world()
    async with an_engine(world) as engine:
        watch = engine.watch(world.place(BUY, Fate.INSTANT))
        await watch
        await watch.consistency()
    assert (await watch).filled
    assert (await watch.consistency()).consistent


@virtual
async def test_an_error_of_the_caller_comes_out_as_it_is() -> None:
    class Mine(Exception):
        pass

    world = a_world()

    async def fail() -> None:
        async with an_engine(world) as engine:
            watches.append(engine.watch(world.place(BUY, Fate.NEVER)))
            raise Mine

    watches: list[OrderWatch] = []
    with pytest.raises(Mine):
        await fail()
    (watch,) = watches
    with pytest.raises(EngineClosed):
        await watch
    assert asked(world, Op.CANCEL) == 0


@virtual
async def test_consistency_of_a_released_watch_does_not_look_like_a_cancellation() -> None:
    world = a_world()
    async with an_engine(world) as engine:
        watch = engine.watch(world.place(BUY, Fate.NEVER))
        await asyncio.sleep(1.0)
        watch.release()
        assert isinstance(await watch.consistency(), ConsistencyResult)


@virtual
async def test_a_hurried_watch_is_still_the_same_watch() -> None:
    world = a_world()
    async with an_engine(world) as engine:
        order_id = world.place(BUY, Fate.NEVER)
        watch = engine.watch(order_id)
        await asyncio.sleep(1.0)
        check = asyncio.create_task(engine.final_verification.perform_final_check(order_id))
        await asyncio.sleep(0)
        again = engine.watch(order_id)
        assert await check is None
        assert (await watch is await again, (await watch).outcome) == (True, FillOutcome.TIMED_OUT)


@virtual
async def test_an_engine_is_entered_once_and_before_it_is_used() -> None:
    world = a_world()
    engine = an_engine(world)
    with pytest.raises(RuntimeError, match="async with"):
        engine.watch(world.place(BUY, Fate.SLOW))
    async with engine:
        pass
    with pytest.raises(RuntimeError, match="entered before"):
        async with engine:
            pass


# Keys, threads, brokers


@virtual
async def test_keys_refused_at_the_start_raise() -> None:
    world = a_world(refuse_keys=True)
    with pytest.raises(KeysRefused):
        async with an_engine(world):
            pytest.fail("the engine was entered")
    assert len(asyncio.all_tasks()) == 1


@virtual
async def test_keys_refused_later_are_an_error_in_the_log_and_looks_go_on(quiet_loguru: None) -> None:
    lines = io.StringIO()
    enable_logging(sink=lines)
    world = a_world()
    async with an_engine(world) as engine:
        order_id = world.place(BUY, Fate.SLOW)
        watch = engine.watch(order_id)
        await asyncio.sleep(0.3)
        world.refuse_keys = True
        status = watch.belief.status
        await asyncio.sleep(10.0)
        assert (watch.done(), watch.belief.status) == (False, status)
        world.refuse_keys = False
        assert (await watch).filled
    assert "[ERROR]" in lines.getvalue()
    refused = [a for a in world.ledger.arrivals if a.status == 401]
    assert len(refused) >= 3


@virtual
async def test_watch_from_another_thread_raises() -> None:
    world = a_world()
    async with an_engine(world) as engine:
        order_id = world.place(BUY, Fate.SLOW)
        with pytest.raises(RuntimeError, match="thread"):
            await asyncio.to_thread(engine.watch, order_id)
        assert engine.snapshot().watches == ()


@virtual
async def test_a_trading_client_is_accepted() -> None:
    from tests.simulator.alpaca_client import TradingClient  # late: it brings pandas

    engine = FillDetectionEngine(TradingClient("PKAAAAAAAAAAAAAAAAAA", "s" * 40, paper=True))
    assert isinstance(engine.broker, AlpacaBroker)
    await engine.broker.aclose()


def test_something_that_is_no_broker_is_refused() -> None:
    with pytest.raises(TypeError, match="broker"):
        FillDetectionEngine(object())


# The result


@virtual
async def test_a_full_fill_in_all_its_fields() -> None:
    world = a_world()
    async with an_engine(world) as engine:
        order_id = world.place(BUY, Fate.SLOW)
        started = now()
        result = await engine.watch(order_id)
        took = now() - started
    truth = world.ledger.truth(order_id)
    assert (result.filled, result.outcome) == (True, FillOutcome.FILLED)
    assert (result.order_id, result.final_order_id) == (order_id, order_id)
    assert (result.symbol, result.side, result.requested_quantity) == ("AAPL", Side.BUY, Decimal(10))
    assert (result.fill_price, result.fill_quantity) == (truth.average_price, Decimal(10))
    assert all(isinstance(number, Decimal) for number in (result.fill_price, result.fill_quantity))
    assert result.fill_timestamp is not None
    assert result.fill_timestamp.utcoffset() == timedelta(0)
    assert result.fill_timestamp == EPOCH.astimezone(UTC) + timedelta(seconds=truth.trades[-1].t - world.start)
    assert result.elapsed_time == pytest.approx(took)
    assert result.detection_method in ("status@order", "status@list")
    assert result.checks_performed >= 1
    assert result.api_calls >= result.checks_performed
    assert (result.slippage, result.slippage_exceeded, result.reason) == (None, False, None)
    assert result.verification is not None
    assert result.verification.is_filled
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.filled = False  # type: ignore[misc]  # frozen is what is tested


def test_the_seeds_field_names_and_the_added_ones() -> None:
    seed = "filled fill_price fill_quantity fill_timestamp detection_method checks_performed elapsed_time reason"
    added = (
        "order_id final_order_id symbol side requested_quantity outcome slippage slippage_exceeded verification "
        "api_calls"
    )
    assert {field.name for field in dataclasses.fields(FillResult)} == set(f"{seed} {added}".split())


def test_outcomes_are_lower_case() -> None:
    named = "filled partially_filled canceled expired rejected timed_out unresolved"
    assert [outcome.value for outcome in FillOutcome] == named.split()
    assert [outcome for outcome in FillOutcome if not outcome.is_end] == [FillOutcome.UNRESOLVED]


@pytest.mark.parametrize("fate", [Fate.NEVER, Fate.REJECTED, Fate.EXPIRED, Fate.CANCELED_BY_OTHERS])
def test_nothing_executed_is_a_zero_without_a_price(fate: Fate) -> None:
    @virtual
    async def run() -> None:
        world = a_world()
        async with an_engine(world, timeout_seconds=15.0) as engine:
            result = await engine.watch(world.place(BUY, fate), expected_price=100)
        assert result.outcome.is_end
        assert (result.filled, result.fill_quantity, result.fill_price) == (False, Decimal(0), None)
        assert isinstance(result.fill_quantity, Decimal)
        assert (result.slippage, result.fill_timestamp) == (None, None)
        assert result.reason

    run()


@pytest.mark.parametrize("number", [100, "100", 100.0, Decimal(100)])
@pytest.mark.parametrize("request_", [BUY, SELL])
def test_slippage_is_signed_in_percent_and_flagged(request_: OrderRequest, number: int | str | float | Decimal) -> None:
    @virtual
    async def run() -> None:
        world = a_world()
        async with an_engine(world, max_slippage=Decimal("0.25")) as engine:
            result = await engine.watch(world.place(request_, Fate.INSTANT), expected_price=number)
        assert result.fill_price is not None
        percent = request_.side.sign * (result.fill_price - 100)
        assert result.slippage == pytest.approx(percent)
        assert result.slippage_exceeded is (percent > Decimal("0.25"))
        assert result.filled

    run()


@virtual
async def test_one_of_both_sides_pays_too_much() -> None:
    """The same fill is worse than expected on one side of the price and better on the other."""
    world = a_world()
    async with an_engine(world, max_slippage="0.25") as engine:
        dear, cheap = (world.place(LIMIT, Fate.INSTANT) for _ in range(2))
        flagged = await engine.watch(dear, expected_price="50")
        fine = await engine.watch(cheap, expected_price="200")
    assert flagged.slippage is not None
    assert fine.slippage is not None
    assert (flagged.slippage > 100, flagged.slippage_exceeded) == (True, True)
    assert (fine.slippage < -40, fine.slippage_exceeded) == (True, False)


# Positions


@virtual
async def test_positions_are_booked_before_the_result_and_compared_after_it() -> None:
    world = a_world()
    async with an_engine(world) as engine:
        bought, sold = (engine.watch(world.place(request, Fate.SLOW)) for request in (BUY, SELL))
        assert dict(engine.positions) == {}
        for watch, symbol, signed in ((bought, "AAPL", 10), (sold, "TSLA", -10)):
            await watch
            assert engine.positions[symbol] == signed
            check = await watch.consistency()
            assert isinstance(check, ConsistencyResult)
            assert (check.consistent, check.symbol, check.order_id) == (True, symbol, watch.order_id)
            assert (check.broker_quantity, check.expected_quantity) == (Decimal(signed), Decimal(signed))


@virtual
async def test_a_failed_order_leaves_no_phantom_position() -> None:
    world = a_world()
    async with an_engine(world) as engine:
        watch = engine.watch(world.place(BUY, Fate.REJECTED))
        await watch
        assert dict(engine.positions) == {}
        assert (await watch.consistency()).consistent


@virtual
async def test_fills_of_others_known_from_the_tape_are_no_discrepancy() -> None:
    world = a_world()
    heard: list[ConsistencyResult] = []
    async with FillDetectionEngine(SimulatedBroker(world), on_discrepancy=heard.append) as engine:
        await asyncio.sleep(5.0)
        world.place(BUY, Fate.INSTANT, foreign=True)
        watch = engine.watch(world.place(BUY, Fate.SLOW))
        await watch
        check = await watch.consistency()
    assert (check.consistent, check.broker_quantity, heard) == (True, Decimal(20), [])


@pytest.mark.parametrize("is_async", [False, True])
def test_a_discrepancy_calls_the_hook_and_delays_no_result(is_async: bool) -> None:
    heard: list[ConsistencyResult] = []

    async def hear(result: ConsistencyResult) -> None:
        heard.append(result)

    @virtual
    async def run() -> None:
        world = a_world(faults=Faults(replica_lag={Op.POSITIONS: 1_000.0}))
        hook = hear if is_async else heard.append
        async with FillDetectionEngine(DatedBroker(world), on_discrepancy=hook) as engine:
            await asyncio.sleep(30.0)  # so that the baseline surely does not hold the fill
            watch = engine.watch(world.place(BUY, Fate.SLOW))
            result = await watch
            assert result.filled
            assert result.elapsed_time < 16.0
            assert heard == []
            check = await watch.consistency()
            assert (check.consistent, check.broker_quantity, check.expected_quantity) == (
                False,
                Decimal(0),
                Decimal(10),
            )
            assert check.discrepancy
            await asyncio.sleep(1.0)
        assert heard == [check]

    run()


# Amendments


@virtual
async def test_amendments_are_kept_for_listeners_that_come_later() -> None:
    world = a_world()
    async with an_engine(world) as engine:
        early = asyncio.create_task(all_of(engine.amendments()))
        for _ in range(3):
            order_id = world.place(BUY, Fate.SLOW)
            assert (await engine.watch(order_id, timeout_seconds=0.1, at_timeout="leave")).outcome == "unresolved"
        await asyncio.sleep(60.0)
        late = asyncio.create_task(all_of(engine.amendments()))
        await asyncio.sleep(1.0)
        assert not late.done()
        assert engine.snapshot().counts["amendments"] == 3
    assert [amendment.kind for amendment in await early] == [AmendmentKind.RESOLVED] * 3
    assert await late == await early
    assert await all_of(engine.amendments()) == await early


@virtual
async def test_the_last_thousand_amendments_are_kept() -> None:
    world = a_world()
    async with an_engine(world) as engine:
        told = asyncio.create_task(all_of(engine.amendments()))
        ids = world.populate(1_300, mix={Fate.SLOW: 1})
        watches = [engine.watch(order_id, timeout_seconds=0.05, at_timeout="leave") for order_id in ids]
        results = await asyncio.gather(*watches)
        await asyncio.sleep(600.0)
    everything = await told
    unresolved = {result.order_id for result in results if not result.outcome.is_end}
    assert {amendment.order_id for amendment in everything} == unresolved
    assert len(everything) == len(unresolved) > 1_000
    assert await all_of(engine.amendments()) == everything[-1_000:]


@virtual
async def test_a_bust_after_the_result_is_an_amendment_and_the_result_stays() -> None:
    world = a_world()
    broker = SimulatedBroker(world, page_size=1)  # several pages make the tape worth its reads
    async with FillDetectionEngine(broker, FillDetectionConfig(partial_fills="wait")) as engine:
        for _ in range(2):
            engine.watch(world.place(SELL, Fate.NEVER))
        order_id = world.place(BUY, Fate.BUSTED)
        result = await engine.watch(order_id)
        assert (result.outcome, result.fill_quantity) == (FillOutcome.FILLED, Decimal(10))
        amendment = await anext(engine.amendments())
        assert (amendment.kind, amendment.result) == (AmendmentKind.BUST, result)
        assert amendment.amended.fill_quantity == world.ledger.executed_at(order_id) == 5
        assert amendment.reason
        assert amendment.at <= now()
        assert result.fill_quantity == 10


# Settings and pictures


@virtual
async def test_reconfigure_shortens_the_timeout_of_running_watches() -> None:
    world = a_world()
    async with an_engine(world, timeout_seconds=600.0) as engine:
        running = engine.watch(world.place(BUY, Fate.NEVER))
        own = engine.watch(world.place(BUY, Fate.NEVER), timeout_seconds=100.0)
        await asyncio.sleep(10.0)
        assert not running.done()
        engine.reconfigure(FillDetectionConfig(timeout_seconds=15.0))
        first, second = await asyncio.gather(running, own)
    assert 15.0 <= first.elapsed_time <= 17.0
    assert 100.0 <= second.elapsed_time <= 102.0


@virtual
async def test_reconfigure_lengthens_the_timeout_too() -> None:
    world = a_world()
    async with an_engine(world, timeout_seconds=10.0) as engine:
        watch = engine.watch(world.place(BUY, Fate.NEVER))
        await asyncio.sleep(5.0)
        engine.reconfigure(FillDetectionConfig(timeout_seconds=30.0))
        assert 30.0 <= (await watch).elapsed_time <= 32.0


@virtual
async def test_interval_for_is_asked_and_reconfigure_changes_it() -> None:
    world = a_world()
    seen: list[str] = []

    def hasty(belief: Any) -> float | None:  # noqa: ANN401 - a belief
        seen.append(belief.order_id)
        return 0.2

    async with an_engine(world) as engine:
        order_id = world.place(BUY, Fate.NEVER)
        engine.watch(order_id, at_timeout="leave")
        await asyncio.sleep(30.0)
        assert seen == []
        engine.reconfigure(FillDetectionConfig(interval_for=hasty))
        await asyncio.sleep(5.0)
        asked_for = len(seen)
        assert asked_for >= 5
        engine.reconfigure(FillDetectionConfig())
        await asyncio.sleep(5.0)
        assert len(seen) == asked_for
    assert set(seen) == {order_id}


@virtual
async def test_reconfigure_follows_the_rate_limit() -> None:
    world = a_world()
    async with an_engine(world) as engine:
        engine.watch(world.place(BUY, Fate.NEVER), timeout_seconds=1_000.0)
        await asyncio.sleep(60.0)
        fast = len(world.ledger.arrivals)
        engine.reconfigure(FillDetectionConfig(rate_limit=RateLimit(limit=20)))
        await asyncio.sleep(60.0)
        at = len(world.ledger.arrivals)
        await asyncio.sleep(60.0)
        assert fast > 40
        assert len(world.ledger.arrivals) - at <= 16


@virtual
async def test_a_snapshot_shows_the_open_watches_and_the_limiter() -> None:
    world = a_world()
    async with an_engine(world) as engine:
        order_id = world.place(BUY, Fate.NEVER)
        engine.watch(order_id)
        (young,) = engine.snapshot().watches
        assert (young.age, young.status, young.route) == (math.inf, OrderStatus.UNKNOWN, None)
        assert (await engine.monitor_order_fill(world.place(SELL, Fate.INSTANT))).filled
        await asyncio.sleep(5.0)
        picture = engine.snapshot()
        (watch,) = picture.watches
        assert (watch.order_id, watch.symbol, watch.status) == (order_id, "AAPL", OrderStatus.NEW)
        assert (watch.filled_quantity, watch.requested_quantity, watch.audited) == (Decimal(0), Decimal(10), False)
        assert watch.elapsed > 5.0
        assert 0.0 < watch.age < 3.0
        assert watch.route is not None
        assert picture.level >= 0.0
        assert picture.waiting >= 0
        assert picture.counts["filled"] == 1
        assert 0 <= len(world.ledger.arrivals) - picture.counts["requests"] + picture.in_flight <= 1


# Logs

LINE = re.compile(r"\[[^\]]+Z\] \[[A-Z]+\] \[[^\]]+\] \[[^\]]+\] [^\x00-\x1f\x7f<]*")


@virtual
async def test_text_of_brokers_is_stripped_before_it_is_logged(quiet_loguru: None) -> None:
    lines = io.StringIO()
    enable_logging("DEBUG", lines)
    world = a_world()
    odd = OrderRequest(symbol="AA<red>PL\x1b[31m\n[x] [ERROR] forged", side=Side.BUY, qty=Decimal(10))
    async with an_engine(world) as engine:
        assert (await engine.watch(world.place(odd, Fate.SLOW))).filled
    written = lines.getvalue().splitlines()
    assert any("PL" in line for line in written)
    assert all(LINE.fullmatch(line) for line in written)
    assert "<red>" not in lines.getvalue()


@virtual
async def test_the_log_tells_the_start_each_transition_the_methods_and_the_result(quiet_loguru: None) -> None:
    lines = io.StringIO()
    enable_logging("DEBUG", lines)
    world = a_world()
    async with an_engine(world, timeout_seconds=45.0) as engine:
        order_id = world.place(BUY, Fate.SLOW)
        await engine.watch(order_id)
    text = lines.getvalue()
    assert all(f"[{order_id}]" in line for line in text.splitlines() if "result:" in line or "methods:" in line)
    for part in ("timeout 45 s", "AAPL", "methods: status", "filled: 10 of 10", "by status@"):
        assert part in text
