"""One order at a time through everything a broker may do to it: what is told, when, and what the ledger says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from loguru import logger

from fillwatch import Amendment, AmendmentKind, FillDetectionConfig, FillOutcome, FillResult, OrderRequest
from fillwatch.core.orders import OrderStatus, Side
from fillwatch.simulator import Fate, Faults, Op
from fillwatch.simulator.fates import PLANNED
from fillwatch.simulator.plans import Act, Step
from fillwatch.testing import run_virtual, virtual
from tests.worlds.live import Live, live

BUY = OrderRequest(symbol="AAPL", side=Side.BUY, qty=Decimal(100))
TIMEOUT = 20.0
#: Seconds from the broker's end of an order to its result: the longest interval, a look, the tape, and their ways.
DETECTION = 2.5

_O = FillOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a fate must come to. `cancels`: our cancels that reach the broker, at least and at most."""

    outcomes: frozenset[FillOutcome]
    cancels: tuple[int, int] = (0, 0)
    ids: int = 1

    @classmethod
    def to_be(cls, *outcomes: FillOutcome, cancels: tuple[int, int] = (0, 0), ids: int = 1) -> Expected:
        return cls(outcomes=frozenset(outcomes), cancels=cancels, ids=ids)


#: Under the policy `wait`, so that every fate is seen to its own end. Total over `Fate`.
FATES: Mapping[Fate, Expected] = MappingProxyType(
    {
        Fate.INSTANT: Expected.to_be(_O.FILLED),
        Fate.SLOW: Expected.to_be(_O.FILLED),
        Fate.PARTIAL: Expected.to_be(_O.PARTIALLY_FILLED, cancels=(1, 1)),
        Fate.MANY_PARTIALS: Expected.to_be(_O.FILLED),
        Fate.LATE_REST: Expected.to_be(_O.FILLED),
        Fate.NEVER: Expected.to_be(_O.TIMED_OUT, cancels=(1, 1)),
        Fate.REJECTED: Expected.to_be(_O.REJECTED),
        Fate.EXPIRED: Expected.to_be(_O.EXPIRED),
        Fate.EXPIRED_PARTLY: Expected.to_be(_O.PARTIALLY_FILLED),
        Fate.CANCELED_BY_OTHERS: Expected.to_be(_O.CANCELED),
        Fate.CANCELED_PARTLY: Expected.to_be(_O.PARTIALLY_FILLED),
        Fate.REPLACED_FILLS: Expected.to_be(_O.FILLED, ids=2),
        Fate.REPLACED_TWICE: Expected.to_be(_O.FILLED, ids=3),
        Fate.REPLACED_NEVER: Expected.to_be(_O.TIMED_OUT, cancels=(1, 1), ids=2),
        Fate.REPLACED_AFTER_PARTIAL: Expected.to_be(_O.FILLED, ids=2),
        Fate.REPLACE_REJECTED: Expected.to_be(_O.FILLED),
        Fate.FILLED_IN_CANCEL_RACE: Expected.to_be(_O.FILLED, cancels=(1, 1)),
        Fate.FILLED_AFTER_CANCEL: Expected.to_be(_O.FILLED, cancels=(1, 1)),
        Fate.HALF_AFTER_CANCEL: Expected.to_be(_O.PARTIALLY_FILLED, cancels=(1, 1)),
        Fate.CANCEL_STUCK: Expected.to_be(_O.UNRESOLVED, cancels=(1, 9)),
        Fate.CANCEL_SLOW: Expected.to_be(_O.TIMED_OUT, cancels=(1, 4)),
        Fate.CANCEL_REFUSED: Expected.to_be(_O.TIMED_OUT, cancels=(2, 4)),
        Fate.LATE_FIELDS: Expected.to_be(_O.FILLED),
        Fate.LAST_SECOND_BEFORE: Expected.to_be(_O.FILLED, cancels=(0, 1)),
        Fate.LAST_SECOND_AFTER: Expected.to_be(_O.FILLED, _O.TIMED_OUT, cancels=(0, 1)),
        Fate.NOTIONAL: Expected.to_be(_O.FILLED),
        Fate.FRACTIONAL: Expected.to_be(_O.FILLED),
        Fate.BUSTED: Expected.to_be(_O.FILLED, _O.PARTIALLY_FILLED),
        Fate.CORRECTED: Expected.to_be(_O.FILLED),
        Fate.ODD_STATUSES: Expected.to_be(_O.FILLED),
        Fate.UNKNOWN_STATUS: Expected.to_be(_O.FILLED),
        Fate.RESTAMPED: Expected.to_be(_O.FILLED),
    }
)


