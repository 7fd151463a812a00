"""What a trade is to be: the wish of its caller, and the settings that it was made under. Checked before anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from fillwatch.core.config import chosen
from fillwatch.core.orders import Number, Side, exact


class OnSlippage(StrEnum):
    """What to do with a fill that slipped too far: close the position, or keep it, protected, and say so."""

    CLOSE = "close"
    KEEP = "keep"


class OnPartial(StrEnum):
    """What to do with the shares of an entry that was filled in part: give them their exits, or close them."""

    PROTECT = "protect"
    CLOSE = "close"


class OnLostExits(StrEnum):
    """What to do when exits that stood have ended without closing the position (cancelled by somebody, rejected,
    expired): put new ones in their place, close what is held, or say so and leave it to the caller."""

    PROTECT = "protect"
    CLOSE = "close"
    REPORT = "report"


class ExitsLast(StrEnum):
    """How long the exits stand: until the end of the day, or until cancelled."""

    DAY = "day"
    GTC = "gtc"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorConfig:
    """How trades are made. Percentages are percent (`0.1` is 0.1 %), times are seconds.

    * `max_slippage`: how much worse than the signal a fill may be; `on_slippage`: what is done with a worse one.
    * `limit_buffer`, `limit_buffer_extended`: how far beyond the signal price the entry's limit lies, in regular and
      in extended hours. `extended_hours`: whether trades may begin outside regular hours at all. The exits' stop works
      in regular hours only, whatever is chosen here (Alpaca's rule for stop orders).
    * `min_rr_ratio`: least reward for the risk, both reckoned from the fill; less is closed.
    * `on_partial`: what becomes of the shares of an entry that was filled in part.
    * `fill_timeout_seconds`: how long the entry may take before what is left of it is cancelled.
    * `exit_time_in_force`: `"gtc"`, which the broker cancels after 90 days (facts §9), or `"day"`.
    * `on_lost_exits`: what is done when exits that stood end without having closed the position: `"protect"` puts new
      ones in their place (and so renews those for a day), `"close"` closes it, `"report"` only says so.
    * `submit_patience_seconds`: how long an order that got no answer is sent again, always under the same id.
      `quarantine_seconds`: how long the broker must not know it, after that, before it is held never to have arrived.
    * `exit_patience_seconds`: how long exits that are refused for want of free shares are sent again (the broker's
      positions trail its fills by up to 10 s, alpacahq/Alpaca-API issue 276), how long they may take to be seen
      working, and how long an order that closes a position may take.
    * `check_patience_seconds`: how long the broker's clock and account may stay unread before a trade is declined.
    * `max_notional`: the most that one entry may cost, in the quote currency; `max_open_trades`: how many trades may be
      under way at a time, from the call to its result. None: no such bound.
    * `max_submits_per_minute`: entries sent within any 60 seconds, against a bot that has gone round in a circle; exits
      and orders that close are never held up. None: no such bound.
    """

    max_slippage: Number = Decimal("0.10")
    on_slippage: OnSlippage | str = OnSlippage.CLOSE
    limit_buffer: Number = Decimal("0.05")
    limit_buffer_extended: Number = Decimal("0.02")
    extended_hours: bool = False
    min_rr_ratio: Number = Decimal(2)
    on_partial: OnPartial | str = OnPartial.PROTECT
    fill_timeout_seconds: float = 60.0
    exit_time_in_force: ExitsLast | str = ExitsLast.GTC
    on_lost_exits: OnLostExits | str = OnLostExits.PROTECT
    submit_patience_seconds: float = 30.0
    quarantine_seconds: float = 60.0
    exit_patience_seconds: float = 15.0
    check_patience_seconds: float = 15.0
    max_notional: Number | None = None
    max_open_trades: int | None = None
    max_submits_per_minute: int | None = 30

    def __post_init__(self) -> None:
        for name, kind in _CHOICES.items():
            object.__setattr__(self, name, chosen(f"ExecutorConfig.{name}", getattr(self, name), kind))
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is None and name in _MAY_BE_NONE:
                continue
            number = exact(value, f"ExecutorConfig.{name}")
            if number < least or (number == 0 and name in _ABOVE_ZERO):
                bound = "greater than 0" if name in _ABOVE_ZERO else f"at least {least}"
                raise ValueError(f"ExecutorConfig.{name}: {value!r} is not allowed; it must be {bound}")
            if name in _EXACT:
                object.__setattr__(self, name, number)
        if not isinstance(self.extended_hours, bool):
            raise ValueError(f"ExecutorConfig.extended_hours: {self.extended_hours!r} is not allowed; True or False")

    def buffer(self, *, extended: bool) -> Decimal:
        """The buffer, in percent, of regular or of extended hours."""
        return exact(self.limit_buffer_extended if extended else self.limit_buffer)

    @property
    def slippage_limit(self) -> Decimal:
        """`max_slippage` as the `Decimal` it was checked to be."""
        return exact(self.max_slippage)


_CHOICES: Mapping[str, type[StrEnum]] = MappingProxyType(
    {
        "on_slippage": OnSlippage,
        "on_partial": OnPartial,
        "exit_time_in_force": ExitsLast,
        "on_lost_exits": OnLostExits,
    }
)
_EXACT = frozenset({"max_slippage", "limit_buffer", "limit_buffer_extended", "min_rr_ratio", "max_notional"})
_MAY_BE_NONE = frozenset({"max_notional", "max_open_trades", "max_submits_per_minute"})
_ABOVE_ZERO = frozenset({"fill_timeout_seconds", "submit_patience_seconds", "check_patience_seconds", "max_notional"})
_LEAST: Mapping[str, int] = MappingProxyType(
    dict.fromkeys((*_EXACT, *_MAY_BE_NONE, *_ABOVE_ZERO, "quarantine_seconds", "exit_patience_seconds"), 0)
    | {"max_open_trades": 1, "max_submits_per_minute": 1}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A trade that somebody wants: enter `symbol` at about `signal_price`, risk `risk_amount` a share (quote currency)
    for `rr_ratio` times as much. `at`: when it was wanted, UTC.

    `config` is that of the moment, so that whoever takes the trade up again after a crash keeps to it.
    """

    intent_id: str
    symbol: str
    side: Side
    quantity: Decimal
    signal_price: Decimal
    risk_amount: Decimal
    rr_ratio: Decimal
    at: datetime
    config: ExecutorConfig

    def is_same_as(self, other: Intent) -> bool:
        """Whether it wants the same trade, whenever and under whatever settings it was wanted."""
        return all(getattr(self, name) == getattr(other, name) for name in WISHES)


#: What makes two wishes the same wish.
WISHES = ("symbol", "side", "quantity", "signal_price", "risk_amount", "rr_ratio")
