# mypy: ignore-errors
# Its packages are in an environment of its own, where no type checker goes.
"""ib_async's wrapper: how many executions it takes in within a second.

It speaks Interactive Brokers' protocol alone and cannot be driven against Alpaca's API, so it takes part as a tracker.
"""

from __future__ import annotations

import asyncio
import time

from ib_async import IB, Contract, Execution, LimitOrder, OrderStatus, Trade
from telling import figure

ORDERS, FILLS, RUNS = 2_000, 10, 3


def one_run() -> float:
    """Executions a second; each comes with the order's status, as TWS sends them."""
    ib = IB()
    wrapper = ib.wrapper
    contract = Contract(symbol="AAPL", secType="STK", exchange="SMART", currency="USD")
    wrapper.accounts = ["DU1"]
    given = []
    for number in range(ORDERS):
        made = LimitOrder("BUY", 100, 10.0, orderId=number, clientId=1, permId=number + 1)
        key = wrapper.orderKey(1, number, number + 1)
        wrapper.trades[key] = Trade(contract, made, OrderStatus(orderId=number, status="Submitted"), [], [])
        wrapper.permId2Trade[number + 1] = wrapper.trades[key]
        rows = [
            Execution(
                execId=f"{number}.{part}", orderId=number, clientId=1, permId=number + 1, side="BOT", shares=10.0,
                price=10.0, cumQty=10.0 * (part + 1), avgPrice=10.0, acctNumber="DU1", time="20260615 14:30:00 UTC",
            )
            for part in range(FILLS)
        ]  # fmt: skip
        given.append((number, rows))
    wrapper.clientId = 1
    began = time.perf_counter()
    for number, rows in given:
        for part, row in enumerate(rows, 1):
            status = "Filled" if part == FILLS else "Submitted"
            wrapper.orderStatus(number, status, 10.0 * part, 100 - 10.0 * part, 10.0, number + 1, 0, 10.0, 1, "")
            wrapper.execDetails(-1, contract, row)
    spent = time.perf_counter() - began
    assert all(len(trade.fills) == FILLS for trade in wrapper.trades.values()), len(wrapper.trades)
    return ORDERS * FILLS / spent


async def main() -> None:
    """The best of several runs."""
    figure("executions a second", max(one_run() for _ in range(RUNS)))


asyncio.run(main())