def now() -> float:
    return asyncio.get_running_loop().time()


def settings(**changes: Any) -> FillDetectionConfig:  # noqa: ANN401 - fields of the configuration
    fields: dict[str, Any] = {"timeout_seconds": TIMEOUT, "partial_fills": "wait"} | changes
    return FillDetectionConfig(**fields)


def cancels(scene: Live, order_id: str) -> list[float]:
    """When our cancels reached the broker, under any id of the order."""
    ids = scene.ledger.chain(order_id)
    return [a.t for a in scene.ledger.arrivals if a.operation == Op.CANCEL and a.target in ids]


def test_the_table_is_total() -> None:
    assert set(FATES) == set(PLANNED)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("fate", PLANNED)
def test_each_fate_comes_to_what_the_ledger_says(fate: Fate, seed: int) -> None:
    """The outcome, the quantity and price of that moment, the cancels, and how long it took to know."""
    expected = FATES[fate]

    async def run() -> None:
        async with live(seed, config=settings(), timeout=TIMEOUT) as scene:
            order_id, placed = scene.world.place(fate=fate), now()
            result = await scene.follower.watch(order_id)
            ledger, told = scene.ledger, now()
            chain = ledger.chain(order_id)
            truth = ledger.truth(chain[-1])
            assert result.outcome in expected.outcomes, result.reason
            assert result.filled is (result.outcome is FillOutcome.FILLED)
            assert result.fill_quantity in _quantities(scene, order_id, result)
            if result.fill_quantity and fate not in (Fate.BUSTED, Fate.CORRECTED):
                average = ledger.average_in_chain(order_id)
                assert result.fill_price is not None
                assert average is not None
                assert abs(result.fill_price - average) <= Decimal("1e-8")
            assert (result.order_id, len(chain)) == (order_id, expected.ids)
            assert result.final_order_id == chain[-1]
            sent = cancels(scene, order_id)
            assert expected.cancels[0] <= len(sent) <= expected.cancels[1]
            assert all(at >= placed + TIMEOUT for at in sent)
            if truth.ended_at is None:
                assert placed + TIMEOUT + 30.0 <= told <= placed + TIMEOUT + 31.0
            else:
                assert truth.ended_at <= told <= truth.ended_at + DETECTION + _extra(fate)
        assert scene.violations() == []

    run_virtual(run, seed=seed)


def _quantities(scene: Live, order_id: str, result: FillResult) -> set[Decimal | None]:
    """What may truthfully be told: what was executed, unless nothing is certain; a bust may not be known yet."""
    net, gross = (scene.ledger.executed_in_chain(order_id, busts=busts) for busts in (True, False))
    return {net or None} if result.outcome is FillOutcome.UNRESOLVED else {net, gross}


def _extra(fate: Fate) -> float:
    """Seconds by which the broker itself shows late what has happened."""
    return 5.0 if fate is Fate.LATE_FIELDS else 0.0


# The dialogue of the timeout


@virtual
async def test_a_204_is_no_end_and_the_fill_after_it_is_told() -> None:
    async with live(config=settings(), timeout=TIMEOUT) as scene:
        order_id = scene.world.place(BUY, Fate.FILLED_AFTER_CANCEL)
        result = await scene.follower.watch(order_id)
        truth = scene.ledger.truth(order_id)
    (cancel,) = truth.cancels
    assert cancel.status == 204
    assert cancel.t < truth.trades[0].t
    assert (result.outcome, result.fill_quantity) == (FillOutcome.FILLED, Decimal(100))
    assert result.fill_price == truth.average_price


@virtual
async def test_a_422_already_filled_is_looked_at_and_told_with_its_price() -> None:
    async with live(config=settings(), timeout=TIMEOUT) as scene:
        order_id = scene.world.place(BUY, Fate.FILLED_IN_CANCEL_RACE)
        result = await scene.follower.watch(order_id)
        truth = scene.ledger.truth(order_id)
    (cancel,) = truth.cancels
    assert cancel.status == 422
    assert (result.outcome, result.fill_price) == (FillOutcome.FILLED, truth.average_price)
    assert TIMEOUT <= result.elapsed_time <= TIMEOUT + 2.0


