"""What the broker asks of a new order by itself, whatever the account holds: tables of rules and words of refusal.

The messages and their codes are those that Alpaca's users have recorded (facts §6, Alpaca's article on common errors);
where none was recorded the wording follows the nearest that was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType

from fillwatch.core.orders import OrderRequest
from fillwatch.simulator.answers import Answer, Terms, refusal
from fillwatch.simulator.assets import CRYPTO, EQUITY, OPTION, Asset, asset
from fillwatch.simulator.form import TIMES_IN_FORCE, TYPES

_LASTING = frozenset({"day", "gtc"})
#: For each kind of asset: the times in force it takes, the types of order, and what is said of any other.
_BY_KIND: Mapping[str, tuple[frozenset[str], frozenset[str], int, str, str]] = MappingProxyType(
    {
        EQUITY: (TIMES_IN_FORCE, TYPES, 40010001, "invalid time_in_force", "invalid order type"),
        CRYPTO: (
            frozenset({"gtc", "ioc"}),
            frozenset({"market", "limit", "stop_limit"}),
            40010001,
            "invalid crypto time_in_force",
            "invalid order type for crypto order",
        ),
        OPTION: (
            _LASTING,
            TYPES - {"trailing_stop"},
            42210000,
            "order_time_in_force provided not supported for options trading",
            "invalid order type for options trading",
        ),
    }
)
#: The types that may be sent with each time in force, if not all.
_TYPES_FOR: Mapping[str, frozenset[str]] = MappingProxyType(
    dict.fromkeys(("opg", "cls", "ioc", "fok"), frozenset({"market", "limit"}))
)
_CENT = Decimal("0.01")


def refused(request: OrderRequest, known: Asset | None, terms: Terms) -> Answer | None:
    """The refusal of an order that the asset or the market's rules do not allow; None: it may stand."""
    if known is None:
        return refusal(422, 42210000, f'asset "{request.symbol}" not found')
    if not known.has("tradable"):
        return refusal(422, 42210000, f'asset "{request.symbol}" is not tradable')
    for rule in _RULES:
        if (answer := rule(request, known, terms)) is not None:
            return answer
    return None


def is_fractional(request: OrderRequest) -> bool:
    """Whether it asks for parts of a share, or for as many as an amount of money buys."""
    return request.qty is None or request.qty != request.qty.to_integral_value()


def _unprocessable(message: str) -> Answer:
    return refusal(422, 42210000, message)


def _time_and_type(request: OrderRequest, known: Asset, terms: Terms) -> Answer | None:
    times, types, code, bad_time, bad_type = _BY_KIND[known.kind]
    if request.time_in_force not in times:
        return refusal(422, code, bad_time)
    if request.order_type not in types:
        return _unprocessable(bad_type)
    if request.order_type not in _TYPES_FOR.get(request.time_in_force, TYPES):
        return _unprocessable(f"{request.order_type.replace('_', ' ')} orders must be DAY or GTC orders")
    return None


def _extended(request: OrderRequest, known: Asset, terms: Terms) -> Answer | None:
    if not request.extended_hours or known.kind == CRYPTO:
        return None
    if request.order_type != "limit" or request.time_in_force not in _LASTING:
        return _unprocessable("extended hours order must be DAY or GTC limit orders")
    return None


def _fractions(request: OrderRequest, known: Asset, terms: Terms) -> Answer | None:
    places = Decimal(1).scaleb(-9)
    if request.qty is not None and request.qty % places:
        return _unprocessable("qty must be limited to 9 decimal places")
    if request.notional is not None:
        if request.notional < 1:
            return refusal(422, 40010001, "notional must be >= 1.00")
        if request.notional % _CENT:
            return _unprocessable("notional must be limited to 2 decimal places")
    if known.kind == CRYPTO or not is_fractional(request):
        return None
    if not known.has("fractionable"):
        return refusal(403, 40310000, f'asset "{request.symbol}" is not fractionable')
    if request.time_in_force != "day":
        return _unprocessable("fractional orders must be DAY orders")
    if request.order_class != "simple":
        return _unprocessable("fractional orders must be simple orders")
    if request.order_type == "trailing_stop":
        return _unprocessable("fractional orders must not be trailing stop orders")
    return None


