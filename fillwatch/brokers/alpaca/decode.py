"""JSON bytes to our values, row by row: one strange row costs that row, never the page.

A page is decoded in one go; only when that fails is it taken apart. Amounts stay raw text until they become
`Decimal`. Unknown words (a new status, side or type) are no reason to lose a row; a missing id, a wrong type or a
number that is none are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec
from loguru import logger

from fillwatch.brokers.alpaca import fields, updates
from fillwatch.brokers.alpaca.fields import Unreadable
from fillwatch.brokers.alpaca.known import KnownRows
from fillwatch.core.orders import Execution, ExecutionKind, OrderSnapshot, OrderStatus
from fillwatch.core.text import plain

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)
_ABSENT = msgspec.Raw(b"")
#: What msgspec raises for malformed, mistyped, wrongly encoded and absurdly nested input.
_BAD_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


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


class FillRow(msgspec.Struct):
    """A row of `/v2/account/activities/FILL`; busts and corrections name what they undo in one of three fields."""

    id: str
    activity_type: str = "FILL"
    type: str | None = None
    order_id: str | None = None
    transaction_time: str | None = None
    symbol: str | None = None
    side: str | None = None
    order_status: str | None = None
    qty: msgspec.Raw = _ABSENT
    price: msgspec.Raw = _ABSENT
    cum_qty: msgspec.Raw = _ABSENT
    leaves_qty: msgspec.Raw = _ABSENT
    previous_id: str | None = None
    previous_execution_id: str | None = None
    ref_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows(Generic[T]):
    """A page: the rows that could be read in the broker's order, how many came, and how many made no sense."""

    values: tuple[T, ...]
    count: int
    unreadable: int


_ORDER = msgspec.json.Decoder(OrderRow)
_ORDERS = msgspec.json.Decoder(list[OrderRow])
_FILL = msgspec.json.Decoder(FillRow)
_FILLS = msgspec.json.Decoder(list[FillRow])
_ORDINARY = msgspec.json.Decoder(updates.OrderRow)
_RAW_ROWS = msgspec.json.Decoder(list[msgspec.Raw])


def order(body: bytes) -> OrderSnapshot:
    """One order. Raises `Unreadable`."""
    try:
        return _snapshot(_ORDER.decode(body))
    except _BAD_JSON as error:
        raise Unreadable(f"not an order ({plain(str(error), 120)})") from None


def orders(body: bytes, known: KnownRows | None = None) -> Rows[OrderSnapshot]:
    """A page of orders; `known` spares the rows that have been read before. Raises `Unreadable` if it is no array."""
    if known is None:
        return _rows(body, _ORDERS, _ORDER, _snapshot)
    raws = [bytes(raw) for raw in _raw_rows(body)]
    values: list[OrderSnapshot] = []
    strange: list[str] = []
    for raw in raws:
        value = known.get(raw)
        if value is None:
            try:
                value = _quickly(raw)
            except Unreadable as error:
                strange.append(str(error))
                continue
            known.keep(raw, value)
        values.append(value)
    return _told(values, strange)


def executions(body: bytes) -> tuple[Rows[Execution], str | None]:
    """A page of the tape, and the raw id of its last row (None if that cannot be read): the broker's page token."""
    rows = _rows(body, _FILLS, _FILL, lambda row: (row.id, _execution(row)))
    last = rows.values[-1][0] if rows.values and not rows.unreadable else _last_id(body)
    found = tuple(execution for _, execution in rows.values if execution is not None)
    return Rows(values=found, count=rows.count, unreadable=rows.unreadable), last


def _rows(
    body: bytes, page: msgspec.json.Decoder[list[S]], single: msgspec.json.Decoder[S], make: Callable[[S], T]
) -> Rows[T]:
    rows: list[S | Unreadable]
    try:
        rows = list(page.decode(body))
    except _BAD_JSON:
        rows = [_row(raw, single) for raw in _raw_rows(body)]
    values: list[T] = []
    strange: list[str] = []
    for row in rows:
        try:
            if isinstance(row, Unreadable):
                raise row
            values.append(make(row))
        except Unreadable as error:
            strange.append(str(error))
    return _told(values, strange)


def _told(values: list[T], strange: list[str]) -> Rows[T]:
    count = len(values) + len(strange)
    if strange:
        logger.warning(
            "{} of {} rows were unreadable and are left out, first: {}", len(strange), count, plain(strange[0])
        )
    return Rows(values=tuple(values), count=count, unreadable=len(strange))


def _quickly(raw: bytes) -> OrderSnapshot:
    """One row: the short way of the trade updates for an ordinary one, the long way for any other."""
    try:
        return updates.snapshot(_ORDINARY.decode(raw))
    except (*_BAD_JSON, Unreadable):
        return order(raw)


def _row(raw: msgspec.Raw, decoder: msgspec.json.Decoder[S]) -> S | Unreadable:
    try:
        return decoder.decode(raw)
    except _BAD_JSON as error:
        return Unreadable(str(error))


def _raw_rows(body: bytes) -> list[msgspec.Raw]:
    try:
        return _RAW_ROWS.decode(body)
    except _BAD_JSON as error:
        raise Unreadable(f"not a list ({plain(str(error), 120)})") from None


def _last_id(body: bytes) -> str | None:
    class Named(msgspec.Struct):
        id: str

    rows = _raw_rows(body)
    row = _row(rows[-1], msgspec.json.Decoder(Named)) if rows else None
    return row.id if isinstance(row, Named) else None


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


_KINDS = {
    "fill": ExecutionKind.FILL,
    "partial_fill": ExecutionKind.FILL,
    "trade_bust": ExecutionKind.BUST,
    "trade_correct": ExecutionKind.CORRECTION,
}


def _execution(row: FillRow) -> Execution | None:
    if row.activity_type.upper() != "FILL":
        return None
    kind = _KINDS.get((row.type or "").lower())
    qty, price = fields.amount(row.qty), fields.amount(row.price)
    if kind is None or qty is None or price is None or price < 0 or (qty <= 0 and kind is ExecutionKind.FILL):
        raise Unreadable(f"activity {row.id!r}: type {row.type!r}, qty {qty}, price {price}")
    undone = row.previous_execution_id or row.previous_id or (row.ref_id if kind is not ExecutionKind.FILL else None)
    return Execution(
        execution_id=_execution_id(row.id),
        order_id=fields.order_id(row.order_id),
        qty=abs(qty),
        price=price,
        symbol=row.symbol or "",
        side=fields.side(row.side),
        kind=kind,
        previous_id=_execution_id(undone) if undone else None,
        cum_qty=fields.amount(row.cum_qty),
        leaves_qty=fields.amount(row.leaves_qty),
        order_status=OrderStatus.parse(row.order_status) if row.order_status else None,
        at=fields.moment(row.transaction_time),
    )


def _execution_id(activity_id: str) -> str:
    # "20220202135509981::2d7be4ff-…": the prefix is New York local time and says nothing of the execution.
    last = activity_id.rpartition("::")[2]
    if not last:
        raise Unreadable(f"activity id {activity_id!r} is empty")
    return fields.uuid_text(last) or last
