"""The exchange's floor: what becomes of an order that goes as the prices go.

One price per symbol counts for both sides. An order that the price has reached executes at that price, which is its
limit or better. Of executions, `partial_share` are of a random part, and the rest is looked at again a moment later
(Alpaca's paper trading: one in ten; facts §9). Nothing is executed outside the market's hours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from fillwatch.simulator.acts import execute, part_of
from fillwatch.simulator.book import Record
from fillwatch.simulator.ladders import Ladder, Looks
from fillwatch.simulator.placing import bought_for
from fillwatch.simulator.plans import Act, Step
from fillwatch.simulator.working import Working

if TYPE_CHECKING:
    from fillwatch.simulator.market import Market

#: Times in force whose orders execute when they are looked at or not at all; the last two have their auction.
AT_ONCE = frozenset({"ioc", "fok", "opg", "cls"})
AUCTIONS = frozenset({"opg", "cls"})
#: Seconds until the rest of an order is looked at again.
_AGAIN = (0.2, 1.0)


@dataclass(slots=True, kw_only=True)
class Floor:
    """The working orders, and when each symbol is looked at next.

    The ladders hold those that wait for a price, by symbol and by whether they trade in extended hours.
    """

    market: Market
    partial_share: float = 0.1
    looks: Looks = field(default_factory=Looks)
    _working: dict[str, Working] = field(default_factory=dict)
    _ladders: dict[tuple[str, bool], Ladder] = field(default_factory=dict)

    def route(self, record: Record, t: float) -> bool:
        """An order reaches the exchange at `t`: it is `new`, and executes or waits."""
        if record.now.status.is_terminal:
            return False
        self._working[record.order_id] = Working(order_id=record.order_id, record=record, hwm=record.hwm)
        request, at = record.request, self.market.wall(t)
        if request.time_in_force in AUCTIONS:
            bell = self.market.session.of(request.symbol).auction(request.time_in_force, at)
            if bell is None:
                self.market.end(record, Act.REJECT, t)
                return True
            if bell > at:
                self.market.schedule(record, Step(after=0.0, act=Act.RETRY), self.market.clock_at(bell), last=False)
                return True
        if record.now.raw_status in ("pending_new", "accepted"):
            self.market.publish(record, t, word="new")
        return self.consider(record, t)

    def consider(self, record: Record, t: float) -> bool:
        """Let a working order execute if the price and the hours allow it, wait if its time in force does."""
        working = self._working.get(record.order_id)
        if working is None:
            return False
        request = record.request
        hours = self.market.session.of(request.symbol)
        if request.time_in_force in AUCTIONS or hours.trades(self.market.wall(t), extended=request.extended_hours):
            price = self.market.quotes.at(request.symbol, t)
            if working.follow(price) or (working.is_trailing and record.now.stop_price is None):
                self.market.publish(record, t, stop_price=working.trail, shown={"hwm": working.hwm})
            aim = working.aim
            if aim is None or aim.is_reached(price):
                self._reached(working, price, t)
                return True
        if request.time_in_force in AT_ONCE:
            self.market.end(record, Act.CANCEL, t)
        else:
            self._wait(working, t)
        return True

    def leave(self, record: Record) -> None:
        """The order is over: it waits for nothing."""
        working = self._working.pop(record.order_id, None)
        if working is not None:
            working.leave()

    def look(self, symbol: str, t: float) -> None:
        """The price of a symbol may have changed: let the orders that it has reached execute."""
        hours, at = self.market.session.of(symbol), self.market.wall(t)
        price = self.market.quotes.at(symbol, t)
        self.looks.cancel(symbol)
        for extended, ladder in self._waiting(symbol):
            if hours.trades(at, extended=extended):
                for order_id in ladder.reached(price):
                    self.consider(self.market.records[order_id], t)
        for extended, ladder in self._waiting(symbol):
            self._plan_look(symbol, ladder, t, extended=extended)

    def _reached(self, working: Working, price: Decimal, t: float) -> None:
        working.leave()
        if not working.is_stop:
            self._execute(working, price, t)
            return
        working.triggered = True
        self.market.legs.triggered(working.record, t)
        self.consider(working.record, t)  # unless another order executes in its place: then it has left

    def _execute(self, working: Working, price: Decimal, t: float) -> None:
        record, market = working.record, self.market
        if record.request.notional is not None:
            spent = sum((trade.execution.qty * trade.execution.price for trade in record.trades), Decimal(0))
            record.target = record.executed + bought_for(record.request.notional - spent, price)
        quantity, time_in_force = record.left, record.request.time_in_force
        if record.stream.random() < self.partial_share:
            quantity = part_of(record, record.stream.uniform(0.1, 0.9))
        if quantity < record.left and time_in_force == "fok":
            market.end(record, Act.CANCEL, t)
            return
        execute(market, record, t, quantity=quantity, price=price)
        if record.now.status.is_terminal:
            market.reached[f"fate:{record.plan.fate}"] += 1
        elif time_in_force in AT_ONCE:
            market.end(record, Act.CANCEL, t)
        else:
            market.schedule(record, Step(after=record.stream.uniform(*_AGAIN), act=Act.RETRY), t, last=False)

    def _wait(self, working: Working, t: float) -> None:
        request, aim = working.record.request, working.aim
        working.leave()
        if aim is None and not working.is_trailing:  # it needs the exchange to be open, no more
            resumes = self._resumes(request.symbol, t, extended=request.extended_hours)
            self.market.schedule(working.record, Step(after=0.0, act=Act.RETRY), resumes, last=False)
            return
        ladder = self._ladders.setdefault((request.symbol, request.extended_hours), Ladder())
        if aim is not None:
            ladder.add(working, aim)
        if working.is_trailing:
            ladder.add(working, working.next_best)
        self._plan_look(request.symbol, ladder, t, extended=request.extended_hours)

    def _waiting(self, symbol: str) -> Iterator[tuple[bool, Ladder]]:
        for extended in (True, False):
            ladder = self._ladders.get((symbol, extended))
            if ladder is not None and not ladder.is_empty():
                yield extended, ladder

    def _plan_look(self, symbol: str, ladder: Ladder, t: float, *, extended: bool) -> None:
        """Look when the price may have reached somebody, or when trading resumes, or sooner if that is planned."""
        if self.market.session.of(symbol).trades(self.market.wall(t), extended=extended):
            self.looks.plan(symbol, self.market.quotes.next_beyond(symbol, t, *ladder.nearest))
        else:
            self.looks.plan(symbol, self._resumes(symbol, t, extended=extended))

    def _resumes(self, symbol: str, t: float, *, extended: bool) -> float:
        """The clock second at which trading resumes, a little after `t` at least."""
        at = self.market.session.of(symbol).resumes(self.market.wall(t), extended=extended)
        return max(self.market.clock_at(at), t + 1e-6)
