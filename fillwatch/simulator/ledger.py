"""The truth: what really happened to every order, and every request as the broker saw it arrive. Read only."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from fillwatch.core.orders import Execution, OrderStatus, Side
from fillwatch.simulator.book import (
    CancelRequest,
    Record,
    Trade,
    exact_average,
    net,
    shown_average,
)
from fillwatch.simulator.fates import Fate


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One request as the broker saw it arrive at `t` (clock seconds).

    `status` is the HTTP status it was answered with, 0 for none. `committed`: it was carried out, whatever was
    answered. `fault` names what struck it, "" for nothing.
    """

    t: float
    operation: str
    method: str
    target: str
    status: int
    committed: bool
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """All that is true of one order at the moment it was asked for. Times `t` are clock seconds.

    `trades` are this order id's own (busts and corrections included); `average_price` is exact to 60 digits,
    `shown_average` as the broker displays it; both count what the broker counts for this id, an inherited part
    included. `ended_at` is None while the order lives. Of a leg, `parent_id` is the order it belongs to now.
    """

    order_id: str
    client_order_id: str
    symbol: str
    side: Side
    qty: Decimal | None
    notional: Decimal | None
    target: Decimal
    fate: Fate
    needs_cancel: bool
    foreign: bool
    status: OrderStatus
    raw_status: str
    filled_qty: Decimal
    average_price: Decimal | None
    shown_average: Decimal | None
    replaces: str | None
    replaced_by: str | None
    parent_id: str | None
    placed_at: float
    ended_at: float | None
    trades: tuple[Trade, ...]
    statuses: tuple[tuple[float, datetime, str], ...]
    cancels: tuple[CancelRequest, ...]

    @property
    def executions(self) -> tuple[Execution, ...]:
        """The rows of the tape that belong to this order id."""
        return tuple(trade.execution for trade in self.trades)


class Ledger:
    """The world's book, to be read. Every question first lets the world catch up with its clock."""

    def __init__(
        self, records: Mapping[str, Record], arrivals: list[Arrival], catch_up: Callable[[], float], seed: int
    ) -> None:
        self._records = records
        self._arrivals = arrivals
        self._catch_up = catch_up
        self._seed = seed

    @property
    def order_ids(self) -> tuple[str, ...]:
        """Every order there is, in the order of their making, foreign ones and successors included."""
        self._catch_up()
        return tuple(self._records)

    @property
    def arrivals(self) -> tuple[Arrival, ...]:
        """Every request that arrived, in order."""
        return tuple(self._arrivals)

    def truth(self, order_id: str) -> Truth:
        """What is true of an order now. `KeyError` for an id that does not exist."""
        self._catch_up()
        return _truth(self._records[order_id])

    def executed_at(self, order_id: str, t: float = math.inf, *, busts: bool = True) -> Decimal:
        """Shares of this order id executed by `t` (clock seconds); `busts=False` takes none off again."""
        self._catch_up()
        trades = (trade for trade in self._records[order_id].trades if trade.t <= t)
        return net(trade for trade in trades if busts or trade.change > 0)

    def chain(self, order_id: str) -> tuple[str, ...]:
        """The ids that `order_id` became, itself first: each replaced by the next."""
        self._catch_up()
        ids = [order_id]
        while (successor := self._records[ids[-1]].now.replaced_by) is not None:
            ids.append(successor)
        return tuple(ids)

    def executed_in_chain(self, order_id: str, t: float = math.inf, *, busts: bool = True) -> Decimal:
        """Shares executed by `t` under this id and all its successors."""
        ids = self.chain(order_id)
        return sum((self.executed_at(member, t, busts=busts) for member in ids), Decimal(0))

    def average_in_chain(self, order_id: str, t: float = math.inf, *, exact: bool = True) -> Decimal | None:
        """Average price of the whole chain by `t`: exact to 60 digits, or rounded as the broker would show it."""
        ids = self.chain(order_id)
        trades = [trade for member in ids for trade in self._records[member].trades if trade.t <= t]
        return exact_average(trades) if exact else shown_average(trades)

    def position(self, symbol: str, t: float = math.inf) -> Decimal:
        """Signed shares of a symbol by `t`, everybody's trades on the account together."""
        self._catch_up()
        signed = (
            trade.change * record.request.side.sign
            for record in self._records.values()
            if record.request.symbol == symbol
            for trade in record.trades
            if trade.t <= t
        )
        return sum(signed, Decimal(0))

    def worst_window(self, seconds: float = 60.0) -> int:
        """The most requests that arrived in any `seconds` (half open), refused and unanswered ones included."""
        times = [arrival.t for arrival in self._arrivals]
        worst = start = 0
        for end, t in enumerate(times):
            while times[start] <= t - seconds:
                start += 1
            worst = max(worst, end - start + 1)
        return worst

    def as_dict(self) -> dict[str, object]:
        """Everything, in values that JSON takes; the same world gives the same text."""
        self._catch_up()
        return {
            "seed": self._seed,
            "orders": [_plain(_truth(record)) for record in self._records.values()],
            "arrivals": [
                [a.t, a.operation, a.method, a.target, a.status, a.committed, a.fault] for a in self._arrivals
            ],
        }


