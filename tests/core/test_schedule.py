"""When an order is looked at, and by which read: arithmetic and a table."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwatch.core.config import FillDetectionConfig
from fillwatch.core.schedule import (
    FIRST_AUDIT,
    LONGEST_AUDIT,
    Outlook,
    Read,
    audit_interval,
    cheapest,
    goes_on,
    interval,
    is_leftover,
    is_near_deadline,
    is_young,
    tape_period,
)

ORDER, PAGE, TAPE, ENDS, NOTHING = Read.ORDER, Read.PAGE, Read.TAPE, Read.ENDS, Read.NOTHING
PLAIN = FillDetectionConfig()


# --- intervals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("looks", "seconds"), [(0, 0.5), (1, 0.6), (5, 1.0), (14, 1.9), (15, 2.0), (16, 2.0), (1_000_000, 2.0)]
)
def test_the_interval_grows_with_each_look_to_the_longest(looks: int, seconds: float) -> None:
    """The seed's figures: half a second at first, a tenth more each time, two seconds at most."""
    assert interval(PLAIN, looks) == pytest.approx(seconds)
    assert interval(PLAIN, looks) <= PLAIN.max_poll_interval


@given(
    st.floats(0.01, 10),
    st.floats(0, 10),
    st.floats(0, 10),
    st.integers(0, 10_000),
)
def test_the_interval_is_never_shorter_than_before_and_never_beyond_the_longest(
    first: float, more: float, growth: float, looks: int
) -> None:
    """The seed's Property 10, for any configuration."""
    config = FillDetectionConfig(
        initial_poll_interval=first, max_poll_interval=first + more, poll_interval_increase=growth
    )
    now, then = interval(config, looks), interval(config, looks + 1)
    assert first <= now <= then <= first + more
    assert then in (pytest.approx(now + growth), first + more)
    assert interval(config, 0) == first


def test_without_adaptive_polling_the_interval_stays() -> None:
    """The first one, for ever."""
    config = FillDetectionConfig(enable_adaptive_polling=False)
    assert {interval(config, looks) for looks in (0, 1, 50)} == {0.5}


@pytest.mark.parametrize("wish", [0.05, 1.0, 60, 3_600.0])
@pytest.mark.parametrize("adaptive", [True, False])
def test_a_wish_counts_more_than_the_configuration(wish: float, adaptive: bool) -> None:
    """It may shorten and stretch, beyond the longest interval too."""
    config = FillDetectionConfig(enable_adaptive_polling=adaptive)
    assert interval(config, 3, wish) == wish


@pytest.mark.parametrize("wish", [None, 0, 0.0, -1.0, math.inf, -math.inf, math.nan])
def test_a_wish_that_is_no_interval_is_none(wish: float | None) -> None:
    """Neither an endless loop nor an order that is never looked at can be wished for."""
    assert interval(PLAIN, 5, wish) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("audits", "seconds"), [(0, 5), (1, 10), (2, 20), (5, 160), (6, 300), (7, 300), (31, 300), (1_000_000, 300)]
)
def test_audits_become_rarer(audits: int, seconds: float) -> None:
    """Twice as long each time from five seconds to five minutes, and never given up."""
    assert audit_interval(audits) == seconds
    assert FIRST_AUDIT <= audit_interval(audits) <= LONGEST_AUDIT


# --- who goes first ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "checks", "young"),
    [(0.0, 0, True), (9.9, 0, True), (10.0, 0, False), (0.6, 1, True), (1.2, 2, False), (9_999.0, 1, False)],
)
def test_an_order_is_young_for_ten_seconds_and_two_looks(age: float, checks: int, *, young: bool) -> None:
    """One that nobody could look at in that time waits its turn like all others."""
    assert is_young(age=age, checks=checks) is young


