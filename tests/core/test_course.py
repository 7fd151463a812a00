"""What a watched order wants next: situations and the step that follows from each, at exact times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwatch.core.chain import OrderChain
from fillwatch.core.config import AtTimeout, PartialFills
from fillwatch.core.course import CheckFor, Course, FinalCheck, Finish, Step, Terms, Wait, Wants
from fillwatch.core.evidence import Executed, Route, Seen
from fillwatch.core.orders import Execution, ExecutionKind, OrderSnapshot, OrderStatus
from fillwatch.core.results import FillOutcome

D = Decimal
S = OrderStatus
Outcome = FillOutcome
T0 = datetime(2026, 3, 2, 15, 0, 0, tzinfo=UTC)
DEADLINE, PATIENCE, RESOLUTION = 160.0, 1.0, 30.0

Told = Seen | Executed


def terms(
    *,
    deadline: float = DEADLINE,
    at_timeout: AtTimeout = AtTimeout.CANCEL,
    partial_fills: PartialFills = PartialFills.CANCEL_REMAINDER,
    resolution: float = RESOLUTION,
) -> Terms:
    return Terms(
        deadline=deadline,
        at_timeout=at_timeout,
        partial_fills=partial_fills,
        partial_patience=PATIENCE,
        resolution=resolution,
    )


def seen(
    status: OrderStatus,
    filled: str | None = "0",
    *,
    at: float,
    qty: str | None = "10",
    price: str | None = "10",
    ident: str = "a",
    to: str | None = None,
) -> Seen:
    order = OrderSnapshot(
        order_id=ident,
        status=status,
        qty=None if qty is None else D(qty),
        filled_qty=None if filled is None else D(filled),
        filled_avg_price=None if price is None else D(price),
        updated_at=T0 + timedelta(seconds=at),
        replaced_by=to,
    )
    return Seen(order=order, route=Route.ORDER, as_of=at)


def executed(ident: str, qty: str, *, at: float, undoes: str | None = None, of: str = "a") -> Executed:
    kind = ExecutionKind.FILL if undoes is None else ExecutionKind.BUST
    row = Execution(execution_id=ident, order_id=of, qty=D(qty), price=D(10), kind=kind, previous_id=undoes)
    return Executed(execution=row, route=Route.ACTIVITIES, as_of=at)


def course_of(*told: Told, tape_as_of: float = -math.inf) -> Course:
    """A course that heard each piece at its own time, and knows of executions when they were heard."""
    course = Course(OrderChain("a"))
    for piece in told:
        before = course.chain.filled_quantity or D(0)
        course.chain.absorb(piece)
        if (course.chain.filled_quantity or D(0)) > before:
            course.last_execution = piece.as_of
        course.note(piece.as_of)
    course.chain.tape_as_of = tape_as_of
    return course


NEW = seen(S.NEW, price=None, at=105)
FOUR = seen(S.PARTIALLY_FILLED, "4", at=110)
SEVEN = seen(S.PARTIALLY_FILLED, "7", at=110.8)

TIMEOUT, REMAINDER = FinalCheck(purpose=CheckFor.TIMEOUT), FinalCheck(purpose=CheckFor.REMAINDER)


# --- alive ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "now", "step"),
    [
        pytest.param([], 100, Wait(until=160), id="nothing heard"),
        pytest.param([], 160, TIMEOUT, id="nothing heard until the deadline"),
        pytest.param([NEW], 159.999, Wait(until=160), id="alive before the deadline"),
        pytest.param([NEW], 160, TIMEOUT, id="alive at the deadline"),
        pytest.param([NEW, FOUR], 110.5, Wait(until=111), id="just executed in part"),
        pytest.param([NEW, FOUR], 111, REMAINDER, id="patience is over"),
        pytest.param([NEW, FOUR, SEVEN], 111, Wait(until=111.8), id="filling in pieces"),
        pytest.param([seen(S.PARTIALLY_FILLED, "4", at=159.5)], 159.6, Wait(until=160), id="deadline before patience"),
        pytest.param([NEW, FOUR], 160, TIMEOUT, id="the deadline comes first"),
        pytest.param([seen(S.HELD, at=110)], 150, Wait(until=160), id="held"),
        pytest.param([seen(S.DONE_FOR_DAY, at=110)], 150, Wait(until=160), id="done for the day"),
        pytest.param([seen(S.UNKNOWN, at=110)], 150, Wait(until=160), id="a status nobody knows"),
        pytest.param([seen(S.REPLACED, to="b", at=110)], 150, Wait(until=160), id="replaced, successor unseen"),
    ],
)
def test_steps_of_an_order_that_is_alive(told: list[Told], now: float, step: Step) -> None:
    """It is waited for until its deadline, or until a partial fill has had its time."""
    assert course_of(*told).next_step(terms(), now, has_tape=True) == step


@pytest.mark.parametrize(
    ("which", "now", "step"),
    [
        (terms(partial_fills=PartialFills.WAIT), 150, Wait(until=160)),
        (terms(partial_fills=PartialFills.WAIT), 160, TIMEOUT),
        (terms(at_timeout=AtTimeout.LEAVE), 150, Wait(until=160)),
        (terms(at_timeout=AtTimeout.LEAVE), 160, TIMEOUT),
        (terms(deadline=math.inf, partial_fills=PartialFills.WAIT), 1e9, Wait(until=math.inf)),
        (terms(deadline=math.inf), 1e9, REMAINDER),
    ],
    ids=["wait", "wait to the deadline", "leave", "leave to the deadline", "no deadline", "no deadline, cut"],
)
def test_the_terms_of_a_partly_executed_order(which: Terms, now: float, step: Step) -> None:
    """The remainder is cut where the caller lets us, and nowhere else."""
    assert course_of(NEW, FOUR).next_step(which, now, has_tape=True) == step


def test_an_order_whose_remainder_could_not_be_cancelled_goes_on() -> None:
    """To its deadline, without a second cut."""
    course = course_of(NEW, FOUR)
    course.lives_on = True
    assert course.next_step(terms(), 120, has_tape=True) == Wait(until=160)
    assert course.next_step(terms(), 160, has_tape=True) == TIMEOUT


def test_a_check_that_proved_nothing_is_reported_as_that() -> None:
    """Alive or silent after it: unresolved, in the check's words. An end that came after all takes precedence."""
    course = course_of(NEW)
    course.unproven = "no end within 30 s"
    gone = Finish(outcome=Outcome.UNRESOLVED, reason="no end within 30 s")
    assert course.next_step(terms(), 120, has_tape=True) == gone
    course = course_of(seen(S.FILLED, "10", at=120))
    course.unproven = "no end within 30 s"
    assert course.next_step(terms(), 120, has_tape=True) == Finish(outcome=Outcome.FILLED, reason=None)


