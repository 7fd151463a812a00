"""The broker's JSON: orders, tape rows, positions, account and the rest as Alpaca's Trading API 2.0.1 writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import msgspec

from fillwatch.core.orders import ExecutionKind
from fillwatch.simulator.answers import Answer, Op
from fillwatch.simulator.assets import CRYPTO, EQUITY, asset, asset_id
from fillwatch.simulator.book import NEW_YORK, Trade, Version

Json = dict[str, Any]


def body(op: Op, answer: Answer) -> Json | list[Json] | None:
    """What stands in the body of this answer; None for an empty one."""
    if answer.is_error:
        code = {} if answer.code is None else {"code": answer.code}
        return {**code, "message": answer.message, **answer.extras}
    return _BODIES[op](answer)


def text(op: Op, answer: Answer) -> bytes | None:
    """The body of this answer as it is sent; an order's text is made once for each of its versions."""
    if answer.is_error or not answer.versions or op not in _ORDERS:
        content = body(op, answer)
        return None if content is None else msgspec.json.encode(content)
    texts = [order_text(version, answer.legs.get(version.order.order_id, ())) for version in answer.versions]
    return b"[" + b",".join(texts) + b"]" if op is Op.LIST else texts[0]


def order_text(version: Version, legs: Sequence[Version] = ()) -> bytes:
    """An order's JSON, with these orders inside it."""
    if legs:
        return msgspec.json.encode(order_body(version, legs))
    known = version.written.get("order")
    if known is None:
        known = version.written["order"] = msgspec.json.encode(order_body(version))
    return known


def order_body(version: Version, legs: Sequence[Version] = ()) -> Json:
    """An order. Decimals are strings; `expires_at` and `position_intent` are left out rather than null."""
    order, stamps = version.order, version.stamps
    times = {
        "created_at": order.created_at,
        "updated_at": order.updated_at,
        "submitted_at": order.submitted_at,
        "filled_at": order.filled_at,
        **{name: stamps.get(name) for name in ("expired_at", "canceled_at", "failed_at", "replaced_at")},
    }
    style = int(order.order_id[:8], 16)
    known = asset(order.symbol)
    return {
        "id": order.order_id,
        "client_order_id": order.client_order_id,
        **{name: None if at is None else _stamp(at, style + n) for n, (name, at) in enumerate(times.items())},
        "replaced_by": order.replaced_by,
        "replaces": order.replaces,
        "asset_id": asset_id(order.symbol if known is None else known.symbol),
        "symbol": order.symbol,
        "asset_class": EQUITY if known is None else known.kind,
        "notional": plain(order.notional),
        "qty": plain(order.qty),
        "filled_qty": plain(order.filled_qty or Decimal(0)),
        "filled_avg_price": plain(order.filled_avg_price),
        "order_class": order.order_class,
        "order_type": order.order_type,
        "type": order.order_type,
        "side": None if order.side is None else order.side.value,
        "time_in_force": order.time_in_force,
        "limit_price": plain(order.limit_price),
        "stop_price": plain(order.stop_price),
        "status": order.raw_status,
        "extended_hours": False,
        "legs": [order_body(leg) for leg in legs] or None,
        "trail_percent": None,
        "trail_price": None,
        "hwm": None,
        **{name: plain(value) for name, value in version.shown.items()},
    }


def trade_body(trade: Trade) -> Json:
    """A row of the tape. A bust has a negative quantity; it and a correction name the execution they are about."""
    row = trade.execution
    assert row.at is not None
    kind = row.kind.value
    if row.kind is ExecutionKind.FILL and row.leaves_qty:
        kind = "partial_fill"
    undone = {} if row.previous_id is None else {"previous_execution_id": row.previous_id}
    return {
        "activity_type": "FILL",
        "id": trade.row_id,
        "transaction_time": _stamp(row.at, 0),
        "type": kind,
        "price": plain(row.price),
        "qty": plain(-row.qty if row.kind is ExecutionKind.BUST else row.qty),
        "side": None if row.side is None else row.side.value,
        "symbol": row.symbol,
        "leaves_qty": plain(row.leaves_qty),
        "order_id": row.order_id,
        "cum_qty": plain(row.cum_qty),
        "order_status": None if row.order_status is None else row.order_status.value,
        **undone,
    }


