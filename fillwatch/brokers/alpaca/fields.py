"""Single values as Alpaca writes them: amounts, times and ids. A value that cannot be right raises `Unreadable`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

import msgspec

from fillwatch.core.orders import Side

#: No price or quantity has more digits before or after the point; `1e999999` is an attack on our arithmetic.
_LARGEST_EXPONENT = 30
#: Times outside are mistakes, and could not be moved by an offset or a microsecond.
_FIRST_YEAR, _LAST_YEAR = 2, 9998
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_BARE_UUID = re.compile(r"([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})")
_NOTHING = frozenset({b"", b"null", b'""'})
_SIDES = {"buy": Side.BUY, "sell": Side.SELL, "sell_short": Side.SELL}


class Unreadable(ValueError):
    """Bytes from the broker that are not what they should be; the message says which part, without quoting keys."""


def amount(raw: msgspec.Raw) -> Decimal | None:
    """The exact value of a JSON string or number (never by way of a float); None for null, `""` and an absent field."""
    text = bytes(raw)
    if text in _NOTHING:
        return None
    try:
        number = Decimal(text.strip(b'"').decode("ascii"))
    except (InvalidOperation, UnicodeDecodeError):
        raise Unreadable(f"{text[:40]!r} is not a number") from None
    if not number.is_finite() or len(text) > 80 or (number and abs(number.adjusted()) > _LARGEST_EXPONENT):
        raise Unreadable(f"{text[:40]!r} is not an amount")
    return number


def moment(text: str | None) -> datetime | None:
    """An RFC 3339 time with any offset and any number of digits, as aware UTC cut to microseconds; None for none."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Unreadable(f"{text[:40]!r} is not a time") from None
    if at.tzinfo is None or not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise Unreadable(f"{text[:40]!r} is a time without an offset, or out of range")
    return at if at.tzinfo is UTC else at.astimezone(UTC)


def wire_time(at: datetime) -> str:
    """`at` as Alpaca takes it: RFC 3339 in UTC with microseconds. `ValueError` for a time without an offset."""
    if at.tzinfo is None:
        raise ValueError(f"{at!r}: a time without an offset; give an aware one")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def uuid_text(text: str) -> str | None:
    """`text` as a UUID in its canonical form (lower case, hyphens); None if it is none."""
    if _UUID.fullmatch(text):
        return text
    text = text.lower()
    if _UUID.fullmatch(text):
        return text
    bare = _BARE_UUID.fullmatch(text)
    return "-".join(bare.groups()) if bare else None


def order_id(text: str | None) -> str:
    """An order id in its canonical form; `Unreadable` if it is none."""
    found = uuid_text(text or "")
    if found is None:
        raise Unreadable(f"{(text or '')[:60]!r} is not an order id")
    return found


def side(text: str | None) -> Side | None:
    """The side that `text` names; None when it names none, or one nobody has heard of."""
    return _SIDES.get(text or "") or _SIDES.get((text or "").lower())
