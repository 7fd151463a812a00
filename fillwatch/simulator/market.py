"""The exchange behind the broker: it alone changes orders, each change at the moment its plan names."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from fillwatch.core.orders import Execution, OrderRequest, OrderStatus
from fillwatch.simulator import answers
from fillwatch.simulator.acts import ACTS
from fillwatch.simulator.answers import Answer
from fillwatch.simulator.book import NEW_YORK, CancelRequest, Change, Record, Trade, Version
from fillwatch.simulator.draws import price_of
from fillwatch.simulator.fates import Fate
from fillwatch.simulator.legs import Legs
from fillwatch.simulator.matching import Floor
from fillwatch.simulator.placing import Placing, on_the_way
from fillwatch.simulator.plans import Act, OnCancel, Plan, Step
from fillwatch.simulator.prices import Quotes
from fillwatch.simulator.session import Session
from fillwatch.simulator.shelf import Shelf
from fillwatch.simulator.spreads import is_spread_leg


@dataclass(slots=True, kw_only=True)
class Market:
    """Orders by id, and the heap of what is going to happen to them. `wall` turns clock seconds into broker time."""

    seed: int
    wall: Callable[[float], datetime]
    reached: Counter[str]
    quotes: Quotes
    session: Session
    inherits: bool | None = None
    records: dict[str, Record] = field(default_factory=dict)
    by_client_id: dict[str, str] = field(default_factory=dict)
    tape: list[Trade] = field(default_factory=list)
    #: Everything that ever happened, in order; push routes read it.
    changes: list[Change] = field(default_factory=list)
    #: Called, without arguments, after each change: push routes wait for them.
    heard: list[Callable[[], None]] = field(default_factory=list)
    #: The orders as the list shows them.
    shelf: Shelf = field(default_factory=Shelf)
    #: Where orders wait for prices.
    floor: Floor = field(init=False)
    _due: list[tuple[float, int, Record, Step, bool]] = field(default_factory=list)
    #: What becomes of brackets, OCOs and OTOs.
    legs: Legs = field(init=False)
    _scheduled: int = 0

    def __post_init__(self) -> None:
        self.legs = Legs(market=self)
        self.floor = Floor(market=self)

    def advance(self, now: float) -> None:
        """Let everything that is due by `now` happen, each thing at its own time."""
        while (due := self.next_due()) is not None and due <= now:
            if not self._due or self._due[0][0] > due:
                self._look()
                continue
            t, _, record, step, last = heapq.heappop(self._due)
            if ACTS[step.act](self, record, step, t) and last:
                self.reached[f"fate:{record.plan.fate}"] += 1

    def next_due(self) -> float | None:
        """When (clock seconds) something will next happen by itself, prices included; None: nothing is planned."""
        planned = self._due[0][0] if self._due else None
        look = self.floor.looks.next()
        if look is None:
            return planned
        return look[0] if planned is None else min(planned, look[0])

    def _look(self) -> None:
        look = self.floor.looks.next()
        if look is not None:
            self.floor.look(look[1], look[0])

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
        parent: Record | None = None,
        waits: bool = False,
        shown: Mapping[str, object] = MappingProxyType({}),
    ) -> Record:
        """A new order in the book; `Placing` says what the arguments mean.

        A leg of `parent` is `held` and waits until it is started; so does the successor of one that waits.
        """
        number = len(self.records)
        by_market = plan.fate is Fate.MARKET
        at, hours = self.wall(t), self.session.of(request.symbol)
        expires = hours.expires_at(request.time_in_force, at, extended=request.extended_hours) if by_market else None
        placing = Placing(
            number=number,
            request=request,
            plan=plan,
            stream=random.Random(f"{self.seed}/order/{number}"),
            price=self.quotes.at(request.symbol, t) if by_market else price_of(self.seed, request),
            t=t,
            stamp=at if stamp is None else stamp,
            foreign=foreign,
            known_since=t if known_since is None else known_since,
            inherits=self.inherits,
            replaces=replaces,
            parent=parent,
            waits=waits or parent is not None or (replaces is not None and replaces.waits),
            queued=by_market and hours.queues(request.time_in_force, at, extended=request.extended_hours),
            shown=shown if expires is None else {"expires_at": expires, **shown},
        )
        record = placing.record()
        version = placing.first_version(record)
        self.records[record.order_id] = record
        self.by_client_id[version.order.client_order_id] = record.order_id
        if parent is not None:
            parent.leg_ids.append(record.order_id)
        self._append(record, version, None)
        if expires is not None:
            act = Act.EXPIRE if request.time_in_force == "day" else Act.AGE_OUT
            self.schedule(record, Step(after=0.0, act=act), self.clock_at(expires), last=True)
        if not record.waits:
            if not by_market:
                self.schedule(record, Step(after=on_the_way(record), act=Act.STATUS, word="new"), t, last=False)
            self.start(record, t)
        return record

    def start(self, record: Record, t: float) -> None:
        """Bring an order into force at `t`: its plan begins, or it is on its way to the exchange."""
        record.waits = False
        if record.plan.fate is Fate.MARKET:
            leaves, delay = self._leaves_at(record.request, t), on_the_way(record)
            if leaves > t:  # the broker stamps it anew when it passes it on (facts §3a)
                self.schedule(record, Step(after=delay, act=Act.RESTAMP), leaves, last=False)
            self.schedule(record, Step(after=delay, act=Act.ROUTE), leaves, last=False)
        for step in record.plan.steps:
            self.schedule(record, step, t, last=step is record.plan.steps[-1])

    def _leaves_at(self, request: OrderRequest, t: float) -> float:
        """The clock second at which the broker passes the order on to the exchange."""
        at, hours = self.wall(t), self.session.of(request.symbol)
        routed = hours.routed_at(request.time_in_force, at, extended=request.extended_hours)
        return t if routed <= at else self.clock_at(routed)

    def clock_at(self, moment: datetime) -> float:
        """The clock second at which the broker's time is `moment`."""
        start = self.quotes.start
        return start + (moment - self.wall(start)).total_seconds()

    def set_price(self, symbol: str, price: Decimal | None, t: float) -> None:
        """From `t` on a symbol costs `price`, until another is set; None: what it would cost otherwise."""
        self.quotes.set(symbol, price, t)
        self.floor.look(symbol, t)

    def end(self, record: Record, act: Act, t: float) -> None:
        """Let an order end now: `REJECT`, `EXPIRE` or `CANCEL`, by the market's own doing."""
        if ACTS[act](self, record, Step(after=0.0, act=act), t):
            self.reached[f"fate:{record.plan.fate}"] += 1

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
        if is_spread_leg(record):
            return answers.leg_already(word)
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
        shown: Mapping[str, object] = MappingProxyType({}),
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
        fields = {**old.shown, **shown} if shown else old.shown
        self._append(record, Version(t=t, order=order, stamps=stamps, shown=fields), trade)

    def _append(self, record: Record, version: Version, trade: Trade | None) -> None:
        record.versions.append(version)
        change = Change(t=version.t, record=record, version=version, trade=trade)
        self.changes.append(change)
        if version.order.status.is_terminal:
            self.floor.leave(record)
        self.legs.hear(change)
        for tell in self.heard:
            tell()

    def print_row(self, record: Record, t: float, row: Execution) -> Trade:
        """Write an execution, a bust or a correction on the tape; it is to be published with the order's change."""
        at = self.wall(t).astimezone(NEW_YORK)
        row_id = f"{at:%Y%m%d%H%M%S}{at.microsecond // 1000:03d}::{row.execution_id}"
        trade = Trade(t=t, execution=row, row_id=row_id)
        record.trades.append(trade)
        self.tape.append(trade)
        return trade
