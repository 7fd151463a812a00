"""The one door of the world: which requests get through it, what strikes them there, and the record of their coming."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from fillwatch.simulator import answers, reads
from fillwatch.simulator.answers import CHANGES, Answer, Call, Delivery, Op, Reply
from fillwatch.simulator.desk import Desk
from fillwatch.simulator.fates import Fate
from fillwatch.simulator.faults import STRIKES, Kind, Strike
from fillwatch.simulator.ledger import Arrival
from fillwatch.simulator.market import Market
from fillwatch.simulator.quota import Quota
from fillwatch.simulator.reads import View
from fillwatch.simulator.striking import NO_HIT, Hit, Striking, bend_plan

_NOTHING_STRIKES = Strike()
_NO_SKEW = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """A request that was carried out at `t` and may have changed something, with all that chance decided about it.

    `draw` is the number of the random stream that it was given; `kind` and `fate` are what struck it.
    """

    t: float
    call: Call
    draw: int
    kind: Kind | None = None
    fate: Fate | None = None


@dataclass(slots=True, kw_only=True)
class Door:
    """Requests arrive here. `start` is the clock's second at which the world began.

    `noted` is told of every arrival, and of the deed that it was, if any. While `refuse_keys` is set every request is
    answered with 401.
    """

    seed: int
    start: float
    wall: Callable[[float], datetime]
    market: Market
    desk: Desk
    quota: Quota
    striking: Striking
    reached: Counter[str]
    refuse_keys: bool = False
    noted: Callable[[Arrival, Deed | None], None] | None = None
    #: Told of every command of the control endpoint: when, which, with what.
    commanded: Callable[[float, str, object], None] | None = None
    arrivals: list[Arrival] = field(default_factory=list)
    drawn: Counter[str] = field(default_factory=Counter)

    def stream(self, name: str) -> random.Random:
        """The next random stream of this name: the seed, the name and how often it was asked for decide."""
        self.drawn[name] += 1
        return random.Random(f"{self.seed}/{name}/{self.drawn[name]}")

    def transit(self, call: Call, now: float) -> tuple[float, float]:
        """Extra seconds on the way there and back: the heavy tail of a slow request, else none."""
        name = f"transit/{call.op}/{call.target}"
        if self.striking.lets_all_hurry:
            self.drawn[name] += 1
            return 0.0, 0.0
        stream = self.stream(name)
        least = self.striking.on_the_way(call.op, now - self.start, stream, partial(self._names, call))
        if least is None:
            return 0.0, 0.0
        self.reached[f"fault:{Kind.SLOW}"] += 1
        extra = min(least * stream.paretovariate(1.2), 30.0)
        there = stream.random() * extra
        return there, extra - there

    def receive(self, call: Call, now: float) -> Reply:
        """A request arrives. Its faults and its place in the quota are decided here."""
        since = now - self.start
        stream = self.stream(f"request/{call.op}/{call.target}")
        faults = self.striking.faults
        if faults.is_out(since):
            return self._reply(call, now, Strike(commits=False, delivery=Delivery.SILENCE), answers.NOTHING, "outage")
        if call.problem is answers.NO_KEYS:
            return self._reply(call, now, Strike(commits=False, delivery=Delivery.HTML), answers.NO_KEYS)
        if self.refuse_keys or call.problem is answers.UNAUTHORIZED:
            return self._reply(call, now, Strike(commits=False), answers.UNAUTHORIZED)
        if not self.quota.admit(since, neighbours_until=faults.heal_at):
            self.reached["quota"] += 1
            return self._reply(call, now, Strike(commits=False), answers.RATE_LIMITED)
        hit = self.striking.at_the_door(call.op, since, stream, partial(self._names, call))
        strike = _NOTHING_STRIKES if hit.kind is None else STRIKES[hit.kind]
        answer, deed = answers.NOTHING, None
        if strike.commits:
            if call.op in CHANGES and call.problem is None:
                draw = self.drawn[f"request/{call.op}/{call.target}"]
                deed = Deed(t=now, call=call, draw=draw, kind=hit.kind, fate=hit.fate)
            answer = self._carry_out(call, now, hit, stream if deed is None else self._luck(deed))
        fault = "" if hit.kind is None else hit.kind.value
        return self._reply(call, now, strike, strike.answer or answer, fault, hit=hit, stream=stream, deed=deed)

    def redo(self, deed: Deed) -> None:
        """Carry out once more what was carried out before, at its time and with the same luck."""
        self._carry_out(deed.call, deed.t, Hit(kind=deed.kind, fate=deed.fate), self._luck(deed))

    def _luck(self, deed: Deed) -> random.Random:
        """What a deed draws from: nothing that was drawn at the door moves it, so that it can be done once more."""
        return random.Random(f"{self.seed}/deed/{deed.call.op}/{deed.call.target}/{deed.draw}")

    def _carry_out(self, call: Call, now: float, hit: Hit, stream: random.Random) -> Answer:
        if call.op is Op.CANCEL and (record := self.market.records.get(call.target)) is not None:
            bend_plan(record, hit.kind, stream)
        desk = self.desk if hit.fate is None else replace(self.desk, fate=hit.fate)
        answer = desk.carry_out(call, now, self._view(call.op, now, hit, stream))
        if hit.kind is Kind.CLOCK_SKEW and call.op is Op.CLOCK:
            rows = tuple({**row, "at": row["at"] + self._skew(hit)} for row in answer.rows)
            return replace(answer, rows=rows)
        return answer

    def _reply(
        self,
        call: Call,
        now: float,
        strike: Strike,
        answer: Answer,
        fault: str = "",
        *,
        hit: Hit = NO_HIT,
        stream: random.Random | None = None,
        deed: Deed | None = None,
    ) -> Reply:
        if fault:
            self.reached[f"fault:{fault}"] += 1
        if hit.fate is not None:
            self.reached[f"rule:{hit.fate}"] += 1
        arrival = Arrival(
            t=now,
            operation=call.op.value,
            method=call.method,
            target=call.target,
            status=answer.status,
            committed=strike.commits,
            fault=fault,
        )
        self.arrivals.append(arrival)
        if self.noted is not None:
            self.noted(arrival, deed)
        headers = {}
        if strike.headers:
            headers = self.quota.headers(now - self.start, self.wall(now) + self._skew(hit))
        change = strike.bend
        if change is None or stream is None or answer.is_error:
            return Reply(answer=answer, delivery=strike.delivery, headers=headers)
        return Reply(answer=answer, headers=headers, bend=lambda content: change(content, stream))

    def _skew(self, hit: Hit) -> timedelta:
        if hit.kind is not Kind.CLOCK_SKEW:
            return _NO_SKEW
        return timedelta(seconds=self.striking.faults.skew_seconds if hit.seconds is None else hit.seconds)

    def _view(self, op: Op, now: float, hit: Hit, stream: random.Random) -> View:
        faults = self.striking.faults
        behind = 0.0
        if hit.kind is Kind.STALE:
            behind = stream.uniform(0.2, 1.0) * faults.stale_seconds if hit.seconds is None else hit.seconds
        if now - self.start >= faults.heal_at:
            return View(at=now - behind, stream=stream, fault=hit.kind)
        hidden: frozenset[str] = frozenset()
        if op is Op.LIST:
            hidden = reads.hidden_at(self.market, faults.absent_from_list, faults.absent_seconds, now)
            if hidden:
                self.reached["fault:absent_from_list"] += 1
        return View(at=now - behind - faults.replica_lag.get(op, 0.0), stream=stream, fault=hit.kind, hidden=hidden)

    def _names(self, call: Call) -> frozenset[str]:
        """Everything by which a rule may name the order that a request is about."""
        names = {call.target, *call.query.symbols}
        if call.order is not None:
            names |= {call.order.symbol, call.order.client_order_id or ""}
        record = self.market.records.get(self.market.by_client_id.get(call.target, call.target))
        if record is not None:
            names |= {record.order_id, record.now.client_order_id, record.request.symbol}
        return frozenset(names - {""})
