"""What an order is: its status table, one broker's view of it, its executions, and a request for a new one.

Everything here is a plain frozen value. Money and quantity are `Decimal`, timestamps are aware UTC.
Broker facts: Alpaca's "Orders at Alpaca" page and its OpenAPI document 2.0.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from types import MappingProxyType

from fillwatch.core.quick import quick

Number = int | str | float | Decimal


class Side(StrEnum):
    """Which way an order trades; Alpaca reports a short sale as `sell`."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell: a fill moves the position by `sign * quantity`."""
        return 1 if self is Side.BUY else -1


class OrderStatus(StrEnum):
    """Alpaca's order statuses, and `UNKNOWN` for one that has not been heard of (alive: it proves no end)."""

    NEW = "new"
    ACCEPTED = "accepted"
    PENDING_NEW = "pending_new"
    PENDING_REVIEW = "pending_review"
    ACCEPTED_FOR_BIDDING = "accepted_for_bidding"
    HELD = "held"
    SUSPENDED = "suspended"
    STOPPED = "stopped"
    PARTIALLY_FILLED = "partially_filled"
    DONE_FOR_DAY = "done_for_day"
    CALCULATED = "calculated"
    PENDING_REPLACE = "pending_replace"
    PENDING_CANCEL = "pending_cancel"
    UNKNOWN = "unknown"
    REPLACED = "replaced"
    REJECTED = "rejected"
    EXPIRED = "expired"
    CANCELED = "canceled"
    FILLED = "filled"

    @classmethod
    def parse(cls, text: str) -> OrderStatus:
        """The status `text` names: `"filled"`, `"FILLED"`, `"OrderStatus.FILLED"`; `UNKNOWN` for any other word."""
        word = text.strip().rpartition(".")[2].lower()
        return _BY_NAME.get(word, cls.UNKNOWN)

    @property
    def is_terminal(self) -> bool:
        """Whether an order in this status is over for good (`replaced`: over for this id)."""
        return STATUS_RULES[self].terminal

    @property
    def can_fill(self) -> bool:
        """Whether an order in this status may still execute."""
        return STATUS_RULES[self].can_fill


@dataclass(frozen=True, slots=True)
class StatusRule:
    """One row of the status table.

    `rank` breaks ties between statuses that carry the same time stamp: the one further along wins.
    `follows_badly` names the statuses that should never come next; a broker that sends them anyway is believed
    but reported (a surprise in the log is cheaper than a surprise in the position).
    """

    terminal: bool
    can_fill: bool
    rank: int
    follows_badly: frozenset[OrderStatus] = frozenset()


_S = OrderStatus
_UNBORN = frozenset({_S.PENDING_NEW, _S.PENDING_REVIEW})
_LIVE = frozenset(
    {_S.NEW, _S.ACCEPTED, _S.PENDING_NEW, _S.PENDING_REVIEW, _S.ACCEPTED_FOR_BIDDING, _S.HELD, _S.SUSPENDED, _S.STOPPED}
    | {_S.PARTIALLY_FILLED, _S.DONE_FOR_DAY, _S.CALCULATED, _S.PENDING_REPLACE, _S.PENDING_CANCEL, _S.UNKNOWN}
)

#: Total over `OrderStatus`. `calculated` may be over or only over for the day, so it is alive until quantity decides;
#: `held` legs are listed as closed by Alpaca and are nevertheless alive; `pending_cancel` fills like any other.
STATUS_RULES: Mapping[OrderStatus, StatusRule] = MappingProxyType(
    {
        _S.UNKNOWN: StatusRule(terminal=False, can_fill=True, rank=0),
        _S.PENDING_REVIEW: StatusRule(terminal=False, can_fill=True, rank=1),
        _S.PENDING_NEW: StatusRule(terminal=False, can_fill=True, rank=2),
        _S.ACCEPTED: StatusRule(terminal=False, can_fill=True, rank=3),
        _S.ACCEPTED_FOR_BIDDING: StatusRule(terminal=False, can_fill=True, rank=4),
        _S.HELD: StatusRule(terminal=False, can_fill=False, rank=5),
        _S.SUSPENDED: StatusRule(terminal=False, can_fill=True, rank=6),
        _S.NEW: StatusRule(terminal=False, can_fill=True, rank=7),
        _S.STOPPED: StatusRule(terminal=False, can_fill=True, rank=8),
        _S.PARTIALLY_FILLED: StatusRule(terminal=False, can_fill=True, rank=9, follows_badly=_UNBORN),
        _S.DONE_FOR_DAY: StatusRule(terminal=False, can_fill=True, rank=10),
        _S.PENDING_REPLACE: StatusRule(terminal=False, can_fill=True, rank=11, follows_badly=_UNBORN),
        _S.PENDING_CANCEL: StatusRule(terminal=False, can_fill=True, rank=12, follows_badly=_UNBORN),
        _S.CALCULATED: StatusRule(terminal=False, can_fill=True, rank=13, follows_badly=_UNBORN),
        _S.REPLACED: StatusRule(terminal=True, can_fill=False, rank=14, follows_badly=_LIVE),
        _S.REJECTED: StatusRule(terminal=True, can_fill=False, rank=15, follows_badly=_LIVE),
        _S.EXPIRED: StatusRule(terminal=True, can_fill=False, rank=16, follows_badly=_LIVE),
        _S.CANCELED: StatusRule(terminal=True, can_fill=False, rank=17, follows_badly=_LIVE),
        _S.FILLED: StatusRule(terminal=True, can_fill=False, rank=18, follows_badly=_LIVE),
    }
)

