"""Multi-leg option orders: their odd body, and legs that go wherever the order goes (facts §1c.2, §3c)."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwatch.core.orders import Side
from fillwatch.simulator import Fate, Op
from fillwatch.simulator.answers import Answer, Call, Leg, Patch
from fillwatch.simulator.fates import PLANNED
from fillwatch.simulator.intake import order_request
from fillwatch.simulator.spreads import leg_prices
from fillwatch.simulator.wire import body
from tests.simulator.at import Scene

NEAR, FAR = "AAPL261218C00250000", "AAPL261218C00260000"
SPREAD: dict[str, Any] = {
    "order_class": "mleg",
    "qty": "3",
    "type": "limit",
    "limit_price": "1.28",
    "time_in_force": "day",
    "legs": [
        {"symbol": NEAR, "ratio_qty": "2", "side": "buy", "position_intent": "buy_to_open"},
        {"symbol": FAR, "ratio_qty": "1", "side": "sell", "position_intent": "sell_to_open"},
    ],
}


def posted(scene: Scene, **changes: Any) -> Answer:  # noqa: ANN401 - of the body
    """The answer to the spread above, sent as JSON."""
    sent = order_request(json.dumps(SPREAD | changes).encode())
    if isinstance(sent, Answer):
        return sent
    request, terms = sent
    return scene.world.receive(Call(op=Op.SUBMIT, order=request, terms=terms)).answer


def shown(scene: Scene, order_id: str) -> dict[str, Any]:
    """The order's JSON."""
    said = body(Op.LOOK, scene.ask(Op.LOOK, order_id).answer)
    assert isinstance(said, dict)
    return said


def test_the_order_has_no_symbol_and_no_side_and_its_legs_no_type() -> None:
    answer = posted(Scene(fate=Fate.MARKET))
    said = body(Op.SUBMIT, answer)
    assert isinstance(said, dict)
    assert [said[name] for name in ("symbol", "side", "asset_id", "asset_class")] == [""] * 4
    assert (said["order_class"], said["type"], said["qty"], said["limit_price"]) == ("mleg", "limit", "3", "1.28")
    near, far = said["legs"]
    assert (near["symbol"], near["side"], near["qty"], near["ratio_qty"]) == (NEAR, "buy", "6", "2")
    assert (far["symbol"], far["side"], far["qty"], far["ratio_qty"]) == (FAR, "sell", "3", "1")
    for leg in (near, far):
        assert (leg["type"], leg["order_type"], leg["order_class"], leg["limit_price"]) == ("", "", "mleg", None)
        assert (leg["asset_class"], leg["legs"]) == ("us_option", None)
        assert leg["status"] == said["status"]
    assert near["position_intent"] == "buy_to_open"


def test_the_legs_execute_when_the_order_does_and_cost_what_it_cost() -> None:
    scene = Scene(fate=Fate.MARKET, partial_fills=0.0)
    spread = posted(scene).versions[0].order.order_id
    scene.after(1.0)
    said = shown(scene, spread)
    near, far = said["legs"]
    assert [one["status"] for one in (said, near, far)] == ["filled"] * 3
    assert [one["filled_qty"] for one in (said, near, far)] == ["3", "6", "3"]
    paid = 2 * Decimal(near["filled_avg_price"]) - Decimal(far["filled_avg_price"])
    assert Decimal(said["filled_avg_price"]) == paid <= Decimal("1.28")
    assert [scene.ledger.position(symbol) for symbol in (NEAR, FAR)] == [6, -3]
    assert len(scene.tape()) == 2, "the order itself is on no tape"
    assert [scene.ledger.truth(one).symbol for one in scene.ledger.order_ids] == ["mleg", NEAR, FAR]


def test_a_credit_is_a_negative_price() -> None:
    scene = Scene(fate=Fate.MARKET, partial_fills=0.0)
    spread = posted(scene, limit_price="-0.75").versions[0].order.order_id
    scene.after(1.0)
    said = shown(scene, spread)
    assert (said["limit_price"], said["status"]) == ("-0.75", "filled")
    assert Decimal(said["filled_avg_price"]) <= Decimal("-0.75")