@pytest.mark.parametrize("resolution", [5.0, 12.0])
def test_a_stuck_cancel_is_repeated_and_left_unresolved_at_the_bound(resolution: float) -> None:
    async def run() -> None:
        async with live(config=settings(resolution_seconds=resolution), timeout=TIMEOUT) as scene:
            order_id, placed = scene.world.place(BUY, Fate.CANCEL_STUCK), now()
            result = await scene.follower.watch(order_id)
            first, *more = cancels(scene, order_id)
            assert (result.outcome, result.fill_quantity) == (FillOutcome.UNRESOLVED, None)
            assert placed + TIMEOUT <= first <= placed + TIMEOUT + 0.5
            assert first + resolution - 0.1 <= now() <= first + resolution + 1.5
            assert all(later - first >= 3.9 for later in more)
            (open_watch,) = scene.engine.snapshot().watches
            assert open_watch.audited
            sent = len(cancels(scene, order_id))
            await asyncio.sleep(120.0)
            assert len(cancels(scene, order_id)) == sent
        assert scene.violations() == []

    run_virtual(run)


@virtual
async def test_a_slow_cancel_beyond_the_bound_is_amended() -> None:
    async with live(config=settings(resolution_seconds=2.0), timeout=TIMEOUT) as scene:
        order_id = scene.world.place(BUY, Fate.CANCEL_SLOW)
        assert (await scene.follower.watch(order_id)).outcome is FillOutcome.UNRESOLVED
        amendment = await anext(scene.engine.amendments())
        assert (amendment.kind, amendment.amended.outcome) == (AmendmentKind.RESOLVED, FillOutcome.TIMED_OUT)
        ended = scene.ledger.truth(order_id).ended_at
        assert ended is not None
        assert ended <= amendment.at <= ended + 25.0
    assert scene.violations() == []


# Replacements


@pytest.mark.parametrize("inherits", [True, False])
@pytest.mark.parametrize("seed", range(1, 7))
def test_a_chain_is_summed_whether_or_not_the_successor_inherits(inherits: bool, seed: int) -> None:
    async def run() -> None:
        async with live(seed, config=settings(), timeout=TIMEOUT, inherits=inherits) as scene:
            order_id = scene.world.place(BUY, Fate.REPLACED_AFTER_PARTIAL)
            result = await scene.follower.watch(order_id)
            ledger = scene.ledger
            assert (result.outcome, result.fill_quantity) == (FillOutcome.FILLED, ledger.executed_in_chain(order_id))
            assert result.fill_price == pytest.approx(ledger.average_in_chain(order_id))
            assert (result.order_id, result.final_order_id) == ledger.chain(order_id)
            assert result.requested_quantity == result.fill_quantity
        assert scene.violations() == []

    run_virtual(run, seed=seed)


@virtual
async def test_a_replaced_order_is_cancelled_as_its_successor() -> None:
    async with live(config=settings(), timeout=TIMEOUT) as scene:
        order_id = scene.world.place(BUY, Fate.REPLACED_NEVER)
        result = await scene.follower.watch(order_id)
        first, last = scene.ledger.chain(order_id)
        targets = {a.target for a in scene.ledger.arrivals if a.operation == Op.CANCEL}
    assert targets == {last}
    assert (result.outcome, result.order_id, result.final_order_id) == (FillOutcome.TIMED_OUT, first, last)


# What lags behind the status


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_filled_status_without_quantity_is_not_told_until_the_quantity_is_known(seed: int) -> None:
    async def run() -> None:
        async with live(seed, config=settings(), timeout=TIMEOUT) as scene:
            order_id = scene.world.place(BUY, Fate.LATE_FIELDS)
            watch = scene.follower.watch(order_id)
            result = await watch
            truth = scene.ledger.truth(order_id)
            assert (result.fill_quantity, result.fill_price) == (Decimal(100), truth.average_price)
            assert now() <= truth.trades[-1].t + 5.0 + DETECTION

    run_virtual(run, seed=seed)


