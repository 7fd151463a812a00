"""A world on a clock that a test moves by hand, and the short words the tests use to speak with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from fillwatch.core.orders import OrderRequest, OrderSnapshot, Side
from fillwatch.simulator import Answer, Call, Fate, Op, Query, Reply, World


@dataclass(slots=True)
class HandClock:
    """Seconds that pass when a test says so."""

    t: float = 1_000.0

    def __call__(self) -> float:
        return self.t


class Scene:
    """A world, its clock, and questions to it at the present moment."""

    def __init__(self, seed: int = 1, **settings: Any) -> None:  # noqa: ANN401 - passed on to World
        self.clock = HandClock()
        self.world = World(seed, clock=self.clock, **({"requests_per_minute": None} | settings))
        self.ledger = self.world.ledger

    def place(self, fate: Fate, qty: str = "10", *, foreign: bool = False) -> str:
        """A buy of AAPL with this fate."""
        request = OrderRequest(symbol="AAPL", side=Side.BUY, qty=Decimal(qty))
        return self.world.place(request, fate, foreign=foreign)

    def after(self, seconds: float) -> Scene:
        """Let time pass."""
        self.clock.t += seconds
        self.world.advance()
        return self

    def ask(self, op: Op, target: str = "", **query: Any) -> Reply:  # noqa: ANN401 - fields of Query
        """One request, arriving now."""
        return self.world.receive(Call(op=op, target=target, query=Query(**query)))

    def submit(self, client_order_id: str | None = None, **changes: Any) -> Answer:  # noqa: ANN401 - of OrderRequest
        """A new order for ten AAPL."""
        wanted: dict[str, Any] = {"symbol": "AAPL", "side": Side.BUY, "qty": Decimal(10)} | changes
        request = OrderRequest(client_order_id=client_order_id, **wanted)
        return self.world.receive(Call(op=Op.SUBMIT, target=client_order_id or "", order=request)).answer

    def cancel(self, order_id: str) -> tuple[int, str]:
        """A cancel: status and message."""
        answer = self.ask(Op.CANCEL, order_id).answer
        return answer.status, answer.message

    def order(self, order_id: str) -> OrderSnapshot:
        """The order as a look shows it."""
        return self.ask(Op.LOOK, order_id).answer.versions[0].order

    def word(self, order_id: str) -> str:
        """Its status as a look shows it."""
        return self.order(order_id).raw_status

    def listed(self, **query: Any) -> list[str]:  # noqa: ANN401 - fields of Query
        """Order ids on a page of the list."""
        return [version.order.order_id for version in self.ask(Op.LIST, **query).answer.versions]

    def tape(self, **query: Any) -> list[str]:  # noqa: ANN401 - fields of Query
        """Execution ids on a page of the tape, oldest first."""
        rows = self.ask(Op.FILLS, **({"descending": False} | query)).answer.trades
        return [row.execution.execution_id for row in rows]

    def wall(self) -> datetime:
        """The broker's time now."""
        return self.world.wall(self.clock.t)
