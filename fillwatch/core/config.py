"""Settings, few and checked: a bad value raises `ValueError` naming the field, the value and the allowed range."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from fillwatch.core.orders import Number, exact

if TYPE_CHECKING:
    from fillwatch.core.belief import OrderBelief

E = TypeVar("E", bound=StrEnum)


class PartialFills(StrEnum):
    """What to do with an order that was executed in part: cancel what is left of it, or wait for the rest."""

    CANCEL_REMAINDER = "cancel_remainder"
    WAIT = "wait"


class AtTimeout(StrEnum):
    """What to do with an order that outlived its watch: cancel it, or leave it alone (it is not ours to touch)."""

    CANCEL = "cancel"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class _Range:
    """The values a field may have: numbers from `low` to `high`, the low end excluded if `above`."""

    low: float
    high: float = math.inf
    above: bool = False
    whole: bool = False
    infinite: bool = False

    def check(self, owner: str, name: str, value: object) -> None:
        number = isinstance(value, int if self.whole else (int, float)) and not isinstance(value, bool)
        if not number or not self._holds(float(value)):  # type: ignore[arg-type]
            raise ValueError(f"{owner}.{name}: {value!r} is not allowed; it must be {self}")

    def _holds(self, value: float) -> bool:
        if math.isinf(value) and not self.infinite:
            return False
        return (value > self.low if self.above else value >= self.low) and value <= self.high

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        bound = f"greater than {self.low:g}" if self.above else f"at least {self.low:g}"
        top = "" if math.isinf(self.high) else f" and at most {self.high:g}"
        return f"{kind} {bound}{top}{'' if self.infinite else ', finite'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """The broker's request limit, and the share of it that is ours; the rest is the user's own client's.

    `limit` requests in any `window_seconds`. Alpaca: 200 a minute for each account.
    """

    limit: int = 200
    window_seconds: float = 60.0
    share: float = 0.8

    def __post_init__(self) -> None:
        for name, allowed in _RATE_LIMIT_RANGES.items():
            allowed.check("RateLimit", name, getattr(self, name))
        if self.granted < 1:
            raise ValueError(f"RateLimit.share: {self.share!r} of {self.limit} leaves less than one request a window")

    @property
    def granted(self) -> float:
        """Requests we may make in any window."""
        return self.limit * self.share


_RATE_LIMIT_RANGES: Mapping[str, _Range] = MappingProxyType(
    {
        "limit": _Range(1, whole=True),
        "window_seconds": _Range(0, above=True),
        "share": _Range(0, 1, above=True),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FillDetectionConfig:
    """How fills are looked for. All times in seconds.

    * `timeout_seconds`: how long an order may take before the final check; `timeouts` overrides it per order type.
    * `initial_poll_interval`, `poll_interval_increase`, `max_poll_interval`: the longest an order may go unseen, at
      first, more with each look, at most. Spare budget looks earlier; only pressure on the rate limit looks later.
      `enable_adaptive_polling=False` keeps the first. `interval_for(belief)` may shorten or stretch it per order
      (volatile symbols, slow orders): it returns seconds, or None for the usual.
    * `max_retries`, `retry_backoff_base`: for cancels, submits and positions; looks simply become due again.
    * `enable_final_verification`: False leaves an order alone at its timeout (`at_timeout="leave"`).
    * `resolution_seconds`: how long after our first cancel was sent an end is sought before `UNRESOLVED`.
    * `partial_fills`: `"cancel_remainder"` (after `partial_patience_seconds` without an execution) or `"wait"`.
    * `max_slippage`: percent; a fill worse than that is flagged, never discarded.
    """

    timeout_seconds: float = 60.0
    initial_poll_interval: float = 0.5
    max_poll_interval: float = 2.0
    poll_interval_increase: float = 0.1
    max_retries: int = 3
    retry_backoff_base: float = 0.5
    enable_final_verification: bool = True
    enable_adaptive_polling: bool = True
    resolution_seconds: float = 30.0
    partial_fills: PartialFills | str = PartialFills.CANCEL_REMAINDER
    partial_patience_seconds: float = 1.0
    max_slippage: Number | None = None
    timeouts: Mapping[str, float] = field(default_factory=dict)
    rate_limit: RateLimit = field(default_factory=RateLimit)
    interval_for: Callable[[OrderBelief], float | None] | None = None

    def __post_init__(self) -> None:
        owner = type(self).__name__
        for name, allowed in _RANGES.items():
            allowed.check(owner, name, getattr(self, name))
        if self.max_poll_interval < self.initial_poll_interval:
            raise ValueError(
                f"{owner}.max_poll_interval: {self.max_poll_interval!r} is not allowed; "
                f"it must be at least initial_poll_interval ({self.initial_poll_interval:g})"
            )
        for name in ("enable_final_verification", "enable_adaptive_polling"):
            _check_type(owner, name, getattr(self, name), bool, "True or False")
        _check_type(owner, "rate_limit", self.rate_limit, RateLimit, "a RateLimit")
        for order_type, seconds in self.timeouts.items():
            _RANGES["timeout_seconds"].check(owner, f"timeouts[{order_type!r}]", seconds)
        if self.interval_for is not None and not callable(self.interval_for):
            raise ValueError(
                f"{owner}.interval_for: {self.interval_for!r} is not allowed; it must be a function or None"
            )
        object.__setattr__(self, "partial_fills", chosen(f"{owner}.partial_fills", self.partial_fills, PartialFills))
        object.__setattr__(self, "timeouts", MappingProxyType(dict(self.timeouts)))
        if self.max_slippage is not None:
            slippage = exact(self.max_slippage, f"{owner}.max_slippage")
            if slippage < 0:
                raise ValueError(f"{owner}.max_slippage: {slippage} is not allowed; it must be at least 0 (percent)")
            object.__setattr__(self, "max_slippage", slippage)

    def timeout_for(self, order_type: str) -> float:
        """Seconds that an order of this type may take."""
        return self.timeouts.get(order_type, self.timeout_seconds)

    @property
    def slippage_limit(self) -> Decimal | None:
        """`max_slippage` as the `Decimal` it was checked to be."""
        return None if self.max_slippage is None else exact(self.max_slippage)


_RANGES: Mapping[str, _Range] = MappingProxyType(
    {
        "timeout_seconds": _Range(0, above=True, infinite=True),
        "initial_poll_interval": _Range(0, above=True),
        "max_poll_interval": _Range(0, above=True),
        "poll_interval_increase": _Range(0),
        "max_retries": _Range(0, whole=True),
        "retry_backoff_base": _Range(0, above=True),
        "resolution_seconds": _Range(0),
        "partial_patience_seconds": _Range(0),
    }
)


def chosen(field_name: str, value: object, kind: type[E]) -> E:
    """`value` as a member of `kind`; `ValueError` names the field, the value and the members."""
    try:
        return kind(str(value))
    except ValueError:
        allowed = " or ".join(repr(member.value) for member in kind)
        raise ValueError(f"{field_name}: {value!r} is not allowed; it must be {allowed}") from None


def _check_type(owner: str, name: str, value: object, kind: type, allowed: str) -> None:
    if not isinstance(value, kind):
        raise ValueError(f"{owner}.{name}: {value!r} is not allowed; it must be {allowed}")
