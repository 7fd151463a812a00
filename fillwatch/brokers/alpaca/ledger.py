"""Positions, account and clock from JSON bytes. Unlike a list of orders these are whole or worth nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import msgspec

from fillwatch.brokers.alpaca import fields
from fillwatch.brokers.alpaca.fields import Unreadable
from fillwatch.core.positions import normal_symbol
from fillwatch.core.text import plain

_BAD_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_EXACT = msgspec.json.Decoder(dict[str, object], float_hook=Decimal)
_BLOCKS = ("trading_blocked", "account_blocked", "trade_suspended_by_user")


class PositionRow(msgspec.Struct):
    """The fields of a position that we read."""

    symbol: str
    qty: msgspec.Raw
    side: str | None = None


class AccountRow(msgspec.Struct):
    """The fields of the account that we read."""

    id: str
    status: str
    currency: str | None = None
    buying_power: msgspec.Raw = msgspec.Raw(b"")
    trading_blocked: bool | None = None
    account_blocked: bool | None = None
    trade_suspended_by_user: bool | None = None


class ClockRow(msgspec.Struct):
    """`/v2/clock`; its times carry New York offsets."""

    timestamp: str
    is_open: bool
    next_open: str
    next_close: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    """What the account says of itself."""

    account_id: str
    currency: str
    buying_power: Decimal | None
    can_trade: bool
    raw: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockFacts:
    """What the clock says."""

    at: datetime
    is_open: bool
    next_open: datetime
    next_close: datetime


def positions(body: bytes) -> dict[str, Decimal]:
    """Signed quantity by normal symbol. Raises `Unreadable` for one bad row too: a row left out would read as flat."""
    found: dict[str, Decimal] = {}
    try:
        rows = msgspec.json.decode(body, type=list[PositionRow])
    except _BAD_JSON as error:
        raise Unreadable(f"not a list of positions ({plain(str(error), 120)})") from None
    for row in rows:
        quantity = fields.amount(row.qty)
        if quantity is None or not row.symbol.strip():
            raise Unreadable("a position without a symbol or a quantity")
        symbol = normal_symbol(row.symbol)
        short = (row.side or "").lower() == "short"
        found[symbol] = found.get(symbol, Decimal(0)) + (-abs(quantity) if short else quantity)
    return found


def account(body: bytes) -> AccountFacts:
    """The account. Raises `Unreadable`."""
    try:
        row = msgspec.json.decode(body, type=AccountRow)
        raw = _EXACT.decode(body)
    except _BAD_JSON as error:
        raise Unreadable(f"not an account ({plain(str(error), 120)})") from None
    return AccountFacts(
        account_id=row.id,
        currency=row.currency or "",
        buying_power=fields.amount(row.buying_power),
        can_trade=row.status.upper() == "ACTIVE" and not any(getattr(row, block) for block in _BLOCKS),
        raw=raw,
    )


def clock(body: bytes) -> ClockFacts:
    """The clock. Raises `Unreadable`."""
    try:
        row = msgspec.json.decode(body, type=ClockRow)
    except _BAD_JSON as error:
        raise Unreadable(f"not a clock ({plain(str(error), 120)})") from None
    at, opens, closes = fields.moment(row.timestamp), fields.moment(row.next_open), fields.moment(row.next_close)
    if at is None or opens is None or closes is None:
        raise Unreadable("a clock without a time")
    return ClockFacts(at=at, is_open=row.is_open, next_open=opens, next_close=closes)
