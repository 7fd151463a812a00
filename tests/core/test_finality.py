"""The final check, driven by hand: what it asks, when, and what it takes for a proof."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from fillwatch.core.chain import OrderChain
from fillwatch.core.errors import TransientError
from fillwatch.core.evidence import Evidence, Look, Missing, Route, Seen, Unanswered
from fillwatch.core.finality import (
    AGAIN_AFTER,
    FIRST_PAUSE,
    LAST_LOOK,
    LEAST_LOOK,
    LONGEST_PAUSE,
    AskCancel,
    AskLook,
    CancelFate,
    Proof,
    Question,
    Reply,
    final_check,
)
from fillwatch.core.orders import OrderSnapshot, OrderStatus

S = OrderStatus
Fate = CancelFate
T0 = datetime(2026, 3, 2, 15, 0, 0, tzinfo=UTC)
START = 100.0
RESOLUTION = 30.0


def seen(ident: str, status: OrderStatus, now: float, *, to: str | None = None) -> Seen:
    order = OrderSnapshot(
        order_id=ident,
        status=status,
        qty=Decimal(10),
        filled_qty=Decimal(10 if status is S.FILLED else 0),
        updated_at=T0 + timedelta(seconds=now),
        replaced_by=to,
    )
    return Seen(order=order, route=Route.ORDER, as_of=now)


class Check:
    """A final check between two questions; its replies are absorbed first, as whoever drives it has to."""

    def __init__(
        self,
        *known: Evidence,
        may_cancel: bool = True,
        resolution: float = RESOLUTION,
        first_cancel: float = math.inf,
    ) -> None:
        self.chain = OrderChain("a")
        for piece in known:
            self.chain.absorb(piece)
        self._dialogue = final_check(
            self.chain, now=START, may_cancel=may_cancel, resolution=resolution, first_cancel=first_cancel
        )
        self.at: Question | Proof = next(self._dialogue)
        self.cancels: list[tuple[str, float]] = []

    def reply(self, reply: Reply) -> Question | Proof:
        if reply.look is not None:
            self.chain.absorb(reply.look)
        try:
            self.at = self._dialogue.send(reply)
        except StopIteration as stop:
            self.at = stop.value
        return self.at

    def looked(self, now: float, look: Look | None) -> Question | Proof:
        assert isinstance(self.at, AskLook)
        return self.reply(Reply(now=now, look=look))

    def canceled(self, now: float, fate: CancelFate, *, sent: bool = True) -> Question | Proof:
        assert isinstance(self.at, AskCancel)
        self.cancels.append((self.at.order_id, now))
        return self.reply(Reply(now=now, cancel=fate, sent_at=now if sent else None))

    def drive(self, look: Callable[[float, str], Look | None], fate: CancelFate, *, rounds: int = 200) -> Proof:
        """Answer to the end: looks at the moment they ask for, cancels at once."""
        now = START
        for _ in range(rounds):
            match self.at:
                case Proof():
                    return self.at
                case AskLook():
                    now = max(now, self.at.since)
                    self.looked(now, look(now, self.at.order_id))
                case AskCancel():
                    self.canceled(now, fate)
        raise AssertionError(f"no end after {rounds} questions")


def alive(now: float, ident: str = "a") -> Seen:
    return seen(ident, S.NEW, now)


def unanswered(now: float, ident: str = "a") -> Unanswered:
    return Unanswered(error=TransientError(f"{ident}: 503"), route=Route.ORDER, as_of=now)


def missing(now: float, ident: str = "a") -> Missing:
    return Missing(order_id=ident, route=Route.ORDER, as_of=now)


def look_at(ident: str, since: float, until: float) -> AskLook:
    return AskLook(order_id=ident, since=since, until=until)


# --- the last look ----------------------------------------------------------------------------------------------------


def test_the_first_question_is_a_fresh_look() -> None:
    """Before anything is cancelled the order is looked at, and an old answer will not do."""
    assert Check(alive(0.0)).at == look_at("a", START, START + LAST_LOOK)


@pytest.mark.parametrize("end", [S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED])
def test_an_end_at_the_last_look_is_the_end(end: OrderStatus) -> None:
    """A fill in the last second counts, and no cancel follows it."""
    assert Check(alive(0.0)).looked(100.1, seen("a", end, 100.1)) is Proof.OVER


@pytest.mark.parametrize("look", [unanswered(110.0), None, missing(110.0)], ids=["unanswered", "too late", "missing"])
def test_a_last_look_without_an_answer_does_not_block_the_cancel(look: Look | None) -> None:
    """The order was seen before, so it is there to be cancelled."""
    assert Check(alive(0.0)).looked(110.0, look) == AskCancel(order_id="a")


def test_an_order_that_nobody_ever_saw_is_not_cancelled() -> None:
    """The broker does not know the id: whose order would that cancel be for?"""
    assert Check().looked(100.1, missing(100.1)) is Proof.NEVER_SEEN
    assert Check(missing(50.0)).looked(110.0, None) is Proof.NEVER_SEEN


def test_without_any_answer_ever_the_order_is_cancelled() -> None:
    """Silence is no absence: the order may be live, and its time is over."""
    assert Check().looked(110.0, unanswered(110.0)) == AskCancel(order_id="a")


@pytest.mark.parametrize("look", [alive(100.1), unanswered(100.1), None], ids=["alive", "unanswered", "none"])
def test_an_order_that_is_to_be_left_is_looked_at_once(look: Look | None) -> None:
    """`at_timeout="leave"`: no cancel, whatever the look says."""
    assert Check(alive(0.0), may_cancel=False).looked(100.1, look) is Proof.LEFT_ALONE


def test_an_order_to_be_left_may_turn_out_to_be_over() -> None:
    """The last look is for those orders too."""
    assert Check(alive(0.0), may_cancel=False).looked(100.1, seen("a", S.FILLED, 100.1)) is Proof.OVER


# --- after the cancel -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fate", list(CancelFate))
def test_no_answer_to_a_cancel_proves_an_end(fate: CancelFate) -> None:
    """204, 422 "already filled", 404: each is followed by a look, and the look alone is believed."""
    check = Check(alive(0.0))
    check.looked(100.0, alive(100.0))
    assert check.canceled(100.5, fate) == look_at("a", 100.5 + FIRST_PAUSE, 130.5)
    assert check.looked(101.0, seen("a", S.CANCELED, 101.0)) is Proof.OVER


def test_looks_after_a_cancel_become_rarer() -> None:
    """Each pause is twice the one before, to the longest; `pending_cancel` needs no second cancel."""
    check = Check(alive(0.0))
    check.looked(100.0, alive(100.0))
    check.canceled(100.0, Fate.REQUESTED)
    now, pauses = 100.0, []
    for _ in range(6):
        assert isinstance(check.at, AskLook)
        pauses.append(check.at.since - now)
        now = check.at.since
        check.looked(now, seen("a", S.PENDING_CANCEL, now))
    assert pauses == [0.25, 0.5, 1.0, 2.0, 2.0, LONGEST_PAUSE]
    assert len(check.cancels) == 1


def test_the_bound_is_counted_from_the_first_cancel_sent() -> None:
    """30 s after it nothing is proven: the order may be live, and that is what is said."""
    check = Check(alive(0.0))
    check.looked(100.0, alive(100.0))
    check.canceled(102.0, Fate.REQUESTED)
    assert isinstance(check.at, AskLook)
    assert check.at.until == 132.0
    check.looked(131.9, seen("a", S.PENDING_CANCEL, 131.9))
    assert check.at == look_at("a", 132.0, 132.0)
    assert check.looked(132.0, seen("a", S.PENDING_CANCEL, 132.0)) is Proof.UNPROVEN


def test_an_end_at_the_bound_is_an_end() -> None:
    """The last answer counts before the bound does."""
    check = Check(alive(0.0))
    check.looked(100.0, alive(100.0))
    check.canceled(100.0, Fate.REQUESTED)
    assert check.looked(130.0, seen("a", S.CANCELED, 130.0)) is Proof.OVER


def test_a_cancel_that_was_sent_before_this_check_counts() -> None:
    """A check that follows another has what is left of the bound, and a second's look at least."""
    check = Check(alive(0.0), first_cancel=80.0)
    check.looked(100.0, alive(100.0))
    assert check.canceled(100.0, Fate.REQUESTED) == look_at("a", 100.25, 110.0)
    late = Check(alive(0.0), first_cancel=10.0)
    late.looked(100.0, alive(100.0))
    assert late.canceled(100.0, Fate.REQUESTED) == look_at("a", 100.25, 100.0 + LEAST_LOOK)


