"""The plug is pulled at any moment: what the journal holds, and what a new process makes of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from random import Random

import pytest

from fillwatch.core.errors import EngineClosed
from fillwatch.core.trade_facts import client_id
from fillwatch.core.trade_result import TradeResult
from fillwatch.core.trade_terms import ExecutorConfig
from fillwatch.journal import KIND_RULES, Entry, Fact, FactKind, JournalClosed, JournalError, JournalFull, MemoryJournal
from fillwatch.simulator import NO_FAULTS, Fate, Faults, Kind, Op, World
from fillwatch.simulator.faults import Rule
from fillwatch.simulator.plans import Act
from fillwatch.testing import run_virtual, virtual
from tests.execution.scene import QUICK, QUICK_QUIET, Scene, calm, now, scene
from tests.execution.test_exits import act, exits, group_deaf_to, standing


class MortalJournal(MemoryJournal):
    """Takes a moment to make facts durable, and loses at its death what was not."""

    def __init__(self) -> None:
        super().__init__()
        self.is_dead = False
        self._safe = 0

    async def write(self, *facts: Fact, durable: bool | None = None) -> None:
        await asyncio.sleep(0.004)
        if self.is_dead:
            raise JournalClosed("killed")
        await super().write(*facts)
        if durable or (durable is None and any(KIND_RULES[fact.kind].durable for fact in facts)):
            self._safe = len(self._entries)

    def die(self) -> None:
        self.is_dead = True
        del self._entries[self._safe :]


def entries(there: Scene) -> int:
    return sum(truth.client_order_id == client_id("T", "e1") for truth in there.orders())


async def killed_and_back(seed: int, at: float, faults: Faults, on_unknown: str) -> tuple[list[str], set[str]]:
    """A trade killed after `at` seconds and taken up again; what was wrong, and the moment's signature."""
    loop = asyncio.get_running_loop()
    world = World(seed, clock=loop.time, fate=Fate.MARKET, faults=faults)
    journal, side = MortalJournal(), "buy" if seed % 2 else "sell"
    async with scene(seed, world=world, journal=journal, config=QUICK) as there:
        task = asyncio.create_task(there.trade(side, intent_id="T"))
        await asyncio.sleep(at)
        first = task.result() if task.done() else None
        journal.die()
    (end,) = await asyncio.gather(task, return_exceptions=True)
    assert first is not None or isinstance(end, EngineClosed)
    journal.is_dead = False
    reached = {entry.fact.kind.value for entry in await journal.read()}
    async with scene(seed, world=world, journal=journal, config=QUICK) as there:
        results = await there.executor.recover(on_unknown=on_unknown)
        wrong = [f"protected, and {there.bare()} bare" for r in results if r.position_protected and there.bare()]
        wrong += [f"success, and {there.position()} held" for r in results if r.success and not there.position()]
        await calm(world, QUICK_QUIET)
        if there.bare():
            wrong.append(f"{there.bare()} bare in the end")
        if entries(there) > 1:
            wrong.append("two entries")
        again = await there.executor.recover()
        if any(not result.position_protected for result in again):
            wrong.append("still unprotected when recovered again")
    return wrong, reached


@pytest.mark.parametrize("on_unknown", ["quarantine", "resend"])
@pytest.mark.parametrize("seed", range(1, 26))
def test_killed_at_any_moment_nothing_is_lost_doubled_or_bare(seed: int, on_unknown: str) -> None:
    at = Random(seed).uniform(0.05, 5.0)
    faults = NO_FAULTS if seed % 3 == 0 else Faults.random(seed)
    wrong, _ = run_virtual(lambda: killed_and_back(seed, at, faults, on_unknown), seed=seed)
    assert not wrong, (at, wrong)


