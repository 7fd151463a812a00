"""The checker notices what it is for: each forged history breaks one invariant, and the honest ones none."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from fillwatch.core.errors import EngineClosed, RateLimited, TransientError
from fillwatch.core.results import FillOutcome
from fillwatch.simulator import Fate, Op
from fillwatch.testing.checker import CHECKS, INVARIANTS
from fillwatch.testing.history import Phase
from tests.worlds.forged import Forgery


def ended(fate: Fate = Fate.SLOW, seconds: float = 400.0) -> tuple[Forgery, str]:
    """An order that ended long ago, no result written yet."""
    forgery = Forgery()
    order = forgery.place(fate)
    return forgery.after(seconds), order


@pytest.mark.parametrize(
    "fate", [Fate.SLOW, Fate.REJECTED, Fate.EXPIRED, Fate.CANCELED_PARTLY, Fate.MANY_PARTIALS, Fate.REPLACED_TWICE]
)
def test_an_honest_history_breaks_nothing(fate: Fate) -> None:
    forgery = Forgery()
    order = forgery.place(fate)
    for _ in range(20):
        forgery.after(1.0).look(order)
    forgery.transition(order, str(forgery.ledger.executed_in_chain(order)))
    forgery.result(order)
    forgery.after(400.0)
    assert forgery.violations(seen_within=1.5) == []


def test_an_honest_cancel_breaks_nothing() -> None:
    forgery, order = ended(Fate.NEVER, 30.0)
    forgery.look(order)
    forgery.cancel(order)
    forgery.after(1.0).look(order)
    forgery.result(order, outcome=FillOutcome.TIMED_OUT)
    assert forgery.violations() == []


def missed_quantity() -> Forgery:
    forgery, order = ended()
    forgery.result(order, fill_quantity=Decimal(9), fill_price=None)
    return forgery


def missed_price() -> Forgery:
    forgery, order = ended()
    forgery.result(order, fill_price=None)
    return forgery


def never_resolved() -> Forgery:
    forgery, order = ended()
    forgery.result(order, outcome=FillOutcome.UNRESOLVED, filled=False)
    forgery.after(400.0).look(order)
    return forgery


def closed_without_a_result() -> Forgery:
    forgery, order = ended()
    forgery.write(f"watch-{order}", "result", Phase.FAIL, EngineClosed("closed"), order=order)
    return forgery


def phantom_transition() -> Forgery:
    forgery = Forgery()
    order = forgery.place(Fate.SLOW)
    forgery.transition(order, "10")
    forgery.after(400.0).result(order)
    return forgery


def phantom_result() -> Forgery:
    forgery = Forgery()
    order = forgery.place(Fate.NEVER)
    forgery.result(order, fill_quantity=Decimal(3))
    return forgery


def phantom_of_no_order() -> Forgery:
    forgery = Forgery()
    forgery.transition("00000000-0000-4000-8000-000000000000", "1")
    return forgery


def falling_quantity() -> Forgery:
    forgery, order = ended()
    forgery.transition(order, "10")
    forgery.transition(order, "9")
    forgery.result(order)
    return forgery


def wrong_price() -> Forgery:
    forgery, order = ended()
    forgery.result(order, fill_price=Decimal("0.01"))
    return forgery


def wrong_price_of_a_part() -> Forgery:
    forgery = Forgery()
    order = forgery.place(Fate.PARTIAL)
    forgery.after(10.0).result(order, fill_quantity=Decimal(1))
    return forgery


def two_results() -> Forgery:
    forgery, order = ended()
    forgery.result(order)
    forgery.result(order)
    return forgery


def a_transition_after_the_result() -> Forgery:
    forgery, order = ended()
    forgery.result(order)
    forgery.after(1.0).transition(order, "10")
    return forgery


def an_early_amendment() -> Forgery:
    forgery, order = ended()
    forgery.amend(order, forgery.honest(order))
    forgery.result(order)
    return forgery


def a_watch_without_an_end() -> Forgery:
    forgery = Forgery()
    forgery.place(Fate.NEVER)
    return forgery


def a_call_without_an_end() -> Forgery:
    forgery = Forgery()
    forgery.write("call-1", "positions", Phase.INVOKE)
    return forgery


def a_call_after_close() -> Forgery:
    forgery = Forgery()
    order = forgery.place(Fate.NEVER, watched=False)
    forgery.write("engine", "close", Phase.INVOKE)
    forgery.write("engine", "close", Phase.OK)
    forgery.after(1.0).look(order)
    return forgery


def an_arrival_after_close() -> Forgery:
    forgery = Forgery()
    forgery.write("engine", "close", Phase.INVOKE)
    forgery.write("engine", "close", Phase.OK)
    forgery.after(1.0).scene.ask(Op.CLOCK)
    return forgery


def a_long_close() -> Forgery:
    forgery = Forgery()
    forgery.write("engine", "close", Phase.INVOKE)
    forgery.after(26.0).write("engine", "close", Phase.OK)
    return forgery


def one_request_too_many() -> Forgery:
    forgery = Forgery()
    for _ in range(161):
        forgery.after(0.36).scene.ask(Op.CLOCK)
    return forgery


def noise_after_a_429() -> Forgery:
    forgery = Forgery()
    order = forgery.place(Fate.NEVER, watched=False)
    forgery.write("call-0", "list", Phase.FAIL, RateLimited("429", reset_in=20.0))
    forgery.after(19.0).look(order)
    return forgery


def noise_after_a_bare_429() -> Forgery:
    forgery = Forgery()
    order = forgery.place(Fate.NEVER, watched=False)
    forgery.write("call-0", "list", Phase.FAIL, RateLimited("429"))
    forgery.after(0.9).look(order)
    return forgery


def crowded_cancels_after_a_429() -> Forgery:
    forgery = Forgery()
    orders = [forgery.place(Fate.NEVER) for _ in range(2)]
    for order in orders:
        forgery.look(order)
    forgery.write("call-0", "list", Phase.FAIL, RateLimited("429", reset_in=20.0))
    for order in orders:
        forgery.after(0.5).cancel(order)
    for order in orders:
        forgery.after(2.0).result(order, outcome=FillOutcome.TIMED_OUT)
    return forgery


def a_cancel_after_the_end() -> Forgery:
    forgery, order = ended()
    forgery.look(order)
    forgery.after(0.1).cancel(order)
    forgery.result(order)
    return forgery


def a_cancel_without_a_look() -> Forgery:
    forgery, order = ended(Fate.NEVER, 5.0)
    forgery.look(order)
    forgery.after(31.0).cancel(order)
    forgery.after(1.0).result(order, outcome=FillOutcome.TIMED_OUT)
    return forgery


def rejected_by_a_failure() -> Forgery:
    forgery = Forgery()
    order = forgery.place(Fate.NEVER)
    forgery.result(order, outcome=FillOutcome.REJECTED)
    return forgery


def filled_before_its_time() -> Forgery:
    forgery = Forgery()
    order = forgery.place(Fate.MANY_PARTIALS)
    while not forgery.ledger.executed_in_chain(order):
        forgery.after(0.01)
    forgery.result(order, outcome=FillOutcome.FILLED, filled=True)
    return forgery


def filled_without_being_filled() -> Forgery:
    forgery, order = ended(Fate.CANCELED_PARTLY)
    forgery.result(order, filled=True)
    return forgery


def canceled_although_partly_filled() -> Forgery:
    forgery, order = ended(Fate.CANCELED_PARTLY)
    forgery.result(order, outcome=FillOutcome.CANCELED)
    return forgery


def timed_out_without_a_cancel() -> Forgery:
    forgery, order = ended(Fate.CANCELED_BY_OTHERS)
    forgery.result(order, outcome=FillOutcome.TIMED_OUT)
    return forgery


def a_cancel_of_a_foreign_order() -> Forgery:
    forgery = Forgery()
    order = forgery.place(Fate.NEVER, foreign=True, watched=False)
    forgery.look(order)
    forgery.cancel(order)
    return forgery


def a_cancel_of_an_order_to_be_left() -> Forgery:
    forgery = Forgery()
    order = forgery.place(Fate.NEVER, may_cancel=False)
    forgery.look(order)
    forgery.cancel(order)
    forgery.after(1.0).result(order)
    return forgery


def a_cancel_after_release() -> Forgery:
    forgery = Forgery()
    order = forgery.place(Fate.NEVER)
    forgery.write("caller", "release", Phase.INFO, order=order)
    forgery.write(f"watch-{order}", "result", Phase.INFO, order=order)
    forgery.look(order)
    forgery.cancel(order)
    return forgery


def unseen_between_looks() -> Forgery:
    forgery = Forgery()
    order = forgery.place(Fate.NEVER)
    forgery.look(order)
    forgery.after(3.1).look(order)
    forgery.result(order)
    return forgery


def unseen_at_all() -> Forgery:
    forgery = Forgery()
    order = forgery.place(Fate.NEVER)
    forgery.after(3.1).result(order)
    return forgery


FORGERIES: tuple[tuple[int, Callable[[], Forgery]], ...] = (
    (1, missed_quantity),
    (1, missed_price),
    (1, never_resolved),
    (1, closed_without_a_result),
    (2, phantom_transition),
    (2, phantom_of_no_order),
    (3, falling_quantity),
    (3, wrong_price),
    (3, wrong_price_of_a_part),
    (4, two_results),
    (4, a_transition_after_the_result),
    (4, an_early_amendment),
    (5, a_watch_without_an_end),
    (5, a_call_without_an_end),
    (6, a_call_after_close),
    (6, an_arrival_after_close),
    (6, a_long_close),
    (7, one_request_too_many),
    (7, noise_after_a_429),
    (7, noise_after_a_bare_429),
    (7, crowded_cancels_after_a_429),
    (8, a_cancel_after_the_end),
    (8, a_cancel_without_a_look),
    (14, rejected_by_a_failure),
    (14, filled_before_its_time),
    (14, filled_without_being_filled),
    (14, canceled_although_partly_filled),
    (14, timed_out_without_a_cancel),
    (15, a_cancel_of_a_foreign_order),
    (15, a_cancel_of_an_order_to_be_left),
    (15, a_cancel_after_release),
    (16, unseen_between_looks),
    (16, unseen_at_all),
)


@pytest.mark.parametrize(("invariant", "forge"), FORGERIES, ids=[forge.__name__ for _, forge in FORGERIES])
def test_a_forged_history_breaks_exactly_its_invariant(invariant: int, forge: Callable[[], Forgery]) -> None:
    assert forge().broken(seen_within=3.0 if invariant == 16 else None) == {invariant}


def test_a_phantom_in_a_result_is_noticed() -> None:
    assert 2 in phantom_result().broken()


def test_a_lost_cancel_may_be_repeated_without_a_look() -> None:
    forgery, order = ended(Fate.NEVER, 5.0)
    forgery.look(order)
    forgery.write("call-0", "cancel", Phase.INVOKE, order=order)
    forgery.write("call-0", "cancel", Phase.FAIL, TransientError("lost"), order=order)
    forgery.after(31.0).cancel(order)
    forgery.after(1.0).result(order, outcome=FillOutcome.TIMED_OUT)
    assert forgery.violations() == []


def test_a_resolved_amendment_settles_an_unresolved_result() -> None:
    forgery = Forgery()
    order = forgery.place(Fate.SLOW)
    result = forgery.result(order)
    forgery.after(400.0).amend(order, result)
    assert forgery.violations() == []


def test_every_check_has_a_name_and_a_forgery() -> None:
    assert CHECKS.keys() == INVARIANTS.keys() == {invariant for invariant, _ in FORGERIES}


def test_a_history_tells_two_runs_apart() -> None:
    one, two = Forgery(), Forgery()
    for forgery in (one, two):
        forgery.place(Fate.SLOW)
    assert one.history.digest() == two.history.digest()
    two.write("caller", "release", Phase.INFO)
    assert one.history.digest() != two.history.digest()
