"""What the engine writes of the orders it watches: the payload of each kind of its facts.

    WATCH       `WatchBegun`     an order is watched from now on, again after a restart, or after its result
    EVIDENCE    `Learnt`         a piece of evidence that was not merely the same again
    TRANSITION  `Transition`     (core.results) what that changed of the order's status, quantity or successor
    EXECUTION   `Traded`         a row of the broker's tape, busts and corrections included
    CANCELING   `Canceling`      a cancel goes out; and once more when its answer is there
    RESULT      `FillResult`     (core.results) what the caller is told, on the disk before he is
    AMENDMENT   `Amendment`      (core.results) what came after it, on the disk before anybody hears it
    RELEASED    `Released`       nothing more is sought for the order, which is left alone

`fact.read(WatchBegun)` gives one back. A fact's `order_id` is the id that was handed to `watch()`, also where the
payload speaks of a successor; its `intent_id` is that of the trade whose order it is, "" for a plain watch. Moments
called `as_of` are seconds of the event loop's clock: `fact.at` minus (`fact.monotonic` minus `as_of`) is their wall
time. Facts of trades under the same kinds carry a payload of their own (`{"trade": ...}`); `is_of_a_watch` tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from fillwatch.core.config import AtTimeout
from fillwatch.core.evidence import Route
from fillwatch.core.orders import Execution, OrderStatus, Side
from fillwatch.core.quick import quick
from fillwatch.core.results import Amendment, FillResult, Transition
from fillwatch.core.verification import Verdict
from fillwatch.journal.base import Fact, FactKind


class TimeoutKind(StrEnum):
    """Where a watch's timeout comes from: the caller, the configuration (`watch()` was given None), or there is none
    (`math.inf`).
    """

    GIVEN = "given"
    CONFIGURED = "configured"
    NONE = "none"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class WatchBegun:
    """An order is watched. `began`: when `watch()` was called (aware UTC), in an earlier process if `resumed`.

    `timeout_seconds` counts from `began`, None when there is none; of a `CONFIGURED` one it is what the configuration
    said when nothing was known of the order. `deadline` is the same as a moment. `cancel_sent`: an earlier process sent
    a cancel that may have worked. `told`: the result was told already and lacks something (its end, or a detail of
    it), so that the order is looked at until that is known; None while the result is still to come.
    """

    began: datetime
    timeout: TimeoutKind
    timeout_seconds: float | None
    deadline: datetime | None
    expected_price: Decimal | None
    at_timeout: AtTimeout
    resumed: bool = False
    cancel_sent: bool = False
    told: FillResult | None = None


class Piece(StrEnum):
    """Which sort of evidence it was; see `core.evidence`. What was executed is told by facts of their own kind."""

    SEEN = "seen"
    MISSING = "missing"
    UNANSWERED = "unanswered"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """A piece of evidence: which route told it, the earliest moment at which it is true, and what it said.

    `about`: the order's id, or its successor's. `news`: whether it brought something that was not known. `again` looks
    and `unanswered` questions came since the last written fact of this watch and told nothing new. What `SEEN` said
    stands in `status` to `methods` (what each method of verification makes of it; `raw_status` is the broker's word),
    and `error` is why there was no answer. The first `SEEN` of each id also says what the order is, in `symbol` to
    `client_order_id`.
    """

    piece: Piece
    route: Route
    as_of: float
    about: str
    news: bool
    again: int = 0
    unanswered: int = 0
    status: OrderStatus | None = None
    raw_status: str = ""
    qty: Decimal | None = None
    filled_qty: Decimal | None = None
    filled_avg_price: Decimal | None = None
    updated_at: datetime | None = None
    replaced_by: str | None = None
    methods: Mapping[str, Verdict] | None = None
    error: str | None = None
    symbol: str = ""
    side: Side | None = None
    order_type: str = ""
    client_order_id: str = ""


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Traded:
    """A row of the tape that was not known from this route; `as_of`, `again` and `unanswered` as in `Learnt`.

    Ids are comparable within a route only: two routes may tell of the same execution under two ids, and quantities are
    never added up over routes.
    """

    route: Route
    execution: Execution
    as_of: float
    again: int = 0
    unanswered: int = 0


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Canceling:
    """A cancel of the order `target` (the watched one or its successor) is about to go out; it is written before.

    `answer` is None then, and in a second fact what came of it: `requested`, `already_over`, `not_there`, `refused`,
    `unknown` (it may have worked), or `not_sent` when it was not needed any more. `again` and `unanswered` as in
    `Learnt`: what was tried before the first of the two is counted there.
    """

    target: str
    answer: str | None = None
    again: int = 0
    unanswered: int = 0


#: Answers after which an end of the order may be our cancel's doing; without an answer it may be, too.
MAY_HAVE_WORKED: Final = frozenset({None, "requested", "unknown"})


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """Nothing more is sought: the caller released the watch, or what its result lacked is known now."""

    reason: str


#: What `Fact.read` is to be given, by the kind of fact.
PAYLOADS: Final[Mapping[FactKind, type]] = MappingProxyType(
    {
        FactKind.WATCH: WatchBegun,
        FactKind.EVIDENCE: Learnt,
        FactKind.TRANSITION: Transition,
        FactKind.EXECUTION: Traded,
        FactKind.CANCELING: Canceling,
        FactKind.RESULT: FillResult,
        FactKind.AMENDMENT: Amendment,
        FactKind.RELEASED: Released,
    }
)


def is_of_a_watch(fact: Fact) -> bool:
    """Whether the engine wrote it, so that `fact.read(PAYLOADS[fact.kind])` reads it."""
    return fact.kind in PAYLOADS and not fact.payload.startswith('{"trade"')