@virtual
async def test_an_unheard_of_status_is_alive() -> None:
    async with live(config=settings(), timeout=TIMEOUT) as scene:
        order_id = scene.world.place(BUY, Fate.UNKNOWN_STATUS)
        words = [change.status async for change in scene.engine.watch(order_id)]
    assert OrderStatus.UNKNOWN in words[1:]
    assert words[-1] is OrderStatus.FILLED


# Partial fills


@pytest.mark.parametrize("patience", [1.0, 4.0])
def test_the_remainder_is_cancelled_after_the_patience(patience: float) -> None:
    async def run() -> None:
        config = settings(partial_fills="cancel_remainder", partial_patience_seconds=patience)
        async with live(config=config, timeout=TIMEOUT) as scene:
            order_id = scene.world.place(BUY, Fate.PARTIAL)
            result = await scene.follower.watch(order_id)
            truth = scene.ledger.truth(order_id)
            (sent,) = cancels(scene, order_id)
            executed = truth.trades[-1].t
            assert executed + patience <= sent <= executed + patience + DETECTION
            assert (result.outcome, result.fill_quantity) == (FillOutcome.PARTIALLY_FILLED, truth.filled_qty)
            assert truth.status is OrderStatus.CANCELED
        assert scene.violations() == []

    run_virtual(run)


@pytest.mark.parametrize("seed", range(1, 6))
def test_an_order_that_fills_in_pieces_is_not_cut(seed: int) -> None:
    async def run() -> None:
        config = settings(partial_fills="cancel_remainder", partial_patience_seconds=3.0)
        async with live(seed, config=config, timeout=TIMEOUT) as scene:
            order_id = scene.world.place(BUY, Fate.MANY_PARTIALS)
            assert (await scene.follower.watch(order_id)).filled
            assert cancels(scene, order_id) == []

    run_virtual(run, seed=seed)


@virtual
async def test_wait_lets_a_partial_fill_live_until_the_timeout() -> None:
    async with live(config=settings(), timeout=TIMEOUT) as scene:
        order_id, placed = scene.world.place(BUY, Fate.PARTIAL), now()
        result = await scene.follower.watch(order_id)
        (sent,) = cancels(scene, order_id)
    assert placed + TIMEOUT <= sent <= placed + TIMEOUT + 0.5
    assert (result.outcome, result.filled) == (FillOutcome.PARTIALLY_FILLED, False)
    assert "of 100" in (result.reason or "")


@virtual
async def test_a_fill_during_the_cancel_of_the_remainder_counts() -> None:
    config = settings(partial_fills="cancel_remainder", timeout_seconds=5.0)
    async with live(2, config=config, timeout=5.0) as scene:
        order_id = scene.world.place(BUY, Fate.HALF_AFTER_CANCEL)
        result = await scene.follower.watch(order_id)
        assert result.fill_quantity == scene.ledger.executed_at(order_id)
        assert result.outcome is FillOutcome.PARTIALLY_FILLED
        (sent,) = cancels(scene, order_id)
        assert scene.ledger.executed_at(order_id, sent) == 0
    assert scene.violations() == []


# A broker that is away


@pytest.mark.parametrize("fate", [Fate.SLOW, Fate.REJECTED, Fate.EXPIRED_PARTLY])
def test_an_outage_over_the_timeout_is_unresolved_and_amended_after_it(fate: Fate) -> None:
    async def run() -> None:
        faults = Faults(outages=((0.3, 120.0),), heal_at=120.0)
        async with live(3, config=settings(timeout_seconds=10.0), faults=faults) as scene:
            order_id, placed = scene.world.place(BUY, fate), now()
            result = await scene.follower.watch(order_id)
            assert (result.outcome, result.filled) == (FillOutcome.UNRESOLVED, False)
            assert placed + 10.0 <= now() <= placed + 65.0
            amendment = await anext(scene.engine.amendments())
            truth = scene.ledger.truth(order_id)
            assert amendment.kind is AmendmentKind.RESOLVED
            assert amendment.amended.fill_quantity == truth.filled_qty
            assert amendment.amended.filled is (fate is Fate.SLOW)
            assert scene.world.start + 120.0 <= amendment.at <= scene.world.start + 300.0
        assert scene.violations() == []

    run_virtual(run)


