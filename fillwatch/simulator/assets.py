"""What can be traded: every well-formed symbol, but for a few that are set aside to be unknown or restricted."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from fillwatch.simulator.draws import SYMBOLS

EQUITY, CRYPTO, OPTION = "us_equity", "crypto", "us_option"

#: What the kinds of symbol look like: one to five letters with perhaps a share class, a currency pair, an OCC name.
_SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = (
    (EQUITY, re.compile(r"[A-Z]{1,5}(\.[A-Z]{1,2})?")),
    (CRYPTO, re.compile(r"[A-Z]{2,6}/(USD|USDC|USDT|BTC)")),
    (OPTION, re.compile(r"[A-Z]{1,6}\d{6}[CP]\d{8}")),
)
#: Well-formed symbols that no asset has, for tests of what happens then.
UNKNOWN = frozenset({"NOPE", "FAKE", "XXXX", "XXXXX", "ZZZZ", "ZZZZZ"})
#: Symbols that cannot be dealt in like all others, for tests of what happens then.
RESTRICTED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "HALT": frozenset({"tradable"}),
        "NOFR": frozenset({"fractionable"}),
        "NOSH": frozenset({"shortable", "easy_to_borrow"}),
        "HARD": frozenset({"easy_to_borrow"}),
    }
)
#: The pairs that can also be written without a slash, as positions in them are.
_COINS = ("BTC", "ETH", "SOL", "LTC", "DOGE", "AVAX", "LINK", "UNI", "AAVE", "BCH")
_EXCHANGES: Mapping[str, str] = MappingProxyType(
    {"SPY": "ARCA", "QQQ": "NASDAQ", "F": "NYSE", "T": "NYSE", "GE": "NYSE"}
)
#: What the list of assets shows, whether or not it was ever traded.
LISTED = (*SYMBOLS, "GOOG", "META", "T", "GE", "BRK.B", *RESTRICTED, *(f"{coin}/USD" for coin in _COINS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One asset. `lacks` names those of its yes-or-no properties that are not so."""

    symbol: str
    kind: str
    lacks: frozenset[str] = frozenset()

    @property
    def asset_id(self) -> str:
        """Its id, the same in every world."""
        return asset_id(self.symbol)

    @property
    def exchange(self) -> str:
        """Where it trades; "" for options."""
        if self.kind == EQUITY:
            return _EXCHANGES.get(self.symbol, "NASDAQ")
        return "CRYPTO" if self.kind == CRYPTO else ""

    def has(self, name: str) -> bool:
        """Whether it is `tradable`, `marginable`, `shortable`, `fractionable` or `easy_to_borrow`."""
        only_equities = {"marginable", "shortable", "easy_to_borrow"}
        if self.kind != EQUITY and name in only_equities:
            return False
        return name not in self.lacks and (self.kind != OPTION or name != "fractionable")


@lru_cache(maxsize=4096)
def asset(symbol: str) -> Asset | None:
    """The asset of this symbol (a pair may lack its slash); None when there is none."""
    name = symbol
    if name.endswith("USD") and name[:-3] in _COINS:
        name = f"{name[:-3]}/USD"
    for kind, shape in _SHAPES:
        if shape.fullmatch(name) and name not in UNKNOWN:
            return Asset(symbol=name, kind=kind, lacks=RESTRICTED.get(name, frozenset()))
    return None


@lru_cache(maxsize=4096)
def asset_id(symbol: str) -> str:
    """The id of a symbol's asset."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, symbol))


_BY_ID: Mapping[str, str] = MappingProxyType({asset_id(symbol): symbol for symbol in LISTED})


def listed(name: str) -> Asset | None:
    """The asset of this symbol or asset id; ids are known of listed assets alone."""
    return asset(_BY_ID.get(name.lower(), name))
