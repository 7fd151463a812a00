"""The ten correctness properties of the library's first design, each over simulated worlds with faults."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st
from loguru import logger

from fillwatch.core.config import FillDetectionConfig
from fillwatch.core.orders import OrderRequest, OrderSnapshot, OrderStatus, Side
from fillwatch.core.results import FillOutcome, FillResult, Transition
from fillwatch.core.schedule import interval
from fillwatch.core.verification import MultiMethodVerifier
from fillwatch.engine.consistency import NO_BASELINE
from fillwatch.engine.watch import OrderWatch
from fillwatch.logs import enable_logging
from fillwatch.simulator import Fate, Faults, Kind, Op
from fillwatch.testing import run_virtual
from fillwatch.testing.history import Line, Phase
from tests.worlds.live import Live, live

T = TypeVar("T")

seeds = st.integers(0, 2**32 - 1)
#: How much goes wrong before the world heals, 15 seconds after its beginning.
shares = st.sampled_from((0.0, 0.1, 0.3))
HEALED = 15.0
TIMEOUT = 20.0

#: Fates that are executed in full when nobody cancels them.
FILLING = (
    *(Fate.INSTANT, Fate.SLOW, Fate.LATE_FIELDS, Fate.NOTIONAL, Fate.FRACTIONAL, Fate.MANY_PARTIALS, Fate.LATE_REST),
    *(Fate.ODD_STATUSES, Fate.UNKNOWN_STATUS, Fate.RESTAMPED, Fate.REPLACED_FILLS, Fate.REPLACED_TWICE),
    *(Fate.LAST_SECOND_BEFORE, Fate.FILLED_IN_CANCEL_RACE, Fate.FILLED_AFTER_CANCEL),
)


def config(**changes: object) -> FillDetectionConfig:
    return FillDetectionConfig(**({"timeout_seconds": TIMEOUT, "partial_fills": "wait"} | changes))  # type: ignore[arg-type]  # fields by name


def in_world(seed: int, scenario: Callable[[], Awaitable[T]]) -> T:
    async def main() -> T:
        return await scenario()

    return run_virtual(main, seed=seed)


async def results_of(scene: Live, orders: Sequence[str]) -> list[FillResult]:
    return await asyncio.gather(*(scene.follower.watch(order) for order in orders))


def asked(scene: Live, *ops: str, order: str = "") -> list[Line]:
    return [
        line
        for line in scene.history.lines
        if line.op in ops and line.phase is Phase.INVOKE and line.order in ("", order)
    ]


@settings(max_examples=25)
@given(seed=seeds, share=shares, fates=st.lists(st.sampled_from(FILLING), min_size=1, max_size=8))
def test_p1_fill_detection_completeness(seed: int, share: float, fates: list[Fate]) -> None:
    async def scenario() -> None:
        async with live(seed, faults=Faults.rate(share, heal_at=HEALED), config=config(), inherits=False) as scene:
            orders = [scene.world.place(fate=fate) for fate in fates]
            for order, result in zip(orders, await results_of(scene, orders), strict=True):
                if scene.ledger.truth(scene.ledger.chain(order)[-1]).status is OrderStatus.FILLED:
                    assert result.filled, result
                    assert result.fill_quantity == scene.ledger.executed_in_chain(order)
                    assert result.fill_price is not None
        assert scene.violations() == []

    in_world(seed, scenario)


WAYS: tuple[Callable[[OrderSnapshot], object], ...] = (
    lambda order: order,
    lambda order: {"status": "filled", "qty": str(order.qty), "filled_qty": str(order.filled_qty)},
    lambda order: {"status": "OrderStatus.FILLED", "filled_avg_price": str(order.filled_avg_price)},
    lambda order: {"status": "a word of tomorrow", "qty": str(order.qty), "filled_qty": str(order.filled_qty)},
)


@settings(max_examples=25)
@given(seed=seeds, share=shares, way=st.sampled_from(WAYS))
def test_p2_multi_method_redundancy(seed: int, share: float, way: Callable[[OrderSnapshot], object]) -> None:
    async def scenario() -> None:
        async with live(seed, faults=Faults.rate(share, heal_at=HEALED), config=config()) as scene:
            order = scene.world.place(fate=Fate.SLOW)
            result = (await results_of(scene, [order]))[0]
            assert result.filled
            assert result.verification is not None
            assert result.verification.methods_confirmed
            assert result.detection_method is not None
            assert result.detection_method.partition("@")[0] in result.verification.methods_confirmed
            truth = scene.ledger.truth(order)
        shown = OrderSnapshot(
            order_id=order,
            status=truth.status,
            qty=truth.qty,
            filled_qty=truth.filled_qty,
            filled_avg_price=truth.shown_average,
        )
        assert MultiMethodVerifier().verify_fill(way(shown)).is_filled

    in_world(seed, scenario)


TRANSIENT = (
    *(Kind.RATE_LIMITED, Kind.RATE_LIMITED_BARE, Kind.SERVER_ERROR, Kind.SERVER_ERROR_HTML, Kind.ERROR_AFTER),
    *(Kind.TIMEOUT_BEFORE, Kind.RESET_AFTER, Kind.CUT_OFF),
)


@settings(max_examples=25)
@given(seed=seeds, kind=st.sampled_from(TRANSIENT), times=st.integers(1, 6))
def test_p3_error_recovery_resilience(seed: int, kind: Kind, times: int) -> None:
    """Longer than the time-out, if need be: the final check finds the fill, or an amendment tells of it."""

    async def scenario() -> None:
        async with live(seed, config=config(resolution_seconds=120.0)) as scene:
            order = scene.world.place(fate=Fate.SLOW)
            watch = scene.follower.watch(order)
            for op in (Op.LOOK, Op.LIST):
                scene.world.strike(kind, op, times=times)
            result = await watch
            assert result.filled, result
            struck = [arrival.t for arrival in scene.ledger.arrivals if arrival.fault == kind]
            assert struck
            assert max(line.t for line in asked(scene, "look", "list", order=order)) > struck[0]
        assert scene.violations() == []

    in_world(seed, scenario)


UNENDING = (Fate.NEVER, Fate.CANCEL_STUCK, Fate.CANCEL_SLOW, Fate.CANCEL_REFUSED, Fate.LAST_SECOND_AFTER)


@settings(max_examples=25)
@given(seed=seeds, share=shares, fate=st.sampled_from(UNENDING), timeout=st.floats(1.0, 30.0))
def test_p4_final_verification_guarantee(seed: int, share: float, fate: Fate, timeout: float) -> None:
    async def scenario() -> None:
        faults = Faults.rate(share, heal_at=HEALED)
        async with live(seed, faults=faults, config=config(timeout_seconds=timeout)) as scene:
            began = asyncio.get_running_loop().time()
            order = scene.world.place(fate=fate)
            result = (await results_of(scene, [order]))[0]
            cancels = asked(scene, "cancel", order=order)
            if not result.filled or cancels:
                until = cancels[0].t if cancels else asyncio.get_running_loop().time()
                last_looks = [
                    line for line in asked(scene, "look", "list", order=order) if began + timeout <= line.t <= until
                ]
                assert last_looks, "no look between the time-out and the cancel"
            assert result.elapsed_time >= timeout or result.filled
        assert scene.violations(settled=False) == []

    in_world(seed, scenario)


@settings(max_examples=25)
@given(seed=seeds, share=shares)
def test_p5_cancel_detect_race_condition_handling(seed: int, share: float) -> None:
    async def scenario() -> None:
        faults = Faults.rate(share, heal_at=HEALED)
        async with live(seed, faults=faults, config=config(timeout_seconds=3.0)) as scene:
            order = scene.world.place(fate=Fate.FILLED_IN_CANCEL_RACE)
            result = (await results_of(scene, [order]))[0]
            cancels = asked(scene, "cancel", order=order)
            assert cancels
            # By whatever route: a look that was under way, or the tape, proves as much as one sent afterwards.
            assert any(line.t > cancels[0].t for line in scene.history.of("look", Phase.OK)) or any(
                line.t > cancels[0].t for op in ("list", "fills") for line in scene.history.of(op, Phase.OK)
            )
            assert result.outcome is FillOutcome.FILLED
            truth = scene.ledger.truth(order)
            assert (result.fill_quantity, result.fill_price) == (truth.filled_qty, truth.shown_average)
        assert scene.violations() == []

    in_world(seed, scenario)


@settings(max_examples=25)
@given(seed=seeds, share=shares, count=st.integers(1, 6), lag=st.sampled_from((0.0, 2.0)))
def test_p6_state_consistency_preservation(seed: int, share: float, count: int, lag: float) -> None:
    async def scenario() -> None:
        draw = Random(seed)
        faults = Faults(server_error=share, replica_lag={Op.POSITIONS: lag}, heal_at=HEALED)
        async with live(seed, faults=faults, config=config()) as scene:
            # A first request that failed leaves nothing to compare with until another has been answered.
            bare, orders = not scene.engine.positions.has_baseline, []
            for _ in range(count):
                request = OrderRequest(
                    symbol=draw.choice(("AAPL", "F")), side=draw.choice(list(Side)), qty=Decimal(draw.randint(10, 99))
                )
                orders.append(scene.world.place(request, draw.choice((Fate.SLOW, Fate.INSTANT, Fate.MANY_PARTIALS))))
            watches = [scene.follower.watch(order) for order in orders]
            for result in await asyncio.gather(*watches):
                assert result.filled
            for watch in watches:
                check = await watch.consistency()
                assert check.consistent or (bare and check.discrepancy == NO_BASELINE), check
            for symbol in () if bare else ("AAPL", "F"):
                assert scene.engine.positions.get(symbol, Decimal(0)) == scene.ledger.position(symbol)
        assert scene.violations() == []

    in_world(seed, scenario)


@settings(max_examples=20)
@given(seed=seeds, share=shares, fate=st.sampled_from(tuple(Fate)))
def test_p7_logging_completeness(seed: int, share: float, fate: Fate) -> None:
    lines: list[str] = []
    handler = enable_logging("DEBUG", lambda message: lines.append(str(message)))
    try:
        transitions: list[Transition] = []

        async def scenario() -> tuple[str, FillResult]:
            faults = Faults.rate(share, heal_at=HEALED)
            async with live(seed, faults=faults, config=config(timeout_seconds=12.5)) as scene:
                order = scene.world.place(fate=fate)
                result = await scene.follower.watch(order)
            told = [line.value for line in scene.history.of("transition") if line.t <= end(scene)]
            # The first is what was believed before anything was heard.
            transitions.extend(value for value in told if isinstance(value, Transition) and value.route is not None)
            return order, result

        order, result = in_world(seed, scenario)
    finally:
        logger.remove(handler)
        logger.disable("fillwatch")
    own = [line for line in lines if f"[{order}]" in line]
    assert any("12.5" in line for line in own), "the time-out was not logged"
    for transition in transitions:
        assert any(transition.status.value in line for line in own), f"{transition.status} was not logged"
    ends = [line for line in own if "[INFO]" in line or "[WARNING]" in line]
    assert any(result.outcome.value in line for line in ends), "the result was not logged"
    if result.filled:
        assert any(str(result.fill_quantity) in line and str(result.detection_method) in line for line in own)


def end(scene: Live) -> float:
    return next(line.t for line in scene.history.lines if line.op == "result")


@settings(max_examples=25)
@given(
    seed=seeds,
    share=shares,
    side=st.sampled_from(tuple(Side)),
    off=st.decimals(Decimal("0.9"), Decimal("1.1"), places=4),
    allowed=st.sampled_from((Decimal(0), Decimal("0.25"), Decimal(5))),
)
def test_p8_slippage_validation_consistency(
    seed: int, share: float, side: Side, off: Decimal, allowed: Decimal
) -> None:
    async def scenario() -> None:
        faults = Faults.rate(share, heal_at=HEALED)
        async with live(seed, faults=faults, config=config(max_slippage=allowed)) as scene:
            limit = Decimal("101.50")
            request = OrderRequest(symbol="AAPL", side=side, qty=Decimal(30), order_type="limit", limit_price=limit)
            order = scene.world.place(request, Fate.MANY_PARTIALS)
            expected = limit * off
            result = await scene.follower.watch(order, expected_price=expected)
            assert result.filled
            assert result.fill_price is not None
            assert result.slippage is not None
            worse = side.sign * (Fraction(result.fill_price) - Fraction(expected)) / Fraction(expected) * 100
            assert abs(Fraction(result.slippage) - worse) < Fraction(1, 10**20)
            assert result.slippage_exceeded == (worse > Fraction(allowed))
        assert scene.violations() == []

    in_world(seed, scenario)


CUT = (Fate.PARTIAL, Fate.LATE_REST, Fate.HALF_AFTER_CANCEL, Fate.CANCELED_PARTLY, Fate.EXPIRED_PARTLY)


@settings(max_examples=25)
@given(seed=seeds, share=shares, fate=st.sampled_from(CUT))
def test_p9_partial_fill_rejection(seed: int, share: float, fate: Fate) -> None:
    async def scenario() -> None:
        faults = Faults.rate(share, heal_at=HEALED)
        async with live(seed, faults=faults, config=config(partial_fills="cancel_remainder")) as scene:
            order = scene.world.place(fate=fate)
            result = (await results_of(scene, [order]))[0]
            truth = scene.ledger.truth(order)
            assert truth.status.is_terminal
            assert result.fill_quantity == truth.filled_qty
            assert result.filled == (truth.filled_qty == truth.target)
            if not result.filled:
                assert result.outcome is FillOutcome.PARTIALLY_FILLED
            if fate is Fate.PARTIAL:
                assert truth.cancels, "the remainder was not cancelled"
                assert share or result.elapsed_time < TIMEOUT, "the remainder was cancelled at the time-out only"
        assert scene.violations() == []

    in_world(seed, scenario)


@settings(max_examples=25)
@given(
    seed=seeds,
    share=st.sampled_from((0.0, 0.2)),
    initial=st.floats(0.5, 1.5),
    increase=st.floats(0.0, 1.0),
    stretch=st.floats(0.0, 4.0),
)
def test_p10_adaptive_polling_efficiency(
    seed: int, share: float, initial: float, increase: float, stretch: float
) -> None:
    """The interval is the longest an order goes unseen: without faults no look comes later, whatever the budget."""

    async def scenario() -> None:
        chosen = config(
            timeout_seconds=30.0,
            initial_poll_interval=initial,
            max_poll_interval=initial + stretch,
            poll_interval_increase=increase,
        )
        faults = Faults(server_error=share)
        async with live(seed, faults=faults, config=chosen) as scene:
            await asyncio.sleep(10.0)  # the rate limiter begins nearly empty
            order = scene.world.place(fate=Fate.NEVER)
            began = asyncio.get_running_loop().time()
            watch: OrderWatch = scene.follower.watch(order)
            await asyncio.sleep(29.0)
            times = sorted(line.t for line in [*asked(scene, "look", order=order), *asked(scene, "list")])
            assert times[0] - began <= initial
            for number, (before, after) in enumerate(pairwise(times)):
                longest = min(initial + (number + 1) * increase, initial + stretch)
                assert after - before <= longest + 0.2, f"look {number}"
            await watch
        assert scene.violations() == []
        planned = [interval(chosen, looks) for looks in range(20)]
        assert planned[0] == initial
        assert planned == sorted(planned)
        assert all(wait == min(initial + looks * increase, initial + stretch) for looks, wait in enumerate(planned))

    in_world(seed, scenario)
