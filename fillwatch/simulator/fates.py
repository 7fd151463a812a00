"""How orders may go: the fates, how often each occurs, and how they are dealt to the orders of a bot."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from random import Random
from types import MappingProxyType


class Fate(StrEnum):
    """How an order will go; each is a row of the table in `plans.py`.

    `MARKET` is no fate of its own: such an order goes as the prices go (`matching.py`).
    """

    INSTANT = "instant"
    SLOW = "slow"
    PARTIAL = "partial"
    MANY_PARTIALS = "many_partials"
    LATE_REST = "late_rest"
    NEVER = "never"
    REJECTED = "rejected"
    EXPIRED = "expired"
    EXPIRED_PARTLY = "expired_partly"
    CANCELED_BY_OTHERS = "canceled_by_others"
    CANCELED_PARTLY = "canceled_partly"
    REPLACED_FILLS = "replaced_fills"
    REPLACED_TWICE = "replaced_twice"
    REPLACED_NEVER = "replaced_never"
    REPLACED_AFTER_PARTIAL = "replaced_after_partial"
    REPLACE_REJECTED = "replace_rejected"
    FILLED_IN_CANCEL_RACE = "filled_in_cancel_race"
    FILLED_AFTER_CANCEL = "filled_after_cancel"
    HALF_AFTER_CANCEL = "half_after_cancel"
    CANCEL_STUCK = "cancel_stuck"
    CANCEL_SLOW = "cancel_slow"
    CANCEL_REFUSED = "cancel_refused"
    LATE_FIELDS = "late_fields"
    LAST_SECOND_BEFORE = "last_second_before"
    LAST_SECOND_AFTER = "last_second_after"
    NOTIONAL = "notional"
    FRACTIONAL = "fractional"
    BUSTED = "busted"
    CORRECTED = "corrected"
    ODD_STATUSES = "odd_statuses"
    UNKNOWN_STATUS = "unknown_status"
    RESTAMPED = "restamped"
    MARKET = "market"


#: Seconds within which an order that needs no cancel has ended.
ENDS_WITHIN = 20.0
#: Fates that never end without a cancel, or only around the time-out.
NEEDS_CANCEL = frozenset(
    {
        *(Fate.PARTIAL, Fate.NEVER, Fate.REPLACED_NEVER, Fate.LAST_SECOND_BEFORE, Fate.LAST_SECOND_AFTER),
        *(Fate.FILLED_IN_CANCEL_RACE, Fate.FILLED_AFTER_CANCEL, Fate.HALF_AFTER_CANCEL),
        *(Fate.CANCEL_STUCK, Fate.CANCEL_SLOW, Fate.CANCEL_REFUSED),
    }
)

#: The fates that are settled when the order is placed.
PLANNED: tuple[Fate, ...] = tuple(fate for fate in Fate if fate is not Fate.MARKET)

#: How often each fate lies in the deck that `populate` deals from; every planned fate at least once.
USUAL_MIX: Mapping[Fate, int] = MappingProxyType(
    dict.fromkeys(PLANNED, 1) | {Fate.INSTANT: 4, Fate.SLOW: 6, Fate.MANY_PARTIALS: 2}
)


def deal(n: int, stream: Random, mix: Mapping[Fate, int], needs_cancel_at_most: int | None) -> list[Fate]:
    """`n` fates from shuffled decks of `mix`, so that each occurs as early as chance allows."""
    room = n if needs_cancel_at_most is None else needs_cancel_at_most
    deck = [fate for fate in Fate for _ in range(mix.get(fate, 0))]
    if not deck:
        raise ValueError(f"mix: {dict(mix)!r} holds no fate; give at least one a weight above 0")
    if room < n and NEEDS_CANCEL.issuperset(deck):
        raise ValueError(f"needs_cancel_at_most: {room} is not possible; every fate of the mix needs a cancel")
    dealt: list[Fate] = []
    while len(dealt) < n:
        stream.shuffle(deck)
        for fate in deck:
            if fate in NEEDS_CANCEL:
                if room <= 0:
                    continue
                room -= 1
            dealt.append(fate)
    return dealt[:n]
