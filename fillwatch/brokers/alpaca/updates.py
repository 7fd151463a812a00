"""The JSON of one trade update, and the short way from its order to an `OrderSnapshot`."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from sys import intern
from typing import Any

import msgspec

from fillwatch.brokers.alpaca import fields
from fillwatch.brokers.alpaca.fields import Unreadable
from fillwatch.core.orders import OrderSnapshot, OrderStatus
from fillwatch.core.quick import maker

#: Digits before or after the point that no amount has.
_LARGEST_EXPONENT = 30
NO_AMOUNT = "a number that is no amount"
_order = maker(OrderSnapshot)
_STATUSES = {status.value: status for status in OrderStatus}


class OrderRow(msgspec.Struct, gc=False):
    """The order of a trade update."""

    id: str
    status: str
    client_order_id: str = ""
    symbol: str = ""
    side: str | None = None
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
    created_at: str | None = None
    submitted_at: str | None = None
    updated_at: str | None = None
    filled_at: str | None = None
    replaced_by: str | None = None
    replaces: str | None = None
    legs: Any = None


class LegRow(msgspec.Struct, gc=False):
    """What one leg of a multi-leg order has executed; only these have an execution id there."""

    order_id: str
    execution_id: str
    qty: Decimal
    price: Decimal
    symbol: str = ""


class Rest(msgspec.Struct, gc=False):
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


class Update(Rest, gc=False):
    """A trade update."""

    order: OrderRow | None = None


class Frame(msgspec.Struct, gc=False):
    """A whole frame that is as it should be."""

    stream: str = ""
    data: Update | None = None


def snapshot(row: OrderRow) -> OrderSnapshot:
    """The order of a row without legs. Raises `Unreadable`, or `msgspec.ValidationError` for a wrong type."""
    if row.legs:
        raise Unreadable("it has legs")  # rare enough for the long way
    word = row.status
    for amount in (row.qty, row.notional, row.filled_qty, row.filled_avg_price, row.limit_price, row.stop_price):
        if amount and not (-_LARGEST_EXPONENT <= amount.adjusted() <= _LARGEST_EXPONENT and amount.is_finite()):
            raise Unreadable(NO_AMOUNT)
    created, submitted, updated, filled = row.created_at, row.submitted_at, row.updated_at, row.filled_at
    return _order(
        order_id=fields.order_id(row.id),
        status=_STATUSES.get(word) or OrderStatus.parse(word),
        raw_status=intern(word),
        client_order_id=row.client_order_id,
        symbol=intern(row.symbol),
        side=fields.side(row.side),
        order_type=intern(row.type or row.order_type),
        time_in_force=intern(row.time_in_force),
        order_class=intern(row.order_class),
        qty=row.qty,
        notional=row.notional,
        filled_qty=row.filled_qty,
        filled_avg_price=row.filled_avg_price,
        limit_price=row.limit_price,
        stop_price=row.stop_price,
        created_at=_moment(created) if created is not None else None,
        submitted_at=_moment(submitted) if submitted is not None else None,
        updated_at=fields.moment(updated),
        filled_at=fields.moment(filled) if filled is not None else None,
        replaced_by=fields.order_id(row.replaced_by) if row.replaced_by else None,
        replaces=fields.order_id(row.replaces) if row.replaces else None,
    )


def check(amount: Decimal) -> None:
    if amount and not (-_LARGEST_EXPONENT <= amount.adjusted() <= _LARGEST_EXPONENT and amount.is_finite()):
        raise Unreadable(NO_AMOUNT)


def moment(text: str | None) -> datetime | None:
    return None if text is None else _moment(text)


@lru_cache(maxsize=16_384)
def _moment(text: str) -> datetime | None:
    # The events of an order repeat when it was made and submitted; when it was touched last is new in each.
    return fields.moment(text)
