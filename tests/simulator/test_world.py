"""The door of the world: quota, faults, stale reads, paging, and a ledger that none of them touches."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwatch.simulator import Call, Delivery, Fate, Faults, Kind, Op, World
from fillwatch.simulator.faults import MENU, STRIKES
from tests.simulator.at import HandClock, Scene


def test_the_same_client_order_id_is_taken_once() -> None:
    scene = Scene()
    assert scene.submit("mine").status == 200
    again = scene.submit("mine")
    assert (again.status, again.message) == (422, "client_order_id must be unique")
    assert scene.submit(None).status == scene.submit(None).status == 200
    assert len(scene.ledger.order_ids) == 3
    assert scene.ask(Op.LOOK_BY_CLIENT_ID, "mine").answer.versions[0].order.client_order_id == "mine"
    assert scene.ask(Op.LOOK_BY_CLIENT_ID, "yours").answer.status == 404


def test_what_the_account_cannot_pay_is_refused() -> None:
    scene = Scene()
    answer = scene.submit(qty=Decimal(10**9))
    assert (answer.status, answer.code, set(answer.extras)) == (403, 40310000, {"buying_power", "cost_basis"})


def test_lists_filter_by_status_time_symbol_and_side() -> None:
    scene = Scene()
    dead, live = scene.place(Fate.INSTANT), scene.place(Fate.NEVER)
    foreign = scene.place(Fate.NEVER, foreign=True)
    scene.after(1.0)
    assert set(scene.listed(status="open")) == {live, foreign}
    assert scene.listed(status="closed") == [dead]
    newest_first = scene.listed()
    assert newest_first == scene.listed(descending=False)[::-1]
    middle = scene.order(newest_first[1]).submitted_at
    assert scene.listed(after=middle) == newest_first[:1], "after is exclusive"
    assert scene.listed(until=middle) == newest_first[2:], "until is exclusive"
    assert scene.listed(limit=2) == newest_first[:2]
    assert scene.listed(symbols=frozenset({"MSFT"})) == []
    assert scene.listed(side="sell") == []


def test_a_held_order_is_listed_as_closed() -> None:
    seen = set()
    for seed in range(6):
        scene = Scene(seed)
        order_id = scene.place(Fate.ODD_STATUSES)
        for _ in range(80):
            if scene.after(0.1).word(order_id) == "held":
                seen.add((order_id in scene.listed(status="closed"), order_id in scene.listed(status="open")))
    assert seen == {(True, False)}


def test_the_tape_pages_by_token_and_by_time() -> None:
    scene = Scene()
    for _ in range(6):
        scene.place(Fate.MANY_PARTIALS, "40")
    scene.after(15.0)
    everything = scene.tape()
    rows = scene.ask(Op.FILLS, descending=False).answer.trades
    truth = {row.execution_id for i in scene.ledger.order_ids for row in scene.ledger.truth(i).executions}
    assert set(everything) == truth
    assert len(everything) == len(truth)
    assert [row.row_id for row in rows] == sorted(row.row_id for row in rows)
    assert scene.tape(page_token=rows[4].row_id) == everything[5:]
    assert scene.tape(limit=5) == everything[:5]
    assert set(scene.tape(after=rows[4].execution.at)) == {
        row.execution.execution_id
        for row in rows
        if row.execution.at > rows[4].execution.at  # type: ignore[operator] # rows of the tape have a time
    }
    assert scene.tape(descending=True) == everything[::-1]


class TestQuota:
    """The limit holds in every sliding window, and an idle minute gives it back."""

    def test_the_request_over_the_limit_is_refused_until_the_oldest_is_a_minute_old(self) -> None:
        scene = Scene(requests_per_minute=3)
        replies = [scene.after(1.0).ask(Op.CLOCK) for _ in range(4)]
        assert [reply.answer.status for reply in replies] == [200, 200, 200, 429]
        assert [reply.headers["X-RateLimit-Remaining"] for reply in replies] == ["2", "1", "0", "0"]
        reset = float(replies[3].headers["X-RateLimit-Reset"])
        assert reset == pytest.approx(scene.wall().timestamp() + 57.0, abs=1.0)
        assert scene.after(56.9).ask(Op.CLOCK).answer.status == 429
        assert scene.after(0.2).ask(Op.CLOCK).answer.status == 200
        assert scene.world.reached["quota"] == 2

    def test_somebody_else_uses_it_up_and_is_not_in_our_log(self) -> None:
        scene = Scene(requests_per_minute=100, faults=Faults(neighbour_per_minute=60.0, heal_at=100.0))
        assert scene.after(30.0).ask(Op.CLOCK).headers["X-RateLimit-Remaining"] == "69"
        assert scene.after(170.0).ask(Op.CLOCK).headers["X-RateLimit-Remaining"] == "99"
        assert len(scene.ledger.arrivals) == 2

    @given(st.lists(st.floats(0.0, 20.0), min_size=1, max_size=120), st.integers(1, 12))
    def test_admitted_requests_never_exceed_the_limit(self, gaps: list[float], limit: int) -> None:
        scene = Scene(requests_per_minute=limit)
        for gap in gaps:
            scene.after(gap).ask(Op.CLOCK)
        admitted = [arrival.t for arrival in scene.ledger.arrivals if arrival.status == 200]
        assert all(sum(t - 60.0 < other <= t for other in admitted) <= limit for t in admitted)

    def test_the_worst_window_is_half_open_and_counts_refused_ones(self) -> None:
        scene = Scene(requests_per_minute=2)
        for gap in (0.0, 30.0, 29.0, 1.0, 0.0):
            scene.after(gap).ask(Op.CLOCK)
        assert scene.ledger.worst_window(60.0) == 4
        assert scene.ledger.worst_window(1.0) == 2
        assert Scene().ledger.worst_window() == 0


class TestFaults:
    """Every kind strikes as the table says, and the truth is the same with and without."""

    @pytest.mark.parametrize("kind", [kind for kind in Kind if STRIKES[kind].answer is not None])
    def test_a_cancel_hit_by_a_fault_is_carried_out_or_not(self, kind: Kind) -> None:
        scene = Scene()
        order_id = scene.place(Fate.NEVER)
        scene.world.strike(kind, Op.CANCEL)
        reply = scene.ask(Op.CANCEL, order_id)
        commits = kind in {Kind.ERROR_AFTER, Kind.TIMEOUT_AFTER, Kind.RESET_AFTER}
        assert (scene.word(order_id) == "pending_cancel") is commits
        assert reply.answer.status != 204 or reply.delivery is not Delivery.WHOLE
        arrival = scene.ledger.arrivals[0]
        assert (arrival.operation, arrival.target, arrival.committed) == ("cancel", order_id, commits)
        assert arrival.fault == kind
        assert scene.world.reached[f"fault:{kind}"] == 1
        assert scene.cancel(order_id)[0] == 204, "it strikes once"

    def test_a_submit_lost_after_the_commit_left_an_order(self) -> None:
        scene = Scene()
        scene.world.strike(Kind.TIMEOUT_AFTER, Op.SUBMIT)
        assert scene.submit("mine").status == 0
        assert scene.submit("mine").status == 422
        scene.world.strike(Kind.TIMEOUT_BEFORE, Op.SUBMIT)
        assert scene.submit("yours").status == 0
        assert scene.submit("yours").status == 200

    @pytest.mark.parametrize("op", [Op.LOOK, Op.LIST, Op.POSITIONS, Op.FILLS])
    def test_a_stale_read_shows_an_older_state_of_that_route_alone(self, op: Op) -> None:
        scene = Scene(faults=Faults(replica_lag={op: 3.0}, heal_at=20.0))
        order_id = scene.place(Fate.INSTANT)

        def shows(asked: Op) -> bool:
            answer = scene.ask(asked, order_id if asked is Op.LOOK else "", descending=False).answer
            return bool(answer.rows or answer.trades or any(v.order.filled_qty for v in answer.versions))

        scene.after(2.9)
        assert not shows(op)
        assert all(shows(other) for other in (Op.LOOK, Op.LIST, Op.POSITIONS, Op.FILLS) if other is not op)
        assert shows(op) is False
        assert scene.after(0.2) is scene
        assert shows(op)

    def test_reads_do_not_see_a_write_until_the_replica_has_it(self) -> None:
        scene = Scene(faults=Faults(replica_lag={Op.LOOK: 2.0, Op.LIST: 2.0}))
        order_id = scene.submit().versions[0].order.order_id
        assert scene.after(1.9).ask(Op.LOOK, order_id).answer.status == 404
        assert scene.listed() == []
        assert scene.after(0.2).ask(Op.LOOK, order_id).answer.status == 200
        assert scene.listed() == [order_id]

    def test_an_order_placed_before_is_known_however_stale_the_read(self) -> None:
        scene = Scene(faults=Faults(replica_lag={Op.LOOK: 60.0}))
        assert scene.order(scene.place(Fate.NEVER)).order_id

    def test_a_list_page_may_shift_and_an_order_may_be_absent_for_a_while(self) -> None:
        scene = Scene()
        ids = scene.world.populate(10, mix={Fate.NEVER: 1})
        scene.world.strike(Kind.PAGE_SHIFT, Op.LIST)
        everything = scene.listed()
        assert len(everything) == len(scene.listed()) - 1
        assert set(everything) < set(scene.listed())
        scene = Scene(faults=Faults(absent_from_list=1.0, absent_seconds=4.0))
        ids = scene.world.populate(10, mix={Fate.NEVER: 1})
        seen = [set(scene.after(0.1).listed()) for _ in range(150)]
        assert all(any(order_id not in page for page in seen) for order_id in ids)
        assert set(ids) <= seen[-1]
        assert scene.world.reached["fault:absent_from_list"]

    def test_the_tape_may_repeat_rows_and_shuffle_a_millisecond(self) -> None:
        scene = Scene()
        scene.world.populate(30, mix={Fate.INSTANT: 1})
        scene.after(10.0)
        rows = scene.ask(Op.FILLS, descending=False).answer.trades
        cut = rows[9].execution.at
        plain = scene.tape(after=cut)
        scene.world.strike(Kind.DUPLICATED_TAPE, Op.FILLS)
        repeated = scene.tape(after=cut)
        assert repeated[-len(plain) :] == plain
        assert len(repeated) == len(plain) + 3
        scene.world.strike(Kind.SHUFFLED_TAPE, Op.FILLS)
        assert sorted(scene.tape(after=cut)) == sorted(plain)

    def test_rows_of_one_millisecond_come_in_another_order(self) -> None:
        orders = set()
        for seed in range(20):
            scene = Scene(seed)
            order_id = scene.place(Fate.MANY_PARTIALS, "100")
            scene.after(20.0)
            scene.world.strike(Kind.SHUFFLED_TAPE, Op.FILLS)
            true = [row.execution_id for row in scene.ledger.truth(order_id).executions]
            orders.add(scene.tape() == true)
        assert orders == {True, False}

    def test_in_an_outage_nothing_answers_and_nothing_is_done(self) -> None:
        scene = Scene(faults=Faults(outages=((1.0, 2.0),)))
        order_id = scene.place(Fate.NEVER)
        assert scene.after(0.99).ask(Op.CLOCK).answer.status == 200
        reply = scene.after(0.01).ask(Op.CANCEL, order_id)
        assert (reply.answer.status, reply.delivery) == (0, Delivery.SILENCE)
        assert scene.after(1.0).word(order_id) == "new"
        assert [(a.status, a.fault) for a in scene.ledger.arrivals] == [(200, ""), (0, "outage"), (200, "")]

    def test_from_the_heal_time_on_all_is_calm(self) -> None:
        faults = Faults(
            server_error=1.0, heal_at=10.0, replica_lag={Op.LOOK: 50.0}, outages=((0.0, 99.0),), absent_from_list=1.0
        )
        scene = Scene(faults=faults)
        order_id = scene.place(Fate.INSTANT)
        assert scene.after(9.9).ask(Op.LOOK, order_id).answer.status == 0
        assert scene.after(0.1).word(order_id) == "filled"
        assert scene.listed() == [order_id]

    def test_a_tenth_of_the_requests_is_hit_by_something(self) -> None:
        scene = Scene(faults=Faults.rate(0.10))
        order_id = scene.place(Fate.NEVER)
        for _ in range(1_500):
            scene.world.transit(Call(op=Op.LIST))
            scene.after(0.01).ask(Op.LIST)
            scene.world.transit(Call(op=Op.FILLS))
            scene.after(0.01).ask(Op.FILLS)
        struck = sum(bool(arrival.fault) for arrival in scene.ledger.arrivals) + scene.world.reached["fault:slow"]
        assert 0.07 < struck / 3_000 < 0.13
        assert {f"fault:{kind}" for kind in MENU} <= set(scene.world.reached)
        assert scene.word(order_id)

    def test_a_fault_of_lists_strikes_lists_alone(self) -> None:
        scene = Scene(faults=Faults(page_shift=1.0))
        scene.ask(Op.LOOK, scene.place(Fate.NEVER))
        scene.ask(Op.LIST)
        assert [arrival.fault for arrival in scene.ledger.arrivals] == ["", "page_shift"]
        scene = Scene(faults=Faults(server_error=1.0, operations=frozenset({Op.CANCEL})))
        order_id = scene.place(Fate.NEVER)
        assert scene.word(order_id) == "pending_new"
        assert scene.cancel(order_id)[0] == 500

    def test_some_seed_turns_on_each_part_of_the_menu(self) -> None:
        menus = [Faults.random(seed) for seed in range(60)]
        names = [*(kind.value for kind in MENU), "replica_lag", "outages", "absent_from_list", "neighbour_per_minute"]
        for name in names:
            chosen = {bool(getattr(menu, name)) for menu in menus}
            assert chosen == {True, False}, name
        assert all(20.0 <= menu.heal_at <= 60.0 for menu in menus)
        assert Faults.random(5) == Faults.random(5) != Faults.random(6)

    def test_bad_probabilities_are_refused(self) -> None:
        with pytest.raises(ValueError, match=r"Faults\.stale: 1\.5"):
            Faults(stale=1.5)
        with pytest.raises(ValueError, match="more than 1"):
            Faults(stale=0.6, slow=0.6)

    def test_refused_keys_answer_everything_with_401(self) -> None:
        scene = Scene()
        order_id = scene.place(Fate.NEVER)
        scene.world.refuse_keys = True
        assert scene.cancel(order_id) == (401, "unauthorized.")
        scene.world.refuse_keys = False
        assert scene.word(order_id) == "pending_new"


class TestLedger:
    """Its sums are exact, and no fault reaches it."""

    @pytest.mark.parametrize("seed", range(4))
    def test_quantities_and_averages_are_the_sums_of_the_executions(self, seed: int) -> None:
        scene = Scene(seed)
        scene.world.populate(60)
        scene.after(25.0)
        for order_id in scene.ledger.order_ids:
            truth = scene.ledger.truth(order_id)
            quantity = Decimal(0)
            for trade in truth.trades:
                quantity += trade.change
                assert scene.ledger.executed_at(order_id, trade.t) >= Decimal(0)
            assert scene.ledger.executed_at(order_id) == quantity
            assert scene.ledger.executed_at(order_id, truth.placed_at - 1.0) == 0
            assert quantity <= truth.target
            if truth.average_price is not None:
                assert truth.shown_average is not None
                assert abs(truth.average_price - truth.shown_average) <= Decimal("5e-10")
            shown = scene.order(order_id)
            assert (shown.filled_qty, shown.filled_avg_price) == (truth.filled_qty, truth.shown_average)
        held = scene.ask(Op.POSITIONS).answer.rows
        symbols = {scene.ledger.truth(order_id).symbol for order_id in scene.ledger.order_ids}
        true = {symbol: scene.ledger.position(symbol) for symbol in symbols}
        assert {row["symbol"]: row["qty"] for row in held} == {s: quantity for s, quantity in true.items() if quantity}

    def test_two_executions_average_exactly(self) -> None:
        scene = Scene()
        order_id = scene.place(Fate.UNKNOWN_STATUS)
        scene.after(20.0)
        truth = scene.ledger.truth(order_id)
        one, two = truth.executions
        assert truth.average_price == (one.qty * one.price + two.qty * two.price) / (one.qty + two.qty)

    def test_executed_at_follows_the_clock(self) -> None:
        scene = Scene()
        order_id = scene.place(Fate.UNKNOWN_STATUS)
        scene.after(20.0)
        first, second = scene.ledger.truth(order_id).trades
        at = scene.ledger.executed_at
        assert at(order_id, first.t - 1e-9) == 0
        assert at(order_id, first.t) == at(order_id, second.t - 1e-9) == first.execution.qty
        assert at(order_id, second.t) == at(order_id) == 10
        assert scene.world.wall(first.t) == first.execution.at

    @pytest.mark.parametrize("seed", range(3))
    def test_no_fault_touches_what_happens_to_orders(self, seed: int) -> None:
        dumps = []
        for faults in (Faults(), Faults.rate(0.5)):
            scene = Scene(seed, faults=faults)
            ids = scene.world.populate(40)
            for order_id in ids:
                scene.after(0.3).ask(Op.LOOK, order_id)
                scene.ask(Op.LIST)
            dumps.append(scene.after(30.0).ledger.as_dict()["orders"])
        assert dumps[0] == dumps[1]


SCRIPT = """
import hashlib, json
from tests.simulator.test_world import run
print(run(7))
"""


def run(seed: int) -> str:
    """A busy hour in miniature; the hash of its ledger and counters."""
    clock = HandClock()
    world = World(seed, clock=clock, faults=Faults.random(seed))
    ids = world.populate(40)
    for step in range(200):
        clock.t += 0.2
        for op in (Op.LIST, Op.FILLS, Op.POSITIONS):
            world.transit(Call(op=op))
            reply = world.receive(Call(op=op))
            assert reply.answer.status in (0, 200, 429, 500, 503, 504)
        if step % 3 == 0:
            world.receive(Call(op=Op.CANCEL, target=ids[step % len(ids)]))
    dump = json.dumps([world.ledger.as_dict(), sorted(world.reached.items())])
    return hashlib.sha256(dump.encode()).hexdigest()


def test_the_same_seed_is_the_same_world_in_every_process() -> None:
    here = run(7)
    assert here == run(7)
    assert here != run(8)
    for hash_seed in ("1", "2"):
        told = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=True,
        )
        assert told.stdout.strip() == here


def test_asking_more_often_changes_nothing() -> None:
    dumps = []
    for steps in (1, 400):
        scene = Scene(3)
        scene.world.populate(40)
        for _ in range(steps):
            scene.after(40.0 / steps)
        dumps.append(scene.ledger.as_dict()["orders"])
    assert json.dumps(dumps[0]) == json.dumps(dumps[1])


def test_the_dump_is_json() -> None:
    scene = Scene()
    scene.world.populate(40)
    scene.after(20.0).ask(Op.LIST)
    dump = json.loads(json.dumps(scene.ledger.as_dict()))
    assert len(dump["orders"]) == len(scene.ledger.order_ids)
    assert dump["arrivals"][0][1:3] == ["list", "GET"]
