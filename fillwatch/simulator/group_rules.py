"""What one member's change means for the others of its bracket, OCO or OTO: one function for each, and the table.

The rules are Alpaca's ("Orders at Alpaca", on bracket, OCO and OTO orders; facts §3c). The exits of a bracket or an OTO
are `held` until the entry has filled *completely*; when any member is cancelled, what is left of the group is cancelled
too, so that an entry which filled in part and was then cancelled leaves a position without exits. One exit filling
cancels the other; a take-profit that fills in part shrinks the stop to the rest. Of two exits only the take-profit
becomes `new`: the stop stays `held`, yet active, until it is triggered, and is listed as closed all the while.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING

from fillwatch.core.orders import OrderStatus
from fillwatch.simulator.acts import ACTS
from fillwatch.simulator.book import Record
from fillwatch.simulator.groups import (
    Role,
    Turn,
    entered,
    has_the_shares,
    is_held_again,
    legs,
    living_others,
    role,
)
from fillwatch.simulator.plans import Act, Step

if TYPE_CHECKING:
    from fillwatch.simulator.market import Market


def wake(market: Market, leg: Record, t: float) -> None:
    """Let an exit be active from now on. A stop whose shares the take-profit has keeps the word `held`."""
    book = market.records
    alone = all(role(book, other) is not Role.TAKE_PROFIT for other in living_others(book, leg))
    if leg.now.raw_status == "held" and (alone or role(book, leg) is Role.TAKE_PROFIT):
        market.publish(leg, t, word="new")
    market.start(leg, t)


def hand_over(market: Market, old: Record, t: float) -> None:
    """The successor takes the place of the order that it replaced; an order replaced by nothing just ends."""
    book = market.records
    successor = book.get(old.now.replaced_by or "")
    if successor is None:
        return
    for leg in legs(book, old):
        leg.parent_id = successor.order_id
    successor.leg_ids = list(old.leg_ids)
    if old.parent_id is None:
        return
    successor.parent_id = old.parent_id
    book[old.parent_id].leg_ids.append(successor.order_id)
    if is_held_again(old, successor) and not successor.now.status.is_terminal:
        market.publish(successor, t, word="held")
    if successor.waits and not old.waits:
        wake(market, successor, t)


def end_exit(market: Market, leg: Record, act: Act, t: float) -> None:
    """Let an exit be over at once: `Act.CANCEL` or `Act.EXPIRE`."""
    ACTS[act](market, leg, Step(after=0.0, act=act), t)


def _nothing(market: Market, record: Record, t: float) -> None:
    """It does not concern the others."""


def _release(market: Market, entry: Record, t: float) -> None:
    for leg in legs(market.records, entry):
        if leg.waits and not leg.now.status.is_terminal:
            _resize(market, leg, entered(market.records, entry), t)
            wake(market, leg, t)


def _shrink_stop(market: Market, target: Record, t: float) -> None:
    for other in living_others(market.records, target):
        if role(market.records, other) is Role.STOP_LOSS:
            _resize(market, other, target.left, t)


def _resize(market: Market, leg: Record, qty: Decimal, t: float) -> None:
    if qty > 0 and qty != leg.target:
        leg.target = qty
        leg.request = replace(leg.request, qty=qty)
        market.publish(leg, t, qty=qty)


def _end_others(market: Market, record: Record, t: float) -> None:
    """End what lives of the group: an entry as if its owner had asked for it, an exit at once."""
    book = market.records
    act = Act.EXPIRE if record.now.status is OrderStatus.EXPIRED else Act.CANCEL
    for other in living_others(book, record):
        if act is Act.CANCEL and role(book, other) is Role.ENTRY:
            market.cancel(other.order_id, t)
        elif role(book, record) is not Role.TAKE_PROFIT or not has_the_shares(book, other):
            end_exit(market, other, act, t)


#: Total over `Role` and `Turn`.
RULES: Mapping[tuple[Role, Turn], Callable[[Market, Record, float], None]] = MappingProxyType(
    {
        (Role.ENTRY, Turn.PART): _nothing,
        (Role.ENTRY, Turn.FILLED): _release,
        (Role.ENTRY, Turn.ENDED): _end_others,
        (Role.ENTRY, Turn.REPLACED): hand_over,
        (Role.TAKE_PROFIT, Turn.PART): _shrink_stop,
        (Role.TAKE_PROFIT, Turn.FILLED): _end_others,
        (Role.TAKE_PROFIT, Turn.ENDED): _end_others,
        (Role.TAKE_PROFIT, Turn.REPLACED): hand_over,
        (Role.STOP_LOSS, Turn.PART): _end_others,
        (Role.STOP_LOSS, Turn.FILLED): _end_others,
        (Role.STOP_LOSS, Turn.ENDED): _end_others,
        (Role.STOP_LOSS, Turn.REPLACED): hand_over,
    }
)
