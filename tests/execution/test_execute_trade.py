"""From a signal to a protected position, under everything that a broker and a network can do."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from fillwatch.core.config import FillDetectionConfig
from fillwatch.core.errors import EngineClosed, IntentConflict
from fillwatch.core.orders import OrderRequest, OrderStatus, Side
from fillwatch.core.results import FillOutcome
from fillwatch.core.trade_facts import client_id
from fillwatch.core.trade_result import TradeResult
from fillwatch.core.trade_terms import ExecutorConfig
from fillwatch.simulator import Fate, Faults, Kind, Op
from fillwatch.simulator.faults import Rule
from fillwatch.testing import run_virtual, virtual
from tests.execution.scene import Scene, calm, now, scene

D = Decimal
#: Faults of requests after which something may have been carried out or not.
LOST = (Kind.TIMEOUT_BEFORE, Kind.TIMEOUT_AFTER, Kind.RESET_BEFORE, Kind.RESET_AFTER, Kind.ERROR_AFTER, Kind.CUT_OFF)


def for_order(kind: Kind | Fate, name: str, times: int | None = None) -> Rule:
    return Rule(kind=kind, orders=frozenset({client_id("T", name)}), times=times)


def entries(there: Scene) -> int:
    return sum(truth.client_order_id == client_id("T", "e1") for truth in there.orders())


@virtual
async def test_a_signal_becomes_a_protected_position() -> None:
    async with scene() as there:
        signal = there.world.price("AAPL")
        result = await there.trade(signal_price=signal, intent_id="T")
        assert result.success
        assert result.position_protected
        assert result.reason is None
        assert result.fill is not None
        assert result.fill.outcome is FillOutcome.FILLED
        assert result.filled_price == result.fill.fill_price
        entry, target = there.sent("T", "e1"), there.sent("T", "x1")
        assert result.order_id == entry.order_id
        assert result.exit_order_ids[0] == target.order_id
        (stop,) = (truth for truth in there.orders() if truth.parent_id == target.order_id)
        assert result.exit_order_ids == (target.order_id, stop.order_id)
        assert target.qty == stop.qty == entry.filled_qty == 100
        assert result.filled_price is not None
        assert result.stop_loss is not None
        assert result.filled_price - result.stop_loss <= 2
        assert result.slippage_pct == (result.filled_price - signal) / signal * 100
        assert there.bare() == 0
        assert [step.what.split(":")[0] for step in result.steps] == [
            *("intended", "checked", "e1 sent", "e1 placed", "e1 filled"),
            *("x1 sent", "x1 placed", "x1 working", "told"),
        ]
        assert [step.at for step in result.steps] == sorted(step.at for step in result.steps)


@virtual
async def test_a_short_sale_is_protected_the_other_way_round() -> None:
    async with scene(2) as there:
        result = await there.trade("sell")
        assert result.success
        assert result.filled_price is not None
        assert result.stop_loss is not None
        assert result.take_profit is not None
        assert result.take_profit < result.filled_price < result.stop_loss
        assert there.position() == -100
        assert there.bare() == 0


async def live_through(there: Scene, side: str, seed: int) -> tuple[TradeResult, list[str]]:
    """One trade, then quiet; what was untrue of its result, and what is bare in the end."""
    result = await there.trade(side, intent_id="T")
    wrong = []
    if result.position_protected and there.bare() != 0:
        wrong.append(f"said to be protected, {there.bare()} bare: {result.reason}")
    if result.success and not there.position():
        wrong.append("success without a position")
    if result.fill is not None and result.fill.fill_quantity is not None:
        executed = there.world.ledger.executed_in_chain(there.sent("T", "e1").order_id)
        if result.fill.fill_quantity > executed:
            wrong.append(f"{result.fill.fill_quantity} said to be filled, {executed} were")
    await calm(there.world)
    if there.bare() != 0:
        wrong.append(f"{there.bare()} bare in the end: {result.reason}")
    if entries(there) > 1:
        wrong.append("two entries")
    return result, [f"seed {seed}: {line}" for line in wrong]


def judge(seed: int, faults: Faults, *, stream: bool = False, config: ExecutorConfig | None = None) -> TradeResult:
    async def run() -> tuple[TradeResult, list[str]]:
        async with scene(seed, faults=faults, stream=stream, config=config) as there:
            return await live_through(there, "buy" if seed % 2 else "sell", seed)

    result, wrong = run_virtual(run, seed=seed)
    assert not wrong, wrong
    return result


@pytest.mark.parametrize("seed", range(1, 61))
def test_no_weather_leaves_a_share_bare(seed: int) -> None:
    """A random menu of faults, a stream in every third world: afterwards each share has its stop, and none twice."""
    judge(seed, Faults.random(seed), stream=seed % 3 == 0)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("kind", LOST)
@pytest.mark.parametrize("name", ["e1", "x1", "c1"])
def test_a_lost_answer_never_makes_a_second_order(name: str, kind: Kind, times: int) -> None:
    closing = ExecutorConfig(max_slippage=0) if name == "c1" else None
    faults = Faults(rules=(for_order(kind, name, times),))

    async def run() -> None:
        async with scene(1, faults=faults, config=closing) as there:
            result = await there.trade(intent_id="T")
            assert result.position_protected
            assert there.bare() == 0
            assert entries(there) == 1
            assert there.position() == (0 if name == "c1" else 100)
            struck = [arrival for arrival in there.world.ledger.arrivals if arrival.fault == kind]
            assert len(struck) == times

    run_virtual(run)


@pytest.mark.parametrize("start", [0.2, 1.3, 1.6, 2.5, 3.47, 3.5, 4.0])
@pytest.mark.parametrize("length", [5.0, 40.0, 95.0])
def test_an_outage_at_any_moment_ends_with_the_truth(start: float, length: float) -> None:
    judge(1, Faults(outages=((start, start + length),), heal_at=start + length))


@virtual
async def test_an_outage_longer_than_all_patience_is_told_and_outlived() -> None:
    """The caller hears in time that it is not known; when the broker is back, the entry is found and protected."""
    start = 1.25  # between the check and the answer to the entry
    faults = Faults(rules=(for_order(Kind.TIMEOUT_AFTER, "e1", 1),), outages=((start + 1.0, start + 200.0),))
    async with scene(1, faults=faults) as there:
        began = now()
        result = await there.trade(intent_id="T")
        assert not result.success
        assert not result.position_protected
        assert result.order_id is None
        assert 90.0 < now() - began < 140.0
        assert there.bare() == 100
        await asyncio.sleep(150.0)
        assert there.bare() == 0
        assert entries(there) == 1


@pytest.mark.parametrize("seed", range(1, 16))
def test_a_partial_fill_is_protected_for_exactly_what_was_filled(seed: int) -> None:
    result = judge(seed, Faults(rules=(for_order(Fate.PARTIAL, "e1"),)))
    assert result.success
    assert result.fill is not None
    assert result.fill.outcome is FillOutcome.PARTIALLY_FILLED


@virtual
async def test_a_partial_fill_is_closed_if_that_is_the_policy() -> None:
    faults = Faults(rules=(for_order(Fate.PARTIAL, "e1"),))
    async with scene(1, faults=faults, config=ExecutorConfig(on_partial="close")) as there:
        result = await there.trade(intent_id="T")
        assert not result.success
        assert result.position_protected
        assert "were filled" in (result.reason or "")
        assert there.position() == 0
        assert there.sent("T", "c1").filled_qty == there.sent("T", "e1").filled_qty > 0


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_too_much_slippage_closes_the_position_and_sees_it_closed(side: str) -> None:
    async def run() -> None:
        async with scene(1 if side == "buy" else 2, config=ExecutorConfig(max_slippage=0)) as there:
            result = await there.trade(side, intent_id="T")
            assert not result.success
            assert result.position_protected
            assert result.slippage_pct is not None
            assert result.slippage_pct > 0
            assert "slippage" in (result.reason or "")
            assert there.position() == 0
            assert there.stopped() == 0

    run_virtual(run)


@virtual
async def test_too_much_slippage_is_kept_and_flagged_if_that_is_the_policy() -> None:
    async with scene(1, config=ExecutorConfig(max_slippage=0, on_slippage="keep")) as there:
        result = await there.trade()
        assert result.success
        assert "kept for review" in (result.reason or "")
        assert there.bare() == 0


@virtual
async def test_a_price_that_is_past_the_stop_already_closes_the_position() -> None:
    """The broker refuses such exits, or fills them at once; either way nothing is left in the market without a stop."""
    async with scene(1) as there:
        signal = there.world.price("AAPL")
        there.world.set_price("AAPL", signal)
        task = asyncio.create_task(there.trade(signal_price=signal, intent_id="T"))
        while there.position() == 0:
            await asyncio.sleep(0.01)
        there.world.set_price("AAPL", signal - 10)
        result = await task
        assert result.position_protected
        assert there.bare() == 0
        await asyncio.sleep(5.0)
        assert there.position() == 0


@virtual
async def test_exits_that_are_rejected_late_are_placed_again() -> None:
    """The reads fail until the exits, accepted at first, have been rejected."""
    reads = frozenset({Op.LIST, Op.LOOK})
    blind = Rule(kind=Kind.SERVER_ERROR, operations=reads, start=3.5, end=8.0)
    async with scene(1, faults=Faults(rules=(for_order(Fate.REJECTED, "x1"), blind))) as there:
        result = await there.trade(intent_id="T")
        assert there.sent("T", "x1").status is OrderStatus.REJECTED
        assert result.position_protected
        assert result.success, result.reason
        assert there.sent("T", "x2").qty == 100
        assert there.bare() == 0


@pytest.mark.parametrize("symbol", ["NOPE", "HALT"])
def test_an_entry_that_is_refused_is_told_in_the_brokers_words(symbol: str) -> None:
    async def run() -> None:
        async with scene(1) as there:
            result = await there.trade(symbol=symbol, signal_price=100)
            assert not result.success
            assert result.position_protected
            assert result.order_id is None
            assert symbol in (result.reason or "")

    run_virtual(run)


@virtual
async def test_what_cannot_be_asked_for_is_refused_without_a_request() -> None:
    async with scene(1) as there:
        before = len(there.world.ledger.arrivals)
        wishes: tuple[dict[str, Any], ...] = (
            *({"quantity": 0}, {"quantity": 1.5}, {"quantity": "1e13"}, {"side": "up"}, {"symbol": None}),
            *({"signal_price": "nan"}, {"signal_price": Decimal("1e30")}, {"rr_ratio": 1e40}, {"risk_amount": -1}),
            *({"intent_id": "x" * 300}, {"intent_id": "\ud800"}, {"intent_id": 5}),
        )
        for wish in wishes:
            result = await there.trade(**wish)
            assert not result.success
            assert next(iter(wish)) in (result.reason or "")
        ops = {arrival.operation for arrival in there.world.ledger.arrivals[before:]}
        assert Op.SUBMIT not in ops
        assert Op.ACCOUNT not in ops


@virtual
async def test_a_closed_market_declines() -> None:
    from datetime import UTC, datetime

    async with scene(1, hours="exchange", epoch=datetime(2026, 6, 14, 15, tzinfo=UTC)) as there:  # a Sunday
        result = await there.trade()
        assert not result.success
        assert "the market is closed" in (result.reason or "")
        assert not there.orders()


@virtual
async def test_a_position_on_the_other_side_declines() -> None:
    async with scene(1) as there:
        assert (await there.trade("buy")).success
        result = await there.trade("sell")
        assert not result.success
        assert "close that position" in (result.reason or "")
        assert there.position() == 100


@virtual
async def test_many_symbols_go_side_by_side_and_two_trades_of_one_keep_the_book_right() -> None:
    async with scene(1) as there:
        symbols = ["AAPL", "MSFT", "AAPL", "NVDA", "TSLA"]
        results = await asyncio.gather(*(there.trade(symbol=symbol) for symbol in symbols))
        assert all(result.success for result in results), [result.reason for result in results]
        for symbol in set(symbols):
            assert there.bare(symbol) == 0
            assert there.engine.positions[symbol] == there.position(symbol) == 100 * symbols.count(symbol)
        assert len({result.order_id for result in results}) == len(symbols)
        exits = [order_id for result in results for order_id in result.exit_order_ids]
        assert len(set(exits)) == 2 * len(symbols)


@virtual
async def test_opposite_trades_of_one_symbol_are_not_begun_together() -> None:
    async with scene(1) as there:
        both = await asyncio.gather(there.trade("buy"), there.trade("sell"))
        assert sorted(result.success for result in both) == [False, True], [result.reason for result in both]
        assert any("under way" in (result.reason or "") for result in both)


@virtual
async def test_the_same_intent_is_one_trade() -> None:
    async with scene(1) as there:
        signal = there.world.price("AAPL")
        twice = (there.trade(signal_price=signal, intent_id="T") for _ in range(2))
        first, second = await asyncio.gather(*twice)
        third = await there.trade(signal_price=signal, intent_id="T")
        assert first is second is third
        assert entries(there) == 1
        with pytest.raises(IntentConflict):
            await there.trade(quantity=99, signal_price=signal, intent_id="T")


@virtual
async def test_a_caller_that_gives_up_leaves_no_share_bare() -> None:
    async with scene(1) as there:
        signal = there.world.price("AAPL")
        task = asyncio.create_task(there.trade(signal_price=signal, intent_id="T"))
        while there.position() == 0:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        assert (await there.trade(signal_price=signal, intent_id="T")).success
        assert there.bare() == 0
        assert there.position() == 100


@virtual
async def test_leaving_the_engine_ends_the_call_with_an_error() -> None:
    async with scene(1, faults=Faults(rules=(for_order(Fate.NEVER, "e1"),))) as there:
        task = asyncio.create_task(there.trade(intent_id="T"))
        await asyncio.sleep(5.0)
    with pytest.raises(EngineClosed):
        await task


@virtual
async def test_shares_that_come_after_the_result_are_protected_too() -> None:
    """The cancel is not confirmed, the caller is told so, and then the order fills after all."""
    watching = FillDetectionConfig(resolution_seconds=5.0)
    async with scene(1, faults=Faults(rules=(for_order(Fate.CANCEL_STUCK, "e1"),)), watching=watching) as there:
        result = await there.trade(intent_id="T")
        assert not result.success
        assert not result.position_protected
        assert result.fill is not None
        assert result.fill.outcome is FillOutcome.UNRESOLVED
        market = there.world._market
        record = market.records[there.sent("T", "e1").order_id]
        from fillwatch.simulator.acts import ACTS
        from fillwatch.simulator.plans import Act, Step

        ACTS[Act.FILL](market, record, Step(after=0.0, act=Act.FILL), there.world.advance())
        assert there.bare() == 100
        await calm(there.world)
        assert there.bare() == 0
        assert there.position() == 100


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_exits_for_an_execution_that_was_undone_are_withdrawn(seed: int) -> None:
    judge(seed, Faults(rules=(for_order(Fate.BUSTED, "e1"),)))


@virtual
async def test_a_halt_begins_nothing_and_ends_nothing() -> None:
    async with scene(1) as there:
        running = asyncio.create_task(there.trade())
        await asyncio.sleep(2.0)
        there.executor.halt("lunch")
        halted = await there.trade(symbol="MSFT")
        assert "lunch" in (halted.reason or "")
        assert (await running).success
        there.executor.unhalt()
        assert (await there.trade(symbol="MSFT")).success


@virtual
async def test_no_more_trades_than_allowed_are_under_way() -> None:
    async with scene(1, config=ExecutorConfig(max_open_trades=1)) as there:
        first, second = await asyncio.gather(there.trade(), there.trade(symbol="MSFT"))
        assert [first.success, second.success].count(True) == 1
        declined = second if first.success else first
        assert "max_open_trades" in (declined.reason or "")
        assert (await there.trade(symbol="NVDA")).success


@virtual
async def test_a_bot_in_a_loop_is_stopped_and_nothing_that_protects_is() -> None:
    """A hundred signals at once: thirty entries go out, the others are told why, and each that was filled has exits."""
    async with scene(1) as there:
        symbols = [f"{first}{second}Q" for first in "ABCDEFGHIJ" for second in "ABCDEFGHIJ"]
        results = await asyncio.gather(*(there.trade(symbol=symbol, quantity=1) for symbol in symbols))
        declined = [result for result in results if result.order_id is None]
        assert len(declined) == 70
        assert all("max_submits_per_minute: 30 entries were sent" in (one.reason or "") for one in declined)
        assert all(one.position_protected for one in results)
        assert all(there.bare(symbol) == 0 for symbol in symbols)
        assert sum(bool(there.position(symbol)) for symbol in symbols) >= 25
        await asyncio.sleep(61.0)
        assert (await there.trade(symbol="AAPL")).order_id is not None


@virtual
async def test_closing_is_no_entry() -> None:
    config = ExecutorConfig(max_submits_per_minute=1, max_slippage=0)
    async with scene(1, config=config) as there:
        result = await there.trade(intent_id="T")
        assert there.sent("T", "c1").filled_qty == 100
        assert result.position_protected
        assert "the next may be sent in" in ((await there.trade(symbol="MSFT")).reason or "")


@virtual
async def test_orders_of_others_are_left_alone() -> None:
    async with scene(1) as there:
        request = OrderRequest(symbol="AAPL", side=Side.BUY, qty=D(5), order_type="limit", limit_price=D(1))
        foreign = there.world.place(request, Fate.MARKET, foreign=True)
        await there.trade()
        assert not there.world.ledger.truth(foreign).status.is_terminal
