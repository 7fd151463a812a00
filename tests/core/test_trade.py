"""A trade as a fold: the next step of every stage, and what duplicates, late facts and any order of facts change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwatch.core.orders import OrderRequest, Side
from fillwatch.core.results import FillOutcome, FillResult
from fillwatch.core.trade import Trade, absorb, fold, taken_up
from fillwatch.core.trade_facts import (
    Cleared,
    Closed,
    Counted,
    Declined,
    Doubtful,
    Faulty,
    Intended,
    Looked,
    NotPlaced,
    Part,
    Placed,
    Reopened,
    Sending,
    Told,
    TradeFact,
    Watched,
    client_id,
    key,
    part_of,
)
from fillwatch.core.trade_result import result_of, words
from fillwatch.core.trade_steps import (
    Check,
    Count,
    Finish,
    Guard,
    Place,
    Step,
    Tell,
    Verify,
    Watch,
    Withdraw,
    next_step,
)
from fillwatch.core.trade_terms import ExecutorConfig
from fillwatch.core.trading_rules import wished

D = Decimal
AT = datetime(2026, 6, 15, 14, 30, tzinfo=UTC)
_O = FillOutcome


def intended(**changes: Any) -> Intended:  # noqa: ANN401 - fields of a wish or of the settings
    config = ExecutorConfig(**{name: changes.pop(name) for name in list(changes) if hasattr(ExecutorConfig, name)})
    wish: dict[str, Any] = {"symbol": "AAPL", "side": "buy", "quantity": 100}
    wish |= {"signal_price": "100", "risk_amount": 2, "rr_ratio": 2} | changes
    return Intended(at=AT, intent=wished("T", AT, config, **wish))


def sending(name: str, quantity: int = 100, side: Side | None = None) -> Sending:
    side = side or (Side.BUY if part_of(name) is Part.ENTRY else Side.SELL)
    request = OrderRequest(symbol="AAPL", side=side, qty=D(quantity), order_type="limit", limit_price=D("100.05"))
    return Sending(at=AT, name=name, request=request)


def placed(name: str) -> Placed:
    return Placed(at=AT, name=name, order_id=f"id-{name}")


def watched(name: str, filled: int = 100, outcome: FillOutcome = _O.FILLED, price: str | None = "100.02") -> Watched:
    result = FillResult(
        order_id=f"id-{name}",
        final_order_id=f"id-{name}",
        outcome=outcome,
        filled=outcome is _O.FILLED,
        fill_quantity=D(filled),
        fill_price=D(price) if price and filled else None,
    )
    return Watched(at=AT, name=name, result=result)


def looked(name: str, *, filled: int = 0, over: bool = False, working: bool = True) -> Looked:
    ids = (f"id-{name}", f"stop-{name}")
    return Looked(at=AT, name=name, order_ids=ids, filled=D(filled), over=over, working=working)


def refused(name: str, *, arrived: bool = True) -> NotPlaced:
    return NotPlaced(at=AT, name=name, reason="no", arrived=arrived)


def doubt(name: str, *, placed: bool = False) -> Doubtful:
    return Doubtful(at=AT, name=name, reason="who knows", placed=placed)


def leg(order_id: str, filled: int, outcome: FillOutcome, name: str = "x1", after: float = 3_600.0) -> Watched:
    """The end of one of the two orders of exits, `after` so many seconds."""
    told = watched(name, filled, outcome, "104.02")
    result = replace(told.result, order_id=order_id, final_order_id=order_id)
    return replace(told, leg=order_id, result=result, at=AT + timedelta(seconds=after))


def counted(name: str, gone: int = 0) -> Counted:
    return Counted(at=AT, name=name, gone=D(gone))


CLEARED = Cleared(at=AT, extended=False)
TOLD = Told(at=AT, success=True, reason="")
ENTERED: tuple[TradeFact, ...] = (CLEARED, sending("e1"), placed("e1"))
FILLED: tuple[TradeFact, ...] = (*ENTERED, watched("e1"))


def brief(step: Step) -> str:
    """A step in a word: its kind, its order, and how many shares it sends."""
    match step:
        case Place(name=name, request=request, begun=begun):
            return f"place {name} {request.qty}{' again' if begun else ''}"
        case Watch(name=name) | Verify(name=name) | Withdraw(name=name) | Count(name=name):
            return f"{type(step).__name__.lower()} {name}"
        case Guard(names=names):
            return f"guard {' '.join(names)}"
        case _:
            return type(step).__name__.lower()


@pytest.mark.parametrize(
    ("facts", "step"),
    [
        ((), "check"),
        ((Declined(at=AT, reason="closed"),), "finish"),
        ((CLEARED,), "place e1 100"),
        ((CLEARED, sending("e1")), "place e1 100 again"),
        ((CLEARED, sending("e1"), doubt("e1")), "tell"),
        ((CLEARED, sending("e1"), doubt("e1"), TOLD), "place e1 100 again"),
        ((CLEARED, sending("e1"), refused("e1")), "finish"),
        (ENTERED, "watch e1"),
        ((CLEARED, sending("e1"), doubt("e1"), placed("e1")), "watch e1"),
        ((*ENTERED, watched("e1", 0, _O.CANCELED)), "finish"),
        ((*ENTERED, watched("e1", 0, _O.UNRESOLVED)), "watch e1"),
        ((*ENTERED, watched("e1", 0, _O.UNRESOLVED), doubt("e1", placed=True)), "tell"),
        ((*ENTERED, watched("e1", 0, _O.UNRESOLVED), doubt("e1", placed=True), TOLD), "watch e1"),
        # Shares that are known to be held are protected before the caller is told of the doubt about the others.
        ((*ENTERED, watched("e1", 40, _O.UNRESOLVED), doubt("e1", placed=True)), "place x1 40"),
        ((*ENTERED, watched("e1", 40, _O.PARTIALLY_FILLED)), "place x1 40"),
        (FILLED, "place x1 100"),
        ((*FILLED, sending("x1")), "place x1 100 again"),
        ((*FILLED, sending("x1"), placed("x1")), "verify x1"),
        ((*FILLED, sending("x1"), placed("x1"), looked("x1", working=False)), "verify x1"),
        ((*FILLED, sending("x1"), placed("x1"), looked("x1")), "guard x1"),
        ((*FILLED, sending("x1"), placed("x1"), doubt("x1", placed=True)), "tell"),
        ((*FILLED, sending("x1"), refused("x1")), "place x2 100"),
        ((*FILLED, sending("x1"), refused("x1"), sending("x2"), refused("x2")), "place c1 100"),
        # Exits that ended before they were seen to stand have closed what they have closed.
        ((*FILLED, sending("x1"), placed("x1"), looked("x1", filled=30, over=True, working=False)), "place x2 70"),
        ((*FILLED, sending("x1"), placed("x1"), looked("x1", filled=100, over=True, working=False)), "finish"),
        # A late fill: what has come on top is protected, too.
        (
            (
                *(*ENTERED, watched("e1", 40, _O.PARTIALLY_FILLED)),
                *(sending("x1", 40), placed("x1"), looked("x1"), TOLD, Closed(at=AT), watched("e1", 100)),
            ),
            "place x2 60",
        ),
    ],
)
def test_the_next_step(facts: tuple[TradeFact, ...], step: str) -> None:
    assert brief(next_step(fold(intended(), *facts))) == step


STANDING: tuple[TradeFact, ...] = (*FILLED, sending("x1"), placed("x1"), looked("x1"), TOLD)
CANCELLED = (leg("id-x1", 0, _O.CANCELED), leg("stop-x1", 0, _O.CANCELED))
ALONE: tuple[TradeFact, ...] = (
    *(*FILLED, sending("x1"), placed("x1")),
    replace(looked("x1", working=False), order_ids=("id-x1",)),
)
FAULT = Faulty(at=AT, name="x1", reason="the stop is rejected, the target alone stands")


@pytest.mark.parametrize(
    ("settings", "facts", "step"),
    [
        ({}, STANDING, "guard x1"),
        ({}, (*STANDING, leg("id-x1", 0, _O.CANCELED)), "guard x1"),  # the stop has been triggered, perhaps
        ({}, (*STANDING, leg("id-x1", 100, _O.FILLED)), "guard x1"),  # the stop is still to be seen over
        ({}, (*STANDING, leg("id-x1", 100, _O.FILLED), leg("stop-x1", 0, _O.CANCELED)), "finish"),
        ({}, (*STANDING, leg("id-x1", 0, _O.CANCELED), leg("stop-x1", 100, _O.FILLED)), "finish"),
        ({}, (*STANDING, *CANCELLED), "count x1"),
        ({}, (*STANDING, *CANCELLED, counted("x1")), "place x2 100"),
        ({}, (*STANDING, leg("id-x1", 30, _O.PARTIALLY_FILLED), CANCELLED[1], counted("x1")), "place x2 70"),
        ({}, (*STANDING, *CANCELLED, counted("x1", 60)), "place x2 40"),  # somebody has closed sixty
        ({}, (*STANDING, *CANCELLED, counted("x1", 100)), "finish"),
        ({"on_lost_exits": "close"}, (*STANDING, *CANCELLED, counted("x1")), "place c1 100"),
        ({"on_lost_exits": "report"}, (*STANDING, *CANCELLED, counted("x1")), "finish"),
        ({}, (*STANDING, FAULT), "withdraw x1"),
        ({"on_lost_exits": "report"}, (*STANDING, FAULT), "guard x1"),
        # The target alone was seen: while its stop is not found, that may be executing.
        ({}, (*ALONE, leg("id-x1", 0, _O.CANCELED)), "verify x1"),
        ({}, (*ALONE, leg("id-x1", 0, _O.REJECTED)), "place x2 100"),
        ({}, (*ALONE, leg("id-x1", 100, _O.FILLED)), "finish"),
        # Exits that are ended as soon as they stand twice running will be so again: then the position is closed.
        (
            {},
            (
                *(*STANDING, *(replace(one, at=AT + timedelta(seconds=5)) for one in CANCELLED), counted("x1")),
                *(sending("x2"), placed("x2"), looked("x2"), counted("x2")),
                *(leg("id-x2", 0, _O.CANCELED, "x2", 9.0), leg("stop-x2", 0, _O.CANCELED, "x2", 9.0)),
            ),
            "place c1 100",
        ),
        # Those of a day are renewed as often as a day ends.
        (
            {},
            (
                *(*STANDING, *CANCELLED, counted("x1"), sending("x2"), placed("x2"), looked("x2"), counted("x2")),
                *(leg("id-x2", 0, _O.EXPIRED, "x2"), leg("stop-x2", 0, _O.EXPIRED, "x2")),
            ),
            "place x3 100",
        ),
    ],
)
def test_what_follows_when_exits_end(settings: dict[str, Any], facts: tuple[TradeFact, ...], step: str) -> None:
    assert brief(next_step(fold(intended(**settings), *facts))) == step


def test_a_trade_that_its_target_ended_tells_so() -> None:
    trade = fold(intended(), *STANDING, leg("id-x1", 100, _O.FILLED), leg("stop-x1", 0, _O.CANCELED))
    result = result_of(trade)
    assert trade.is_settled
    assert (result.success, result.position_protected) == (True, True)
    assert (result.exit_quantity, result.exit_price) == (D(100), D("104.02"))
    assert result.reason == "the target closed 100 shares at 104.02"


def test_lost_exits_are_no_protection_any_more() -> None:
    result = result_of(fold(intended(), *STANDING, *CANCELLED))
    assert (result.success, result.position_protected) == (False, False)
    assert "100 shares are without exits" in (result.reason or "")
    assert not result_of(fold(intended(), *STANDING, FAULT)).position_protected


def test_both_exits_executing_leaves_the_account_on_the_other_side() -> None:
    """An OCO of which both orders were filled: said with the exact number."""
    trade = fold(intended(), *STANDING, leg("id-x1", 100, _O.FILLED), leg("stop-x1", 60, _O.PARTIALLY_FILLED))
    result = result_of(trade)
    assert (trade.flipped, trade.is_settled, result.position_protected) == (D(60), False, False)
    assert "60 shares too many" in (result.reason or "")
    assert "short" in (result.reason or "")


def test_an_exit_and_its_successor_are_counted_once() -> None:
    """Both ids were watched, and the successor's result counts its own part of what the first one's result counts."""
    successor = replace(leg("new", 70, _O.FILLED), leg="new")
    first = leg("stop-x1", 100, _O.FILLED)
    first = replace(first, result=replace(first.result, final_order_id="new"))
    trade = fold(intended(), *STANDING, leg("id-x1", 0, _O.CANCELED), successor, first)
    assert trade.traded_back == 100


def test_a_new_process_has_to_see_the_exits_again() -> None:
    trade = taken_up(fold(intended(), *STANDING))
    assert not trade.is_protected
    assert brief(next_step(trade)) == "verify x1"
    assert brief(next_step(absorb(trade, looked("x1")))) == "guard x1"


def test_a_closed_trade_is_reopened_and_closed_again() -> None:
    closed = fold(intended(), Closed(at=AT))
    assert closed.is_closed
    assert not absorb(closed, Reopened(at=AT)).is_closed
    assert fold(intended(), Closed(at=AT), Reopened(at=AT), Closed(at=AT, number=2), Closed(at=AT)).is_closed


@pytest.mark.parametrize(
    ("settings", "facts", "step"),
    [
        ({}, (*ENTERED, watched("e1", price="100.11")), "place c1 100"),
        ({}, (*ENTERED, watched("e1", price="100.10")), "place x1 100"),
        ({}, (*ENTERED, watched("e1", price="90")), "place x1 100"),  # better than expected is no slippage
        ({"on_slippage": "keep"}, (*ENTERED, watched("e1", price="100.11")), "place x1 100"),
        ({"on_partial": "close"}, (*ENTERED, watched("e1", 40, _O.PARTIALLY_FILLED)), "place c1 40"),
        ({"side": "sell"}, (*ENTERED, watched("e1", price="99.89")), "place c1 100"),
        ({"risk_amount": "0.005"}, (*ENTERED, watched("e1", price="100.00")), "place c1 100"),  # a tick each: 1 to 1
        ({"risk_amount": "99.99", "rr_ratio": 2}, (*ENTERED, watched("e1", price="99.98")), "place c1 100"),
        ({}, (*ENTERED, watched("e1", price=None)), "place x1 100"),  # the limit stands in for a price not known yet
    ],
)
def test_policies_decide_between_exits_and_closing(
    settings: dict[str, Any], facts: tuple[TradeFact, ...], step: str
) -> None:
    assert brief(next_step(fold(intended(**settings), *facts))) == step


def test_closing_is_tried_three_times_and_then_exits_are_better_than_nothing() -> None:
    trade = fold(intended(), *ENTERED, watched("e1", price="100.11"))
    steps = []
    for name in ("c1", "c2", "c3", "x1", "x2"):
        steps.append(brief(next_step(trade)))
        for fact in (sending(name), refused(name)):
            trade = absorb(trade, fact)
    assert steps == ["place c1 100", "place c2 100", "place c3 100", "place x1 100", "place x2 100"]
    assert next_step(trade) == Finish()
    result = result_of(trade)
    assert not result.position_protected
    assert "100 shares are without exits" in (result.reason or "")


def test_a_close_that_went_halfway_is_followed_by_another_for_the_rest() -> None:
    trade = fold(intended(), *ENTERED, watched("e1", price="100.11"), sending("c1"), placed("c1"))
    assert brief(next_step(trade)) == "watch c1"
    for n, left in ((1, 70), (2, 40), (3, 10)):
        trade = absorb(trade, watched(f"c{n}", 30, _O.PARTIALLY_FILLED))
        assert brief(next_step(trade)) == f"place c{n + 1} {left}"
        for fact in (sending(f"c{n + 1}", left), placed(f"c{n + 1}")):
            trade = absorb(trade, fact)
    trade = absorb(trade, watched("c4", 10))
    assert next_step(trade) == Finish()
    assert trade.held == 0
    assert trade.is_protected
    assert not result_of(trade).success


def test_an_order_that_may_be_live_answers_for_all_it_asked() -> None:
    """Else shares would be sold twice: once by the order nobody heard of, once more by its replacement."""
    trade = fold(intended(), *FILLED, sending("c1"))
    assert trade.bare == 0
    assert not trade.is_protected
    assert absorb(trade, refused("c1")).bare == 100


@pytest.mark.parametrize(("side", "stop", "target"), [("buy", "98.02", "104.02"), ("sell", "102.00", "96.00")])
def test_exits_go_as_one_oco_for_the_filled_quantity_from_the_fill(side: str, stop: str, target: str) -> None:
    price = "100.02" if side == "buy" else "100.00"
    step = next_step(fold(intended(side=side), *ENTERED, watched("e1", 37, _O.PARTIALLY_FILLED, price)))
    assert isinstance(step, Place)
    request = step.request
    assert (request.order_class, request.order_type, request.time_in_force) == ("oco", "limit", "gtc")
    assert request.side is (Side.SELL if side == "buy" else Side.BUY)
    assert request.qty == 37
    assert request.take_profit_limit_price == request.limit_price == D(target)
    assert request.stop_loss_stop_price == D(stop)
    assert request.client_order_id == client_id("T", "x1")


def test_outside_regular_hours_only_limits_are_sent() -> None:
    settings = {"extended_hours": True}
    step = next_step(fold(intended(**settings), Cleared(at=AT, extended=True)))
    assert isinstance(step, Place)
    assert (step.request.order_type, step.request.extended_hours) == ("limit", True)
    assert step.request.limit_price == D("100.02")  # the smaller buffer
    facts = (Cleared(at=AT, extended=True), *ENTERED[1:], watched("e1", price="100.11"))
    step = next_step(fold(intended(**settings), *facts))
    assert isinstance(step, Place)
    assert (step.name, step.request.order_type, step.request.extended_hours) == ("c1", "limit", True)
    assert step.request.limit_price == D("99.11")


def test_ids_follow_from_the_intent_alone() -> None:
    assert client_id("T", "e1") == client_id("T", "e1")
    assert len({client_id(intent, name) for intent in ("T", "U") for name in ("e1", "x1", "c1")}) == 6
    assert len(client_id("T" * 200, "x12")) < 48
    assert [part_of(key(part, 3)) for part in Part] == list(Part)


NAMES = st.sampled_from(("e1", "x1", "x2", "c1"))
OUTCOMES = st.sampled_from((_O.FILLED, _O.PARTIALLY_FILLED, _O.CANCELED, _O.UNRESOLVED, _O.TIMED_OUT))
FACTS: st.SearchStrategy[TradeFact] = st.one_of(
    st.just(CLEARED),
    st.just(TOLD),
    st.builds(Closed, at=st.just(AT), number=st.integers(1, 2)),
    st.just(Reopened(at=AT)),
    st.builds(
        leg, st.sampled_from(("id-x1", "stop-x1")), st.integers(0, 100), OUTCOMES, after=st.sampled_from((5, 99))
    ),
    st.builds(counted, st.sampled_from(("x1", "x2")), st.integers(0, 100)),
    st.just(FAULT),
    NAMES.map(sending),
    NAMES.map(placed),
    st.builds(refused, NAMES, arrived=st.booleans()),
    st.builds(doubt, NAMES, placed=st.booleans()),
    st.builds(watched, st.sampled_from(("e1", "c1")), st.integers(0, 100), OUTCOMES),
    st.builds(
        lambda told, undone: replace(told, undone=D(undone)),
        st.builds(watched, st.just("e1"), st.integers(0, 60)),
        st.integers(0, 40),
    ),
    st.builds(
        looked,
        st.sampled_from(("x1", "x2")),
        filled=st.integers(0, 100),
        over=st.booleans(),
        working=st.booleans(),
    ),
)


def test_exits_for_shares_that_were_taken_back_are_withdrawn_and_made_anew() -> None:
    trade = fold(intended(), *FILLED, sending("x1"), placed("x1"), looked("x1"), TOLD, Closed(at=AT))
    undone = replace(watched("e1", 60), undone=D(40))
    trade = absorb(trade, undone)
    assert (trade.entry.filled, trade.excess, trade.is_protected) == (D(60), D(40), False)
    assert brief(next_step(trade)) == "withdraw x1"
    assert absorb(trade, watched("e1", 100)) == trade  # an older word does not bring them back
    trade = absorb(trade, looked("x1", over=True, working=False))
    assert brief(next_step(trade)) == "count x1"
    trade = absorb(trade, counted("x1"))
    assert brief(next_step(trade)) == "place x2 60"
    late = replace(watched("e1", 70), undone=D(40))  # and ten more come after all
    assert brief(next_step(absorb(trade, late))) == "place x2 70"


@given(st.lists(FACTS, max_size=25))
def test_every_prefix_of_the_facts_has_a_next_step_and_a_result(facts: list[TradeFact]) -> None:
    trade = fold(intended())
    for fact in facts:
        trade = absorb(trade, fact)
        step = next_step(trade)
        assert isinstance(step, Step)
        result = result_of(trade, facts)
        assert result.success <= result.position_protected
        if isinstance(step, Place) and not step.begun:
            assert step.name not in trade.orders
            if step.name != "e1":
                assert step.request.qty == trade.bare > 0
        if isinstance(step, Check):
            assert not trade.orders
        if isinstance(step, Tell):
            assert trade.told is None


@given(st.lists(FACTS, max_size=20), st.data())
def test_a_fact_that_comes_again_changes_nothing(facts: list[TradeFact], data: st.DataObject) -> None:
    whole = fold(intended(), *facts)
    for fact in facts:
        assert absorb(whole, fact) == whole
    again = data.draw(st.lists(st.sampled_from(facts), max_size=10)) if facts else []
    assert fold(intended(), *facts, *again) == whole


@given(st.permutations([*FILLED, sending("x1", 40), placed("x1"), looked("x1"), watched("e1", 40, _O.UNRESOLVED)]))
def test_the_order_of_the_facts_does_not_matter(facts: list[TradeFact]) -> None:
    trade = fold(intended(), *facts)
    assert dict(trade.orders) == dict(fold(intended(), *FILLED, sending("x1", 40), placed("x1"), looked("x1")).orders)


@given(st.lists(FACTS, max_size=25), FACTS)
def test_shares_are_never_sold_twice(facts: list[TradeFact], late: TradeFact) -> None:
    """Whatever is known, and whatever comes next: what is asked for is no more than what nothing answers for."""
    trade = absorb(fold(intended(), *facts), late)
    step = next_step(trade)
    if isinstance(step, Place) and not step.begun and step.name != "e1":
        claimed = sum(order.answers_for for order in trade.orders.values() if order.part is not Part.ENTRY)
        assert claimed + (step.request.qty or 0) <= max(trade.entry.filled, claimed)


def test_a_result_tells_its_steps() -> None:
    facts = [intended(), *FILLED, sending("x1"), placed("x1"), looked("x1"), TOLD]
    trade: Trade = fold(intended(), *facts)
    result = result_of(trade, facts)
    assert result.success
    assert result.exit_order_ids == ("id-x1", "stop-x1")
    assert [step.what for step in result.steps] == [words(fact) for fact in facts]
    assert (result.filled_price, result.stop_loss, result.take_profit) == (D("100.02"), D("98.02"), D("104.02"))
    assert result.slippage_pct == D("0.02")
    assert result.rr_ratio == 2


def test_a_close_for_want_of_exits_says_what_became_of_them() -> None:
    facts: list[TradeFact] = [*FILLED]
    for name in ("x1", "x2"):
        ends = (leg(f"{which}-{name}", 0, _O.REJECTED, name) for which in ("id", "stop"))
        facts += [sending(name), placed(name), looked(name, working=False), *ends]
    result = result_of(fold(intended(), *facts, sending("c1"), placed("c1"), watched("c1")))
    assert result.position_protected
    assert result.reason == "exits were placed and did not come to stand: rejected; closed 100 shares"


def test_a_result_names_the_exits_that_are_alive() -> None:
    ends = (leg("id-x1", 0, _O.REJECTED), leg("stop-x1", 0, _O.REJECTED))
    first = (sending("x1"), placed("x1"), looked("x1", working=False), *ends)
    second = (sending("x2"), placed("x2"), looked("x2"))
    assert result_of(fold(intended(), *FILLED, *first, *second)).exit_order_ids == ("id-x2", "stop-x2")
    over = (leg("id-x2", 100, _O.FILLED, "x2"), leg("stop-x2", 0, _O.CANCELED, "x2"))
    ended = result_of(fold(intended(), *FILLED, *first, *second, *over))
    assert ended.exit_order_ids == ("id-x1", "stop-x1", "id-x2", "stop-x2")


def test_a_kept_slip_is_flagged() -> None:
    facts = (*ENTERED, watched("e1", price="100.11"), sending("x1"), placed("x1"), looked("x1"))
    result = result_of(fold(intended(on_slippage="keep"), *facts))
    assert result.success
    assert "kept for review" in (result.reason or "")


def test_what_was_told_first_stays_told() -> None:
    later = Told(at=AT + timedelta(seconds=5), success=False, reason="other")
    assert fold(intended(), TOLD, later).told == TOLD
