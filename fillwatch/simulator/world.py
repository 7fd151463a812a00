"""The simulated broker's world: seeded orders, fates and faults behind one door, and a ledger of the truth.

Time comes from the given clock alone, and nothing runs in the background: whoever asks first lets the world catch up
with the clock. Everything random is drawn from the seed, in streams of its own for each order and each request, so
that the same calls at the same times have the same consequences whatever else happens in between.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from fillwatch.core.orders import OrderRequest
from fillwatch.simulator import answers, reads
from fillwatch.simulator.answers import Answer, Call, Delivery, Op, Reply
from fillwatch.simulator.desk import Desk
from fillwatch.simulator.fates import USUAL_MIX, Fate, deal
from fillwatch.simulator.faults import NO_FAULTS, STRIKES, Faults, Kind, Strike
from fillwatch.simulator.ledger import Arrival, Ledger
from fillwatch.simulator.market import Market
from fillwatch.simulator.quota import Quota
from fillwatch.simulator.reads import View

#: A Monday in summer, an hour after New York's opening bell.
EPOCH = datetime(2026, 6, 15, 14, 30, tzinfo=UTC)


class World:
    """A broker with one account.

    `clock` gives monotonic seconds; the world's wall time is `epoch` plus what has passed since. `timeout` (seconds)
    is what last-second fills aim at. `fate`: what becomes of submitted orders (None: drawn from the usual mix).
    `inherits`: whether a successor counts its predecessor's executions (None: drawn for each). While `refuse_keys`
    is set every request is answered with 401.
    """

    def __init__(
        self,
        seed: int,
        *,
        clock: Callable[[], float],
        epoch: datetime = EPOCH,
        faults: Faults = NO_FAULTS,
        requests_per_minute: int | None = 200,
        timeout: float = 60.0,
        fate: Fate | None = None,
        inherits: bool | None = None,
        refuse_keys: bool = False,
    ) -> None:
        if epoch.tzinfo is None:
            raise ValueError(f"epoch: {epoch!r} has no time zone; give an aware time")
        self.seed = seed
        self.faults = faults
        self.refuse_keys = refuse_keys
        #: Which fates came to pass and which faults struck: `fate:busted`, `fault:reset_after`, `quota`, ...
        self.reached: Counter[str] = Counter()
        self.start = clock()
        self._clock = clock
        self._epoch = epoch
        self._market = Market(seed=seed, wall=self.wall, reached=self.reached, inherits=inherits)
        self._desk = Desk(market=self._market, timeout=timeout, fate=fate)
        self._quota = Quota(limit=requests_per_minute, neighbour_per_minute=faults.neighbour_per_minute)
        self._arrivals: list[Arrival] = []
        self._drawn: Counter[str] = Counter()
        self._forced: list[tuple[Kind, Op | None]] = []
        self.ledger = Ledger(self._market.records, self._arrivals, self.advance, seed)

    @property
    def requests_per_minute(self) -> int | None:
        """The limit that requests are held to."""
        return self._quota.limit

    def wall(self, t: float) -> datetime:
        """The broker's time at clock second `t`."""
        return self._epoch + timedelta(seconds=t - self.start)

    def advance(self) -> float:
        """Let everything happen that is due by now; the clock's seconds."""
        now = self._clock()
        self._market.advance(now)
        return now

    def next_due(self) -> float | None:
        """When (clock seconds) something will next happen by itself; None: nothing is planned."""
        return self._market.next_due()

    def stream(self, name: str) -> random.Random:
        """The next random stream of this name: the seed, the name and how often it was asked for decide."""
        self._drawn[name] += 1
        return random.Random(f"{self.seed}/{name}/{self._drawn[name]}")

    def place(self, request: OrderRequest | None = None, fate: Fate | None = None, *, foreign: bool = False) -> str:
        """An order as somebody placed it just before; its id. Without a request or a fate, the seed draws them."""
        now = self.advance()

        def just_before(stream: random.Random) -> datetime:
            return self.wall(now) - timedelta(milliseconds=stream.uniform(20.0, 400.0))

        return self._desk.place(request, fate, now, foreign=foreign, stamp=just_before).order_id

    def populate(
        self, n: int, *, mix: Mapping[Fate, int] = USUAL_MIX, needs_cancel_at_most: int | None = None
    ) -> list[str]:
        """`n` orders as a bot had just placed them, and one of somebody else's for every twenty; the bot's ids.

        Fates are dealt from shuffled decks of `mix`, so that `n` of a few dozen meets nearly all of them; of those
        that do not end by themselves within `ENDS_WITHIN` seconds there are `needs_cancel_at_most`.
        """
        stream = self.stream("populate")
        placed = []
        for number, fate in enumerate(deal(n, stream, mix, needs_cancel_at_most)):
            placed.append(self.place(fate=fate))
            if number % 20 == 5:
                self.place(fate=stream.choice((Fate.SLOW, Fate.NEVER, Fate.MANY_PARTIALS)), foreign=True)
        return placed

    def strike(self, kind: Kind, op: Op | None = None, *, times: int = 1) -> None:
        """Let the next `times` requests (of that operation) be hit by this fault, whatever the menu says."""
        self._forced += [(kind, op)] * times

    def transit(self, call: Call) -> tuple[float, float]:
        """Extra seconds on the way to the broker and back: the heavy tail of the `slow` fault, else none."""
        stream = self.stream(f"transit/{call.op}/{call.target}")
        menu_says = stream.random() < self.faults.slow and self._clock() - self.start < self.faults.heal_at
        if self._forced_fault(call.op, slow=True) is None and not menu_says:
            return 0.0, 0.0
        self.reached[f"fault:{Kind.SLOW}"] += 1
        extra = min(self.faults.slow_seconds * stream.paretovariate(1.2), 30.0)
        there = stream.random() * extra
        return there, extra - there

    def receive(self, call: Call) -> Reply:
        """The one door: a request arrives now. Its faults and its place in the quota are decided here."""
        now = self.advance()
        since = now - self.start
        stream = self.stream(f"request/{call.op}/{call.target}")
        if self.faults.is_out(since):
            return self._reply(call, now, Strike(commits=False, delivery=Delivery.SILENCE), answers.NOTHING, "outage")
        if call.problem is answers.NO_KEYS:
            return self._reply(call, now, Strike(commits=False, delivery=Delivery.HTML), answers.NO_KEYS)
        if self.refuse_keys or call.problem is answers.UNAUTHORIZED:
            return self._reply(call, now, Strike(commits=False), answers.UNAUTHORIZED)
        if not self._quota.admit(since, neighbours_until=self.faults.heal_at):
            self.reached["quota"] += 1
            return self._reply(call, now, Strike(commits=False), answers.RATE_LIMITED)
        kind = self._forced_fault(call.op) or self.faults.strike(call.op, since, stream)
        strike = Strike() if kind is None else STRIKES[kind]
        answer = answers.NOTHING
        if strike.commits:
            answer = self._desk.carry_out(call, now, self._view(call.op, now, kind, stream))
        return self._reply(call, now, strike, strike.answer or answer, "" if kind is None else kind.value)

    def _reply(self, call: Call, now: float, strike: Strike, answer: Answer, fault: str = "") -> Reply:
        if fault:
            self.reached[f"fault:{fault}"] += 1
        self._arrivals.append(
            Arrival(
                t=now,
                operation=call.op.value,
                method=call.method,
                target=call.target,
                status=answer.status,
                committed=strike.commits,
                fault=fault,
            )
        )
        headers = self._quota.headers(now - self.start, self.wall(now)) if strike.headers else {}
        return Reply(answer=answer, delivery=strike.delivery, headers=headers)

    def _forced_fault(self, op: Op, *, slow: bool = False) -> Kind | None:
        for index, (kind, wanted) in enumerate(self._forced):
            if (wanted is None or wanted is op) and (kind is Kind.SLOW) is slow:
                del self._forced[index]
                return kind
        return None

    def _view(self, op: Op, now: float, kind: Kind | None, stream: random.Random) -> View:
        faults = self.faults
        behind = stream.uniform(0.2, 1.0) * faults.stale_seconds if kind is Kind.STALE else 0.0
        if now - self.start >= faults.heal_at:
            return View(at=now - behind, stream=stream, fault=kind)
        hidden: frozenset[str] = frozenset()
        if op is Op.LIST:
            hidden = reads.hidden_at(self._market, faults.absent_from_list, faults.absent_seconds, now)
            if hidden:
                self.reached["fault:absent_from_list"] += 1
        return View(at=now - behind - faults.replica_lag.get(op, 0.0), stream=stream, fault=kind, hidden=hidden)