def test_a_rejected_successor_makes_the_order_before_it_wanted() -> None:
    """Its rejection is no end: the order before it may be filled or alive, and is looked at."""
    course = course_of(seen(S.REPLACED, to="b", at=110), seen(S.REJECTED, ident="b", at=111))
    assert course.next_step(terms(), 112, has_tape=True) == Wait(until=160, wants=Wants.PREDECESSOR)
    assert course.next_step(terms(), 160, has_tape=True) == TIMEOUT


@pytest.mark.parametrize(("has_tape", "wants"), [(True, Wants.TAPE), (False, None)])
def test_a_chain_of_unknown_quantity_wants_the_tape(has_tape: bool, wants: Wants | None) -> None:
    """If there is one."""
    course = course_of(seen(S.REPLACED, "4", to="b", at=110), seen(S.PARTIALLY_FILLED, "6", ident="b", at=111))
    assert course.next_step(terms(), 112, has_tape=has_tape) == Wait(until=160, wants=wants)


# --- ended ------------------------------------------------------------------------------------------------------------

PLAIN: Sequence[tuple[OrderStatus, FillOutcome]] = [
    (S.CANCELED, Outcome.CANCELED),
    (S.EXPIRED, Outcome.EXPIRED),
    (S.REJECTED, Outcome.REJECTED),
]


@pytest.mark.parametrize(("status", "outcome"), PLAIN)
def test_an_order_that_had_ended_before_the_watch_is_reported_at_once(status: OrderStatus, outcome: Outcome) -> None:
    """Nothing can lag any more."""
    step = course_of(seen(status, at=100)).next_step(terms(), 100, has_tape=True)
    assert step == Finish(outcome=outcome, reason=f"{status.value} by the broker; nothing was executed")


