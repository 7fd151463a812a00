# mypy: ignore-errors
# Its packages are in an environment of its own, where no type checker goes.
"""What people write with alpaca-py: `run.py loop`, `run.py stream` or `run.py lister`.

`loop`: one thread for each order, `while not over: get_order_by_id; sleep(0.5)`. `stream`: TradingStream alone.
`lister`: one page of the list every five seconds. Each takes alpaca-py's defaults; an error is tried again, except
that a thread does not outlive one that alpaca-py raises for good. At the time-out each cancels and looks once more.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from typing import Any

from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import QueryOrderStatus
from alpaca.trading.requests import GetOrdersRequest
from alpaca.trading.stream import TradingStream
from requests.exceptions import RequestException
from telling import asked, ready, tell

OVER = {"filled", "canceled", "expired", "rejected", "replaced"}
NAP, BETWEEN_PAGES = 0.5, 5.0
FAILURES = (APIError, RequestException, ValueError)

question = asked()
local = threading.local()


def client() -> TradingClient:
    """One for each thread: requests' sessions are not for sharing."""
    if not hasattr(local, "client"):
        local.client = TradingClient(question["key"], question["secret"], paper=True, url_override=question["url"])
    found: TradingClient = local.client
    return found


def say(order: Any) -> bool:  # noqa: ANN401 - alpaca-py's model
    """Tell of it; whether it is over."""
    tell(order.id, order.status, order.filled_qty, order.filled_avg_price)
    return order.status.value in OVER


def loop(order_id: str) -> None:
    """The plain loop."""
    deadline = time.monotonic() + (question["timeout"] or 1e9)
    before = None
    while True:
        try:
            order = client().get_order_by_id(order_id)
            state = (order.status, order.filled_qty)
            if state != before:
                before = state
                if say(order):
                    return
        except FAILURES:
            pass
        if time.monotonic() > deadline:
            cancel(order_id)
            return
        time.sleep(NAP)


def cancel(order_id: str) -> None:
    """Give the order up."""
    try:
        client().cancel_order_by_id(order_id)
        tell(order_id, "canceled", 0)
        say(client().get_order_by_id(order_id))
    except FAILURES:
        pass


def lister() -> None:
    """One page of all orders, again and again."""
    wanted, deadline = set(question["orders"]), time.monotonic() + (question["timeout"] or 1e9)
    before: dict[str, object] = {}
    while True:
        try:
            page = client().get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL, limit=500))
            for order in page:
                state = (order.status, order.filled_qty, order.filled_avg_price)
                if str(order.id) in wanted and before.get(str(order.id)) != state:
                    before[str(order.id)] = state
                    say(order)
        except FAILURES:
            pass
        if time.monotonic() > deadline:
            deadline = float("inf")
            for order_id in wanted:
                cancel(order_id)
        time.sleep(BETWEEN_PAGES)


def stream() -> None:
    """TradingStream, and nothing else."""
    told = TradingStream(question["key"], question["secret"], paper=True, url_override=question["stream_url"])
    wanted = set(question["orders"])

    async def hear(update: Any) -> None:  # noqa: ANN401 - alpaca-py's model
        if str(update.order.id) in wanted:
            say(update.order)

    async def give_up() -> None:
        await asyncio.sleep(question["timeout"])
        for order_id in wanted:
            await asyncio.to_thread(cancel, order_id)

    told.subscribe_trade_updates(hear)
    if question["timeout"]:
        threading.Thread(target=lambda: asyncio.run(give_up()), daemon=True).start()
    told.run()


if sys.argv[1] == "loop":
    for each in question["orders"]:
        threading.Thread(target=loop, args=(each,), daemon=True).start()
else:
    threading.Thread(target={"lister": lister, "stream": stream}[sys.argv[1]], daemon=True).start()
time.sleep(question["settling"])
ready()
time.sleep(1e6)