def _position(row: Mapping[str, Any]) -> Json:
    """A position; in coins it is named without the slash of the pair (facts §9)."""
    known = asset(row["symbol"])
    figures = {name: plain(value) for name, value in row.items() if name not in ("symbol", "price", "entry")}
    return {
        "asset_id": asset_id(row["symbol"]),
        "symbol": row["symbol"].replace("/", "") if known is not None and known.kind == CRYPTO else row["symbol"],
        "exchange": "NASDAQ" if known is None else known.exchange,
        "asset_class": EQUITY if known is None else known.kind,
        "asset_marginable": known is not None and known.has("marginable"),
        "avg_entry_price": plain(row["entry"]),
        **figures,
    }


def _clock(row: Mapping[str, Any]) -> Json:
    return {
        "timestamp": row["at"].astimezone(NEW_YORK).isoformat(),
        "is_open": row["is_open"],
        "next_open": row["next_open"].astimezone(NEW_YORK).isoformat(),
        "next_close": row["next_close"].astimezone(NEW_YORK).isoformat(),
    }


def _closed(row: Mapping[str, Any]) -> Json:
    """One line of a 207: what became of a cancel, or of the order that closes a position."""
    made: Answer = row["answer"]
    named = {name: value for name, value in row.items() if name != "answer"}
    if made.is_error or made.versions:
        return {**named, "status": made.status, "body": body(Op.LOOK, made)}
    return {**named, "status": 200}


def _each(write: Callable[[Mapping[str, Any]], Json]) -> Callable[[Answer], list[Json]]:
    return lambda answer: [write(row) for row in answer.rows]


def _row(row: Mapping[str, Any]) -> Json:
    return {name: plain(value) for name, value in row.items()}


def _orders(answer: Answer) -> list[Json]:
    return [order_body(version, answer.legs.get(version.order.order_id, ())) for version in answer.versions]


def _order(answer: Answer) -> Json:
    return _orders(answer)[0]


#: Operations that are answered with orders.
_ORDERS = frozenset({Op.LOOK, Op.LOOK_BY_CLIENT_ID, Op.LIST, Op.SUBMIT, Op.REPLACE, Op.CLOSE_POSITION})
#: Total over `Op`.
_BODIES: Mapping[Op, Callable[[Answer], Json | list[Json] | None]] = MappingProxyType(
    {
        Op.LOOK: _order,
        Op.LOOK_BY_CLIENT_ID: _order,
        Op.LIST: _orders,
        Op.FILLS: lambda answer: [trade_body(trade) for trade in answer.trades],
        Op.SUBMIT: _order,
        Op.CANCEL: lambda answer: None,
        Op.CANCEL_ALL: _each(_closed),
        Op.POSITIONS: _each(_position),
        Op.POSITION: lambda answer: _position(answer.rows[0]),
        Op.ACCOUNT: lambda answer: _row(answer.rows[0]),
        Op.CLOCK: lambda answer: _clock(answer.rows[0]),
        Op.REPLACE: _order,
        Op.CLOSE_POSITION: _order,
        Op.CLOSE_POSITIONS: _each(_closed),
        Op.CALENDAR: _each(_row),
        Op.ASSET: lambda answer: _row(answer.rows[0]),
        Op.ASSETS: _each(_row),
        Op.EVENTS: lambda answer: None,
    }
)


def plain(value: object) -> Any:  # noqa: ANN401 - a value of JSON
    """A value as JSON holds it: money and quantity as strings without an exponent or idle zeros, times as RFC 3339."""
    if isinstance(value, Decimal):
        written = f"{value:f}"
        if "." in written:
            written = written.rstrip("0").rstrip(".")
        return written if value else "0"
    if isinstance(value, datetime):
        return _stamp(value, 0)
    return value.isoformat() if isinstance(value, date) else value


def _stamp(at: datetime, style: int) -> str:
    """Micro- or nanoseconds, UTC or New York: Alpaca mixes them, within one order too."""
    zone, nanoseconds = ((UTC, ""), (UTC, f"{style % 1000:03d}"), (NEW_YORK, f"{style % 1000:03d}"))[style % 3]
    written = at.astimezone(zone).isoformat(timespec="microseconds")
    return written[:26] + nanoseconds + ("Z" if zone is UTC else written[26:])
