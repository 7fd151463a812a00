"""The simulated broker's world: seeded orders, fates and faults behind one door, and a ledger of the truth.

Time comes from the given clock alone, and nothing runs in the background: whoever asks first lets the world catch up
with the clock. Everything random is drawn from the seed, in streams of its own for each order and each request, so
that the same calls at the same times have the same consequences whatever else happens in between.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from fillwatch.core.orders import Number, OrderRequest, exact
from fillwatch.simulator.account import STARTING_CASH
from fillwatch.simulator.answers import Call, Op, Reply
from fillwatch.simulator.book import Change
from fillwatch.simulator.desk import Desk
from fillwatch.simulator.door import Door
from fillwatch.simulator.fates import USUAL_MIX, Fate
from fillwatch.simulator.faults import NO_FAULTS, Faults, Kind
from fillwatch.simulator.inflow import Inflow
from fillwatch.simulator.ledger import Ledger
from fillwatch.simulator.market import Market
from fillwatch.simulator.prices import Prices, Quotes, RandomWalk
from fillwatch.simulator.quota import Quota
from fillwatch.simulator.session import Session
from fillwatch.simulator.striking import Striking

#: A Monday in summer, an hour after New York's opening bell.
EPOCH = datetime(2026, 6, 15, 14, 30, tzinfo=UTC)


class World:
    """A broker with one account.

    `clock` gives monotonic seconds; the world's wall time is `epoch` plus what has passed since. `timeout` (seconds)
    is what last-second fills aim at. `fate`: what becomes of submitted orders (None: drawn from `mix`).
    `inherits`: whether a successor counts its predecessor's executions (None: drawn for each). While `refuse_keys`
    is set every request is answered with 401.

    Orders of the fate `MARKET` go by `prices` (None: a random walk), of their executions `partial_fills` in parts;
    `hours`: the exchange is open "always", or keeps the hours of New York ("exchange"). `cash` is what the account
    begins with; buying power is twice as much.
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
        mix: Mapping[Fate, int] = USUAL_MIX,
        prices: Prices | None = None,
        hours: str = "always",
        partial_fills: float = 0.1,
        cash: Decimal = STARTING_CASH,
    ) -> None:
        if epoch.tzinfo is None:
            raise ValueError(f"epoch: {epoch!r} has no time zone; give an aware time")
        if hours not in ("always", "exchange"):
            raise ValueError(f"hours: {hours!r} is not allowed; it must be 'always' or 'exchange'")
        if not 0.0 <= partial_fills <= 1.0:
            raise ValueError(f"partial_fills: {partial_fills!r} is not allowed; it must be from 0 to 1")
        self.seed = seed
        #: Which fates came to pass and which faults struck: `fate:busted`, `fault:reset_after`, `quota`, ...
        self.reached: Counter[str] = Counter()
        #: Open connections of the push routes that know of one another.
        self.guests: list[Any] = []
        self.start = clock()
        self._clock = clock
        self._epoch = epoch.astimezone(UTC)
        self._market = Market(
            seed=seed,
            wall=self.wall,
            reached=self.reached,
            quotes=Quotes(RandomWalk(seed) if prices is None else prices, self.start),
            session=Session(always_open=hours == "always"),
            inherits=inherits,
        )
        self._market.floor.partial_share = partial_fills
        self._market.legs.replaced = self._legs_replaced
        self._striking = Striking(faults)
        #: Where requests arrive; also what a kept state is written from and read into.
        self.door = Door(
            seed=seed,
            start=self.start,
            wall=self.wall,
            market=self._market,
            desk=Desk(market=self._market, timeout=timeout, fate=fate, mix=mix, cash=cash),
            quota=Quota(limit=requests_per_minute, neighbour_per_minute=faults.neighbour_per_minute),
            striking=self._striking,
            reached=self.reached,
            refuse_keys=refuse_keys,
        )
        self._inflow = Inflow(door=self.door)
        self.ledger = Ledger(self._market.records, self.door.arrivals, self.advance, seed)

    @property
    def faults(self) -> Faults:
        """What goes wrong; other faults may be set at any time."""
        return self._striking.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        now = self.advance()
        self.door.quota.hear_neighbours(faults.neighbour_per_minute, now - self.start)
        self._striking.change(faults)
        self.wake()

    @property
    def refuse_keys(self) -> bool:
        """Whether every request is answered with 401."""
        return self.door.refuse_keys

    @refuse_keys.setter
    def refuse_keys(self, refuse: bool) -> None:
        self.door.refuse_keys = refuse

    def _legs_replaced(self, t: float) -> float:
        return self.faults.legs_replaced if t - self.start < self.faults.heal_at else 0.0

    def let_orders_go(self, fate: Fate | None, mix: Mapping[Fate, int] = USUAL_MIX) -> None:
        """What becomes of orders submitted from now on: this fate, or one drawn from the mix."""
        self.door.desk = replace(self.door.desk, fate=fate, mix=mix)

    @property
    def clock(self) -> Callable[[], float]:
        """The clock that the world goes by."""
        return self._clock

    @property
    def requests_per_minute(self) -> int | None:
        """The limit that requests are held to."""
        return self.door.quota.limit

    def wall(self, t: float) -> datetime:
        """The broker's time at clock second `t`."""
        return self._epoch + timedelta(seconds=t - self.start)

    def advance(self) -> float:
        """Let everything happen that is due by now; the clock's seconds."""
        now = self._clock()
        self._inflow.advance(now)
        self._market.advance(now)
        return now

    def next_due(self) -> float | None:
        """When (clock seconds) something will next happen by itself; None: nothing is planned."""
        due, coming = self._market.next_due(), self._inflow.coming
        return min((t for t in (due, coming[0][0] if coming else None) if t is not None), default=None)

    def seconds_until(self, t: float) -> float | None:
        """How long (in the loop's seconds) it takes the clock to show `t`; None: it does not go by itself."""
        told: Callable[[float], float | None] | None = getattr(self._clock, "seconds_until", None)
        return t - self._clock() if told is None else told(t)

    @property
    def changes(self) -> Sequence[Change]:
        """Everything that ever happened, in order."""
        return self._market.changes

    def listen(self, tell: Callable[[], None]) -> None:
        """Call `tell` after each change, and whenever something else may have changed what is due (`wake`)."""
        self._market.heard.append(tell)

    def unlisten(self, tell: Callable[[], None]) -> None:
        """Call it no more."""
        self._market.heard.remove(tell)

    def price(self, symbol: str) -> Decimal:
        """What a share costs now."""
        return self._market.quotes.at(symbol, self.advance())

    def set_price(self, symbol: str, price: Number | None) -> None:
        """From now on a symbol costs `price`, until another is set; None: what it would cost otherwise."""
        self._market.set_price(symbol, None if price is None else exact(price, "price"), self.advance())
        self.wake()

    def wake(self) -> None:
        """Let those who listen look again: the clock, the faults or the prices were changed."""
        for tell in self._market.heard:
            tell()

    def stream(self, name: str) -> random.Random:
        """The next random stream of this name: the seed, the name and how often it was asked for decide."""
        return self.door.stream(name)

    def place(self, request: OrderRequest | None = None, fate: Fate | None = None, *, foreign: bool = False) -> str:
        """An order as somebody placed it just before; its id. Without a request or a fate, the seed draws them."""
        return self._inflow.place(request, fate, self.advance(), foreign=foreign)

    def populate(
        self, n: int, *, mix: Mapping[Fate, int] = USUAL_MIX, needs_cancel_at_most: int | None = None
    ) -> list[str]:
        """`n` orders as a bot had just placed them, and one of somebody else's for every twenty; the bot's ids.

        Fates are dealt from shuffled decks of `mix`, so that `n` of a few dozen meets nearly all of them; of those
        that do not end by themselves within `ENDS_WITHIN` seconds there are `needs_cancel_at_most`.
        """
        return self._inflow.populate(n, self.advance(), mix, needs_cancel_at_most)

    def expect(self, n: int, *, over_seconds: float, mix: Mapping[Fate, int] = USUAL_MIX) -> None:
        """`n` orders of the bot's, with fates dealt from `mix`, come in within so many seconds from now, by and by."""
        self._inflow.expect(n, self.advance(), over_seconds, mix)
        self.wake()

    def strike(self, kind: Kind, op: Op | None = None, *, times: int = 1) -> None:
        """Let the next `times` requests (of that operation) be hit by this fault, whatever rules and menu say."""
        self._striking.order(kind, op, times)

    def transit(self, call: Call) -> tuple[float, float]:
        """Extra seconds on the way to the broker and back: the heavy tail of the `slow` fault, else none.

        They are those of whoever waits: fewer with a clock that runs fast, none with one that is moved by hand.
        """
        there, back = self.door.transit(call, self._clock())
        rate: float = getattr(self._clock, "rate", 1.0)
        return (there / rate, back / rate) if rate else (0.0, 0.0)

    def receive(self, call: Call) -> Reply:
        """The one door: a request arrives now. Its faults and its place in the quota are decided here."""
        return self.door.receive(call, self.advance())
