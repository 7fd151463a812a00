"""The Broker protocol: all that the engine asks of a broker, in the broker's absence of certainty.

Every method answers with a value; none raises for what a network or a broker can do. What raises is a programming
error (`ValueError` for a malformed id) and nothing else. One call is one request on the wire and therefore one token
of the rate limit (`cost(op)` says otherwise where it is so); paging and retrying are the caller's.

A call may be abandoned by its caller but is never cancelled by the engine; it must end by itself within
`Capabilities.request_timeout` seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, runtime_checkable

from fillwatch.core.errors import BrokerError
from fillwatch.core.evidence import Look, Unanswered
from fillwatch.core.orders import Execution, OrderRequest, OrderSnapshot, OrderStatus


class Operation(StrEnum):
    """The requests a broker serves; names of the protocol's methods."""

    LOOK = "look"
    LOOK_BY_CLIENT_ID = "look_by_client_id"
    LIST = "list"
    FILLS = "fills"
    SUBMIT = "submit"
    CANCEL = "cancel"
    POSITIONS = "positions"
    ACCOUNT = "account"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a broker can do; the engine plans with these and nothing else.

    `page_size`: rows of one `list` answer (0: no list). `fills_page_size`: rows of one `fills` answer (0: no tape).
    `lists_closed`: whether the list holds ended orders too; `lists_ended`: whether it can be asked for those alone
    (`ListsEnded`). `stream`: whether `events()` works.
    `request_timeout`: seconds after which every call has ended. `max_in_flight`: calls it takes at a time.
    `requests_per_minute`: the broker's documented limit, None when there is none.
    `position_lag`: seconds by which positions were seen to trail orders.
    """

    page_size: int = 0
    lists_closed: bool = True
    lists_ended: bool = False
    fills_page_size: int = 0
    stream: bool = False
    client_id_lookup: bool = True
    request_timeout: float = 10.0
    max_in_flight: int = 8
    requests_per_minute: int | None = 200
    position_lag: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What the broker last said of our allowance (rate-limit headers). `reset_in` counts from `as_of`, in seconds."""

    limit: int | None
    remaining: int | None
    reset_in: float | None
    as_of: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One page of orders, newest submission first.

    `complete`: no order older than the last row exists inside the bounds that were asked for. `until` is the cursor
    for the next page (pass it on; rows at the seam come twice and are told apart by id), None when complete.
    `unreadable`: rows that could not be decoded; a page that has some proves no absence.
    """

    orders: tuple[OrderSnapshot, ...]
    complete: bool
    until: datetime | None
    as_of: float
    unreadable: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fills:
    """One page of the broker's tape, oldest first.

    `complete`: the tape ended with this page. `page_token` continues it otherwise. Rows of the same millisecond come
    in any order and may come again on a later read: deduplicate by execution id.
    """

    executions: tuple[Execution, ...]
    complete: bool
    page_token: str | None
    as_of: float
    unreadable: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """Signed quantity by symbol (shorts negative; absent is flat). `at`: the broker's time, if told."""

    quantities: Mapping[str, Decimal]
    as_of: float
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The account behind the keys. `can_trade`: no block of any kind is set on it."""

    account_id: str
    currency: str
    buying_power: Decimal | None
    can_trade: bool
    as_of: float
    raw: Mapping[str, object] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketClock:
    """The broker's clock: its time, and when the regular session opens and closes next."""

    at: datetime
    is_open: bool
    next_open: datetime
    next_close: datetime
    as_of: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """The broker took note of the cancel. Nothing is cancelled yet, and the order may still fill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlreadyTerminal:
    """The broker says the order is over, in the named status (`UNKNOWN` if it did not name it). Prove it by a look."""

    status: OrderStatus
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotThere:
    """The broker does not know the order. It proves nothing about what has been executed."""

    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The broker understood and refused; for a cancel the order lives on."""

    error: BrokerError


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """No usable answer: it may have been carried out or not."""

    error: BrokerError


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The broker took the order; `order` is its first word, often stale (an `accepted` order may yet be rejected)."""

    order: OrderSnapshot


CancelAnswer = Requested | AlreadyTerminal | NotThere | Refused | Unknown
SubmitAnswer = Accepted | Refused | Unknown


@runtime_checkable
class Broker(Protocol):
    """What the engine needs of a broker. See the module's text for what every method promises."""

    @property
    def caps(self) -> Capabilities:
        """What this broker can do. May become less while running (a feed that turns out not to be there)."""
        ...

    @property
    def quota(self) -> Quota | None:
        """The newest word of the broker on our allowance; None until it has said one."""
        ...

    def check_order_id(self, order_id: str) -> str:
        """`order_id` in the broker's canonical form; `ValueError` if it cannot be one."""
        ...

    async def look(self, order_id: str) -> Look:
        """One order, by the broker's id."""
        ...

    async def look_by_client_id(self, client_order_id: str) -> Look:
        """One order, by the id its sender gave it."""
        ...

    async def list(self, *, after: datetime | None = None, until: datetime | None = None) -> Listing | Unanswered:
        """One page of all orders, live and ended, submitted after `after` and before `until`, newest first."""
        ...

    async def fills(self, *, after: datetime | None = None, page_token: str | None = None) -> Fills | Unanswered:
        """One page of the tape of executions after `after`, oldest first. Rows at the end of a page may come again on
        the next: no order is told among those of one millisecond.
        """
        ...

    async def submit(self, request: OrderRequest) -> SubmitAnswer:
        """Send one order, once. The transport never repeats it."""
        ...

    async def cancel(self, order_id: str) -> CancelAnswer:
        """Ask for one order to be cancelled."""
        ...

    async def positions(self) -> Positions | Unanswered:
        """All open positions."""
        ...

    async def account(self) -> Account | Unanswered:
        """The account behind the keys."""
        ...

    async def clock(self) -> MarketClock | Unanswered:
        """The broker's clock."""
        ...

    def cost(self, operation: Operation) -> int:
        """How many requests one call of `operation` takes from the rate limit."""
        ...

    async def aclose(self) -> None:
        """Let requests in flight finish (bounded), then free the connections. Calling it twice is allowed."""
        ...


@runtime_checkable
class ListsEnded(Protocol):
    """A broker whose `caps.lists_ended` is true. Of thousands of orders, those that have ended mostly fit on a page."""

    async def ended(self, *, after: datetime | None = None, until: datetime | None = None) -> Listing | Unanswered:
        """One page of the orders that have ended, as `Broker.list` gives those of all orders.

        It may hold some that live on (Alpaca lists `held` legs as closed, facts.md §3), and an end may come late to it:
        that an order is not in it proves nothing.
        """
        ...
