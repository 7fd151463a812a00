"""Fault rules: each kind strikes what it names, when it says, as often as it says, and no longer."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from fillwatch.core.orders import OrderRequest, Side
from fillwatch.simulator import NO_FAULTS, Call, Delivery, Fate, Faults, Kind, Op, Query, Reply
from fillwatch.simulator.answers import Patch
from fillwatch.simulator.faults import MENU, STRIKES, STRIKES_ONLY, Rule
from fillwatch.simulator.plans import NEW_WORDS
from fillwatch.simulator.stream_faults import StreamFaults
from fillwatch.simulator.wire import body
from tests.simulator.at import Scene

AT_THE_DOOR = [kind for kind in Kind if kind is not Kind.SLOW]


def ruled(*rules: Rule, **faults: Any) -> Scene:  # noqa: ANN401 - fields of Faults
    """A scene in which these rules hold."""
    return Scene(faults=Faults(rules=rules, **faults))


def ask(scene: Scene, op: Op, target: str) -> Reply:
    """A request of any kind, about an order."""
    patch = Patch(limit_price=Decimal(50)) if op is Op.REPLACE else None
    return scene.world.receive(Call(op=op, target=target, patch=patch, query=Query(descending=False)))


def faults_of(scene: Scene) -> list[str]:
    """What struck each request so far."""
    return [arrival.fault for arrival in scene.ledger.arrivals]


def shown(op: Op, reply: Reply) -> Any:  # noqa: ANN401 - JSON
    """What stands in the body of the answer."""
    content = body(op, reply.answer)
    return content if reply.bend is None else reply.bend(content)


class TestWhatIsStruck:
    """A rule names a kind, and may name operations and orders."""

    @pytest.mark.parametrize("kind", AT_THE_DOOR)
    def test_every_kind_can_be_a_rule_and_strikes_as_often_as_it_says(self, kind: Kind) -> None:
        op = next((op for op in Op if op in STRIKES_ONLY.get(kind, ())), Op.LOOK)
        scene = ruled(Rule(kind=kind, times=2))
        order_id = scene.place(Fate.NEVER)
        for _ in range(3):
            ask(scene.after(1.0), op, order_id)
        assert faults_of(scene) == [kind, kind, ""]
        assert scene.world.reached[f"fault:{kind}"] == 2

    def test_a_slow_request_is_struck_on_its_way(self) -> None:
        scene = ruled(Rule(kind=Kind.SLOW, times=1, seconds=2.0, operations=frozenset({Op.LOOK})))
        transit = scene.world.transit
        scene.ask(Op.LOOK)
        assert faults_of(scene) == [""], "not at the door"
        assert transit(Call(op=Op.LIST)) == (0.0, 0.0)
        assert sum(transit(Call(op=Op.LOOK))) >= 2.0
        assert transit(Call(op=Op.LOOK)) == (0.0, 0.0)

    def test_operations_narrow_it(self) -> None:
        scene = ruled(Rule(kind=Kind.SERVER_ERROR, operations=frozenset({Op.POSITIONS, Op.LIST})))
        order_id = scene.place(Fate.NEVER)
        for op in (Op.LOOK, Op.POSITIONS, Op.LIST, Op.CANCEL):
            ask(scene, op, order_id)
        assert faults_of(scene) == ["", "server_error", "server_error", ""]

    @pytest.mark.parametrize("name", ["id", "client id", "symbol"])
    def test_orders_narrow_it_by_any_of_their_names(self, name: str) -> None:
        scene = Scene()
        mine = scene.submit("mine", symbol="AAPL").versions[0].order
        other = scene.submit("other", symbol="MSFT").versions[0].order
        chosen = {"id": mine.order_id, "client id": "mine", "symbol": "AAPL"}[name]
        scene.world.faults = Faults(rules=(Rule(kind=Kind.SERVER_ERROR, orders=frozenset({chosen})),))
        assert scene.ask(Op.LOOK, mine.order_id).answer.status == 500
        assert scene.ask(Op.LOOK_BY_CLIENT_ID, "mine").answer.status == 500
        assert scene.cancel(mine.order_id)[0] == 500
        assert scene.ask(Op.LOOK, other.order_id).answer.status == 200
        assert scene.ask(Op.LIST).answer.status == 200, "a list is about no order in particular"
        assert (scene.submit(symbol="AAPL").status == 500) is (name == "symbol")

    def test_the_first_rule_that_strikes_decides_and_the_menu_comes_last(self) -> None:
        errors = frozenset({Op.LOOK})
        scene = ruled(
            Rule(kind=Kind.RATE_LIMITED, operations=errors, times=1),
            Rule(kind=Kind.RESET_AFTER, times=2),
            server_error=1.0,
        )
        order_id = scene.place(Fate.NEVER)
        for _ in range(4):
            scene.ask(Op.LOOK, order_id)
        assert faults_of(scene) == ["rate_limited", "reset_after", "reset_after", "server_error"]

    def test_its_probability_is_kept(self) -> None:
        scene = ruled(Rule(kind=Kind.SERVER_ERROR, probability=0.3))
        for _ in range(2_000):
            scene.ask(Op.CLOCK)
        assert 0.26 < sum(map(bool, faults_of(scene))) / 2_000 < 0.34


class TestWhenItStrikes:
    """Windows, counts and the moment at which everything heals."""

    def test_a_window_is_from_its_start_until_before_its_end(self) -> None:
        scene = ruled(Rule(kind=Kind.SERVER_ERROR, start=2.0, end=4.0))
        for _ in range(6):
            scene.ask(Op.CLOCK)
            scene.after(1.0)
        assert faults_of(scene) == ["", "", "server_error", "server_error", "", ""]

    def test_healing_ends_rules_too(self) -> None:
        scene = ruled(Rule(kind=Kind.SERVER_ERROR), Rule(kind=Fate.REJECTED), Rule(kind=Kind.SLOW), heal_at=5.0)
        assert scene.after(4.9).submit().status == 500
        assert scene.after(0.1).submit().status == 200
        assert scene.world.transit(Call(op=Op.LOOK)) == (0.0, 0.0)
        assert [order["fate"] == "rejected" for order in orders_of(scene)] == [False]

    def test_faults_may_be_changed_at_any_time_and_rules_that_stay_keep_their_count(self) -> None:
        rule = Rule(kind=Kind.SERVER_ERROR, times=3)
        scene = ruled(rule)
        scene.ask(Op.CLOCK)
        scene.world.faults = Faults(rules=(Rule(kind=Kind.RESET_AFTER, operations=frozenset({Op.LIST})), rule))
        for op in (Op.CLOCK, Op.LIST, Op.CLOCK, Op.CLOCK):
            scene.ask(op)
        assert faults_of(scene) == ["server_error", "server_error", "reset_after", "server_error", ""]
        scene.world.faults = NO_FAULTS
        assert scene.ask(Op.LIST).answer.status == 200

    def test_a_neighbour_that_comes_later_counts_from_then_on(self) -> None:
        scene = Scene(requests_per_minute=100)
        scene.after(1_000.0).world.faults = Faults(neighbour_per_minute=60.0)
        assert int(scene.ask(Op.CLOCK).headers["X-RateLimit-Remaining"]) == 99
        assert int(scene.after(30.0).ask(Op.CLOCK).headers["X-RateLimit-Remaining"]) == 68
        scene.after(10.0).world.faults = NO_FAULTS
        assert int(scene.after(10.0).ask(Op.CLOCK).headers["X-RateLimit-Remaining"]) == 100 - 40 - 3

    def test_faults_can_be_moved_to_later(self) -> None:
        stream = StreamFaults(mute=((1.0, 2.0),), refuse=((3.0, math.inf),), disconnect_at=(4.0,), start=5.0)
        rule = Rule(kind=Kind.STALE, start=1.0, end=2.0)
        moved = Faults(rules=(rule,), outages=((1.0, 2.0),), heal_at=9.0, stream=stream, stale=0.5).moved(10.0)
        assert moved.rules == (replace(rule, start=11.0, end=12.0),)
        assert (moved.outages, moved.heal_at, moved.stale) == (((11.0, 12.0),), 19.0, 0.5)
        assert moved.stream.mute == ((11.0, 12.0),)
        assert moved.stream.refuse == ((13.0, math.inf),)
        assert (moved.stream.disconnect_at, moved.stream.start, moved.stream.end) == ((14.0,), 15.0, math.inf)


def orders_of(scene: Scene) -> list[dict[str, Any]]:
    """The orders as the ledger tells of them."""
    told: Any = scene.ledger.as_dict()["orders"]
    return list(told)


class TestCancels:
    """What can happen to a cancel, whatever was planned for the order."""

    @pytest.mark.parametrize(
        ("kind", "status", "soon", "late"),
        [
            pytest.param(Kind.CANCEL_RACE, 422, "filled", "filled", id="a fill comes first"),
            pytest.param(Kind.CANCEL_THEN_FILL, 204, "filled", "filled", id="204, then it fills"),
            pytest.param(Kind.CANCEL_STUCK, 204, "pending_cancel", "pending_cancel", id="stuck"),
            pytest.param(Kind.CANCEL_SLOW, 204, "pending_cancel", "canceled", id="slow"),
            pytest.param(Kind.CANCEL_REFUSED, 422, "new", "new", id="refused"),
        ],
    )
    def test_each_kind(self, kind: Kind, status: int, soon: str, late: str) -> None:
        scene = ruled(Rule(kind=kind, times=1))
        order_id = scene.place(Fate.NEVER)
        assert scene.after(1.0).cancel(order_id)[0] == status
        assert scene.after(3.0).word(order_id) == soon
        assert scene.after(60.0).word(order_id) == late
        other = scene.place(Fate.NEVER)
        assert scene.after(1.0).cancel(other)[0] == 204
        assert scene.after(1.0).word(other) == "canceled", "the rule has struck as often as it may"

    def test_a_refused_cancel_is_taken_the_next_time(self) -> None:
        scene = ruled(Rule(kind=Kind.CANCEL_REFUSED, times=1))
        order_id = scene.after(1.0).place(Fate.NEVER)
        assert scene.after(1.0).cancel(order_id) == (422, "order is not cancelable")
        assert scene.cancel(order_id)[0] == 204
        assert scene.after(1.0).word(order_id) == "canceled"

    def test_it_strikes_orders_that_go_by_the_market(self) -> None:
        scene = ruled(Rule(kind=Kind.CANCEL_RACE, times=1))
        order_id = scene.submit(order_type="limit", limit_price=Decimal("0.01"), time_in_force="gtc").versions[0].order
        assert scene.after(1.0).cancel(order_id.order_id) == (422, 'order is already in "filled" state')

    def test_a_replacement_may_lose_the_race(self) -> None:
        scene = ruled(Rule(kind=Kind.REPLACE_RACE, times=1))
        request: dict[str, Any] = {"order_type": "limit", "limit_price": Decimal("0.50"), "time_in_force": "gtc"}
        scene.world.let_orders_go(Fate.NEVER)
        old = scene.submit(**request).versions[0].order.order_id
        call = Call(op=Op.REPLACE, target=old, patch=Patch(limit_price=Decimal("0.60")))
        answer = scene.after(1.0).world.receive(call).answer
        new = answer.versions[0].order.order_id
        scene.after(1.0)
        assert (answer.status, scene.word(old), scene.word(new)) == (200, "filled", "rejected")


class TestFates:
    """A rule with a fate decides what becomes of new orders."""

    @pytest.mark.parametrize(
        ("fate", "after", "word"),
        [
            pytest.param(Fate.REJECTED, 3.0, "rejected", id="a late reject"),
            pytest.param(Fate.BUSTED, 20.0, "filled", id="a bust"),
            pytest.param(Fate.CORRECTED, 20.0, "filled", id="a correction"),
            pytest.param(Fate.CANCEL_STUCK, 20.0, "new", id="stuck, when it is cancelled"),
            pytest.param(Fate.SLOW, 20.0, "filled", id="a fate that is called like a fault"),
        ],
    )
    def test_a_submitted_order_gets_it(self, fate: Fate, after: float, word: str) -> None:
        scene = ruled(Rule(kind=fate, times=1, orders=frozenset({"AAPL"})))
        scene.world.let_orders_go(Fate.NEVER)
        spared = scene.submit(symbol="MSFT").versions[0].order.order_id
        struck = scene.submit().versions[0].order.order_id
        spared_too = scene.submit().versions[0].order.order_id
        assert scene.order(struck).status.value in ("accepted", "pending_new")
        scene.after(after)
        assert scene.word(struck) == word
        assert [scene.ledger.truth(order_id).fate for order_id in (spared, struck, spared_too)] == [
            *(Fate.NEVER, fate, Fate.NEVER)
        ]
        assert scene.world.reached[f"rule:{fate}"] == 1
        kinds = {execution.kind.value for execution in scene.ledger.truth(struck).executions}
        assert ("trade_bust" in kinds, "trade_correct" in kinds) == (fate is Fate.BUSTED, fate is Fate.CORRECTED)

    def test_a_fate_and_a_fault_strike_together(self) -> None:
        scene = ruled(Rule(kind=Fate.REJECTED), Rule(kind=Kind.ERROR_AFTER, operations=frozenset({Op.SUBMIT})))
        reply = scene.world.receive(
            Call(op=Op.SUBMIT, order=OrderRequest(symbol="AAPL", side=Side.BUY, qty=Decimal(1)))
        )
        assert (reply.answer.status, reply.delivery) == (504, Delivery.HTML)
        assert [order["fate"] for order in orders_of(scene)] == ["rejected"]


class TestWordsNobodyKnows:
    """New fields, values and statuses in the rows of an answer; the truth is as it was."""

    def test_a_field(self) -> None:
        scene = ruled(Rule(kind=Kind.UNKNOWN_FIELD, times=1))
        order_id = scene.place(Fate.NEVER)
        bent, plain = (shown(Op.LOOK, scene.ask(Op.LOOK, order_id)) for _ in range(2))
        assert bent.keys() - plain.keys() == {"settlement_hint"}
        assert {name: bent[name] for name in plain} == plain

    def test_a_value_in_one_row(self) -> None:
        scene = ruled(Rule(kind=Kind.UNKNOWN_VALUE, times=1))
        for _ in range(4):
            scene.place(Fate.NEVER)
        bent, plain = (shown(Op.LIST, scene.ask(Op.LIST)) for _ in range(2))
        [(was, changed)] = [(was, now) for was, now in zip(plain, bent, strict=True) if was != now]
        assert {name for name in was if was[name] != changed[name]} == {
            *("asset_class", "order_class", "order_type", "type")
        }

    def test_a_status(self) -> None:
        scene = ruled(Rule(kind=Kind.UNKNOWN_STATUS, times=1))
        order_id = scene.place(Fate.NEVER)
        reply = scene.ask(Op.LOOK, order_id)
        assert shown(Op.LOOK, reply)["status"] in NEW_WORDS
        assert shown(Op.LOOK, scene.ask(Op.LOOK, order_id))["status"] == "pending_new"

    def test_an_empty_answer_and_a_refusal_stay_as_they_are(self) -> None:
        scene = ruled(Rule(kind=Kind.UNKNOWN_FIELD))
        assert shown(Op.LIST, scene.ask(Op.LIST)) == []
        assert scene.ask(Op.LOOK, "nothing").bend is None
        assert scene.ask(Op.LOOK, "nothing").answer.status == 404
        order_id = scene.place(Fate.NEVER)
        assert shown(Op.CANCEL, scene.ask(Op.CANCEL, order_id)) is None


class TestClockSkew:
    """One server's clock is off: its header and its clock route say so, its orders do not."""

    @pytest.mark.parametrize("seconds", [None, -90.0])
    def test_header_and_clock_are_off_alike(self, seconds: float | None) -> None:
        scene = ruled(Rule(kind=Kind.CLOCK_SKEW, times=1, seconds=seconds))
        skewed, right = scene.ask(Op.CLOCK), scene.ask(Op.CLOCK)
        off = timedelta(seconds=40.0 if seconds is None else seconds)
        dates = [parsedate_to_datetime(reply.headers["Date"]) for reply in (skewed, right)]
        assert dates[0] - dates[1] == off
        assert skewed.answer.rows[0]["at"] - right.answer.rows[0]["at"] == off

    def test_orders_keep_their_times(self) -> None:
        scene = ruled(Rule(kind=Kind.CLOCK_SKEW))
        assert (
            scene.order(scene.place(Fate.NEVER)).created_at
            == scene.ledger.truth(scene.ledger.order_ids[0]).statuses[0][1]
        )


