"""From a chain of beliefs to the position book."""

from __future__ import annotations

import math
from decimal import Decimal

from fillwatch.core.belief import OrderBelief
from fillwatch.core.chain import OrderChain
from fillwatch.core.positions import PositionBook
from fillwatch.core.tape import ZERO


def record_chain(book: PositionBook, chain: OrderChain, now: float) -> None:
    """Bring `book` up to date with what `chain` has executed; nothing as long as that is not known.

    A successor's quantity may hold its predecessors', which are taken off.
    """
    total = chain.filled_quantity
    if total is None:
        return
    if not chain.has_successors:  # most
        _record(book, chain.first, total, now)
        return
    earlier = ZERO
    links = [*chain.links()]
    for link in links:
        own = total - earlier if link is links[-1] else (link.filled_quantity or ZERO)
        earlier += own
        _record(book, link, own, now)


def _record(book: PositionBook, link: OrderBelief, own: Decimal, now: float) -> None:
    best, seen = link.best, link.seen_as_of
    if best is not None and best.symbol and best.side is not None:
        symbol, side = best.symbol, best.side  # what is read off the link below, for most
    else:
        symbol, told = link.symbol, link.side
        if not symbol or told is None:
            return
        side = told
    book.record(
        link.order_id,
        symbol=symbol,
        side=side,
        quantity=own,
        as_of=seen if seen > -math.inf else now,
        at=link.filled_at,
        created_at=None if best is None else best.created_at,
        busts=link.undone,
    )
