"""Bracket, OCO and OTO orders: what becomes of one member when something becomes of another (facts §3c)."""

from __future__ import annotations

from decimal import Decimal

from fillwatch.core.orders import OrderRequest, Side
from fillwatch.simulator import Fate, Faults, Op
from tests.simulator.at import Scene
from tests.simulator.groups_at import EXITS, SHAPES, Group, at_market, entered, grouped, position, price


def test_a_bracket_brings_two_held_exits() -> None:
    group = at_market(stop_loss_limit_price=Decimal(89))
    parent, profit, stop = (group.scene.order(one) for one in (group.first, *map(group.exit, EXITS)))
    assert (parent.order_type, parent.side, parent.order_class) == ("market", Side.BUY, "bracket")
    assert (profit.order_type, profit.limit_price, profit.stop_price) == ("limit", Decimal(110), None)
    assert (stop.order_type, stop.limit_price, stop.stop_price) == ("stop_limit", Decimal(89), Decimal(90))
    for leg in (profit, stop):
        assert (leg.raw_status, leg.side, leg.qty, leg.order_class) == ("held", Side.SELL, Decimal(10), "bracket")
        assert leg.time_in_force == parent.time_in_force
        assert leg.created_at == parent.created_at
    assert len({parent.client_order_id, profit.client_order_id, stop.client_order_id}) == 3


def test_exits_wait_until_the_entry_is_filled_completely() -> None:
    group = at_market(order_type="limit", limit_price=Decimal(95))
    price(group, "91")
    filled = next(t for t, word in group.statuses(group.first) if word == "filled")
    assert group.statuses(group.exit("take_profit")) == [(0.0, "held"), (filled, "new")]
    assert group.statuses(group.exit("stop_loss")) == [(0.0, "held")], "it stays so until it is triggered"


def test_a_waiting_exit_does_not_execute_however_good_the_price() -> None:
    group = at_market(order_type="limit", limit_price=Decimal(95))
    price(price(group, "120"), "100")
    assert group.words() == ["new", "held", "held"]


def test_a_living_stop_is_listed_as_closed() -> None:
    group = entered()
    profit, stop = map(group.exit, EXITS)
    assert group.scene.listed(status="open") == [profit]
    assert set(group.scene.listed(status="closed")) == {group.first, stop}


def test_the_take_profit_fills_and_the_stop_is_canceled() -> None:
    group = price(entered(), "111")
    assert group.words() == ["filled", "filled", "canceled"]
    profit, stop = map(group.exit, EXITS)
    assert group.statuses(stop)[-1][0] == group.statuses(profit)[-1][0], "at the same moment"
    price(group, "80")
    assert position(group) == 0


def test_the_stop_is_triggered_and_the_take_profit_is_canceled() -> None:
    group = price(entered(), "89")
    assert group.words() == ["filled", "canceled", "filled"]
    assert [word for _, word in group.statuses(group.exit("stop_loss"))] == ["held", "new", "filled"]
    price(group, "120")
    assert position(group) == 0


def test_a_stop_that_is_triggered_and_not_executed_has_the_shares_all_the_same() -> None:
    group = price(entered(stop_loss_limit_price=Decimal(89)), "85")
    assert group.words() == ["filled", "canceled", "new"]
    assert price(group, "120").words()[2] == "filled"


def test_a_take_profit_filled_in_part_shrinks_the_stop() -> None:
    group = entered()
    group.scene.world._market.floor.partial_share = 1.0
    group.scene.world.set_price("AAPL", "110")
    profit, stop = group.order("take_profit"), group.order("stop_loss")
    assert profit.raw_status == "partially_filled"
    assert profit.filled_qty is not None
    assert 0 < profit.filled_qty < 10
    assert (stop.qty, stop.raw_status) == (10 - profit.filled_qty, "held")
    group.scene.world.set_price("AAPL", "89")
    group.scene.after(60.0)
    assert group.words() == ["filled", "canceled", "filled"]
    assert position(group) == 0


def test_a_cancelled_entry_takes_its_exits_with_it() -> None:
    group = at_market(order_type="limit", limit_price=Decimal(95))
    group.scene.after(1.0)
    assert group.scene.cancel(group.first) == (204, "")
    group.scene.after(1.0)
    assert group.words() == ["canceled"] * 3


def test_an_entry_filled_in_part_and_cancelled_leaves_a_position_without_exits() -> None:
    scene = Scene(fate=Fate.PARTIAL)
    group = grouped(scene, "bracket")
    scene.after(10.0)
    assert group.words() == ["partially_filled", "held", "held"]
    scene.cancel(group.first)
    scene.after(1.0)
    assert group.words() == ["canceled"] * 3
    assert 0 < position(group) < 10


def test_cancelling_one_exit_cancels_the_other() -> None:
    for name in EXITS:
        group = entered()
        assert group.scene.cancel(group.exit(name)) == (204, "")
        group.scene.after(1.0)
        assert group.words() == ["filled", "canceled", "canceled"]
        assert position(group) == 10


def test_cancelling_a_held_exit_cancels_the_whole_bracket() -> None:
    for name in EXITS:
        group = at_market(order_type="limit", limit_price=Decimal(95))
        group.scene.after(1.0)
        assert group.scene.cancel(group.exit(name)) == (204, "")
        group.scene.after(1.0)
        assert group.words() == ["canceled"] * 3


def test_an_entry_that_is_rejected_or_expires_takes_its_exits_with_it() -> None:
    for fate, word in ((Fate.REJECTED, "canceled"), (Fate.EXPIRED, "expired"), (Fate.EXPIRED_PARTLY, "expired")):
        group = grouped(Scene(fate=fate), "bracket")
        group.scene.after(20.0)
        assert group.words()[1:] == [word, word]


