"""Why a trade is not to be made: because of what is wished, or of what the broker says just then."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal

from fillwatch.core import trading_rules as prices
from fillwatch.core.orders import Side, exact
from fillwatch.core.trade_terms import Intent

_ONE = Decimal(1)
#: What a short sale is reckoned at: 3 % over the price (Alpaca's margin rules).
SHORT_MARGIN = Decimal("1.03")
_SIMPLE_ONLY = "the broker takes no OCO, so that stop and target cannot stand together"
#: Instruments whose exits cannot be placed as one OCO, by the shape of their symbols, and why (the OpenAPI document's
#: `OrderClass`, `OrderType` and `TimeInForce`; a pair may lack its slash, facts §9).
_NOT_TRADED: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r".*/.*|[A-Z0-9]{3,6}(USD|USDC|USDT)"),
        f"it is a pair of currencies, for which {_SIMPLE_ONLY} (it takes simple market, limit and stop_limit orders, "
        "gtc or ioc, and no short sales)",
    ),
    (
        re.compile(r"[A-Z]{1,6}\d{6}[CP]\d{8}"),
        f"it is an option, for which {_SIMPLE_ONLY} (it takes simple and mleg orders)",
    ),
)


@prices.exactly
def objection(intent: Intent) -> str | None:
    """Why such a trade cannot be made whatever the broker says; None: it can."""
    return next((found for check in _CHECKS if (found := check(intent)) is not None), None)


def _kind(intent: Intent) -> str | None:
    for shape, words in _NOT_TRADED:
        if shape.fullmatch(intent.symbol):
            return f"symbol: {intent.symbol!r} is not allowed; {words}; give the symbol of a share, e.g. 'AAPL'"
    return None


def _whole(intent: Intent) -> str | None:
    whole = intent.quantity.to_integral_value(ROUND_FLOOR)
    if intent.quantity == whole:
        return None
    return (
        f"quantity: {intent.quantity} is not allowed; parts of a share are dealt in by simple orders for the day only, "
        f"so stop and target cannot be placed as one OCO; give a whole number of shares, at least {max(whole, _ONE):f}"
    )


def _stop(intent: Intent) -> str | None:
    found = prices.exits(intent.side, intent.signal_price, intent.risk_amount, intent.rr_ratio)
    if found is None:
        return (
            f"risk_amount: {intent.risk_amount} a share leaves no room for stop and target at {intent.signal_price}; "
            "it is currency per share"
        )
    if found.rr_ratio < min(exact(intent.config.min_rr_ratio), intent.rr_ratio):
        return f"risk_amount: {intent.risk_amount} a share is too little for the ticks at {intent.signal_price}"
    return None


def _reward(intent: Intent) -> str | None:
    least = exact(intent.config.min_rr_ratio)
    if intent.rr_ratio < least:
        return f"rr_ratio: {intent.rr_ratio} is below min_rr_ratio, {least}"
    return None


def _cost(intent: Intent) -> str | None:
    most = intent.config.max_notional
    cost = intent.quantity * intent.signal_price
    if most is not None and cost > exact(most):
        return f"quantity: {intent.quantity} at {intent.signal_price} costs {cost}, over max_notional, {most}"
    return None


_CHECKS: tuple[Callable[[Intent], str | None], ...] = (_kind, _whole, _stop, _reward, _cost)


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What the broker was read to say just before an entry. `held`: signed shares of the symbol, None if not known."""

    is_open: bool
    next_open: datetime
    can_trade: bool
    buying_power: Decimal | None
    held: Decimal | None


@prices.exactly
def hindrance(intent: Intent, market: Market) -> str | None:
    """Why the trade cannot be made now; None: it can."""
    return next((found for check in _HINDRANCES if (found := check(intent, market)) is not None), None)


def _hours(intent: Intent, market: Market) -> str | None:
    if market.is_open or intent.config.extended_hours:
        return None
    return f"the market is closed and extended_hours is off; it opens at {market.next_open.isoformat()}"


def _blocked(intent: Intent, market: Market) -> str | None:
    return None if market.can_trade else "the account may not trade"


def _opposite(intent: Intent, market: Market) -> str | None:
    if market.held is not None and market.held * intent.side.sign < 0:
        return f"the account holds {market.held} {intent.symbol}: this would close that position, not open one"
    return None


def _power(intent: Intent, market: Market) -> str | None:
    limit = prices.limit_price(intent.side, intent.signal_price, intent.config.buffer(extended=not market.is_open))
    cost = intent.quantity * limit * (SHORT_MARGIN if intent.side is Side.SELL else _ONE)
    if market.buying_power is not None and cost > market.buying_power:
        return f"buying power of {market.buying_power} does not cover {cost}"
    return None


_HINDRANCES: tuple[Callable[[Intent, Market], str | None], ...] = (_hours, _blocked, _opposite, _power)