def test_executions_of_more_than_the_order_says_wait_for_a_look_at_it() -> None:
    """One of the two is wrong, and the order's own answer after its end says whether it stays so."""
    pushed = replace(seen(S.FILLED, "10", at=120), route=Route.STREAM)
    course = course_of(NEW, executed("e1", "4", at=110), executed("e2", "10", at=119), pushed, tape_as_of=121)
    wait = Wait(until=119 + RESOLUTION, wants=Wants.LOOK)
    assert course.next_step(terms(), 122, has_tape=True) == wait
    course.chain.absorb(seen(S.FILLED, "10", at=123))
    finish = Finish(outcome=Outcome.FILLED, reason="overfilled: 14 of 10")
    assert course.next_step(terms(), 123, has_tape=True) == finish


@pytest.mark.parametrize(
    ("told", "outcome", "reason"),
    [
        pytest.param([seen(S.FILLED, "10", at=120)], Outcome.FILLED, None, id="filled"),
        pytest.param([seen(S.FILLED, "12", at=120)], Outcome.FILLED, "overfilled: 12 of 10", id="overfilled"),
        pytest.param([seen(S.FILLED, "0.055138951", qty=None, at=120)], Outcome.FILLED, None, id="notional"),
        pytest.param([seen(S.CANCELED, "10", at=120)], Outcome.FILLED, None, id="filled and canceled"),
        pytest.param(
            [seen(S.CANCELED, "4", at=120)], Outcome.PARTIALLY_FILLED, "canceled after 4 of 10", id="canceled"
        ),
        pytest.param([seen(S.EXPIRED, "4", at=120)], Outcome.PARTIALLY_FILLED, "expired after 4 of 10", id="expired"),
        pytest.param(
            [seen(S.CANCELED, "4", qty=None, at=120)],
            *(Outcome.PARTIALLY_FILLED, "canceled after 4 of an unknown quantity"),
            id="notional, canceled",
        ),
        pytest.param(
            [
                *(executed("e1", "4", at=120), executed("e2", "6", at=120), seen(S.FILLED, "10", at=120)),
                executed("x", "6", at=130, undoes="e2"),
            ],
            *(Outcome.PARTIALLY_FILLED, "filled, then busted to 4 of 10"),
            id="busted in part",
        ),
        pytest.param(
            [
                *(executed("e1", "10", at=120), seen(S.FILLED, "10", at=120)),
                executed("x", "10", at=130, undoes="e1"),
            ],
            *(Outcome.CANCELED, "filled, then busted to 0 of 10"),
            id="busted",
        ),
    ],
)
@pytest.mark.parametrize("has_tape", [True, False])
def test_ends_that_lack_nothing(told: list[Told], outcome: Outcome, reason: str | None, has_tape: bool) -> None:
    """They are reported at once, tape or no tape."""
    step = course_of(*told).next_step(terms(), 130, has_tape=has_tape)
    assert step == Finish(outcome=outcome, reason=reason)


UNKNOWN_QUANTITY, UNKNOWN_PRICE = "the executed quantity is not known", "the average price is not known"


@pytest.mark.parametrize(
    ("end", "outcome", "reason"),
    [
        pytest.param(seen(S.FILLED, None, at=120), Outcome.FILLED, UNKNOWN_QUANTITY, id="no quantity"),
        pytest.param(seen(S.FILLED, "0", qty=None, at=120), Outcome.FILLED, UNKNOWN_QUANTITY, id="notional, zero"),
        pytest.param(seen(S.FILLED, "10", price=None, at=120), Outcome.FILLED, UNKNOWN_PRICE, id="no price"),
        pytest.param(seen(S.FILLED, "10", price="0", at=120), Outcome.FILLED, UNKNOWN_PRICE, id="price zero"),
        pytest.param(
            seen(S.FILLED, "6", at=120),
            *(Outcome.UNRESOLVED, "the broker contradicts itself; status says filled, quantity says 6 of 10"),
            id="filled but smaller",
        ),
        pytest.param(
            seen(S.FILLED, "0", at=120),
            *(Outcome.UNRESOLVED, "the broker contradicts itself; status says filled, quantity says 0 of 10"),
            id="filled but zero",
        ),
        pytest.param(
            seen(S.CANCELED, None, at=120),
            *(Outcome.UNRESOLVED, f"canceled, but how much was executed before is not known; {UNKNOWN_QUANTITY}"),
            id="canceled, no quantity",
        ),
        pytest.param(
            seen(S.CANCELED, "4", price=None, at=120),
            *(Outcome.PARTIALLY_FILLED, f"canceled after 4 of 10; {UNKNOWN_PRICE}"),
            id="canceled, no price",
        ),
    ],
)
@pytest.mark.parametrize(("has_tape", "wants"), [(True, Wants.TAPE), (False, Wants.LOOK)])
def test_what_lags_behind_an_end_is_waited_for_and_never_guessed(
    end: Seen, outcome: Outcome, reason: str, has_tape: bool, wants: Wants
) -> None:
    """Until 30 s after the end was met; then it is reported without, and with the reason."""
    course = course_of(end)
    for now in (120.0, 149.999):
        assert course.next_step(terms(), now, has_tape=has_tape) == Wait(until=150, wants=wants)
    finish = Finish(outcome=outcome, reason=reason)
    assert course.next_step(terms(), 150.0, has_tape=has_tape) == finish
    assert course.next_step(terms(resolution=0.0), 120.0, has_tape=has_tape) == finish


