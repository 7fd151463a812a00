"""Whether the exits of a position stand, read off what the broker shows of orders.

An OCO is two orders: the take-profit, whose id we know, and the stop-loss beside it, `held` until it is triggered and
then perhaps replaced by an order that executes in its place (Alpaca's "Orders at Alpaca"; alpaca-backtrader-api issue
80). The list names no parents, so the stop is known by its symbol, side, price, and time of making.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from fillwatch.core.orders import OrderRequest, OrderSnapshot, OrderStatus
from fillwatch.core.trade_facts import Looked
from fillwatch.core.trade_order import ZERO, average

#: Both orders of an OCO are made in one go; apart from a moment, their times of making are the same.
SAME_MOMENT = timedelta(seconds=5)

#: Statuses in which an exit does not stand yet, or not any more, though it is not over.
_SHAKY = frozenset(
    {
        *(OrderStatus.PENDING_NEW, OrderStatus.PENDING_REVIEW, OrderStatus.PENDING_CANCEL),
        *(OrderStatus.SUSPENDED, OrderStatus.UNKNOWN),
    }
)


def exits_seen(
    name: str,
    request: OrderRequest,
    parent_id: str,
    rows: Iterable[OrderSnapshot],
    *,
    at: datetime,
    known: Collection[str] = (),
    taken: Callable[[str], bool] = lambda order_id: False,
) -> Looked | None:
    """What `rows` (a page of the list, looks at single orders) say of the exits; None when the parent is not there.
    `known`: ids that were seen to belong to them before; `taken` says of an id whether it belongs to other exits.

    Working: the take-profit stands, in the same symbol, on the same side and for the very quantity of `request`, and a
    stop stands beside it. Over: neither can execute any more.
    """
    book = _book(rows)
    parent = book.get(parent_id)
    if parent is None:
        return None
    targets = _with_successors(book, [parent])
    others = set(known) - {order.order_id for order in targets}
    stops = _stops(book, request, parent, others, taken)
    stops = [order for order in _with_successors(book, stops) if order not in targets]
    traded = [order for order in (*targets, *stops) if order.filled_qty]
    filled = sum((order.filled_qty or ZERO for order in traded), ZERO)
    is_all = request.qty is not None and filled >= request.qty
    none_lives = all(_has_ended(order) for order in (*targets, *stops))
    return Looked(
        at=at,
        name=name,
        order_ids=tuple(order.order_id for order in (*targets, *stops)),
        filled=filled,
        price=average((order.filled_qty, order.filled_avg_price) for order in traded),
        over=is_all or (none_lives and bool(stops)),
        working=_refers(parent, request) and any(map(_stands, targets)) and any(map(_stands, stops)),
    )


def _book(rows: Iterable[OrderSnapshot]) -> Mapping[str, OrderSnapshot]:
    """Each order once, the newest of what was shown of it, and legs beside their parents."""
    book: dict[str, OrderSnapshot] = {}
    for row in rows:
        for order in (row, *row.legs):
            known = book.get(order.order_id)
            if known is None or _stamp(order) >= _stamp(known):
                book[order.order_id] = order
    return book


def _stamp(order: OrderSnapshot) -> tuple[bool, datetime | None]:
    return (order.updated_at is not None, order.updated_at)


def _stops(
    book: Mapping[str, OrderSnapshot],
    request: OrderRequest,
    parent: OrderSnapshot,
    known: Collection[str],
    taken: Callable[[str], bool],
) -> list[OrderSnapshot]:
    """The stop: what was known, or a leg of the parent, or what was made in the same moment and is nobody else's."""
    sure = {*known, *(leg.order_id for leg in parent.legs)}
    if sure:
        return [order for order in book.values() if order.order_id in sure and order.order_id != parent.order_id]
    near = [order for order in book.values() if _is_stop(order, request, parent) and not taken(order.order_id)]
    later = {order.replaced_by for order in near}
    near = [order for order in near if order.order_id not in later]
    return sorted(near, key=lambda order: (_apart(order, parent), order.order_id))[:1]


def _apart(order: OrderSnapshot, parent: OrderSnapshot) -> timedelta:
    made, near = order.created_at, parent.created_at
    return timedelta.max if made is None or near is None else abs(made - near)


def _is_stop(order: OrderSnapshot, request: OrderRequest, parent: OrderSnapshot) -> bool:
    return (
        order.order_id != parent.order_id
        and order.order_class == "oco"
        and order.symbol == parent.symbol
        and order.side == request.side
        and order.stop_price == request.stop_loss_stop_price
        and _apart(order, parent) <= SAME_MOMENT
    )


def _with_successors(book: Mapping[str, OrderSnapshot], orders: list[OrderSnapshot]) -> list[OrderSnapshot]:
    found: dict[str, OrderSnapshot] = {}
    for order in orders:
        current: OrderSnapshot | None = order
        while current is not None and current.order_id not in found:
            found[current.order_id] = current
            current = book.get(current.replaced_by or "")
    return list(found.values())


def _refers(parent: OrderSnapshot, request: OrderRequest) -> bool:
    return parent.symbol == request.symbol and parent.side == request.side and parent.qty == request.qty


def _has_ended(order: OrderSnapshot) -> bool:
    """A status may be ahead of the quantity: an order that is filled and shows less has not been seen to the end."""
    if order.status is OrderStatus.FILLED:
        return order.qty is not None and order.filled_qty == order.qty
    return order.status.is_terminal


def _stands(order: OrderSnapshot) -> bool:
    return not order.status.is_terminal and order.status not in _SHAKY


def complaint(quantity: Decimal, target: OrderSnapshot, stop: OrderSnapshot) -> str | None:
    """What is wrong with exits for `quantity` shares of which at least one lives; None: they protect, as far as it can
    be told, or are on their way.

    A take-profit that is over while its stop executes is as it should be, and so are both while one is being replaced.
    The stop of a take-profit that was filled in part is to stand for the rest (facts §3c: the broker shrinks it; users
    of paper accounts saw neither trigger any more).
    """
    filled = (target.filled_qty or ZERO) + (stop.filled_qty or ZERO)
    left = quantity - filled
    if left <= 0 or target.status in _SHAKY or stop.status in _SHAKY:
        return None
    if stop.status.is_terminal:
        return f"the stop is {stop.status.value}, the target alone stands" if not target.status.is_terminal else None
    if target.status.is_terminal:
        held_back = stop.status is OrderStatus.HELD
        return f"the target is {target.status.value}, and the stop is still held back" if held_back else None
    if stop.leaves_qty is not None and stop.leaves_qty != left:
        return f"the stop stands for {stop.leaves_qty} shares, {left} are left"
    return None
