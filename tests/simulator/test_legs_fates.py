"""Brackets, OTOs and OCOs whose parent goes every way an order can go: what must hold whatever happens."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from itertools import pairwise

import pytest

from fillwatch.simulator import Fate, Faults
from fillwatch.simulator.fates import PLANNED
from tests.simulator.at import Scene
from tests.simulator.groups_at import EXITS, Group, grouped

#: Groups of each fate and class that are looked at.
MANY = 6
#: Fates that need another shape of order than a group can have (Alpaca: fractional orders must be simple).
WHOLE: list[Fate] = [fate for fate in PLANNED if fate not in (Fate.NOTIONAL, Fate.FRACTIONAL)]
CLASSES = ("bracket", "oto_stop", "oto_profit", "oco")
ENDS = {"filled", "canceled", "expired", "rejected", "replaced"}


def _lived(fate: Fate, shape: str, number: int) -> Group:
    """A group with a parent of this fate, after a minute; a parent that lives after half of it is then cancelled.

    Half of the triggered stops come as `replaced` by another order.
    """
    seed = 100 * WHOLE.index(fate) + number
    scene = Scene(seed, fate=fate, timeout=10.0, faults=Faults(legs_replaced=0.5))
    group = grouped(scene, shape)
    for second in range(60):
        scene.after(1.0)
        if second >= 30 and second % 5 == 0:
            scene.cancel(group.parent())
    return group


@pytest.mark.parametrize("shape", CLASSES)
@pytest.mark.parametrize("fate", WHOLE)
def test_a_group_keeps_its_promises(fate: Fate, shape: str) -> None:
    for number in range(MANY):
        group = _lived(fate, shape, number)
        _no_exit_before_the_entry_is_complete(group)
        _exits_never_exceed_what_was_entered(group)
        _nothing_outlives_an_end(group)
        _no_status_follows_an_end(group)
        _a_stop_that_executes_has_the_shares(group)
        _exits_are_for_what_was_entered(group)
        _what_executes_for_a_stop_is_not_held(group)


def _no_exit_before_the_entry_is_complete(group: Group) -> None:
    if group.shape == "oco":
        return
    complete = group.completed_at()
    for order_id in group.exits():
        for t, _, word in group.scene.ledger.truth(order_id).statuses:
            if t < complete:
                assert word in ("held", "pending_cancel", "canceled", "expired"), (group, order_id, word)
        for trade in group.scene.ledger.truth(order_id).trades:
            assert trade.t >= complete


def _exits_never_exceed_what_was_entered(group: Group) -> None:
    sold = sum((group.scene.ledger.executed_at(order_id, busts=False) for order_id in group.exits()), Decimal(0))
    if group.shape == "oco":
        sold += group.scene.ledger.executed_in_chain(group.first, busts=False)
        assert sold <= 10
    else:
        assert sold <= group.scene.ledger.executed_in_chain(group.first, busts=False)


def _nothing_outlives_an_end(group: Group) -> None:
    words = [group.word(order_id) for order_id in group.living_chain()]
    exits = [group.word(order_id) for order_id in group.exits()]
    entry_over_unfilled = group.shape != "oco" and words[0] in ("canceled", "expired", "rejected")
    if entry_over_unfilled or (group.shape == "oco" and words[0] in ENDS) or {"filled", "canceled"} & set(exits):
        assert set(exits) <= ENDS, (group, words, exits)
    if group.shape == "oco" and {"filled", "canceled"} & set(exits):
        assert words[0] in ENDS


def _no_status_follows_an_end(group: Group) -> None:
    for order_id in group.everyone():
        words = [word for _, _, word in group.scene.ledger.truth(order_id).statuses]
        assert all(before not in ENDS for before, _ in pairwise(words)), words


def _a_stop_that_executes_has_the_shares(group: Group) -> None:
    truth = group.scene.ledger.truth
    sold = [trade.t for one in group.exits() if group.is_stop(one) for trade in truth(one).trades]
    targets = [group.parent()] if group.shape == "oco" else [one for one in group.exits() if not group.is_stop(one)]
    for target in targets if sold else ():
        assert (truth(target).ended_at or 0.0) <= min(sold), group
        assert truth(target).status.is_terminal, group


def _exits_are_for_what_was_entered(group: Group) -> None:
    if group.shape == "bracket" and group.completed_at() < float("inf"):
        target = group.order("take_profit")
        assert target.qty == group.scene.ledger.executed_in_chain(group.first, busts=False)


def _what_executes_for_a_stop_is_not_held(group: Group) -> None:
    for one in group.exits():
        truth = group.scene.ledger.truth(one)
        if truth.replaces is not None:
            assert "held" not in {word for _, _, word in truth.statuses}


def test_the_rare_ends_are_really_reached() -> None:
    """What the groups above went through: each of it at least once, or the test above shows little."""
    seen: Counter[str] = Counter()
    for fate in WHOLE:
        for number in range(MANY):
            group = _lived(fate, "bracket", number)
            ends = {exit_name: group.word(group.exit(exit_name)) for exit_name in EXITS}
            seen.update(f"{name} {word}" for name, word in ends.items())
            seen["exits of a successor"] += group.parent() != group.first
            seen["stop smaller than the entry"] += group.order("stop_loss").qty != 10
    wanted = {f"{name} {word}" for name in EXITS for word in ("filled", "canceled", "expired")}
    wanted |= {"stop_loss replaced", "stop_loss held", "exits of a successor", "stop smaller than the entry"}
    assert wanted <= set(+seen), wanted - set(+seen)