def test_the_moments_of_the_kills_reach_every_stage() -> None:
    """From a journal that holds the wish alone to one that holds working exits."""
    seen: set[frozenset[str]] = set()
    for at in (0.03, 0.5, 1.225, 1.5, 2.5, 3.5, 3.9, 4.5):
        wrong, reached = run_virtual(lambda at=at: killed_and_back(1, at, NO_FAULTS, "quarantine"))  # type: ignore[misc]
        assert not wrong, (at, wrong)
        seen.add(frozenset(reached))
    assert any(FactKind.SENDING not in kinds for kinds in seen)
    assert any(FactKind.SENDING in kinds and FactKind.ACCEPTED not in kinds for kinds in seen)
    assert any(FactKind.EXITS in kinds for kinds in seen)


@pytest.mark.parametrize(("on_unknown", "orders"), [("quarantine", 0), ("resend", 1)])
def test_killed_before_anything_was_sent(on_unknown: str, orders: int) -> None:
    """The price is stale by now: nothing is sent unless the caller says so."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        world = World(1, clock=loop.time, fate=Fate.MARKET)
        journal = MortalJournal()
        async with scene(1, world=world, journal=journal) as there:
            task = asyncio.create_task(there.trade(intent_id="T"))
            await asyncio.sleep(0.5)
            journal.die()
        await asyncio.gather(task, return_exceptions=True)
        journal.is_dead = False
        assert not world.ledger.order_ids
        async with scene(1, world=world, journal=journal) as there:
            (result,) = await there.executor.recover(on_unknown=on_unknown)
            assert entries(there) == orders
            assert result.success == bool(orders)
            assert orders or "interrupted before anything was sent" in (result.reason or "")

    run_virtual(run)


async def kill_between_post_and_answer(kind: Kind, on_unknown: str) -> tuple[TradeResult, int, float]:
    loop = asyncio.get_running_loop()
    rule = Rule(kind=kind, orders=frozenset({client_id("T", "e1")}), times=1)
    world = World(1, clock=loop.time, fate=Fate.MARKET, faults=Faults(rules=(rule,)))
    journal = MortalJournal()
    async with scene(1, world=world, journal=journal, config=QUICK) as there:
        task = asyncio.create_task(there.trade(intent_id="T"))
        while not any(arrival.operation == "submit" for arrival in world.ledger.arrivals):
            await asyncio.sleep(0.01)
        journal.die()
    await asyncio.gather(task, return_exceptions=True)
    journal.is_dead = False
    async with scene(1, world=world, journal=journal, config=QUICK) as there:
        began = now()
        (result,) = await there.executor.recover(on_unknown=on_unknown)
        assert there.bare() == 0
        quarantined = await journal.read(kinds=[FactKind.QUARANTINED])
        assert len(quarantined) == (entries(there) == 0)
        return result, entries(there), now() - began


@pytest.mark.parametrize(
    ("kind", "on_unknown", "orders", "reason"),
    [
        (Kind.TIMEOUT_AFTER, "quarantine", 1, None),
        (Kind.TIMEOUT_AFTER, "resend", 1, None),
        (Kind.TIMEOUT_BEFORE, "quarantine", 0, "never got it"),
        (Kind.TIMEOUT_BEFORE, "resend", 1, None),
    ],
)
def test_killed_between_the_post_and_its_answer(kind: Kind, on_unknown: str, orders: int, reason: str | None) -> None:
    """What arrived is found by its id and adopted; what did not is not sent again unless the caller says so."""
    result, found, waited = run_virtual(lambda: kill_between_post_and_answer(kind, on_unknown))
    assert found == orders
    assert result.success == (reason is None)
    assert (reason or "") in (result.reason or "")
    if reason is not None:
        assert waited >= QUICK.quarantine_seconds


@virtual
async def test_an_intent_of_an_earlier_process_gives_its_result_again() -> None:
    loop = asyncio.get_running_loop()
    world = World(1, clock=loop.time, fate=Fate.MARKET)
    journal = MemoryJournal()
    signal = world.price("AAPL")
    async with scene(1, world=world, journal=journal) as there:
        first = await there.trade(signal_price=signal, intent_id="T")
    async with scene(1, world=world, journal=journal) as there:
        orders = len(there.orders())
        again = await there.trade(signal_price=signal, intent_id="T")
        assert await there.executor.recover() == ()  # it has been taken up already
        assert len(there.orders()) == orders
    assert first.success
    names = ("success", "filled_price", "stop_loss", "take_profit", "order_id", "exit_order_ids", "fill")
    assert [getattr(again, name) for name in names] == [getattr(first, name) for name in names]


@virtual
async def test_a_watch_goes_on_with_what_is_left_of_its_time() -> None:
    """By the wall clock: an entry sent 50 s ago has ten seconds left, not a minute."""
    loop = asyncio.get_running_loop()
    world = World(1, clock=loop.time, fate=Fate.NEVER)
    journal = MortalJournal()
    async with scene(1, world=world, journal=journal) as there:
        task = asyncio.create_task(there.trade(intent_id="T"))
        await asyncio.sleep(20.0)
        journal.die()
    await asyncio.gather(task, return_exceptions=True)
    journal.is_dead = False
    await asyncio.sleep(30.0)
    async with scene(1, world=world, journal=journal) as there:
        began = now()
        (result,) = await there.executor.recover()
        assert result.fill is not None
        assert result.fill.outcome == "timed_out"
        assert now() - began < 15.0


class FullJournal(MemoryJournal):
    """Takes no facts of these kinds."""

    def __init__(self, *kinds: FactKind) -> None:
        super().__init__()
        self.refused = frozenset(kinds)

    async def write(self, *facts: Fact, durable: bool | None = None) -> None:
        if any(fact.kind in self.refused for fact in facts):
            raise JournalFull("no space left")
        await super().write(*facts, durable=durable)


@pytest.mark.parametrize("kind", [FactKind.INTENT, FactKind.SENDING])
def test_no_entry_is_sent_that_could_not_be_written(kind: FactKind) -> None:
    async def run() -> None:
        async with scene(1, journal=FullJournal(kind)) as there:
            result = await there.trade(intent_id="T")
            assert not result.success
            assert result.position_protected
            assert "no space left" in (result.reason or "")
            assert not there.orders()

    run_virtual(run)


@virtual
async def test_exits_are_sent_even_if_they_cannot_be_written() -> None:
    """Their id follows from the intent, which is in the journal; a bare position is worse than a missing line."""
    journal = FullJournal()
    async with scene(1, journal=journal) as there:
        task = asyncio.create_task(there.trade(intent_id="T"))
        while there.position() == 0:
            await asyncio.sleep(0.01)
        journal.refused = frozenset(FactKind)
        result = await task
        assert result.success
        assert there.bare() == 0


@virtual
async def test_every_fact_survives_its_way_through_the_journal() -> None:
    """The facts read back fold to the very trade that was live."""
    from fillwatch.core.trade import fold
    from fillwatch.core.trade_facts import Intended
    from fillwatch.execution.records import facts_of

    rules = (Rule(kind=Fate.PARTIAL, orders=frozenset({client_id("T", "e1")})),)
    config = ExecutorConfig(max_slippage="0.3", limit_buffer=0.07, max_open_trades=3)
    async with scene(1, faults=Faults(rules=rules), config=config) as there:
        result = await there.trade(intent_id="T")
        first, *facts = facts_of(await there.journal.read(intent_id="T"))
        assert isinstance(first, Intended)
        assert first.intent.config == config
        trade = fold(first, *facts)
        assert trade.entry.result == result.fill
        assert trade.is_protected
        assert not trade.is_closed


async def up_to(journal: MemoryJournal, last: str) -> MemoryJournal:
    """A journal that ends with the first of a trade's facts of this name."""
    cut = MemoryJournal()
    for entry in await journal.read(intent_id="T"):
        await cut.write(entry.fact)
        if entry.fact.payload.startswith(f'{{"trade":"{last}"'):
            return cut
    raise AssertionError(f"there is no {last}")


