"""What the broker says of the exchange and not of the account: its clock, its calendar, and what is traded there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import lru_cache

from fillwatch.core.orders import OrderRequest
from fillwatch.simulator.answers import Answer, Query, refusal
from fillwatch.simulator.assets import CRYPTO, EQUITY, LISTED, OPTION, Asset, asset, asset_id, listed
from fillwatch.simulator.market import Market
from fillwatch.simulator.session import Session
from fillwatch.simulator.trading_days import next_trading_day

#: The days that the calendar holds, and how many of them are shown when no end is named.
FIRST, LAST = date(1970, 1, 1), date(2029, 12, 31)
_HOURS = Session(always_open=False)
_AUCTIONS = {
    "opg": "opg orders must be submitted after 7:00pm and before 9:28am",
    "cls": "cls orders must be submitted after 7:00pm and before 3:55pm",
}


def clock(market: Market, now: float) -> Answer:
    """The exchange's time, and when it opens and closes next."""
    at, session = market.wall(now), market.session
    row = {
        "at": at,
        "is_open": session.is_open(at),
        "next_open": session.next_open(at),
        "next_close": session.next_close(at),
    }
    return Answer(rows=(row,))


def calendar(market: Market, query: Query, now: float) -> Answer:
    """The days of trading; without bounds, all from 1970 to 2029."""
    start, end = max(query.start or FIRST, FIRST), min(query.end or LAST, LAST)
    return Answer(rows=_days(start, end) if start <= end else ())


@lru_cache(maxsize=32)
def _days(start: date, end: date) -> tuple[Mapping[str, object], ...]:
    days = _HOURS.days(start, end)
    if not days:
        return ()
    settled = (*(day.date for day in days[1:]), next_trading_day(days[-1].date).date)
    return tuple(
        {
            "date": day.date,
            "open": f"{day.opens:%H:%M}",
            "close": f"{day.closes:%H:%M}",
            "session_open": f"{day.extended_opens:%H%M}",
            "session_close": f"{day.extended_closes:%H%M}",
            "settlement_date": next_day,
        }
        for day, next_day in zip(days, settled, strict=True)
    )


def too_late(market: Market, request: OrderRequest, now: float) -> Answer | None:
    """The refusal of an order for an auction that takes none at this hour."""
    message = _AUCTIONS.get(request.time_in_force)
    if message is None or market.session.auction(request.time_in_force, market.wall(now)) is not None:
        return None
    return refusal(403, 40310000, message)


def asset_row(market: Market, name: str) -> Answer:
    """One asset, by symbol or id; 404 for what does not exist."""
    known = listed(name) or next((a for a in _traded(market) if a.asset_id == name.lower()), None)
    if known is None or known.kind == OPTION:  # an option is a contract, which another route shows
        return refusal(404, 40410000, f"asset not found for {name}")
    return Answer(rows=(_row(known),))


def asset_rows(market: Market, query: Query) -> Answer:
    """The assets of the list and those that orders were placed for."""
    known = {found.symbol: found for found in (*map(asset, LISTED), *_traded(market)) if found is not None}
    rows = (
        _row(found)
        for _, found in sorted(known.items())
        if found.kind in query.classes - {OPTION}
        and query.exchange in (None, found.exchange)
        and query.status in ("all", _status(found))
    )
    return Answer(rows=tuple(rows))


def _traded(market: Market) -> list[Asset]:
    symbols = {record.request.symbol for record in market.records.values()}
    return [known for symbol in symbols if (known := asset(symbol)) is not None]


def _status(known: Asset) -> str:
    return "active" if known.has("tradable") else "inactive"


def _row(known: Asset) -> dict[str, object]:
    row: dict[str, object] = {
        "id": asset_id(known.symbol),
        "class": known.kind,
        "exchange": known.exchange,
        "symbol": known.symbol,
        "name": f"{known.symbol} (simulated)",
        "status": _status(known),
        **{name: known.has(name) for name in ("tradable", "marginable", "shortable", "easy_to_borrow", "fractionable")},
        "attributes": [],
    }
    if known.kind == EQUITY:
        borrow = "easy_to_borrow" if known.has("easy_to_borrow") else "hard_to_borrow"
        margins = {"margin_requirement_long": "30", "margin_requirement_short": "30"}
        row |= {"borrow_status": borrow, "maintenance_margin_requirement": 30, **margins}
    if known.kind == CRYPTO:
        # ccxt builds its markets from these and takes no order for one without them.
        row |= {"min_order_size": "0.0001", "min_trade_increment": "0.000000001", "price_increment": "0.01"}
    return row
