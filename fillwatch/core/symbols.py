"""The one spelling of an instrument."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal


def normal_symbol(symbol: str) -> str:
    """The one spelling of an instrument: Alpaca's orders say `BTC/USD` where its positions say `BTCUSD`."""
    return symbol.strip().upper().replace("/", "")


def normal_quantities(quantities: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Positions by normal symbol."""
    totals: dict[str, Decimal] = {}
    for symbol, quantity in quantities.items():
        totals[normal_symbol(symbol)] = totals.get(normal_symbol(symbol), Decimal(0)) + quantity
    return totals
