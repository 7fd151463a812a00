"""A journal whose disk does not answer delays what protects shares by so much and no more, and it is said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from fillwatch.core.errors import EngineClosed, IntentConflict
from fillwatch.core.trade_amendment import TradeChange
from fillwatch.core.trade_facts import Told
from fillwatch.execution.records import facts_of
from fillwatch.journal import Entry, Fact, FactKind, JournalUnreadable, JournalUnwritable, MemoryJournal
from fillwatch.journal.patience import PATIENCE, TAKING_UP, TRIED_AGAIN, WHILE_IT_HANGS, PatientWriter
from fillwatch.journal.watching import is_of_a_watch
from fillwatch.simulator import Fate, World
from fillwatch.simulator.plans import Act
from fillwatch.testing import run_virtual, virtual
from tests.engine.diary_stage import stage, until
from tests.execution.scene import now, scene
from tests.execution.test_exits import Ear, act, exits
from tests.execution.test_survival import told


def nothing(method: str, intent_id: str | None) -> bool:
    """The disk answers everything."""
    return False


class HungDisk(MemoryJournal):
    """Does not answer where `hangs` (the method, and the intent that it asks for) says so, until it no longer does."""

    def __init__(self, hangs: Callable[[str, str | None], bool] = nothing) -> None:
        super().__init__()
        self.hangs = hangs

    async def _hang(self, method: str, intent_id: str | None = None) -> None:
        while self.hangs(method, intent_id):
            await asyncio.sleep(0.25)

    async def write(self, *facts: Fact, durable: bool | None = None) -> None:
        await self._hang("write")
        await super().write(*facts, durable=durable)

    async def read(
        self,
        *,
        order_id: str | None = None,
        intent_id: str | None = None,
        kinds: Sequence[FactKind] = (),
        after: int = 0,
        limit: int | None = None,
    ) -> tuple[Entry, ...]:
        await self._hang("read", intent_id)
        return await super().read(order_id=order_id, intent_id=intent_id, kinds=kinds, after=after, limit=limit)

    async def intents(self, *, open_only: bool = False) -> tuple[Entry, ...]:
        await self._hang("intents")
        return await super().intents(open_only=open_only)

    async def watches(self, *, open_only: bool = False) -> tuple[Entry, ...]:
        await self._hang("watches")
        return await super().watches(open_only=open_only)


def market() -> World:
    return World(1, clock=asyncio.get_running_loop().time, fate=Fate.MARKET, partial_fills=0.0)


async def interrupted(world: World, journal: MemoryJournal, *symbols: str) -> None:
    """Entries (their intents are called like the symbols) were filled, and the process ended before anybody knew."""
    async with scene(1, world=world, journal=journal) as there:
        tasks = [asyncio.create_task(there.trade(intent_id=symbol, symbol=symbol)) for symbol in symbols]
        while not all(there.position(symbol) for symbol in symbols):
            await asyncio.sleep(0.01)
    for end in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(end, EngineClosed)


@virtual
async def test_a_disk_that_hangs_leaves_no_share_bare_and_begins_nothing() -> None:
    journal = HungDisk()
    with told("ERROR") as lines:
        async with scene(1, journal=journal) as there:
            running = asyncio.create_task(there.trade(intent_id="T"))
            while not there.position():
                await asyncio.sleep(0.01)
            journal.hangs = lambda method, _: method == "write"
            began = now()
            assert (await running).success
            assert now() - began < 10.0
            assert there.bare() == 0
            refused = await there.trade(intent_id="N", symbol="NVDA")
            assert now() - began < 20.0
            assert "the disk has not answered" in (refused.reason or "")
            assert not there.orders("N")
            assert any("the disk has not answered" in line for line in lines)
            journal.hangs = nothing
            assert (await there.trade(intent_id="again", symbol="NVDA")).success


@virtual
async def test_an_intent_that_cannot_be_looked_up_in_time_is_not_made_and_may_be_given_again() -> None:
    """It may have been made before: nothing is claimed, neither that nor that what it may hold is protected."""
    journal = HungDisk(lambda method, _: method == "read")
    async with scene(1, journal=journal) as there:
        began = now()
        answers = await asyncio.gather(there.trade(intent_id="T"), there.trade(intent_id="T"))
        assert now() - began == pytest.approx(PATIENCE)
        for answer in answers:
            assert (answer.intent_id, answer.success, answer.position_protected) == ("T", False, False)
            assert "the disk has not answered for 2 s" in (answer.reason or "")
        assert not there.orders()
        assert (await there.trade(symbol="NVDA")).success, "one without an id of its own was not made before"
        journal.hangs = nothing
        assert (await there.trade(intent_id="T")).success
        assert there.bare() == 0


@virtual
async def test_an_intent_given_for_another_trade_does_not_stand_in_the_way_of_its_own() -> None:
    """A new process, and its first word of the intent is a wrong one."""
    world, journal = market(), MemoryJournal()
    await interrupted(world, journal, "AAPL")
    async with scene(1, world=world, journal=journal) as there:
        with pytest.raises(IntentConflict):
            await there.trade(intent_id="AAPL", symbol="MSFT")
        (result,) = await there.executor.recover()
        assert (result.intent_id, result.success) == ("AAPL", True)
        assert there.bare() == 0


@virtual
async def test_trades_on_a_disk_that_hangs_are_taken_up_when_it_is_asked_again() -> None:
    world, journal = market(), HungDisk()
    await interrupted(world, journal, "AAPL")
    journal.hangs = lambda method, _: method == "intents"
    async with scene(1, world=world, journal=journal) as there:
        began = now()
        with pytest.raises(JournalUnreadable, match="the disk has not answered for 30 s"):
            await there.executor.recover()
        assert now() - began == pytest.approx(TAKING_UP)
        journal.hangs = nothing
        (result,) = await there.executor.recover()
        assert result.success
        assert there.bare() == 0


@virtual
async def test_a_trade_that_cannot_be_read_keeps_no_other_from_its_exits() -> None:
    """It gets its own by calling `recover` again."""
    world, journal = market(), HungDisk()
    await interrupted(world, journal, "AAPL", "MSFT")
    journal.hangs = lambda _, intent_id: intent_id == "AAPL"
    async with scene(1, world=world, journal=journal) as there:
        recovering = asyncio.create_task(there.executor.recover())
        await asyncio.sleep(TAKING_UP / 2)
        assert not recovering.done()
        assert [there.bare("AAPL"), there.bare("MSFT")] == [100, 0]
        with pytest.raises(JournalUnreadable):
            await recovering
        journal.hangs = nothing
        (result,) = await there.executor.recover()
        assert (result.intent_id, result.success) == ("AAPL", True)
        assert there.bare("AAPL") == 0


@virtual
async def test_what_is_known_of_an_earlier_cancel_is_not_waited_for_while_shares_are_bare() -> None:
    """It makes the words of a result better; the exits stand two seconds later and no more."""
    took = []
    for hangs in (nothing, lambda method, intent_id: method == "read" and intent_id is None):
        world, journal = market(), HungDisk()
        await interrupted(world, journal, "AAPL")
        journal.hangs = hangs
        with told("ERROR") as lines:
            async with scene(1, world=world, journal=journal) as there:
                began = now()
                (result,) = await there.executor.recover()
                took.append(now() - began)
                assert result.success
                assert there.bare() == 0
        assert any("the disk has not answered for 2 s" in line for line in lines) == (hangs is not nothing)
    assert PATIENCE <= took[1] <= took[0] + PATIENCE


@virtual
async def test_many_late_facts_wait_for_the_disk_once() -> None:
    """Ten entries are undone while the disk hangs: whether what stands for them is withdrawn must not take turns."""
    symbols = [f"S{letter}" for letter in "ABCDEFGHIJ"]
    journal = HungDisk()
    async with scene(1, world=market(), journal=journal) as there:
        ear = Ear(there)
        for symbol in symbols:
            assert (await there.trade(intent_id=symbol, symbol=symbol)).success
        journal.hangs = lambda method, _: method == "write"
        for symbol in symbols:
            act(there, there.sent(symbol, "e1").order_id, Act.BUST)
        began = now()
        while sum(late.kind is TradeChange.UNPROTECTED for late in ear.heard) < len(symbols):
            await asyncio.sleep(0.1)
        # The engine has waited for the disk as well, once, before it told of the first.
        assert now() - began < 3 * PATIENCE + len(symbols) * 2 * WHILE_IT_HANGS


class SlowToTell(MemoryJournal):
    """Takes a while to write down what the caller of a trade is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Told] = []

    async def write(self, *facts: Fact, durable: bool | None = None) -> None:
        trades = [Entry(number=1, run=1, fact=fact) for fact in facts if not is_of_a_watch(fact)]
        self.told += [fact for fact in facts_of(trades) if isinstance(fact, Told)]
        if any(entry.fact.kind is FactKind.RESULT for entry in trades):
            await asyncio.sleep(1.9)
        await super().write(*facts, durable=durable)


