# mypy: ignore-errors
# Its packages are in an environment of its own, where no type checker goes.
"""ccxt's `alpaca`: one loop over the open orders, `fetch_order` for each, within the rate limit that ccxt keeps."""

from __future__ import annotations

import threading
import time

import ccxt
from telling import asked, ready, tell

OVER = {"closed": "filled", "canceled": "canceled", "expired": "expired", "rejected": "rejected"}

question = asked()
exchange = ccxt.alpaca({"apiKey": question["key"], "secret": question["secret"], "enableRateLimit": True})
for part in ("trader", "market"):
    exchange.urls["api"][part] = question["url"]


def watch() -> None:
    """Until all of them are over."""
    left, deadline = list(question["orders"]), time.monotonic() + (question["timeout"] or 1e9)
    before: dict[str, object] = {}
    while left:
        for order_id in tuple(left):
            try:
                order = exchange.fetch_order(order_id)
            except (ccxt.BaseError, KeyError, TypeError):
                continue
            state = (order["status"], order["filled"])
            if before.get(order_id) != state:
                before[order_id] = state
                tell(order_id, OVER.get(order["status"], order["status"]), order["filled"], order["average"])
            if order["status"] in OVER:
                left.remove(order_id)
            elif time.monotonic() > deadline:
                left.remove(order_id)
                cancel(order_id)
        time.sleep(0.05)


def cancel(order_id: str) -> None:
    """Give the order up, and look once more."""
    try:
        exchange.cancel_order(order_id)
        tell(order_id, "canceled", 0)
        order = exchange.fetch_order(order_id)
        tell(order_id, OVER.get(order["status"], order["status"]), order["filled"], order["average"])
    except (ccxt.BaseError, KeyError, TypeError):
        pass


threading.Thread(target=watch, daemon=True).start()
time.sleep(question["settling"])
ready()
time.sleep(1e6)
