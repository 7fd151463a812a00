# mypy: ignore-errors
# Its packages are in an environment of its own, where no type checker goes.
"""nautilus_trader's order model: how many executions it applies in a second, and what it makes of hard events.

It cannot be driven against Alpaca's API (it has no adapter for it), so it takes part as a tracker alone.
"""

from __future__ import annotations

import time

from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import LiquiditySide, OrderSide, OrderType
from nautilus_trader.model.events import OrderAccepted, OrderFilled, OrderSubmitted
from nautilus_trader.model.identifiers import (
    AccountId,
    ClientOrderId,
    InstrumentId,
    StrategyId,
    TradeId,
    TraderId,
    VenueOrderId,
)
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.model.orders import MarketOrder
from telling import figure

ORDERS, FILLS, RUNS = 2_000, 10, 3
TRADER, STRATEGY = TraderId("T-1"), StrategyId("S-1")
INSTRUMENT, ACCOUNT = InstrumentId.from_str("AAPL.X"), AccountId("X-1")


def order(number: int) -> MarketOrder:
    """One that was accepted."""
    name = ClientOrderId(f"O-{number}")
    made = MarketOrder(TRADER, STRATEGY, INSTRUMENT, name, OrderSide.BUY, Quantity.from_int(100), UUID4(), 0)
    made.apply(OrderSubmitted(TRADER, STRATEGY, INSTRUMENT, name, ACCOUNT, UUID4(), 0, 0))
    made.apply(OrderAccepted(TRADER, STRATEGY, INSTRUMENT, name, VenueOrderId(str(number)), ACCOUNT, UUID4(), 0, 0))
    return made


def fill(number: int, part: int) -> OrderFilled:
    """One execution of ten shares."""
    return OrderFilled(
        TRADER, STRATEGY, INSTRUMENT, ClientOrderId(f"O-{number}"), VenueOrderId(str(number)), ACCOUNT,
        TradeId(f"{number}-{part}"), None, OrderSide.BUY, OrderType.MARKET, Quantity.from_int(10),
        Price.from_str("10.00"), USD, Money(0, USD), LiquiditySide.TAKER, UUID4(), part, part,
    )  # fmt: skip


def main() -> None:
    """The best of several runs."""
    best = 0.0
    for _ in range(RUNS):
        given = [(order(n), [fill(n, part) for part in range(FILLS)]) for n in range(ORDERS)]
        began = time.perf_counter()
        for made, events in given:
            for event in events:
                made.apply(event)
        best = max(best, ORDERS * FILLS / (time.perf_counter() - began))
        assert all(str(made.status_string()) == "FILLED" for made, _ in given)
    figure("executions a second", best)


main()
