"""What the market will do with an order: a frozen plan of timed steps and a way to take a cancel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from types import MappingProxyType

from fillwatch.simulator.fates import NEEDS_CANCEL, Fate


class Act(StrEnum):
    """One thing that happens to an order."""

    STATUS = "status"
    FILL = "fill"
    REJECT = "reject"
    EXPIRE = "expire"
    CANCEL = "cancel"
    REPLACE = "replace"
    SETTLE_REPLACE = "settle_replace"
    SPAWN = "spawn"
    BUST = "bust"
    CORRECT = "correct"
    REVEAL = "reveal"
    RESTAMP = "restamp"
    ROUTE = "route"
    RETRY = "retry"
    AGE_OUT = "age_out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An act `after` seconds from the order's placing (in a cancel's aftermath: from the cancel).

    `share` is the part of what is left that a `FILL` executes, 1 for all of it. `word` is the status of a `STATUS`.
    `successor` is what becomes of the order that a `REPLACE` or a `SPAWN` brings.
    """

    after: float
    act: Act
    share: float = 1.0
    word: str = ""
    successor: Plan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCancel:
    """How a cancel is taken: refused so many times, lost against a fill (422), or accepted (204) with an aftermath."""

    refusals: int = 0
    filled_first: bool = False
    aftermath: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The frozen future of one order. `late` seconds pass before REST shows quantity, price and time of its fill.

    `needs_cancel`: it does not end by itself within `ENDS_WITHIN` seconds.
    """

    fate: Fate
    steps: tuple[Step, ...] = ()
    on_cancel: OnCancel = field(default_factory=OnCancel)
    late: float = 0.0
    needs_cancel: bool = False


#: Words a broker may invent tomorrow; occurring in the wild: `activated` and `restated` (ccxt).
NEW_WORDS = ("activated", "restated", "under_observation")


def _fill(after: float, share: float = 1.0) -> Step:
    return Step(after=after, act=Act.FILL, share=share)


def _word(after: float, word: str) -> Step:
    return Step(after=after, act=Act.STATUS, word=word)


def _act(after: float, act: Act) -> Step:
    return Step(after=after, act=act)


def _slow(r: Random, _: float) -> tuple[Step, ...]:
    return (_fill(r.uniform(0.5, 12.0)),)


def _many(r: Random, _: float) -> tuple[Step, ...]:
    count, at = r.randint(3, 8), r.uniform(0.2, 2.0)
    steps = []
    for left in range(count, 0, -1):
        steps.append(_fill(at, 1 / left))
        at += r.choice((0.0, 0.0002, r.uniform(0.05, 0.7)))  # many executions share a millisecond
    return tuple(steps)


def _replaced(r: Random, successor: Plan, before: tuple[Step, ...] = ()) -> tuple[Step, ...]:
    at = r.uniform(0.8, 4.0)
    return (
        *before,
        _word(at, "pending_replace"),
        Step(after=at + r.uniform(0.05, 0.4), act=Act.REPLACE, successor=successor),
    )


def _successor(r: Random, fate: Fate, steps: tuple[Step, ...] = ()) -> Plan:
    return Plan(fate=fate, steps=steps, on_cancel=_cancels(r))


def _replace_rejected(r: Random, _: float) -> tuple[Step, ...]:
    at = r.uniform(0.8, 4.0)
    refused = Plan(fate=Fate.REJECTED, steps=(_act(0.4, Act.REJECT),))
    return (_word(at, "pending_replace"), Step(after=at + 0.1, act=Act.SPAWN, successor=refused), _fill(at + 0.4))


def _odd(r: Random, _: float) -> tuple[Step, ...]:
    words = ("held", "accepted_for_bidding", "pending_review", "suspended", "stopped", "done_for_day", "calculated")
    start = r.uniform(0.3, 1.0)
    picked = r.sample(words, 4)
    return (*(_word(start + i * r.uniform(0.4, 1.2), w) for i, w in enumerate(picked)), _word(7.0, "new"), _fill(8.0))


def _unknown_word(r: Random, _: float) -> tuple[Step, ...]:
    at = r.uniform(0.3, 2.0)
    return (_fill(at, r.choice((0.3, 0.5))), _word(at + 0.2, r.choice(NEW_WORDS)), _fill(at + r.uniform(1.0, 5.0)))


#: The steps of each fate, from its own random stream and the time-out (seconds) that last-second fills aim at.
_STEPS: Mapping[Fate, Callable[[Random, float], tuple[Step, ...]]] = MappingProxyType(
    {
        Fate.INSTANT: lambda r, _: (_fill(r.uniform(0.0, 0.05)),),
        Fate.SLOW: _slow,
        Fate.PARTIAL: lambda r, _: (_fill(r.uniform(0.2, 5.0), r.uniform(0.3, 0.7)),),
        Fate.MANY_PARTIALS: _many,
        Fate.LATE_REST: lambda r, _: (
            *(_fill(0.5, 0.2), _fill(r.uniform(0.8, 1.3), 0.25), _fill(r.uniform(6.0, 14.0))),
        ),
        Fate.NEVER: lambda r, _: (),
        Fate.REJECTED: lambda r, _: (_act(r.uniform(0.1, 2.0), Act.REJECT),),
        Fate.EXPIRED: lambda r, _: (_act(r.uniform(1.0, 12.0), Act.EXPIRE),),
        Fate.EXPIRED_PARTLY: lambda r, _: (_fill(0.6, 0.5), _act(r.uniform(1.0, 8.0), Act.EXPIRE)),
        Fate.CANCELED_BY_OTHERS: lambda r, _: (_act(r.uniform(0.5, 10.0), Act.CANCEL),),
        Fate.CANCELED_PARTLY: lambda r, _: (_fill(0.4, r.uniform(0.2, 0.8)), _act(r.uniform(0.6, 6.0), Act.CANCEL)),
        Fate.REPLACED_FILLS: lambda r, _: _replaced(r, _successor(r, Fate.SLOW, (_fill(r.uniform(0.5, 8.0)),))),
        Fate.REPLACED_TWICE: lambda r, _: _replaced(
            r, _successor(r, Fate.REPLACED_FILLS, _replaced(r, _successor(r, Fate.SLOW, (_fill(2.0),))))
        ),
        Fate.REPLACED_NEVER: lambda r, _: _replaced(r, _successor(r, Fate.NEVER)),
        Fate.REPLACED_AFTER_PARTIAL: lambda r, _: _replaced(
            r, _successor(r, Fate.SLOW, (_fill(r.uniform(0.5, 6.0)),)), (_fill(0.4, r.uniform(0.2, 0.6)),)
        ),
        Fate.REPLACE_REJECTED: _replace_rejected,
        Fate.FILLED_IN_CANCEL_RACE: lambda r, _: (),
        Fate.FILLED_AFTER_CANCEL: lambda r, _: (),
        Fate.HALF_AFTER_CANCEL: lambda r, _: (),
        Fate.CANCEL_STUCK: lambda r, _: (),
        Fate.CANCEL_SLOW: lambda r, _: (),
        Fate.CANCEL_REFUSED: lambda r, _: (),
        Fate.LATE_FIELDS: lambda r, _: (_fill(r.uniform(0.3, 4.0)),),
        Fate.LAST_SECOND_BEFORE: lambda r, timeout: (_fill(timeout - r.choice((0.0, 0.001, 0.05, 0.5))),),
        Fate.LAST_SECOND_AFTER: lambda r, timeout: (_fill(timeout + r.choice((0.001, 0.05, 0.3))),),
        Fate.NOTIONAL: lambda r, _: (_fill(r.uniform(0.2, 1.0), 0.5), _fill(r.uniform(1.2, 5.0))),
        Fate.FRACTIONAL: lambda r, _: (_fill(r.uniform(0.2, 1.0), 0.37), _fill(r.uniform(1.1, 1.9))),
        Fate.BUSTED: lambda r, _: (_fill(0.6, 0.5), _fill(r.uniform(0.7, 3.0)), _act(r.uniform(4.0, 12.0), Act.BUST)),
        Fate.CORRECTED: lambda r, _: (_fill(r.uniform(0.4, 3.0)), _act(r.uniform(4.0, 12.0), Act.CORRECT)),
        Fate.ODD_STATUSES: _odd,
        Fate.UNKNOWN_STATUS: _unknown_word,
        Fate.RESTAMPED: lambda r, _: (_act(r.uniform(0.5, 3.0), Act.RESTAMP), _fill(r.uniform(4.0, 9.0))),
        Fate.MARKET: lambda r, _: (),
    }
)


def _cancels(r: Random) -> OnCancel:
    return OnCancel(aftermath=(_act(r.uniform(0.05, 0.3), Act.CANCEL),))


#: The fates that take a cancel otherwise than with a 204 and an end 50 to 300 ms later.
_ON_CANCEL: Mapping[Fate, Callable[[Random], OnCancel]] = MappingProxyType(
    {
        Fate.FILLED_IN_CANCEL_RACE: lambda r: OnCancel(filled_first=True),
        Fate.FILLED_AFTER_CANCEL: lambda r: OnCancel(aftermath=(_fill(r.uniform(0.05, 2.0)),)),
        Fate.HALF_AFTER_CANCEL: lambda r: OnCancel(
            aftermath=(_fill(0.05, 0.3), _fill(r.uniform(0.1, 0.5), 0.4), _act(r.uniform(0.6, 2.0), Act.CANCEL))
        ),
        Fate.CANCEL_STUCK: lambda r: OnCancel(),
        Fate.CANCEL_SLOW: lambda r: OnCancel(aftermath=(_act(r.uniform(4.0, 12.0), Act.CANCEL),)),
        Fate.CANCEL_REFUSED: lambda r: OnCancel(refusals=r.randint(1, 3), aftermath=_cancels(r).aftermath),
    }
)


def plan_for(fate: Fate, stream: Random, *, timeout: float = 60.0) -> Plan:
    """The plan of an order with this fate, drawn from `stream`; last-second fills happen around `timeout` seconds."""
    return Plan(
        fate=fate,
        steps=_STEPS[fate](stream, timeout),
        on_cancel=_ON_CANCEL.get(fate, _cancels)(stream),
        late=stream.uniform(1.0, 5.0) if fate is Fate.LATE_FIELDS else 0.0,
        needs_cancel=fate in NEEDS_CANCEL,
    )