def test_its_legs_are_never_listed_by_themselves() -> None:
    scene = Scene(fate=Fate.NEVER)
    spread = posted(scene).versions[0].order.order_id
    answer = scene.ask(Op.LIST, status="all").answer
    assert [version.order.order_id for version in answer.versions] == [spread]
    assert len(answer.legs[spread]) == 2


def test_a_leg_cannot_be_cancelled_and_the_order_takes_its_legs_with_it() -> None:
    scene = Scene(fate=Fate.NEVER)
    answer = posted(scene)
    spread = answer.versions[0].order.order_id
    near, far = (version.order.order_id for version in answer.legs[spread])
    scene.after(1.0)
    assert scene.cancel(near) == (422, "leg order is already in new state")
    rows = scene.ask(Op.CANCEL_ALL).answer.rows
    assert [row["id"] for row in rows] == [spread]
    scene.after(1.0)
    assert [scene.word(one) for one in (spread, near, far)] == ["canceled"] * 3
    assert shown(scene, near)["canceled_at"] is not None


def test_replacing_it_is_refused() -> None:
    scene = Scene(fate=Fate.NEVER)
    answer = posted(scene)
    spread = answer.versions[0].order.order_id
    scene.after(1.0)
    for order_id in (spread, *(leg.order.order_id for leg in answer.legs[spread])):
        refused = scene.world.receive(Call(op=Op.REPLACE, target=order_id, patch=Patch(qty=Decimal(5)))).answer
        assert (refused.status, refused.code) == (422, 42210000)
        assert "mleg orders cannot be replaced" in refused.message


@pytest.mark.parametrize("fate", [fate for fate in PLANNED if fate not in (Fate.NOTIONAL, Fate.FRACTIONAL)])
def test_legs_are_what_their_order_is_whatever_becomes_of_it(fate: Fate) -> None:
    for seed in range(3):
        scene = Scene(seed, fate=fate, timeout=10.0)
        spread = posted(scene).versions[0].order.order_id
        for second in range(45):
            scene.after(1.0)
            if second in (25, 30, 35, 40):
                scene.cancel(scene.ledger.chain(spread)[-1])
        *_, last = scene.ledger.chain(spread)
        bought, sold = scene.ledger.position(NEAR), scene.ledger.position(FAR)
        units = scene.ledger.executed_in_chain(spread)
        legs = [scene.order(leg["id"]) for leg in shown(scene, last)["legs"]]
        assert [leg.qty for leg in legs] == [6, 3]
        assert (bought, sold) == (2 * units, -units)
        said = shown(scene, last)
        assert {leg["status"] for leg in said["legs"]} == {said["status"]}
        assert said["symbol"] == ""
        words = [word for _, _, word in scene.ledger.truth(last).statuses]
        assert ("pending_cancel", "partially_filled") not in set(pairwise(words))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"legs": SPREAD["legs"][:1]}, id="one leg"),
        pytest.param({"legs": [SPREAD["legs"][0]] * 2}, id="the same leg twice"),
        pytest.param({"legs": [SPREAD["legs"][0], {"symbol": "AAPL", "ratio_qty": "1", "side": "sell"}]}, id="a share"),
        pytest.param({"legs": "all of them"}, id="no list"),
        pytest.param({"time_in_force": "ioc"}, id="time in force"),
        pytest.param({"qty": None}, id="no quantity"),
    ],
)
def test_what_is_refused(changes: dict[str, Any]) -> None:
    scene = Scene(fate=Fate.MARKET)
    assert posted(scene, **changes).status == 422
    assert scene.ledger.order_ids == ()


@given(
    st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 10)), min_size=1, max_size=4),
    st.decimals("-50", "50", places=2),
)
def test_prices_of_legs_add_up_in_the_callers_favour(wanted: list[tuple[Side, int]], debit: Decimal) -> None:
    legs = [Leg(symbol=f"L{n}", side=side, ratio_qty=Decimal(ratio)) for n, (side, ratio) in enumerate(wanted)]
    prices = leg_prices(legs, debit)
    assert all(price > 0 and price == round(price, 2) for price in prices)
    cost = sum(Side(leg.side).sign * leg.ratio_qty * price for leg, price in zip(legs, prices, strict=True))
    if {side for side, _ in wanted} == set(Side):
        assert cost <= debit
