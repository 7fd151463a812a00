# mypy: ignore-errors
# Its packages are in an environment of its own, where no type checker goes.
"""The hard cases for nautilus_trader's live execution engine: what it believes once it has been told what we were.

There is no adapter for Alpaca, so each case hands the engine what an adapter would make of the broker's messages: an
order seen is an `OrderStatusReport`, an execution a `FillReport`, both through the engine's own reconciliation; its
checks of missing orders ask a client that answers as the broker would have.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import LiveClock, MessageBus
from nautilus_trader.common.providers import InstrumentProvider
from nautilus_trader.config import LiveExecEngineConfig
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import GenerateOrderStatusReport, GenerateOrderStatusReports
from nautilus_trader.execution.reports import FillReport, OrderStatusReport
from nautilus_trader.live.execution_client import LiveExecutionClient
from nautilus_trader.live.execution_engine import LiveExecutionEngine
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.enums import (
    AccountType,
    LiquiditySide,
    OmsType,
    OrderSide,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from nautilus_trader.model.events import OrderAccepted, OrderPendingCancel, OrderSubmitted, OrderUpdated
from nautilus_trader.model.identifiers import ClientId, ClientOrderId, StrategyId, TradeId, TraderId, VenueOrderId
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.model.orders import LimitOrder
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.test_kit.stubs.execution import TestExecStubs
from telling import case, left_out

TRADER, STRATEGY = TraderId("T-1"), StrategyId("S-1")
INSTRUMENT = TestInstrumentProvider.equity("AAPL", "XNAS")
ACCOUNT = TestExecStubs.cash_account()
SHARES, PRICE = 100, "10.00"


class Client(LiveExecutionClient):
    """Lists `listed`, and answers a question for one order with `answer`, or not at all when that is None."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(
            loop=asyncio.get_running_loop(),
            client_id=ClientId("XNAS"),
            venue=INSTRUMENT.venue,
            oms_type=OmsType.NETTING,
            account_type=AccountType.CASH,
            base_currency=USD,
            instrument_provider=InstrumentProvider(),
            msgbus=desk.bus,
            cache=desk.cache,
            clock=desk.clock,
        )
        self.listed: list[OrderStatusReport] = []
        self.answer: OrderStatusReport | None = None

    async def generate_order_status_reports(self, command: GenerateOrderStatusReports) -> list[OrderStatusReport]:
        """The list, whatever of it is asked for."""
        return self.listed

    async def generate_order_status_report(self, command: GenerateOrderStatusReport) -> OrderStatusReport:
        """One order."""
        if self.answer is None:
            raise TimeoutError("no answer in time")
        return self.answer


class Desk:
    """An engine, and orders of it that rest at the broker."""

    def __init__(self, orders: int = 1) -> None:
        self.clock = LiveClock()
        self.bus = MessageBus(TRADER, self.clock)
        self.cache = Cache(database=None)
        config = LiveExecEngineConfig(open_check_open_only=False, open_check_threshold_ms=0)
        self.engine = LiveExecutionEngine(asyncio.get_running_loop(), self.bus, self.cache, self.clock, config)
        self.cache.add_instrument(INSTRUMENT)
        self.cache.add_account(ACCOUNT)
        self.client = Client(self)
        self.engine.register_client(self.client)
        self.orders = [self.resting(number) for number in range(orders)]

    def resting(self, number: int) -> LimitOrder:
        name = ClientOrderId(f"O-{number}")
        order = LimitOrder(
            TRADER, STRATEGY, INSTRUMENT.id, name, OrderSide.BUY, Quantity.from_int(SHARES), Price.from_str(PRICE),
            UUID4(), 0,
        )  # fmt: skip
        self.cache.add_order(order, client_id=ClientId("XNAS"))
        self.engine._handle_event(OrderSubmitted(TRADER, STRATEGY, INSTRUMENT.id, name, ACCOUNT.id, UUID4(), 0, 0))
        self.engine._handle_event(
            OrderAccepted(TRADER, STRATEGY, INSTRUMENT.id, name, VenueOrderId(str(number)), ACCOUNT.id, UUID4(), 0, 0)
        )
        return order

    def seen(self, status: OrderStatus, filled: int, number: int = 0) -> OrderStatusReport:
        """The order, as the broker shows it."""
        return OrderStatusReport(
            account_id=ACCOUNT.id,
            instrument_id=INSTRUMENT.id,
            venue_order_id=VenueOrderId(str(number)),
            order_side=OrderSide.BUY,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            order_status=status,
            quantity=Quantity.from_int(SHARES),
            filled_qty=Quantity.from_int(filled),
            report_id=UUID4(),
            ts_accepted=0,
            ts_last=0,
            ts_init=0,
            client_order_id=ClientOrderId(f"O-{number}"),
            price=Price.from_str(PRICE),
            avg_px=Decimal(PRICE) if filled else None,
        )

    def look(self, status: OrderStatus, filled: int, number: int = 0) -> None:
        """The broker's answer to a look, or what it pushed."""
        self.engine.reconcile_execution_report(self.seen(status, filled, number))

    def fill(self, shares: int, name: str, number: int = 0, venue_id: str | None = None) -> None:
        """An execution, from the stream or the tape."""
        self.engine.reconcile_execution_report(
            FillReport(
                account_id=ACCOUNT.id,
                instrument_id=INSTRUMENT.id,
                venue_order_id=VenueOrderId(venue_id or str(number)),
                trade_id=TradeId(name),
                order_side=OrderSide.BUY,
                last_qty=Quantity.from_int(shares),
                last_px=Price.from_str(PRICE),
                commission=Money(0, USD),
                liquidity_side=LiquiditySide.TAKER,
                report_id=UUID4(),
                ts_event=0,
                ts_init=0,
            )
        )

    def say(self, name: str, status: str, shares: int) -> None:
        """What is believed of the orders, against what is true of each of them."""
        wrong = [
            f"{order.status_string()} with {order.filled_qty} is believed, it is {status} with {shares}"
            for order in self.orders
            if (order.status_string(), int(order.filled_qty)) != (status, shares)
        ]
        case(name, wrong)


