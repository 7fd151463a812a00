"""A trade as a fold of its facts.

Doing a trade and taking it up again after a crash are the same: fold what is known, ask for the next step
(`trade_steps`), carry it out, add what was learnt. A fact that comes twice, or too late, changes nothing: each order
only ever learns more (an id, a larger quantity, an end).

The central notion is the *bare* quantity: shares that were bought (or sold short) and that no exit and no closing order
answers for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import MappingProxyType

from fillwatch.core import trading_rules as rules
from fillwatch.core.orders import OrderRequest
from fillwatch.core.results import FillResult
from fillwatch.core.trade_facts import (
    ENTRY,
    Cleared,
    Closed,
    Declined,
    Doubtful,
    Intended,
    Looked,
    NotPlaced,
    Part,
    Placed,
    Sending,
    Told,
    TradeFact,
    Watched,
    number_of,
    part_of,
)
from fillwatch.core.trade_terms import Intent

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeOrder:
    """One order of a trade, as far as is known. Exactly `request` is sent, as often as it takes."""

    name: str
    request: OrderRequest | None = None
    sent: Sending | None = None
    order_id: str | None = None
    refusal: NotPlaced | None = None
    told: Watched | None = None
    seen: Looked | None = None
    doubts: tuple[Doubtful | None, Doubtful | None] = (None, None)

    @property
    def doubt(self) -> str | None:
        """Why what has become of it cannot be learnt for the time being; None when it can, or is known."""
        before, after = self.doubts
        found = after if self.is_placed else before
        known = (self.is_over or self.works) if self.is_placed else self.is_answered
        return None if known or found is None else found.reason

    @property
    def result(self) -> FillResult | None:
        """What the engine said of it last."""
        return None if self.told is None else self.told.result

    @property
    def undone(self) -> Decimal:
        """Shares whose executions were taken back."""
        return ZERO if self.told is None else self.told.undone

    @property
    def part(self) -> Part:
        """What it is to its trade."""
        return part_of(self.name)

    @property
    def quantity(self) -> Decimal:
        """Shares asked for."""
        return ZERO if self.request is None or self.request.qty is None else self.request.qty

    @property
    def is_placed(self) -> bool:
        """Whether the broker has it."""
        return self.order_id is not None

    @property
    def is_answered(self) -> bool:
        """Whether it is known that the broker has it, or that it never will."""
        return self.is_placed or self.refusal is not None

    @property
    def filled(self) -> Decimal:
        """Shares executed, as far as is known."""
        told = ZERO if self.result is None else self.result.fill_quantity or ZERO
        return max(told, ZERO if self.seen is None else self.seen.filled)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be executed."""
        if not self.is_placed:
            return self.refusal is not None
        ended = self.result is not None and self.result.outcome.is_end
        return ended or (self.seen is not None and self.seen.over)

    @property
    def answers_for(self) -> Decimal:
        """Shares that it has closed or may yet close: all that it asked for until it is known to be over."""
        return self.filled if self.is_over else max(self.quantity, self.filled)

    @property
    def failed(self) -> bool:
        """Whether it is over and did not do what it was for; an order that closed some of it has done its part."""
        if self.part is Part.CLOSE:
            return self.is_over and not self.filled
        return self.is_over and self.filled < self.quantity and not self.works

    @property
    def works(self) -> bool:
        """Of exits: whether they were seen to stand."""
        return self.seen is not None and self.seen.working


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """All that is known of one trade. Make it with `fold`."""

    intent: Intent
    declined: Declined | None = None
    cleared: Cleared | None = None
    told: Told | None = None
    closed: bool = False
    orders: Mapping[str, TradeOrder] = field(default_factory=lambda: MappingProxyType({}))

    def order(self, name: str) -> TradeOrder:
        """The order of this name, known or not."""
        return self.orders.get(name) or TradeOrder(name=name)

    def those(self, part: Part) -> tuple[TradeOrder, ...]:
        """The orders of one part, in the order of their names."""
        found = (order for order in self.orders.values() if order.part is part)
        return tuple(sorted(found, key=lambda order: number_of(order.name)))

    @property
    def entry(self) -> TradeOrder:
        """The order that opens the position."""
        return self.order(ENTRY)

    @property
    def price(self) -> Decimal | None:
        """What a share was bought at on average. While it is not known, the entry's limit: no fill is worse."""
        entry = self.entry
        if entry.result is not None and entry.result.fill_price is not None:
            return entry.result.fill_price
        return None if entry.request is None or not entry.filled else entry.request.limit_price

    @property
    @rules.exactly
    def bare(self) -> Decimal:
        """Shares of the position that nothing answers for."""
        covered = sum((order.answers_for for part in _COVER for order in self.those(part)), ZERO)
        return max(self.entry.filled - covered, ZERO)

    @property
    @rules.exactly
    def excess(self) -> Decimal:
        """Shares for which exits stand although their purchase was undone."""
        if not self.entry.undone:
            return ZERO
        return max(
            sum((order.answers_for for part in _COVER for order in self.those(part)), ZERO) - self.entry.filled, ZERO
        )

    @property
    def exits(self) -> rules.Exits | None:
        """Stop and target from the fill; None before there is one, or when there is no room for them."""
        if self.price is None:
            return None
        return rules.exits(self.intent.side, self.price, self.intent.risk_amount, self.intent.rr_ratio)

    @property
    def slippage(self) -> Decimal | None:
        """Slippage of the entry in percent, positive = worse for us; None before there is a fill."""
        return None if self.price is None else rules.slipped(self.intent, self.price)

    @property
    def is_protected(self) -> bool:
        """Whether every share held has exits that were seen working, and none can be added any more."""
        exits_work = all(order.is_over or order.works for order in self.those(Part.EXITS))
        closed = all(order.is_over for order in self.those(Part.CLOSE))
        return self.entry.is_over and not self.bare and not self.excess and exits_work and closed

    @property
    @rules.exactly
    def held(self) -> Decimal:
        """Shares of this trade that are still in the market, as far as is known."""
        gone = sum((order.filled for part in _COVER for order in self.those(part)), ZERO)
        return max(self.entry.filled - gone, ZERO)


