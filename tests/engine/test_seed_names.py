"""The tests the seed's testing strategy names, each in short; their subjects have fuller tests of their own."""

from __future__ import annotations

import asyncio
import io
import random
from decimal import Decimal
from itertools import pairwise

from fillwatch import (
    ConsistencyResult,
    ErrorRecoveryManager,
    FillDetectionConfig,
    FillDetectionEngine,
    FillOutcome,
    MultiMethodVerifier,
    OrderRequest,
    enable_logging,
)
from fillwatch.core.errors import TransientError
from fillwatch.core.orders import OrderSnapshot, OrderStatus, Side
from fillwatch.simulator import Fate, Kind, Op, SimulatedBroker, World
from fillwatch.testing import virtual

BUY = OrderRequest(symbol="AAPL", side=Side.BUY, qty=Decimal(10))


def a_world() -> World:
    return World(1, clock=asyncio.get_running_loop().time, timeout=10.0)


def test_multi_method_verification() -> None:
    """Each method alone, mixed results, and missing fields."""
    ten = Decimal(10)
    verify = MultiMethodVerifier().verify_fill
    by_status = verify(OrderSnapshot(order_id="a", status=OrderStatus.FILLED))
    by_quantity = verify(OrderSnapshot(order_id="a", status=OrderStatus.NEW, qty=ten, filled_qty=ten))
    by_price = verify(OrderSnapshot(order_id="a", status=OrderStatus.NEW, filled_avg_price=ten))
    mixed = verify(OrderSnapshot(order_id="a", status=OrderStatus.FILLED, qty=ten, filled_qty=Decimal(4)))
    empty = verify({})
    assert (by_status.is_filled, by_status.methods_confirmed) == (True, ("status",))
    assert (by_quantity.is_filled, by_quantity.methods_confirmed) == (True, ("quantity",))
    assert not by_price.is_filled
    assert (mixed.is_filled, mixed.methods_contradicting) == (False, ("quantity",))
    assert (empty.is_filled, empty.confidence_score) == (False, 0.0)


@virtual
async def test_error_recovery() -> None:
    """Transient errors are retried with growing waits, and no more often than allowed."""
    recovery = ErrorRecoveryManager(max_retries=3, backoff_base=1.0, rng=random.Random(1))
    tries: list[float] = []

    async def fail() -> None:
        tries.append(asyncio.get_running_loop().time())
        raise TransientError("down")

    succeeded, error = await recovery.execute_with_retry(fail)
    assert (succeeded, type(error), len(tries)) == (False, TransientError, 4)
    waits = [later - before for before, later in pairwise(tries)]
    assert all(0.0 <= wait <= 2.0**number for number, wait in enumerate(waits))


@virtual
async def test_final_verification() -> None:
    """At the timeout: a fill that is found counts, "already filled" is looked at, else the cancel ends it."""
    world = a_world()
    async with FillDetectionEngine(SimulatedBroker(world), FillDetectionConfig(timeout_seconds=10.0)) as engine:
        fates = (Fate.LAST_SECOND_BEFORE, Fate.FILLED_IN_CANCEL_RACE, Fate.NEVER)
        ids = [world.place(BUY, fate) for fate in fates]
        results = await asyncio.gather(*(engine.monitor_order_fill(order_id) for order_id in ids))
    assert [result.outcome for result in results] == [FillOutcome.FILLED, FillOutcome.FILLED, FillOutcome.TIMED_OUT]
    assert [cancel.status for cancel in world.ledger.truth(ids[1]).cancels] == [422]
    assert [cancel.status for cancel in world.ledger.truth(ids[2]).cancels] == [204]


@virtual
async def test_state_consistency() -> None:
    """The position matches; against a wrong claim it does not, and the hook hears of it."""
    world, heard = a_world(), list[ConsistencyResult]()
    async with FillDetectionEngine(SimulatedBroker(world), on_discrepancy=heard.append) as engine:
        watch = engine.watch(world.place(BUY, Fate.SLOW))
        await watch
        assert (await watch.consistency()).consistent
        check = await engine.validate_fill_consistency(watch.order_id, 99)
        await asyncio.sleep(1.0)
    assert (check.consistent, check.broker_quantity, check.expected_quantity) == (False, Decimal(10), Decimal(99))
    assert heard == [check]


@virtual
async def test_end_to_end_fill_detection(quiet_loguru: None) -> None:
    """An order submitted to the broker is watched until it is filled, logged, and in the position."""
    lines = io.StringIO()
    enable_logging("DEBUG", lines)
    world = a_world()
    broker = SimulatedBroker(world)
    async with FillDetectionEngine(broker) as engine:
        order_id = world.place(BUY, Fate.MANY_PARTIALS)
        watch = engine.watch(order_id, expected_price=100)
        result = await watch
        assert (await watch.consistency()).consistent
        assert engine.positions["AAPL"] == world.ledger.position("AAPL") == 10
    assert result.filled
    for part in ("watching; timeout 60 s", "methods:", "result: filled: 10 of 10"):
        assert part in lines.getvalue()


@virtual
async def test_timeout_handling() -> None:
    """An order that does not fill is looked at once more and cancelled."""
    world = a_world()
    async with FillDetectionEngine(SimulatedBroker(world)) as engine:
        started = asyncio.get_running_loop().time()
        order_id = world.place(BUY, Fate.NEVER)
        result = await engine.monitor_order_fill(order_id, timeout_seconds=10.0)
    arrivals = [a for a in world.ledger.arrivals if a.t >= started + 10.0]
    assert [a.operation for a in arrivals].index(Op.CANCEL) >= 1
    assert arrivals[0].operation in (Op.LOOK, Op.LIST)
    assert result.outcome is FillOutcome.TIMED_OUT
    assert world.ledger.truth(order_id).status is OrderStatus.CANCELED


@virtual
async def test_api_error_resilience() -> None:
    """Errors of every kind while an order is watched: looked at again and again, and told truthfully at last."""
    world = a_world()
    async with FillDetectionEngine(SimulatedBroker(world)) as engine:
        for kind in (Kind.SERVER_ERROR, Kind.TIMEOUT_BEFORE, Kind.RESET_AFTER, Kind.CUT_OFF, Kind.RATE_LIMITED_BARE):
            world.strike(kind, Op.LOOK)
        result = await engine.monitor_order_fill(world.place(BUY, Fate.SLOW))
    assert (result.filled, result.fill_quantity) == (True, Decimal(10))
    assert sum(bool(arrival.fault) for arrival in world.ledger.arrivals) == 5
