"""An account's open orders of one side of a symbol, as the other side meets them: which of them it would trade with."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from decimal import Decimal

from fillwatch.core.orders import OrderRequest, Side
from fillwatch.simulator.book import Record

#: Types that trade at whatever price there is, once they trade.
AT_ANY_PRICE = frozenset({"market", "stop", "trailing_stop"})


@dataclass(slots=True)
class Rivals:
    """The simple orders of one side. Orders with legs, legs and trailing stops are let through by the broker.

    Of limits only the best one is looked at, so that ten thousand open orders cost no more than one.
    """

    at_any_price: dict[str, Record] = field(default_factory=dict)
    _limits: dict[str, Record] = field(default_factory=dict)
    _best: list[tuple[Decimal, int, str]] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """An order has come in."""
        request = record.request
        if request.order_class != "simple" or request.order_type == "trailing_stop":
            return
        if request.order_type in AT_ANY_PRICE:
            self.at_any_price[record.order_id] = record
            return
        assert request.limit_price is not None
        self._limits[record.order_id] = record
        worth = -request.limit_price if request.side is Side.BUY else request.limit_price
        heapq.heappush(self._best, (worth, record.number, record.order_id))

    def discard(self, record: Record) -> None:
        """An order is over."""
        self.at_any_price.pop(record.order_id, None)
        self._limits.pop(record.order_id, None)

    def met_by(self, request: OrderRequest) -> Record | None:
        """The order of this side that a simple order of the other would trade with, by their terms."""
        for record in self.at_any_price.values():
            return record
        best = self._best_limit()
        if best is None or request.order_type in AT_ANY_PRICE:
            return best
        assert request.limit_price is not None
        assert best.request.limit_price is not None
        crosses = (request.limit_price - best.request.limit_price) * request.side.sign >= 0
        return best if crosses else None

    def _best_limit(self) -> Record | None:
        while self._best and self._best[0][2] not in self._limits:
            heapq.heappop(self._best)
        return self._limits[self._best[0][2]] if self._best else None