@pytest.mark.parametrize(("on_unknown", "orders"), [("quarantine", 0), ("resend", 1)])
def test_killed_between_the_checks_and_the_entry(on_unknown: str, orders: int) -> None:
    """What was allowed then is at a stale price now: nothing is sent unless the caller says so."""

    async def run() -> None:
        clock, journal = asyncio.get_running_loop().time, MemoryJournal()
        async with scene(1, journal=journal) as there:
            await there.trade(intent_id="T")
        cut = await up_to(journal, "cleared")
        async with scene(1, world=World(1, clock=clock, fate=Fate.MARKET), journal=cut) as there:
            (result,) = await there.executor.recover(on_unknown=on_unknown)
            assert entries(there) == orders
            assert result.success == bool(orders)
            assert result.position_protected

    run_virtual(run)


@virtual
async def test_an_entry_that_is_found_again_has_what_is_left_of_its_time() -> None:
    """It was sent before the kill, so its minute began then, and not when it was found."""
    world, journal = World(1, clock=asyncio.get_running_loop().time, fate=Fate.NEVER), MemoryJournal()
    async with scene(1, world=world, journal=journal) as there:
        task = asyncio.create_task(there.trade(intent_id="T"))
        await asyncio.sleep(3.0)
    await asyncio.gather(task, return_exceptions=True)
    cut = await up_to(journal, "sending")
    await asyncio.sleep(40.0)
    async with scene(1, world=world, journal=cut) as there:
        began = now()
        (result,) = await there.executor.recover()
        assert 15.0 < now() - began < 22.0
        assert result.fill is not None


