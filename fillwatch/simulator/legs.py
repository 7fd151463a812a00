"""The one who listens for brackets, OCOs, OTOs and multi-leg orders: places their legs and lets the rules act."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fillwatch.core.orders import OrderRequest
from fillwatch.simulator import groups, spreads
from fillwatch.simulator.answers import Terms
from fillwatch.simulator.book import Change, Record
from fillwatch.simulator.fates import Fate
from fillwatch.simulator.group_rules import RULES, end_exit, hand_over, wake
from fillwatch.simulator.groups import GROUPED, Role
from fillwatch.simulator.plans import Act, Plan, plan_for

if TYPE_CHECKING:
    from fillwatch.simulator.market import Market

_WITH_LEGS = GROUPED | {"mleg"}


def _never(t: float) -> float:
    return 0.0


@dataclass(slots=True, kw_only=True)
class Legs:
    """Hears every change of the market and acts on the groups. What it does is heard again, one change at a time.

    `replaced`: the share of triggered stops, at a moment in clock seconds, that end as `replaced` while a new order
    executes in their place; in half of these the take-profit ends as `replaced`, too, and by nothing (facts §3c).
    """

    market: Market
    replaced: Callable[[float], float] = _never
    _heard: deque[Change] = field(default_factory=deque)
    _acting: bool = False

    def hear(self, change: Change) -> None:
        """An order has changed; to be called once for each change, those that this brings about included."""
        if change.record.request.order_class not in _WITH_LEGS:
            return
        self._heard.append(change)
        if self._acting:
            return
        self._acting = True
        try:
            while self._heard:
                self._act(self._heard.popleft())
        finally:
            self._acting = False

    def open_mleg(self, spread: Record, terms: Terms, t: float) -> None:
        """A multi-leg option order has been accepted: place its legs."""
        spreads.open_spread(self.market, spread, terms, t)

    def triggered(self, record: Record, t: float) -> None:
        """A stop has been triggered and is to execute, unless it is over after this: another order does instead."""
        if record.parent_id is None or record.request.order_class not in GROUPED:
            return
        stream = self._stream(record, "trigger")
        takes_over = stream.random() < self.replaced(t)
        tidy = not takes_over or stream.random() < 0.5
        if takes_over:
            self._execute_in_place(record, t)
        elif record.now.raw_status == "held":
            self.market.publish(record, t, word="new")
        book = self.market.records
        for other in groups.living_others(book, record):
            if groups.role(book, other) is not Role.TAKE_PROFIT:
                continue
            if tidy:
                end_exit(self.market, other, Act.CANCEL, t)
            else:
                self.market.publish(other, t, word="replaced", stamp="replaced_at")

    def _act(self, change: Change) -> None:
        record = change.record
        if record.request.order_class == "mleg":
            if change.version.order.replaced_by is None:
                spreads.mirror(self.market, change)
            else:
                hand_over(self.market, record, change.t)
        elif change.version is record.versions[0]:
            self._place_exits(record, change.t)
        elif (turn := groups.turn(change)) is not None:
            RULES[groups.role(self.market.records, record), turn](self.market, record, change.t)

    def _place_exits(self, parent: Record, t: float) -> None:
        if parent.parent_id is not None or parent.now.replaces is not None:
            return
        for request in groups.exits_of(parent.request):
            leg = self.market.place(
                request,
                self._plan(parent, request, t),
                t,
                foreign=parent.foreign,
                stamp=parent.now.created_at,
                known_since=parent.known_since,
                parent=parent,
            )
            leg.price = request.limit_price or request.stop_price or leg.price
            if parent.request.order_class == "oco":
                wake(self.market, leg, t)

    def _plan(self, parent: Record, request: OrderRequest, t: float) -> Plan:
        """The plan of an exit: by the market like its parent, or else one of the exits fills, or neither."""
        if parent.plan.fate is Fate.MARKET:
            return plan_for(Fate.MARKET, self._stream(parent, "market"))
        stream = self._stream(parent, "exits")
        filling = stream.choice((Role.TAKE_PROFIT, Role.TAKE_PROFIT, Role.STOP_LOSS, None))
        if parent.request.order_class == "oco":
            filling = Role.STOP_LOSS if parent.plan.fate in (Fate.NEVER, Fate.PARTIAL) else None
        kind = Role.TAKE_PROFIT if request.stop_price is None else Role.STOP_LOSS
        if kind is not filling:
            fate = Fate.NEVER
        elif kind is Role.TAKE_PROFIT:
            fate = stream.choice((Fate.SLOW, Fate.MANY_PARTIALS, Fate.LATE_REST, Fate.PARTIAL))
        else:
            usual = stream.choice((Fate.SLOW, Fate.MANY_PARTIALS))
            fate = Fate.REPLACED_FILLS if stream.random() < self.replaced(t) else usual
        return replace(plan_for(fate, stream), needs_cancel=True)  # when it begins is in the hands of its parent

    def _execute_in_place(self, stop: Record, t: float) -> None:
        kind = "market" if stop.request.limit_price is None else "limit"
        request = replace(stop.request, order_type=kind, stop_price=None, client_order_id=None)
        plan = plan_for(Fate.MARKET, self._stream(stop, "successor"))
        successor = self.market.place(request, plan, t, foreign=stop.foreign, replaces=stop)
        self.market.publish(stop, t, word="replaced", stamp="replaced_at", replaced_by=successor.order_id)

    def _stream(self, record: Record, purpose: str) -> random.Random:
        return random.Random(f"{self.market.seed}/legs/{record.number}/{purpose}")
