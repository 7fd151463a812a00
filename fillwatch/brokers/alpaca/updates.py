"""The JSON of one trade update, and the short way from its order to an `OrderSnapshot`."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from fillwatch.brokers.alpaca import fields
from fillwatch.brokers.alpaca.fields import Unreadable
from fillwatch.core.orders import OrderSnapshot, OrderStatus

#: Digits before or after the point that no amount has.
_LARGEST_EXPONENT = 30
_STATUSES = {status.value: status for status in OrderStatus}


class OrderRow(msgspec.Struct, rename={"order_id": "id", "raw_status": "status", "status": "-"}):
    """The order of a trade update. Its fields are those of `OrderSnapshot`, so that one step turns it into one."""

    order_id: str
    raw_status: str
    status: OrderStatus = OrderStatus.UNKNOWN
    client_order_id: str = ""
    symbol: str = ""
    side: Any = None
    type: str = ""
    order_type: str = ""
    time_in_force: str = ""
    order_class: str = ""
    qty: Decimal | None = None
    notional: Decimal | None = None
    filled_qty: Decimal | None = None
    filled_avg_price: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    created_at: Any = None
    submitted_at: Any = None
    updated_at: Any = None
    filled_at: Any = None
    replaced_by: str | None = None
    replaces: str | None = None
    legs: Any = None


class LegRow(msgspec.Struct):
    """What one leg of a multi-leg order has executed; only these have an execution id there."""

    order_id: str
    execution_id: str
    qty: Decimal
    price: Decimal
    symbol: str = ""


class Rest(msgspec.Struct):
    """A trade update without its order; and the two words of the answers to `authenticate` and `listen`."""

    event: str = ""
    execution_id: str | None = None
    previous_execution_id: str | None = None
    qty: Decimal | None = None
    price: Decimal | None = None
    timestamp: str | None = None
    legs: list[LegRow] | None = None
    status: str | None = None
    streams: list[str] | None = None


class Update(Rest):
    """A trade update."""

    order: OrderRow | None = None


class Frame(msgspec.Struct):
    """A whole frame that is as it should be."""

    stream: str = ""
    data: Update | None = None


def snapshot(row: OrderRow) -> OrderSnapshot:
    """The order of a row without legs. Raises `Unreadable`, or `msgspec.ValidationError` for a wrong type."""
    row.order_id = fields.order_id(row.order_id)
    row.status = _STATUSES.get(row.raw_status) or OrderStatus.parse(row.raw_status)
    row.side = _side(row.side)
    row.order_type = row.type or row.order_type
    for amount in (row.qty, row.notional, row.filled_qty, row.filled_avg_price, row.limit_price, row.stop_price):
        if amount is not None:
            check(amount)
    row.created_at = moment(row.created_at)
    row.submitted_at = moment(row.submitted_at)
    row.updated_at = moment(row.updated_at)
    row.filled_at = moment(row.filled_at)
    if row.replaced_by is not None:
        row.replaced_by = fields.order_id(row.replaced_by) if row.replaced_by else None
    if row.replaces is not None:
        row.replaces = fields.order_id(row.replaces) if row.replaces else None
    if row.legs:
        raise Unreadable("it has legs")  # rare enough for the long way
    row.legs = ()
    # In C, and less than half as dear as the frozen dataclass's own __init__, which most of a frame's time went into.
    return msgspec.convert(row, OrderSnapshot, from_attributes=True)


def check(amount: Decimal) -> None:
    if not amount.is_finite() or (amount and abs(amount.adjusted()) > _LARGEST_EXPONENT):
        raise Unreadable("a number that is no amount")


def _side(word: object) -> Any:  # noqa: ANN401 - a `Side` or None
    return fields.side(word) if isinstance(word, str) else None


def moment(text: object) -> datetime | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise Unreadable("a time that is no text")
    return _moment(text)


@lru_cache(maxsize=8192)
def _moment(text: str) -> datetime | None:
    # The events of an order repeat when it was made and submitted.
    return fields.moment(text)
