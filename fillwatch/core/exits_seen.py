"""Whether the exits of a position stand, read off what the broker shows of orders.

An OCO is two orders: the take-profit, whose id we know, and the stop-loss beside it, `held` until it is triggered and
then perhaps replaced by an order that executes in its place (Alpaca's "Orders at Alpaca"; alpaca-backtrader-api issue
80). The list names no parents, so the stop is known by its symbol, side, price, and time of making.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from fillwatch.core.orders import OrderRequest, OrderSnapshot, OrderStatus
from fillwatch.core.trade_facts import Looked

#: Both orders of an OCO are made in one go; apart from a moment, their times of making are the same.
SAME_MOMENT = timedelta(seconds=5)
ZERO = Decimal(0)

#: Statuses in which an exit does not stand yet, or not any more, though it is not over.
_SHAKY = frozenset(
    {
        *(OrderStatus.PENDING_NEW, OrderStatus.PENDING_REVIEW, OrderStatus.PENDING_CANCEL),
        *(OrderStatus.SUSPENDED, OrderStatus.UNKNOWN),
    }
)


def exits_seen(
    name: str, request: OrderRequest, parent_id: str, rows: Iterable[OrderSnapshot], *, at: datetime
) -> Looked | None:
    """What `rows` (a page of the list, a look at the parent) say of the exits; None when the parent is not there.

    Working: the take-profit stands, in the same symbol, on the same side and for the very quantity of `request`, and a
    stop stands beside it. Over: neither can execute any more.
    """
    book = _book(rows)
    parent = book.get(parent_id)
    if parent is None:
        return None
    stops = [order for order in book.values() if order.order_id != parent_id and _is_stop(order, request, parent)]
    targets = _with_successors(book, [parent])
    stops = [order for order in _with_successors(book, stops) if order not in targets]
    filled = sum((order.filled_qty or ZERO for order in (*targets, *stops)), ZERO)
    is_all = request.qty is not None and filled >= request.qty
    none_lives = all(order.status.is_terminal for order in (*targets, *stops))
    return Looked(
        at=at,
        name=name,
        order_ids=tuple(order.order_id for order in (*targets, *stops)),
        filled=filled,
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


def _is_stop(order: OrderSnapshot, request: OrderRequest, parent: OrderSnapshot) -> bool:
    if order.order_id in {leg.order_id for leg in parent.legs}:
        return True
    made, near = order.created_at, parent.created_at
    return (
        order.order_class == "oco"
        and order.symbol == parent.symbol
        and order.side == request.side
        and order.stop_price == request.stop_loss_stop_price
        and made is not None
        and near is not None
        and abs(made - near) <= SAME_MOMENT
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


def _stands(order: OrderSnapshot) -> bool:
    return not order.status.is_terminal and order.status not in _SHAKY
