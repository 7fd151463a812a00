"""How an order comes into the book: its record, and the version of it that its sender is answered with."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal

from fillwatch.core.orders import OrderRequest, OrderSnapshot, OrderStatus
from fillwatch.simulator.book import SHARE_UNIT, Record, Version, net, shown_average, shown_terms
from fillwatch.simulator.draws import drawn_id
from fillwatch.simulator.plans import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """An order that arrives at `t` (clock seconds), before anything has become of it.

    `stamp` is its creation in broker time, `known_since` when reads may first see it, `price` what one share is
    reckoned at, `shown` further fields of its JSON. `inherits`: whether it counts what the order that it `replaces` has
    executed. A leg has a `parent`. One that `waits` is placed and not yet in force; one that is `queued` came when the
    exchange could not take it.
    """

    number: int
    request: OrderRequest
    plan: Plan
    stream: random.Random
    price: Decimal
    t: float
    stamp: datetime
    foreign: bool = False
    known_since: float
    inherits: bool | None = None
    replaces: Record | None = None
    parent: Record | None = None
    waits: bool = False
    queued: bool = False
    shown: Mapping[str, object] = field(default_factory=dict)

    def record(self) -> Record:
        """The order with its first version, not yet in any book."""
        target = self.request.qty
        if target is None:
            assert self.request.notional is not None
            target = bought_for(self.request.notional, self.price)
        record = Record(
            number=self.number,
            order_id=drawn_id(self.stream),
            request=self.request,
            plan=self.plan,
            stream=self.stream,
            price=self.price,
            target=target,
            foreign=self.foreign,
            known_since=self.known_since,
            parent_id=None if self.parent is None else self.parent.order_id,
            waits=self.waits,
            hwm=None if self.replaces is None else self.replaces.hwm,
        )
        if self.replaces is not None:
            self._succeed(record, self.replaces)
        return record

    def _succeed(self, record: Record, old: Record) -> None:
        inherits = self.stream.random() < 0.5 if self.inherits is None else self.inherits
        if inherits:
            record.carried = old.all_trades
            return
        if record.request.qty is None:
            record.target = old.left
            return
        record.target = record.request.qty - (old.target - old.left)  # the total asked for, less what has executed
        record.request = replace(record.request, qty=record.target)

    def first_version(self, record: Record) -> Version:
        """How the broker describes the order at first."""
        request = record.request
        word = self.stream.choice(("pending_new", "accepted"))
        if self.queued:
            word = "accepted"
        if self.parent is not None:
            word = self.parent.now.raw_status if request.order_class == "mleg" else "held"
        order = OrderSnapshot(
            order_id=record.order_id,
            status=OrderStatus.parse(word),
            raw_status=word,
            client_order_id=request.client_order_id or drawn_id(self.stream),
            symbol=request.symbol,
            side=request.side,
            order_type=request.order_type,
            time_in_force=request.time_in_force,
            order_class="" if request.order_class == "simple" else request.order_class,
            qty=request.qty,
            notional=request.notional,
            filled_qty=net(record.carried),
            filled_avg_price=shown_average(record.carried),
            limit_price=request.limit_price,
            stop_price=request.stop_price,
            created_at=self.stamp,
            submitted_at=self.stamp - timedelta(microseconds=self.stream.choice((0, 0, 406))),
            updated_at=self.stamp,
            replaces=None if self.replaces is None else self.replaces.order_id,
        )
        return Version(t=self.t, order=order, shown={**shown_terms(request), **self.shown})


def bought_for(amount: Decimal, price: Decimal) -> Decimal:
    """The shares, to nine decimals and at least the smallest part of one, that an amount buys."""
    return max((amount / price).quantize(SHARE_UNIT, ROUND_DOWN), SHARE_UNIT)


def on_the_way(record: Record) -> float:
    """The seconds that an order takes to the exchange, drawn from its stream."""
    return record.stream.uniform(0.01, 0.08)
