"""The faults of one request: their names, and what each does to it, as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from types import MappingProxyType
from typing import Any

from fillwatch.simulator.answers import NOTHING, RATE_LIMITED, Answer, Delivery, Op, refusal
from fillwatch.simulator.bends import unknown_field, unknown_status, unknown_value


class Kind(StrEnum):
    """A fault that strikes one request. At most one does; values name the fields of `Faults`."""

    RATE_LIMITED = "rate_limited"
    RATE_LIMITED_BARE = "rate_limited_bare"
    SERVER_ERROR = "server_error"
    SERVER_ERROR_HTML = "server_error_html"
    ERROR_AFTER = "error_after"
    TIMEOUT_BEFORE = "timeout_before"
    TIMEOUT_AFTER = "timeout_after"
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    CUT_OFF = "cut_off"
    SLOW = "slow"
    STALE = "stale"
    PAGE_SHIFT = "page_shift"
    DUPLICATED_TAPE = "duplicated_tape"
    SHUFFLED_TAPE = "shuffled_tape"
    UNKNOWN_FIELD = "unknown_field"
    UNKNOWN_VALUE = "unknown_value"
    UNKNOWN_STATUS = "unknown_status"
    CLOCK_SKEW = "clock_skew"
    CANCEL_RACE = "cancel_race"
    CANCEL_THEN_FILL = "cancel_then_fill"
    CANCEL_STUCK = "cancel_stuck"
    CANCEL_SLOW = "cancel_slow"
    CANCEL_REFUSED = "cancel_refused"
    REPLACE_RACE = "replace_race"


#: What `Faults.rate` and `Faults.random` choose from: the ways of a network and of a broker's read routes.
MENU = tuple(kind for kind in Kind if list(Kind).index(kind) <= list(Kind).index(Kind.SHUFFLED_TAPE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """What a fault does: whether the request is carried out, what is answered instead (None: the true answer), how.

    `bend` changes the rows of the answer's JSON, so that it is seen over HTTP alone.
    """

    commits: bool = True
    answer: Answer | None = None
    delivery: Delivery = Delivery.WHOLE
    headers: bool = True
    bend: Callable[[Any, Random], Any] | None = None


#: Operations whose answers may come from a replica that is behind.
LAGGING = frozenset({Op.LOOK, Op.LOOK_BY_CLIENT_ID, Op.LIST, Op.FILLS, Op.POSITIONS, Op.POSITION})
_ORDERS = frozenset({Op.LOOK, Op.LOOK_BY_CLIENT_ID, Op.LIST})
_CANCELS = frozenset({Op.CANCEL})
#: The operations that a fault can strike, if not all. A slow request is delayed on its way, not at the door.
STRIKES_ONLY: Mapping[Kind, frozenset[Op]] = MappingProxyType(
    {
        Kind.SLOW: frozenset(),
        Kind.STALE: LAGGING,
        Kind.PAGE_SHIFT: frozenset({Op.LIST}),
        Kind.DUPLICATED_TAPE: frozenset({Op.FILLS}),
        Kind.SHUFFLED_TAPE: frozenset({Op.FILLS}),
        Kind.UNKNOWN_VALUE: _ORDERS | {Op.POSITIONS, Op.POSITION, Op.ACCOUNT, Op.ASSET, Op.ASSETS, Op.SUBMIT},
        Kind.UNKNOWN_STATUS: _ORDERS,
        Kind.CANCEL_RACE: _CANCELS,
        Kind.CANCEL_THEN_FILL: _CANCELS,
        Kind.CANCEL_STUCK: _CANCELS,
        Kind.CANCEL_SLOW: _CANCELS,
        Kind.CANCEL_REFUSED: _CANCELS,
        Kind.REPLACE_RACE: frozenset({Op.REPLACE}),
    }
)

_INTERNAL = refusal(500, 50010000, "internal server error occurred")

#: Total over `Kind`. A hang is a time-out before or after the commit: the client hears nothing until it gives up.
#: What the kinds of cancels do to an order is in `bends.py`, what a replacement race does in `replacing.py`.
STRIKES: Mapping[Kind, Strike] = MappingProxyType(
    dict.fromkeys(Kind, Strike())
    | {
        Kind.RATE_LIMITED: Strike(commits=False, answer=RATE_LIMITED),
        Kind.RATE_LIMITED_BARE: Strike(commits=False, answer=RATE_LIMITED, headers=False),
        Kind.SERVER_ERROR: Strike(commits=False, answer=_INTERNAL),
        Kind.SERVER_ERROR_HTML: Strike(
            commits=False, answer=refusal(503, None, "Service Temporarily Unavailable"), delivery=Delivery.HTML
        ),
        Kind.ERROR_AFTER: Strike(answer=refusal(504, None, "Gateway Time-out"), delivery=Delivery.HTML),
        Kind.TIMEOUT_BEFORE: Strike(commits=False, answer=NOTHING, delivery=Delivery.SILENCE),
        Kind.TIMEOUT_AFTER: Strike(answer=NOTHING, delivery=Delivery.SILENCE),
        Kind.RESET_BEFORE: Strike(commits=False, answer=NOTHING, delivery=Delivery.RESET),
        Kind.RESET_AFTER: Strike(answer=NOTHING, delivery=Delivery.RESET),
        Kind.CUT_OFF: Strike(delivery=Delivery.CUT_OFF),
        Kind.UNKNOWN_FIELD: Strike(bend=unknown_field),
        Kind.UNKNOWN_VALUE: Strike(bend=unknown_value),
        Kind.UNKNOWN_STATUS: Strike(bend=unknown_status),
    }
)