def test_what_lagged_settles_the_matter_when_it_comes() -> None:
    """The quantity, then the price: FILLED at once, without a reason."""
    course = course_of(seen(S.FILLED, "6", at=120), seen(S.FILLED, "10", price=None, at=121))
    assert course.next_step(terms(), 121, has_tape=True) == Wait(until=150, wants=Wants.TAPE)
    for piece in (executed("e1", "4", at=122), executed("e2", "6", at=122)):
        course.chain.absorb(piece)
    course.note(122)
    assert course.next_step(terms(), 122, has_tape=True) == Finish(outcome=Outcome.FILLED, reason=None)


# --- an end met while we watched --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "outcome"), PLAIN[:2])
def test_an_end_met_alive_needs_the_tape_read_after_it(status: OrderStatus, outcome: Outcome) -> None:
    """`canceled` with nothing executed may be a cancel with something executed whose fields lag."""
    plain = f"{status.value} by the broker; nothing was executed"
    told = NEW, seen(status, price=None, at=120)
    for read in (-math.inf, 119.0, 119.999):
        course = course_of(*told, tape_as_of=read)
        assert course.next_step(terms(), 125, has_tape=True) == Wait(until=150, wants=Wants.TAPE)
    alone = Finish(outcome=outcome, reason=f"{plain}; the end was seen by one route only")
    assert course.next_step(terms(), 150, has_tape=True) == alone
    course = course_of(*told, tape_as_of=120.0)
    assert course.next_step(terms(), 125, has_tape=True) == Finish(outcome=outcome, reason=plain)


def test_without_a_tape_a_second_look_is_the_witness() -> None:
    """One that is true after the end was first met."""
    course = course_of(NEW, seen(S.CANCELED, price=None, at=120))
    assert course.next_step(terms(), 121, has_tape=False) == Wait(until=150, wants=Wants.LOOK)
    course = course_of(NEW, seen(S.CANCELED, price=None, at=120), seen(S.CANCELED, price=None, at=121))
    step = course.next_step(terms(), 121, has_tape=False)
    assert step == Finish(outcome=Outcome.CANCELED, reason="canceled by the broker; nothing was executed")


def test_a_partial_end_met_alive_needs_the_witness_too() -> None:
    """Four were executed by then as far as we know; there may be more."""
    course = course_of(NEW, FOUR, seen(S.CANCELED, "4", at=120))
    assert course.next_step(terms(), 121, has_tape=True) == Wait(until=150, wants=Wants.TAPE)
    course.chain.tape_as_of = 121
    step = course.next_step(terms(), 121, has_tape=True)
    assert step == Finish(outcome=Outcome.PARTIALLY_FILLED, reason="canceled after 4 of 10")


@pytest.mark.parametrize("status", [S.FILLED, S.REJECTED])
def test_full_fills_and_rejections_need_no_second_witness(status: OrderStatus) -> None:
    """Neither leaves anything open; waiting would only make the report late."""
    end = seen(status, "10" if status is S.FILLED else "0", at=120)
    assert isinstance(course_of(NEW, end).next_step(terms(), 120, has_tape=True), Finish)


@pytest.mark.parametrize(
    ("status", "filled", "outcome", "reason"),
    [
        (S.CANCELED, "0", Outcome.TIMED_OUT, "timed out; canceled after our cancel, nothing was executed"),
        (S.EXPIRED, "0", Outcome.EXPIRED, "expired by the broker; nothing was executed"),
        (S.CANCELED, "4", Outcome.PARTIALLY_FILLED, "canceled after 4 of 10"),
        (S.FILLED, "10", Outcome.FILLED, None),
    ],
)
def test_our_cancel_makes_a_canceled_order_timed_out(
    status: OrderStatus, filled: str, outcome: Outcome, reason: str | None
) -> None:
    """Only a cancel that the broker took, only `canceled`, and only if nothing was executed."""
    course = course_of(NEW, seen(status, filled, at=120), tape_as_of=121)
    course.cancel_accepted = True
    assert course.next_step(terms(), 121, has_tape=True) == Finish(outcome=outcome, reason=reason)