@pytest.mark.parametrize(
    ("left", "unseen_for", "near"),
    [
        pytest.param(5.1, 900.0, False, id="not yet"),
        pytest.param(5.0, 900.0, True, id="at hand"),
        pytest.param(0.1, 900.0, True, id="at the last moment"),
        pytest.param(0.0, 900.0, False, id="over: it has its last look"),
        pytest.param(3.0, 2.1, True, id="seen before that time"),
        pytest.param(3.0, 2.0, False, id="seen within it"),
        pytest.param(3.0, math.inf, True, id="never seen"),
        pytest.param(math.inf, math.inf, False, id="no deadline"),
    ],
)
def test_an_order_is_near_its_deadline_until_it_was_seen_there(left: float, unseen_for: float, *, near: bool) -> None:
    """One look in the last five seconds before it is enough."""
    assert is_near_deadline(left, unseen_for) is near


# --- the cheapest read ------------------------------------------------------------------------------------------------

#: Nothing due, one page, everything possible, nothing asked yet, the tape just read.
IDLE = Outlook(
    due=0,
    strays=0,
    shown=20,
    exposed=20,
    pages=1,
    lists=True,
    sweeping=False,
    paging=False,
    tape=True,
    tape_wanted=False,
    audit_due=False,
    tape_due=False,
    ends=False,
    leftover=True,
    beat=True,
    urgent=False,
    in_vain=False,
    spare=False,
    last=NOTHING,
    paged=0,
)
LONG = replace(IDLE, shown=1_200, exposed=1_200, pages=3)
HIDING = replace(LONG, tape_due=True)


