"""What one more fact adds to what is known of an order of a trade: a table over the facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from fillwatch.core.trade_facts import (
    Counted,
    Doubtful,
    Faulty,
    Looked,
    NotPlaced,
    OrderFact,
    Placed,
    Sending,
    Watched,
)
from fillwatch.core.trade_order import TradeOrder


def learnt(order: TradeOrder, fact: OrderFact) -> TradeOrder:
    """The order with one more fact about it."""
    return _LEARN[type(fact)](order, fact)


def _sending(order: TradeOrder, fact: Sending) -> TradeOrder:
    return order if order.sent else replace(order, sent=fact, request=fact.request)


def _placed(order: TradeOrder, fact: Placed) -> TradeOrder:
    # What was thought never to have arrived and is there after all, is there.
    return order if order.order_id else replace(order, order_id=fact.order_id, refusal=None)


def _not_placed(order: TradeOrder, fact: NotPlaced) -> TradeOrder:
    return order if order.is_answered else replace(order, refusal=fact)


def _watched(order: TradeOrder, fact: Watched) -> TradeOrder:
    if not fact.leg:
        return replace(order, told=fact if order.told is None else max((order.told, fact), key=_knowledge))
    known = {leg.leg: leg for leg in order.legs}
    known[fact.leg] = max((known.get(fact.leg, fact), fact), key=_knowledge)
    return replace(order, legs=tuple(known[leg] for leg in sorted(known)))


def _knowledge(fact: Watched) -> tuple[Decimal, Decimal, bool, bool]:
    """How much is known: executions first, then those undone, then an end, then a price. Of equals the first."""
    return (fact.executed, fact.undone, fact.result.outcome.is_end, fact.result.fill_price is not None)


def _looked(order: TradeOrder, fact: Looked) -> TradeOrder:
    is_stale = order.is_stale and not (fact.over or fact.working)
    known = order.seen
    if known is None:
        return replace(order, seen=fact, is_stale=is_stale)
    ids = (*known.order_ids, *(one for one in fact.order_ids if one not in known.order_ids))
    fuller = max((known, fact), key=lambda look: (look.filled, look.price is not None))
    seen = replace(
        known,
        order_ids=ids,
        filled=fuller.filled,
        price=fuller.price,
        over=known.over or fact.over,
        working=known.working or fact.working,
    )
    return replace(order, seen=seen, is_stale=is_stale)


def _doubtful(order: TradeOrder, fact: Doubtful) -> TradeOrder:
    before, after = order.doubts
    return replace(order, doubts=(before, after or fact) if fact.placed else (before or fact, after))


#: Total over the facts about an order.
_LEARN: Mapping[type[OrderFact], Callable[[TradeOrder, Any], TradeOrder]] = MappingProxyType(
    {
        Sending: _sending,
        Placed: _placed,
        NotPlaced: _not_placed,
        Watched: _watched,
        Looked: _looked,
        Faulty: lambda order, fact: order if order.fault else replace(order, fault=fact),
        Counted: lambda order, fact: order if order.counted else replace(order, counted=fact),
        Doubtful: _doubtful,
    }
)