@virtual
async def test_an_outage_within_the_timeout_changes_nothing_but_the_time() -> None:
    faults = Faults(outages=((0.3, 25.0),), heal_at=25.0)
    async with live(3, config=settings(timeout_seconds=60.0), faults=faults) as scene:
        order_id = scene.world.place(BUY, Fate.SLOW)
        result = await scene.follower.watch(order_id)
        assert (result.outcome, cancels(scene, order_id)) == (FillOutcome.FILLED, [])
        assert scene.world.start + 25.0 <= now() <= scene.world.start + 38.0
    assert scene.violations() == []


@pytest.mark.parametrize("kind", ["rate_limited", "rate_limited_bare"])
def test_a_storm_of_429_is_met_with_silence_and_survived(kind: str) -> None:
    async def run() -> None:
        storm: dict[str, Any] = {kind: 1.0}
        async with live(3, config=settings(timeout_seconds=200.0), faults=Faults(**storm, heal_at=20.0)) as scene:
            order_id = scene.world.place(BUY, Fate.SLOW)
            result = await scene.follower.watch(order_id)
            assert (result.outcome, cancels(scene, order_id)) == (FillOutcome.FILLED, [])
            assert result.fill_quantity == 100
            in_storm = [a for a in scene.ledger.arrivals if a.status == 429]
            assert 1 <= len(in_storm) <= 12
            assert now() <= scene.world.start + 20.0 + 65.0
        assert scene.violations() == []

    run_virtual(run)


def test_more_timeouts_than_the_limit_lets_through_are_all_cancelled_in_turn_and_said_so() -> None:
    """300 at once need some two minutes: none is given up because others go before it, the first in goes first."""
    ids: list[str] = []
    sent: list[tuple[float, str]] = []

    async def run() -> None:
        async with live(config=FillDetectionConfig(timeout_seconds=20.0)) as scene:
            ids.extend(scene.world.place(fate=Fate.NEVER) for _ in range(300))
            asking = []
            for order_id in ids:
                asking.append(asyncio.ensure_future(scene.follower.watch(order_id)))
                await asyncio.sleep(0.001)
            results = await asyncio.gather(*asking)
            assert {result.outcome for result in results} == {FillOutcome.TIMED_OUT}
            began = scene.world.start + 20.0
            sent.extend((each.t - began, each.target) for each in scene.ledger.arrivals if each.operation == "cancel")
        assert scene.violations() == []

    lines: list[str] = []
    logger.enable("fillwatch")
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="WARNING")
    try:
        run_virtual(run)
    finally:
        logger.remove(sink)
        logger.disable("fillwatch")
    served = list(dict.fromkeys(order_id for _, order_id in sent))
    assert max(abs(at - served.index(order_id)) for at, order_id in enumerate(ids)) <= 30
    [said] = [line for line in lines if "cancels wait for the request limit" in line]
    told = re.fullmatch(r"(29\d|300) cancels wait .* by deadline, then by hand-in; .* in about (\d+) s", said)
    assert told
    # Of 160 a minute looks have every eighth; with 300 a quarter more would be 159 s.
    assert 100.0 <= sent[-1][0] == pytest.approx(float(told[2]), rel=0.1)


@pytest.mark.parametrize("stream", [False, True])
def test_a_price_corrected_after_the_result_is_an_amendment(stream: bool) -> None:
    """No quantity changes and no status: news all the same."""

    async def run() -> None:
        async with live(stream=stream) as scene:
            order_id = scene.world.place(fate=Fate.NEVER)
            watch = scene.follower.watch(order_id)
            market, now = scene.world._market, asyncio.get_running_loop().time()
            for after, act in ((3.0, Act.FILL), (6.0, Act.CORRECT)):
                market.schedule(market.records[order_id], Step(after=after, act=act), now, last=False)
            result = await watch
            await asyncio.sleep(60.0)
            [late] = [line.value for line in scene.history.of("amendment")]
            assert isinstance(late, Amendment)
            assert late.kind is AmendmentKind.CORRECTION
            assert late.result == result
            assert late.amended.fill_price == scene.ledger.average_in_chain(order_id, exact=False) != result.fill_price
        assert scene.violations() == []

    run_virtual(run)
