"""Closing positions and cancelling everything: market orders, and answers of many parts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.simulator.alpaca_client import Order
from tests.simulator.callers import Caller


def holding(qty: str = "10", side: str = "buy", **settings: Any) -> Caller:  # noqa: ANN401 - passed on to World
    """A caller with a position in AAPL."""
    caller = Caller(**settings).price("AAPL", "100")
    caller.bought(qty, side=side)
    return caller


#: What is held, what the DELETE says, and the order that comes of it.
CLOSINGS: list[tuple[str, str, str, tuple[str, str]]] = [
    ("10", "buy", "", ("sell", "10")),
    ("10", "sell", "", ("buy", "10")),
    ("10", "buy", "?qty=4", ("sell", "4")),
    ("10", "buy", "?qty=2.5", ("sell", "2.5")),
    ("10", "buy", "?percentage=50", ("sell", "5")),
    ("10", "buy", "?percentage=33.3", ("sell", "3")),
    ("10", "buy", "?percentage=100", ("sell", "10")),
    ("7.5", "buy", "?percentage=50", ("sell", "3.75")),
    ("1", "buy", "?percentage=1", ("sell", "1")),
]


@pytest.mark.parametrize(("qty", "side", "query", "expected"), CLOSINGS)
def test_a_position_is_closed_by_a_market_order(qty: str, side: str, query: str, expected: tuple[str, str]) -> None:
    caller = holding(qty, side)
    status, order = caller.ask("DELETE", f"/v2/positions/AAPL{query}")
    assert status == 200
    assert Order(**order).type == "market"
    assert (order["side"], order["qty"]) == expected
    caller.after(1.0)
    left = sum(Decimal(row["qty"]) for row in caller.get("/v2/positions"))
    assert abs(left) == Decimal(qty) - Decimal(expected[1])


BAD_CLOSINGS: list[tuple[str, int, str]] = [
    ("MSFT", 404, "position does not exist"),
    ("AAPL?qty=11", 403, "insufficient qty available for order (requested: 11, available: 10)"),
    ("AAPL?qty=1&percentage=5", 422, "only one of qty or percentage is accepted"),
    ("AAPL?qty=0", 422, "qty must be > 0"),
    ("AAPL?qty=x", 422, "qty must be a number"),
    ("AAPL?percentage=101", 422, "percentage must be greater than 0 and at most 100"),
]


@pytest.mark.parametrize(("target", "status", "message"), BAD_CLOSINGS)
def test_what_cannot_be_closed_is_refused(target: str, status: int, message: str) -> None:
    caller = holding()
    found, answer = caller.ask("DELETE", f"/v2/positions/{target}")
    assert (found, answer["message"]) == (status, message)
    assert caller.get("/v2/orders") == []


def test_a_position_whose_shares_are_kept_is_not_closed() -> None:
    caller = holding()
    kept = caller.order(side="sell", type="limit", limit_price="120", qty="6")
    status, answer = caller.ask("DELETE", "/v2/positions/AAPL")
    assert (status, answer["available"], answer["related_orders"]) == (403, "4", [kept["id"]])
    status, rows = caller.ask("DELETE", "/v2/positions")
    assert (status, rows) == (207, [{"symbol": "AAPL", "status": 403, "body": answer}])


def test_all_positions_are_closed_each_with_its_order() -> None:
    caller = holding()
    caller.bought("5", symbol="MSFT", side="sell")
    kept = caller.order(side="sell", type="limit", limit_price="120", qty="6")
    status, rows = caller.ask("DELETE", "/v2/positions?cancel_orders=true")
    assert status == 207
    made = [(row["symbol"], row["status"], row["body"]["side"], row["body"]["qty"]) for row in rows]
    assert made == [("AAPL", 200, "sell", "10"), ("MSFT", 200, "buy", "5")]
    caller.after(2.0)
    assert caller.get("/v2/positions") == []
    assert caller.get(f"/v2/orders/{kept['id']}")["status"] == "canceled"
    assert caller.ask("DELETE", "/v2/positions") == (207, [])


def test_coins_are_closed_by_the_name_of_their_position() -> None:
    caller = Caller()
    caller.order(symbol="BTC/USD", qty="0.5", time_in_force="gtc")
    caller.after(1.0)
    status, order = caller.ask("DELETE", "/v2/positions/BTCUSD")
    assert (status, order["symbol"], order["time_in_force"]) == (200, "BTC/USD", "gtc")
    caller.after(1.0)
    assert caller.ask("GET", "/v2/positions/BTCUSD")[0] == 404


def test_cancelling_everything_answers_for_each_order() -> None:
    caller = Caller().price("AAPL", "100")
    made = [caller.order(type="limit", limit_price=str(price))["id"] for price in (90, 91, 92)]
    status, rows = caller.ask("DELETE", "/v2/orders")
    assert (status, rows) == (207, [{"id": order_id, "status": 200} for order_id in made])
    caller.after(1.0)
    assert caller.get("/v2/orders") == []
    assert caller.ask("DELETE", "/v2/orders") == (207, [])


def test_a_cancel_that_comes_too_late_says_so() -> None:
    caller = holding()
    order_id = caller.get("/v2/orders?status=closed")[0]["id"]
    assert caller.ask("DELETE", f"/v2/orders/{order_id}") == (
        422,
        {"code": 42210000, "message": 'order is already in "filled" state'},
    )


def test_auctions_take_no_orders_at_the_wrong_hour() -> None:
    caller = Caller(hours="exchange")  # Monday, 10:30 in New York
    for time_in_force, taken in (("opg", False), ("cls", True)):
        status, answer = caller.post(time_in_force=time_in_force)
        assert (status == 200) is taken, answer
        if not taken:
            assert (status, answer["code"]) == (403, 40310000)
            assert answer["message"] == "opg orders must be submitted after 7:00pm and before 9:28am"
