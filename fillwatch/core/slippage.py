"""How much worse than expected an order was filled."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal

from fillwatch.core.orders import Number, Side, exact

#: Python's own default of 28 digits, but ours, so that a caller's `decimal.getcontext()` changes nothing.
_ARITHMETIC = Context(prec=28, rounding=ROUND_HALF_EVEN)


def signed_slippage(side: Side | str, expected_price: Number, fill_price: Number) -> Decimal:
    """Slippage in percent of the expected price: positive is worse for us, negative better, for buys and sells.

    Only the division rounds, at 28 significant digits; nothing is quantised, so that comparing with a threshold is not
    decided by a rounding made for display. Raises `ValueError` for a price that is not a number greater than 0.
    """
    expected = _price(expected_price, "expected_price")
    paid = _price(fill_price, "fill_price")
    worse = _ARITHMETIC.subtract(paid, expected) if Side(side) is Side.BUY else _ARITHMETIC.subtract(expected, paid)
    return _ARITHMETIC.divide(_ARITHMETIC.multiply(worse, Decimal(100)), expected)


def _price(value: Number, field: str) -> Decimal:
    price = exact(value, field)
    if price <= 0:
        raise ValueError(f"{field}: {value!r} is not allowed; it must be greater than 0")
    return price
