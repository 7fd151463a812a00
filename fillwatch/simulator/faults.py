"""What can go wrong between a client and the broker, and how often: a frozen menu and one table of request faults."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from types import MappingProxyType
from typing import Any

from fillwatch.simulator.answers import NOTHING, RATE_LIMITED, Answer, Delivery, Op, refusal


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """What a fault does: whether the request is carried out, what is answered instead (None: the true answer), how."""

    commits: bool = True
    answer: Answer | None = None
    delivery: Delivery = Delivery.WHOLE
    headers: bool = True


#: Operations whose answers may come from a replica that is behind.
LAGGING = frozenset({Op.LOOK, Op.LOOK_BY_CLIENT_ID, Op.LIST, Op.FILLS, Op.POSITIONS, Op.POSITION})
#: The operations that a fault can strike, if not all. A slow request is delayed on its way, not at the door.
STRIKES_ONLY: Mapping[Kind, frozenset[Op]] = MappingProxyType(
    {
        Kind.SLOW: frozenset(),
        Kind.STALE: LAGGING,
        Kind.PAGE_SHIFT: frozenset({Op.LIST}),
        Kind.DUPLICATED_TAPE: frozenset({Op.FILLS}),
        Kind.SHUFFLED_TAPE: frozenset({Op.FILLS}),
    }
)


_EVERYTHING = frozenset(Op)
_INTERNAL = refusal(500, 50010000, "internal server error occurred")

#: Total over `Kind`. A hang is a time-out before or after the commit: the client hears nothing until it gives up.
STRIKES: Mapping[Kind, Strike] = MappingProxyType(
    {
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
        Kind.SLOW: Strike(),
        Kind.STALE: Strike(),
        Kind.PAGE_SHIFT: Strike(),
        Kind.DUPLICATED_TAPE: Strike(),
        Kind.SHUFFLED_TAPE: Strike(),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How often each fault strikes (probability per request) and the windows of the longer ones.

    `operations` limits the request faults to those operations (None: all). `stale_seconds` is the most by which a
    stale read is behind, `replica_lag` a constant lag per operation. `outages` are (start, end) in seconds since the
    world began, in which nothing answers. `absent_from_list` is the share of orders that the list leaves out for up to
    `absent_seconds` within their first ten. `neighbour_per_minute`: requests of somebody else with the same keys.
    From `heal_at` on (seconds since the world began) nothing goes wrong any more.
    """

    rate_limited: float = 0.0
    rate_limited_bare: float = 0.0
    server_error: float = 0.0
    server_error_html: float = 0.0
    error_after: float = 0.0
    timeout_before: float = 0.0
    timeout_after: float = 0.0
    reset_before: float = 0.0
    reset_after: float = 0.0
    cut_off: float = 0.0
    slow: float = 0.0
    stale: float = 0.0
    page_shift: float = 0.0
    duplicated_tape: float = 0.0
    shuffled_tape: float = 0.0
    operations: frozenset[Op] | None = None
    stale_seconds: float = 3.0
    slow_seconds: float = 0.5
    replica_lag: Mapping[Op, float] = field(default_factory=dict)
    outages: tuple[tuple[float, float], ...] = ()
    absent_from_list: float = 0.0
    absent_seconds: float = 4.0
    neighbour_per_minute: float = 0.0
    heal_at: float = math.inf

    def __post_init__(self) -> None:
        for name in (*(kind.value for kind in Kind), "absent_from_list"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"Faults.{name}: {getattr(self, name)!r} is not allowed; it must be from 0 to 1")
        if sum(getattr(self, kind.value) for kind in Kind) > 1.0 + 1e-9:
            raise ValueError("Faults: the probabilities of the request faults add up to more than 1")

    @classmethod
    def rate(cls, share: float, *, heal_at: float = math.inf) -> Faults:
        """Every kind of request fault equally often, `share` of all requests together."""
        each: dict[str, Any] = {kind.value: share / len(Kind) for kind in Kind}
        return cls(heal_at=heal_at, **each)

    @classmethod
    def random(cls, seed: int) -> Faults:
        """A subset of the menu that `seed` draws, mild or heavy, healing after 20 to 60 seconds."""
        draw = Random(f"faults/{seed}")
        heal_at = draw.uniform(20.0, 60.0)
        chosen = [kind for kind in Kind if draw.random() < 0.4]
        total = draw.choice((0.05, 0.1, 0.2, 0.35))
        weights = {kind.value: draw.uniform(0.2, 1.0) for kind in chosen}
        scale = total / sum(weights.values()) if weights else 0.0
        shares: dict[str, Any] = {name: weight * scale for name, weight in weights.items()}
        start = draw.uniform(2.0, heal_at)
        return cls(
            **shares,
            heal_at=heal_at,
            stale_seconds=draw.uniform(0.5, 8.0),
            replica_lag={op: draw.uniform(0.1, 4.0) for op in Op if op in LAGGING and draw.random() < 0.2},
            outages=((start, start + draw.choice((1.0, 5.0, 25.0))),) if draw.random() < 0.3 else (),
            absent_from_list=draw.choice((0.0, 0.0, 0.3)),
            neighbour_per_minute=draw.choice((0.0, 0.0, 0.0, 20.0, 60.0)),
        )

    def strike(self, op: Op, t: float, stream: Random) -> Kind | None:
        """The fault that strikes a request arriving at `t` seconds since the world began, if any."""
        point = stream.random()
        if t >= self.heal_at or (self.operations is not None and op not in self.operations):
            return None
        for kind in Kind:
            point -= getattr(self, kind.value)
            if point < 0.0:
                return kind if op in STRIKES_ONLY.get(kind, _EVERYTHING) else None
        return None

    def is_out(self, t: float) -> bool:
        """Whether nothing answers at `t` seconds since the world began."""
        return t < self.heal_at and any(start <= t < end for start, end in self.outages)


NO_FAULTS = Faults()
