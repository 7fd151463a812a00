"""Many resting orders in virtual time, of which one after another ends; how late an engine tells of each end."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from fillwatch import FillDetectionConfig, FillDetectionEngine, FillOutcome, FillResult, OrderWatch, RateLimit
from fillwatch.core.orders import OrderRequest, Side
from fillwatch.simulator import Fate, SimulatedBroker, World
from fillwatch.simulator.draws import SYMBOLS
from fillwatch.simulator.ledger import Ledger
from fillwatch.simulator.plans import Act, Step

#: Requests a minute that the simulated broker lets in, and seconds of a round trip to it.
LIMIT, ROUND_TRIP = 200, 0.05
#: Fills a second; for every four fills there is another end (a cancel by somebody else).
FILLS_PER_SECOND, FILLS_TO_ONE_CANCEL = 0.5, 4
#: Seconds before the first end, in which the engine finds everything and its tokens come to rest.
SETTLING = 60.0
#: Fewer orders than these are kept at their number: for each that ends a new one comes, so many seconds later, since
#: the first look at a new order tells of the others too.
MANY, REPLACED_AFTER = 500, (0.5, 4.5)
#: Seconds after the last end in which it may still be told; what is not told by then was missed.
PATIENCE = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end: when it came true, when its result was there (None: never), and what was told."""

    order_id: str
    act: Act
    true_at: float
    told_at: float | None
    result: FillResult | None

    @property
    def delay(self) -> float | None:
        """Seconds between the two."""
        return None if self.told_at is None else self.told_at - self.true_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A run that is over. `requests` are those of `seconds`, from the first end to the last result, by operation."""

    ends: tuple[End, ...]
    seconds: float
    requests: Mapping[str, int]
    refused: int
    worst_minute: int
    wrong: Mapping[str, int]

    def delays(self, *acts: Act) -> list[float]:
        """Of the ends of these kinds that were told."""
        return [end.delay for end in self.ends if end.act in acts and end.delay is not None]

    @property
    def fills(self) -> int:
        """How many of the ends were full fills."""
        return sum(end.act is Act.FILL for end in self.ends)

    @property
    def requests_per_fill(self) -> float:
        """Of every kind together, positions included."""
        return sum(self.requests.values()) / self.fills if self.fills else math.nan


@dataclass(slots=True, kw_only=True)
class Crowd:
    """`size` resting orders of a world, all of them watched."""

    world: World
    engine: FillDetectionEngine
    size: int
    rng: Random
    watches: dict[str, OrderWatch] = field(default_factory=dict)
    resting: list[str] = field(default_factory=list)
    told: dict[str, tuple[float, FillResult]] = field(default_factory=dict)

    def open(self) -> None:
        """Place them, and hand them in."""
        for _ in range(self.size):
            self.add()

    def add(self) -> None:
        """One more order that rests far from the market."""
        number = len(self.watches)
        request = OrderRequest(
            symbol=SYMBOLS[number % len(SYMBOLS)],
            side=Side.BUY,
            qty=Decimal(100),
            order_type="limit",
            limit_price=Decimal("10.00"),
            time_in_force="gtc",
        )
        order_id = self.world.place(request, Fate.NEVER)
        self.watches[order_id] = self.engine.watch(order_id, at_timeout="leave")
        self.resting.append(order_id)

    def take(self) -> str:
        """One of them by lot, of the older half if there are few: it is to end."""
        order_id = self.resting.pop(self.rng.randrange(max(1, (len(self.resting) + 1) // 2)))
        loop = asyncio.get_running_loop()

        def note(future: asyncio.Future[FillResult]) -> None:
            if not future.cancelled() and future.exception() is None:
                self.told[order_id] = (loop.time(), future.result())

        self.watches[order_id].future.add_done_callback(note)
        return order_id

    def end(self, order_id: str, act: Act) -> None:
        """It ends now."""
        market, now = self.world.door.market, self.world.advance()
        market.schedule(market.records[order_id], Step(after=0.0, act=act), now, last=False)
        self.world.advance()
        self.world.wake()


async def live(*, orders: int, ends: int, world: World, broker: SimulatedBroker, share: float, seed: int) -> Ran:
    """`ends` ends come true at random moments among `orders` watched orders."""
    loop, rng = asyncio.get_running_loop(), Random(seed)
    config = FillDetectionConfig(
        timeout_seconds=1e6, partial_fills="wait", rate_limit=RateLimit(limit=LIMIT, share=share)
    )
    rate = FILLS_PER_SECOND * (FILLS_TO_ONE_CANCEL + 1) / FILLS_TO_ONE_CANCEL
    done: list[tuple[str, Act, float]] = []
    coming: list[asyncio.TimerHandle] = []
    async with FillDetectionEngine(broker, config) as engine:
        crowd = Crowd(world=world, engine=engine, size=orders, rng=rng)
        crowd.open()
        await asyncio.sleep(SETTLING + orders / 200)
        began, first = loop.time(), len(world.ledger.arrivals)
        for number, pause in enumerate(_pauses(ends, rate, rng)):
            await asyncio.sleep(pause)
            if not crowd.resting:
                crowd.add()
            act = Act.CANCEL if number % (FILLS_TO_ONE_CANCEL + 1) == FILLS_TO_ONE_CANCEL else Act.FILL
            order_id = crowd.take()
            crowd.end(order_id, act)
            done.append((order_id, act, loop.time()))
            if orders < MANY:
                coming.append(loop.call_later(rng.uniform(*REPLACED_AFTER), crowd.add))
        lasted = loop.time() - began
        for handle in coming:
            handle.cancel()
        during = world.ledger.arrivals[first:]
        await _patience(crowd, [order_id for order_id, _, _ in done])
    return Ran(
        ends=tuple(_end(crowd, order_id, act, at) for order_id, act, at in done),
        seconds=lasted,
        requests=Counter(arrival.operation for arrival in during),
        refused=sum(arrival.status == 429 for arrival in world.ledger.arrivals),
        worst_minute=world.ledger.worst_window(),
        wrong=Counter(wrongs(world.ledger, [order_id for order_id, _, _ in done], crowd.told)),
    )


def _pauses(count: int, rate: float, rng: Random) -> list[float]:
    """Seconds between ends: random, yet `rate` a second over the whole run, since requests are counted for each."""
    drawn = [rng.expovariate(rate) for _ in range(count)]
    scale = count / rate / sum(drawn)
    return [pause * scale for pause in drawn]


async def _patience(crowd: Crowd, order_ids: Iterable[str]) -> None:
    futures = [crowd.watches[order_id].future for order_id in order_ids]
    await asyncio.wait(futures, timeout=PATIENCE)


def _end(crowd: Crowd, order_id: str, act: Act, at: float) -> End:
    told_at, result = crowd.told.get(order_id, (None, None))
    return End(order_id=order_id, act=act, true_at=at, told_at=told_at, result=result)


def wrongs(ledger: Ledger, order_ids: Iterable[str], told: Mapping[str, tuple[float, FillResult]]) -> Iterable[str]:
    """`missed` for each execution that was not told, `phantom` for each that was told and is not true."""
    for order_id in order_ids:
        true = ledger.executed_in_chain(order_id)
        result = told[order_id][1] if order_id in told else None
        said = Decimal(0) if result is None or result.fill_quantity is None else result.fill_quantity
        if result is None or said < true:
            yield "missed"
        elif said > true or (result.outcome is FillOutcome.FILLED and true < (result.requested_quantity or true)):
            yield "phantom"
