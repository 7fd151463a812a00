"""The next step of a trade: a table of rules, read from the top.

Getting rid of bare shares comes before everything else but the doubt about an order that may have done so already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fillwatch.core.orders import OrderRequest, exact
from fillwatch.core.results import FillOutcome
from fillwatch.core.trade import Trade
from fillwatch.core.trade_facts import ENTRY, Part, key, number_of
from fillwatch.core.trade_requests import covering, entering
from fillwatch.core.trade_terms import OnLostExits, OnPartial, OnSlippage

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
    """Cancel exits that stand for more shares than there are or do not protect any more, and see them over."""

    name: str
    order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Exits that stood are over: see how many of the shares they were for are still held."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Watch the exits for as long as they stand."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """Give the caller what is known: `reason` is why it is not more."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Nothing is left to do."""


Step = Check | Place | Watch | Verify | Withdraw | Count | Guard | Tell | Finish


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
    mends = trade.intent.config.on_lost_exits is not OnLostExits.REPORT
    for order in reversed(trade.those(Part.EXITS)):
        at_fault = mends and order.fault is not None
        if order.order_id is not None and not order.is_over and (trade.excess or at_fault):
            return Withdraw(name=order.name, order_id=order.order_id)
    return None


def _count(trade: Trade) -> Step | None:
    """Whoever ended the exits may have closed the position as well: what nobody holds is not to be sold."""
    lost = (order for order in trade.those(Part.EXITS) if order.is_lost and order.counted is None)
    return next((Count(name=order.name) for order in lost), None) if trade.bare else None


def _cover(trade: Trade) -> Step | None:
    part = way_out(trade) if trade.bare else None
    if part is None:
        return None
    name = key(part, 1 + max((number_of(order.name) for order in trade.those(part)), default=0))
    return Place(name=name, request=covering(part, trade, name), begun=False)


def _see_through(trade: Trade) -> Step | None:
    for order in (*trade.those(Part.CLOSE), *trade.those(Part.EXITS), trade.entry):
        if order.order_id is None or order.is_over:
            continue
        if order.part is not Part.EXITS:
            return Watch(name=order.name, order_id=order.order_id)
        if not order.works and order.fault is None:
            return Verify(name=order.name, order_id=order.order_id)
    return None


def _enter(trade: Trade) -> Step | None:
    if ENTRY in trade.orders:
        return None
    return Place(name=ENTRY, request=entering(trade), begun=False)


def _guard(trade: Trade) -> Step | None:
    standing = tuple(order.name for order in trade.those(Part.EXITS) if order.stands)
    return Guard(names=standing) if standing else None


#: In this order: what is asked and unanswered, then bare shares, then what is open, then what has not begun, then what
#: stands.
_RULES: tuple[Callable[[Trade], Step | None], ...] = (
    _declined,
    _check,
    _tell,
    _unanswered,
    _withdraw,
    _count,
    _cover,
    _see_through,
    _enter,
    _guard,
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
    """How bare shares are got rid of next: by exits or by an order that closes; None when both have failed, or when
    exits that stood are gone and nothing is to be done about it."""
    # Exits for shares that were taken back were withdrawn by ourselves; new ones follow in any case.
    lost = any(one.is_lost for one in trade.those(Part.EXITS)) and not trade.entry.undone
    after = trade.intent.config.on_lost_exits if lost else None
    if after is OnLostExits.REPORT:
        return None
    closes = after is OnLostExits.CLOSE or objection(trade) is not None
    usual = (Part.CLOSE, Part.EXITS) if closes else (Part.EXITS, Part.CLOSE)
    return next((part for part in usual if _may_try(trade, part)), None)


def _may_try(trade: Trade, part: Part) -> bool:
    if part is Part.EXITS and trade.exits is None:
        return False
    return sum(order.failed for order in trade.those(part)) < TRIES[part]
