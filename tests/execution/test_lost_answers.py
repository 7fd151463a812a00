"""A broker that loses the answers to its POSTs, in every way there is: nothing is entered twice, nothing is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest

from fillwatch.brokers.alpaca import AlpacaBroker
from fillwatch.brokers.base import SubmitAnswer, Unknown
from fillwatch.core.config import FillDetectionConfig, RateLimit
from fillwatch.core.errors import TransientError
from fillwatch.core.orders import OrderRequest
from fillwatch.core.trade_amendment import TradeAmendment
from fillwatch.core.trade_facts import Looked, Placed, TradeFact, client_id
from fillwatch.core.trade_result import TradeResult
from fillwatch.core.trade_terms import ExecutorConfig
from fillwatch.engine.engine import FillDetectionEngine
from fillwatch.execution.executor import SmartOrderExecutor
from fillwatch.execution.records import facts_of
from fillwatch.simulator import Fate, Faults, Kind, Op, SimulatedBroker, World
from fillwatch.simulator.faults import Rule
from fillwatch.simulator.server import serve
from fillwatch.testing import run_virtual
from tests.execution.scene import bare_shares, position, scene

#: What can become of the answer to a POST, and the ways of the reads that are asked about it afterwards.
POSTS = frozenset({Op.SUBMIT})
SYMBOLS = [f"Q{letter}Q" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"][:20]
HIDDEN = dict.fromkeys((Op.LOOK_BY_CLIENT_ID, Op.LOOK, Op.LIST), 6.0)
UNLIMITED = ExecutorConfig(max_submits_per_minute=None)
ALWAYS = {
    "reset after it was taken": (Kind.RESET_AFTER, {}),
    "no answer at all": (Kind.TIMEOUT_AFTER, {}),
    "504 after it was taken": (Kind.ERROR_AFTER, {}),
    "an answer that breaks off": (Kind.CUT_OFF, {}),
    "reset, and visible by its id only six seconds later": (Kind.RESET_AFTER, HIDDEN),
    "504, and visible by its id only six seconds later": (Kind.ERROR_AFTER, HIDDEN),
}


def judged(world: World, results: list[TradeResult], symbols: list[str]) -> list[str]:
    """What the ledger has against what was said."""
    orders = [world.ledger.truth(order_id) for order_id in world.ledger.order_ids]
    wrong = [f"{name}: {n} orders" for name, n in Counter(one.client_order_id for one in orders).items() if n > 1]
    for symbol, result in zip(symbols, results, strict=True):
        entries = [one for one in orders if one.client_order_id == client_id(result.intent_id, "e1")]
        executed = sum((world.ledger.executed_at(one.order_id) for one in entries), Decimal(0))
        told = Decimal(0) if result.fill is None else result.fill.fill_quantity
        if len(entries) != 1:
            wrong.append(f"{symbol}: {len(entries)} entries")
        if result.order_id != entries[0].order_id or told != executed:
            wrong.append(f"{symbol}: {told} told of {result.order_id}, {executed} executed: {result.reason}")
        if bare_shares(world, symbol) or not result.position_protected:
            wrong.append(f"{symbol}: {bare_shares(world, symbol)} bare: {result.reason}")
    return wrong


@pytest.mark.parametrize("way", ALWAYS)
def test_every_answer_is_lost(way: str) -> None:
    kind, lags = ALWAYS[way]
    rule = Rule(kind=kind, operations=POSTS)

    async def run() -> list[str]:
        faults = Faults(rules=(rule,), replica_lag=lags)
        async with scene(1, faults=faults, config=UNLIMITED, requests_per_minute=None) as there:
            trades = (there.trade(symbol=symbol, quantity=10, intent_id=symbol) for symbol in SYMBOLS)
            results = await asyncio.gather(*trades)
            await asyncio.sleep(60.0)
            posts = [arrival for arrival in there.world.ledger.arrivals if arrival.operation == "submit"]
            assert all(arrival.fault == kind for arrival in posts)
            return judged(there.world, results, SYMBOLS)

    assert not run_virtual(run)


class SlowRoad(SimulatedBroker):
    """The first POST of each order arrives so many seconds after it was sent, whether or not anybody waits for it."""

    def __init__(self, world: World, seconds: float) -> None:
        super().__init__(world)
        self.under_way: set[asyncio.Task[SubmitAnswer]] = set()
        self._seconds = seconds
        self._sent: set[str] = set()

    async def submit(self, request: OrderRequest) -> SubmitAnswer:
        name = request.client_order_id or ""
        if name in self._sent:
            return await super().submit(request)
        self._sent.add(name)
        self.under_way.add(asyncio.ensure_future(self._arrive(request)))
        await asyncio.sleep(self.caps.request_timeout)
        return Unknown(error=TransientError("no answer in time"))

    async def _arrive(self, request: OrderRequest) -> SubmitAnswer:
        await asyncio.sleep(self._seconds)
        return await super().submit(request)


@pytest.mark.parametrize("hidden", [0.0, 45.0])
@pytest.mark.parametrize("seconds", [4.0, 12.0, 20.0])
def test_requests_that_arrive_after_their_sender_gave_up(seconds: float, hidden: float) -> None:
    """Others overtake them, so that one of the two is answered "must be unique"; the order that there is may be hidden
    from the reads for longer than a quarantine lasts."""

    async def run() -> list[str]:
        loop = asyncio.get_running_loop()
        faults = Faults(replica_lag=dict.fromkeys(HIDDEN, hidden))
        world = World(1, clock=loop.time, fate=Fate.MARKET, faults=faults, requests_per_minute=None)
        broker = SlowRoad(world, seconds)
        async with FillDetectionEngine(broker, rng=Random(1)) as engine:
            executor = SmartOrderExecutor(engine, replace(UNLIMITED, fill_timeout_seconds=300.0))
            trades = (
                executor.execute_trade(symbol, "buy", 10, world.price(symbol), 2, intent_id=symbol)
                for symbol in SYMBOLS
            )
            results = await asyncio.gather(*trades)
            await asyncio.sleep(120.0)
            await asyncio.gather(*broker.under_way)
            refused = [one for one in world.ledger.arrivals if one.operation == "submit" and one.status == 422]
            assert refused or seconds < 10.0
            heard = [amendment async for amendment in ended(executor)]
            last = {amendment.intent_id: amendment.amended for amendment in heard}
            return judged(world, [last.get(result.intent_id, result) for result in results], SYMBOLS)

    assert not run_virtual(run)


async def ended(executor: SmartOrderExecutor) -> AsyncIterator[TradeAmendment]:
    """The amendments so far."""
    listening = executor.amendments()
    while True:
        try:
            async with asyncio.timeout(0.001):
                yield await anext(listening)
        except (TimeoutError, StopAsyncIteration):
            return


def test_every_answer_is_lost_over_http() -> None:
    """In real time, over sockets, through the adapter that talks to Alpaca: five ways in turn."""
    kinds = [Kind.RESET_AFTER, Kind.ERROR_AFTER, Kind.CUT_OFF, Kind.RESET_BEFORE, Kind.SERVER_ERROR_HTML]
    rules = tuple(
        Rule(kind=kind, operations=POSTS, orders=frozenset({client_id(symbol, name)}), times=None if after else 2)
        for number, symbol in enumerate(SYMBOLS)
        for name in ("e1", "x1")
        for kind, after in [(kinds[number % len(kinds)], number % len(kinds) < 3)]
    )
    watching = FillDetectionConfig(rate_limit=RateLimit(limit=60_000), initial_poll_interval=0.1, max_poll_interval=0.2)

    async def run() -> list[str]:
        loop = asyncio.get_running_loop()
        faults = Faults(rules=rules, replica_lag={Op.LOOK_BY_CLIENT_ID: 1.0})
        world = World(1, clock=loop.time, fate=Fate.MARKET, faults=faults, requests_per_minute=None)
        async with serve(world) as address:
            broker = AlpacaBroker(address.key, address.secret, base_url=address.url)
            async with FillDetectionEngine(broker, watching) as engine, asyncio.timeout(60.0):
                executor = SmartOrderExecutor(engine, UNLIMITED)
                results = await asyncio.gather(
                    *(
                        executor.execute_trade(symbol, "buy", 10, world.price(symbol), 2, intent_id=symbol)
                        for symbol in SYMBOLS
                    )
                )
                assert sum(bool(position(world, symbol)) for symbol in SYMBOLS) >= len(SYMBOLS) // 2
                return judged(world, results, SYMBOLS)

    assert not asyncio.run(run())


def test_the_stop_is_known_from_the_answer_to_the_exits() -> None:
    """Over HTTP the answer names it, so that it need not be told from the stops of other trades at the same prices."""

    async def run() -> list[TradeFact]:
        loop = asyncio.get_running_loop()
        world = World(1, clock=loop.time, fate=Fate.MARKET, faults=Faults(absent_from_list=1.0))
        async with serve(world) as address:
            broker = AlpacaBroker(address.key, address.secret, base_url=address.url)
            async with FillDetectionEngine(broker) as engine:
                executor = SmartOrderExecutor(engine)
                result = await executor.execute_trade("AAPL", "buy", 10, world.price("AAPL"), 2, intent_id="T")
                assert result.success, result.reason
                return list(facts_of(await executor.journal.read(intent_id="T")))

    facts = asyncio.run(run())
    placed, first, *_ = (fact for fact in facts if isinstance(fact, Placed | Looked) and fact.name == "x1")
    assert isinstance(placed, Placed)
    assert isinstance(first, Looked)
    assert len(first.order_ids) == 2
    assert not first.working  # nobody has looked yet