class TestStale:
    """A rule may say how far behind."""

    def test_a_look_is_so_many_seconds_behind(self) -> None:
        scene = ruled(Rule(kind=Kind.STALE, seconds=5.0, operations=frozenset({Op.LOOK})))
        order_id = scene.place(Fate.INSTANT)
        assert scene.after(4.9).word(order_id) in ("pending_new", "accepted")
        assert scene.after(0.3).word(order_id) == "filled"


class TestWhatIsRefused:
    """A rule or a menu that cannot be meant."""

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"probability": 1.2}, "Rule.probability: 1.2 is not allowed; it must be from 0 to 1"),
            ({"probability": math.nan}, "Rule.probability: nan is not allowed"),
            ({"start": -1.0}, "Rule.start: -1.0 is not allowed; it must be 0 or more"),
            ({"start": 5.0, "end": 5.0}, "Rule.end: 5.0 is not allowed; it must be later than start, 5.0"),
            ({"times": 0}, "Rule.times: 0 is not allowed; it must be 1 or more"),
            ({"operations": frozenset({Op.CLOCK})}, "Rule.operations: page_shift strikes none of them"),
        ],
    )
    def test_rules(self, fields: dict[str, Any], words: str) -> None:
        with pytest.raises(ValueError, match=words):
            Rule(**{"kind": Kind.PAGE_SHIFT} | fields)

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"cancel_stuck": -0.1}, "Faults.cancel_stuck: -0.1 is not allowed; it must be from 0 to 1"),
            ({"legs_replaced": 2.0}, "Faults.legs_replaced: 2.0"),
            ({"stale_seconds": -1.0}, "Faults.stale_seconds: -1.0 is not allowed; it must be 0 or more"),
            ({"outages": ((5.0, 4.0),)}, r"Faults.outages: \[5.0, 4.0\] is not allowed"),
            ({"cancel_race": 0.6, "cancel_stuck": 0.6}, "probabilities for cancel requests add up to more than 1"),
        ],
    )
    def test_menus(self, fields: dict[str, Any], words: str) -> None:
        with pytest.raises(ValueError, match=words):
            Faults(**fields)

    def test_faults_of_different_operations_do_not_compete(self) -> None:
        scene = Scene(faults=Faults(cancel_race=1.0, replace_race=1.0, unknown_status=1.0))
        order_id = scene.place(Fate.NEVER)
        scene.ask(Op.LOOK, order_id)
        scene.cancel(order_id)
        scene.ask(Op.CLOCK)
        assert faults_of(scene) == ["unknown_status", "cancel_race", ""]


def test_every_kind_has_a_field_of_its_name_and_a_row_in_the_table() -> None:
    assert {kind.value for kind in Kind} <= {each.name for each in fields(Faults)}
    assert set(STRIKES) == set(Kind) > set(MENU)
    assert isinstance(NO_FAULTS.stream, StreamFaults)
