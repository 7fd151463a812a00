"""The account in figures, as `/v2/account` and `/v2/positions` show it."""

from __future__ import annotations

import random
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal

from fillwatch.core.orders import Side
from fillwatch.simulator.account import MULTIPLIER, ZERO, Account, Holding, multiplier
from fillwatch.simulator.draws import drawn_id

_CENT = Decimal("0.01")
#: Shares of the market value that Regulation T asks for, and that must be kept: of longs, of shorts.
_INITIAL, _KEPT_LONG, _KEPT_SHORT = Decimal("0.5"), Decimal("0.25"), Decimal("0.3")


def account_row(account: Account, seed: int, t: float, at: datetime) -> dict[str, object]:
    """Every field of the account at clock second `t`, which is the broker's time `at`.

    Those about pattern day trading went on 2026-07-06 (facts §9).
    """
    long, short = _market_values(account, t)
    cash = account.positions.cash
    equity = cash + long + short
    power = max(buying_power(account, t), ZERO)
    free = max(min(cash, equity) - account.reserved, ZERO)
    money = {
        "cash": cash,
        "portfolio_value": equity,
        "equity": equity,
        "last_equity": account.starting_cash,
        "buying_power": power,
        "regt_buying_power": power,
        "non_marginable_buying_power": free,
        "options_buying_power": free,
        "long_market_value": long,
        "short_market_value": short,
        "initial_margin": _INITIAL * (long - short),
        "maintenance_margin": _KEPT_LONG * long - _KEPT_SHORT * short,
        "last_maintenance_margin": ZERO,
        "sma": equity,
        "accrued_fees": ZERO,
        "pending_reg_taf_fees": ZERO,
        "pending_transfer_in": ZERO,
        "pending_transfer_out": ZERO,
        "intraday_adjustments": ZERO,
    }
    return {
        "id": drawn_id(random.Random(f"{seed}/account")),
        "account_number": "PA3SIMULATED",
        "status": "ACTIVE",
        "crypto_status": "ACTIVE",
        "currency": "USD",
        **{name: cents(value) for name, value in money.items()},
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": False,
        "shorting_enabled": True,
        "multiplier": str(MULTIPLIER),
        "options_approved_level": 3,
        "options_trading_level": 3,
        "balance_asof": at.date().isoformat(),
        "created_at": "2024-01-02T15:04:05.000000Z",
    }


def buying_power(account: Account, t: float) -> Decimal:
    """What may still be bought: the margin's multiple of what is free, less what open orders keep."""
    long, short = _market_values(account, t)
    free = account.positions.cash + long + short - _INITIAL * (long - short)
    return max(free, ZERO) * MULTIPLIER - account.reserved


def _market_values(account: Account, t: float) -> tuple[Decimal, Decimal]:
    long = short = ZERO
    for symbol, holding in account.positions.holdings.items():
        if holding.qty:
            value = holding.qty * account.price(symbol, t) * multiplier(symbol)
            long, short = long + max(value, ZERO), short + min(value, ZERO)
    return long, short


def position_row(symbol: str, holding: Holding, price: Decimal, last: Decimal, account: Account) -> dict[str, object]:
    """A position as the broker describes it: at its `price`, and the price of the day before, `last`."""
    qty, times = holding.qty, multiplier(symbol)
    value, cost = qty * price * times, holding.cost * times
    gain = value - cost
    share = ratio(gain, abs(cost))
    closing = Side.SELL if qty > 0 else Side.BUY
    free = max(abs(qty) - account.on_hold(symbol, closing), ZERO).copy_sign(qty)
    return {
        "symbol": symbol,
        "qty": qty,
        "price": price,
        "entry": round(holding.entry, 6),
        "qty_available": free,
        "side": "long" if qty > 0 else "short",
        "market_value": value,
        "cost_basis": cost,
        "unrealized_pl": gain,
        "unrealized_plpc": share,
        "unrealized_intraday_pl": gain,
        "unrealized_intraday_plpc": share,
        "current_price": price,
        "lastday_price": last,
        "change_today": ratio(price - last, last),
    }


def ratio(part: Decimal, whole: Decimal) -> Decimal:
    """`part / whole` to ten places; 0 of nothing."""
    return round(part / whole, 10) if whole else ZERO


def cents(value: Decimal) -> Decimal:
    """`value` in whole cents."""
    return value.quantize(_CENT, ROUND_HALF_EVEN)
