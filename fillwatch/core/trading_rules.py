"""Prices of a trade (ticks, the entry's limit, the exits), and a wish as a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal, localcontext
from functools import wraps
from types import MappingProxyType
from typing import ParamSpec, TypeVar

from fillwatch.core.config import chosen
from fillwatch.core.orders import Number, Side, exact
from fillwatch.core.slippage import signed_slippage
from fillwatch.core.text import plain
from fillwatch.core.trade_terms import ExecutorConfig, Intent

P = ParamSpec("P")
R = TypeVar("R")

#: Python's own default of 28 digits, but ours, so that a caller's `decimal.getcontext()` changes no price.
ARITHMETIC = Context(prec=28, rounding=ROUND_HALF_EVEN)
_ONE, _HUNDRED = Decimal(1), Decimal(100)
#: Prices from 1.00 on are in whole cents, below it in hundredths of one (SEC rule 612; facts §6 of Alpaca's refusals).
_CENT, _FRACTION = Decimal("0.01"), Decimal("0.0001")
#: How far beyond the fill price, in percent, an order that closes a position in extended hours may trade.
CLOSING_BUFFER = Decimal(1)
LONGEST_SYMBOL = 32
#: Characters of the id of an intent: no more than a journal takes.
LONGEST_INTENT = 256
#: The largest number that a wish may name: beyond it prices to the tick have more digits than `ARITHMETIC`.
LARGEST = Decimal(10) ** 12


def exactly(function: Callable[P, R]) -> Callable[P, R]:
    """The function, reckoning in `ARITHMETIC`."""

    @wraps(function)
    def reckon(*args: P.args, **kwargs: P.kwargs) -> R:
        with localcontext(ARITHMETIC):
            return function(*args, **kwargs)

    return reckon


def tick(price: Decimal) -> Decimal:
    """The smallest step between prices near `price`."""
    return _CENT if price >= _ONE else _FRACTION


@exactly
def rounded(price: Decimal, *, up: bool) -> Decimal:
    """`price` on the grid of ticks, at or above it (`up`) or at or below it."""
    way = ROUND_CEILING if up else ROUND_FLOOR
    on_grid = price.quantize(tick(price), way)
    return on_grid.quantize(tick(on_grid), way)  # rounding 0.99995 up leads to where the steps are wider


@exactly
def limit_price(side: Side, signal_price: Decimal, buffer: Decimal) -> Decimal:
    """The entry's limit: `buffer` percent beyond the signal, rounded to the tick in our favour."""
    return rounded(signal_price * (_ONE + buffer * side.sign / _HUNDRED), up=side is Side.SELL)


def closing_price(side: Side, fill_price: Decimal) -> Decimal:
    """The limit of an order on `side` that is to close a position at once where no market orders are taken."""
    return limit_price(side, fill_price, CLOSING_BUFFER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exits:
    """Where a position ends: `stop_loss` below a long one and above a short one, `take_profit` on the other side."""

    stop_loss: Decimal
    take_profit: Decimal
    rr_ratio: Decimal


@exactly
def exits(side: Side, fill_price: Decimal, risk_amount: Decimal, rr_ratio: Decimal) -> Exits | None:
    """Stop and target from the real fill price; None when no stop fits between it and zero.

    Both are rounded in our favour: the stop towards the fill, so that no more is risked than was asked, the target
    away from it. A stop that would fall onto the fill is one tick away.
    """
    up = side is Side.BUY
    stop = rounded(fill_price - risk_amount * side.sign, up=up)
    step = tick(fill_price)
    if (fill_price - stop) * side.sign < step:
        stop = rounded(fill_price - step * side.sign, up=not up)
    target = rounded(fill_price + risk_amount * rr_ratio * side.sign, up=up)
    if (target - fill_price) * side.sign < step:
        target = rounded(fill_price + step * side.sign, up=up)
    if stop <= 0 or target <= 0:
        return None
    ratio = abs(target - fill_price) / abs(fill_price - stop)
    return Exits(stop_loss=stop, take_profit=target, rr_ratio=ratio)


def wished(
    intent_id: object,
    at: datetime,
    config: ExecutorConfig,
    *,
    symbol: object,
    side: Side | str,
    quantity: Number,
    signal_price: Number,
    risk_amount: Number,
    rr_ratio: Number,
) -> Intent:
    """The wish as a value. `ValueError` names what is no id, symbol, side, or number from 0 to `LARGEST`."""
    if not isinstance(intent_id, str) or len(intent_id) > LONGEST_INTENT or not intent_id.isprintable():
        shown = plain(repr(intent_id), 40)
        raise ValueError(f"intent_id: {shown} is not allowed; give a text of at most {LONGEST_INTENT} characters")
    if not isinstance(symbol, str):
        raise ValueError(f"symbol: {symbol!r} is not allowed; give the instrument, e.g. 'AAPL'")
    name = symbol.strip().upper()
    if not 1 <= len(name) <= LONGEST_SYMBOL or plain(name) != name:
        raise ValueError(f"symbol: {plain(name, 40)!r} is not allowed; give the instrument, e.g. 'AAPL'")
    numbers = {
        field: _positive(field, value)
        for field, value in (
            ("quantity", quantity),
            ("signal_price", signal_price),
            ("risk_amount", risk_amount),
            ("rr_ratio", rr_ratio),
        )
    }
    chosen_side = chosen("side", str(side).lower().rpartition(".")[2], Side)
    return Intent(intent_id=intent_id, symbol=name, side=chosen_side, at=at, config=config, **numbers)


def _positive(name: str, value: Number) -> Decimal:
    if isinstance(value, bool):
        raise ValueError(f"{name}: {value!r} is not a number")
    number = exact(value, name)
    if number <= 0:
        raise ValueError(f"{name}: {value!r} is not allowed; it must be greater than 0")
    if number > LARGEST:
        raise ValueError(f"{name}: {value!r} is not allowed; it must be at most {LARGEST}")
    return number


def slipped(intent: Intent, price: Decimal) -> Decimal:
    """Slippage against the signal in percent, positive = worse for us."""
    return signed_slippage(intent.side, intent.signal_price, price)


_OPPOSITE: Mapping[Side, Side] = MappingProxyType({Side.BUY: Side.SELL, Side.SELL: Side.BUY})


def opposite(side: Side) -> Side:
    """The side that closes what `side` opens."""
    return _OPPOSITE[side]
