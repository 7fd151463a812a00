"""Pages of the tape: rows of `/v2/account/activities/FILL`."""

from __future__ import annotations

import msgspec

from fillwatch.brokers.alpaca import fields, rows
from fillwatch.brokers.alpaca.fields import Unreadable
from fillwatch.brokers.alpaca.rows import Rows
from fillwatch.core.orders import Execution, ExecutionKind, OrderStatus

_ABSENT = msgspec.Raw(b"")
_KINDS = {
    "fill": ExecutionKind.FILL,
    "partial_fill": ExecutionKind.FILL,
    "trade_bust": ExecutionKind.BUST,
    "trade_correct": ExecutionKind.CORRECTION,
}


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


_FILL = msgspec.json.Decoder(FillRow)
_FILLS = msgspec.json.Decoder(list[FillRow])


def executions(body: bytes) -> tuple[Rows[Execution], str | None]:
    """A page of the tape, and the raw id of its last row (None if that cannot be read): the broker's page token."""
    found = rows.read(body, _FILLS, _FILL, lambda row: (row.id, _execution(row)))
    last = found.values[-1][0] if found.values and not found.unreadable else _last_id(body)
    values = tuple(execution for _, execution in found.values if execution is not None)
    return Rows(values=values, count=found.count, unreadable=found.unreadable), last


def _last_id(body: bytes) -> str | None:
    class Named(msgspec.Struct):
        id: str

    raws = rows.raw(body)
    row = rows.one(raws[-1], msgspec.json.Decoder(Named)) if raws else None
    return row.id if isinstance(row, Named) else None


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
