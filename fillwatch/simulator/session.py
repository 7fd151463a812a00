"""When the exchange trades: its hours and calendar, and what they mean for an order's time in force.

Source: facts §9 (day orders, extended hours, the opening and closing auctions, the end of old GTC orders) and §2 (what
becomes of orders that arrive when the exchange is closed).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from types import MappingProxyType

from fillwatch.simulator.assets import CRYPTO, asset
from fillwatch.simulator.book import NEW_YORK
from fillwatch.simulator.trading_days import TradingDay, next_trading_day, trading_day

_DAY = timedelta(days=1)
#: The night session before a day of trading begins here.
_OVERNIGHT = time(20, 0)
#: Orders for an auction are taken until some minutes before it, and again from the evening on.
_AUCTION_MARGIN: Mapping[str, timedelta] = MappingProxyType({"opg": timedelta(minutes=2), "cls": timedelta(minutes=5)})
_AUCTION_TAKES_AGAIN = time(19, 0)
_NEVER_QUEUED = frozenset({"opg", "cls", "ioc", "fok"})
#: GTC orders are cancelled after ninety days, a quarter of an hour after the usual close.
_GTC_LIFE, _GTC_ENDS = timedelta(days=90), time(16, 15)


class Phase(StrEnum):
    """What part of a trading day it is. Outside `REGULAR` only orders for extended hours trade, in `CLOSED` none."""

    CLOSED = "closed"
    OVERNIGHT = "overnight"
    PRE = "pre"
    REGULAR = "regular"
    AFTER = "after"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The exchange's hours. `always_open`: it trades without a pause, and no day ever ends.

    Every moment is an aware datetime, given in New York time. The calendar is the same in both.
    """

    always_open: bool

    def of(self, symbol: str) -> Session:
        """The hours of this symbol: coins trade without a pause, everything else when the exchange is open."""
        kind = asset(symbol)
        return _NEVER_CLOSED if kind is not None and kind.kind == CRYPTO else self

    def phase(self, at: datetime) -> Phase:
        """The part of the day at this moment."""
        if self.always_open:
            return Phase.REGULAR
        local = at.astimezone(NEW_YORK)
        day = trading_day(local.date())
        if day is not None:
            if local < day.extended_opens:
                return Phase.OVERNIGHT
            if local < day.opens:
                return Phase.PRE
            if local < day.closes:
                return Phase.REGULAR
            if local < day.extended_closes:
                return Phase.AFTER
        if local.time() >= _OVERNIGHT and trading_day(local.date() + _DAY) is not None:
            return Phase.OVERNIGHT
        return Phase.CLOSED

    def is_open(self, at: datetime) -> bool:
        """Whether these are regular hours."""
        return self.phase(at) is Phase.REGULAR

    def trades(self, at: datetime, *, extended: bool) -> bool:
        """Whether an order may execute at this moment: `extended` ones in all phases but `CLOSED`."""
        phase = self.phase(at)
        return phase is Phase.REGULAR or (extended and phase is not Phase.CLOSED)

    def resumes(self, at: datetime, *, extended: bool) -> datetime:
        """The first moment from `at` on at which such an order may execute."""
        if self.trades(at, extended=extended):
            return at
        day = self._day_at(at)
        if not extended:
            return day.opens if at < day.opens else next_trading_day(day.date).opens
        return _evening_before(day) if at < day.extended_opens else _evening_before(next_trading_day(day.date))

    def next_open(self, at: datetime) -> datetime:
        """The next opening bell after `at`, by the calendar."""
        day = self._day_at(at)
        return day.opens if at < day.opens else next_trading_day(day.date).opens

    def next_close(self, at: datetime) -> datetime:
        """The next end of regular hours after `at`, by the calendar."""
        day = self._day_at(at)
        return day.closes if at < day.closes else next_trading_day(day.date).closes

    def days(self, start: date, end: date) -> tuple[TradingDay, ...]:
        """The days of trading from `start` to `end`, both included."""
        count = (end - start).days + 1
        found = (trading_day(start + _DAY * number) for number in range(count))
        return tuple(day for day in found if day is not None)

    def expires_at(self, time_in_force: str, at: datetime, *, extended: bool = False) -> datetime | None:
        """When an order that arrives at `at` ends by its time in force; None when it has no such end.

        `day` ends with the regular hours, an `extended` one with the extended ones; after them it is meant for the
        next day. `opg`, `cls`, `ioc` and `fok` end otherwise.
        """
        if time_in_force == "gtc":
            day = (at + _GTC_LIFE).astimezone(NEW_YORK).date()
            return datetime.combine(day, _GTC_ENDS, NEW_YORK)
        if time_in_force != "day" or self.always_open:
            return None
        day_meant = self._day_at(at)
        end = day_meant.extended_closes if extended else day_meant.closes
        if at < end:
            return end
        day_meant = next_trading_day(day_meant.date)
        return day_meant.extended_closes if extended else day_meant.closes

    def routed_at(self, time_in_force: str, at: datetime, *, extended: bool = False) -> datetime:
        """When an order that arrives at `at` reaches the exchange; until then it is `accepted`.

        `gtc` orders are passed on when the extended hours begin, orders for these whenever they trade, orders for an
        auction or for at once without a delay, and others while the exchange is open or when it next opens.
        """
        if self.trades(at, extended=extended) or time_in_force in _NEVER_QUEUED:
            return at
        if time_in_force == "gtc" and not extended:
            if self.phase(at) in (Phase.PRE, Phase.AFTER):
                return at
            day = self._day_at(at)
            return day.extended_opens if at < day.extended_opens else next_trading_day(day.date).extended_opens
        return self.resumes(at, extended=extended)

    def queues(self, time_in_force: str, at: datetime, *, extended: bool = False) -> bool:
        """Whether an order that arrives at `at` has to wait for the exchange, or for its auction."""
        if time_in_force in _AUCTION_MARGIN:
            bell = self.auction(time_in_force, at)
            return bell is not None and bell > at
        return self.routed_at(time_in_force, at, extended=extended) > at

    def auction(self, time_in_force: str, at: datetime) -> datetime | None:
        """The auction that an `opg` or `cls` order of this moment is for; None when it comes too late for today's.

        From 19:00 on, orders for the next day's are taken. An exchange that never closes has its auctions at once.
        """
        if self.always_open:
            return at
        day = self._day_at(at)
        bell = day.opens if time_in_force == "opg" else day.closes
        if at < bell - _AUCTION_MARGIN[time_in_force]:
            return bell
        if at < datetime.combine(day.date, _AUCTION_TAKES_AGAIN, NEW_YORK):
            return None
        day = next_trading_day(day.date)
        return day.opens if time_in_force == "opg" else day.closes

    def _day_at(self, at: datetime) -> TradingDay:
        """The day of trading of this date, or else the next one."""
        today = at.astimezone(NEW_YORK).date()
        return trading_day(today) or next_trading_day(today)


_NEVER_CLOSED = Session(always_open=True)


def _evening_before(day: TradingDay) -> datetime:
    return datetime.combine(day.date - _DAY, _OVERNIGHT, NEW_YORK)
