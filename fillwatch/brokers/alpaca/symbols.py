"""One spelling for symbols that Alpaca spells in two ways."""

from __future__ import annotations


def normal_symbol(symbol: str) -> str:
    """`symbol` in the form in which orders and positions meet: upper case, without slash or surrounding space.

    Alpaca writes a crypto pair `BTC/USD` in orders and `BTCUSD` in positions; both become `BTCUSD`. Shares and
    options (`BRK.B`, `AAPL250117C00200000`) stay as they are.
    """
    return symbol.strip().upper().replace("/", "")
