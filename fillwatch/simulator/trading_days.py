"""The New York Stock Exchange's calendar, by its rules: which days it trades on, and from when to when.

Source: the exchange's published holidays and early closings. Days of mourning and other exceptions are not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from fillwatch.simulator.book import NEW_YORK

OPEN, CLOSE, EARLY_CLOSE = time(9, 30), time(16, 0), time(13, 0)
#: Extended hours begin at 4:00, and end four hours after the close.
EXTENDED_OPEN, EXTENDED_AFTER_CLOSE = time(4, 0), timedelta(hours=4)
_DAY = timedelta(days=1)
_MONDAY, _THURSDAY, _FRIDAY, _SATURDAY = 0, 3, 4, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingDay:
    """One day of trading: the regular hours and, around them, the extended ones. All times are New York's."""

    date: date
    opens: datetime
    closes: datetime
    extended_opens: datetime
    extended_closes: datetime


@lru_cache(maxsize=4096)
def trading_day(day: date) -> TradingDay | None:
    """The hours of `day`; None when the exchange is closed on it."""
    if day.weekday() >= _SATURDAY or day in _holidays(day.year):
        return None
    closes = datetime.combine(day, EARLY_CLOSE if _closes_early(day) else CLOSE, NEW_YORK)
    return TradingDay(
        date=day,
        opens=datetime.combine(day, OPEN, NEW_YORK),
        closes=closes,
        extended_opens=datetime.combine(day, EXTENDED_OPEN, NEW_YORK),
        extended_closes=closes + EXTENDED_AFTER_CLOSE,
    )


def next_trading_day(day: date) -> TradingDay:
    """The first day of trading after `day`."""
    while (found := trading_day(day := day + _DAY)) is None:
        pass
    return found


@lru_cache(maxsize=64)
def _holidays(year: int) -> frozenset[date]:
    days = {
        _nth(year, 1, _MONDAY, 3),  # Martin Luther King
        _nth(year, 2, _MONDAY, 3),  # Washington
        _easter(year) - 2 * _DAY,
        _nth(year, 6, _MONDAY, 1) - 7 * _DAY,  # Memorial Day, the last Monday of May
        _observed(date(year, 7, 4)),
        _nth(year, 9, _MONDAY, 1),
        _thanksgiving(year),
        _observed(date(year, 12, 25)),
        _observed(date(year, 1, 1)),  # on a Saturday it is not kept: the Friday belongs to the old year
    }
    if year >= 2022:
        days.add(_observed(date(year, 6, 19)))
    return frozenset(days)


def _closes_early(day: date) -> bool:
    eves = (date(day.year, 7, 3), date(day.year, 12, 24), _thanksgiving(day.year) + _DAY)
    return day in eves


def _nth(year: int, month: int, weekday: int, n: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))


def _thanksgiving(year: int) -> date:
    return _nth(year, 11, _THURSDAY, 4)


def _observed(day: date) -> date:
    """The day off for a holiday: Friday for a Saturday, Monday for a Sunday."""
    return day + {_SATURDAY: -_DAY, _SATURDAY + 1: _DAY}.get(day.weekday(), timedelta())


def _easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (Meeus, Jones and Butcher)."""
    golden, century, in_century = year % 19, year // 100, year % 100
    leap_centuries, century_rest = divmod(century, 4)
    moon = (19 * golden + century - leap_centuries - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    leap, rest = divmod(in_century, 4)
    weekday = (32 + 2 * century_rest + 2 * leap - moon - rest) % 7
    late = (golden + 11 * moon + 22 * weekday) // 451
    month, day = divmod(moon + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)
