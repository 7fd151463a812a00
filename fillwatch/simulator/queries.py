"""The filters of read routes, as they stand in a URL, turned into a `Query` or the refusal that they deserve."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

from fillwatch.simulator.answers import Answer, Query, refusal

T = TypeVar("T")
Params = Mapping[str, str]

#: Largest pages of the list of orders and of the tape (facts §4).
MOST_ORDERS, MOST_ROWS = 500, 100
#: The kinds of asset that the list of orders can be asked for.
ASSET_CLASSES = frozenset(
    {"us_equity", "us_option", "crypto", "crypto_perp", "treasury", "corporate", "global_equity", "us_index"}
    | {"us_equity_chain", "ipo", "all"}
)
TRADES, OTHERS = "trade_activity", "non_trade_activity"


def checked(make: Callable[[], T]) -> T | Answer:
    """What `make` makes; the refusal of a field that it cannot read."""
    try:
        return make()
    except (ValueError, OverflowError) as error:
        return refusal(422, 40010001, str(error))


def list_query(params: Params) -> Query | Answer:
    """The filters of `GET /v2/orders` (facts §4a)."""
    return checked(lambda: _list_query(params))


def _list_query(params: Params) -> Query:
    after_id, before_id = params.get("after_order_id") or None, params.get("before_order_id") or None
    if after_id and before_id:
        raise ValueError("after_order_id and before_order_id are mutually exclusive")
    if (after_id or before_id) and (params.get("after") or params.get("until")):
        raise ValueError("after_order_id and before_order_id cannot be combined with after and until")
    return Query(
        status=_choice(params, "status", "open", ("open", "closed", "all")),
        limit=_whole(params, "limit", 50, MOST_ORDERS),
        after=_time(params, "after"),
        until=_time(params, "until"),
        descending=_choice(params, "direction", "desc", ("asc", "desc")) == "desc",
        symbols=frozenset(filter(None, params.get("symbols", "").split(","))),
        side=_choice(params, "side", "", ("", "buy", "sell")) or None,
        after_order_id=after_id,
        before_order_id=before_id,
        classes=_classes(params),
    )


def _classes(params: Params) -> frozenset[str]:
    names = frozenset(filter(None, params.get("asset_class", "").split(",")))
    if unknown := names - ASSET_CLASSES:
        raise ValueError(f"invalid asset_class: {min(unknown)!r}")
    return frozenset() if "all" in names else names


def is_nested(params: Params) -> bool:
    """Whether legs are to be shown inside their parents; alpaca-py writes `True`."""
    return params.get("nested", "").lower() in ("true", "1")


def tape_query(params: Params, kinds: str) -> Query | Answer:
    """The filters of the account activities; `kinds` is a comma-separated list, "" for all. Only FILL ever happens."""
    return checked(lambda: _tape_query(params, kinds))


def _tape_query(params: Params, kinds: str) -> Query:
    limit = _whole(params, "page_size", MOST_ROWS, MOST_ROWS)
    after, until = _time(params, "after"), _time(params, "until")
    if (day := _time(params, "date")) is not None:
        after, until = day - timedelta(microseconds=1), day + timedelta(days=1)
    category = _choice(params, "category", "", ("", TRADES, OTHERS))
    if category and kinds:
        raise ValueError("category cannot be used with activity_types")
    wanted = category != OTHERS and (not kinds or "FILL" in kinds.upper().split(","))
    return Query(
        limit=limit if wanted else 0,
        after=after,
        until=until,
        descending=_choice(params, "direction", "desc", ("asc", "desc")) == "desc",
        page_token=params.get("page_token") or None,
    )


def calendar_query(params: Params) -> Query | Answer:
    """The days of `GET /v2/calendar`: from `start` to `end`, both included."""
    return checked(lambda: _calendar_query(params))


def _calendar_query(params: Params) -> Query:
    _choice(params, "date_type", "TRADING", ("TRADING", "SETTLEMENT"))
    start, end = _day(params, "start"), _day(params, "end")
    if start is not None and end is not None and end < start:
        raise ValueError("end must not be before start")
    return Query(start=start, end=end)


def assets_query(params: Params) -> Query | Answer:
    """The filters of `GET /v2/assets`: by default every status and `us_equity`."""
    return checked(
        lambda: Query(
            status=_choice(params, "status", "all", ("all", "active", "inactive")),
            classes=_classes(params) or frozenset({"us_equity"}),
            exchange=params.get("exchange") or None,
        )
    )


def _choice(params: Params, name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = params.get(name, default)
    if value not in allowed:
        raise ValueError(f"invalid {name}: {value!r}; allowed: {', '.join(filter(None, allowed))}")
    return value


def _whole(params: Params, name: str, default: int, most: int) -> int:
    text = params.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= most:
        raise ValueError(f"{name} must be a number from 1 to {most}")
    return int(text)


def _time(params: Params, name: str) -> datetime | None:
    text = params.get(name)
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"invalid {name}: {text!r} is neither YYYY-MM-DD nor an RFC 3339 time") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _day(params: Params, name: str) -> date | None:
    at = _time(params, name)
    return None if at is None else at.date()