#: `fill` and `partial_fill` occur as statuses in Alpaca's C# client; `cancelled` is how half the world spells it.
_BY_NAME: Mapping[str, OrderStatus] = MappingProxyType(
    {status.value: status for status in OrderStatus}
    | {"fill": _S.FILLED, "partial_fill": _S.PARTIALLY_FILLED, "cancelled": _S.CANCELED}
)


def exact(value: Number, field: str = "value") -> Decimal:
    """`value` as a finite `Decimal`, through its shortest decimal text, so that `0.1` becomes `Decimal("0.1")`.

    Raises `ValueError` naming `field` for NaN, infinities and text that is no number.
    """
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{field}: {value!r} is not a number") from None
    if not number.is_finite():
        raise ValueError(f"{field}: {value!r} is not a finite number")
    return number


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSnapshot:
    """What one answer of the broker said about one order.

    `filled_qty` is cumulative and in shares (or coins); `filled_avg_price` and the other prices are in the quote
    currency. `qty` is None for notional orders. `raw_status` keeps the broker's own word for an `UNKNOWN` status.
    """

    order_id: str
    status: OrderStatus
    raw_status: str = ""
    client_order_id: str = ""
    symbol: str = ""
    side: Side | None = None
    order_type: str = ""
    time_in_force: str = ""
    order_class: str = ""
    qty: Decimal | None = None
    notional: Decimal | None = None
    filled_qty: Decimal | None = None
    filled_avg_price: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    created_at: datetime | None = None
    submitted_at: datetime | None = None
    updated_at: datetime | None = None
    filled_at: datetime | None = None
    replaced_by: str | None = None
    replaces: str | None = None
    legs: tuple[OrderSnapshot, ...] = ()

    @property
    def leaves_qty(self) -> Decimal | None:
        """Shares not yet executed; None when the broker did not say enough to know."""
        if self.qty is None or self.filled_qty is None:
            return None
        return max(self.qty - self.filled_qty, Decimal(0))


class ExecutionKind(StrEnum):
    """What a row of the broker's tape says: a trade, the cancellation of one, or one put in place of another."""

    FILL = "fill"
    BUST = "trade_bust"
    CORRECTION = "trade_correct"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One row of the broker's tape. `qty` is this execution's own, positive; `cum_qty` is the order's after it.

    A bust or a correction names the execution it undoes or replaces in `previous_id`.
    """

    execution_id: str
    order_id: str
    qty: Decimal
    price: Decimal
    symbol: str = ""
    side: Side | None = None
    kind: ExecutionKind = ExecutionKind.FILL
    previous_id: str | None = None
    cum_qty: Decimal | None = None
    leaves_qty: Decimal | None = None
    order_status: OrderStatus | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """A new order, valid from birth: `ValueError` names the field that is wrong.

    Exactly one of `qty` (shares) and `notional` (quote currency). `client_order_id` is at most 128 characters; the
    broker adapter makes one when it is None, so that a lost answer can always be looked up.
    """

    symbol: str
    side: Side
    qty: Decimal | None = None
    notional: Decimal | None = None
    order_type: str = "market"
    time_in_force: str = "day"
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    extended_hours: bool = False
    client_order_id: str | None = None
    order_class: str = "simple"
    take_profit_limit_price: Decimal | None = None
    stop_loss_stop_price: Decimal | None = None
    stop_loss_limit_price: Decimal | None = None

    def __post_init__(self) -> None:
        if not self.symbol.strip():
            raise ValueError("symbol: '' is empty; give the instrument, e.g. 'AAPL'")
        if (self.qty is None) == (self.notional is None):
            raise ValueError(f"qty: exactly one of qty and notional is needed, got {self.qty} and {self.notional}")
        object.__setattr__(self, "side", Side(self.side))
        for field in _AMOUNTS:
            value = getattr(self, field)
            if value is not None:
                number = exact(value, field)
                if number <= 0:
                    raise ValueError(f"{field}: {value!r} is not allowed; it must be greater than 0")
                object.__setattr__(self, field, number)
        for field in _NEEDED_BY_TYPE.get(self.order_type, ()):
            if getattr(self, field) is None:
                raise ValueError(f"{field}: None is not allowed for a {self.order_type} order")
        if self.client_order_id is not None and not 1 <= len(self.client_order_id) <= MAX_CLIENT_ORDER_ID:
            raise ValueError(
                f"client_order_id: {len(self.client_order_id)} characters; 1 to {MAX_CLIENT_ORDER_ID} are allowed"
            )


#: Alpaca's OpenAPI document 2.0.1 (48, in older pages, is out of date).
MAX_CLIENT_ORDER_ID = 128

_AMOUNTS = (
    *("qty", "notional", "limit_price", "stop_price", "trail_price", "trail_percent"),
    *("take_profit_limit_price", "stop_loss_stop_price", "stop_loss_limit_price"),
)
_NEEDED_BY_TYPE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"limit": ("limit_price",), "stop": ("stop_price",), "stop_limit": ("limit_price", "stop_price")}
)
