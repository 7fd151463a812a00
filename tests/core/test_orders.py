"""Orders: the status table, exact numbers, and requests that are valid from birth."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwatch.core.orders import (
    MAX_CLIENT_ORDER_ID,
    STATUS_RULES,
    OrderRequest,
    OrderSnapshot,
    OrderStatus,
    Side,
    exact,
)

D = Decimal


def test_the_status_table_is_total() -> None:
    assert set(STATUS_RULES) == set(OrderStatus)
    ranks = [rule.rank for rule in STATUS_RULES.values()]
    assert len(set(ranks)) == len(ranks)


def test_five_statuses_are_ends_and_no_end_can_fill() -> None:
    ends = {status for status in OrderStatus if status.is_terminal}
    assert ends == {
        *(OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED, OrderStatus.REPLACED),
    }
    assert {status for status in OrderStatus if not status.can_fill} == ends | {OrderStatus.HELD}


def test_an_end_outranks_all_that_is_alive() -> None:
    alive = max(rule.rank for rule in STATUS_RULES.values() if not rule.terminal)
    assert all(rule.rank > alive for rule in STATUS_RULES.values() if rule.terminal)


def test_no_live_status_should_follow_an_end() -> None:
    for status, rule in STATUS_RULES.items():
        live = {other for other in OrderStatus if not other.is_terminal}
        assert (rule.follows_badly >= live) == status.is_terminal


@pytest.mark.parametrize("status", OrderStatus)
@pytest.mark.parametrize("written", ["{}", " {} ", "OrderStatus.{}", "fillwatch.core.orders.OrderStatus.{}"])
def test_a_status_is_parsed_in_either_case_and_with_its_class(status: OrderStatus, written: str) -> None:
    assert OrderStatus.parse(written.format(status.value)) is status
    assert OrderStatus.parse(written.format(status.name)) is status
    assert OrderStatus.parse(status) is status


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("fill", OrderStatus.FILLED),
        ("partial_fill", OrderStatus.PARTIALLY_FILLED),
        ("cancelled", OrderStatus.CANCELED),
        ("activated", OrderStatus.UNKNOWN),
        ("", OrderStatus.UNKNOWN),
        ("filled?", OrderStatus.UNKNOWN),
    ],
)
def test_other_words_are_known_or_alive(word: str, status: OrderStatus) -> None:
    assert OrderStatus.parse(word) is status


@given(st.text())
def test_no_word_is_an_end_by_accident(word: str) -> None:
    status = OrderStatus.parse(word)
    assert not status.is_terminal or status.value.rstrip("ed") in word.lower() or "cancelled" in word.lower()


@pytest.mark.parametrize(
    ("value", "number"),
    [(0.1, "0.1"), (1, "1"), ("1.50", "1.50"), (D("0.055138950"), "0.055138950"), (1e-9, "1E-9"), (" 2 ", "2")],
)
def test_numbers_become_the_decimal_that_was_written(value: float | str | Decimal, number: str) -> None:
    assert str(exact(value)) == number


@pytest.mark.parametrize("value", ["", "abc", "NaN", "sNaN", "inf", math.nan, -math.inf, D("NaN"), D("Infinity")])
def test_what_is_no_finite_number_is_refused_by_name(value: float | str | Decimal) -> None:
    with pytest.raises(ValueError, match=r"^limit_price: .* is not a (finite )?number$"):
        exact(value, "limit_price")


def test_a_position_moves_with_the_side() -> None:
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)


@pytest.mark.parametrize(
    ("qty", "filled", "leaves"),
    [("10", "4", "6"), ("10", "10", "0"), ("10", "12", "0"), (None, "4", None), ("10", None, None)],
)
def test_what_is_left_of_an_order(qty: str | None, filled: str | None, leaves: str | None) -> None:
    order = OrderSnapshot(
        order_id="o",
        status=OrderStatus.NEW,
        qty=None if qty is None else D(qty),
        filled_qty=None if filled is None else D(filled),
    )
    assert order.leaves_qty == (None if leaves is None else D(leaves))


def request(**fields: object) -> OrderRequest:
    everything = {"symbol": "AAPL", "side": "buy", "qty": D(1)} | fields
    return OrderRequest(**everything)  # type: ignore[arg-type]  # a table of requests, good and bad


def test_a_request_takes_numbers_in_any_form_and_keeps_decimals() -> None:
    made = request(qty="0.5", order_type="stop_limit", limit_price=101.5, stop_price=100)
    assert (made.side, made.qty, made.limit_price, made.stop_price) == (Side.BUY, D("0.5"), D("101.5"), D(100))
    with pytest.raises(FrozenInstanceError):
        made.qty = D(2)  # type: ignore[misc]  # the point of the test


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"symbol": "  "}, "symbol"),
        ({"qty": None}, "qty"),
        ({"notional": 10}, "qty"),
        ({"side": "hold"}, "hold"),
        ({"qty": 0}, "qty"),
        ({"qty": "-1"}, "qty"),
        ({"qty": "many"}, "qty"),
        ({"qty": None, "notional": math.nan}, "notional"),
        ({"limit_price": 0}, "limit_price"),
        ({"stop_price": "-1"}, "stop_price"),
        ({"trail_price": 0}, "trail_price"),
        ({"trail_percent": 0}, "trail_percent"),
        ({"take_profit_limit_price": 0}, "take_profit_limit_price"),
        ({"stop_loss_stop_price": 0}, "stop_loss_stop_price"),
        ({"stop_loss_limit_price": 0}, "stop_loss_limit_price"),
        ({"order_type": "limit"}, "limit_price"),
        ({"order_type": "stop"}, "stop_price"),
        ({"order_type": "stop_limit", "limit_price": 1}, "stop_price"),
        ({"client_order_id": ""}, "client_order_id"),
        ({"client_order_id": "x" * (MAX_CLIENT_ORDER_ID + 1)}, "client_order_id"),
    ],
)
def test_a_bad_request_cannot_be_made_and_its_field_is_named(fields: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        request(**fields)


def test_the_longest_client_order_id_is_allowed() -> None:
    assert request(client_order_id="x" * MAX_CLIENT_ORDER_ID).client_order_id