def test_a_cancel_that_never_left_does_not_start_the_clock() -> None:
    """Without a token or a connection no cancel was sent; the bound is counted from the next one that is."""
    check = Check(alive(0.0))
    check.looked(100.0, alive(100.0))
    check.canceled(100.0, Fate.UNKNOWN, sent=False)
    assert check.at == look_at("a", 100.25, 130.0)
    check.looked(101.0, alive(101.0))
    assert check.canceled(105.0, Fate.REQUESTED) == look_at("a", 105.25, 135.0)


def test_with_no_answer_at_all_the_end_is_unproven() -> None:
    """An outage is no end: one cancel, as no look tells that it did not work, and UNPROVEN at the bound."""
    check = Check(alive(0.0))
    assert check.drive(lambda now, _: None, Fate.UNKNOWN) is Proof.UNPROVEN
    assert check.cancels == [("a", START)]


# --- again ------------------------------------------------------------------------------------------------------------


def times(cancels: list[tuple[str, float]]) -> list[float]:
    return [now - START for _, now in cancels]


def test_a_refused_cancel_is_sent_again_after_a_look() -> None:
    """After an eighth of the usual time, doubled from one to the next, and each time the order was seen alive."""
    check = Check(alive(0.0))
    assert check.drive(alive, Fate.REFUSED) is Proof.UNPROVEN
    assert times(check.cancels) == [0.0, 0.75, 2.5, 6.25, 12.0, 21.75]