class Torn(MemoryJournal):
    """The first fact of one trade cannot be read any more."""

    async def intents(self, *, open_only: bool = False) -> tuple[Entry, ...]:
        found = await super().intents(open_only=open_only)
        return tuple(
            replace(entry, fact=replace(entry.fact, payload='{"trade":"intended","is":{}}'))
            if entry.fact.intent_id == "torn"
            else entry
            for entry in found
        )


@virtual
async def test_a_trade_that_cannot_be_read_does_not_stop_the_others() -> None:
    world, journal = World(1, clock=asyncio.get_running_loop().time, fate=Fate.MARKET), Torn()
    async with scene(1, world=world, journal=journal) as there:
        torn = asyncio.create_task(there.trade(intent_id="torn", symbol="MSFT"))
        await asyncio.sleep(0.1)
        task = asyncio.create_task(there.trade(intent_id="T"))
        while not there.position():
            await asyncio.sleep(0.01)
    await asyncio.gather(task, torn, return_exceptions=True)
    async with scene(1, world=world, journal=journal) as there:
        assert there.bare() == 100
        with pytest.raises(JournalError, match="torn"):
            await there.executor.recover()
        assert there.bare() == 0


@pytest.mark.parametrize("deaf", [Op.POSITIONS, Op.CANCEL])
def test_recovery_answers_while_the_broker_does_not(deaf: Op) -> None:
    """Exits were lost, or do not protect any more, and what is needed to mend that is not to be had: that is told."""

    async def run() -> None:
        world, journal = World(1, clock=asyncio.get_running_loop().time, fate=Fate.MARKET), MemoryJournal()
        faults = Faults(rules=(Rule(kind=Kind.SERVER_ERROR, operations=frozenset({deaf})),))
        async with scene(1, world=world, journal=journal) as there:
            await standing(there)
            target, stop = exits(there)
            if deaf is Op.CANCEL:
                world.faults = faults
                with group_deaf_to(there, stop):
                    act(there, stop, Act.REJECT)
                await asyncio.sleep(40.0)
        if deaf is Op.POSITIONS:
            act(there, target, Act.CANCEL)
        world.faults = faults
        async with scene(1, world=world, journal=journal) as there, asyncio.timeout(60.0):
            (result,) = await there.executor.recover()
            assert not result.position_protected
            assert "without exits" in (result.reason or "") or "the target alone" in (result.reason or "")

    run_virtual(run)
