# mypy: ignore-errors
# Its packages are in an environment of its own, where no type checker goes.
"""How many updates of orders our core takes in within a second: the same as the other trackers are given."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from telling import figure

from fillwatch.core.belief import OrderBelief
from fillwatch.core.evidence import Route, Seen
from fillwatch.core.orders import Execution, ExecutionKind, OrderSnapshot, OrderStatus

ORDERS, FILLS, RUNS = 2_000, 10, 3
BEGAN = datetime(2026, 6, 15, 14, 30, tzinfo=UTC)


def updates(order_id: str) -> list[Seen]:
    """New, and ten executions of ten shares, each with the order as it then is."""
    base = OrderSnapshot(order_id=order_id, status=OrderStatus.NEW, qty=Decimal(100), filled_qty=Decimal(0),
                         updated_at=BEGAN)  # fmt: skip
    found: list[Seen] = [Seen(order=base, route=Route.STREAM, as_of=0.0)]
    for number in range(1, FILLS + 1):
        row = Execution(
            execution_id=f"{order_id}-{number}",
            order_id=order_id,
            kind=ExecutionKind.FILL,
            qty=Decimal(10),
            price=Decimal("10.00"),
            cum_qty=Decimal(10 * number),
            at=BEGAN + timedelta(milliseconds=number),
        )
        status = OrderStatus.FILLED if number == FILLS else OrderStatus.PARTIALLY_FILLED
        order = replace(
            base,
            status=status,
            filled_qty=Decimal(10 * number),
            filled_avg_price=Decimal("10.00"),
            updated_at=BEGAN + timedelta(milliseconds=number),
        )
        found.append(Seen(order=order, route=Route.STREAM, as_of=float(number), execution=row))
    return found


def main() -> None:
    """The best of several runs."""
    best = 0.0
    for _ in range(RUNS):
        given = [(OrderBelief(str(number)), updates(str(number))) for number in range(ORDERS)]
        began = time.perf_counter()
        for belief, evidence in given:
            for each in evidence:
                belief.absorb(each)
        best = max(best, ORDERS * FILLS / (time.perf_counter() - began))
        assert all(belief.filled_quantity == 100 for belief, _ in given)
    figure("executions a second", best)


main()
