"""The broker's JSON: orders, tape rows, positions, account and clock as Alpaca's Trading API 2.0.1 writes them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from fillwatch.core.orders import ExecutionKind
from fillwatch.simulator.answers import Answer, Op
from fillwatch.simulator.book import NEW_YORK, Trade, Version

Json = dict[str, Any]


def body(op: Op, answer: Answer) -> Json | list[Json] | None:
    """What stands in the body of this answer; None for an empty one."""
    if answer.is_error:
        code = {} if answer.code is None else {"code": answer.code}
        return {**code, "message": answer.message, **answer.extras}
    return _BODIES[op](answer)


def _order(version: Version) -> Json:
    """Decimals are strings, `expires_at` and `position_intent` are left out rather than null."""
    order, stamps = version.order, version.stamps
    times = {
        "created_at": order.created_at,
        "updated_at": order.updated_at,
        "submitted_at": order.submitted_at,
        "filled_at": order.filled_at,
        **{name: stamps.get(name) for name in ("expired_at", "canceled_at", "failed_at", "replaced_at")},
    }
    style = int(order.order_id[:8], 16)
    return {
        "id": order.order_id,
        "client_order_id": order.client_order_id,
        **{name: None if at is None else _stamp(at, style + n) for n, (name, at) in enumerate(times.items())},
        "replaced_by": order.replaced_by,
        "replaces": order.replaces,
        "asset_id": _asset_id(order.symbol),
        "symbol": order.symbol,
        "asset_class": "us_equity",
        "notional": _text(order.notional),
        "qty": _text(order.qty),
        "filled_qty": _text(order.filled_qty or Decimal(0)),
        "filled_avg_price": _text(order.filled_avg_price),
        "order_class": order.order_class,
        "order_type": order.order_type,
        "type": order.order_type,
        "side": None if order.side is None else order.side.value,
        "time_in_force": order.time_in_force,
        "limit_price": _text(order.limit_price),
        "stop_price": _text(order.stop_price),
        "status": order.raw_status,
        "extended_hours": False,
        "legs": None,
        "trail_percent": None,
        "trail_price": None,
        "hwm": None,
    }


def _row(trade: Trade) -> Json:
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
        "price": _text(row.price),
        "qty": _text(-row.qty if row.kind is ExecutionKind.BUST else row.qty),
        "side": None if row.side is None else row.side.value,
        "symbol": row.symbol,
        "leaves_qty": _text(row.leaves_qty),
        "order_id": row.order_id,
        "cum_qty": _text(row.cum_qty),
        "order_status": None if row.order_status is None else row.order_status.value,
        **undone,
    }


def _position(row: Mapping[str, Any]) -> Json:
    qty, price, entry = row["qty"], row["price"], row["entry"]
    return {
        "asset_id": _asset_id(row["symbol"]),
        "symbol": row["symbol"],
        "exchange": "NASDAQ",
        "asset_class": "us_equity",
        "asset_marginable": True,
        "avg_entry_price": _text(entry),
        "qty": _text(qty),
        "qty_available": _text(qty),
        "side": "long" if qty > 0 else "short",
        "market_value": _text(qty * price),
        "cost_basis": _text(qty * entry),
        "unrealized_pl": _text(qty * (price - entry)),
        "unrealized_plpc": "0",
        "unrealized_intraday_pl": "0",
        "unrealized_intraday_plpc": "0",
        "current_price": _text(price),
        "lastday_price": _text(price),
        "change_today": "0",
    }


def _account(row: Mapping[str, Any]) -> Json:
    money = ("buying_power", "cash", "portfolio_value", "equity", "last_equity", "regt_buying_power")
    blocks = ("trading_blocked", "transfers_blocked", "account_blocked", "trade_suspended_by_user")
    return {
        "id": row["id"],
        "account_number": "PA3SIMULATED",
        "status": "ACTIVE",
        "currency": row["currency"],
        **dict.fromkeys(money, _text(row["buying_power"])),
        **dict.fromkeys(blocks, False),
        "shorting_enabled": True,
        "multiplier": "4",
        "created_at": "2024-01-02T15:04:05.000000Z",
    }


def _clock(row: Mapping[str, Any]) -> Json:
    return {
        "timestamp": row["at"].isoformat(),
        "is_open": row["is_open"],
        "next_open": row["next_open"].isoformat(),
        "next_close": row["next_close"].isoformat(),
    }


#: Total over `Op`.
_BODIES: Mapping[Op, Callable[[Answer], Json | list[Json] | None]] = MappingProxyType(
    {
        Op.LOOK: lambda answer: _order(answer.versions[0]),
        Op.LOOK_BY_CLIENT_ID: lambda answer: _order(answer.versions[0]),
        Op.LIST: lambda answer: [_order(version) for version in answer.versions],
        Op.FILLS: lambda answer: [_row(trade) for trade in answer.trades],
        Op.SUBMIT: lambda answer: _order(answer.versions[0]),
        Op.CANCEL: lambda answer: None,
        Op.CANCEL_ALL: lambda answer: [dict(row) for row in answer.rows],
        Op.POSITIONS: lambda answer: [_position(row) for row in answer.rows],
        Op.POSITION: lambda answer: _position(answer.rows[0]),
        Op.ACCOUNT: lambda answer: _account(answer.rows[0]),
        Op.CLOCK: lambda answer: _clock(answer.rows[0]),
    }
)


def _text(number: Decimal | None) -> str | None:
    return None if number is None else f"{number:f}"


def _asset_id(symbol: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, symbol))


def _stamp(at: datetime, style: int) -> str:
    """Micro- or nanoseconds, UTC or New York: Alpaca mixes them, within one order too."""
    zone, nanoseconds = ((UTC, ""), (UTC, f"{style % 1000:03d}"), (NEW_YORK, f"{style % 1000:03d}"))[style % 3]
    text = at.astimezone(zone).isoformat(timespec="microseconds")
    return text[:26] + nanoseconds + ("Z" if zone is UTC else text[26:])
