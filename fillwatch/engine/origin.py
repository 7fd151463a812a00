"""Where a watch comes from: what its caller asked for, whose trade it serves, what an earlier process knew of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fillwatch.core.config import AtTimeout, chosen
from fillwatch.core.orders import Number, exact
from fillwatch.core.results import FillResult
from fillwatch.engine.case import Wishes


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """`intent_id`: the trade's, "" for a plain watch. `began`: when an earlier process took the order up (aware UTC),
    None for one that is watched from now on. `cancel_sent`: a cancel of ours that may have worked was sent before.
    `told`: the result was told before, and what it lacks is still sought.
    """

    intent_id: str = ""
    began: datetime | None = None
    cancel_sent: bool = False
    told: FillResult | None = None


#: A plain watch that begins now.
FRESH = Origin()


def wished(timeout_seconds: float | None, expected_price: Number | None, at_timeout: AtTimeout | str) -> Wishes:
    """The parameters of `watch()` as they are kept. Raises `ValueError` for one that is not allowed."""
    if timeout_seconds is not None and not timeout_seconds > 0:
        raise ValueError(f"timeout_seconds: {timeout_seconds!r} is not allowed; it must be greater than 0, or None")
    price = None if expected_price is None else exact(expected_price, "expected_price")
    if price is not None and price <= 0:
        raise ValueError(f"expected_price: {expected_price!r} is not allowed; it must be greater than 0")
    return Wishes(
        timeout_seconds=timeout_seconds,
        expected_price=price,
        at_timeout=chosen("at_timeout", at_timeout, AtTimeout),
    )
