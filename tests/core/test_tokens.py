"""Token arithmetic: levels and waiting times at given moments, and what bounds them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwatch.core.tokens import Meter, Terms

TERMS = Terms(burst=10.0, rate=2.0, reserve=2.0)


def full() -> Meter:
    meter = Meter(TERMS, 0.0)
    assert meter.level(100.0) == 10.0
    return meter


@pytest.mark.parametrize(
    ("granted", "burst", "per_window", "reserve"),
    [
        (1, 1, 0.99, 0),
        (4, 1, 3.99, 0),
        (5.6, 1.25, 4.74, 0.25),
        (8, 2, 6.99, 1),
        (32, 2, 30.99, 1),
        (160, 10, 150.99, 2),
        (800, 20, 780.99, 2),
        (0.3, 1, 0.99, 0),
        (0.29 * 100, 2, 27.99, 1),
    ],
)
def test_a_grant_is_spent_as_burst_and_rate(granted: float, burst: float, per_window: float, reserve: float) -> None:
    terms = Terms.of(granted, 60.0)
    assert (terms.burst, terms.rate * 60, terms.reserve) == pytest.approx((burst, per_window, reserve))


@given(granted=st.floats(1, 10_000), window=st.floats(0.1, 1_000))
def test_burst_and_rate_stay_below_the_next_whole_number(granted: float, window: float) -> None:
    terms = Terms.of(granted, window)
    assert math.floor(terms.burst + terms.rate * window + 1e-3) <= granted + 1e-9
    assert terms.burst >= 1 + terms.reserve
    assert terms.rate > 0


def test_it_starts_with_one_token_and_gathers_up_to_the_burst() -> None:
    meter = Meter(TERMS, 50.0)
    assert [meter.level(now) for now in (50, 51, 54, 99)] == [1, 3, 9, 10]


def test_a_clock_that_goes_back_gives_nothing() -> None:
    meter = Meter(TERMS, 50.0)
    assert [meter.level(now) for now in (51, 40, 51)] == [3, 3, 3]


def test_what_is_in_flight_takes_room_until_it_ends() -> None:
    meter = full()
    for _ in range(4):
        meter.take(100.0)
    assert (meter.level(200.0), meter.in_flight) == (6, 4)
    meter.end(200.0)
    assert [meter.level(now) for now in (200, 200.25, 300)] == [6, 6.5, 7]
    meter.end(300.0, refund=1)
    assert meter.level(300.0) == 8


@pytest.mark.parametrize(("tokens", "seconds"), [(1, 0), (3, 1), (10, 4.5), (11, math.inf)])
def test_seconds_until_enough(tokens: float, seconds: float) -> None:
    assert Meter(TERMS, 0.0).seconds_until(tokens, 0.0) == seconds


def test_a_stretch_slows_the_flow_until_its_end() -> None:
    meter = full()
    meter.stretch(7.0, 110.0, 100.0)
    assert [meter.level(now) for now in (100, 105, 110, 111)] == [3, 5, 7, 9]


@pytest.mark.parametrize(("tokens", "seconds"), [(5, 5), (7, 10), (9, 11)])
def test_seconds_until_enough_in_a_stretch(tokens: float, seconds: float) -> None:
    meter = full()
    meter.stretch(7.0, 110.0, 100.0)
    assert meter.seconds_until(tokens, 100.0) == pytest.approx(seconds)


def test_a_stretch_that_allows_more_than_the_flow_is_none() -> None:
    meter = full()
    meter.stretch(5.0, 110.0, 100.0)
    meter.stretch(24.0, 110.0, 101.0)
    assert meter.level(102.0) == pytest.approx(3.2 + 2)


def test_nothing_but_one_token_gathers_while_standing_still() -> None:
    meter = full()
    meter.stand_still(120.0, 100.0)
    meter.stand_still(110.0, 100.0)
    assert meter.seconds_until(3.0, 100.0) == 20
    assert [meter.level(now) for now in (100, 119, 120, 121)] == [1, 1, 1, 3]


def test_a_token_that_returns_while_standing_still_does_not_gather() -> None:
    meter = full()
    meter.take(100.0)
    meter.stand_still(110.0, 100.0)
    meter.end(100.0, refund=1)
    assert meter.level(100.0) == 1


def test_standing_still_ends_between_two_questions() -> None:
    meter = full()
    meter.stand_still(110.0, 100.0)
    meter.take(100.0)
    meter.end(100.0)
    assert meter.level(112.0) == 1 + 2 * 2


def test_follow_spreads_what_remains_and_takes_off_what_is_in_flight() -> None:
    meter = full()
    meter.take(100.0)
    meter.follow(5, 110.0, 100.0)
    assert [meter.level(now) for now in (100, 110, 111)] == pytest.approx([3, 4, 6])
    meter.follow(0, 120.0, 111.0)
    assert (meter.level(111.0), meter.still_until) == (1, 120)


def test_is_ample_a_little_below_the_brim() -> None:
    meter = Meter(TERMS, 0.0)
    assert [meter.is_ample(now) for now in (0, 3.2, 3.3, 9)] == [False, False, True, True]
    for _ in range(10):
        meter.take(5.0)
    assert not meter.is_ample(50.0)


def test_smaller_terms_take_from_the_level_at_once() -> None:
    meter = full()
    meter.take(100.0)
    meter.refit(Terms(burst=2.0, rate=1.0, reserve=1.0), 100.0)
    assert (meter.level(100.0), meter.level(200.0)) == (1, 1)


STEPS = st.lists(
    st.tuples(st.floats(0, 20), st.sampled_from(["take", "end", "refund", "still", "stretch", "follow", "look"])),
    max_size=60,
)


@given(steps=STEPS)
def test_level_and_flight_never_exceed_the_burst(steps: list[tuple[float, str]]) -> None:
    meter, now = Meter(TERMS, 0.0), 0.0
    taken = refunded = 0
    for gap, step in steps:
        now += gap
        if step == "take" and meter.level(now) >= 1:
            meter.take(now)
            taken += 1
        elif step in ("end", "refund") and meter.in_flight:
            meter.end(now, refund=int(step == "refund"))
            refunded += step == "refund"
        elif step == "still":
            meter.stand_still(now + 5, now)
        elif step == "stretch":
            meter.stretch(4.0, now + 10, now)
        elif step == "follow":
            meter.follow(6, now + 10, now)
        assert -1e-9 <= meter.level(now) <= TERMS.burst - meter.in_flight + 1e-9
        assert taken - refunded <= 1 + TERMS.rate * now + 1e-6
