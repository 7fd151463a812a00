"""What was learnt about an order: which route told us, and since when it can be true.

A question to the broker has three kinds of answer: the order was `Seen`, it was `Missing`, or the question went
`Unanswered`. No answer is not an answer: `Unanswered` changes no belief. Rows of the broker's tape are `Executed`.

`as_of` is the earliest moment at which the evidence can be true, in seconds of the event loop's monotonic clock: the
moment the request was sent, or the moment a pushed event arrived.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from fillwatch.core.errors import BrokerError
from fillwatch.core.orders import Execution, OrderSnapshot
from fillwatch.core.quick import quick


class Route(StrEnum):
    """Independent witnesses. Four fields of one answer are one witness; two routes are two."""

    ORDER = "order"
    CLIENT_ID = "client_id"
    LIST = "list"
    ACTIVITIES = "activities"
    STREAM = "stream"
    EVENTS = "events"
    POSITIONS = "positions"
    CANCEL = "cancel"
    SUBMIT = "submit"


#: Routes that tell by themselves. What they tell may be older than the moment it arrives: it answers no question.
PUSHED = frozenset({Route.STREAM, Route.EVENTS})


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The broker described the order; `execution`: and told in the same breath what had just happened to it."""

    order: OrderSnapshot
    route: Route
    as_of: float
    execution: Execution | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """The broker's tape shows an execution (or a bust, or a correction) of the order."""

    execution: Execution
    route: Route
    as_of: float


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """The broker answered, in full, and did not know the order. It proves neither a cancel nor a rejection."""

    order_id: str
    route: Route
    as_of: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """The question got no usable answer: time-out, 429, 5xx, broken JSON. It says nothing about any order."""

    error: BrokerError
    route: Route
    as_of: float


Evidence = Seen | Executed | Missing | Unanswered
Look = Seen | Missing | Unanswered