def missed_partial() -> None:
    desk = Desk()
    desk.look(OrderStatus.CANCELED, 40)
    desk.say("missed partial, then cancel", "CANCELED", 40)


def stale() -> None:
    desk = Desk()
    desk.look(OrderStatus.FILLED, 100)
    desk.look(OrderStatus.ACCEPTED, 0)
    desk.say("stale `new` after `filled`", "FILLED", 100)


def late_fill() -> None:
    desk = Desk()
    desk.look(OrderStatus.CANCELED, 0)
    desk.fill(100, "late")
    desk.look(OrderStatus.FILLED, 100)
    desk.say("late fill after terminal", "FILLED", 100)


async def no_answer() -> None:
    """Questions for the order are not answered; the list shows it, and then that it has filled.

    (When the list lacks it as well, the engine takes it for rejected, for good.)
    """
    desk = Desk()
    for status, filled in ((OrderStatus.ACCEPTED, 0), (OrderStatus.FILLED, 100)):
        desk.client.listed = [desk.seen(status, filled)]
        for _ in range(desk.engine.open_check_missing_retries + 2):
            await desk.engine._check_orders_consistency()
    desk.say("targeted query times out", "FILLED", 100)


async def cut_list() -> None:
    """The list holds other orders alone, and says that it is all."""
    desk = Desk()
    desk.client.answer = desk.seen(OrderStatus.FILLED, 100)
    for _ in range(desk.engine.open_check_missing_retries + 2):
        await desk.engine._check_orders_consistency()
    desk.say("list cut at the page limit", "FILLED", 100)


def burst() -> None:
    desk = Desk(orders=100)
    for part in range(50):
        for number in range(100):
            desk.fill(2, f"{number}-{part}", number)
    desk.say("burst of 5,000", "FILLED", 100)


def replaced() -> None:
    """Twice, each time under a new id at the broker."""
    desk = Desk()
    [order] = desk.orders
    for venue_id in ("second", "third"):
        desk.engine._handle_event(
            OrderUpdated(
                TRADER, STRATEGY, INSTRUMENT.id, order.client_order_id, VenueOrderId(venue_id), ACCOUNT.id,
                Quantity.from_int(SHARES), Price.from_str(PRICE), None, UUID4(), 0, 0,
            )
        )  # fmt: skip
    desk.fill(100, "a", venue_id="third")
    desk.say("replace chain", "FILLED", 100)


def late_cancel() -> None:
    desk = Desk()
    [order] = desk.orders
    desk.engine._handle_event(
        OrderPendingCancel(
            TRADER, STRATEGY, INSTRUMENT.id, order.client_order_id, order.venue_order_id, ACCOUNT.id, UUID4(), 0, 0
        )
    )
    desk.fill(100, "a")
    desk.say("204 to the cancel, then a fill", "FILLED", 100)


async def main() -> None:
    """All of them, each with an engine of its own."""
    missed_partial()
    stale()
    late_fill()
    await no_answer()
    await cut_list()
    burst()
    replaced()
    late_cancel()
    left_out("429 storm", "requests are the adapter's, and there is none")
    left_out("correction", "its model has no message for an execution that is corrected")


asyncio.run(main())