@virtual
async def test_what_is_learnt_while_the_result_is_being_written_is_told_after_it() -> None:
    """The caller and whoever reads the journal are told the same, and the news as an amendment of that."""
    journal = SlowToTell()
    async with scene(1, world=market(), journal=journal) as there:
        ear = Ear(there)
        running = asyncio.create_task(there.trade(intent_id="T"))
        await until(lambda: journal.told != [])
        for order_id in exits(there):
            act(there, order_id, Act.CANCEL)
        await asyncio.sleep(1.8)
        assert not running.done()
        result = await running
        assert [fact.success for fact in journal.told] == [result.success] == [True]
        await asyncio.sleep(0)
        assert (ear.kinds, ear.heard[0].result) == ([TradeChange.UNPROTECTED], result)
        await asyncio.sleep(60.0)
        assert ear.kinds[-1] is TradeChange.PROTECTED
        assert there.bare() == 0


@virtual
async def test_a_slow_disk_that_hung_is_trusted_again() -> None:
    """It takes longer than what hangs is waited for, and less than what does not."""
    journal, at = HungDisk(), []
    writer = PatientWriter(journal)

    async def write() -> bool:
        began = now()
        try:
            await writer.write()
        except JournalUnwritable:
            return False
        finally:
            at.append(now() - began)
        return True

    journal.hangs = lambda *_: True
    assert not await write()
    assert not await write()
    assert at == pytest.approx([PATIENCE, WHILE_IT_HANGS])
    slow_until = now()
    journal.hangs = lambda *_: now() < slow_until
    answers = []
    for _ in range(3):
        await asyncio.sleep(TRIED_AGAIN / 2)
        slow_until = now() + 0.2
        answers.append(await write())
    assert answers == [False, True, True]


@pytest.mark.parametrize("method", ["watches", "intents", "read"])
def test_watches_on_a_disk_that_hangs_are_taken_up_when_it_is_asked_again(method: str) -> None:
    async def run() -> None:
        journal = HungDisk()
        there = stage(journal)
        async with there.engine() as engine:
            order_id = there.world.place(fate=Fate.NEVER)
            engine.watch(order_id)
            await asyncio.sleep(1.0)
        journal.hangs = lambda asked, _: asked == method
        async with there.engine() as engine:
            began = now()
            with pytest.raises(JournalUnreadable, match="the disk has not answered for 30 s"):
                await engine.recover()
            assert now() - began == pytest.approx(TAKING_UP)
            journal.hangs = nothing
            (watch,) = await engine.recover()
            assert watch.order_id == order_id

    run_virtual(run)


@virtual
async def test_an_engine_is_entered_although_the_disk_hangs() -> None:
    there = stage(HungDisk(lambda *_: True))
    began = now()
    async with there.engine() as engine:
        assert now() - began == pytest.approx(PATIENCE, abs=0.5)
        assert engine.snapshot().journal_problem == "the disk has not answered for 2 s"
        assert (await engine.monitor_order_fill(there.world.place(fate=Fate.INSTANT))).filled
