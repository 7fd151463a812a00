"""Orders as Alpaca writes them, by number."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta

BEGAN = datetime(2026, 6, 15, 14, 30, tzinfo=UTC)


def order_id(number: int) -> str:
    """The id of the order of that number."""
    return str(uuid.UUID(int=number + 1))


def order(number: int, filled: int = 0, moment: int = 0) -> dict[str, object]:
    """An order for 100,000 shares, made `number` microseconds after the beginning and touched last at `moment`."""
    created, updated = (f"{BEGAN + timedelta(microseconds=at):%Y-%m-%dT%H:%M:%S.%f}789Z" for at in (number, moment))
    return {
        "id": order_id(number),
        "client_order_id": f"client-{number}",
        "symbol": "AAPL",
        "created_at": created,
        "submitted_at": created,
        "updated_at": updated,
        "filled_at": None,
        "expired_at": None,
        "canceled_at": None,
        "failed_at": None,
        "replaced_at": None,
        "replaced_by": None,
        "replaces": None,
        "asset_id": str(uuid.UUID(int=7)),
        "asset_class": "us_equity",
        "notional": None,
        "qty": "100000",
        "filled_qty": str(filled),
        "filled_avg_price": "100.5" if filled else None,
        "order_class": "",
        "order_type": "limit",
        "type": "limit",
        "side": "buy",
        "time_in_force": "day",
        "limit_price": "101",
        "stop_price": None,
        "status": "partially_filled" if filled else "new",
        "extended_hours": False,
        "legs": None,
        "trail_percent": None,
        "trail_price": None,
        "hwm": None,
    }


def update(number: int, filled: int = 0, moment: int = 0) -> bytes:
    """A trade update of it as it comes over the socket: a fill if anything is filled."""
    data: dict[str, object] = {"event": "new", "timestamp": "2026-06-15T14:30:00Z"}
    if filled:
        data |= {"event": "partial_fill", "execution_id": str(uuid.UUID(int=10**9 + moment)), "qty": "1"}
        data |= {"price": "100.5", "position_qty": str(filled)}
    return json.dumps({"stream": "trade_updates", "data": data | {"order": order(number, filled, moment)}}).encode()


def updates(orders: int, count: int, *, news_every: int) -> list[bytes]:
    """Updates of so many orders; one in `news_every` is a fill, the others repeat what was said of some order last."""
    last = [update(number) for number in range(orders)]
    filled = [0] * orders
    out = []
    for moment in range(1, count + 1):
        number = moment % orders
        if moment % news_every == 0:
            filled[number] += 1
            last[number] = update(number, filled[number], moment)
        out.append(last[number])
    return out
