"""Which orders belong together, and what each is to the others: reading the book only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from fillwatch.core.orders import OrderRequest, OrderStatus, Side
from fillwatch.simulator.book import Change, Record, Version, net
from fillwatch.simulator.plans import Act

#: The order classes whose orders bring others with them.
GROUPED = frozenset({"bracket", "oco", "oto"})

Book = Mapping[str, Record]


class Role(StrEnum):
    """What an order is to its group. The take-profit of an OCO is the parent of its stop-loss."""

    ENTRY = "entry"
    TAKE_PROFIT = "take_profit"
    STOP_LOSS = "stop_loss"


class Turn(StrEnum):
    """What has become of a member, as far as it concerns the others."""

    PART = "part"
    FILLED = "filled"
    ENDED = "ended"
    REPLACED = "replaced"


#: Total over the statuses that end an order.
_TURNS: Mapping[OrderStatus, Turn] = MappingProxyType(
    {
        OrderStatus.FILLED: Turn.FILLED,
        OrderStatus.CANCELED: Turn.ENDED,
        OrderStatus.EXPIRED: Turn.ENDED,
        OrderStatus.REJECTED: Turn.ENDED,
        OrderStatus.REPLACED: Turn.REPLACED,
    }
)


def turn(change: Change) -> Turn | None:
    """What a change means to the group, if anything."""
    status = change.version.order.status
    if status.is_terminal:
        return _TURNS[status]
    return None if change.trade is None else Turn.PART


def exits_of(request: OrderRequest) -> tuple[OrderRequest, ...]:
    """The orders that `request` brings with it, the take-profit first."""
    if request.order_class not in GROUPED:
        return ()
    is_oco = request.order_class == "oco"
    opposite = Side.SELL if request.side is Side.BUY else Side.BUY
    plain = replace(
        request,
        side=request.side if is_oco else opposite,
        order_type="market",
        limit_price=None,
        stop_price=None,
        client_order_id=None,
        take_profit_limit_price=None,
        stop_loss_stop_price=None,
        stop_loss_limit_price=None,
    )
    target, stop, limit = request.take_profit_limit_price, request.stop_loss_stop_price, request.stop_loss_limit_price
    exits = []
    if target is not None and not is_oco:
        exits.append(replace(plain, order_type="limit", limit_price=target))
    if stop is not None:
        kind = "stop" if limit is None else "stop_limit"
        exits.append(replace(plain, order_type=kind, stop_price=stop, limit_price=limit))
    return tuple(exits)


def role(book: Book, record: Record) -> Role:
    """What the order is to its group; a successor is what the first of its chain was."""
    *_, first = chain(book, record)
    if first.parent_id is None:
        return Role.TAKE_PROFIT if first.request.order_class == "oco" else Role.ENTRY
    return Role.TAKE_PROFIT if first.request.stop_price is None else Role.STOP_LOSS


def chain(book: Book, record: Record) -> Iterator[Record]:
    """The order and those it replaced, newest first."""
    yield record
    while record.now.replaces is not None:
        record = book[record.now.replaces]
        yield record


def entered(book: Book, entry: Record) -> Decimal:
    """Shares that an entry and those it replaced have executed together."""
    return sum((net(record.trades) for record in chain(book, entry)), Decimal(0))


def legs(book: Book, parent: Record) -> list[Record]:
    """The legs of an order, replaced ones and their successors included."""
    return [book[order_id] for order_id in parent.leg_ids]


def living_others(book: Book, record: Record) -> list[Record]:
    """The members of the order's group that are not over, itself left out."""
    parent = record if record.parent_id is None else book[record.parent_id]
    members = [parent, *legs(book, parent)]
    return [other for other in members if other is not record and not other.now.status.is_terminal]


def is_held_again(old: Record, successor: Record) -> bool:
    """Whether the successor of a leg is to be `held` as `old` was: not if it is the one that executes for a stop."""
    if old.waits:
        return True
    executes = successor.request.stop_price is None or any(step.act is Act.REPLACE for step in old.plan.steps)
    return _settled_word(old) == "held" and not executes


def has_the_shares(book: Book, record: Record) -> bool:
    """Whether it is a stop that has been triggered, so that the take-profit is over for its sake."""
    return role(book, record) is Role.STOP_LOSS and _settled_word(record) != "held"


def _settled_word(record: Record) -> str:
    """The latest of its statuses that is not on the way to another."""
    words = (version.order.raw_status for version in reversed(record.versions))
    return next((word for word in words if word not in ("pending_cancel", "pending_replace", "replaced")), "")


def nested(book: Book, parent: Record, t: float) -> tuple[Version, ...]:
    """What a nested read of the state of `t` (clock seconds) rolls up under an order: its legs as they were then.

    Of a leg and its successor only the latter; of an order that was replaced none: they are its successor's.
    """
    seen = parent.version_at(t)
    if seen is None or seen.order.replaced_by is not None:
        return ()
    versions = [leg.version_at(t) for leg in legs(book, parent)]
    return tuple(version for version in versions if version is not None and version.order.replaced_by is None)
