"""alpaca-py's `TradingClient`, unchanged, places, reads, lists, replaces and cancels orders."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.fidelity.alpaca_client import (
    CancelOrderResponse,
    GetOrderByIdRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    OptionLegRequest,
    Order,
    OrderClass,
    OrderRequest,
    OrderSide,
    OrderStatus,
    OrderType,
    PositionIntent,
    QueryOrderStatus,
    ReplaceOrderRequest,
    Sort,
    StopLimitOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
    TimeInForce,
    TrailingStopOrderRequest,
)
from tests.fidelity.answers import ids, many, one, seen, submitted
from tests.fidelity.offline import Offline

BUY: dict[str, Any] = {"symbol": "AAPL", "side": OrderSide.BUY, "time_in_force": TimeInForce.DAY}
FIVE = BUY | {"qty": 5}
#: Words of an order that nothing has happened to yet.
FRESH = {OrderStatus.PENDING_NEW, OrderStatus.ACCEPTED, OrderStatus.NEW}


def far_below(symbol: str = "AAPL", **changed: Any) -> LimitOrderRequest:  # noqa: ANN401 - whatever it takes
    """A buy that waits: its limit is far below the market."""
    return LimitOrderRequest(**{**FIVE, "symbol": symbol, "limit_price": 1.5} | changed)


EACH_TYPE: list[tuple[OrderRequest, dict[str, object]]] = [
    (MarketOrderRequest(**FIVE), {"type": OrderType.MARKET, "limit_price": None, "stop_price": None}),
    (LimitOrderRequest(**FIVE, limit_price=1.5), {"type": OrderType.LIMIT, "limit_price": "1.5"}),
    (StopOrderRequest(**FIVE, stop_price=9000), {"type": OrderType.STOP, "stop_price": "9000"}),
    (
        StopLimitOrderRequest(**FIVE, stop_price=9000, limit_price=9001.25),
        {"type": OrderType.STOP_LIMIT, "stop_price": "9000", "limit_price": "9001.25"},
    ),
    (
        TrailingStopOrderRequest(**FIVE, trail_price=50),
        {"type": OrderType.TRAILING_STOP, "trail_price": "50", "trail_percent": None},
    ),
    (
        TrailingStopOrderRequest(**FIVE, trail_percent=12.5),
        {"type": OrderType.TRAILING_STOP, "trail_percent": "12.5", "trail_price": None},
    ),
]


@pytest.mark.parametrize(("request_", "expected"), EACH_TYPE, ids=lambda case: getattr(case, "type", ""))
def test_each_type_of_order_comes_back_as_it_was_sent(
    broker: Offline, request_: OrderRequest, expected: dict[str, object]
) -> None:
    broker.price("AAPL", "100")
    order = submitted(broker.client(), request_)
    assert {name: getattr(order, name) for name in expected} == expected
    assert order.order_type == order.type
    assert (order.symbol, order.side, order.qty, order.filled_qty) == ("AAPL", OrderSide.BUY, "5", "0")
    assert order.status in FRESH
    assert seen(broker.client(), order).client_order_id == order.client_order_id


@pytest.mark.parametrize("word", list(TimeInForce))
def test_each_time_in_force_is_taken(broker: Offline, word: TimeInForce) -> None:
    order = submitted(broker.client(), far_below(time_in_force=word))
    assert order.time_in_force is word


def test_amounts_of_money_and_parts_of_a_share(broker: Offline) -> None:
    broker.price("AAPL", "80")
    client = broker.client()
    money = submitted(client, MarketOrderRequest(**BUY, notional=10))
    part = submitted(client, MarketOrderRequest(**BUY, qty=0.125))
    assert (money.qty, money.notional, part.qty, part.notional) == (None, "10", "0.125", None)
    broker.wait(120.0)
    money, part = seen(client, money), seen(client, part)
    assert (money.status, part.status) == (OrderStatus.FILLED, OrderStatus.FILLED)
    assert money.qty is None
    spent = Decimal(str(money.filled_qty)) * Decimal(str(money.filled_avg_price))
    assert abs(spent - 10) < Decimal("0.01")
    assert part.filled_qty == "0.125"


def test_extended_hours_and_an_id_of_ones_own(broker: Offline) -> None:
    client = broker.client()
    order = submitted(client, far_below(extended_hours=True, client_order_id="mine/1 + 2&c"))
    assert order.extended_hours is True
    assert order.client_order_id == "mine/1 + 2&c"
    assert one(Order, client.get_order_by_client_id("mine/1 + 2&c")).id == order.id


def test_a_market_order_is_filled_at_the_price_and_says_when(broker: Offline) -> None:
    broker.price("AAPL", "123.45")
    order = submitted(broker.client(), MarketOrderRequest(**FIVE))
    broker.wait(60.0)
    filled = seen(broker.client(), order)
    assert (filled.status, filled.filled_qty) == (OrderStatus.FILLED, "5")
    assert filled.filled_at is not None
    assert filled.filled_at >= filled.created_at


def test_a_bracket_waits_for_its_entry(broker: Offline) -> None:
    broker.price("AAPL", "100")
    client = broker.client()
    order = submitted(
        client,
        far_below(
            order_class=OrderClass.BRACKET,
            take_profit=TakeProfitRequest(limit_price=200),
            stop_loss=StopLossRequest(stop_price=1.2, limit_price=1.1),
        ),
    )
    assert order.order_class is OrderClass.BRACKET
    legs = many(Order, one(Order, client.get_order_by_id(order.id, GetOrderByIdRequest(nested=True))).legs)
    assert {(leg.type, leg.side, leg.status, leg.limit_price, leg.stop_price) for leg in legs} == {
        (OrderType.LIMIT, OrderSide.SELL, OrderStatus.HELD, "200", None),
        (OrderType.STOP_LIMIT, OrderSide.SELL, OrderStatus.HELD, "1.1", "1.2"),
    }
    assert seen(client, order).legs is None
    listed = many(Order, client.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL)))
    assert {str(order.id), *ids(legs)} == set(ids(listed))
    nested = many(Order, client.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL, nested=True)))
    assert ids(nested) == [str(order.id)]
    assert set(ids(nested[0].legs or [])) == set(ids(legs))
    closed = many(Order, client.get_orders(GetOrdersRequest(status=QueryOrderStatus.CLOSED)))
    assert set(ids(closed)) == set(ids(legs)), "held legs are listed as closed"


def test_an_entry_that_takes_one_exit_with_it(broker: Offline) -> None:
    client = broker.client()
    order = submitted(client, far_below(order_class=OrderClass.OTO, stop_loss=StopLossRequest(stop_price=1.2)))
    legs = many(Order, one(Order, client.get_order_by_id(order.id, GetOrderByIdRequest(nested=True))).legs)
    assert [(leg.type, leg.stop_price) for leg in legs] == [(OrderType.STOP, "1.2")]


def test_one_exit_cancels_the_other(broker: Offline) -> None:
    broker.price("AAPL", "100")
    client = broker.client()
    submitted(client, MarketOrderRequest(**FIVE))
    broker.wait(60.0)
    order = submitted(
        client,
        LimitOrderRequest(
            **FIVE | {"side": OrderSide.SELL},
            order_class=OrderClass.OCO,
            take_profit=TakeProfitRequest(limit_price=9000),
            stop_loss=StopLossRequest(stop_price=1.2),
        ),
    )
    assert (order.type, order.limit_price) == (OrderType.LIMIT, "9000")
    (stop,) = many(Order, one(Order, client.get_order_by_id(order.id, GetOrderByIdRequest(nested=True))).legs)
    assert (stop.type, stop.status, stop.stop_price) == (OrderType.STOP, OrderStatus.HELD, "1.2")
    client.cancel_order_by_id(order.id)
    broker.wait(30.0)
    assert seen(client, order).status is OrderStatus.CANCELED
    assert seen(client, stop).status is OrderStatus.CANCELED


def test_several_options_in_one_order(broker: Offline) -> None:
    client = broker.client()
    order = submitted(
        client,
        LimitOrderRequest(
            qty=1,
            time_in_force=TimeInForce.DAY,
            order_class=OrderClass.MLEG,
            limit_price=10,
            legs=[
                OptionLegRequest(
                    symbol="AAPL261218C00250000",
                    ratio_qty=3,
                    position_intent=PositionIntent.BUY_TO_OPEN,
                ),
                OptionLegRequest(
                    symbol="AAPL261218C00260000",
                    ratio_qty=1,
                    position_intent=PositionIntent.SELL_TO_OPEN,
                ),
            ],
        ),
    )
    assert order.order_class is OrderClass.MLEG
    assert (order.symbol, order.side, order.asset_id) == (None, None, None)
    legs = many(Order, order.legs)
    assert [(leg.symbol, leg.side, str(leg.ratio_qty), leg.position_intent) for leg in legs] == [
        ("AAPL261218C00250000", OrderSide.BUY, "3", PositionIntent.BUY_TO_OPEN),
        ("AAPL261218C00260000", OrderSide.SELL, "1", PositionIntent.SELL_TO_OPEN),
    ]
    assert seen(client, order).id == order.id
    broker.wait(120.0)
    for nested in (True, False):
        asked = GetOrdersRequest(status=QueryOrderStatus.ALL, nested=nested)
        assert str(order.id) in ids(many(Order, client.get_orders(asked)))
    assert one(Order, client.get_order_by_id(legs[0].id)).symbol == "AAPL261218C00250000"
    client.get("/account/activities")
    client.get_all_positions()


def test_every_filter_of_the_list(broker: Offline) -> None:
    broker.price("AAPL", "100")
    client = broker.client()
    orders = []
    for symbol, side, limit in (("AAPL", "buy", 1.5), ("MSFT", "buy", 1.5), ("QQQ", "sell", 9000), ("SPY", "buy", 1)):
        orders.append(submitted(client, far_below(symbol, side=OrderSide(side), limit_price=limit)))
        broker.wait(1.0)
    client.cancel_order_by_id(orders[3].id)
    broker.wait(30.0)

    def listed(**filters: Any) -> list[str]:  # noqa: ANN401 - whatever it takes
        return ids(many(Order, client.get_orders(GetOrdersRequest(**filters) if filters else None)))

    first, second, third, gone = ids(orders)
    fresh = many(Order, client.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL, direction=Sort.ASC)))
    at = fresh[1].submitted_at
    assert listed() == [third, second, first], "open ones, the latest first"
    assert listed(status=QueryOrderStatus.CLOSED) == [gone]
    assert listed(status=QueryOrderStatus.ALL) == [gone, third, second, first]
    assert listed(status=QueryOrderStatus.ALL, limit=2) == [gone, third]
    assert listed(status=QueryOrderStatus.ALL, direction=Sort.ASC, limit=1) == [first]
    assert listed(symbols=["AAPL", "QQQ", "SPY"]) == [third, first]
    assert listed(side=OrderSide.SELL) == [third]
    assert listed(after=at) == [third], "exclusive"
    assert listed(until=at) == [first], "exclusive"
    assert listed(after=at - timedelta(milliseconds=1)) == [third, second]
    assert listed(nested=True) == [third, second, first]


def test_the_lists_cursors_which_the_client_has_no_names_for(broker: Offline) -> None:
    client = broker.client()
    orders = []
    for _number in range(4):
        orders.append(submitted(client, far_below()))
        broker.wait(1.0)
    first, second, third, fourth = ids(orders)

    def listed(**params: str) -> list[str]:
        return [row["id"] for row in client.get("/orders", {"status": "all"} | params)]

    assert listed(before_order_id=third) == [second, first]
    assert listed(after_order_id=second) == [fourth, third]
    assert listed(after_order_id=second, direction="asc", limit="1") == [third]
    assert listed(asset_class="us_equity,crypto") == [fourth, third, second, first]
    assert listed(asset_class="crypto") == []


def test_fifty_orders_are_listed_if_nothing_else_is_said(broker: Offline) -> None:
    broker.do(lambda world: [world.place() for _ in range(60)])
    client = broker.client()
    assert len(many(Order, client.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL)))) == 50
    assert len(many(Order, client.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL, limit=500)))) == 60


def test_replacing_makes_a_new_order(broker: Offline) -> None:
    client = broker.client()
    old = submitted(client, far_below())
    broker.wait(5.0)
    new = one(Order, client.replace_order_by_id(old.id, ReplaceOrderRequest(qty=7, limit_price=1.75)))
    assert new.id != old.id
    assert (new.qty, new.limit_price, new.replaces) == ("7", "1.75", old.id)
    assert new.client_order_id != old.client_order_id
    broker.wait(5.0)
    old = seen(client, old)
    assert (old.status, old.replaced_by) == (OrderStatus.REPLACED, new.id)
    assert old.replaced_at is not None
    assert seen(client, new).status is OrderStatus.NEW
    named = one(
        Order,
        client.replace_order_by_id(
            new.id, ReplaceOrderRequest(time_in_force=TimeInForce.GTC, client_order_id="second try")
        ),
    )
    assert (named.client_order_id, named.time_in_force, named.qty) == ("second try", TimeInForce.GTC, "7")


@pytest.mark.parametrize(
    ("request_", "patch", "expected"),
    [
        (StopOrderRequest(**FIVE, stop_price=9000), {"stop_price": 9100}, {"stop_price": "9100"}),
        (TrailingStopOrderRequest(**FIVE, trail_price=50), {"trail": 60}, {"trail_price": "60"}),
        (TrailingStopOrderRequest(**FIVE, trail_percent=50), {"trail": 60}, {"trail_percent": "60"}),
    ],
)
def test_what_can_be_replaced(
    broker: Offline, request_: OrderRequest, patch: dict[str, Any], expected: dict[str, str]
) -> None:
    broker.price("AAPL", "100")
    client = broker.client()
    old = submitted(client, request_)
    broker.wait(5.0)
    new = one(Order, client.replace_order_by_id(old.id, ReplaceOrderRequest(**patch)))
    assert {name: getattr(new, name) for name in expected} == expected


def test_cancelling_one(broker: Offline) -> None:
    client = broker.client()
    order = submitted(client, far_below())
    broker.wait(5.0)
    client.cancel_order_by_id(order.id)
    broker.wait(30.0)
    canceled = seen(client, order)
    assert canceled.status is OrderStatus.CANCELED
    assert canceled.canceled_at is not None


def test_cancelling_all(broker: Offline) -> None:
    client = broker.client()
    orders = [submitted(client, far_below()) for _ in range(3)]
    broker.wait(5.0)
    answers = many(CancelOrderResponse, client.cancel_orders())
    assert {(answer.id, answer.status) for answer in answers} == {(order.id, 200) for order in orders}
    broker.wait(30.0)
    assert {seen(client, order).status for order in orders} == {OrderStatus.CANCELED}
    assert client.cancel_orders() == []


def test_raw_data_is_the_same_json(broker: Offline) -> None:
    raw = broker.client(raw=True)
    sent = one(dict, raw.submit_order(far_below()))
    assert one(dict, raw.get_order_by_id(sent["id"]))["client_order_id"] == sent["client_order_id"]
