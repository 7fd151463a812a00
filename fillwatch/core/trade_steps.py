"""The next step of a trade: a table of rules, read from the top.

Getting rid of bare shares comes before everything else but the doubt about an order that may have done so already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fillwatch.core import trading_rules as rules
from fillwatch.core.orders import OrderRequest, exact
from fillwatch.core.results import FillOutcome
from fillwatch.core.trade import Trade
from fillwatch.core.trade_facts import ENTRY, Part, client_id, key, number_of
from fillwatch.core.trade_terms import OnPartial, OnSlippage

#: Exits, and orders that close, that may fail before the other way is tried; and as often after that.
TRIES: Mapping[Part, int] = MappingProxyType({Part.ENTRY: 1, Part.EXITS: 2, Part.CLOSE: 3})


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Ask the broker whether the trade can be made now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Let the broker have this order, once. `begun`: a request may have been sent before."""

    name: str
    request: OrderRequest
    begun: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Learn what becomes of the entry, or of an order that closes."""

    name: str
    order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """See the exits working."""

    name: str
    order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """Cancel exits that stand for more shares than there are, and see them over."""

    name: str
    order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """Give the caller what is known: `reason` is why it is not more."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Nothing is left to do."""


Step = Check | Place | Watch | Verify | Withdraw | Tell | Finish


def next_step(trade: Trade) -> Step:
    """What is to be done next. Total: every trade has one."""
    return next((step for rule in _RULES if (step := rule(trade)) is not None), Finish())


def _declined(trade: Trade) -> Step | None:
    return Finish() if trade.declined is not None else None


def _check(trade: Trade) -> Step | None:
    return Check() if trade.cleared is None and not trade.orders else None


def _tell(trade: Trade) -> Step | None:
    """Doubt is told once everything that can be done in spite of it was done."""
    if trade.told is not None or (trade.bare and way_out(trade) is not None and not _unanswered(trade)):
        return None
    doubts = [order.doubt for order in trade.orders.values() if order.doubt is not None]
    return Tell(reason=doubts[0]) if doubts else None


def _unanswered(trade: Trade) -> Step | None:
    for order in trade.orders.values():
        if order.request is not None and not order.is_answered:
            return Place(name=order.name, request=order.request, begun=True)
    return None


def _withdraw(trade: Trade) -> Step | None:
    """Exits for shares that were taken back would sell what nobody holds; what is left gets new ones."""
    if not trade.excess:
        return None
    standing = [order for order in trade.those(Part.EXITS) if order.order_id is not None and not order.is_over]
    return Withdraw(name=standing[-1].name, order_id=str(standing[-1].order_id)) if standing else None


def _cover(trade: Trade) -> Step | None:
    part = way_out(trade) if trade.bare else None
    if part is None:
        return None
    name = key(part, 1 + max((number_of(order.name) for order in trade.those(part)), default=0))
    return Place(name=name, request=_REQUESTS[part](trade, name), begun=False)


def _see_through(trade: Trade) -> Step | None:
    for order in (*trade.those(Part.CLOSE), *trade.those(Part.EXITS), trade.entry):
        if order.order_id is None or order.is_over:
            continue
        if order.part is not Part.EXITS:
            return Watch(name=order.name, order_id=order.order_id)
        if not order.works:
            return Verify(name=order.name, order_id=order.order_id)
    return None


def _enter(trade: Trade) -> Step | None:
    if ENTRY in trade.orders:
        return None
    return Place(name=ENTRY, request=_entry_request(trade), begun=False)


#: In this order: what is asked and unanswered, then bare shares, then what is open, then what has not begun.
_RULES: tuple[Callable[[Trade], Step | None], ...] = (
    _declined,
    _check,
    _tell,
    _unanswered,
    _withdraw,
    _cover,
    _see_through,
    _enter,
)


def objection(trade: Trade) -> str | None:
    """Why the position is not to be kept; None: it is."""
    config, entry = trade.intent.config, trade.entry
    slippage, exits = trade.slippage, trade.exits
    if slippage is not None and slippage > config.slippage_limit and config.on_slippage is OnSlippage.CLOSE:
        return f"slippage of {slippage:.4f} % is over {config.max_slippage} %"
    if trade.price is not None and exits is None:
        return f"no room for stop and target at {trade.price}"
    if exits is not None and exits.rr_ratio < exact(config.min_rr_ratio):
        return f"reward/risk of {exits.rr_ratio:.2f} after slippage is below {config.min_rr_ratio}"
    is_part = entry.result is not None and entry.result.outcome is FillOutcome.PARTIALLY_FILLED
    if is_part and config.on_partial is OnPartial.CLOSE:
        return f"only {entry.filled} of {entry.quantity} were filled"
    return None


def way_out(trade: Trade) -> Part | None:
    """How bare shares are got rid of next: by exits or by an order that closes; None when both have failed."""
    usual = (Part.CLOSE, Part.EXITS) if objection(trade) is not None else (Part.EXITS, Part.CLOSE)
    return next((part for part in usual if _may_try(trade, part)), None)


def _may_try(trade: Trade, part: Part) -> bool:
    if part is Part.EXITS and trade.exits is None:
        return False
    return sum(order.failed for order in trade.those(part)) < TRIES[part]


def _entry_request(trade: Trade) -> OrderRequest:
    intent, extended = trade.intent, trade.cleared is not None and trade.cleared.extended
    return OrderRequest(
        symbol=intent.symbol,
        side=intent.side,
        qty=intent.quantity,
        order_type="limit",
        limit_price=rules.limit_price(intent.side, intent.signal_price, intent.config.buffer(extended=extended)),
        extended_hours=extended,
        client_order_id=client_id(intent.intent_id, ENTRY),
    )


def _exits_request(trade: Trade, name: str) -> OrderRequest:
    intent, exits = trade.intent, trade.exits
    assert exits is not None
    return OrderRequest(
        symbol=intent.symbol,
        side=rules.opposite(intent.side),
        qty=trade.bare,
        order_type="limit",
        time_in_force=str(intent.config.exit_time_in_force),
        limit_price=exits.take_profit,
        take_profit_limit_price=exits.take_profit,
        stop_loss_stop_price=exits.stop_loss,
        order_class="oco",
        client_order_id=client_id(intent.intent_id, name),
    )


def _closing_request(trade: Trade, name: str) -> OrderRequest:
    intent, price = trade.intent, trade.price
    extended = trade.cleared is not None and trade.cleared.extended and price is not None
    side = rules.opposite(intent.side)
    return OrderRequest(
        symbol=intent.symbol,
        side=side,
        qty=trade.bare,
        order_type="limit" if extended else "market",
        limit_price=rules.closing_price(side, price) if extended and price is not None else None,
        extended_hours=extended,
        client_order_id=client_id(intent.intent_id, name),
    )


_REQUESTS: Mapping[Part, Callable[[Trade, str], OrderRequest]] = MappingProxyType(
    {Part.EXITS: _exits_request, Part.CLOSE: _closing_request}
)
