"""A world whose orders go by the market, at prices that the test sets."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fillwatch.core.orders import Side
from fillwatch.simulator import Fate
from fillwatch.simulator.book import Record, Trade
from fillwatch.simulator.market import Market
from tests.simulator.at import Scene

D = Decimal
#: Longest way of an order to the exchange, in seconds.
ROUTED = 0.08


class Floor(Scene):
    """A world whose orders go by the market, at prices of AAPL that the test sets: 100 at first."""

    def __init__(self, seed: int = 1, **settings: Any) -> None:  # noqa: ANN401 - passed on to World
        super().__init__(seed, **({"fate": Fate.MARKET, "partial_fills": 0.0} | settings))
        self.costs("100")

    @property
    def market(self) -> Market:
        """The market behind the desk."""
        return self.world.door.market

    def after(self, seconds: float) -> Floor:
        """Let time pass."""
        super().after(seconds)
        return self

    def costs(self, price: str) -> Floor:
        """AAPL costs this from now on."""
        self.world.set_price("AAPL", price)
        return self

    def order_of(self, side: str, order_type: str, **terms: Any) -> str:  # noqa: ANN401 - of OrderRequest
        """Submit an order for ten AAPL and let it reach the exchange; numbers may be given as text."""
        answer = self.submit(side=Side(side), order_type=order_type, **terms)
        assert not answer.is_error, answer
        self.after(ROUTED)
        return answer.versions[0].order.order_id

    def record(self, order_id: str) -> Record:
        """The order as the market keeps it."""
        return self.market.records[order_id]

    def trades(self, order_id: str) -> tuple[Trade, ...]:
        """Its executions."""
        return self.ledger.truth(order_id).trades

    def filled(self, order_id: str) -> list[str]:
        """Quantity and price of each execution."""
        return [f"{trade.execution.qty}@{trade.execution.price}" for trade in self.trades(order_id)]

    def words(self, order_id: str) -> list[str]:
        """Every status it had, after the first."""
        return [word for _, _, word in self.ledger.truth(order_id).statuses][1:]