def test_one_exit_alone_becomes_new_when_the_entry_is_filled() -> None:
    for shape, name in (("oto_stop", "stop_loss"), ("oto_profit", "take_profit")):
        group = entered(shape)
        assert group.word(group.exit(name)) == "new"
        assert len(group.exits()) == 1
        price(group, {"oto_stop": "89", "oto_profit": "111"}[shape])
        assert group.word(group.exit(name)) == "filled"
        assert position(group) == 0


def test_the_take_profit_of_an_oco_is_the_parent_of_its_held_stop() -> None:
    group = at_market(shape="oco")
    stop = group.order("stop_loss")
    assert (stop.raw_status, stop.side, stop.stop_price) == ("held", Side.SELL, Decimal(90))
    assert len(group.exits()) == 1
    price(group, "111")
    assert [group.word(one) for one in (group.first, stop.order_id)] == ["filled", "canceled"]
    assert position(group) == 0


def test_the_stop_of_an_oco_cancels_its_parent() -> None:
    group = price(at_market(shape="oco"), "89")
    assert [group.word(one) for one in (group.first, group.exit("stop_loss"))] == ["canceled", "filled"]
    assert position(group) == 0


def test_cancelling_an_oco_cancels_both() -> None:
    for number in range(2):
        group = at_market(shape="oco")
        group.scene.after(1.0)
        both = group.first, group.exit("stop_loss")
        group.scene.cancel(both[number])
        group.scene.after(1.0)
        assert [group.word(one) for one in both] == ["canceled", "canceled"]


def test_a_triggered_stop_may_come_as_replaced_by_the_order_that_executes() -> None:
    ends = set()
    for seed in range(8):
        scene = Scene(seed, fate=Fate.MARKET, partial_fills=0.0, faults=Faults(legs_replaced=1.0))
        scene.world.set_price("AAPL", "100")
        group = grouped(scene, "bracket", take_profit_limit_price=Decimal(110), stop_loss_stop_price=Decimal(90))
        scene.after(1.0)
        price(group, "89")
        stop = group.exit("stop_loss")
        assert group.word(stop) == "replaced"
        *_, last = scene.ledger.chain(stop)
        assert (scene.order(last).raw_status, scene.order(last).replaces) == ("filled", stop)
        assert scene.ledger.truth(last).parent_id == group.first
        assert position(group) == 0
        ends.add(group.word(group.exit("take_profit")))
    assert ends == {"canceled", "replaced"}, "the take-profit ends either way"


def test_stops_are_not_replaced_once_the_world_has_healed() -> None:
    scene = Scene(fate=Fate.MARKET, partial_fills=0.0, faults=Faults(legs_replaced=1.0, heal_at=1.0))
    scene.world.set_price("AAPL", "100")
    group = grouped(scene, "bracket", take_profit_limit_price=Decimal(110), stop_loss_stop_price=Decimal(90))
    scene.after(1.0)
    assert price(group, "89").words() == ["filled", "canceled", "filled"]


def test_the_successor_of_an_entry_has_the_exits() -> None:
    group = grouped(Scene(fate=Fate.REPLACED_FILLS), "bracket")
    group.scene.after(30.0)
    successor = group.parent()
    assert successor != group.first
    assert group.word(successor) == "filled"
    assert {group.scene.ledger.truth(one).parent_id for one in group.exits()} == {successor}
    assert group.word(group.exit("take_profit")) != "held"


def test_a_short_sale_with_a_bracket_buys_back() -> None:
    group = entered(side=Side.SELL, take_profit_limit_price=Decimal(90), stop_loss_stop_price=Decimal(110))
    assert {group.scene.order(one).side for one in group.exits()} == {Side.BUY}
    assert price(group, "111").words() == ["filled", "canceled", "filled"]
    assert position(group) == 0


def test_the_legs_of_an_order_that_was_placed_before_are_as_old_as_it() -> None:
    scene = Scene(faults=Faults(replica_lag={Op.LOOK: 5.0}))
    request = OrderRequest(symbol="AAPL", side=Side.BUY, qty=Decimal(10), **SHAPES["bracket"])
    group = Group(scene, "bracket", scene.world.place(request, Fate.NEVER, foreign=True))
    created = scene.order(group.first).created_at
    assert created is not None
    assert created < scene.wall()
    assert [scene.order(one).created_at for one in group.exits()] == [created, created], "and known to every read"
    assert all(scene.ledger.truth(one).foreign for one in group.exits())


def test_an_exit_never_promises_to_end_by_itself() -> None:
    for seed in range(5):
        group = grouped(Scene(seed, fate=Fate.NEVER), "bracket")
        assert all(group.scene.ledger.truth(one).needs_cancel for one in group.exits())


def test_a_simple_order_has_no_group() -> None:
    scene = Scene(fate=Fate.MARKET)
    scene.submit(None)
    assert len(scene.ledger.order_ids) == 1


def test_a_day_bracket_ends_with_the_day() -> None:
    for price_at_noon, entry in (("100", "expired"), ("94", "filled")):
        scene = Scene(fate=Fate.MARKET, partial_fills=0.0, hours="exchange")
        scene.world.set_price("AAPL", "100")
        group = grouped(
            scene,
            "bracket",
            order_type="limit",
            limit_price=Decimal(95),
            take_profit_limit_price=Decimal(110),
            stop_loss_stop_price=Decimal(90),
        )
        price(group, price_at_noon)
        scene.after(8 * 3600.0)
        assert group.words() == [entry, "expired", "expired"]
