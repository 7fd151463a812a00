"""What the broker refuses, and how alpaca-py tells its users: the status, the code and the words of `APIError`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from fillwatch.simulator import Kind
from tests.fidelity.alpaca_client import (
    APIError,
    ClosePositionRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    Order,
    OrderSide,
    ReplaceOrderRequest,
    StopOrderRequest,
    TimeInForce,
    TradingClient,
)
from tests.fidelity.answers import Refused, one, refusal, seen, submitted
from tests.fidelity.conftest import Serve
from tests.fidelity.offline import Offline
from tests.fidelity.witness import Witness

NOBODY = UUID("00000000-0000-4000-8000-000000000000")
BUY: dict[str, Any] = {"symbol": "AAPL", "side": OrderSide.BUY, "time_in_force": TimeInForce.DAY}
WAITING = LimitOrderRequest(**BUY, qty=5, limit_price=1.5)
AT_ONCE = MarketOrderRequest(**BUY, qty=5)


class Case(NamedTuple):
    """A refusal, and what leads to it: the orders sent before and the call that is refused."""

    name: str
    call: Callable[[TradingClient, Order], object]
    status: int
    codes: tuple[int, ...]
    message: str
    before: LimitOrderRequest | MarketOrderRequest = WAITING
    seconds: float = 30.0


def submit(**fields: Any) -> Callable[[TradingClient, Order], object]:  # noqa: ANN401 - whatever it takes
    """Submit a limit order with these fields."""
    return lambda client, _: client.submit_order(LimitOrderRequest(**BUY | {"qty": 5, "limit_price": 1.5} | fields))


def patch(**fields: Any) -> Callable[[TradingClient, Order], object]:  # noqa: ANN401 - whatever it takes
    """Replace the order sent before."""
    return lambda client, order: client.replace_order_by_id(order.id, ReplaceOrderRequest(**fields))


def cancelled_first(client: TradingClient, order: Order) -> object:
    """Replace an order that is cancelled."""
    client.cancel_order_by_id(order.id)
    return client.replace_order_by_id(order.id, ReplaceOrderRequest(qty=6))


def at_market(**fields: Any) -> Callable[[TradingClient, Order], object]:  # noqa: ANN401 - whatever it takes
    """Submit a market order with these fields."""
    return lambda client, _: client.submit_order(MarketOrderRequest(**{**BUY, "qty": 1} | fields))


def in_money(**fields: Any) -> Callable[[TradingClient, Order], object]:  # noqa: ANN401 - whatever it takes
    """Submit a market order for an amount of money."""
    return lambda client, _: client.submit_order(MarketOrderRequest(**{**BUY, "notional": 100} | fields))


NOT_FOUND, FORBIDDEN, UNPROCESSABLE = (40410000,), (40310000,), (42210000, 40010001)
CASES = [
    Case("cancel, unknown", lambda c, _: c.cancel_order_by_id(NOBODY), 404, NOT_FOUND, f"order not found for {NOBODY}"),
    Case("look, unknown", lambda c, _: c.get_order_by_id(NOBODY), 404, NOT_FOUND, f"order not found for {NOBODY}"),
    Case("look, own id unknown", lambda c, _: c.get_order_by_client_id("x"), 404, NOT_FOUND, "order not found for x"),
    Case(
        "replace, unknown",
        lambda c, _: c.replace_order_by_id(NOBODY, ReplaceOrderRequest(qty=1)),
        404,
        NOT_FOUND,
        f"order not found for {NOBODY}",
    ),
    Case(
        "cancel, filled",
        lambda c, order: c.cancel_order_by_id(order.id),
        422,
        (42210000,),
        'order is already in "filled" state',
        before=AT_ONCE,
    ),
    Case("replace, filled", patch(qty=6), 422, (42210000,), ".*order is not open", before=AT_ONCE),
    Case("replace, not yet routed", patch(qty=6), 422, (42210000,), "cannot replace order in .* status", seconds=0.0),
    Case("replace, nothing changed", patch(qty=5), 422, (42210000,), "order parameters are not changed"),
    Case("replace, being cancelled", cancelled_first, 422, (42210000,), "cannot replace order in .* status"),
    Case("no position", lambda c, _: c.get_open_position("SPY"), 404, NOT_FOUND, "position does not exist"),
    Case("close, no position", lambda c, _: c.close_position("SPY"), 404, NOT_FOUND, "position does not exist"),
    Case(
        "close, more than there is",
        lambda c, _: c.close_position("AAPL", ClosePositionRequest(qty="6")),
        403,
        FORBIDDEN,
        "insufficient qty available for order.*",
        before=AT_ONCE,
    ),
    Case("buying power", submit(qty=9_000_000, limit_price=100.0), 403, FORBIDDEN, "insufficient buying power"),
    Case("id too long", submit(client_order_id="x" * 129), 422, (40010001,), "client_order_id must be no more .*"),
    Case("no such asset", submit(symbol="NO SUCH"), 422, UNPROCESSABLE, ".*NO SUCH.*"),
    Case("below a cent", submit(limit_price=100.001), 422, (42210000,), "invalid limit_price 100.001.*"),
    Case("extended hours, market", at_market(extended_hours=True), 422, UNPROCESSABLE, ".*extended hours.*"),
    Case("notional until cancelled", in_money(time_in_force=TimeInForce.GTC), 422, UNPROCESSABLE, ".*"),
    Case("fraction until cancelled", submit(qty=0.5, time_in_force=TimeInForce.GTC), 422, UNPROCESSABLE, "fraction.*"),
    Case("no asset of that name", lambda c, _: c.get_asset("NO-SUCH"), 404, NOT_FOUND, "asset not found for NO-SUCH"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_refusal_has_its_status_and_code(broker: Offline, case: Case) -> None:
    broker.price("AAPL", "100")
    client = broker.client()
    before = submitted(client, case.before)
    broker.wait(case.seconds)
    refused = refusal(lambda: case.call(client, before))
    assert refused.status == case.status
    assert refused.code in case.codes
    assert re.fullmatch(case.message, refused.message)


def test_an_id_is_taken_once(broker: Offline) -> None:
    client = broker.client()
    request = WAITING.model_copy(update={"client_order_id": "mine"})
    order = submitted(client, request)
    broker.wait(30.0)
    taken = {Refused(422, code, "client_order_id must be unique") for code in (40010001, 42210000)}
    assert refusal(lambda: client.submit_order(request)) in taken
    client.cancel_order_by_id(order.id)
    broker.wait(30.0)
    assert refusal(lambda: client.submit_order(request)) in taken, "after its end too"
    assert one(Order, client.get_order_by_client_id("mine")).id == order.id


def test_a_stop_on_the_wrong_side_of_the_market(broker: Offline) -> None:
    broker.price("AAPL", "100")
    refused = refusal(lambda: broker.client().submit_order(StopOrderRequest(**BUY, qty=1, stop_price=50)))
    assert (refused.status, refused.code) == (422, 42210000)
    assert "stop price" in refused.message


def test_selling_short_can_be_refused_where_nothing_can_be_borrowed(broker: Offline) -> None:
    client = broker.client()
    long = {"symbol": "AAPL", "time_in_force": TimeInForce.DAY}
    filled = submitted(client, MarketOrderRequest(**long, side=OrderSide.BUY, qty=5))
    broker.wait(60.0)
    assert seen(client, filled).filled_qty == "5"
    refused = refusal(lambda: client.submit_order(MarketOrderRequest(**long, side=OrderSide.SELL, qty=6)))
    assert (refused.status, refused.code) == (403, 40310000), "a position is not turned round in one order"


def test_the_wrong_key(broker: Offline) -> None:
    client = broker.client(key="somebody else's")
    with pytest.raises(APIError) as caught:
        client.get_account()
    assert (caught.value.status_code, caught.value.message) == (401, "unauthorized.")
    with pytest.raises(KeyError):
        _ = caught.value.code  # the one refusal that has none


def test_too_many_requests(serve: Serve) -> None:
    client = serve(requests_per_minute=2).client()
    client._retry_wait = 0  # its four tries are three seconds apart otherwise
    client.get_clock()
    client.get_clock()
    assert refusal(client.get_clock) == Refused(429, 42910000, "rate limit exceeded")


def test_an_order_created_although_the_answer_was_a_504(broker: Offline, witness: Witness) -> None:
    witness.pardoned.add(504)
    client = broker.client()
    client._retry_wait = 0
    broker.do(lambda world: world.strike(Kind.ERROR_AFTER))
    request = WAITING.model_copy(update={"client_order_id": "mine"})
    refused = refusal(lambda: client.submit_order(request))
    assert (refused.status, refused.message) == (422, "client_order_id must be unique"), "it repeats the POST"
    assert one(Order, client.get_order_by_client_id("mine")).qty == "5"


#: Methods whose endpoints the simulator does not serve, and a call of each.
NOT_SERVED: dict[str, Callable[[TradingClient], object]] = {
    "add_asset_to_watchlist_by_id": lambda c: c.add_asset_to_watchlist_by_id(NOBODY, "AAPL"),
    "create_watchlist": lambda c: c.post("/watchlists", {"name": "x", "symbols": []}),
    "delete_watchlist_by_id": lambda c: c.delete_watchlist_by_id(NOBODY),
    "exercise_options_position": lambda c: c.exercise_options_position("AAPL261218C00250000"),
    "get_account_configurations": lambda c: c.get_account_configurations(),
    "get_corporate_announcement_by_id": lambda c: c.get_corporate_announcement_by_id(NOBODY),
    "get_corporate_announcements": lambda c: c.get("/corporate_actions/announcements"),
    "get_option_contract": lambda c: c.get_option_contract("AAPL261218C00250000"),
    "get_option_contracts": lambda c: c.get("/options/contracts"),
    "get_portfolio_history": lambda c: c.get_portfolio_history(),
    "get_watchlist_by_id": lambda c: c.get_watchlist_by_id(NOBODY),
    "get_watchlists": lambda c: c.get_watchlists(),
    "remove_asset_from_watchlist_by_id": lambda c: c.remove_asset_from_watchlist_by_id(NOBODY, "AAPL"),
    "set_account_configurations": lambda c: c.patch("/account/configurations", {}),
    "update_watchlist_by_id": lambda c: c.put(f"/watchlists/{NOBODY}", {}),
}


def test_what_is_not_served_is_refused_in_the_brokers_words(broker: Offline) -> None:
    client = broker.client()
    refused = {name: refusal(lambda call=call: call(client)) for name, call in NOT_SERVED.items()}  # type: ignore[misc] # a default binds it
    # The path of a position may hold a slash, so that of its exercise is one of them, under another method.
    method = Refused(405, 40510000, "endpoint not found")
    assert {name: refused.pop(name) for name in ("exercise_options_position",)} == {"exercise_options_position": method}
    assert set(refused.values()) == {Refused(404, 40410000, "endpoint not found")}


def test_every_other_method_of_the_client_is_called_in_these_tests() -> None:
    methods = {
        name
        for name, _ in inspect.getmembers(TradingClient, inspect.isfunction)
        if not name.startswith("_") and name not in ("get", "post", "put", "patch", "delete", "response_wrapper")
    }
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("*.py"))
    called = {name for name in methods if re.search(rf"client(\(\))?\.{name}\b", tests)}
    assert set(NOT_SERVED) < methods
    assert methods - called == set(NOT_SERVED)
