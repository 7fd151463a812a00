"""Each fate does what its name says, and a cancel is answered by the broker's rules."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest

from fillwatch.core.orders import ExecutionKind, OrderStatus
from fillwatch.simulator import ENDS_WITHIN, NEEDS_CANCEL, USUAL_MIX, Fate, Op
from fillwatch.simulator.fates import PLANNED
from tests.simulator.at import Scene

SEEDS = range(5)
#: After twenty seconds without a cancel: the last status of the chain, and the share of the ten shares executed.
LEFT_ALONE: list[tuple[Fate, str, str]] = [
    (Fate.INSTANT, "filled", "all"),
    (Fate.SLOW, "filled", "all"),
    (Fate.PARTIAL, "partially_filled", "some"),
    (Fate.MANY_PARTIALS, "filled", "all"),
    (Fate.LATE_REST, "filled", "all"),
    (Fate.NEVER, "new", "none"),
    (Fate.REJECTED, "rejected", "none"),
    (Fate.EXPIRED, "expired", "none"),
    (Fate.EXPIRED_PARTLY, "expired", "some"),
    (Fate.CANCELED_BY_OTHERS, "canceled", "none"),
    (Fate.CANCELED_PARTLY, "canceled", "some"),
    (Fate.REPLACED_FILLS, "filled", "all"),
    (Fate.REPLACED_TWICE, "filled", "all"),
    (Fate.REPLACED_NEVER, "new", "none"),
    (Fate.REPLACED_AFTER_PARTIAL, "filled", "all"),
    (Fate.REPLACE_REJECTED, "filled", "all"),
    (Fate.FILLED_IN_CANCEL_RACE, "new", "none"),
    (Fate.FILLED_AFTER_CANCEL, "new", "none"),
    (Fate.HALF_AFTER_CANCEL, "new", "none"),
    (Fate.CANCEL_STUCK, "new", "none"),
    (Fate.CANCEL_SLOW, "new", "none"),
    (Fate.CANCEL_REFUSED, "new", "none"),
    (Fate.LATE_FIELDS, "filled", "all"),
    (Fate.LAST_SECOND_BEFORE, "new", "none"),
    (Fate.LAST_SECOND_AFTER, "new", "none"),
    (Fate.NOTIONAL, "filled", "all"),
    (Fate.FRACTIONAL, "filled", "all"),
    (Fate.BUSTED, "filled", "some"),
    (Fate.CORRECTED, "filled", "all"),
    (Fate.ODD_STATUSES, "filled", "all"),
    (Fate.UNKNOWN_STATUS, "filled", "all"),
    (Fate.RESTAMPED, "filled", "all"),
]


def share(executed: Decimal, target: Decimal) -> str:
    """none, some, all, or more."""
    if not executed:
        return "none"
    return "some" if executed < target else "all" if executed == target else "more"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("fate", "status", "executed"), LEFT_ALONE)
def test_an_order_left_alone_meets_its_fate(seed: int, fate: Fate, status: str, executed: str) -> None:
    scene = Scene(seed)
    order_id = scene.place(fate)
    scene.after(ENDS_WITHIN)
    last = scene.ledger.chain(order_id)[-1]
    assert scene.word(last) == status
    assert share(scene.ledger.executed_in_chain(order_id), Decimal(10)) == executed
    assert (scene.ledger.truth(last).ended_at is None) is (fate in NEEDS_CANCEL)
    assert scene.ledger.truth(order_id).needs_cancel is (fate in NEEDS_CANCEL)


def test_the_table_above_knows_every_fate() -> None:
    assert {fate for fate, _, _ in LEFT_ALONE} == set(PLANNED) == set(USUAL_MIX)


#: What a cancel after 1 s is answered, the status 30 s later, and what was executed by then.
CANCELLED: list[tuple[Fate, int, str, str]] = [
    (Fate.NEVER, 204, "canceled", "none"),
    (Fate.FILLED_IN_CANCEL_RACE, 422, "filled", "all"),
    (Fate.FILLED_AFTER_CANCEL, 204, "filled", "all"),
    (Fate.HALF_AFTER_CANCEL, 204, "canceled", "some"),
    (Fate.CANCEL_STUCK, 204, "pending_cancel", "none"),
    (Fate.CANCEL_SLOW, 204, "canceled", "none"),
    (Fate.INSTANT, 422, "filled", "all"),
]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("fate", "answered", "status", "executed"), CANCELLED)
def test_a_cancel_is_taken_as_the_fate_says(seed: int, fate: Fate, answered: int, status: str, executed: str) -> None:
    scene = Scene(seed)
    order_id = scene.place(fate)
    scene.after(1.0)
    code, message = scene.cancel(order_id)
    assert code == answered
    if answered == 422:
        assert message == 'order is already in "filled" state'
    else:
        assert scene.word(order_id) == "pending_cancel"
    scene.after(30.0)
    assert scene.word(order_id) == status
    assert share(scene.ledger.executed_at(order_id), Decimal(10)) == executed
    assert [cancel.status for cancel in scene.ledger.truth(order_id).cancels] == [answered]
    assert scene.world.reached[f"fate:{fate}"] == 1


def test_an_accepted_cancel_takes_50_to_300_ms() -> None:
    scene = Scene()
    order_id = scene.place(Fate.NEVER)
    scene.after(1.0).cancel(order_id)
    assert scene.after(0.049).word(order_id) == "pending_cancel"
    assert scene.after(0.252).word(order_id) == "canceled"


def test_a_refused_cancel_changes_nothing_and_is_accepted_later() -> None:
    scene = Scene()
    order_id = scene.place(Fate.CANCEL_REFUSED)
    answers = [scene.after(1.0).cancel(order_id) for _ in range(4)]
    refused = [answer for answer in answers if answer == (422, "order is not cancelable")]
    assert 1 <= len(refused) <= 3
    assert answers[len(refused)] == (204, "")


def test_cancelling_what_is_over_or_unknown_or_being_replaced_is_refused() -> None:
    scene = Scene()
    expired, replaced = scene.place(Fate.EXPIRED), scene.place(Fate.REPLACED_NEVER)
    while scene.word(replaced) != "pending_replace":
        scene.after(0.01)
    assert scene.cancel(replaced) == (422, "cannot cancel order in pending_replace status")
    scene.after(15.0)
    assert scene.cancel(replaced) == (422, 'order is already in "replaced" state')
    assert scene.cancel(expired) == (422, 'order is already in "expired" state')
    assert scene.cancel("nobody") == (404, "order not found for nobody")
    assert scene.ask(Op.LOOK, "nobody").answer.code == 40410000


def test_a_pending_cancel_may_be_asked_for_again_and_stops_a_replacement() -> None:
    scene = Scene()
    order_id = scene.place(Fate.CANCEL_STUCK)
    other = scene.place(Fate.REPLACED_FILLS)
    assert [scene.cancel(order_id)[0] for _ in range(2)] == [204, 204]
    assert scene.cancel(other)[0] == 204
    scene.after(20.0)
    assert scene.word(other) == "canceled"
    assert scene.ledger.chain(other) == (other,)


def test_a_second_cancel_starts_nothing_anew_and_fills_keep_the_cancel_pending() -> None:
    scene = Scene()
    order_id = scene.place(Fate.HALF_AFTER_CANCEL)
    scene.after(1.0)
    assert [scene.cancel(order_id)[0], scene.after(0.02).cancel(order_id)[0]] == [204, 204]
    scene.after(5.0)
    truth = scene.ledger.truth(order_id)
    assert len(truth.executions) == 2
    assert [word for _, _, word in truth.statuses][1:] == ["new", "pending_cancel", "canceled"]


def test_nothing_fills_after_the_end() -> None:
    scene = Scene(timeout=5.0)
    order_id = scene.place(Fate.LAST_SECOND_AFTER)
    scene.after(1.0).cancel(order_id)
    scene.after(30.0)
    assert scene.word(order_id) == "canceled"
    assert scene.ledger.truth(order_id).executions == ()


def test_an_order_may_fill_while_its_cancel_is_pending() -> None:
    scene = Scene(timeout=5.0)
    order_id = scene.place(Fate.LAST_SECOND_AFTER)
    while scene.clock.t < 1_004.999:
        scene.after(0.001)
    fills_at = 1_000.0 + 5.0
    scene.cancel(order_id)
    scene.after(1.0)
    truth = scene.ledger.truth(order_id)
    first_fill = truth.trades[0].t if truth.trades else None
    assert truth.status in (OrderStatus.FILLED, OrderStatus.CANCELED)
    assert first_fill is None or first_fill > fills_at
    assert (truth.status is OrderStatus.FILLED) is (first_fill is not None)


@pytest.mark.parametrize("inherits", [True, False])
def test_a_successor_counts_the_fills_before_it_or_starts_anew(inherits: bool) -> None:
    scene = Scene(inherits=inherits)
    order_id = scene.place(Fate.REPLACED_AFTER_PARTIAL)
    scene.after(20.0)
    first, last = (scene.ledger.truth(member) for member in scene.ledger.chain(order_id))
    order = scene.order(last.order_id)
    assert (order.replaces, first.replaced_by) == (order_id, last.order_id)
    assert order.qty == order.filled_qty == (10 if inherits else 10 - first.filled_qty)
    assert scene.ledger.executed_at(order_id) + scene.ledger.executed_at(last.order_id) == 10
    assert scene.ledger.executed_in_chain(order_id) == 10
    assert scene.ledger.average_in_chain(order_id) is not None


def test_a_rejected_successor_leaves_the_original_to_fill() -> None:
    scene = Scene()
    order_id = scene.place(Fate.REPLACE_REJECTED)
    scene.after(10.0)
    successor = next(other for other in scene.ledger.order_ids if other != order_id)
    assert (scene.word(order_id), scene.word(successor)) == ("filled", "rejected")
    assert scene.order(successor).replaces == order_id


def test_late_fields_follow_the_status() -> None:
    scene = Scene()
    order_id = scene.place(Fate.LATE_FIELDS)
    while scene.word(order_id) != "filled":
        scene.after(0.01)
    early = scene.order(order_id)
    assert (str(early.filled_qty), early.filled_avg_price, early.filled_at) == ("0", None, None)
    assert scene.ledger.executed_at(order_id) == 10
    scene.after(5.0)
    late = scene.order(order_id)
    assert late.filled_qty == 10
    assert late.filled_avg_price == scene.ledger.truth(order_id).shown_average
    assert late.filled_at == scene.world.wall(scene.ledger.truth(order_id).trades[-1].t)


def test_a_bust_takes_quantity_back_and_leaves_the_status() -> None:
    scene = Scene()
    order_id = scene.place(Fate.BUSTED)
    scene.after(20.0)
    *fills, bust = scene.ledger.truth(order_id).executions
    order = scene.order(order_id)
    assert (bust.kind, bust.previous_id) == (ExecutionKind.BUST, fills[-1].execution_id)
    assert (order.status, order.filled_qty) == (OrderStatus.FILLED, 10 - bust.qty)
    assert order.filled_avg_price == fills[0].price
    before = scene.ledger.truth(order_id).trades[-1].t - 0.001
    assert scene.ledger.average_in_chain(order_id, before) == sum(row.qty * row.price for row in fills) / 10
    assert scene.ledger.executed_at(order_id, busts=False) == 10
    assert scene.ledger.position("AAPL") == order.filled_qty


def test_a_correction_changes_the_price_alone() -> None:
    scene = Scene()
    order_id = scene.place(Fate.CORRECTED)
    scene.after(20.0)
    fill, correction = scene.ledger.truth(order_id).executions
    assert (correction.kind, correction.previous_id) == (ExecutionKind.CORRECTION, fill.execution_id)
    assert scene.ledger.executed_at(order_id) == 10
    assert scene.order(order_id).filled_avg_price == correction.price != fill.price


def test_words_stamps_and_shapes_along_the_way() -> None:
    scene = Scene()
    ids = {fate: scene.world.place(fate=fate) for fate in PLANNED}
    before = scene.order(ids[Fate.RESTAMPED])
    scene.after(20.0)
    words = {fate: [word for _, _, word in scene.ledger.truth(ids[fate]).statuses] for fate in PLANNED}
    assert len(set(words[Fate.ODD_STATUSES]) & {status.value for status in OrderStatus}) >= 6
    assert any(OrderStatus.parse(word) is OrderStatus.UNKNOWN for word in words[Fate.UNKNOWN_STATUS])
    after = scene.order(ids[Fate.RESTAMPED])
    assert before.submitted_at != after.submitted_at
    assert before.created_at == after.created_at
    notional = scene.order(ids[Fate.NOTIONAL])
    assert notional.qty is None
    assert notional.notional is not None
    assert notional.filled_qty == scene.ledger.truth(ids[Fate.NOTIONAL]).target
    assert scene.order(ids[Fate.FRACTIONAL]).qty != int(scene.order(ids[Fate.FRACTIONAL]).qty or 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_populate_deals_every_fate_and_keeps_its_bound(seed: int) -> None:
    scene = Scene(seed)
    ids = scene.world.populate(250, needs_cancel_at_most=60)
    truths = [scene.ledger.truth(order_id) for order_id in ids]
    assert len(set(ids)) == 250
    assert {truth.fate for truth in truths} == set(PLANNED)
    assert sum(truth.needs_cancel for truth in truths) <= 60
    assert not any(truth.foreign for truth in truths)
    foreign = [scene.ledger.truth(order_id) for order_id in set(scene.ledger.order_ids) - set(ids)]
    assert len(foreign) == 13
    assert all(truth.foreign for truth in foreign)
    assert max(truth.placed_at for truth in truths) == scene.clock.t


def test_thirty_orders_meet_most_fates() -> None:
    met = Counter(len({s.ledger.truth(i).fate for i in s.world.populate(30)}) for s in map(Scene, range(20)))
    assert min(met) >= 18


def test_a_mix_that_cannot_be_dealt_is_refused() -> None:
    with pytest.raises(ValueError, match="needs_cancel_at_most: 1"):
        Scene().world.populate(3, mix={Fate.NEVER: 1}, needs_cancel_at_most=1)
    with pytest.raises(ValueError, match="mix"):
        Scene().world.populate(3, mix={})
