"""The statuses of an order, and what each of them means: a table, total over them.

Broker facts: Alpaca's "Orders at Alpaca" page and its OpenAPI document 2.0.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


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
        return self in _OVER

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

_OVER = frozenset(status for status, rule in STATUS_RULES.items() if rule.terminal)
#: Statuses in which an order has ended with all that replaced it.
ENDS = _OVER - {_S.REPLACED}

#: `fill` and `partial_fill` occur as statuses in Alpaca's C# client; `cancelled` is how half the world spells it.
_BY_NAME: Mapping[str, OrderStatus] = MappingProxyType(
    {status.value: status for status in OrderStatus}
    | {"fill": _S.FILLED, "partial_fill": _S.PARTIALLY_FILLED, "cancelled": _S.CANCELED}
)
