"""What clients send, turned into calls: lenient where Alpaca is (numbers or strings), and never an error of our own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from fillwatch.core.orders import OrderRequest, Side, exact
from fillwatch.simulator.answers import Answer, Query, refusal
from fillwatch.simulator.book import trimmed

T = TypeVar("T")

TYPES = frozenset({"market", "limit", "stop", "stop_limit", "trailing_stop"})
TIMES_IN_FORCE = frozenset({"day", "gtc", "opg", "cls", "ioc", "fok"})
CLASSES = frozenset({"", "simple", "bracket", "oco", "oto", "mleg"})
SMALLEST, LARGEST = Decimal("0.000000001"), Decimal(10) ** 12
#: Largest pages of the list of orders and of the tape.
MOST_ORDERS, MOST_ROWS = 500, 100


def order_request(raw: bytes) -> OrderRequest | Answer:
    """The order in the body of a POST, or the refusal that the body deserves."""
    try:
        sent = json.loads(raw)
    except (ValueError, RecursionError):  # ValueError: no text, no JSON, or a number of thousands of digits
        return refusal(400, 40010000, "request body format is invalid")
    if not isinstance(sent, dict):
        return refusal(400, 40010000, "request body format is invalid")
    try:
        return _order_request(sent)
    except (ValueError, TypeError) as error:
        return refusal(422, 40010001, str(error))


def _order_request(sent: Mapping[str, Any]) -> OrderRequest:
    take_profit = _part(sent, "take_profit")
    stop_loss = _part(sent, "stop_loss")
    amounts = {
        name: _number(sent, name)
        for name in ("qty", "notional", "limit_price", "stop_price", "trail_price", "trail_percent")
    }
    return OrderRequest(
        symbol=_word(sent, "symbol", None),
        side=Side(_word(sent, "side", frozenset(Side))),
        order_type=_word(sent, "type", TYPES),
        time_in_force=_word(sent, "time_in_force", TIMES_IN_FORCE, "day"),
        order_class=_word(sent, "order_class", CLASSES, "simple") or "simple",
        extended_hours=sent.get("extended_hours") in (True, "true"),
        client_order_id=_word(sent, "client_order_id", None, "") or None,
        take_profit_limit_price=_number(take_profit, "limit_price"),
        stop_loss_stop_price=_number(stop_loss, "stop_price"),
        stop_loss_limit_price=_number(stop_loss, "limit_price"),
        **amounts,
    )


def _part(sent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = sent.get(name)
    if part is None:
        return {}
    if not isinstance(part, dict):
        raise ValueError(f"{name} must be an object")
    return part


def _number(sent: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - a Decimal or None, spread over six fields
    value = sent.get(name)
    if value is None:
        return None
    if not isinstance(value, (int, float, str)):
        raise ValueError(f"{name} must be a number")
    number = exact(value, name)
    if not SMALLEST <= abs(number) <= LARGEST:
        raise ValueError(f"{name} must be from {SMALLEST:f} to {LARGEST:f}")
    return trimmed(number)


def _word(sent: Mapping[str, Any], name: str, allowed: frozenset[Any] | None, default: str | None = None) -> str:
    value = sent.get(name)
    if value is None:
        value = default
    if not isinstance(value, str) or (allowed is not None and value not in allowed):
        raise ValueError(f"invalid {name}: {value!r}" if name in sent else f"{name} is required")
    return value


def list_query(params: Mapping[str, str]) -> Query | Answer:
    """The filters of `GET /v2/orders`."""
    return _checked(lambda: _list_query(params))


def _list_query(params: Mapping[str, str]) -> Query:
    return Query(
        status=_choice(params, "status", "open", ("open", "closed", "all")),
        limit=_whole(params, "limit", 50, MOST_ORDERS),
        after=_time(params.get("after")),
        until=_time(params.get("until")),
        descending=_choice(params, "direction", "desc", ("asc", "desc")) == "desc",
        symbols=frozenset(filter(None, params.get("symbols", "").split(","))),
        side=_choice(params, "side", "", ("", "buy", "sell")) or None,
    )


def tape_query(params: Mapping[str, str], kinds: str) -> Query | Answer:
    """The filters of the account activities; `kinds` is a comma-separated list, "" for all. Only FILL ever happens."""
    return _checked(lambda: _tape_query(params, kinds))


def _tape_query(params: Mapping[str, str], kinds: str) -> Query:
    limit = _whole(params, "page_size", MOST_ROWS, MOST_ROWS)
    after, until = _time(params.get("after")), _time(params.get("until"))
    if (day := _time(params.get("date"))) is not None:
        after, until = day - timedelta(microseconds=1), day + timedelta(days=1)
    return Query(
        limit=limit if not kinds or "FILL" in kinds.split(",") else 0,
        after=after,
        until=until,
        descending=_choice(params, "direction", "desc", ("asc", "desc")) == "desc",
        page_token=params.get("page_token") or None,
    )


def _checked(make: Callable[[], T]) -> T | Answer:
    try:
        return make()
    except (ValueError, OverflowError) as error:
        return refusal(422, 40010001, str(error))


def _choice(params: Mapping[str, str], name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = params.get(name, default)
    if value not in allowed:
        raise ValueError(f"invalid {name}: {value!r}")
    return value


def _whole(params: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = params.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= most:
        raise ValueError(f"{name} must be a number from 1 to {most}")
    return int(text)


def _time(text: str | None) -> datetime | None:
    if not text:
        return None
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
