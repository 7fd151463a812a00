"""What the account allows and what it comes to: buying power, shares held, shorts, orders against one's own."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from fillwatch.core.orders import Execution, ExecutionKind, Side
from fillwatch.simulator import Fate, Trade
from fillwatch.simulator.account import Holding, Positions
from tests.simulator.alpaca_client import TradeAccount
from tests.simulator.callers import Caller

D = Decimal


def account(caller: Caller, *names: str) -> list[Decimal]:
    """Figures of the account."""
    found = caller.get("/v2/account")
    return [D(found[name]) for name in names]


def refusal(caller: Caller, **order: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of an order
    """The body of the 403 that this order gets."""
    status, answer = caller.post(**order)
    assert (status, answer["code"]) == (403, 40310000), answer
    return dict(answer)


def test_a_new_account_holds_its_cash_and_twice_the_buying_power() -> None:
    caller = Caller(cash=D(100_000))
    row = caller.get("/v2/account")
    assert TradeAccount(**row).buying_power == "200000"
    assert (row["cash"], row["equity"], row["last_equity"], row["long_market_value"]) == (
        *("100000", "100000", "100000", "0"),
    )
    assert (row["status"], row["currency"], row["multiplier"], row["shorting_enabled"]) == ("ACTIVE", "USD", "2", True)
    assert not {"daytrade_count", "pattern_day_trader"} & set(row), "they went in July 2026"


def test_cash_positions_and_margin_follow_the_price() -> None:
    caller = Caller(cash=D(100_000)).price("AAPL", "100")
    caller.bought("100")
    caller.price("AAPL", "110")
    figures = account(caller, "cash", "long_market_value", "equity", "initial_margin", "maintenance_margin")
    assert figures == [D(90_000), D(11_000), D(101_000), D(5_500), D(2_750)]
    assert account(caller, "buying_power") == [2 * (D(101_000) - D(5_500))]


def test_a_short_earns_cash_and_owes_shares() -> None:
    caller = Caller(cash=D(100_000)).price("AAPL", "100")
    caller.bought("100", side="sell")
    caller.price("AAPL", "90")
    assert account(caller, "cash", "short_market_value", "equity") == [D(110_000), D(-9_000), D(101_000)]
    assert account(caller, "initial_margin", "maintenance_margin") == [D(4_500), D(2_700)]


def test_open_orders_keep_buying_power_until_they_are_over() -> None:
    caller = Caller(cash=D(1_000)).price("AAPL", "100")
    first = caller.order(type="limit", limit_price="90", qty="20", time_in_force="gtc")
    assert account(caller, "buying_power") == [D(200)]
    answer = refusal(caller, type="limit", limit_price="90", qty="3")
    assert answer == {
        "code": 40310000,
        "message": "insufficient buying power",
        "buying_power": "200.00",
        "cost_basis": "270.00",
    }
    assert caller.ask("DELETE", f"/v2/orders/{first['id']}")[0] == 204
    caller.after(1.0)
    assert account(caller, "buying_power") == [D(2_000)]
    caller.order(type="limit", limit_price="90", qty="3")


def test_what_a_limit_order_kept_is_given_back_as_it_fills() -> None:
    caller = Caller(cash=D(1_000)).price("AAPL", "100")
    caller.order(type="limit", limit_price="95", qty="10")
    caller.after(1.0).price("AAPL", "94").after(1.0)
    assert account(caller, "cash", "buying_power") == [D(60), 2 * (D(1_000) - D(470))]


def test_a_replacement_keeps_no_buying_power_twice() -> None:
    caller = Caller(cash=D(1_000)).price("AAPL", "100")
    first = caller.order(type="limit", limit_price="90", qty="20", time_in_force="gtc")
    caller.after(1.0)
    status, _ = caller.ask("PATCH", f"/v2/orders/{first['id']}", json={"limit_price": "95"})
    assert status == 200
    assert account(caller, "buying_power") == [D(100)]
    caller.after(1.0)
    assert account(caller, "buying_power") == [D(100)]
    status, answer = caller.ask("PATCH", f"/v2/orders/{caller.get('/v2/orders')[0]['id']}", json={"qty": "22"})
    assert (status, answer["cost_basis"], answer["buying_power"]) == (403, "2090.00", "2000.00")


def test_shares_that_an_order_keeps_cannot_be_sold_again() -> None:
    caller = Caller().price("AAPL", "100")
    caller.bought("23")
    kept = caller.order(side="sell", type="limit", limit_price="120", qty="20")
    answer = refusal(caller, side="sell", qty="5")
    assert answer == {
        "code": 40310000,
        "message": "insufficient qty available for order (requested: 5, available: 3)",
        "available": "3",
        "existing_qty": "23",
        "held_for_orders": "20",
        "related_orders": [kept["id"]],
        "symbol": "AAPL",
    }
    caller.order(side="sell", qty="3")


def test_exits_of_which_one_can_fill_keep_the_shares_once() -> None:
    caller = Caller().price("AAPL", "100")
    caller.order(order_class="bracket", take_profit={"limit_price": "110"}, stop_loss={"stop_price": "90"})
    caller.after(1.0)
    answer = refusal(caller, side="sell", qty="1")
    assert (answer["existing_qty"], answer["held_for_orders"], answer["available"]) == ("10", "10", "0")


def test_an_exit_on_the_move_keeps_the_shares_no_second_time() -> None:
    caller = Caller().price("AAPL", "100")
    exits = {"take_profit": {"limit_price": "110"}, "stop_loss": {"stop_price": "90"}}
    legs = caller.order(order_class="bracket", **exits)["legs"]
    caller.after(1.0)
    assert caller.ask("PATCH", f"/v2/orders/{legs[1]['id']}", json={"stop_price": "91"})[0] == 200
    assert refusal(caller, side="sell", qty="1")["held_for_orders"] == "10"


def test_what_closes_a_position_takes_no_buying_power() -> None:
    caller = Caller(cash=D(1_000)).price("AAPL", "100")
    caller.bought("10")
    assert account(caller, "buying_power") == [D(1_000)]
    caller.order(side="sell", type="limit", limit_price="110")
    assert account(caller, "buying_power") == [D(1_000)]


def test_what_keeps_the_shares_can_be_replaced() -> None:
    caller = Caller().price("AAPL", "100")
    caller.bought("10")
    kept = caller.order(side="sell", type="limit", limit_price="110")
    caller.after(1.0)
    assert caller.ask("PATCH", f"/v2/orders/{kept['id']}", json={"limit_price": "111"})[0] == 200
    status, answer = caller.ask("PATCH", f"/v2/orders/{kept['id']}", json={"qty": "11"})
    assert status == 422
    caller.after(1.0)
    status, answer = caller.ask("PATCH", f"/v2/orders/{caller.get('/v2/orders')[0]['id']}", json={"qty": "11"})
    assert (status, answer["available"]) == (403, "10")


def test_a_position_is_not_turned_over_by_one_order() -> None:
    caller = Caller().price("AAPL", "100")
    caller.bought("10")
    assert refusal(caller, side="sell", qty="11")["available"] == "10"
    caller.bought("10", side="sell")
    caller.bought("10", side="sell")
    assert refusal(caller, side="buy", qty="11")["existing_qty"] == "10"
    caller.bought("10")
    assert caller.get("/v2/positions") == []


SHORTS: list[tuple[dict[str, Any], int, int, str]] = [
    ({"qty": "1.5"}, 422, 42210000, "fractional orders cannot be sold short"),
    ({"qty": None, "notional": "50"}, 422, 42210000, "fractional orders cannot be sold short"),
    ({"symbol": "NOSH"}, 422, 42210000, 'asset "NOSH" cannot be sold short'),
    ({"symbol": "HARD", "time_in_force": "gtc"}, 422, 42210000, "only day orders are allowed for hard-to-borrow"),
    ({"symbol": "BTC/USD", "time_in_force": "gtc"}, 403, 40310000, "insufficient balance for BTC (requested: 10"),
]


@pytest.mark.parametrize(("fields", "status", "code", "message"), SHORTS)
def test_a_short_sale_has_rules_of_its_own(fields: dict[str, Any], status: int, code: int, message: str) -> None:
    found, answer = Caller().price("AAPL", "100").post(side="sell", **fields)
    assert (found, answer["code"]) == (status, code)
    assert message in answer["message"]


def test_coins_are_bought_with_cash_and_sold_from_what_is_held() -> None:
    caller = Caller(cash=D(1_000)).price("BTC/USD", "100")
    coins = {"symbol": "BTC/USD", "time_in_force": "gtc"}
    assert refusal(caller, qty="12", **coins) == {
        "code": 40310000,
        "message": "insufficient balance for USD (requested: 1200.00, available: 1000.00)",
        "available": "1000.00",
        "balance": "1000.00",
        "symbol": "USD",
    }
    caller.order(qty="8", **coins)
    caller.after(1.0)
    assert refusal(caller, side="sell", qty="9", **coins) == {
        "code": 40310000,
        "message": "insufficient balance for BTC (requested: 9, available: 8)",
        "available": "8",
        "balance": "8",
        "symbol": "BTC",
    }
    caller.order(side="sell", qty="8", **coins)


def test_a_hard_to_borrow_share_can_be_sold_for_the_day() -> None:
    Caller().order(symbol="HARD", side="sell")


def test_no_short_sale_while_a_buy_is_open() -> None:
    caller = Caller().price("AAPL", "100")
    caller.order(type="limit", limit_price="90")
    assert refusal(caller, side="sell")["message"] == "cannot open a short sell while a long buy order is open"


OWN_ORDERS: list[tuple[dict[str, Any], dict[str, Any], str | None]] = [
    ({"type": "limit", "limit_price": "120"}, {}, "opposite side limit order exists"),
    ({"type": "stop", "stop_price": "80"}, {}, "opposite side market/stop order exists"),
    ({"type": "limit", "limit_price": "120"}, {"type": "limit", "limit_price": "119"}, None),
    ({"type": "limit", "limit_price": "120"}, {"type": "limit", "limit_price": "120"}, "opposite side limit order"),
    ({"type": "stop", "stop_price": "80"}, {"type": "limit", "limit_price": "70"}, "opposite side market/stop order"),
    ({"type": "trailing_stop", "trail_price": "5"}, {}, None),
    ({"type": "limit", "limit_price": "120"}, {"type": "trailing_stop", "trail_price": "5"}, None),
]


@pytest.mark.parametrize(("sell", "buy", "reason"), OWN_ORDERS)
def test_an_account_does_not_trade_with_itself(sell: dict[str, Any], buy: dict[str, Any], reason: str | None) -> None:
    caller = Caller().price("AAPL", "100")
    caller.bought("10")
    standing = caller.order(side="sell", **sell)
    status, answer = caller.post(**buy)
    assert (status == 200) is (reason is None), answer
    if reason is not None:
        assert (status, answer["existing_order_id"]) == (403, standing["id"])
        assert answer["message"] == "potential wash trade detected. use complex orders"
        assert answer["reject_reason"].startswith(reason)


def test_an_own_order_that_is_over_is_in_nobodys_way() -> None:
    caller = Caller().price("AAPL", "100")
    caller.bought("10")
    low, high, stop = (
        caller.order(side="sell", qty="2", **terms)["id"]
        for terms in (
            {"type": "limit", "limit_price": "120"},
            {"type": "limit", "limit_price": "130"},
            {"type": "stop", "stop_price": "80"},
        )
    )
    wanted = {"type": "limit", "limit_price": "125", "qty": "1"}
    blockers = []
    for standing in (stop, low, None):
        status, answer = caller.post(**wanted)
        blockers.append(answer.get("existing_order_id"))
        if standing is not None:
            assert status == 403
            caller.ask("DELETE", f"/v2/orders/{standing}")
            caller.after(1.0)
    assert blockers == [stop, low, None]
    assert refusal(caller, type="limit", limit_price="131")["existing_order_id"] == high


def test_of_own_limits_the_best_one_is_met_first() -> None:
    caller = Caller().price("AAPL", "100")
    caller.bought("10")
    for price in ("80", "90", "85"):
        caller.order(type="limit", limit_price=price)
    answer = refusal(caller, side="sell", type="limit", limit_price="88")
    assert caller.get(f"/v2/orders/{answer['existing_order_id']}")["limit_price"] == "90"
    caller.order(side="sell", type="limit", limit_price="91")


def test_a_bracket_opens_and_an_oco_closes() -> None:
    caller = Caller().price("AAPL", "100")
    exits = {"take_profit": {"limit_price": "90"}, "stop_loss": {"stop_price": "110"}}
    caller.bought("10")
    status, answer = caller.post(side="sell", order_class="bracket", **exits)
    assert (status, answer["message"]) == (422, "bracket orders must be entry orders")


def test_where_fates_are_planned_the_account_stands_aside() -> None:
    caller = Caller(fate=Fate.NEVER)
    caller.order(side="sell", type="limit", limit_price="120")
    caller.order(side="sell", qty="1.5")
    caller.order(type="limit", limit_price="130")
    assert refusal(caller, qty="1e7")["message"] == "insufficient buying power"


def trade(number: int, qty: str, price: str, **changes: Any) -> Trade:  # noqa: ANN401 - fields of Execution
    """A row of the tape; a sale when the quantity is negative."""
    side = Side.BUY if D(qty) > 0 else Side.SELL
    fields: dict[str, Any] = {"execution_id": str(number), "order_id": "", "symbol": "A", "side": side}
    row = Execution(qty=abs(D(qty)), price=D(price), **(fields | changes))
    return Trade(t=0.0, execution=row, row_id=str(number))


FOLDS: list[tuple[str, list[tuple[str, str]], str, str]] = [
    ("two buys", [("10", "100"), ("10", "110")], "20", "105"),
    ("a part sold keeps the average", [("10", "100"), ("-4", "150")], "6", "100"),
    ("all sold", [("10", "100"), ("-10", "150")], "0", "0"),
    ("shorts average, too", [("-10", "100"), ("-10", "90")], "-20", "95"),
    ("turned over", [("10", "100"), ("-15", "150")], "-5", "150"),
    ("turned back", [("-10", "100"), ("15", "80")], "5", "80"),
]


@pytest.mark.parametrize(("trades", "qty", "entry"), [row[1:] for row in FOLDS], ids=[row[0] for row in FOLDS])
def test_positions_are_a_fold_of_executions(trades: list[tuple[str, str]], qty: str, entry: str) -> None:
    found = Positions.of(trade(number, *row) for number, row in enumerate(trades))
    assert (found.held("A").qty, found.held("A").entry) == (D(qty), D(entry))
    assert found.cash == -sum(D(shares) * D(price) for shares, price in trades)


def test_a_bust_takes_back_and_a_correction_changes_the_price() -> None:
    rows = [trade(1, "10", "100"), trade(2, "10", "110")]
    bust = trade(3, "10", "110", kind=ExecutionKind.BUST, previous_id="2")
    assert Positions.of([*rows, bust]).held("A") == Holding(qty=D(10), cost=D(1_000))
    corrected = trade(3, "10", "112", kind=ExecutionKind.CORRECTION, previous_id="2")
    found = Positions.of([*rows, corrected])
    assert (found.cash, found.held("A").entry) == (D(-2_120), D(106))


@pytest.mark.parametrize("seed", range(5))
def test_the_running_account_is_the_fold_of_the_whole_tape(seed: int) -> None:
    caller = Caller(seed, fate=None)
    draw = random.Random(seed)
    for _ in range(12):
        caller.world.populate(8)
        caller.after(draw.uniform(0.1, 9.0))
        running = {row["symbol"]: D(row["qty"]) for row in caller.get("/v2/positions")}
        truth = {symbol: caller.world.ledger.position(symbol) for symbol in running}
        assert running == truth
    assert any(running.values())