@pytest.mark.parametrize("fate", [Fate.REFUSED, Fate.UNKNOWN, Fate.NOT_THERE, Fate.ALREADY_OVER])
def test_a_cancel_is_not_repeated_before_the_order_was_seen_alive(fate: CancelFate) -> None:
    """An unanswered cancel may have worked: only a look tells, so no look, no second cancel."""
    check = Check(alive(0.0))
    check.looked(100.0, alive(100.0))
    check.canceled(100.0, fate)
    for now in (104.0, 108.0, 112.0):
        assert isinstance(check.looked(now, missing(now)), AskLook)
    assert isinstance(check.looked(113.0, None), AskLook)
    assert check.looked(114.0, alive(114.0)) == AskCancel(order_id="a")


def test_an_accepted_cancel_without_effect_is_sent_again_later() -> None:
    """The broker said 204 and the order lives on: again after 4 s, not at the first look."""
    check = Check(alive(0.0))
    check.looked(100.0, alive(100.0))
    check.canceled(100.0, Fate.REQUESTED)
    assert isinstance(check.looked(100.0 + AGAIN_AFTER - 0.1, alive(103.9)), AskLook)
    assert check.looked(100.0 + AGAIN_AFTER, alive(104.0)) == AskCancel(order_id="a")


def test_no_cancel_is_sent_after_the_bound() -> None:
    """The order is alive at the bound: the check ends, and does not begin again."""
    check = Check(alive(0.0))
    check.looked(100.0, alive(100.0))
    check.canceled(100.0, Fate.REQUESTED)
    assert check.looked(130.0, alive(130.0)) is Proof.UNPROVEN


# --- replaced on the way ----------------------------------------------------------------------------------------------


def test_a_successor_is_looked_at_before_it_is_cancelled() -> None:
    """The last look shows a replacement: the new order gets its own last look, then its own cancel."""
    check = Check(alive(0.0))
    at = check.looked(100.1, seen("a", S.REPLACED, 100.1, to="b"))
    assert at == look_at("b", 100.1, 100.1 + LAST_LOOK)
    assert check.looked(100.2, alive(100.2, "b")) == AskCancel(order_id="b")


def test_a_successor_that_is_filled_is_not_cancelled() -> None:
    """Its last look finds it over."""
    check = Check(alive(0.0))
    check.looked(100.1, seen("a", S.REPLACED, 100.1, to="b"))
    assert check.looked(100.2, seen("b", S.FILLED, 100.2)) is Proof.OVER


def test_an_order_replaced_after_its_cancel_is_cancelled_as_its_successor() -> None:
    """The cancel was for an id that is gone: look at the new one, cancel that one, within the same bound."""
    check = Check(alive(0.0))
    check.looked(100.0, alive(100.0))
    check.canceled(100.0, Fate.REQUESTED)
    at = check.looked(100.3, seen("a", S.REPLACED, 100.3, to="b"))
    assert at == look_at("b", 100.3, 100.3 + LAST_LOOK)
    assert check.looked(100.4, alive(100.4, "b")) == AskCancel(order_id="b")
    assert check.canceled(100.5, Fate.REQUESTED) == look_at("b", 100.75, 130.0)
    assert check.looked(100.8, seen("b", S.CANCELED, 100.8)) is Proof.OVER


def test_a_successor_whose_last_look_is_not_answered_is_cancelled() -> None:
    """As with the first: silence does not block the cancel."""
    check = Check(alive(0.0))
    check.looked(100.1, seen("a", S.REPLACED, 100.1, to="b"))
    assert check.looked(110.1, None) == AskCancel(order_id="b")
