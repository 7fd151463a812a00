"""One order as the world keeps it: every version it ever had, every execution, every cancel asked for.

A stale read is an older version, so nothing here is overwritten; records are appended to.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from zoneinfo import ZoneInfo

from fillwatch.core.orders import Execution, ExecutionKind, OrderRequest, OrderSnapshot
from fillwatch.simulator.plans import Plan

#: Decimal places of the `filled_avg_price` the broker shows; it quotes fractional quantities to nine, too.
AVERAGE_PLACES = 9
#: The smallest part of a share.
SHARE_UNIT = Decimal(1).scaleb(-9)
#: The exchange's time.
NEW_YORK = ZoneInfo("America/New_York")
_EXACT = Context(prec=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """How the broker describes the order from `t` (clock seconds) on. `stamps`: its less common time fields.

    `shown`: fields of its JSON that `OrderSnapshot` does not hold (`extended_hours`, `hwm`, `trail_price`, ...).
    `written` is for the writer of that JSON alone, who makes each text once.
    """

    t: float
    order: OrderSnapshot
    stamps: Mapping[str, datetime] = field(default_factory=dict)
    shown: Mapping[str, object] = field(default_factory=dict)
    written: dict[str, bytes] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A row of the tape and the moment (clock seconds) at which it came true.

    `row_id` is New York time to the millisecond and the execution's id, so that ties are in no order.
    """

    t: float
    execution: Execution
    row_id: str

    @property
    def change(self) -> Decimal:
        """Shares by which the order's filled quantity rose (a bust: fell, a correction: nothing)."""
        sign = {ExecutionKind.FILL: 1, ExecutionKind.BUST: -1, ExecutionKind.CORRECTION: 0}[self.execution.kind]
        return sign * self.execution.qty


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequest:
    """A cancel that reached the broker: when, and the HTTP status it was answered with (204: accepted)."""

    t: float
    status: int


@dataclass(slots=True, kw_only=True)
class Record:
    """One order. Only the market appends to it. `target` is the quantity in shares that a full fill executes."""

    number: int
    order_id: str
    request: OrderRequest
    plan: Plan
    stream: random.Random
    price: Decimal
    target: Decimal
    foreign: bool = False
    known_since: float
    carried: tuple[Trade, ...] = ()
    #: Of a leg: the order it belongs to; of that order: its legs.
    parent_id: str | None = None
    leg_ids: list[str] = field(default_factory=list)
    #: A leg whose entry has not filled: nothing happens to it of itself, and no price touches it.
    waits: bool = False
    #: Of a trailing stop: the best price since it came into force.
    hwm: Decimal | None = None
    versions: list[Version] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)
    cancels: list[CancelRequest] = field(default_factory=list)

    @property
    def now(self) -> OrderSnapshot:
        """The newest version, which is the truth as REST will come to show it."""
        return self.versions[-1].order

    @property
    def all_trades(self) -> tuple[Trade, ...]:
        """The trades this order counts as its own: the predecessor's too where the broker lets it inherit them."""
        return (*self.carried, *self.trades)

    @property
    def executed(self) -> Decimal:
        """Net shares executed."""
        return net(self.all_trades)

    @property
    def left(self) -> Decimal:
        """Shares that a full fill would still execute (a bust does not bring any back)."""
        return self.target - net(trade for trade in self.all_trades if trade.execution.kind is ExecutionKind.FILL)

    def version_at(self, t: float) -> Version | None:
        """The version a read sees that shows the state of `t`; None when the order was not known then."""
        if t < self.known_since:
            return None
        index = bisect_right(self.versions, t, key=lambda version: version.t)
        return self.versions[max(index - 1, 0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something happened to an order at `t` (clock seconds): its new version, and the execution that caused it."""

    t: float
    record: Record
    version: Version
    trade: Trade | None = None


def shown_terms(request: OrderRequest) -> dict[str, object]:
    """The terms of a request that an order's JSON shows and `OrderSnapshot` does not hold."""
    terms = {
        "extended_hours": request.extended_hours,
        "trail_price": request.trail_price,
        "trail_percent": request.trail_percent,
    }
    return {name: value for name, value in terms.items() if value}


def net(trades: Iterable[Trade]) -> Decimal:
    """Shares executed, busts taken off."""
    return sum((trade.change for trade in trades), Decimal(0))


def standing(trades: Iterable[Trade]) -> list[Execution]:
    """The executions that count: those neither busted nor corrected away."""
    rows = [trade.execution for trade in trades]
    undone = {row.previous_id for row in rows if row.previous_id is not None}
    return [row for row in rows if row.kind is not ExecutionKind.BUST and row.execution_id not in undone]


def exact_average(trades: Iterable[Trade]) -> Decimal | None:
    """Σ price·quantity / Σ quantity to 60 digits; None when nothing stands."""
    rows = standing(trades)
    quantity = sum((row.qty for row in rows), Decimal(0))
    if not quantity:
        return None
    return _EXACT.divide(sum((_EXACT.multiply(row.price, row.qty) for row in rows), Decimal(0)), quantity)


def shown_average(trades: Iterable[Trade]) -> Decimal | None:
    """The average as the broker shows it: at most `AVERAGE_PLACES` decimals, half to even, no trailing zeros."""
    average = exact_average(trades)
    return None if average is None else trimmed(average.quantize(Decimal(1).scaleb(-AVERAGE_PLACES), ROUND_HALF_EVEN))


def trimmed(number: Decimal) -> Decimal:
    """`number` without trailing zeros and without an exponent."""
    plain = number.normalize()
    return plain.quantize(Decimal(1)) if plain == plain.to_integral_value() else plain
