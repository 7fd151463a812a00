"""Slippage: percent of the expected price, positive when worse for us."""

from __future__ import annotations

import decimal
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwatch.core.slippage import signed_slippage

PRICES = st.decimals("0.0001", "100000", places=4)


@pytest.mark.parametrize(
    ("side", "expected", "paid", "percent"),
    [
        ("buy", "100", "100.25", "0.25"),
        ("buy", "100", "99.75", "-0.25"),
        ("sell", "100", "100.25", "-0.25"),
        ("sell", "100", "99.75", "0.25"),
        ("sell", 100, 100.0, "0"),
        ("buy", 0.1, 0.3, "200"),
        ("buy", "3", "4", "33." + "3" * 26),
    ],
)
def test_slippage_by_side(side: str, expected: float | str, paid: float | str, percent: str) -> None:
    slippage = signed_slippage(side, expected, paid)
    assert slippage == Decimal(percent)
    assert slippage != 0 or not slippage.is_signed()


def test_the_callers_decimal_context_changes_nothing() -> None:
    with decimal.localcontext(decimal.Context(prec=3)):
        assert signed_slippage("buy", "3", "4.00001") == Decimal("33.33366666666666666666666667")


@given(expected=PRICES, paid=PRICES)
def test_a_sell_slips_as_much_as_a_buy_the_other_way(expected: Decimal, paid: Decimal) -> None:
    slippage = signed_slippage("buy", expected, paid)
    assert slippage == -signed_slippage("sell", expected, paid)
    assert (slippage > 0) == (paid > expected)
    assert (slippage < 0) == (paid < expected)


@pytest.mark.parametrize("bad", ["0", "-1", "NaN", "inf", "abc", ""])
@pytest.mark.parametrize("field", ["expected_price", "fill_price"])
def test_a_price_that_is_none_is_refused_by_name(field: str, bad: str) -> None:
    prices = {"expected_price": "1", "fill_price": "1"} | {field: bad}
    with pytest.raises(ValueError, match=field):
        signed_slippage("buy", **prices)
