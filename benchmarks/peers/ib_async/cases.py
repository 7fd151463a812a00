# mypy: ignore-errors
# Its packages are in an environment of its own, where no type checker goes.
"""The hard cases for ib_async's wrapper: what its `Trade` says once the wrapper was given what TWS would have sent.

It is right when status, `orderStatus.filled` and `filled()`, the sum of the executions, are all true.
"""

from __future__ import annotations

import asyncio

from ib_async import IB, Contract, Execution, LimitOrder, OrderStatus, Trade
from telling import case, left_out

SHARES, PRICE = 100.0, 10.0
CONTRACT = Contract(symbol="AAPL", secType="STK", exchange="SMART", currency="USD")


class Desk:
    """A wrapper, and orders of it that rest at the broker."""

    def __init__(self, orders: int = 1) -> None:
        self.wrapper = IB().wrapper
        self.wrapper.clientId, self.wrapper.accounts = 1, ["DU1"]
        self.trades = []
        for number in range(orders):
            made = LimitOrder("BUY", SHARES, PRICE, orderId=number, clientId=1, permId=number + 1)
            trade = Trade(CONTRACT, made, OrderStatus(orderId=number, status="Submitted"), [], [])
            self.wrapper.trades[self.wrapper.orderKey(1, number, number + 1)] = trade
            self.wrapper.permId2Trade[number + 1] = trade
            self.trades.append(trade)

    def status(self, word: str, filled: float, number: int = 0) -> None:
        """The order, as TWS shows it."""
        price = PRICE if filled else 0.0
        self.wrapper.orderStatus(number, word, filled, SHARES - filled, price, number + 1, 0, price, 1, "")

    def fill(self, shares: float, name: str, total: float, number: int = 0, price: float = PRICE) -> None:
        """An execution."""
        self.wrapper.execDetails(
            -1,
            CONTRACT,
            Execution(
                execId=name, orderId=number, clientId=1, permId=number + 1, side="BOT", shares=shares, price=price,
                cumQty=total, avgPrice=price, acctNumber="DU1", time="20260615 14:30:00 UTC",
            ),
        )  # fmt: skip

    def say(self, name: str, status: str, shares: float) -> None:
        """What is believed of the orders, against what is true of each of them."""
        believed = [(trade.orderStatus.status, trade.orderStatus.filled, trade.filled()) for trade in self.trades]
        case(
            name,
            [
                f"{word} with {filled:g} is believed, its executions are {executed:g}; it is {status} with {shares:g}"
                for word, filled, executed in believed
                if (word, filled, executed) != (status, shares, shares)
            ],
        )


def missed_partial() -> None:
    """The execution is lost; the end tells of it."""
    desk = Desk()
    desk.status("Cancelled", 40.0)
    desk.say("missed partial, then cancel", "Cancelled", 40.0)


def stale() -> None:
    desk = Desk()
    desk.status("Filled", SHARES)
    desk.fill(SHARES, "a.01", SHARES)
    desk.status("Submitted", 0.0)
    desk.say("stale `new` after `filled`", "Filled", SHARES)


def late_fill() -> None:
    desk = Desk()
    desk.status("Cancelled", 0.0)
    desk.fill(SHARES, "a.01", SHARES)
    desk.status("Filled", SHARES)
    desk.say("late fill after terminal", "Filled", SHARES)


def burst() -> None:
    desk = Desk(orders=100)
    for part in range(50):
        total = 2.0 * (part + 1)
        for number in range(100):
            desk.status("Filled" if part == 49 else "Submitted", total, number)
            desk.fill(2.0, f"{number}.{part}.01", total, number)
    desk.say("burst of 5,000", "Filled", SHARES)


def correction() -> None:
    """An execution that is corrected comes again, with the last digits of its id counted up."""
    desk = Desk()
    desk.status("Filled", SHARES)
    desk.fill(SHARES, "0000e0d5.65a1.01.01", SHARES)
    desk.fill(SHARES, "0000e0d5.65a1.01.02", SHARES, price=10.5)
    desk.say("correction", "Filled", SHARES)


def late_cancel() -> None:
    desk = Desk()
    desk.status("PendingCancel", 0.0)
    desk.status("Filled", SHARES)
    desk.fill(SHARES, "a.01", SHARES)
    desk.say("204 to the cancel, then a fill", "Filled", SHARES)


async def main() -> None:
    """All of them, each with a wrapper of its own."""
    missed_partial()
    stale()
    late_fill()
    burst()
    correction()
    late_cancel()
    left_out("429 storm", "its connection is pushed to and has no such answer")
    left_out("targeted query times out", "there is no query for one order")
    left_out("list cut at the page limit", "there are no pages")
    left_out("replace chain", "an order that is modified keeps its id")


asyncio.run(main())
