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


class _Named(msgspec.Struct):
    id: str


_NAMED = msgspec.json.Decoder(_Named)
_FILL = msgspec.json.Decoder(FillRow)
_FILLS = msgspec.json.Decoder(list[FillRow])


def executions(body: bytes) -> tuple[Rows[Execution], str | None]:
    """A page of the tape, and the raw id after which the next one is to begin (None if no id can be read)."""
    found = rows.read(body, _FILLS, _FILL, lambda row: (row.id, _execution(row)))
    ids = _ids(body) if found.unreadable else [activity_id for activity_id, _ in found.values]
    values = tuple(execution for _, execution in found.values if execution is not None)
    return Rows(values=values, count=found.count, unreadable=found.unreadable), _seam(ids)


def _seam(ids: list[str]) -> str | None:
    """The last row of an earlier millisecond than the page's last one.

    Rows of one millisecond come in any order (alpacahq/Alpaca-API issue 170), at each request in another: after the
    last of them some might follow never. So they all come twice, unless they fill the page.
    """
    newest = ids[-1].partition("::")[0] if ids else ""
    return next((each for each in reversed(ids) if not each.startswith(newest)), ids[-1] if ids else None)


def _ids(body: bytes) -> list[str]:
    """The ids of a page of which not all rows can be read, as far as they can."""
    found = (rows.one(raw, _NAMED) for raw in rows.raw(body))
    return [row.id for row in found if isinstance(row, _Named)]


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
        qty=qty.copy_abs(),
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