def _truth(record: Record) -> Truth:
    order = record.now
    trades = record.all_trades
    changes = [
        version
        for before, version in zip([None, *record.versions], record.versions, strict=False)
        if before is None or before.order.raw_status != version.order.raw_status
    ]
    return Truth(
        order_id=record.order_id,
        client_order_id=order.client_order_id,
        symbol=record.request.symbol,
        side=record.request.side,
        qty=order.qty,
        notional=order.notional,
        target=record.target,
        fate=record.plan.fate,
        needs_cancel=record.plan.needs_cancel,
        foreign=record.foreign,
        status=order.status,
        raw_status=order.raw_status,
        filled_qty=net(trades),
        average_price=exact_average(trades),
        shown_average=shown_average(trades),
        replaces=order.replaces,
        replaced_by=order.replaced_by,
        parent_id=record.parent_id,
        placed_at=record.versions[0].t,
        ended_at=changes[-1].t if order.status.is_terminal else None,
        trades=tuple(record.trades),
        statuses=tuple((v.t, v.order.updated_at or v.order.created_at, v.order.raw_status) for v in changes),  # type: ignore[misc] # created_at is always set here
        cancels=tuple(record.cancels),
    )


def _plain(truth: Truth) -> dict[str, object]:
    return {
        "id": truth.order_id,
        "client_order_id": truth.client_order_id,
        "symbol": truth.symbol,
        "side": truth.side.value,
        "qty": None if truth.qty is None else str(truth.qty),
        "notional": None if truth.notional is None else str(truth.notional),
        "target": str(truth.target),
        "fate": truth.fate.value,
        "needs_cancel": truth.needs_cancel,
        "foreign": truth.foreign,
        "status": truth.raw_status,
        "filled_qty": str(truth.filled_qty),
        "average_price": None if truth.average_price is None else str(truth.average_price),
        "replaces": truth.replaces,
        "replaced_by": truth.replaced_by,
        "parent_id": truth.parent_id,
        "placed_at": truth.placed_at,
        "ended_at": truth.ended_at,
        "trades": [
            {
                "t": trade.t,
                "id": trade.execution.execution_id,
                "kind": trade.execution.kind.value,
                "qty": str(trade.execution.qty),
                "price": str(trade.execution.price),
                "previous_id": trade.execution.previous_id,
            }
            for trade in truth.trades
        ],
        "statuses": [[t, at.isoformat(), word] for t, at, word in truth.statuses],
        "cancels": [[cancel.t, cancel.status] for cancel in truth.cancels],
    }
