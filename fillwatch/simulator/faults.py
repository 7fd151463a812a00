"""What can go wrong between a client and the broker, how often and when: a frozen menu, and rules that come first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random
from types import MappingProxyType
from typing import Any

from fillwatch.simulator.answers import Op
from fillwatch.simulator.fates import Fate
from fillwatch.simulator.kinds import LAGGING, MENU, STRIKES, STRIKES_ONLY, Kind, Strike
from fillwatch.simulator.stream_faults import StreamFaults, Windows

__all__ = ["LAGGING", "MENU", "NO_FAULTS", "STRIKES", "STRIKES_ONLY", "Faults", "Kind", "Rule", "Strike"]

_EVERYTHING = frozenset(Op)
#: The faults between which one draw decides, for each operation. Those of the menu take their share of the draw also
#: where they cannot strike, so that `rate` is the same share of everything; of the others only those that can.
_RIVALS: Mapping[Op, tuple[Kind, ...]] = MappingProxyType(
    {op: tuple(kind for kind in Kind if kind in MENU or op in STRIKES_ONLY.get(kind, _EVERYTHING)) for op in Op}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One named fault for some requests, or one fate for some new orders.

    `kind` is a `Kind`, which strikes requests, or a `Fate`, which becomes that of orders submitted: `cancel_stuck`,
    `rejected` (a late reject), `busted`, `corrected`, `late_fields` and so on. It strikes with `probability`, from
    `start` until before `end` (seconds since the world began), `times` times in all (None: without a limit), requests
    of these `operations` (None: all) about these `orders` (order ids, client order ids or symbols; empty: all).
    A request about no order in particular is about none of them. `seconds` is how far behind a stale read is, the
    typical delay of a slow request, or by how much the clock is off, where that is not to be as in `Faults`.
    """

    kind: Kind | Fate
    probability: float = 1.0
    operations: frozenset[Op] | None = None
    orders: frozenset[str] = frozenset()
    start: float = 0.0
    end: float = math.inf
    times: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        _check("Rule.probability", self.probability, 0.0, 1.0)
        _check("Rule.start", self.start, 0.0, math.inf)
        if not self.start < self.end:
            raise ValueError(f"Rule.end: {self.end!r} is not allowed; it must be later than start, {self.start!r}")
        if self.times is not None and self.times < 1:
            raise ValueError(f"Rule.times: {self.times!r} is not allowed; it must be 1 or more")
        if self.operations is not None and not self.operations & self.reach:
            names = ", ".join(sorted(self.reach))
            raise ValueError(f"Rule.operations: {self.kind.value} strikes none of them; it can strike: {names}")

    @property
    def reach(self) -> frozenset[Op]:
        """The operations that such a fault can strike at all."""
        if isinstance(self.kind, Fate):
            return frozenset({Op.SUBMIT})
        return _EVERYTHING if self.kind is Kind.SLOW else STRIKES_ONLY.get(self.kind, _EVERYTHING)

    def concerns(self, op: Op, t: float) -> bool:
        """Whether a request of this operation at `t` seconds since the world began is one that it may strike."""
        return self.start <= t < self.end and op in self.reach and (self.operations is None or op in self.operations)

    def moved(self, seconds: float) -> Rule:
        """The same rule, that much later."""
        return replace(self, start=self.start + seconds, end=self.end + seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How often each fault strikes (probability per request) and the windows of the longer ones.

    `rules` are asked first, in their order; where none strikes a request, the menu's probabilities decide.
    `operations` limits the menu's request faults to those operations (None: all). `stale_seconds` is the most by which
    a stale read is behind, `replica_lag` a constant lag per operation, `slow_seconds` the least that a slow request
    takes longer, `skew_seconds` by how much the clock of a skewed server is ahead (negative: behind). `outages` are
    (start, end) in seconds since the world began, in which nothing answers. `absent_from_list` is the share of orders
    that the list leaves out for up to `absent_seconds` within their first ten. `neighbour_per_minute`: requests of
    somebody else with the same keys. `legs_replaced` is the share of triggered stop legs that come as `replaced` by a
    new order, which fills (facts §3c). `stream` is what goes wrong on the push routes.
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
    unknown_field: float = 0.0
    unknown_value: float = 0.0
    unknown_status: float = 0.0
    clock_skew: float = 0.0
    cancel_race: float = 0.0
    cancel_then_fill: float = 0.0
    cancel_stuck: float = 0.0
    cancel_slow: float = 0.0
    cancel_refused: float = 0.0
    replace_race: float = 0.0
    rules: tuple[Rule, ...] = ()
    stream: StreamFaults = field(default_factory=StreamFaults)
    operations: frozenset[Op] | None = None
    stale_seconds: float = 3.0
    slow_seconds: float = 0.5
    skew_seconds: float = 40.0
    replica_lag: Mapping[Op, float] = field(default_factory=dict)
    outages: tuple[tuple[float, float], ...] = ()
    absent_from_list: float = 0.0
    absent_seconds: float = 4.0
    neighbour_per_minute: float = 0.0
    legs_replaced: float = 0.0
    heal_at: float = math.inf

    def __post_init__(self) -> None:
        for name in (*(kind.value for kind in Kind), "absent_from_list", "legs_replaced"):
            _check(f"Faults.{name}", getattr(self, name), 0.0, 1.0)
        for name in ("stale_seconds", "slow_seconds", "absent_seconds", "neighbour_per_minute", "heal_at"):
            _check(f"Faults.{name}", getattr(self, name), 0.0, math.inf)
        for start, end in self.outages:
            if not 0.0 <= start < end:
                raise ValueError(f"Faults.outages: {[start, end]!r} is not allowed; a window ends after its start")
        for op in Op:
            if sum(getattr(self, kind.value) for kind in _RIVALS[op]) > 1.0 + 1e-9:
                raise ValueError(f"Faults: the probabilities for {op.value} requests add up to more than 1")

    @classmethod
    def rate(cls, share: float, *, heal_at: float = math.inf) -> Faults:
        """Every kind of the menu of network and read faults equally often, `share` of all requests together."""
        each: dict[str, Any] = {kind.value: share / len(MENU) for kind in MENU}
        return cls(heal_at=heal_at, **each)

    @classmethod
    def random(cls, seed: int) -> Faults:
        """A subset of the menu that `seed` draws, mild or heavy, healing after 20 to 60 seconds."""
        draw = Random(f"faults/{seed}")
        heal_at = draw.uniform(20.0, 60.0)
        chosen = [kind for kind in MENU if draw.random() < 0.4]
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

    def shares(self, op: Op) -> tuple[tuple[Kind, float], ...]:
        """The faults between which one draw decides for a request of this operation, each with its probability."""
        if self.operations is not None and op not in self.operations:
            return ()
        return tuple((kind, share) for kind in _RIVALS[op] if (share := getattr(self, kind.value)))

    def moved(self, seconds: float) -> Faults:
        """The same faults with every moment and window that much later, for a world that has begun."""
        return replace(
            self,
            rules=tuple(rule.moved(seconds) for rule in self.rules),
            outages=tuple((start + seconds, end + seconds) for start, end in self.outages),
            heal_at=self.heal_at + seconds,
            stream=_moved_stream(self.stream, seconds),
        )

    def is_out(self, t: float) -> bool:
        """Whether nothing answers at `t` seconds since the world began."""
        return t < self.heal_at and any(start <= t < end for start, end in self.outages)


def _moved_stream(stream: StreamFaults, seconds: float) -> StreamFaults:
    def later(windows: Windows) -> Windows:
        return tuple((start + seconds, end + seconds) for start, end in windows)

    return replace(
        stream,
        start=stream.start + seconds,
        end=stream.end + seconds,
        mute=later(stream.mute),
        half_open=later(stream.half_open),
        refuse=later(stream.refuse),
        disconnect_at=tuple(at + seconds for at in stream.disconnect_at),
    )


def _check(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:  # and NaN is neither
        limits = f"from {least:g} to {most:g}" if most < math.inf else f"{least:g} or more"
        raise ValueError(f"{name}: {value!r} is not allowed; it must be {limits}")


NO_FAULTS = Faults()