def _increments(request: OrderRequest, known: Asset, terms: Terms) -> Answer | None:
    """Facts §6: from 1.00 on prices are in whole cents, below it in hundredths of one."""
    for name, field in _PRICE_NAMES.items():
        price: Decimal | None = getattr(request, field)
        if price is None or known.kind == CRYPTO:
            continue
        if known.kind == OPTION and price % _CENT:
            return _unprocessable(f"{name.replace('_', ' ')} must be limited to 2 decimal places")
        if price % (_CENT if price >= 1 else _CENT * _CENT):
            return _unprocessable(
                f"invalid {name} {price:f}. sub-penny increment does not fulfill minimum pricing criteria"
            )
    return None


_PRICE_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "limit_price": "limit_price",
        "stop_price": "stop_price",
        "trail_price": "trail_price",
        "take_profit.limit_price": "take_profit_limit_price",
        "stop_loss.stop_price": "stop_loss_stop_price",
        "stop_loss.limit_price": "stop_loss_limit_price",
    }
)


def _classes(request: OrderRequest, known: Asset, terms: Terms) -> Answer | None:
    name = request.order_class
    if name == "simple":
        return None
    if known.kind == CRYPTO:
        return _unprocessable(f"crypto orders not allowed for advanced order_class: {name}")
    if (name == "mleg") != (known.kind == OPTION):
        return _unprocessable(f"order_class {name} is not supported for {known.kind} orders")
    if request.time_in_force not in _LASTING:
        return _unprocessable(f"{name} orders must be DAY or GTC orders")
    if name == "mleg":
        return _legs(terms)
    if request.extended_hours:
        return _unprocessable(f"{name} orders are not eligible for extended hours trading")
    if name == "oco" and request.order_type != "limit":
        return _unprocessable("oco orders must be limit orders")
    profit, loss = request.take_profit_limit_price, request.stop_loss_stop_price
    if profit is not None and loss is not None:
        buys = (request.side.sign > 0) != (name == "oco")
        if profit <= loss if buys else profit >= loss:
            return _unprocessable(f"take_profit.limit_price must be {'>' if buys else '<'} stop_loss.stop_price")
    return None


def _legs(terms: Terms) -> Answer | None:
    for leg in terms.legs:
        known = asset(leg.symbol)
        if known is None or known.kind != OPTION:
            return _unprocessable(f'asset "{leg.symbol}" not found')
    return None


def exits_off(request: OrderRequest, price: Decimal) -> Answer | None:
    """The refusal of exits on the wrong side of where the entry is made: its limit, or the symbol's `price`."""
    if request.order_class not in ("bracket", "oto"):
        return None
    base = request.limit_price or price
    sign = request.side.sign
    checks = (
        ("take_profit.limit_price", request.take_profit_limit_price, sign),
        ("stop_loss.stop_price", request.stop_loss_stop_price, -sign),
    )
    for name, exit_price, way in checks:
        if exit_price is not None and (exit_price - base) * way < _CENT:
            relation = ">= base_price + 0.01" if way > 0 else "<= base_price - 0.01"
            return refusal(422, 42210000, f"{name} must be {relation}", base_price=f"{base:f}")
    return None


def stop_off(request: OrderRequest, price: Decimal) -> Answer | None:
    """The refusal of a stop that the market is already past."""
    if request.order_type not in ("stop", "stop_limit") or request.stop_price is None:
        return None
    if (request.stop_price - price) * request.side.sign > 0:
        return None
    relation = "greater" if request.side.sign > 0 else "less"
    return _unprocessable(f"stop price must be {relation} than current price")


_RULES: tuple[Callable[[OrderRequest, Asset, Terms], Answer | None], ...] = (
    _time_and_type,
    _extended,
    _fractions,
    _increments,
    _classes,
)
