"""The exchange's hours: which moment is open, when it opens next, and how long an order stands."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwatch.simulator.book import NEW_YORK
from fillwatch.simulator.session import Phase, Session
from fillwatch.simulator.trading_days import trading_day

EXCHANGE, ALWAYS = Session(always_open=False), Session(always_open=True)

#: Holidays as the exchange published them, and its days with a close at 13:00.
CLOSED = """
    2024-01-01 2024-01-15 2024-02-19 2024-03-29 2024-05-27 2024-06-19 2024-07-04 2024-09-02 2024-11-28 2024-12-25
    2025-01-01 2025-01-20 2025-02-17 2025-04-18 2025-05-26 2025-06-19 2025-07-04 2025-09-01 2025-11-27 2025-12-25
    2026-01-01 2026-01-19 2026-02-16 2026-04-03 2026-05-25 2026-06-19 2026-07-03 2026-09-07 2026-11-26 2026-12-25
    2027-01-01 2027-01-18 2027-02-15 2027-03-26 2027-05-31 2027-06-18 2027-07-05 2027-09-06 2027-11-25 2027-12-24
""".split()
EARLY = """
    2024-07-03 2024-11-29 2024-12-24 2025-07-03 2025-11-28 2025-12-24 2026-11-27 2026-12-24 2027-11-26
""".split()


def at(text: str) -> datetime:
    """A moment in New York's time."""
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


def test_the_calendar_is_the_exchanges_own() -> None:
    days = EXCHANGE.days(date(2024, 1, 1), date(2027, 12, 31))
    open_days = {day.date for day in days}
    weekdays = {date(2024, 1, 1) + timedelta(days=n) for n in range(4 * 366)}
    weekdays = {day for day in weekdays if day.weekday() < 5 and day.year < 2028}
    assert {day.isoformat() for day in weekdays - open_days} == set(CLOSED)
    assert {day.date.isoformat() for day in days if day.closes.hour != 16} == set(EARLY)
    assert [day.date for day in days] == sorted(open_days)


def test_a_new_years_day_on_a_saturday_is_no_holiday_before_it() -> None:
    assert trading_day(date(2021, 12, 31)) is not None
    assert trading_day(date(2021, 6, 18)) is not None  # Juneteenth was not kept then


#: Monday 15 June 2026 is a usual day; Friday the 19th is a holiday; on 27 November 2026 the exchange closes early.
PHASES: list[tuple[str, Phase]] = [
    ("2026-06-15T03:59:59", Phase.OVERNIGHT),
    ("2026-06-15T04:00:00", Phase.PRE),
    ("2026-06-15T09:29:59.999999", Phase.PRE),
    ("2026-06-15T09:30:00", Phase.REGULAR),
    ("2026-06-15T15:59:59.999999", Phase.REGULAR),
    ("2026-06-15T16:00:00", Phase.AFTER),
    ("2026-06-15T19:59:59", Phase.AFTER),
    ("2026-06-15T20:00:00", Phase.OVERNIGHT),
    ("2026-06-18T20:00:00", Phase.CLOSED),
    ("2026-06-19T12:00:00", Phase.CLOSED),
    ("2026-06-21T19:59:59", Phase.CLOSED),
    ("2026-06-21T20:00:00", Phase.OVERNIGHT),
    ("2026-11-27T12:59:59", Phase.REGULAR),
    ("2026-11-27T13:00:00", Phase.AFTER),
    ("2026-11-27T17:00:00", Phase.CLOSED),
]


@pytest.mark.parametrize(("text", "phase"), PHASES)
def test_every_moment_has_its_phase(text: str, phase: Phase) -> None:
    moment = at(text)
    assert EXCHANGE.phase(moment) is EXCHANGE.phase(moment.astimezone(UTC)) is phase
    assert EXCHANGE.is_open(moment) is (phase is Phase.REGULAR)
    assert EXCHANGE.trades(moment, extended=True) is (phase is not Phase.CLOSED)
    assert EXCHANGE.trades(moment, extended=False) is (phase is Phase.REGULAR)
    assert ALWAYS.is_open(moment)


@pytest.mark.parametrize(
    ("text", "opens", "closes"),
    [
        ("2026-06-15T09:29:59", "2026-06-15T09:30", "2026-06-15T16:00"),
        ("2026-06-15T09:30:00", "2026-06-16T09:30", "2026-06-15T16:00"),
        ("2026-06-15T16:00:00", "2026-06-16T09:30", "2026-06-16T16:00"),
        ("2026-06-18T16:30:00", "2026-06-22T09:30", "2026-06-22T16:00"),
        ("2026-11-27T12:00:00", "2026-11-30T09:30", "2026-11-27T13:00"),
    ],
)
def test_the_next_bells(text: str, opens: str, closes: str) -> None:
    for session in (EXCHANGE, ALWAYS):
        assert session.next_open(at(text)) == at(opens)
        assert session.next_close(at(text)) == at(closes)


