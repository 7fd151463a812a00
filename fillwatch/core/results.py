"""What a caller gets: one `FillResult` per watch, `Transition`s on the way, `Amendment`s after it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from fillwatch.core.evidence import Route
from fillwatch.core.orders import Execution, OrderStatus, Side
from fillwatch.core.quick import quick
from fillwatch.core.verification import FillVerification


class FillOutcome(StrEnum):
    """How a watch ended. `FILLED` alone means the whole order was executed."""

    FILLED = "filled"
    PARTIALLY_FILLED = "partially_filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    TIMED_OUT = "timed_out"
    UNRESOLVED = "unresolved"

    @property
    def is_end(self) -> bool:
        """Whether the broker confirmed an end; `UNRESOLVED` is the one that does not: the order may be live."""
        return self is not FillOutcome.UNRESOLVED


@dataclass(frozen=True, slots=True, kw_only=True)
class FillResult:
    """The one truthful result of a watch.

    `filled` is true for the outcome `FILLED` alone. `fill_quantity` (shares) is what was executed: `Decimal(0)` when
    it is known that nothing was, None when it is not known. `fill_price` is the average in the quote currency, None
    when nothing was executed or the price is not known (`reason` says which). `detection_method` names field and
    route, e.g. `status@list`. `elapsed_time` is in seconds since `watch()`. `checks_performed` counts the answers that
    spoke of this order, `api_calls` the requests behind them and its cancels, requests shared with other orders
    included. `slippage` is in percent, positive = worse for us.
    """

    order_id: str
    final_order_id: str
    outcome: FillOutcome
    filled: bool
    fill_price: Decimal | None = None
    fill_quantity: Decimal | None = None
    fill_timestamp: datetime | None = None
    detection_method: str | None = None
    checks_performed: int = 0
    elapsed_time: float = 0.0
    reason: str | None = None
    symbol: str = ""
    side: Side | None = None
    requested_quantity: Decimal | None = None
    slippage: Decimal | None = None
    slippage_exceeded: bool = False
    verification: FillVerification | None = None
    api_calls: int = 0


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One change of what is believed of an order: its status, its executed quantity, or its successor.

    `at` is monotonic seconds of the event loop. `before` is None for the first belief. `surprising`: the status
    should not follow the one before (the broker is believed, and the log says so).
    """

    order_id: str
    before: OrderStatus | None
    status: OrderStatus
    filled_quantity: Decimal | None
    requested_quantity: Decimal | None
    route: Route | None
    at: float
    successor_id: str | None = None
    surprising: bool = False

    @property
    def is_end(self) -> bool:
        """Whether the order is over with this transition (a replaced one goes on as its successor)."""
        return self.status.is_terminal and self.status is not OrderStatus.REPLACED


class AmendmentKind(StrEnum):
    """What a late fact is about."""

    RESOLVED = "resolved"
    LATE_FILL = "late_fill"
    BUST = "bust"
    CORRECTION = "correction"
    LATE_DETAIL = "late_detail"
    CHANGED_END = "changed_end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """A fact that came after the result. The result is immutable; `amended` is what it would be today."""

    order_id: str
    kind: AmendmentKind
    result: FillResult
    amended: FillResult
    at: float
    reason: str
    execution: Execution | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsistencyResult:
    """The broker's position of a symbol against ours; quantities in shares, shorts negative.

    `broker_quantity` is None when the broker could not be asked. `discrepancy` says in words what differs.
    """

    order_id: str
    symbol: str
    consistent: bool
    broker_quantity: Decimal | None = None
    expected_quantity: Decimal = Decimal(0)
    discrepancy: str | None = None
    waited: float = 0.0
