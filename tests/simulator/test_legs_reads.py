"""Bracket and OCO orders as nested reads show them, and what replacing one of their members does (facts §3c, §3d)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fillwatch.simulator import Call, Faults, Op, Query
from fillwatch.simulator.answers import Patch
from tests.simulator.at import Scene
from tests.simulator.groups_at import EXITS, Group, at_market, entered, position, price


def nested(scene: Scene, **query: Any) -> dict[str, list[str]]:  # noqa: ANN401 - fields of Query
    """Ids on a page of the nested list, each with those of its legs."""
    call = Call(op=Op.LIST, query=Query(**query), nested=True)
    answer = scene.world.receive(call).answer
    ids = [version.order.order_id for version in answer.versions]
    return {one: [leg.order.order_id for leg in answer.legs.get(one, ())] for one in ids}


def test_a_nested_list_rolls_legs_up_under_their_parent() -> None:
    group = at_market(order_type="limit", limit_price=Decimal(95))
    legs = [group.exit(name) for name in EXITS]
    assert nested(group.scene, status="open") == {group.first: legs}, "held ones, too"
    price(group, "94")
    assert nested(group.scene, status="open") == {}, "an open leg of a filled parent is not there"
    assert nested(group.scene, status="all") == {group.first: legs}
    assert group.scene.listed(status="open") == [legs[0]]


def test_a_nested_look_shows_the_legs_and_a_plain_one_does_not() -> None:
    group = entered()
    plain, rolled = (
        group.scene.world.receive(Call(op=Op.LOOK, target=group.first, nested=flag)).answer for flag in (False, True)
    )
    assert not plain.legs
    assert [leg.order.raw_status for leg in rolled.legs[group.first]] == ["new", "held"]


def test_a_nested_read_that_is_behind_shows_the_legs_as_they_were() -> None:
    group = at_market(order_type="limit", limit_price=Decimal(95))
    group.scene.after(5.0)
    price(group, "94")
    group.scene.world.faults = Faults(replica_lag={Op.LOOK: 2.0})
    answer = group.scene.world.receive(Call(op=Op.LOOK, target=group.first, nested=True)).answer
    assert answer.versions[0].order.raw_status == "new"
    assert [leg.order.raw_status for leg in answer.legs[group.first]] == ["held", "held"]


def patch(group: Group, order_id: str, **changes: Any) -> str:  # noqa: ANN401 - fields of Patch
    """Replace an order; the id of the new one, a second later."""
    answer = group.scene.world.receive(Call(op=Op.REPLACE, target=order_id, patch=Patch(**changes))).answer
    assert answer.status == 200, answer
    group.scene.after(1.0)
    return answer.versions[0].order.order_id


def test_a_replaced_take_profit_still_cancels_the_stop() -> None:
    group = entered()
    profit, stop = map(group.exit, EXITS)
    successor = patch(group, profit, limit_price=Decimal(105))
    assert [group.word(one) for one in (profit, successor, stop)] == ["replaced", "new", "held"]
    assert nested(group.scene) == {group.first: [stop, successor]}
    price(group, "106")
    assert [group.word(one) for one in (successor, stop)] == ["filled", "canceled"]


def test_a_replaced_stop_is_held_again_and_still_cancels_the_take_profit() -> None:
    group = entered()
    profit, stop = map(group.exit, EXITS)
    successor = patch(group, stop, stop_price=Decimal(95))
    assert [group.word(one) for one in (profit, successor, stop)] == ["new", "held", "replaced"]
    price(group, "94")
    assert [group.word(one) for one in (profit, successor)] == ["canceled", "filled"]
    assert position(group) == 0


def test_a_replaced_exit_waits_as_the_one_before_it() -> None:
    for name, terms in (("take_profit", {"limit_price": Decimal(105)}), ("stop_loss", {"stop_price": Decimal(92)})):
        group = at_market(order_type="limit", limit_price=Decimal(95))
        group.scene.after(1.0)
        successor = patch(group, group.exit(name), **terms)
        assert group.word(successor) == "held"
        price(price(group, "120"), "94")
        price(group, "106" if name == "take_profit" else "91.5")
        assert group.word(successor) == "filled"
        assert position(group) == 0


def test_an_exit_that_is_being_replaced_when_the_entry_fills_is_active_afterwards() -> None:
    changes = {"take_profit": Patch(limit_price=Decimal(105)), "stop_loss": Patch(stop_price=Decimal(92))}
    for shape, name, word in (
        ("bracket", "take_profit", "new"),
        ("bracket", "stop_loss", "held"),
        ("oto_stop", "stop_loss", "new"),
    ):
        group = at_market(shape=shape, order_type="limit", limit_price=Decimal(95))
        group.scene.after(1.0)
        call = Call(op=Op.REPLACE, target=group.exit(name), patch=changes[name])
        successor = group.scene.world.receive(call).answer.versions[0].order.order_id
        assert price(group, "94").word(successor) == word
        price(group, "106" if name == "take_profit" else "91")
        assert group.word(successor) == "filled"
        assert position(group) == 0


def test_a_replaced_entry_hands_its_exits_over() -> None:
    group = at_market(order_type="limit", limit_price=Decimal(95))
    group.scene.after(1.0)
    successor = patch(group, group.first, limit_price=Decimal(96))
    legs = [group.exit(name) for name in EXITS]
    assert nested(group.scene) == {group.first: [], successor: legs}
    assert price(group, "95.5").words() == ["filled", "new", "held"]


def test_the_quantity_of_a_group_cannot_be_changed() -> None:
    group = at_market(order_type="limit", limit_price=Decimal(95))
    group.scene.after(1.0)
    for order_id in (group.first, *group.exits()):
        call = Call(op=Op.REPLACE, target=order_id, patch=Patch(qty=Decimal(25)))
        answer = group.scene.world.receive(call).answer
        assert (answer.status, answer.code) == (422, 42210000)
        assert answer.message == "qty cannot be changed for advanced orders"


def test_an_oco_whose_parent_is_replaced_keeps_its_stop() -> None:
    group = at_market(shape="oco")
    group.scene.after(1.0)
    successor = patch(group, group.first, limit_price=Decimal(105))
    price(group, "89")
    assert [group.word(one) for one in (successor, group.exit("stop_loss"))] == ["canceled", "filled"]


def test_an_exit_whose_replacement_comes_too_late_leaves_the_group_as_it_is() -> None:
    group = entered()
    profit, stop = map(group.exit, EXITS)
    call = Call(op=Op.REPLACE, target=profit, patch=Patch(limit_price=Decimal(105)))
    successor = group.scene.world.receive(call).answer.versions[0].order.order_id
    group.scene.world.set_price("AAPL", "111")
    group.scene.after(1.0)
    assert [group.word(one) for one in (profit, successor, stop)] == ["filled", "rejected", "canceled"]
