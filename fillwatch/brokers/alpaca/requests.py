"""A new order as Alpaca's JSON body. Amounts go as decimal text, exactly as the OpenAPI document has them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Protocol, runtime_checkable

from fillwatch.core.orders import OrderRequest, OrderSnapshot, exact
from fillwatch.core.positions import normal_symbol

#: Our field to Alpaca's, for everything that is sent when it is set.
_FIELDS: Mapping[str, str] = {
    "symbol": "symbol",
    "side": "side",
    "qty": "qty",
    "notional": "notional",
    "order_type": "type",
    "time_in_force": "time_in_force",
    "limit_price": "limit_price",
    "stop_price": "stop_price",
    "trail_price": "trail_price",
    "trail_percent": "trail_percent",
    "client_order_id": "client_order_id",
}


@runtime_checkable
class RequestModel(Protocol):
    """An alpaca-py request model (`MarketOrderRequest`, `LimitOrderRequest` and so on), known by its one method."""

    def to_request_fields(self) -> dict[str, object]:
        """The fields that are set, by Alpaca's names."""
        ...


def order_body(request: object) -> dict[str, object]:
    """The JSON body for `request`, with a fresh client order id if it brings none. `TypeError` for anything else."""
    if isinstance(request, OrderRequest):
        body = _own(request)
    elif isinstance(request, RequestModel):
        body = {name: _plain_value(name, value) for name, value in request.to_request_fields().items()}
    else:
        raise TypeError(
            f"an OrderRequest or an alpaca-py request model is needed, not {type(request).__module__}."
            f"{type(request).__qualname__}"
        )
    if not body.get("client_order_id"):
        body["client_order_id"] = str(uuid.uuid4())
    return body


def differing(body: Mapping[str, object], order: OrderSnapshot) -> str:
    """Empty if `order` can be what `body` asked for; else the field that differs."""
    symbol, side = body.get("symbol"), body.get("side")
    if isinstance(symbol, str) and order.symbol and normal_symbol(symbol) != normal_symbol(order.symbol):
        return "symbol"
    if side is not None and order.side is not None and side != order.side.value:
        return "side"
    for name, found in (("qty", order.qty), ("notional", order.notional)):
        asked = body.get(name)
        if asked is not None and found is not None and Decimal(str(asked)) != found:
            return name
    return ""


def _own(request: OrderRequest) -> dict[str, object]:
    values = {name: getattr(request, ours) for ours, name in _FIELDS.items()}
    body: dict[str, object] = {name: _plain_value(name, value) for name, value in values.items() if value is not None}
    if request.extended_hours:
        body["extended_hours"] = True
    if request.order_class not in ("", "simple"):
        body["order_class"] = request.order_class
    if request.take_profit_limit_price is not None:
        body["take_profit"] = {"limit_price": _text(request.take_profit_limit_price)}
    stop_loss = {"stop_price": request.stop_loss_stop_price, "limit_price": request.stop_loss_limit_price}
    if any(price is not None for price in stop_loss.values()):
        body["stop_loss"] = {name: _text(price) for name, price in stop_loss.items() if price is not None}
    return body


def _plain_value(name: str, value: object) -> object:
    match value:
        case Enum():
            return value.value
        case bool() | None:
            return value
        case int() | float() | Decimal():
            return _text(exact(value, name))
        case Mapping():
            return {str(key): _plain_value(str(key), item) for key, item in value.items()}
        case list() | tuple():
            return [_plain_value(name, item) for item in value]
        case _:
            return str(value)


def _text(number: Decimal) -> str:
    return format(number, "f")