@pytest.mark.parametrize(
    ("outlook", "read"),
    [
        pytest.param(IDLE, NOTHING, id="nothing due"),
        pytest.param(replace(IDLE, shown=0, exposed=0, spare=True), NOTHING, id="nothing watched"),
        pytest.param(replace(IDLE, due=1), PAGE, id="one of many due: a page costs as much and tells more"),
        pytest.param(replace(IDLE, due=1, shown=1, exposed=1), ORDER, id="one of one"),
        pytest.param(replace(IDLE, due=2, shown=2, exposed=2), PAGE, id="two for one"),
        pytest.param(replace(IDLE, due=1, shown=1, exposed=1, in_vain=True), PAGE, id="another route for one in vain"),
        pytest.param(replace(IDLE, due=20, lists=False), ORDER, id="a broker without a list"),
        pytest.param(replace(LONG, due=2, exposed=0), ORDER, id="two orders are cheaper than three pages"),
        pytest.param(replace(LONG, due=3, exposed=0), PAGE, id="three pages for three orders, and all others"),
        pytest.param(replace(LONG, due=2, shown=2, exposed=0), PAGE, id="all that is watched, on a long list"),
        pytest.param(replace(IDLE, due=3, exposed=0), PAGE, id="audited orders share a page too"),
        pytest.param(replace(IDLE, exposed=0, spare=True), NOTHING, id="audits are not looked at early"),
        pytest.param(replace(IDLE, exposed=1, spare=True), PAGE, id="an early look shows the audited as well"),
        pytest.param(replace(IDLE, strays=1), ORDER, id="a stray is asked by its id"),
        pytest.param(replace(IDLE, sweeping=True), PAGE, id="a sweep goes on with nothing due"),
        pytest.param(replace(IDLE, sweeping=True, paging=True), NOTHING, id="the same page is not asked for twice"),
        pytest.param(replace(IDLE, due=9, paging=True), NOTHING, id="what is due waits for the page on its way"),
        pytest.param(replace(IDLE, due=9, strays=1, paging=True), ORDER, id="a stray is on no page"),
        pytest.param(replace(IDLE, tape_wanted=True), TAPE, id="the tape is wanted"),
        pytest.param(replace(IDLE, tape_wanted=True, tape=False), NOTHING, id="there is no tape"),
        pytest.param(replace(IDLE, tape_due=True), NOTHING, id="one page shows all fills: no tape"),
        pytest.param(HIDING, TAPE, id="a long list hides fills: the tape has its turn"),
        pytest.param(replace(HIDING, due=9), TAPE, id="whatever is due"),
        pytest.param(replace(HIDING, tape_due=False), NOTHING, id="not before its turn"),
        pytest.param(replace(HIDING, lists=False), TAPE, id="so do looks at one order after the other"),
        pytest.param(replace(HIDING, exposed=0), NOTHING, id="nobody there to fill unnoticed"),
        pytest.param(replace(HIDING, tape=False), NOTHING, id="a long list, no tape"),
        pytest.param(replace(HIDING, tape_due=False, due=9), PAGE, id="between two turns a page"),
        pytest.param(replace(HIDING, tape_due=False, due=9, leftover=False), NOTHING, id="if a token is left over"),
        pytest.param(replace(HIDING, tape_due=False, strays=1, leftover=False), NOTHING, id="strays as well"),
        pytest.param(replace(HIDING, due=9, urgent=True), PAGE, id="who waits for a look does not wait for the tape"),
        pytest.param(replace(HIDING, due=9, urgent=True, leftover=False), PAGE, id="nor for a token left over"),
        pytest.param(replace(HIDING, tape_due=False, spare=True), NOTHING, id="no early looks then"),
        pytest.param(
            replace(HIDING, ends=True), ENDS, id="a short list of ended orders shows fills too: it takes the turn"
        ),
        pytest.param(replace(HIDING, ends=True, tape_due=False), NOTHING, id="not before the tape's turn"),
        pytest.param(replace(HIDING, ends=True, exposed=0), NOTHING, id="nobody there to end unnoticed"),
        pytest.param(replace(IDLE, ends=True, tape_due=True), NOTHING, id="one page shows all ends"),
        pytest.param(replace(HIDING, ends=True, tape_wanted=True, urgent=True), TAPE, id="ended orders prove nothing"),
        pytest.param(replace(LONG, exposed=0, audit_due=True), TAPE, id="the tape audits a feed"),
        pytest.param(replace(LONG, exposed=0, audit_due=True, ends=True), ENDS, id="or a page of ended orders"),
        pytest.param(replace(LONG, audit_due=True, ends=True, urgent=True, due=1), TAPE, id="not before who waits"),
        pytest.param(
            replace(LONG, exposed=0, due=1, sweeping=True, last=PAGE), PAGE, id="no look by id within a sweep"
        ),
        pytest.param(replace(IDLE, due=9, beat=False), NOTHING, id="what is due waits for the beat"),
        pytest.param(replace(IDLE, strays=1, beat=False), NOTHING, id="strays as well"),
        pytest.param(replace(IDLE, due=9, beat=False, urgent=True), PAGE, id="who waits for a look does not"),
        pytest.param(replace(IDLE, tape_wanted=True, beat=False), TAPE, id="nor who waits for the tape"),
        pytest.param(replace(HIDING, tape_due=False, due=9, beat=False), PAGE, id="between two turns no beat counts"),
        pytest.param(replace(IDLE, spare=True), PAGE, id="a token to spare looks early"),
        pytest.param(replace(IDLE, spare=True, shown=1, exposed=1), ORDER, id="a token to spare, one order"),
        pytest.param(replace(IDLE, spare=True, lists=False), ORDER, id="a token to spare, no list"),
    ],
)
def test_the_cheapest_read(outlook: Outlook, read: Read) -> None:
    """Each situation and what is sent in it."""
    assert cheapest(outlook) is read


BUSY = replace(LONG, due=50, strays=3, sweeping=True, tape_wanted=True)


def served(outlook: Outlook, count: int) -> list[Read]:
    reads = []
    for _ in range(count):
        outlook = replace(outlook, last=cheapest(outlook))
        reads.append(outlook.last)
    return reads


def test_no_read_starves_another() -> None:
    """With all three wanted all the time, each has its turn within three requests."""
    reads = served(BUSY, 30)
    for start in range(len(reads) - 2):
        assert set(reads[start : start + 3]) == {ORDER, PAGE, TAPE}


@pytest.mark.parametrize(
    ("outlook", "both"),
    [
        (replace(BUSY, tape=False), {ORDER, PAGE}),
        (replace(BUSY, strays=0), {PAGE, TAPE}),
        (replace(BUSY, due=0, sweeping=False), {ORDER, TAPE}),
    ],
    ids=["no tape", "no strays", "no sweep"],
)
def test_two_reads_take_turns(outlook: Outlook, both: set[Read]) -> None:
    """Neither is sent twice while the other waits."""
    reads = served(outlook, 10)
    assert all({one, next_} == both for one, next_ in pairwise(reads))


