"""The exchange behind the broker: it alone changes orders, each change at the moment its plan names."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import ROUND_DOWN
from typing import Any

from fillwatch.core.orders import Execution, OrderRequest, OrderSnapshot, OrderStatus
from fillwatch.simulator import answers
from fillwatch.simulator.acts import ACTS
from fillwatch.simulator.answers import Answer
from fillwatch.simulator.book import (
    NEW_YORK,
    SHARE_UNIT,
    CancelRequest,
    Change,
    Record,
    Trade,
    Version,
    net,
    shown_average,
)
from fillwatch.simulator.draws import drawn_id, price_of
from fillwatch.simulator.plans import Act, OnCancel, Plan, Step


@dataclass(slots=True, kw_only=True)
class Market:
    """Orders by id, and the heap of what is going to happen to them. `wall` turns clock seconds into broker time."""

    seed: int
    wall: Callable[[float], datetime]
    reached: Counter[str]
    inherits: bool | None = None
    records: dict[str, Record] = field(default_factory=dict)
    by_client_id: dict[str, str] = field(default_factory=dict)
    tape: list[Trade] = field(default_factory=list)
    #: Everything that ever happened, in order; push routes read it.
    changes: list[Change] = field(default_factory=list)
    _due: list[tuple[float, int, Record, Step, bool]] = field(default_factory=list)
    _scheduled: int = 0

    def advance(self, now: float) -> None:
        """Let everything that is due by `now` happen, each thing at its own time."""
        while self._due and self._due[0][0] <= now:
            t, _, record, step, last = heapq.heappop(self._due)
            if ACTS[step.act](self, record, step, t) and last:
                self.reached[f"fate:{record.plan.fate}"] += 1

    def next_due(self) -> float | None:
        """When (clock seconds) something will next happen by itself; None: nothing is planned."""
        return self._due[0][0] if self._due else None

    def place(
        self,
        request: OrderRequest,
        plan: Plan,
        t: float,
        *,
        foreign: bool = False,
        stamp: datetime | None = None,
        known_since: float | None = None,
        replaces: Record | None = None,
    ) -> Record:
        """A new order in the book. `stamp`: its creation in broker time; `known_since`: when reads may first see it."""
        number = len(self.records)
        stream = random.Random(f"{self.seed}/order/{number}")
        record = self._record(
            number, request, plan, stream, foreign=foreign, since=t if known_since is None else known_since
        )
        created = self.wall(t) if stamp is None else stamp
        if replaces is not None:
            self._succeed(record, replaces, stream)
        word = stream.choice(("pending_new", "accepted"))
        order = OrderSnapshot(
            order_id=record.order_id,
            status=OrderStatus.parse(word),
            raw_status=word,
            client_order_id=request.client_order_id or drawn_id(stream),
            symbol=request.symbol,
            side=request.side,
            order_type=request.order_type,
            time_in_force=request.time_in_force,
            order_class="" if request.order_class == "simple" else request.order_class,
            qty=record.request.qty,
            notional=request.notional,
            filled_qty=net(record.carried),
            filled_avg_price=shown_average(record.carried),
            limit_price=request.limit_price,
            stop_price=request.stop_price,
            created_at=created,
            submitted_at=created - timedelta(microseconds=stream.choice((0, 0, 406))),
            updated_at=created,
            replaces=None if replaces is None else replaces.order_id,
        )
        self._append(record, Version(t=t, order=order), None)
        self.records[record.order_id] = record
        self.by_client_id[order.client_order_id] = record.order_id
        self.schedule(record, Step(after=stream.uniform(0.01, 0.08), act=Act.STATUS, word="new"), t, last=False)
        for step in plan.steps:
            self.schedule(record, step, t, last=step is plan.steps[-1])
        return record

    def cancel(self, order_id: str, t: float) -> Answer:
        """Ask for an order to be cancelled, by the broker's rules (facts on statuses and errors)."""
        record = self.records.get(order_id)
        if record is None:
            return answers.order_not_found(order_id)
        answer = self._take_cancel(record, t)
        record.cancels.append(CancelRequest(t=t, status=answer.status))
        return answer

    def _take_cancel(self, record: Record, t: float) -> Answer:
        rule: OnCancel = record.plan.on_cancel
        word = record.now.raw_status
        if record.now.status.is_terminal:
            return answers.already(word)
        if word == "pending_replace":
            return answers.CANNOT_CANCEL_REPLACING
        if word == "pending_cancel":
            return Answer(status=204)
        if len(record.cancels) < rule.refusals:
            return answers.NOT_CANCELABLE
        if rule.filled_first:
            ACTS[Act.FILL](self, record, Step(after=0.0, act=Act.FILL), t)
            self.reached[f"fate:{record.plan.fate}"] += 1
            return answers.already("filled")
        self.publish(record, t, word="pending_cancel")
        for step in rule.aftermath:
            self.schedule(record, step, t, last=not record.plan.steps and step is rule.aftermath[-1])
        if not rule.aftermath:
            self.reached[f"fate:{record.plan.fate}"] += 1
        return Answer(status=204)

    def _record(
        self, number: int, request: OrderRequest, plan: Plan, stream: random.Random, *, foreign: bool, since: float
    ) -> Record:
        price = price_of(self.seed, request)
        target = request.qty
        if target is None:
            assert request.notional is not None
            target = max((request.notional / price).quantize(SHARE_UNIT, ROUND_DOWN), SHARE_UNIT)
        return Record(
            number=number,
            order_id=drawn_id(stream),
            request=request,
            plan=plan,
            stream=stream,
            price=price,
            target=target,
            foreign=foreign,
            known_since=since,
        )

    def _succeed(self, record: Record, old: Record, stream: random.Random) -> None:
        inherits = stream.random() < 0.5 if self.inherits is None else self.inherits
        if inherits:
            record.carried = old.all_trades
            return
        record.target = old.left
        if record.request.qty is not None:
            record.request = replace(record.request, qty=old.left)

    def schedule(self, record: Record, step: Step, t: float, *, last: bool) -> None:
        """Let a step happen `step.after` seconds from `t`; with the `last` one its fate has come to pass."""
        heapq.heappush(self._due, (t + step.after, self._scheduled, record, step, last))
        self._scheduled += 1

    def publish(
        self,
        record: Record,
        t: float,
        *,
        word: str | None = None,
        stamp: str = "",
        trade: Trade | None = None,
        **changes: Any,  # noqa: ANN401 - fields of OrderSnapshot
    ) -> None:
        """A new version of the order from `t` on: another status word, a time field set, other fields changed.

        `trade` is the row of the tape that this change comes of.
        """
        old = record.versions[-1]
        if word is not None:
            changes.update(status=OrderStatus.parse(word), raw_status=word)
        order = replace(old.order, updated_at=self.wall(t), **changes)
        stamps = {**old.stamps, stamp: self.wall(t)} if stamp else old.stamps
        self._append(record, Version(t=t, order=order, stamps=stamps), trade)

    def _append(self, record: Record, version: Version, trade: Trade | None) -> None:
        record.versions.append(version)
        self.changes.append(Change(t=version.t, record=record, version=version, trade=trade))

    def print_row(self, record: Record, t: float, row: Execution) -> Trade:
        """Write an execution, a bust or a correction on the tape; it is to be published with the order's change."""
        at = self.wall(t).astimezone(NEW_YORK)
        row_id = f"{at:%Y%m%d%H%M%S}{at.microsecond // 1000:03d}::{row.execution_id}"
        trade = Trade(t=t, execution=row, row_id=row_id)
        record.trades.append(trade)
        self.tape.append(trade)
        return trade
