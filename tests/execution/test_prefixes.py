"""Every prefix of a trade's journal: what it says is true of that moment, what it would do next sends nothing twice,
and a process that dies right after any record is followed by one that puts everything right.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest

from fillwatch.core.errors import EngineClosed
from fillwatch.core.trade import Trade, absorb, fold
from fillwatch.core.trade_facts import Intended, Part, TradeFact, client_id
from fillwatch.core.trade_steps import Place, next_step
from fillwatch.execution.records import facts_of
from fillwatch.journal import Fact, JournalClosed, MemoryJournal
from fillwatch.simulator import NO_FAULTS, Fate, Faults, World
from fillwatch.simulator.fates import PLANNED
from fillwatch.simulator.faults import Rule
from fillwatch.simulator.ledger import Truth
from fillwatch.testing import run_virtual
from tests.execution.scene import QUICK, QUICK_QUIET, Scene, bare_shares, calm, position, scene

ZERO = Decimal(0)


def weather(seed: int) -> Faults:
    """Some fate for the entry, and in two worlds of three some faults."""
    draw = Random(seed)
    fate = draw.choice([*PLANNED, Fate.MARKET, Fate.MARKET])
    rules = (Rule(kind=fate, orders=frozenset({client_id("T", draw.choice(["e1", "e1", "x1"]))})),)
    return replace(Faults.random(seed) if seed % 3 else NO_FAULTS, rules=rules)


async def facts_in(journal: MemoryJournal) -> tuple[Intended, tuple[TradeFact, ...]]:
    first, *facts = facts_of(await journal.read(intent_id="T"))
    assert isinstance(first, Intended)
    return first, tuple(facts)


class Then:
    """The world as it was at a moment, in clock seconds."""

    def __init__(self, there: Scene, t: float) -> None:
        self.t = t
        self._ledger = there.world.ledger
        self._orders = {order.client_order_id: order for order in there.orders() if order.placed_at <= t}

    def order(self, name: str) -> Truth | None:
        return self._orders.get(client_id("T", name))

    def executed(self, name: str) -> Decimal:
        """Shares of an order of the trade executed by then, its successors' and of exits both orders' included."""
        order = self.order(name)
        if order is None:
            return ZERO
        legs = [one.order_id for one in self._orders.values() if one.parent_id == order.order_id]
        return sum(
            (self._ledger.executed_in_chain(one, self.t, busts=False) for one in (order.order_id, *legs)),
            ZERO,
        )


def untrue(trade: Trade, then: Then) -> list[str]:
    """What the trade believes that was not so."""
    wrong = []
    for order in trade.orders.values():
        truth = then.order(order.name)
        if order.is_placed and (truth is None or truth.order_id != order.order_id):
            wrong.append(f"{order.name}: placed as {order.order_id}, which is {truth}")
        if order.refusal is not None and truth is not None:
            wrong.append(f"{order.name}: said never to be there, and is")
        if order.filled > then.executed(order.name):
            wrong.append(f"{order.name}: {order.filled} filled, {then.executed(order.name)} were")
        if order.is_over and order.part is not Part.EXITS and truth is not None and truth.ended_at is None:
            wrong.append(f"{order.name}: over, and lives")
    step = next_step(trade)
    if isinstance(step, Place):
        truth = then.order(step.name)
        if truth is not None and not step.begun:
            wrong.append(f"{step.name} would be sent as if for the first time, and is there")
        if truth is not None and (truth.qty, truth.side) != (step.request.qty, step.request.side):
            wrong.append(f"{step.name} would be sent otherwise than it was")
    return wrong


@pytest.mark.parametrize("seed", range(1, 41))
def test_every_prefix_is_true_of_its_moment(seed: int) -> None:
    async def run() -> list[str]:
        journal = MemoryJournal()
        async with scene(seed, faults=weather(seed), journal=journal, config=QUICK) as there:
            await there.trade("buy" if seed % 2 else "sell", intent_id="T")
            await calm(there.world, QUICK_QUIET)
            first, facts = await facts_in(journal)
            started = there.world.wall(there.world.start)
            trade, wrong = fold(first), []
            for fact in facts:
                trade = absorb(trade, fact)
                then = Then(there, there.world.start + (fact.at - started).total_seconds() + 1e-6)
                wrong += [f"{type(fact).__name__} at {then.t:.3f}: {line}" for line in untrue(trade, then)]
            assert fold(first, *facts, *facts) == trade
            return wrong

    assert not run_virtual(run, seed=seed)


class DyingJournal(MemoryJournal):
    """The process dies as soon as so many facts of the trade are safe, and nothing is known of the others."""

    def __init__(self, deaths: int) -> None:
        super().__init__()
        self.died = asyncio.Event()
        self._left = deaths

    async def write(self, *facts: Fact, durable: bool | None = None) -> None:
        if self.died.is_set():
            raise JournalClosed("killed")
        await super().write(*facts, durable=durable)
        self._left -= sum(fact.intent_id == "T" for fact in facts)
        if self._left <= 0:
            self.died.set()
            await asyncio.sleep(60.0)  # whoever wrote it does not live to go on

    def note(self, fact: Fact) -> None:
        if not self.died.is_set():
            super().note(fact)


async def killed_after(records: int, seed: int) -> tuple[bool, list[str]]:
    """A trade that dies after so many records and is taken up again; whether it did, and what is wrong in the end."""
    loop = asyncio.get_running_loop()
    world = World(seed, clock=loop.time, fate=Fate.MARKET, faults=weather(seed))
    journal = DyingJournal(records)
    async with scene(seed, world=world, journal=journal, config=QUICK) as there:
        task = asyncio.create_task(there.trade("buy" if seed % 2 else "sell", intent_id="T"))
        dying = asyncio.create_task(journal.died.wait())
        await asyncio.wait({dying}, timeout=150.0)
        died = journal.died.is_set()
    for ended in await asyncio.gather(task, return_exceptions=True):
        assert not isinstance(ended, BaseException) or isinstance(ended, (EngineClosed, JournalClosed)), ended
    dying.cancel()
    journal.died.clear()
    journal._left = 1_000_000
    await asyncio.sleep(Random(records).choice((0.0, 5.0, 90.0)))
    async with scene(seed, world=world, journal=journal, config=QUICK) as there:
        results = await there.executor.recover()
        ear = asyncio.create_task(anext(there.executor.amendments(), None))
        await calm(world, QUICK_QUIET)
        wrong = []
        bare, said = bare_shares(world, "AAPL"), all(result.position_protected for result in results)
        if bare and said and not ear.done():
            wrong.append(f"{bare} bare without saying so")
        ids = Counter(order.client_order_id for order in there.orders("T"))
        wrong += [f"{name} was sent twice" for name, count in ids.items() if count > 1]
        side = 1 if seed % 2 else -1
        if position(world, "AAPL") * side < 0 and said:
            wrong.append(f"{position(world, 'AAPL')} held")
        return died, wrong


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_death_after_any_record_is_put_right(seed: int) -> None:
    wrong, records = [], 1
    while True:
        died, found = run_virtual(lambda records=records: killed_after(records, seed), seed=seed)  # type: ignore[misc]
        wrong += [f"record {records}: {line}" for line in found]
        if not died:
            break
        records += 1
    assert not wrong
    assert records >= 4