@pytest.mark.parametrize(("strays", "between"), [(1, 12), (3, 4), (4, 3), (12, 1), (40, 1)])
def test_what_the_list_does_not_show_is_seen_as_often_as_what_it_shows(strays: int, between: int) -> None:
    """Twelve pages, and between any two of them the tape: once in a sweep each stray has its look, when all are due."""
    outlook = replace(HIDING, pages=12, due=5_000, sweeping=True, strays=strays)
    reads: list[Read] = []
    for number in range(200):
        outlook = replace(outlook, tape_due=number % 2 == 0)
        read = cheapest(outlook)
        if read is not TAPE:
            reads.append(read)
            outlook = replace(outlook, paged=outlook.paged + 1 if read is PAGE else 0)
        outlook = replace(outlook, last=read)
    orders = [at for at, read in enumerate(reads) if read is ORDER]
    assert {after - before for before, after in pairwise(orders)} == {between + 1}


@pytest.mark.parametrize(("pages", "seconds"), [(2, 0.436), (3, 0.436), (4, 0.618), (20, 0.618)])
def test_the_tape_has_most_beside_a_short_list_and_half_beside_a_long_one(pages: int, seconds: float) -> None:
    """Seconds between its turns at 2.94 requests a second: 78 % and 55 % of them."""
    assert tape_period(1 / 0.34, pages) == pytest.approx(seconds, abs=0.001)


@pytest.mark.parametrize(
    ("tokens", "seconds", "left"),
    [(0.9, 9.0, False), (1.9, 9.0, False), (2.0, 0.4, False), (2.0, 0.5, True), (2.9, 0.0, False), (3.0, 0.0, True)],
)
def test_a_token_is_left_over_if_there_are_two_when_the_tape_has_its_turn(
    tokens: float, seconds: float, *, left: bool
) -> None:
    """At two a second: one for the tape and one for whatever comes between, which need not wait for it."""
    assert is_leftover(tokens, 2.0, seconds) is left


@given(
    st.builds(
        Outlook,
        due=st.integers(0, 5),
        strays=st.integers(0, 5),
        shown=st.integers(0, 5),
        exposed=st.integers(0, 5),
        pages=st.integers(1, 4),
        lists=st.booleans(),
        sweeping=st.booleans(),
        paging=st.booleans(),
        tape=st.booleans(),
        tape_wanted=st.booleans(),
        audit_due=st.booleans(),
        tape_due=st.booleans(),
        leftover=st.booleans(),
        ends=st.booleans(),
        beat=st.booleans(),
        urgent=st.booleans(),
        in_vain=st.booleans(),
        spare=st.booleans(),
        last=st.sampled_from(list(Read)),
        paged=st.integers(0, 5),
    )
)
def test_what_is_due_is_always_asked_for(outlook: Outlook) -> None:
    """Nothing is sent only if nothing is wanted, or tokens are scarce, or a page that may show it is on its way.

    No read the broker does not offer is sent for what is due.
    """
    read = cheapest(outlook)
    if outlook.tape and outlook.tape_wanted:
        assert read is not NOTHING
    hides_fills = outlook.tape and outlook.pages > 1 and outlook.exposed > 0
    free = outlook.urgent or (outlook.leftover if hides_fills else outlook.beat)
    if free and outlook.strays:
        assert read is not NOTHING
    if free and not outlook.paging and (outlook.due or outlook.sweeping):
        assert read is not NOTHING
    if not outlook.tape:
        assert read is not TAPE
    if not outlook.ends:
        assert read is not ENDS
    if not outlook.lists and not outlook.sweeping:
        assert read is not PAGE


# --- sweeps -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missing", "barren", "on"),
    [
        (0, 0, False),
        (1, 0, False),
        (2, 0, True),
        (2, 1, False),
        (3, 1, False),
        (4, 1, True),
        (4, 2, False),
        (100, 49, True),
        (100, 50, False),
    ],
)
def test_a_sweep_goes_on_while_it_pays(missing: int, barren: int, on: bool) -> None:
    """One missing order is cheaper by its id; pages in vain may cost half of what the missing would."""
    assert goes_on(missing=missing, barren=barren) is on
