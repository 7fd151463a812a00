"""What an order is: one broker's view of it, its executions, and a request for a new one.

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
from fillwatch.core.status import ENDS, STATUS_RULES, OrderStatus, StatusRule

__all__ = [
    "ENDS",
    "MAX_CLIENT_ORDER_ID",
    "STATUS_RULES",
    "Execution",
    "ExecutionKind",
    "Number",
    "OrderRequest",
    "OrderSnapshot",
    "OrderStatus",
    "Side",
    "StatusRule",
    "exact",
]

Number = int | str | float | Decimal


class Side(StrEnum):
    """Which way an order trades; Alpaca reports a short sale as `sell`."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell: a fill moves the position by `sign * quantity`."""
        return 1 if self is Side.BUY else -1


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
