"""Orders: JSON bytes to our values, row by row: one strange row costs that row, never the page.

Amounts stay raw text until they become
`Decimal`. Unknown words (a new status, side or type) are no reason to lose a row; a missing id, a wrong type or a
number that is none are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator

import msgspec

from fillwatch.brokers.alpaca import fields, rows, updates
from fillwatch.brokers.alpaca.fields import Unreadable
from fillwatch.brokers.alpaca.known import KnownRows
from fillwatch.brokers.alpaca.rows import BAD_JSON, Rows
from fillwatch.core.orders import OrderSnapshot, OrderStatus
from fillwatch.core.text import plain

_ABSENT = msgspec.Raw(b"")
#: Rows that were never read before after which a page lets everybody else have a turn: half a millisecond of them.
TURN = 64


class OrderRow(msgspec.Struct):
    """The fields of an `Order` (Alpaca's OpenAPI document 2.0.1) that we read; `order_type` is `type`'s old twin."""

    id: str
    status: str
    client_order_id: str | None = None
    symbol: str | None = None
    side: str | None = None
    type: str | None = None
    order_type: str | None = None
    time_in_force: str | None = None
    order_class: str | None = None
    qty: msgspec.Raw = _ABSENT
    notional: msgspec.Raw = _ABSENT
    filled_qty: msgspec.Raw = _ABSENT
    filled_avg_price: msgspec.Raw = _ABSENT
    limit_price: msgspec.Raw = _ABSENT
    stop_price: msgspec.Raw = _ABSENT
    created_at: str | None = None
    submitted_at: str | None = None
    updated_at: str | None = None
    filled_at: str | None = None
    replaced_by: str | None = None
    replaces: str | None = None
    legs: msgspec.Raw = _ABSENT


_ORDER = msgspec.json.Decoder(OrderRow)
_ORDERS = msgspec.json.Decoder(list[OrderRow])
_ORDINARY = msgspec.json.Decoder(updates.OrderRow)


def order(body: bytes) -> OrderSnapshot:
    """One order. Raises `Unreadable`."""
    try:
        return _snapshot(_ORDER.decode(body))
    except BAD_JSON as error:
        raise Unreadable(f"not an order ({plain(str(error), 120)})") from None


def orders(body: bytes, known: KnownRows | None = None) -> Rows[OrderSnapshot]:
    """A page of orders; `known` spares the rows that have been read before. Raises `Unreadable` if it is no array."""
    if known is None:
        return rows.read(body, _ORDERS, _ORDER, _snapshot)
    reading = _reading(body, known)
    while True:
        try:
            next(reading)
        except StopIteration as end:
            page: Rows[OrderSnapshot] = end.value
            return page


async def orders_in_turns(body: bytes, known: KnownRows) -> Rows[OrderSnapshot]:
    """The same, without keeping the loop from everybody else while a page full of new rows is read."""
    reading = _reading(body, known)
    while True:
        try:
            next(reading)
        except StopIteration as end:
            page: Rows[OrderSnapshot] = end.value
            return page
        await asyncio.sleep(0)


def _reading(body: bytes, known: KnownRows) -> Generator[None, None, Rows[OrderSnapshot]]:
    """Reads a page; pauses after each so many rows that were not known."""
    values: list[OrderSnapshot] = []
    strange: list[str] = []
    new = 0
    for raw in map(bytes, rows.raw(body)):
        value = known.get(raw)
        if value is None:
            try:
                value = _quickly(raw)
            except Unreadable as error:
                strange.append(str(error))
                continue
            known.keep(raw, value)
            new += 1
            if new % TURN == 0:
                yield
        values.append(value)
    if new >= TURN:
        yield  # whoever takes the page in has a turn of his own
    return rows.told(values, strange)


def _quickly(raw: bytes) -> OrderSnapshot:
    """One row: the short way of the trade updates for an ordinary one, the long way for any other."""
    try:
        return updates.snapshot(_ORDINARY.decode(raw))
    except (*BAD_JSON, Unreadable):
        return order(raw)


def _snapshot(row: OrderRow) -> OrderSnapshot:
    status = OrderStatus.parse(row.status)
    return OrderSnapshot(
        order_id=fields.order_id(row.id),
        status=status,
        raw_status=row.status,
        client_order_id=row.client_order_id or "",
        symbol=row.symbol or "",
        side=fields.side(row.side),
        order_type=row.type or row.order_type or "",
        time_in_force=row.time_in_force or "",
        order_class=row.order_class or "",
        qty=fields.amount(row.qty),
        notional=fields.amount(row.notional),
        filled_qty=fields.amount(row.filled_qty),
        filled_avg_price=fields.amount(row.filled_avg_price),
        limit_price=fields.amount(row.limit_price),
        stop_price=fields.amount(row.stop_price),
        created_at=fields.moment(row.created_at),
        submitted_at=fields.moment(row.submitted_at),
        updated_at=fields.moment(row.updated_at),
        filled_at=fields.moment(row.filled_at),
        replaced_by=fields.order_id(row.replaced_by) if row.replaced_by else None,
        replaces=fields.order_id(row.replaces) if row.replaces else None,
        legs=_legs(row.legs),
    )


def _legs(raw: msgspec.Raw) -> tuple[OrderSnapshot, ...]:
    # A strange leg is left out without costing its parent: the leg is an order of its own and can be asked for.
    if bytes(raw) in (b"", b"null", b"[]"):
        return ()
    try:
        return orders(bytes(raw)).values
    except Unreadable:
        return ()
