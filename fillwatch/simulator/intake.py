"""What clients send, turned into calls: lenient where Alpaca is (numbers or strings), and never an error of our own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from fillwatch.core.orders import MAX_CLIENT_ORDER_ID, OrderRequest, Side, exact
from fillwatch.simulator import form
from fillwatch.simulator.answers import Answer, Closing, Leg, Patch, Terms, refusal
from fillwatch.simulator.book import trimmed
from fillwatch.simulator.queries import Params, checked

T = TypeVar("T")

SMALLEST, LARGEST = Decimal("0.000000001"), Decimal(10) ** 12
#: How a number is written; `Decimal` takes more than the broker does.
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
#: Characters of the longest number that is looked at.
LONGEST_NUMBER = 64
#: The most legs that the broker takes, and the fewest.
LEGS = range(2, 5)
_AMOUNTS = ("qty", "notional", "limit_price", "stop_price", "trail_price", "trail_percent")
_BAD_BODY = refusal(400, 40010000, "request body format is invalid")


def order_request(raw: bytes) -> tuple[OrderRequest, Terms] | Answer:
    """The order in the body of a POST, or the refusal that the body deserves."""
    return _from_body(raw, _order)


def patch(raw: bytes) -> Patch | Answer:
    """The changes in the body of a PATCH, or the refusal that the body deserves."""
    return _from_body(raw, _patch)


def closing(params: Params) -> Closing | Answer:
    """How much of a position a DELETE closes; both amounts at once are refused."""
    return checked(lambda: _closing(params))


def _from_body(raw: bytes, make: Callable[[Mapping[str, Any]], T | Answer]) -> T | Answer:
    try:
        sent = json.loads(raw)
    except (ValueError, RecursionError):  # ValueError: no text, no JSON, or a number of thousands of digits
        return _BAD_BODY
    if not isinstance(sent, dict):
        return _BAD_BODY
    try:
        return make(sent)
    except (ValueError, TypeError) as error:
        return refusal(422, 40010001, str(error))


def _order(sent: Mapping[str, Any]) -> tuple[OrderRequest, Terms] | Answer:
    if sent.get("advanced_instructions") is not None:
        return refusal(403, 40310000, "account not allowed to use advanced_instructions")
    fields = _fields(sent)
    terms = Terms(position_intent=_word(sent, "position_intent", form.INTENTS, ""))
    if fields["order_class"] == "mleg":
        legs = _legs(sent)
        if isinstance(legs, Answer):
            return legs
        price = fields["limit_price"]
        terms = Terms(legs=legs, credit=price is not None and price < 0)
        fields |= {"symbol": legs[0].symbol, "side": Side.BUY, "limit_price": price and abs(price)}
    else:
        fields |= {"symbol": _word(sent, "symbol", None), "side": Side(_word(sent, "side", frozenset(Side)))}
    if (refused := form.formal(fields)) is not None:
        return refused
    return OrderRequest(**fields), terms


def _fields(sent: Mapping[str, Any]) -> dict[str, Any]:
    take_profit, stop_loss = _part(sent, "take_profit"), _part(sent, "stop_loss")
    fields: dict[str, Any] = {name: _number(sent, name) for name in _AMOUNTS}
    fields |= {
        "order_type": _word(sent, "type", form.TYPES, what="order type"),
        "time_in_force": _word(sent, "time_in_force", form.TIMES_IN_FORCE),
        "order_class": _word(sent, "order_class", form.CLASSES, "simple") or "simple",
        "extended_hours": _flag(sent, "extended_hours"),
        "client_order_id": _word(sent, "client_order_id", None, "") or None,
        "take_profit_limit_price": _number(take_profit, "limit_price"),
        "stop_loss_stop_price": _number(stop_loss, "stop_price"),
        "stop_loss_limit_price": _number(stop_loss, "limit_price"),
    }
    if fields["order_class"] == "oco" and fields["order_type"] == "limit" and fields["limit_price"] is None:
        fields["limit_price"] = fields["take_profit_limit_price"]
    return fields


def _legs(sent: Mapping[str, Any]) -> tuple[Leg, ...] | Answer:
    raw = sent.get("legs")
    if not isinstance(raw, list) or len(raw) not in LEGS or not all(isinstance(leg, dict) for leg in raw):
        return refusal(422, 42210000, "mleg orders must have at least 2 legs and at most 4 legs")
    legs = tuple(_leg(leg) for leg in raw)
    if len({leg.symbol for leg in legs}) < len(legs):
        return refusal(422, 42210000, "mleg orders must have legs of different symbols")
    return legs


def _leg(sent: Mapping[str, Any]) -> Leg:
    intent = _word(sent, "position_intent", form.INTENTS, "")
    side = _word(sent, "side", frozenset(Side), intent.partition("_")[0] or None)
    ratio = _number(sent, "ratio_qty")
    if ratio is None or ratio <= 0 or ratio != ratio.to_integral_value():
        raise ValueError("ratio_qty must be a whole number greater than 0")
    return Leg(symbol=_word(sent, "symbol", None), ratio_qty=ratio, side=side, position_intent=intent)


def _patch(sent: Mapping[str, Any]) -> Patch | Answer:
    if sent.get("notional") is not None:
        return refusal(422, 40010001, "notional is only valid for IPO orders")
    names = ("qty", "limit_price", "stop_price", "trail")
    amounts = {name: _number(sent, name) for name in names}
    for name, amount in amounts.items():
        if amount is not None and amount <= 0:
            raise ValueError(f"{name.replace('_', ' ')} must be > 0")
    client_order_id = _word(sent, "client_order_id", None, "") or None
    if len(client_order_id or "") > MAX_CLIENT_ORDER_ID:
        raise ValueError(f"client_order_id must be no more than {MAX_CLIENT_ORDER_ID} characters")
    return Patch(
        time_in_force=_word(sent, "time_in_force", form.TIMES_IN_FORCE | {""}, "") or None,
        client_order_id=client_order_id,
        **amounts,
    )


def _closing(params: Params) -> Closing:
    qty, percentage = _number(params, "qty"), _number(params, "percentage")
    if qty is not None and percentage is not None:
        raise ValueError("only one of qty or percentage is accepted")
    if qty is not None and qty <= 0:
        raise ValueError("qty must be > 0")
    if percentage is not None and not 0 < percentage <= 100:
        raise ValueError("percentage must be greater than 0 and at most 100")
    return Closing(qty=qty, percentage=percentage, cancel_orders=params.get("cancel_orders", "").lower() == "true")


def _part(sent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = sent.get(name)
    if part is None:
        return {}
    if not isinstance(part, dict):
        raise ValueError(f"{name} must be an object")
    return part


def _number(sent: Mapping[str, Any], name: str) -> Decimal | None:
    value = sent.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"{name} must be a number")
    if len(str(value)) > LONGEST_NUMBER:
        raise ValueError(f"{name} must be from {SMALLEST:f} to {LARGEST:f}")
    if not _NUMBER.fullmatch(str(value)):
        raise ValueError(f"{name} must be a number")
    number = exact(value, name)
    if number and not SMALLEST <= abs(number) <= LARGEST:
        raise ValueError(f"{name} must be from {SMALLEST:f} to {LARGEST:f}")
    return trimmed(number)


def _flag(sent: Mapping[str, Any], name: str) -> bool:
    value = sent.get(name)
    if value not in (None, True, False, "true", "false", ""):
        raise ValueError(f"{name} must be true or false")
    return value in (True, "true")


def _word(
    sent: Mapping[str, Any], name: str, allowed: frozenset[Any] | None, default: str | None = None, what: str = ""
) -> str:
    value = sent.get(name)
    if value is None:
        value = default
    if value is None or (value == "" and default is None):
        raise ValueError(f"{name} is required")
    if not isinstance(value, str) or (allowed is not None and value not in allowed):
        raise ValueError(f"invalid {what or name}")
    value.encode()  # a lone surrogate is no text; its error is a ValueError
    return value