def test_a_cancel_that_was_merely_sent_explains_nothing() -> None:
    """Refused or lost: somebody else cancelled the order."""
    course = course_of(NEW, seen(S.CANCELED, at=120), tape_as_of=121)
    course.first_cancel = 115
    step = course.next_step(terms(), 121, has_tape=True)
    assert step == Finish(outcome=Outcome.CANCELED, reason="canceled by the broker; nothing was executed")


def test_an_end_that_was_taken_back_is_waited_for_anew() -> None:
    """The successor is rejected, the order before it lives on and ends later: the bound counts from that end."""
    told = (
        seen(S.REPLACED, to="b", at=110),
        seen(S.REJECTED, ident="b", at=111),
        seen(S.REPLACED, to="b", at=112),
    )
    course = course_of(*told)
    assert course.end_seen == 112
    course.chain.absorb(seen(S.NEW, at=115))
    course.note(115)
    assert (course.end_seen, course.seen_alive) == (math.inf, True)
    assert course.next_step(terms(), 116, has_tape=True) == Wait(until=160)
    course.chain.absorb(seen(S.CANCELED, at=120))
    course.note(121)
    course.note(140)
    assert course.next_step(terms(), 141, has_tape=True) == Wait(until=151, wants=Wants.TAPE)


# --- asleep -----------------------------------------------------------------------------------------------------------

_PIECES = st.sampled_from(
    [
        *[(S.NEW, 0, None), (S.ACCEPTED, 0, None), (S.PARTIALLY_FILLED, 2, None), (S.PARTIALLY_FILLED, 5, None)],
        *[(S.PENDING_CANCEL, 5, None), (S.FILLED, 10, None), (S.CANCELED, 5, None), (S.REPLACED, 2, "b")],
        *[(S.REJECTED, 0, None), (S.NEW, 0, None)],
    ]
)


@given(
    pieces=st.lists(st.tuples(_PIECES, st.sampled_from("aaab"), st.floats(0.0, 0.8)), min_size=1, max_size=12),
    policy=st.sampled_from(PartialFills),
)
def test_who_sleeps_on_would_have_gone_on_waiting(
    pieces: list[tuple[tuple[OrderStatus, int, str | None], str, float]], policy: PartialFills
) -> None:
    """The cheap test never says so of news from which a step, or an earlier end of the wait, follows."""
    course, wanted, now = Course(OrderChain("a")), terms(partial_fills=policy), 100.0
    step, asleep_until = course.next_step(wanted, now, has_tape=True), -math.inf
    patience = PATIENCE if policy is PartialFills.CANCEL_REMAINDER else math.inf
    for (status, filled, to), ident, passed in pieces:
        now += passed
        before = course.chain.filled_quantity
        course.chain.absorb(seen(status, str(filled), at=now, ident=ident, to=to))
        if course.chain.filled_quantity != before:
            course.last_execution = now
        course.note(now)
        sleeps_on = course.goes_on(now, asleep_until=asleep_until, patience=patience)
        step = course.next_step(wanted, now, has_tape=True)
        if sleeps_on:
            assert isinstance(step, Wait)
            assert (step.until >= asleep_until, step.wants) == (True, None)
        elif isinstance(step, Wait):
            asleep_until = min(step.until, asleep_until) if asleep_until > now else step.until
        else:
            return


def test_news_of_an_order_that_is_alive_need_not_wake_its_task() -> None:
    """Which is the point of it."""
    course = course_of(NEW, FOUR)
    assert course.goes_on(110.0, asleep_until=DEADLINE, patience=math.inf)
    assert course.goes_on(110.0, asleep_until=111.0, patience=PATIENCE)
    assert not course.goes_on(110.0, asleep_until=DEADLINE, patience=PATIENCE)
    assert not course.goes_on(110.0, asleep_until=110.0, patience=math.inf)
    assert not course_of(NEW, seen(S.CANCELED, at=111)).goes_on(111.0, asleep_until=DEADLINE, patience=math.inf)