_COVER = (Part.EXITS, Part.CLOSE)


def fold(first: Intended, *facts: TradeFact) -> Trade:
    """The trade that these facts make."""
    trade = Trade(intent=first.intent)
    for fact in facts:
        trade = absorb(trade, fact)
    return trade


def absorb(trade: Trade, fact: TradeFact) -> Trade:
    """The trade with one more fact."""
    match fact:
        case Intended():
            return trade
        case Declined():
            return replace(trade, declined=trade.declined or fact)
        case Cleared():
            return replace(trade, cleared=trade.cleared or fact)
        case Told():
            return replace(trade, told=trade.told or fact)
        case Closed():
            return replace(trade, closed=True)
        case _:
            order = trade.order(fact.name)
            learnt = _with(order, fact)
            if learnt == order and fact.name in trade.orders:
                return trade
            return replace(trade, orders=MappingProxyType({**trade.orders, fact.name: learnt}))


def _with(order: TradeOrder, fact: Sending | Placed | NotPlaced | Watched | Looked | Doubtful) -> TradeOrder:
    match fact:
        case Sending():
            return order if order.sent else replace(order, sent=fact, request=fact.request)
        case Placed():
            # What was thought never to have arrived and is there after all, is there.
            return order if order.order_id else replace(order, order_id=fact.order_id, refusal=None)
        case NotPlaced():
            return order if order.is_answered else replace(order, refusal=fact)
        case Watched():
            # Of what knows equally much the first.
            return replace(order, told=fact if order.told is None else max((order.told, fact), key=_knowledge))
        case Looked():
            return replace(order, seen=_seen(order.seen, fact))
        case Doubtful():
            before, after = order.doubts
            return replace(order, doubts=(before, after or fact) if fact.placed else (before or fact, after))


def _knowledge(fact: Watched) -> tuple[Decimal, Decimal, bool, bool]:
    """How much is known: executions first, then those undone, then an end, then a price."""
    return (fact.executed, fact.undone, fact.result.outcome.is_end, fact.result.fill_price is not None)


def _seen(known: Looked | None, look: Looked) -> Looked:
    if known is None:
        return look
    ids = (*known.order_ids, *(one for one in look.order_ids if one not in known.order_ids))
    return replace(
        known,
        order_ids=ids,
        filled=max(known.filled, look.filled),
        over=known.over or look.over,
        working=known.working or look.working,
    )
