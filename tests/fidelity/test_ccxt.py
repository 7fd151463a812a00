"""ccxt's `alpaca`, unchanged, places, reads, lists, edits and cancels orders. Not in the default set: extra `ccxt`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fidelity.offline import Offline

ccxt = pytest.importorskip("ccxt", reason="ccxt is not installed: pip install 'fillwatch[ccxt]'", exc_type=ImportError)

PAIR = "BTC/USD"


@pytest.fixture
def exchange(broker: Offline) -> Any:  # noqa: ANN401 - ccxt has no types of use here
    """ccxt's class, pointed at the offline broker; Bitcoin is at 50,000."""
    broker.price(PAIR, "50000")
    made = ccxt.alpaca({"apiKey": broker.address.key, "secret": broker.address.secret, "enableRateLimit": False})
    made.urls["api"]["trader"] = broker.address.url
    made.session.trust_env = False
    return made


def test_markets_are_the_assets(exchange: Any) -> None:  # noqa: ANN401
    markets = exchange.load_markets()
    assert markets[PAIR]["id"] == PAIR
    assert markets[PAIR]["precision"]["amount"] > 0


def test_an_order_from_its_creation_to_its_end(exchange: Any, broker: Offline) -> None:  # noqa: ANN401
    sent = exchange.create_order(PAIR, "market", "buy", 0.25)
    assert (sent["status"], sent["amount"], sent["filled"], sent["symbol"]) == ("open", 0.25, 0.0, PAIR)
    broker.wait(120.0)
    filled = exchange.fetch_order(sent["id"])
    assert (filled["status"], filled["filled"], filled["remaining"]) == ("closed", 0.25, 0.0)
    assert filled["average"] > 0
    assert filled["clientOrderId"] == sent["clientOrderId"]
    trades = exchange.fetch_my_trades(PAIR)
    assert sum(trade["amount"] for trade in trades) == 0.25
    assert {trade["order"] for trade in trades} == {sent["id"]}


def test_lists_of_open_and_closed_orders(exchange: Any, broker: Offline) -> None:  # noqa: ANN401
    waiting = exchange.create_order(PAIR, "limit", "buy", 0.01, 30_000)
    stop = exchange.create_order(PAIR, "limit", "buy", 0.01, 61_000, {"triggerPrice": 60_000})
    done = exchange.create_order(PAIR, "market", "buy", 0.01)
    broker.wait(120.0)
    assert (stop["type"], stop["triggerPrice"]) == ("limit", 60_000)
    assert {order["id"] for order in exchange.fetch_open_orders(PAIR)} == {waiting["id"], stop["id"]}
    assert [order["id"] for order in exchange.fetch_closed_orders(PAIR)] == [done["id"]]
    assert len(exchange.fetch_orders(PAIR)) == 3
    assert len(exchange.fetch_orders(PAIR, since=waiting["timestamp"] - 1000, limit=2)) == 2


def test_editing_and_cancelling(exchange: Any, broker: Offline) -> None:  # noqa: ANN401
    first = exchange.create_order(PAIR, "limit", "buy", 0.01, 30_000)
    broker.wait(10.0)
    edited = exchange.edit_order(first["id"], PAIR, "limit", "buy", 0.02, 31_000)
    assert (edited["amount"], edited["price"]) == (0.02, 31_000)
    broker.wait(10.0)
    exchange.cancel_order(edited["id"])
    broker.wait(30.0)
    assert exchange.fetch_order(edited["id"])["status"] == "canceled"
    assert exchange.fetch_order(first["id"])["status"] == "canceled", "replaced, as ccxt calls it"
    exchange.create_order(PAIR, "limit", "buy", 0.01, 30_000)
    exchange.cancel_all_orders()
    broker.wait(30.0)
    assert exchange.fetch_open_orders() == []


def test_its_own_exceptions_are_raised(exchange: Any) -> None:  # noqa: ANN401
    with pytest.raises(ccxt.InvalidOrder):
        exchange.fetch_order("00000000-0000-4000-8000-000000000000")
    with pytest.raises(ccxt.InsufficientFunds):
        exchange.create_order(PAIR, "limit", "buy", 9_000_000, 50_000)
    exchange.apiKey = "somebody else's"
    with pytest.raises(ccxt.AuthenticationError):
        exchange.fetch_balance()
