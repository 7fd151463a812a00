"""What a new order looks like on the wire."""

from __future__ import annotations

import asyncio
import json
import uuid
from decimal import Decimal

import httpx
import pytest
from alpaca.trading.enums import OrderClass, OrderSide, TimeInForce
from alpaca.trading.requests import (
    LimitOrderRequest,
    MarketOrderRequest,
    StopLossRequest,
    TakeProfitRequest,
    TrailingStopOrderRequest,
)

from fillwatch.brokers.alpaca.requests import order_body
from fillwatch.brokers.base import Accepted
from fillwatch.core.orders import OrderRequest, Side
from tests.alpaca.wire import row, scripted

BRACKET = {
    "symbol": "AAPL",
    "side": "buy",
    "qty": "10",
    "type": "limit",
    "time_in_force": "gtc",
    "limit_price": "101.5",
    "order_class": "bracket",
    "take_profit": {"limit_price": "110"},
    "stop_loss": {"stop_price": "95", "limit_price": "94.5"},
    "client_order_id": "mine-1",
}


def test_our_request_and_alpaca_pys_make_the_same_body() -> None:
    """Amounts as decimal text, enums as their words, nothing that was not set."""
    ours = OrderRequest(
        symbol="AAPL",
        side=Side.BUY,
        qty=Decimal(10),
        order_type="limit",
        time_in_force="gtc",
        limit_price=Decimal("101.5"),
        order_class="bracket",
        take_profit_limit_price=Decimal(110),
        stop_loss_stop_price=Decimal(95),
        stop_loss_limit_price=Decimal("94.5"),
        client_order_id="mine-1",
    )
    theirs = LimitOrderRequest(
        symbol="AAPL",
        side=OrderSide.BUY,
        qty=10,
        time_in_force=TimeInForce.GTC,
        limit_price=101.5,
        order_class=OrderClass.BRACKET,
        take_profit=TakeProfitRequest(limit_price=110),
        stop_loss=StopLossRequest(stop_price=95, limit_price=94.5),
        client_order_id="mine-1",
    )
    assert order_body(ours) == BRACKET
    body = {name: _same(value) for name, value in order_body(theirs).items()}
    assert body == {name: _same(value) for name, value in BRACKET.items()}


def _same(value: object) -> object:
    # alpaca-py holds floats: 10 comes out as "10.0".
    if isinstance(value, dict):
        return {name: _same(item) for name, item in value.items()}
    assert isinstance(value, str)
    return Decimal(value) if value[0].isdigit() else value


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (OrderRequest(symbol="BTC/USD", side=Side.SELL, qty=Decimal("1E-9")), {"qty": "0.000000001", "type": "market"}),
        (OrderRequest(symbol="A", side=Side.BUY, notional=Decimal("1E+3")), {"notional": "1000"}),
        (OrderRequest(symbol="A", side=Side.BUY, qty=Decimal(1), extended_hours=True), {"extended_hours": True}),
        (
            MarketOrderRequest(symbol="A", side="sell", notional=10.1, time_in_force="day"),
            {"notional": "10.1", "side": "sell"},
        ),
        (
            TrailingStopOrderRequest(symbol="A", side="sell", qty=1, time_in_force="day", trail_percent=0.1),
            {"trail_percent": "0.1", "type": "trailing_stop"},
        ),
    ],
)
def test_odd_amounts_and_flags(request_: object, expected: dict[str, object]) -> None:
    """No exponent, no float's tail."""
    body = order_body(request_)
    assert {name: body[name] for name in expected} == expected


def test_there_is_always_a_client_order_id() -> None:
    """A fresh one each time, and the caller's own if he brings one."""
    bare = OrderRequest(symbol="A", side=Side.BUY, qty=Decimal(1))
    ids = [str(order_body(bare)["client_order_id"]) for _ in range(2)]
    assert len({str(uuid.UUID(text)) for text in ids}) == 2


@pytest.mark.parametrize("wrong", [None, {"symbol": "A"}, "AAPL", OrderRequest])
def test_what_is_no_request_is_refused(wrong: object) -> None:
    """A programming error, said at once."""
    with pytest.raises(TypeError, match="OrderRequest"):
        order_body(wrong)


def test_an_accepted_order_carries_the_client_order_id_that_was_sent() -> None:
    """Also when it was made here and the answer left it out."""
    sent: list[dict[str, object]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        assert request.headers["content-type"] == "application/json"
        return httpx.Response(200, json=row(client_order_id=None))

    async def run() -> object:
        broker = scripted(answer)
        got = await broker.submit(MarketOrderRequest(symbol="AAPL", side="buy", qty=10, time_in_force="day"))
        await broker.aclose()
        return got

    got = asyncio.run(run())
    assert isinstance(got, Accepted)
    assert got.order.client_order_id == sent[0]["client_order_id"]