def test_summer_time_moves_the_bell_in_utc() -> None:
    assert EXCHANGE.next_open(at("2026-03-06T17:00")) == datetime(2026, 3, 9, 13, 30, tzinfo=UTC)
    assert EXCHANGE.next_open(at("2026-10-30T17:00")) == datetime(2026, 11, 2, 14, 30, tzinfo=UTC)


@given(st.integers(0, 8 * 365 * 86_400), st.booleans())
def test_trading_resumes_at_the_first_moment_of_trading(seconds: int, extended: bool) -> None:
    moment = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    resumes = EXCHANGE.resumes(moment, extended=extended)
    assert resumes >= moment
    assert EXCHANGE.trades(resumes, extended=extended)
    if resumes > moment:
        assert not EXCHANGE.trades(moment, extended=extended)
        assert not EXCHANGE.trades(resumes - timedelta(microseconds=1), extended=extended)
        halfway = moment + (resumes - moment) / 2
        assert halfway >= resumes - timedelta(microseconds=1) or not EXCHANGE.trades(halfway, extended=extended)


#: Time in force, whether for extended hours, arrival, when passed on to the exchange, and the end of it.
STANDS: list[tuple[str, bool, str, str, str | None]] = [
    ("day", False, "2026-06-15T10:00", "2026-06-15T10:00", "2026-06-15T16:00"),
    ("day", False, "2026-06-15T08:00", "2026-06-15T09:30", "2026-06-15T16:00"),
    ("day", False, "2026-06-15T16:00", "2026-06-16T09:30", "2026-06-16T16:00"),
    ("day", False, "2026-06-20T12:00", "2026-06-22T09:30", "2026-06-22T16:00"),
    ("day", False, "2026-11-27T09:30", "2026-11-27T09:30", "2026-11-27T13:00"),
    ("day", True, "2026-06-15T10:00", "2026-06-15T10:00", "2026-06-15T20:00"),
    ("day", True, "2026-06-15T05:00", "2026-06-15T05:00", "2026-06-15T20:00"),
    ("day", True, "2026-06-15T22:00", "2026-06-15T22:00", "2026-06-16T20:00"),
    ("day", True, "2026-06-19T12:00", "2026-06-21T20:00", "2026-06-22T20:00"),
    ("day", True, "2026-11-27T18:00", "2026-11-29T20:00", "2026-11-30T20:00"),
    ("gtc", False, "2026-06-15T10:00", "2026-06-15T10:00", "2026-09-13T16:15"),
    ("gtc", False, "2026-06-15T18:00", "2026-06-15T18:00", "2026-09-13T16:15"),
    ("gtc", False, "2026-06-15T22:00", "2026-06-16T04:00", "2026-09-13T16:15"),
    ("gtc", False, "2026-06-16T03:00", "2026-06-16T04:00", "2026-09-14T16:15"),
    ("gtc", False, "2026-06-20T12:00", "2026-06-22T04:00", "2026-09-18T16:15"),
    ("opg", False, "2026-06-15T22:00", "2026-06-15T22:00", None),
    ("cls", False, "2026-06-15T10:00", "2026-06-15T10:00", None),
    ("ioc", False, "2026-06-15T10:00", "2026-06-15T10:00", None),
    ("fok", False, "2026-06-15T22:00", "2026-06-15T22:00", None),
]


@pytest.mark.parametrize(("time_in_force", "extended", "arrives", "routed", "ends"), STANDS)
def test_an_order_stands_from_its_routing_to_its_end(
    time_in_force: str, extended: bool, arrives: str, routed: str, ends: str | None
) -> None:
    moment = at(arrives)
    assert EXCHANGE.routed_at(time_in_force, moment, extended=extended) == at(routed)
    assert EXCHANGE.expires_at(time_in_force, moment, extended=extended) == (None if ends is None else at(ends))
    assert ALWAYS.routed_at(time_in_force, moment, extended=extended) == moment
    if time_in_force == "day":
        assert ALWAYS.expires_at(time_in_force, moment) is None


@pytest.mark.parametrize(
    ("time_in_force", "arrives", "bell"),
    [
        ("opg", "2026-06-15T09:27:59", "2026-06-15T09:30"),
        ("opg", "2026-06-15T09:28", None),
        ("opg", "2026-06-15T18:59:59", None),
        ("opg", "2026-06-15T19:00", "2026-06-16T09:30"),
        ("opg", "2026-06-18T19:00", "2026-06-22T09:30"),
        ("opg", "2026-06-20T10:00", "2026-06-22T09:30"),
        ("cls", "2026-06-15T15:54:59", "2026-06-15T16:00"),
        ("cls", "2026-06-15T15:55", None),
        ("cls", "2026-06-15T19:00", "2026-06-16T16:00"),
        ("cls", "2026-11-27T12:49", "2026-11-27T13:00"),
    ],
)
def test_an_auction_takes_orders_until_minutes_before_it(time_in_force: str, arrives: str, bell: str | None) -> None:
    assert EXCHANGE.auction(time_in_force, at(arrives)) == (None if bell is None else at(bell))
    assert ALWAYS.auction(time_in_force, at(arrives)) == at(arrives)
