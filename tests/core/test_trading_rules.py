"""Prices of a trade on the grid of ticks, and what is wrong with a wish or with the moment."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwatch.core import trade_checks as checks
from fillwatch.core import trading_rules as rules
from fillwatch.core.orders import Side
from fillwatch.core.trade_terms import ExecutorConfig, Intent

D = Decimal
AT = datetime(2026, 6, 15, 14, 30, tzinfo=UTC)
PRICES = st.decimals("0.01", "100000", places=4)


def intent(**changes: Any) -> Intent:  # noqa: ANN401 - fields of a wish
    config = changes.pop("config", ExecutorConfig())
    wish: dict[str, Any] = {"symbol": "AAPL", "side": "buy", "quantity": 100}
    wish |= {"signal_price": "100", "risk_amount": 2, "rr_ratio": 2.0} | changes
    return rules.wished("T", AT, config, **wish)


def market(**changes: Any) -> checks.Market:  # noqa: ANN401 - fields of the market
    fields: dict[str, Any] = {"is_open": True, "next_open": AT, "can_trade": True, "buying_power": None, "held": D(0)}
    return checks.Market(**fields | changes)


@pytest.mark.parametrize(
    ("side", "signal", "buffer", "limit"),
    [
        (Side.BUY, "100", "0.05", "100.05"),
        (Side.BUY, "534.82", "0.05", "535.08"),  # 535.08741: down, in our favour
        (Side.SELL, "534.82", "0.05", "534.56"),  # 534.55259: up
        (Side.BUY, "0.5", "0.05", "0.5002"),
        (Side.SELL, "0.5", "0.05", "0.4998"),
        (Side.SELL, "0.99996", "0", "1.00"),  # over the border, to where the steps are wider
        (Side.BUY, "1.00009", "0", "1.00"),
        (Side.BUY, "7", "0", "7.00"),
    ],
)
def test_the_limit_lies_a_buffer_beyond_the_signal(side: Side, signal: str, buffer: str, limit: str) -> None:
    assert rules.limit_price(side, D(signal), D(buffer)) == D(limit)


@given(side=st.sampled_from(Side), price=PRICES, buffer=st.decimals("0", "1", places=2))
def test_a_limit_is_on_the_grid_and_never_worse_than_asked(side: Side, price: D, buffer: D) -> None:
    limit = rules.limit_price(side, price, buffer)
    assert limit % rules.tick(limit) == 0
    assert (limit - price * (1 + side.sign * buffer / 100)) * side.sign <= 0


@pytest.mark.parametrize(
    ("side", "fill", "risk", "ratio", "stop", "target"),
    [
        (Side.BUY, "150.05", "3", "2", "147.05", "156.05"),
        (Side.SELL, "150.05", "3", "2", "153.05", "144.05"),
        (Side.BUY, "100.0033", "1", "2", "99.01", "102.01"),  # the stop up to the fill, the target away from it
        (Side.SELL, "100.0033", "1", "2", "101.00", "98.00"),
        (Side.BUY, "100", "0.001", "2", "99.99", "100.01"),  # at least a tick away
        (Side.BUY, "0.9", "0.00005", "2", "0.8999", "0.9001"),
    ],
)
def test_exits_are_reckoned_from_the_fill(side: Side, fill: str, risk: str, ratio: str, stop: str, target: str) -> None:
    found = rules.exits(side, D(fill), D(risk), D(ratio))
    assert found is not None
    assert (found.stop_loss, found.take_profit) == (D(stop), D(target))


@given(side=st.sampled_from(Side), fill=PRICES, risk=st.decimals("0.0001", "50", places=4), ratio=st.integers(1, 5))
def test_exits_lie_on_either_side_on_the_grid_and_risk_no_more_than_asked(
    side: Side, fill: D, risk: D, ratio: int
) -> None:
    found = rules.exits(side, fill, risk, D(ratio))
    if found is None:
        assert min(fill - risk * side.sign, fill + risk * ratio * side.sign) <= rules.tick(fill)
        return
    step = rules.tick(fill)
    assert found.stop_loss * side.sign < fill * side.sign < found.take_profit * side.sign
    assert found.stop_loss % rules.tick(found.stop_loss) == found.take_profit % rules.tick(found.take_profit) == 0
    assert abs(fill - found.stop_loss) <= max(risk, 2 * step)
    if risk >= 2 * step:
        assert found.rr_ratio >= ratio


def test_no_room_below_the_price_is_no_exit() -> None:
    assert rules.exits(Side.BUY, D(5), D(5), D(2)) is None
    assert rules.exits(Side.SELL, D(5), D(3), D(2)) is None


def test_the_callers_decimal_context_changes_no_price() -> None:
    with localcontext() as context:
        context.prec = 3
        assert rules.limit_price(Side.BUY, D("534.82"), D("0.05")) == D("535.08")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"symbol": ""}, "symbol"),
        ({"symbol": "AA\x1b[31mPL"}, "symbol"),
        ({"symbol": "X" * 40}, "symbol"),
        ({"side": "long"}, "'buy' or 'sell'"),
        ({"quantity": 0}, "quantity"),
        ({"quantity": -5}, "greater than 0"),
        ({"quantity": True}, "quantity"),
        ({"signal_price": float("nan")}, "signal_price"),
        ({"signal_price": "1,5"}, "signal_price"),
        ({"risk_amount": float("inf")}, "risk_amount"),
        ({"rr_ratio": 0}, "rr_ratio"),
    ],
)
def test_a_malformed_wish_is_named(change: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        intent(**change)


def test_a_wish_is_read_generously() -> None:
    wish = intent(symbol=" aapl ", side="OrderSide.SELL", signal_price=100.1)
    assert (wish.symbol, wish.side, wish.signal_price) == ("AAPL", Side.SELL, D("100.1"))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"symbol": "BTC/USD"}, "OCO"),
        ({"quantity": "1.5"}, "whole number of shares"),
        ({"risk_amount": 100}, "currency per share"),
        ({"rr_ratio": 1.9}, "min_rr_ratio"),
        ({"risk_amount": "0.005"}, "too little for the ticks"),
        ({"config": ExecutorConfig(max_notional=9_999)}, "max_notional"),
    ],
)
def test_a_trade_that_cannot_be_made_is_refused_before_anything_is_asked(change: dict[str, Any], word: str) -> None:
    assert checks.objection(intent()) is None
    assert word in (checks.objection(intent(**change)) or "")


_ALONE = "the broker takes no OCO, so that stop and target cannot stand together"
_SHARE = "give the symbol of a share, e.g. 'AAPL'"
_PAIR = (
    f"symbol: {{!r}} is not allowed; it is a pair of currencies, for which {_ALONE} "
    f"(it takes simple market, limit and stop_limit orders, gtc or ioc, and no short sales); {_SHARE}"
)
_PART = (
    "quantity: {} is not allowed; parts of a share are dealt in by simple orders for the day only, "
    "so stop and target cannot be placed as one OCO; give a whole number of shares, at least {}"
)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"symbol": "BTC/USD"}, _PAIR.format("BTC/USD")),
        ({"symbol": "ethusd"}, _PAIR.format("ETHUSD")),
        (
            {"symbol": "AAPL270115C00150000"},
            f"symbol: 'AAPL270115C00150000' is not allowed; it is an option, for which {_ALONE} "
            f"(it takes simple and mleg orders); {_SHARE}",
        ),
        ({"quantity": "2.5"}, _PART.format("2.5", 2)),
        ({"quantity": "0.5"}, _PART.format("0.5", 1)),
    ],
)
def test_what_can_have_no_exits_is_declined_in_so_many_words(change: dict[str, Any], words: str) -> None:
    assert checks.objection(intent(**change)) == words


@pytest.mark.parametrize("symbol", ["F", "BRK.B", "GOOGL", "TUSD", "USD"])
def test_shares_are_not_taken_for_something_else(symbol: str) -> None:
    assert checks.objection(intent(symbol=symbol)) is None


@pytest.mark.parametrize(
    ("side", "change", "word"),
    [
        ("buy", {"is_open": False}, "extended_hours is off"),
        ("buy", {"can_trade": False}, "may not trade"),
        ("buy", {"held": D(-1)}, "close that position"),
        ("sell", {"held": D(1)}, "close that position"),
        ("buy", {"buying_power": D("10004.99")}, "buying power"),
        ("sell", {"buying_power": D("10200")}, "buying power"),  # a short sale is reckoned 3 % dearer
        ("buy", {"held": D(1)}, ""),
        ("buy", {"held": None}, ""),
        ("buy", {"buying_power": D("10005")}, ""),
    ],
)
def test_the_moment_may_hinder_a_trade(side: str, change: dict[str, Any], word: str) -> None:
    found = checks.hindrance(intent(side=side), market(**change))
    assert (found is None) == (word == "")
    assert word in (found or "")


def test_extended_hours_are_a_matter_of_the_settings() -> None:
    extended = ExecutorConfig(extended_hours=True)
    assert checks.hindrance(intent(config=extended), market(is_open=False)) is None


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"max_slippage": -1}, "max_slippage"),
        ({"max_slippage": "much"}, "max_slippage"),
        ({"on_slippage": "ignore"}, "'close' or 'keep'"),
        ({"on_partial": "x"}, "'protect' or 'close'"),
        ({"fill_timeout_seconds": 0}, "greater than 0"),
        ({"quarantine_seconds": -1}, "at least 0"),
        ({"max_open_trades": 0}, "at least 1"),
        ({"max_submits_per_minute": 0}, "at least 1"),
        ({"on_lost_exits": "ignore"}, "'protect' or 'close' or 'report'"),
        ({"exit_time_in_force": "ioc"}, "'day' or 'gtc'"),
        ({"extended_hours": 1}, "True or False"),
    ],
)
def test_a_bad_setting_is_named_with_what_is_allowed(change: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        ExecutorConfig(**change)
