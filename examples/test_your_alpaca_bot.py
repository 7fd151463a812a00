"""Test a bot that is written with alpaca-py, as it is, against a simulated Alpaca account on this machine.

There are two bots. Both buy at a limit and cancel when nothing happens. One believes that a cancel which was accepted
is done; the other looks until the order has ended. The simulator lets the cancel be accepted and the order fill all
the same, as it happens, and the ledger tells the bots apart. Run it with pytest (the fixture `alpaca_server` is then
there by itself) or as a script.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.models import Order
from alpaca.trading.requests import LimitOrderRequest

from fillwatch.simulator.scenarios import load
from fillwatch.testing import assert_truthful
from fillwatch.testing.serving import AlpacaServer, alpaca_server

ENDS = ("filled", "canceled", "expired", "rejected")
Holdings = dict[str, int]


def trusting(client: TradingClient, symbol: str, shares: int) -> Holdings:
    """Order id and the shares it brought, as this bot believes."""
    order = _buy(client, symbol, shares)
    client.cancel_order_by_id(order.id)
    return {str(order.id): 0}


def careful(client: TradingClient, symbol: str, shares: int) -> Holdings:
    """The same, but it looks until the order has ended."""
    order = _buy(client, symbol, shares)
    with suppress(APIError):  # filled in the meantime, perhaps; the order itself will say how it stands
        client.cancel_order_by_id(order.id)
    while order.status not in ENDS:
        time.sleep(0.05)
        order = _order(client.get_order_by_id(order.id))
    return {str(order.id): int(order.filled_qty or 0)}


def _buy(client: TradingClient, symbol: str, shares: int) -> Order:
    request = LimitOrderRequest(
        symbol=symbol, qty=shares, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, limit_price=1.0
    )
    return _order(client.submit_order(request))


def _order(answer: object) -> Order:
    assert isinstance(answer, Order)
    return answer


def play(bot: Callable[[TradingClient, str, int], Holdings], server: AlpacaServer) -> Holdings:
    """Let a bot buy ten shares; its cancel will be accepted, and the order filled all the same."""
    client = TradingClient(server.key, server.secret, url_override=server.url)
    server.sim.strike("cancel_then_fill", "cancel")
    return bot(client, "AAPL", 10)


def test_the_careful_bot_knows_what_it_holds(alpaca_server: AlpacaServer) -> None:
    assert_truthful(play(careful, alpaca_server), alpaca_server)


def main() -> None:
    for bot in (trusting, careful):
        with alpaca_server(load("calm"), seed=7) as server:
            believed = play(bot, server)
            while server.ledger["orders"][0]["status"] not in ENDS:
                time.sleep(0.05)
            try:
                assert_truthful(believed, server)
                print(f"{bot.__name__}: true")
            except AssertionError as error:
                print(f"{bot.__name__}: {error}")


if __name__ == "__main__":
    main()
