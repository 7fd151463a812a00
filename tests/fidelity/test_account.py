"""alpaca-py's `TradingClient`, unchanged, reads positions, account, tape, clock, calendar and assets, and closes."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fidelity.alpaca_client import (
    Asset,
    AssetClass,
    AssetStatus,
    Calendar,
    Clock,
    ClosePositionRequest,
    ClosePositionResponse,
    GetAssetsRequest,
    GetCalendarRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    Order,
    OrderSide,
    OrderStatus,
    Position,
    PositionSide,
    QueryOrderStatus,
    TimeInForce,
    TradeAccount,
    TradingClient,
)
from tests.fidelity.answers import ids, many, one, refusal, seen, submitted
from tests.fidelity.conftest import Serve
from tests.fidelity.offline import Offline


def traded(broker: Offline, symbol: str, qty: float, side: OrderSide = OrderSide.BUY) -> Order:
    """An order that the market has filled."""
    request = MarketOrderRequest(symbol=symbol, qty=qty, side=side, time_in_force=TimeInForce.DAY)
    order = submitted(broker.client(), request)
    broker.wait(120.0)
    filled = seen(broker.client(), order)
    assert filled.status is OrderStatus.FILLED
    return filled


def held(client: TradingClient) -> dict[str, str]:
    """Quantity by symbol."""
    return {position.symbol: position.qty for position in many(Position, client.get_all_positions())}


def test_positions_have_signs(broker: Offline) -> None:
    broker.price("AAPL", "100")
    broker.price("SPY", "400")
    bought = traded(broker, "AAPL", 7)
    traded(broker, "SPY", 3, OrderSide.SELL)
    client = broker.client()
    assert held(client) == {"AAPL": "7", "SPY": "-3"}
    long, short = one(Position, client.get_open_position("AAPL")), one(Position, client.get_open_position("SPY"))
    assert (long.side, short.side) == (PositionSide.LONG, PositionSide.SHORT)
    assert Decimal(long.avg_entry_price) == Decimal(str(bought.filled_avg_price))
    assert Decimal(str(long.market_value)) == 7 * Decimal(str(long.current_price))
    assert Decimal(str(short.market_value)) < 0
    assert one(Position, client.get_open_position(long.asset_id)).symbol == "AAPL"


def test_shares_promised_to_an_order_are_not_available(broker: Offline) -> None:
    broker.price("AAPL", "100")
    traded(broker, "AAPL", 10)
    client = broker.client()
    sell = {"symbol": "AAPL", "side": OrderSide.SELL, "time_in_force": TimeInForce.GTC, "limit_price": 9000}
    submitted(client, LimitOrderRequest(**sell, qty=4))
    assert one(Position, client.get_open_position("AAPL")).qty_available == "6"
    refused = refusal(lambda: client.submit_order(LimitOrderRequest(**sell, qty=7)))
    assert (refused.status, refused.code) == (403, 40310000)
    assert refused.message.startswith("insufficient qty available for order")


@pytest.mark.parametrize(
    ("how", "closed"), [(None, "8"), ({"qty": "3"}, "3"), ({"percentage": "25"}, "2")], ids=["all", "qty", "percentage"]
)
def test_closing_a_position(broker: Offline, how: dict[str, str] | None, closed: str) -> None:
    traded(broker, "AAPL", 8)
    client = broker.client()
    order = one(Order, client.close_position("AAPL", ClosePositionRequest(**how) if how else None))
    assert (order.symbol, order.side, order.qty) == ("AAPL", OrderSide.SELL, closed)
    broker.wait(120.0)
    assert seen(client, order).status is OrderStatus.FILLED
    assert held(client) == ({"AAPL": str(8 - int(closed))} if closed != "8" else {})


def test_closing_everything(broker: Offline) -> None:
    traded(broker, "AAPL", 5)
    traded(broker, "SPY", 2, OrderSide.SELL)
    client = broker.client()
    waiting = submitted(
        client,
        LimitOrderRequest(symbol="AAPL", qty=5, side=OrderSide.SELL, time_in_force=TimeInForce.GTC, limit_price=9000),
    )
    answers = many(ClosePositionResponse, client.close_all_positions(cancel_orders=True))
    assert {(answer.symbol, answer.status) for answer in answers} == {("AAPL", 200), ("SPY", 200)}
    orders = [one(Order, answer.body) for answer in answers]
    assert {(order.symbol, order.side, order.qty) for order in orders} == {
        ("AAPL", OrderSide.SELL, "5"),
        ("SPY", OrderSide.BUY, "2"),
    }
    broker.wait(120.0)
    assert held(client) == {}
    assert seen(client, waiting).status is OrderStatus.CANCELED
    assert client.close_all_positions() == []


def test_the_account_knows_what_was_spent(broker: Offline) -> None:
    client = broker.client()
    before = one(TradeAccount, client.get_account())
    broker.price("AAPL", "100")
    order = traded(broker, "AAPL", 10)
    after = one(TradeAccount, client.get_account())
    assert before.id == after.id
    assert (before.currency, before.status.value) == ("USD", "ACTIVE")
    spent = 10 * Decimal(str(order.filled_avg_price))
    assert Decimal(str(before.cash)) - Decimal(str(after.cash)) == spent
    assert Decimal(str(before.buying_power)) > Decimal(str(after.buying_power))
    assert Decimal(str(after.long_market_value)) > 0
    equity = Decimal(str(after.cash)) + Decimal(str(after.long_market_value)) + Decimal(str(after.short_market_value))
    assert Decimal(str(after.equity)) == equity


def fills(client: TradingClient, kind: str = "/FILL", **params: str) -> list[dict[str, Any]]:
    """Rows of the tape: the client has no method for them."""
    return many(dict, client.get(f"/account/activities{kind}", params))


def test_the_tape_and_its_pages(broker: Offline) -> None:
    orders = [traded(broker, symbol, 2) for symbol in ("AAPL", "MSFT", "SPY")]
    client = broker.client()
    rows = fills(client)
    assert list(dict.fromkeys(row["order_id"] for row in rows)) == ids(reversed(orders)), "the latest first"
    assert sum(Decimal(row["qty"]) for row in rows) == 6
    assert {row["activity_type"] for row in rows} == {"FILL"}
    assert fills(client, "", activity_types="FILL,DIV") == fills(client, "") == rows
    assert fills(client, "/DIV") == fills(client, "", activity_types="DIV") == []
    forwards = fills(client, direction="asc")
    assert forwards == rows[::-1]
    paged = fills(client, direction="asc", page_size="1")
    while len(more := fills(client, direction="asc", page_size="1", page_token=paged[-1]["id"])):
        paged += more
    assert paged == forwards
    assert fills(client, page_token=rows[0]["id"]) == rows[1:]
    assert fills(client, after=rows[-1]["transaction_time"]) == rows[:-1], "exclusive"
    assert fills(client, until=rows[0]["transaction_time"]) == rows[1:], "exclusive"
    assert fills(client, date=rows[0]["transaction_time"][:10]) == rows
    assert fills(client, date="2020-02-03") == []
    assert fills(client, "", category="trade_activity") == rows
    assert fills(client, "", category="non_trade_activity") == []


def test_the_clock(broker: Offline) -> None:
    before = one(Clock, broker.client().get_clock())
    broker.wait(90.0)
    after = one(Clock, broker.client().get_clock())
    assert timedelta(seconds=90) <= after.timestamp - before.timestamp < timedelta(seconds=91)
    assert after.next_open > after.timestamp
    assert after.next_close > after.timestamp


def test_the_exchanges_hours(serve: Serve) -> None:
    exchange = serve(hours="exchange")
    client = exchange.client()
    now = one(Clock, client.get_clock())
    assert now.is_open
    exchange.wait(now.next_close - now.timestamp + timedelta(minutes=1))
    night = one(Clock, client.get_clock())
    assert not night.is_open
    assert night.next_open < night.next_close
    request = MarketOrderRequest(symbol="AAPL", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY)
    order = submitted(client, request)
    exchange.wait(60.0)
    assert seen(client, order).status is OrderStatus.ACCEPTED
    exchange.wait(night.next_open - night.timestamp + timedelta(minutes=2))
    assert seen(client, order).status is OrderStatus.FILLED


def test_the_calendar(broker: Offline) -> None:
    asked = GetCalendarRequest(start=date(2026, 6, 29), end=date(2026, 7, 7))
    days = many(Calendar, broker.client().get_calendar(asked))
    assert [day.date for day in days] == [
        date(2026, 6, 29),
        date(2026, 6, 30),
        date(2026, 7, 1),
        date(2026, 7, 2),  # Friday 3 July is the holiday: the fourth is a Saturday
        date(2026, 7, 6),
        date(2026, 7, 7),
    ]
    assert (days[0].open, days[0].close) == (datetime(2026, 6, 29, 9, 30), datetime(2026, 6, 29, 16, 0))  # noqa: DTZ001 - the client gives naive times
    early = GetCalendarRequest(start=date(2026, 11, 27), end=date(2026, 11, 27))
    assert [day.close.hour for day in many(Calendar, broker.client().get_calendar(early))] == [13]
    assert len(many(Calendar, broker.client().get_calendar())) > 250


def test_assets(broker: Offline) -> None:
    client = broker.client()
    apple = one(Asset, client.get_asset("AAPL"))
    assert (apple.symbol, apple.asset_class, apple.tradable) == ("AAPL", AssetClass.US_EQUITY, True)
    assert one(Asset, client.get_asset(apple.id)).symbol == "AAPL"
    everything = many(Asset, client.get_all_assets())
    assert apple.id in {asset.id for asset in everything}
    active = GetAssetsRequest(status=AssetStatus.ACTIVE, asset_class=AssetClass.US_EQUITY)
    some = many(Asset, client.get_all_assets(active))
    assert apple.id in {asset.id for asset in some}
    assert {(asset.status, asset.asset_class) for asset in some} == {(AssetStatus.ACTIVE, AssetClass.US_EQUITY)}
    order = traded(broker, "AAPL", 1)
    assert order.asset_id == apple.id
    assert one(Position, client.get_open_position("AAPL")).asset_id == apple.id


def test_what_was_ordered_before_is_listed(broker: Offline) -> None:
    order = traded(broker, "AAPL", 1)
    listed = many(Order, broker.client().get_orders(GetOrdersRequest(status=QueryOrderStatus.CLOSED)))
    assert ids(listed) == ids([order])
