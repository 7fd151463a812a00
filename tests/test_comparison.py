"""The demonstration's judge: it must catch every kind of lie, and must not cry wolf."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from fillwatch.cli.comparison import Kind, Told, judge, percentile
from fillwatch.cli.facts import Fact, read_fact
from fillwatch.core.orders import OrderRequest, Side
from fillwatch.core.results import Amendment, AmendmentKind, FillOutcome, FillResult
from fillwatch.simulator import Fate, Op, SimulatedBroker, World
from fillwatch.simulator import Kind as Fault
from fillwatch.testing import run_virtual

REQUEST = OrderRequest(
    symbol="AAPL", side=Side.BUY, qty=Decimal(100), order_type="limit", limit_price=Decimal("150.25")
)
#: Clock seconds at which the world begins, and at which everything is told.
START, THEN = 1_000.0, 1_060.0


def lived(fate: Fate, *, cancel_after: float | None = None, inherits: bool = True, seed: int = 3) -> Fact:
    """One order of this fate a minute later, cancelled by us meanwhile or not."""

    async def live() -> Fact:
        clock = asyncio.get_running_loop().time
        world = World(seed, clock=clock, timeout=12.0, inherits=inherits)
        order_id = world.place(REQUEST, fate)
        if cancel_after is not None:
            await asyncio.sleep(cancel_after)
            await SimulatedBroker(world).cancel(world.ledger.chain(order_id)[-1])
        await asyncio.sleep(THEN - clock())
        return read_fact(world.ledger, order_id)

    return run_virtual(live, start=START)


def truthful(fact: Fact, outcome: FillOutcome, t: float = THEN) -> Told:
    """What a truthful engine would have told of it at `t`."""
    last = fact.known_by(t)[-1]
    price = None if last.average is None else last.average.quantize(Decimal("1e-9"))
    return Told(
        result=FillResult(
            order_id=fact.order_id,
            final_order_id=fact.word_at(t).order_id,
            outcome=outcome,
            filled=outcome is FillOutcome.FILLED,
            fill_quantity=last.net,
            fill_price=price,
        ),
        at=t,
    )


def kinds(fact: Fact, *told: Told) -> list[Kind]:
    return [finding.kind for finding in judge(fact, told).findings]


F, End = Fate, FillOutcome
TRUTHS = [
    (F.INSTANT, None, End.FILLED),
    (F.SLOW, None, End.FILLED),
    (F.MANY_PARTIALS, None, End.FILLED),
    (F.FRACTIONAL, None, End.FILLED),
    (F.LATE_FIELDS, None, End.FILLED),
    (F.PARTIAL, 8.0, End.PARTIALLY_FILLED),
    (F.NEVER, 5.0, End.TIMED_OUT),
    (F.REJECTED, None, End.REJECTED),
    (F.EXPIRED, None, End.EXPIRED),
    (F.EXPIRED_PARTLY, None, End.PARTIALLY_FILLED),
    (F.CANCELED_BY_OTHERS, None, End.CANCELED),
    (F.CANCELED_PARTLY, None, End.PARTIALLY_FILLED),
    (F.REPLACED_FILLS, None, End.FILLED),
    (F.REPLACED_TWICE, None, End.FILLED),
    (F.REPLACED_NEVER, 8.0, End.TIMED_OUT),
    (F.REPLACED_AFTER_PARTIAL, None, End.FILLED),
    (F.FILLED_IN_CANCEL_RACE, 5.0, End.FILLED),
    (F.FILLED_AFTER_CANCEL, 5.0, End.FILLED),
    (F.HALF_AFTER_CANCEL, 5.0, End.PARTIALLY_FILLED),
    (F.CANCEL_STUCK, 5.0, End.UNRESOLVED),
    (F.NEVER, None, End.UNRESOLVED),
    (F.CORRECTED, None, End.FILLED),
    (F.BUSTED, None, End.FILLED),
]


@pytest.mark.parametrize("inherits", [True, False])
@pytest.mark.parametrize(("fate", "cancel_after", "outcome"), TRUTHS)
def test_the_truth_is_found_to_be_true_and_every_other_end_untrue(
    fate: Fate, cancel_after: float | None, outcome: FillOutcome, inherits: bool
) -> None:
    fact = lived(fate, cancel_after=cancel_after, inherits=inherits)
    told = truthful(fact, outcome)
    assert judge(fact, [told]).findings == ()
    assert not judge(fact, [told]).overdue
    busted = {End.PARTIALLY_FILLED} if fate is F.BUSTED else set()
    for lie in set(End) - {outcome, End.UNRESOLVED} - busted:
        assert kinds(fact, truthful(fact, lie)), f"{lie} went unnoticed"


def changed(told: Told, **changes: object) -> Told:
    return replace(told, result=replace(told.result, **changes))  # type: ignore[arg-type]  # fields by name


def amended(told: Told, at: float, **changes: object) -> Told:
    after = replace(told.result, **changes)  # type: ignore[arg-type]  # fields by name
    amendment = Amendment(
        order_id=after.order_id, kind=AmendmentKind.LATE_FILL, result=told.result, amended=after, at=at, reason="late"
    )
    return replace(told, amendments=(*told.amendments, (at, amendment)))


def unresolved(told: Told, quantity: Decimal | None) -> Told:
    return changed(told, outcome=End.UNRESOLVED, filled=False, fill_quantity=quantity, fill_price=None)


@pytest.fixture(scope="module")
def filled() -> Fact:
    """An order that was filled in several parts."""
    return lived(F.MANY_PARTIALS)


LIES: list[tuple[Callable[[Told], Told], list[Kind]]] = [
    (lambda told: changed(told, fill_quantity=Decimal(99)), [Kind.MISSED, Kind.WRONG_PRICE]),
    (lambda told: changed(told, fill_quantity=Decimal(0), fill_price=None), [Kind.MISSED]),
    (lambda told: changed(told, fill_quantity=Decimal(101)), [Kind.PHANTOM, Kind.WRONG_PRICE]),
    (lambda told: changed(told, fill_price=told.result.fill_price + Decimal("0.00000001")), [Kind.WRONG_PRICE]),  # type: ignore[operator]  # there is one
    (lambda told: changed(told, filled=False), [Kind.WRONG_END]),
    (lambda told: changed(told, outcome=End.PARTIALLY_FILLED, filled=False), [Kind.MISSED]),
    (lambda told: changed(told, final_order_id="another"), [Kind.WRONG_END]),
    (lambda told: unresolved(told, Decimal(0)), [Kind.MISSED]),
    (lambda told: unresolved(told, None), [Kind.MISSED]),
    (lambda told: replace(told, at=START), [Kind.PHANTOM, Kind.PHANTOM, Kind.WRONG_PRICE]),
    (lambda told: replace(told, believed_full_at=START), [Kind.PHANTOM]),
    (lambda told: amended(told, THEN, fill_quantity=Decimal(120)), [Kind.PHANTOM, Kind.WRONG_PRICE]),
]  # fmt: skip


@pytest.mark.parametrize(("lie", "found"), LIES)
def test_each_lie_about_a_filled_order_is_caught(filled: Fact, lie: Callable[[Told], Told], found: list[Kind]) -> None:
    told = truthful(filled, End.FILLED)
    assert kinds(filled, told) == []
    assert kinds(filled, lie(told)) == found


def test_one_result_is_owed_and_no_more(filled: Fact) -> None:
    told = truthful(filled, End.FILLED)
    assert kinds(filled) == [Kind.NO_RESULT]
    assert kinds(filled, told, told) == [Kind.REPEATED]


def test_filled_before_it_was_is_a_phantom(filled: Fact) -> None:
    """The same words are a lie one moment and true the next."""
    assert filled.filled_at is not None
    told = truthful(filled, End.FILLED)
    assert Kind.PHANTOM in kinds(filled, replace(told, at=filled.filled_at - 0.0001))
    assert kinds(filled, replace(told, at=filled.filled_at)) == []


def test_the_first_part_alone_is_missed_once_the_rest_is_executed(filled: Fact) -> None:
    first = filled.states[0]
    part = changed(truthful(filled, End.UNRESOLVED), fill_quantity=first.executed, fill_price=first.average)
    assert kinds(filled, part) == [Kind.MISSED]
    assert kinds(filled, replace(part, at=first.t)) == [], "it was all there was then"


def test_an_amendment_makes_good_for_an_unresolved_result(filled: Fact) -> None:
    last = filled.states[-1]
    told = changed(truthful(filled, End.UNRESOLVED), fill_quantity=None, fill_price=None)
    late = amended(told, THEN + 5, outcome=End.FILLED, filled=True, fill_quantity=last.net, fill_price=last.average)
    verdict = judge(filled, [late])
    assert verdict.findings == ()
    assert verdict.overdue, "it had ended long before"


def test_a_bust_may_be_told_or_not_yet_but_no_third_quantity() -> None:
    fact = lived(F.BUSTED)
    *_, full, busted = fact.states
    assert full.net > busted.net
    told = truthful(fact, End.FILLED)
    assert kinds(fact, changed(told, fill_quantity=full.executed, fill_price=full.average)) == []
    assert kinds(fact, changed(told, fill_quantity=busted.net, fill_price=busted.average)) == []
    assert kinds(fact, changed(told, fill_quantity=busted.net + 1, fill_price=None)) == [Kind.WRONG_QUANTITY]
    assert kinds(fact, changed(told, fill_quantity=busted.net - 1, fill_price=None)) == [Kind.MISSED]


def test_a_cancel_of_ours_is_not_somebody_elses() -> None:
    ours, theirs = lived(F.NEVER, cancel_after=5.0), lived(F.CANCELED_BY_OTHERS)
    assert kinds(ours, truthful(ours, End.CANCELED)) == [Kind.WRONG_END]
    assert kinds(theirs, truthful(theirs, End.TIMED_OUT)) == [Kind.WRONG_END]


def test_a_replaced_order_is_named_by_its_last_id() -> None:
    fact = lived(F.REPLACED_TWICE)
    told = truthful(fact, End.FILLED)
    assert told.result.final_order_id != fact.order_id
    assert kinds(fact, changed(told, final_order_id=fact.order_id)) == [Kind.WRONG_END]


def test_delay_counts_from_the_last_share_to_the_first_belief(filled: Fact) -> None:
    assert filled.filled_at is not None
    told = truthful(filled, End.FILLED)
    later = replace(told, at=filled.filled_at + 3.0)
    assert judge(filled, [later]).delay == pytest.approx(3.0)
    believed = replace(later, believed_full_at=filled.filled_at + 0.5)
    assert judge(filled, [believed]).delay == pytest.approx(0.5)
    never = lived(F.NEVER, cancel_after=5.0)
    assert judge(never, [truthful(never, End.TIMED_OUT)]).delay is None


def test_a_fill_without_a_price_is_no_lie_but_noted(filled: Fact) -> None:
    verdict = judge(filled, [changed(truthful(filled, End.FILLED), fill_price=None)])
    assert (verdict.findings, verdict.unpriced) == ((), True)


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [percentile(values, share) for share in (0.5, 0.99, 1.0)] == [50.0, 99.0, 100.0]
    assert percentile([2.0, 1.0], 0.5) == 1.0
    assert percentile([], 0.5) is None


def test_a_cancel_of_ours_that_nobody_answered_may_have_ended_it_or_not() -> None:
    theirs = lived(F.CANCELED_BY_OTHERS)
    perhaps = replace(theirs, unanswered=(START + 0.1,))
    assert kinds(perhaps, truthful(perhaps, End.TIMED_OUT)) == []
    assert kinds(perhaps, truthful(perhaps, End.CANCELED)) == []
    assert kinds(perhaps, truthful(perhaps, End.EXPIRED)) == [Kind.WRONG_END]


def test_an_unanswered_cancel_is_read_from_the_arrivals() -> None:
    async def live() -> tuple[Fact, Fact]:
        world = World(3, clock=asyncio.get_running_loop().time)
        struck, spared = (world.place(REQUEST, F.NEVER) for _ in range(2))
        world.strike(Fault.RESET_BEFORE, Op.CANCEL)
        await SimulatedBroker(world).cancel(struck)
        await SimulatedBroker(world).cancel(spared)
        return read_fact(world.ledger, struck), read_fact(world.ledger, spared)

    struck, spared = run_virtual(live, start=START)
    assert (len(struck.unanswered), len(struck.cancels)) == (1, 0)
    assert (len(spared.unanswered), len(spared.cancels)) == (0, 1)


def test_a_refused_cancel_is_none_of_ours() -> None:
    fact = lived(F.CANCEL_REFUSED, cancel_after=5.0)
    assert fact.cancels == ()
    assert kinds(fact, truthful(fact, End.UNRESOLVED)) == []
    assert kinds(fact, truthful(fact, End.TIMED_OUT)) == [Kind.WRONG_END]
