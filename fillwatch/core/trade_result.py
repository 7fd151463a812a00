"""What the caller of a trade gets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from fillwatch.core.orders import Side
from fillwatch.core.results import FillOutcome, FillResult
from fillwatch.core.trade import Trade
from fillwatch.core.trade_facts import (
    Cleared,
    Closed,
    Counted,
    Declined,
    Doubtful,
    Faulty,
    Intended,
    Looked,
    NotPlaced,
    Part,
    Placed,
    Reopened,
    Sending,
    Told,
    TradeFact,
    Watched,
)
from fillwatch.core.trade_order import ZERO, TradeOrder
from fillwatch.core.trade_steps import objection


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeStep:
    """What was done, and when (UTC)."""

    at: datetime
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeResult:
    """What became of a trade.

    `success`: shares were bought (or sold short), are kept, and are protected; a smaller number than was asked for is
    a success too when the policy for partial fills is to protect them (`fill` says how many). `filled_price`,
    `stop_loss` and `take_profit` are in the quote currency, `slippage_pct` in percent (positive = worse for us),
    `rr_ratio` is reckoned from the fill; each is None without a fill. `order_id` is the entry's, None if the broker has
    none or may have none. `exit_order_ids` are the exits that are alive, or if none is, all that there were.
    `position_protected`: no share of this trade is, or can come to be, in the market without exits seen working; true
    as well when none is. `exit_quantity` shares (0 at first) have been traded back by exits or orders that close, at
    `exit_price` on average. `reason` says in words why it is no success, or what is special.

    The result is immutable: what happens after it (exits lost, put back, filled) comes as a `TradeAmendment`.
    """

    success: bool
    filled_price: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    slippage_pct: Decimal | None = None
    rr_ratio: Decimal | None = None
    order_id: str | None = None
    reason: str | None = None
    fill: FillResult | None = None
    exit_order_ids: tuple[str, ...] = ()
    position_protected: bool = False
    steps: tuple[TradeStep, ...] = ()
    intent_id: str = ""
    exit_quantity: Decimal = ZERO
    exit_price: Decimal | None = None


def result_of(trade: Trade, facts: Iterable[TradeFact] = ()) -> TradeResult:
    """The result as far as it is known; `facts` are told as its steps."""
    entry, exits = trade.entry, trade.exits
    kept = bool(entry.filled) and not trade.those(Part.CLOSE)
    protected = trade.declined is not None or trade.is_protected
    seen = [order for order in trade.those(Part.EXITS) if order.seen is not None]
    alive = [order for order in seen if not order.is_over]
    return TradeResult(
        success=kept and protected,
        filled_price=trade.price,
        stop_loss=None if exits is None else exits.stop_loss,
        take_profit=None if exits is None else exits.take_profit,
        slippage_pct=trade.slippage,
        rr_ratio=None if exits is None else exits.rr_ratio,
        order_id=entry.order_id,
        reason=_reason(trade, protected=protected),
        fill=entry.result,
        exit_order_ids=tuple(order_id for order in alive or seen for order_id in order.ids),
        position_protected=protected,
        steps=tuple(TradeStep(at=fact.at, what=words(fact)) for fact in facts),
        intent_id=trade.intent.intent_id,
        exit_quantity=trade.traded_back,
        exit_price=trade.exit_price,
    )


def _reason(trade: Trade, *, protected: bool) -> str | None:
    said = [*_about_entry(trade), *_about_position(trade)]
    if trade.declined is None and not protected:
        said.append(_unprotected(trade))
    return "; ".join(said) or None


def _unprotected(trade: Trade) -> str:
    if trade.flipped:
        way = "short" if trade.intent.side is Side.BUY else "long"
        return f"{trade.flipped} shares too many were traded back: this trade has left the account {way} by so many"
    if trade.excess:
        return f"exits stand for {trade.excess} shares too many"
    faults = [order.fault.reason for order in trade.those(Part.EXITS) if order.fault and not order.is_over]
    if faults:
        return faults[-1]
    return f"{trade.bare} shares are without exits" if trade.bare else "not all of it is certain yet"


def _about_entry(trade: Trade) -> list[str]:
    if trade.declined is not None:
        return [trade.declined.reason]
    entry = trade.entry
    said = [order.doubt for order in trade.orders.values() if order.doubt is not None]
    if entry.refusal is not None:
        said.append(entry.refusal.reason)
    elif entry.result is not None and entry.result.outcome is not FillOutcome.FILLED:
        said.append(f"entry {entry.result.outcome.value}, {entry.filled} of {entry.quantity} filled")
    return said


def _about_position(trade: Trade) -> list[str]:
    said = []
    why = objection(trade)
    slippage = trade.slippage
    if why is not None:
        said.append(why)
    elif slippage is not None and slippage > trade.intent.config.slippage_limit:
        said.append(f"slippage of {slippage:.4f} % is over {trade.intent.config.max_slippage} %; kept for review")
    refusals = [order.refusal.reason for order in trade.those(Part.EXITS) if order.refusal is not None]
    if not any(order.works for order in trade.those(Part.EXITS)):
        fallen = [order for order in trade.those(Part.EXITS) if order.is_placed and order.failed and not order.is_lost]
        said += [f"exits were refused: {refusals[-1]}"] if refusals else []
        said += [f"exits were placed and did not come to stand: {_ends(fallen[-1])}"] if fallen else []
    if closing := trade.those(Part.CLOSE):
        said.append(f"closed {sum((order.filled for order in closing), ZERO)} shares")
    for order in trade.those(Part.EXITS):
        said += [f"the {name} closed {quantity} shares at {price}" for name, quantity, price in _closed_by(order)]
        if order.is_lost:
            elsewhere = f", {order.gone} of them closed by somebody else" if order.gone else ""
            said.append(f"the exits for {order.quantity - order.filled} shares were lost{elsewhere}")
    return said


def _ends(order: TradeOrder) -> str:
    return " and ".join(sorted({leg.result.outcome.value for leg in order.legs})) or "over"


def _closed_by(order: TradeOrder) -> list[tuple[str, Decimal, Decimal | None]]:
    """Which of the two exits has closed how many shares, as far as the engine has told of them."""
    targets = {leg.result.final_order_id for leg in order.legs if leg.leg == order.order_id}
    return [
        ("target" if leg.result.final_order_id in targets else "stop", quantity, leg.result.fill_price)
        for leg in order.chains
        if (quantity := leg.result.fill_quantity)
    ]


def words(fact: TradeFact) -> str:
    """A fact in a few words."""
    match fact:
        case Intended(intent=wish):
            return f"intended: {wish.side} {wish.quantity} {wish.symbol} at {wish.signal_price}"
        case Declined():
            return f"declined: {fact.reason}"
        case Cleared():
            return "checked: the trade can be made" + (" in extended hours" if fact.extended else "")
        case Sending(request=order):
            price = "" if order.limit_price is None else f" at {order.limit_price}"
            stop = "" if order.stop_loss_stop_price is None else f", stop {order.stop_loss_stop_price}"
            return f"{fact.name} sent: {order.side} {order.qty} {order.order_type}{price}{stop}"
        case Placed():
            return f"{fact.name} placed: {fact.order_id}"
        case NotPlaced():
            return f"{fact.name} {'refused' if fact.arrived else 'never arrived'}: {fact.reason}"
        case Watched(result=told):
            undone = f", {fact.undone} undone" if fact.undone else ""
            leg = f" ({fact.leg})" if fact.leg else ""
            return f"{fact.name}{leg} {told.outcome}: {told.fill_quantity} at {told.fill_price}{undone}"
        case Looked():
            state = "over" if fact.over else "working" if fact.working else "not seen working"
            return f"{fact.name} {state}: {', '.join(fact.order_ids)}"
        case Faulty():
            return f"{fact.name} faulty: {fact.reason}"
        case Counted():
            return f"{fact.name} lost; {fact.gone} of its shares were closed by somebody else"
        case Doubtful():
            return f"{fact.name} in doubt: {fact.reason}"
        case Told():
            return f"told: {'success' if fact.success else 'no success'}"
        case Closed():
            return "closed"
        case Reopened():
            return "reopened by a late fact"
