"""What any bot says of its orders, held to the ledger: truths in every form pass, each kind of untruth is named."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

import pytest

from fillwatch import FillDetectionConfig, FillDetectionEngine, FillOutcome, FillResult
from fillwatch.core.orders import OrderRequest, OrderStatus, Side
from fillwatch.simulator import Fate, Ledger, SimulatedBroker, World
from fillwatch.testing import assert_truthful, run_virtual, untruths

TEN = OrderRequest(symbol="AAPL", side=Side.BUY, qty=Decimal(10), order_type="limit", limit_price=Decimal(100))


def world_with(*fates: Fate, seconds: float = 30.0, inherits: bool | None = None, seed: int = 1) -> World:
    """A world in which an order of ten shares has lived through each of these fates."""
    now = [1_000.0]
    world = World(seed, clock=lambda: now[0], inherits=inherits)
    for fate in fates:
        world.place(TEN, fate)
    now[0] += seconds
    world.advance()
    return world


def order_of(world: World, **changes: object) -> dict[str, object]:
    """The first order as the API would show it."""
    truth = world.ledger.truth(world.ledger.order_ids[0])
    return {
        "id": truth.order_id,
        "status": truth.raw_status,
        "filled_qty": str(truth.filled_qty),
        "filled_avg_price": None if truth.shown_average is None else str(truth.shown_average),
        **changes,
    }


@dataclass
class Order:
    """As alpaca-py has it: a UUID, an enumeration's member, texts."""

    id: UUID
    status: OrderStatus
    filled_qty: str | None = None
    filled_avg_price: str | None = None


@pytest.mark.parametrize("fate", Fate)
def test_what_the_broker_shows_is_true(fate: Fate) -> None:
    """Of every order in every fate, successors included, whether they inherit executions or not."""
    for inherits in (True, False):
        world = world_with(fate, inherits=inherits)
        for order_id in world.ledger.order_ids:
            truth = world.ledger.truth(order_id)
            shown = order_of(world, id=order_id, status=truth.raw_status, filled_qty=str(truth.filled_qty))
            shown["filled_avg_price"] = truth.shown_average
            assert untruths([shown], world.ledger) == []


def test_every_form_of_a_true_result_is_taken() -> None:
    world = world_with(Fate.INSTANT)
    shown = order_of(world)
    order_id = str(shown["id"])
    result = FillResult(
        order_id=order_id, final_order_id=order_id, outcome=FillOutcome.FILLED, filled=True, fill_quantity=Decimal(10)
    )
    as_json = json.loads(json.dumps(world.ledger.as_dict()))
    true: list[object] = [
        *([shown], (shown,), shown, iter([shown]), {order_id: shown}, {order_id: 10}, {order_id: "10"}, [result]),
        *({order_id: {"status": "filled"}}, {UUID(order_id): Decimal(10)}, result),
        [Order(UUID(order_id), OrderStatus.FILLED, "10", str(shown["filled_avg_price"]))],
    ]
    for results in true:
        assert_truthful(results if not hasattr(results, "__next__") else [shown], world.ledger)
        assert_truthful(results if not hasattr(results, "__next__") else [shown], as_json)
    assert_truthful([shown], SimulatedBroker(world).world)


UNTRUE: dict[str, tuple[Fate, dict[str, object], str]] = {
    "filled, yet rejected": (Fate.REJECTED, {"status": "filled"}, "in truth rejected since"),
    "filled, yet alive": (Fate.NEVER, {"status": "filled"}, "in truth new at present"),
    "alive, yet filled": (Fate.INSTANT, {"status": "new"}, "in truth filled since"),
    "canceled, yet expired": (Fate.EXPIRED, {"status": "canceled"}, "in truth expired since"),
    "too much": (Fate.PARTIAL, {"filled_qty": "10"}, "said partially_filled, 10 executed"),
    "too little": (Fate.INSTANT, {"filled_qty": "9"}, "10 executed at"),
    "nothing, yet half": (Fate.CANCELED_PARTLY, {"filled_qty": "0"}, "said canceled, 0 executed"),
    "wrong price": (Fate.INSTANT, {"filled_avg_price": "1.23"}, "never so: in truth filled"),
    "no such order": (Fate.INSTANT, {"id": "nobody's"}, "the broker has no such order"),
}


@pytest.mark.parametrize("case", UNTRUE)
def test_an_untruth_is_named_with_what_is_true(case: str) -> None:
    fate, changes, told = UNTRUE[case]
    world = world_with(fate)
    with pytest.raises(AssertionError) as caught:
        assert_truthful([order_of(world, **changes)], world.ledger)
    assert str(caught.value).startswith("1 untrue result:\n  ")
    assert told in str(caught.value)
    assert "no such order" in told or "AAPL buy 10, fate" in str(caught.value)


