"""PATCH: what can be replaced, and the races between a replacement and what it replaces."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from fillwatch.simulator import Fate, Kind, Op
from tests.simulator.callers import Caller

LIMIT = {"type": "limit", "limit_price": "90", "time_in_force": "gtc"}


def resting(caller: Caller, **order: Any) -> str:  # noqa: ANN401 - fields of an order
    """The id of an order that has reached the exchange and waits there."""
    made = caller.price("AAPL", "100").order(**(LIMIT | order))
    caller.after(1.0)
    return str(made["id"])


def patch(caller: Caller, order_id: str, **changes: Any) -> tuple[int, Any]:  # noqa: ANN401 - fields of a PATCH
    """Ask for the order to be replaced."""
    return caller.ask("PATCH", f"/v2/orders/{order_id}", json=changes)


def words(caller: Caller, *order_ids: str) -> list[str]:
    """The statuses of orders."""
    return [caller.get(f"/v2/orders/{order_id}")["status"] for order_id in order_ids]


def test_a_new_order_takes_the_place_of_the_old_one() -> None:
    caller = Caller()
    old = resting(caller, client_order_id="first")
    status, new = patch(caller, old, limit_price="91.5", qty="12", client_order_id="second")
    assert status == 200
    assert (new["replaces"], new["limit_price"], new["qty"], new["client_order_id"], new["filled_qty"]) == (
        *(old, "91.5", "12", "second", "0"),
    )
    assert new["id"] != old
    assert words(caller, old)[0] == "pending_replace"
    assert new["status"] in ("pending_new", "accepted")
    caller.after(1.0)
    assert words(caller, old, new["id"]) == ["replaced", "new"]
    before = caller.get(f"/v2/orders/{old}")
    assert (before["replaced_by"], before["limit_price"], before["qty"]) == (new["id"], "90", "10")
    assert before["replaced_at"] is not None
    caller.price("AAPL", "91.4").after(1.0)
    assert words(caller, new["id"]) == ["filled"], "the new limit counts"
    assert caller.get("/v2/orders:by_client_order_id?client_order_id=second")["id"] == new["id"]


CHANGES: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({}, {"time_in_force": "day"}, {"time_in_force": "day"}),
    ({"type": "stop", "limit_price": None, "stop_price": "110"}, {"stop_price": 111}, {"stop_price": "111"}),
    ({"type": "stop_limit", "stop_price": "110"}, {"limit_price": 95, "stop_price": 112}, {"stop_price": "112"}),
    ({"type": "trailing_stop", "limit_price": None, "trail_price": "5"}, {"trail": "6"}, {"trail_price": "6"}),
    ({"type": "trailing_stop", "limit_price": None, "trail_percent": "5"}, {"trail": "6"}, {"trail_percent": "6"}),
    ({"extended_hours": True, "time_in_force": "day"}, {"qty": "11"}, {"qty": "11", "extended_hours": True}),
]


@pytest.mark.parametrize(("order", "changes", "shown"), CHANGES)
def test_what_is_not_changed_stays(order: dict[str, Any], changes: dict[str, Any], shown: dict[str, Any]) -> None:
    caller = Caller()
    old = resting(caller, **order)
    status, new = patch(caller, old, **changes)
    assert status == 200, new
    before = caller.get(f"/v2/orders/{old}")
    changed = {name for name in ("qty", "type", "side", "time_in_force", "limit_price") if new[name] != before[name]}
    assert changed <= set(changes)
    assert {name: new[name] for name in shown} == shown
    caller.after(1.0)
    assert words(caller, old, new["id"]) == ["replaced", "new"]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "order parameters are not changed"),
    ({"qty": "10", "limit_price": "90"}, "order parameters are not changed"),
    ({"stop_price": "80"}, "stop_price cannot be changed for a limit order"),
    ({"trail": "8"}, "trail cannot be changed for a limit order"),
    ({"qty": "1.5"}, "qty of fractional orders cannot be changed"),
    ({"limit_price": "90.001"}, "sub-penny increment does not fulfill minimum pricing criteria"),
    ({"time_in_force": "opg"}, ""),
    ({"qty": "0"}, "qty must be > 0"),
    ({"limit_price": "x"}, "limit_price must be a number"),
    ({"notional": "50"}, "notional is only valid for IPO orders"),
    ({"client_order_id": "x" * 129}, "client_order_id must be no more than 128 characters"),
    ({"limit_price": "91", "client_order_id": "taken"}, "client_order_id must be unique"),
    ({"time_in_force": "later"}, "invalid time_in_force"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_what_cannot_be_changed_is_refused_and_the_order_stands(changes: dict[str, Any], message: str) -> None:
    caller = Caller()
    caller.order(symbol="F", client_order_id="taken")
    old = resting(caller)
    status, answer = patch(caller, old, **changes)
    if not message:
        assert status == 200
        return
    assert status == 422
    assert message in answer["message"]
    assert words(caller, old) == ["new"]


def test_an_order_that_is_not_at_the_exchange_is_not_replaced() -> None:
    caller = Caller().price("AAPL", "100")
    made = caller.order(**LIMIT)
    assert patch(caller, made["id"], limit_price="91")[1] == {
        "code": 42210000,
        "message": f"cannot replace order in {made['status']} status",
    }
    caller.after(1.0)
    assert patch(caller, made["id"], limit_price="91")[0] == 200
    status, answer = patch(caller, made["id"], limit_price="92")
    assert (status, answer["message"]) == (422, "cannot replace order in pending_replace status")
    caller.after(1.0)
    assert patch(caller, made["id"], limit_price="92")[1]["message"] == "order already replaced"


@pytest.mark.parametrize("word", ["filled", "canceled"])
def test_an_order_that_is_over_is_not_replaced(word: str) -> None:
    caller = Caller()
    old = resting(caller)
    if word == "filled":
        caller.price("AAPL", "89")
    else:
        caller.ask("DELETE", f"/v2/orders/{old}")
    caller.after(1.0)
    assert words(caller, old) == [word]
    assert patch(caller, old, qty="11")[1] == {
        "code": 42210000,
        "message": "unable to replace order, order is not open",
    }


def test_orders_by_money_are_not_replaced_and_unknown_ones_are_not_found() -> None:
    caller = Caller()
    old = resting(caller, qty=None, notional="500", time_in_force="day")
    assert patch(caller, old, limit_price="91")[1]["message"] == "notional orders cannot be replaced"
    nobody = "00000000-0000-4000-8000-000000000000"
    assert patch(caller, nobody, qty="1") == (404, {"code": 40410000, "message": f"order not found for {nobody}"})
    assert patch(caller, "nobody", qty="1") == (422, {"code": 40010001, "message": "order_id is missing"})


def test_filled_before_the_exchange_hears_of_it_the_old_order_stands() -> None:
    caller = Caller()
    old = resting(caller)
    status, new = patch(caller, old, limit_price="91")
    caller.price("AAPL", "89").after(0.001)
    assert status == 200
    caller.after(1.0)
    assert words(caller, old, new["id"]) == ["filled", "rejected"]
    assert caller.get(f"/v2/orders/{new['id']}")["failed_at"] is not None
    assert [row["qty"] for row in caller.get("/v2/positions")] == ["10"]


@pytest.mark.parametrize("fate", [Fate.MARKET, Fate.NEVER])
def test_the_race_can_be_asked_for(fate: Fate) -> None:
    caller = Caller(fate=fate)
    old = resting(caller)
    caller.world.strike(Kind.REPLACE_RACE, Op.REPLACE)
    status, new = patch(caller, old, limit_price="91")
    assert status == 200
    caller.after(1.0)
    assert words(caller, old, new["id"]) == ["filled", "rejected"]


@pytest.mark.parametrize("inherits", [True, False])
def test_quantity_is_the_total_what_has_executed_included(*, inherits: bool) -> None:
    """Of a hundred shares forty execute under the old order; asked for 120, the new one brings the other eighty."""
    caller = Caller(fate=Fate.PARTIAL, inherits=inherits)
    old = resting(caller, qty="100")
    caller.after(10.0)
    done = Decimal(caller.get(f"/v2/orders/{old}")["filled_qty"])
    assert 0 < done < 100
    assert patch(caller, old, qty=str(done))[1]["message"] == "qty must be > filled_qty"
    caller.world.let_orders_go(Fate.MARKET)
    status, new = patch(caller, old, qty="120")
    assert status == 200
    caller.after(1.0)
    found = caller.get(f"/v2/orders/{new['id']}")
    shown = (Decimal("120"), done) if inherits else (120 - done, Decimal(0))
    assert (Decimal(found["qty"]), Decimal(found["filled_qty"])) == shown
    target = caller.world.ledger.truth(new["id"]).target
    assert target == (Decimal(120) if inherits else 120 - done)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("inherits", [True, False])
def test_what_executes_while_the_exchange_decides_is_counted_once(seed: int, *, inherits: bool) -> None:
    """However the race goes, a chain executes what was asked for last, or what the old order had asked for."""
    draw = random.Random(seed)
    outcomes: set[str] = set()
    for number in range(12):
        caller = Caller(100 * seed + number, fate=Fate.MANY_PARTIALS, inherits=inherits)
        old = caller.order(**LIMIT | {"qty": "100"})["id"]
        caller.after(draw.uniform(0.1, 4.0))
        done = caller.world.ledger.truth(old).filled_qty
        asked = draw.choice((60, 120, done + 1))
        status, answer = patch(caller, old, qty=str(asked))
        if status != 200:
            continue
        caller.after(30.0)
        ledger, new = caller.world.ledger, str(answer["id"])
        outcomes.add(ledger.truth(new).raw_status)
        kept = ledger.truth(new).raw_status == "rejected"
        assert ledger.executed_in_chain(old) == (100 if kept else asked)
        assert words(caller, old, new) == (["filled", "rejected"] if kept else ["replaced", "filled"])
    assert outcomes >= {"filled"}


def test_fractions_of_coins_can_be_changed() -> None:
    caller = Caller()
    old = resting(caller, symbol="BTC/USD", qty="0.01", limit_price="1")
    status, new = patch(caller, old, qty="0.02")
    assert (status, new["qty"]) == (200, "0.02")


def test_a_successor_can_be_replaced_and_canceled_like_any_order() -> None:
    caller = Caller()
    first = resting(caller)
    second = patch(caller, first, limit_price="91")[1]["id"]
    assert patch(caller, second, limit_price="92")[1]["message"] == "order chain not fully replaced"
    caller.after(1.0)
    third = patch(caller, second, limit_price="92")[1]["id"]
    caller.after(1.0)
    assert caller.world.ledger.chain(first) == (first, second, third)
    assert caller.ask("DELETE", f"/v2/orders/{third}") == (204, None)
    caller.after(1.0)
    assert words(caller, first, second, third) == ["replaced", "replaced", "canceled"]


def test_a_successor_canceled_before_it_is_settled_leaves_nothing_alive() -> None:
    caller = Caller()
    old = resting(caller)
    new = patch(caller, old, limit_price="91")[1]["id"]
    assert caller.ask("DELETE", f"/v2/orders/{old}")[0] == 422, "the old one cannot be, while it is being replaced"
    assert caller.ask("DELETE", f"/v2/orders/{new}")[0] == 204
    caller.after(2.0)
    assert words(caller, old, new) == ["replaced", "canceled"]
    caller.price("AAPL", "80").after(2.0)
    assert caller.get("/v2/positions") == []


@pytest.mark.parametrize("leg", [0, 1], ids=["take profit", "stop loss"])
def test_the_exits_of_a_bracket_can_be_moved(leg: int) -> None:
    caller = Caller().price("AAPL", "100")
    exits = {"take_profit": {"limit_price": "110"}, "stop_loss": {"stop_price": "95"}}
    made = caller.order(order_class="bracket", **exits)
    caller.after(1.0)
    old = made["legs"][leg]["id"]
    changes = [{"limit_price": "105"}, {"stop_price": "97"}][leg]
    status, new = patch(caller, old, **changes)
    assert status == 200, new
    caller.after(1.0)
    assert words(caller, old) == ["replaced"]
    caller.price("AAPL", ["106", "96"][leg]).after(2.0)
    nested = caller.get(f"/v2/orders/{made['id']}?nested=true")["legs"]
    assert {row["id"]: row["status"] for row in nested}[new["id"]] == "filled"
    assert sorted(row["status"] for row in nested) == ["canceled", "filled"]
    assert caller.get("/v2/positions") == []


def test_held_exits_and_their_entry_can_be_moved_before_it_fills() -> None:
    caller = Caller()
    exits = {"take_profit": {"limit_price": "110"}, "stop_loss": {"stop_price": "80"}}
    entry = resting(caller, order_class="bracket", **exits)
    stop = caller.get(f"/v2/orders/{entry}?nested=true")["legs"][1]["id"]
    moved = patch(caller, stop, stop_price="85")[1]["id"]
    caller.after(1.0)
    assert words(caller, stop, moved) == ["replaced", "held"]
    profit = patch(caller, caller.get(f"/v2/orders/{entry}?nested=true")["legs"][0]["id"], limit_price="105")[1]["id"]
    caller.after(1.0).price("AAPL", "106").after(1.0)
    assert words(caller, profit) == ["held"], "an exit does nothing before the entry is filled"
    successor = patch(caller, entry, limit_price="92")[1]["id"]
    caller.after(1.0).price("AAPL", "91").after(1.0)
    nested = caller.get(f"/v2/orders/{successor}?nested=true")
    assert {leg["id"]: leg["status"] for leg in nested["legs"]} == {profit: "new", moved: "held"}
    caller.price("AAPL", "84").after(1.0)
    assert words(caller, entry, successor, moved) == ["replaced", "filled", "filled"]
    assert caller.get("/v2/positions") == []