def test_outcomes_of_the_engine_are_understood() -> None:
    """ "Unresolved" is no lie; a cancel is said in two ways; of a chain the whole counts."""
    world = world_with(Fate.REPLACED_AFTER_PARTIAL, inherits=False)
    head = world.ledger.order_ids[0]
    said = FillResult(order_id=head, final_order_id=head, outcome=FillOutcome.FILLED, filled=True)
    assert_truthful([replace(said, fill_quantity=Decimal(10))], world.ledger)
    assert_truthful([replace(said, outcome=FillOutcome.UNRESOLVED)], world.ledger)
    part = world.ledger.truth(head).filled_qty
    assert_truthful([replace(said, outcome=FillOutcome.UNRESOLVED, fill_quantity=part)], world.ledger)
    assert untruths([replace(said, outcome=FillOutcome.UNRESOLVED, fill_quantity=part + 1)], world.ledger)
    assert 0 < part < 10
    assert untruths([replace(said, fill_quantity=part)], world.ledger)
    assert_truthful({head: part}, world.ledger)
    many = world_with(Fate.MANY_PARTIALS)
    first = many.ledger.truth(many.ledger.order_ids[0]).executions[0]
    early = replace(said, order_id=first.order_id, fill_quantity=first.qty)
    assert_truthful([replace(early, outcome=FillOutcome.UNRESOLVED)], many.ledger)
    assert untruths([early], many.ledger)
    canceled = world_with(Fate.CANCELED_PARTLY)
    head = canceled.ledger.order_ids[0]
    for outcome, true in ((FillOutcome.PARTIALLY_FILLED, True), (FillOutcome.FILLED, False)):
        result = replace(said, order_id=head, outcome=outcome)
        assert (untruths([result], canceled.ledger) == []) == true


def test_of_a_live_order_any_live_status_and_any_earlier_quantity_is_true() -> None:
    """They change by the millisecond; an end that has not come is a lie."""
    world = world_with(Fate.PARTIAL)
    for word in ("accepted", "new", "partially_filled", "activated"):
        assert_truthful([order_of(world, status=word)], world.ledger)
        assert_truthful([order_of(world, status=word, filled_qty="0", filled_avg_price=None)], world.ledger)
    assert untruths([order_of(world, status="canceled")], world.ledger)
    half = world_with(Fate.CANCELED_PARTLY)
    assert untruths([order_of(half, filled_qty="0", filled_avg_price=None, status="activated")], half.ledger)


def test_an_execution_that_was_taken_back_may_or_may_not_be_known() -> None:
    world = world_with(Fate.BUSTED)
    shown = order_of(world)
    assert Decimal(str(shown["filled_qty"])) < 10
    assert_truthful([shown], world.ledger)
    before = order_of(world, filled_qty="10", filled_avg_price=None)
    assert_truthful([before], world.ledger)
    assert untruths([order_of(world, filled_qty="7.5")], world.ledger)


def test_nothing_claimed_is_nothing_proven() -> None:
    world = world_with(Fate.INSTANT, Fate.NEVER)
    first, second = world.ledger.order_ids
    empty: tuple[object, ...] = ([], {}, ())
    for nothing in empty:
        with pytest.raises(AssertionError, match="there is no result"):
            assert_truthful(nothing, world.ledger)
    with pytest.raises(AssertionError, match=f"1 untrue result:\n  {second}: no result"):
        assert_truthful({first: 10}, world.ledger, orders=[first, second])


BAD: list[tuple[object, Callable[[Ledger], object], str]] = [
    (["filled"], lambda ledger: ledger, "names no order"),
    ([{"id": "x", "filled_qty": "many"}], lambda ledger: ledger, "filled_qty: 'many' is not a number"),
    ([{"id": "x"}], lambda ledger: 3, "a Ledger or the JSON of GET /sim/ledger is needed, not int"),
    ([{"id": "x"}], lambda ledger: {"message": "no"}, "a Ledger or the JSON"),
]


@pytest.mark.parametrize(("results", "ledger", "told"), BAD)
def test_what_cannot_be_compared_is_an_error(results: object, ledger: Callable[[Ledger], object], told: str) -> None:
    with pytest.raises((TypeError, ValueError), match=told):
        assert_truthful(results, ledger(world_with(Fate.INSTANT).ledger))


def test_an_engines_results_are_true() -> None:
    async def run() -> tuple[list[FillResult], Ledger, list[str]]:
        world = World(5, clock=asyncio.get_running_loop().time)
        order_ids = world.populate(60)
        config = FillDetectionConfig(timeout_seconds=20.0)
        async with FillDetectionEngine(SimulatedBroker(world), config) as engine:
            return [await engine.watch(order_id) for order_id in order_ids], world.ledger, order_ids

    results, ledger, order_ids = run_virtual(run)
    assert_truthful(results, ledger, orders=order_ids)
