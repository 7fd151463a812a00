"""Everything that is learnt and told of a watch is written down, in order, and nothing is told before it is."""

from __future__ import annotations

import asyncio
import dataclasses
import math
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from fillwatch import (
    Amendment,
    AmendmentKind,
    EngineClosed,
    FillDetectionEngine,
    FillOutcome,
    FillResult,
    OrderRequest,
    Transition,
    enable_logging,
)
from fillwatch.core.config import AtTimeout
from fillwatch.core.evidence import Executed, Route, Seen
from fillwatch.core.orders import ExecutionKind, OrderStatus, Side
from fillwatch.core.verification import Verdict
from fillwatch.engine.diary import BEFORE_CANCEL
from fillwatch.journal import Fact, FactKind, JournalClosed, JournalUnwritable, MemoryJournal, SqliteJournal
from fillwatch.journal.base import PAYLOAD_LIMIT
from fillwatch.journal.patience import PATIENCE
from fillwatch.journal.sqlite import LEAST_BYTES
from fillwatch.journal.watching import (
    PAYLOADS,
    Canceling,
    Learnt,
    Piece,
    Released,
    TimeoutKind,
    Traded,
    WatchBegun,
    is_of_a_watch,
)
from fillwatch.simulator import Fate, Faults, Kind, Op, SimulatedBroker
from fillwatch.testing import virtual
from tests.engine.diary_stage import Disk, kinds, now, stage, until

BUY = OrderRequest(symbol="AAPL", side=Side.BUY, qty=Decimal(10))


@pytest.fixture
def said(quiet_loguru: None) -> list[str]:
    """What fillwatch's log says during the test."""
    lines: list[str] = []
    enable_logging(sink=lambda message: lines.append(str(message)))
    return lines


@virtual
async def test_a_fill_leaves_its_whole_story() -> None:
    there = stage()
    async with there.engine() as engine:
        order_id = there.world.place(BUY, Fate.SLOW)
        result = await engine.watch(order_id, timeout_seconds=30, expected_price="100")
        facts = await there.facts(order_id)
        assert all(is_of_a_watch(fact) and fact.intent_id == "" for fact in facts)
        told: list[object] = [fact.read(PAYLOADS[fact.kind]) for fact in facts]
        assert kinds(facts)[:3] == ["watch", "evidence", "transition"]
        assert kinds(facts)[-1] == "result"
        assert told[-1] == result
        begun, first = told[0], told[1]
        assert isinstance(begun, WatchBegun)
        assert (begun.timeout, begun.timeout_seconds, begun.expected_price) == (TimeoutKind.GIVEN, 30.0, Decimal(100))
        assert begun.at_timeout is AtTimeout.CANCEL
        assert begun.deadline is not None
        assert (begun.deadline - begun.began).total_seconds() == 30.0
        assert begun.began == facts[0].at
        assert isinstance(first, Learnt)
        assert (first.piece, first.about, first.news) == (Piece.SEEN, order_id, True)
        assert (first.symbol, first.side, first.order_type) == ("AAPL", Side.BUY, "market")
        assert first.methods is not None
        assert first.methods["quantity"] is Verdict.CONTRADICTS
        last_look = [piece for piece in told if isinstance(piece, Learnt)][-1]
        assert (last_look.raw_status, last_look.filled_qty, last_look.filled_avg_price) == (
            *("filled", Decimal(10)),
            result.fill_price,
        )
        assert last_look.again > 0, "looks between that told the same"
        changes = [change for change in told if isinstance(change, Transition)]
        assert changes[-1].status is OrderStatus.FILLED
        assert [change.before for change in changes[1:]] == [change.status for change in changes[:-1]]


@pytest.mark.parametrize(
    ("timeout", "kind", "seconds"),
    [(None, TimeoutKind.CONFIGURED, 60.0), (math.inf, TimeoutKind.NONE, None), (1e300, TimeoutKind.GIVEN, 1e300)],
)
def test_every_timeout_can_be_written_down(timeout: float | None, kind: TimeoutKind, seconds: float | None) -> None:
    @virtual
    async def run() -> None:
        there = stage()
        async with there.engine(timeout_seconds=60) as engine:
            watch = engine.watch(there.world.place(BUY, Fate.NEVER), timeout_seconds=timeout, at_timeout="leave")
            await asyncio.sleep(0.1)
            [fact] = await there.facts(watch.order_id, FactKind.WATCH)
        begun = fact.read(WatchBegun)
        assert (begun.timeout, begun.timeout_seconds, begun.at_timeout) == (kind, seconds, AtTimeout.LEAVE)
        assert (begun.deadline is None) is (kind is not TimeoutKind.CONFIGURED)

    run()


@virtual
async def test_a_watch_is_on_the_disk_at_once() -> None:
    """Before the first request is answered."""
    there = stage()
    async with there.engine() as engine:
        watch = engine.watch(there.world.place(BUY, Fate.SLOW))
        for _ in range(10):
            await asyncio.sleep(0)
        assert kinds(await there.facts(watch.order_id)) == ["watch"]


@virtual
async def test_unchanged_looks_are_counted_and_not_written() -> None:
    there = stage()
    async with there.engine() as engine:
        watch = engine.watch(there.world.place(BUY, Fate.NEVER), timeout_seconds=300)
        await asyncio.sleep(250)
        before = await there.facts(watch.order_id, FactKind.EVIDENCE)
        checks = (await watch).checks_performed
        after = await there.facts(watch.order_id, FactKind.EVIDENCE)
        cancels = await there.facts(watch.order_id, FactKind.CANCELING)
    assert checks > 100
    assert len(before) <= 3
    told = [fact.read(Learnt) for fact in after]
    counted = sum(piece.again + (piece.piece is not Piece.UNANSWERED) for piece in told)
    counted += sum(fact.read(Canceling).again for fact in cancels)
    assert 0 <= checks - counted <= 2, "all but those since the last fact"


@virtual
async def test_of_a_row_of_questions_without_an_answer_the_first_is_written() -> None:
    there = stage()
    async with there.engine() as engine:
        watch = engine.watch(there.world.place(BUY, Fate.NEVER), timeout_seconds=120, at_timeout="leave")
        await asyncio.sleep(5)
        there.world.strike(Kind.SERVER_ERROR, times=30)
        await asyncio.sleep(60)
        pieces = [fact.read(Learnt) for fact in await there.facts(watch.order_id, FactKind.EVIDENCE)]
    [silent] = [piece for piece in pieces if piece.piece is Piece.UNANSWERED]
    assert silent.error
    assert "TransientError" in silent.error
    assert not silent.news


@virtual
async def test_an_order_that_is_not_there_is_said_so_once() -> None:
    there = stage()
    async with there.engine() as engine:
        result = await engine.watch("00000000-0000-4000-8000-000000000000", timeout_seconds=20)
        facts = await there.facts(result.order_id)
    assert result.reason is not None
    assert result.reason.startswith("never seen")
    pieces = [fact.read(Learnt).piece for fact in facts if fact.kind is FactKind.EVIDENCE]
    assert pieces.count(Piece.MISSING) == 1
    assert kinds(facts)[-2:] == ["result", "watch"], "it goes on being looked for"


@pytest.mark.parametrize("fate", [Fate.MANY_PARTIALS, Fate.REPLACED_AFTER_PARTIAL])
def test_each_execution_is_a_fact_of_its_own(fate: Fate) -> None:
    @virtual
    async def run() -> None:
        there = stage()
        async with there.engine(stream=True, partial_fills="wait") as engine:
            order_id = there.world.place(BUY, fate)
            result = await engine.watch(order_id)
            await asyncio.sleep(60)
            rows = [fact.read(Traded) for fact in await there.facts(order_id, FactKind.EXECUTION)]
        for route in {row.route for row in rows}:
            told = [row.execution for row in rows if row.route is route]
            assert len({row.execution_id for row in told}) == len(told), "a page that shows it again is no news"
            assert sum(row.qty for row in told) == result.fill_quantity
        assert Route.ACTIVITIES in {row.route for row in rows}

    run()


@virtual
async def test_a_bust_after_the_result_is_written_before_it_is_published() -> None:
    there = stage()
    async with there.engine() as engine:
        order_id = there.world.place(BUY, Fate.BUSTED)
        result = await engine.watch(order_id)
        late = await anext(engine.amendments())
        facts = await there.facts(order_id)
    assert (late.kind, late.result) == (AmendmentKind.BUST, result)
    order = kinds(facts)
    assert order.index("result") < order.index("amendment")
    [written] = [fact.read(Amendment) for fact in facts if fact.kind is FactKind.AMENDMENT]
    assert written == late
    rows = [fact.read(Traded).execution for fact in facts if fact.kind is FactKind.EXECUTION]
    assert ExecutionKind.BUST in {row.kind for row in rows}
    place = max(n for n, fact in enumerate(facts) if fact.kind is FactKind.EXECUTION)
    assert place < order.index("amendment"), "what it follows from stands before it"


@virtual
async def test_a_replaced_order_is_one_story_under_its_first_id() -> None:
    there = stage()
    async with there.engine() as engine:
        order_id = there.world.place(BUY, Fate.REPLACED_NEVER)
        result = await engine.watch(order_id, timeout_seconds=100)
        facts = await there.facts(order_id)
        assert await there.facts(result.final_order_id) == []
    assert result.final_order_id != order_id
    successors = {fact.read(Transition).successor_id for fact in facts if fact.kind is FactKind.TRANSITION}
    assert result.final_order_id in successors
    about = [fact.read(Learnt).about for fact in facts if fact.kind is FactKind.EVIDENCE]
    assert set(about) == {order_id, result.final_order_id}
    assert len(about) < result.checks_performed / 10, "repeated looks at either are no news"


@virtual
async def test_the_result_is_on_the_disk_before_anybody_is_told() -> None:
    disk = Disk()
    there = stage(disk)
    async with there.engine() as engine:
        watch = engine.watch(there.world.place(BUY, Fate.SLOW))
        disk.hold_at = FactKind.RESULT
        await until(lambda: "result" in kinds(disk.kept))
        began = now()
        await asyncio.sleep(PATIENCE / 2)
        assert not watch.done()
        assert watch.belief.status is OrderStatus.FILLED
        disk.go_on()
        result = await watch
        assert now() == pytest.approx(began + PATIENCE / 2)
        [fact] = await there.facts(watch.order_id, FactKind.RESULT)
        assert fact.read(FillResult) == result


@virtual
async def test_what_is_learnt_while_the_result_is_being_written_is_amended_after_it() -> None:
    """A bust that comes in between: neither in the result nor lost."""
    disk = Disk()
    there = stage(disk)
    async with there.engine(stream=True) as engine:
        order_id = there.world.place(BUY, Fate.SLOW)
        watch = engine.watch(order_id)
        disk.hold_at = FactKind.RESULT
        await until(lambda: "result" in kinds(disk.kept))
        [given] = [fact.read(FillResult) for fact in disk.kept if fact.kind is FactKind.RESULT]
        case = watch._case
        row = there.world.ledger.truth(order_id).executions[0]
        bust = dataclasses.replace(row, execution_id="b", kind=ExecutionKind.BUST, previous_id=row.execution_id)
        for piece in (row, bust):
            case.absorb(Executed(execution=piece, route=Route.STREAM, as_of=now()), now())
        assert not watch.done()
        disk.go_on()
        assert await watch == given
        told = now()
        late = await anext(engine.amendments())
    assert (late.kind, late.result, late.at) == (AmendmentKind.BUST, given, told)
    facts = await there.facts(order_id)
    rows = [n for n, fact in enumerate(facts) if fact.kind is FactKind.EXECUTION]
    busted = [n for n in rows if facts[n].read(Traded).execution.kind is ExecutionKind.BUST]
    assert kinds(facts).index("result") < busted[0] < kinds(facts).index("amendment")


@virtual
async def test_an_amendment_is_on_the_disk_before_it_is_published() -> None:
    disk = Disk()
    there = stage(disk)
    async with there.engine() as engine:
        await engine.watch(there.world.place(BUY, Fate.BUSTED))
        late = asyncio.ensure_future(anext(engine.amendments()))
        await asyncio.sleep(0)
        disk.hold_at = FactKind.AMENDMENT
        await until(lambda: "amendment" in kinds(disk.kept))
        await asyncio.sleep(PATIENCE / 2)
        assert not late.done()
        disk.go_on()
        await late
        assert "amendment" in disk.written


@virtual
async def test_a_disk_that_hangs_delays_a_result_by_so_much_and_no_more(said: list[str]) -> None:
    disk = Disk()
    there = stage(disk)
    async with there.engine() as engine:
        began = now()
        watches = [engine.watch(there.world.place(BUY, Fate.SLOW)) for _ in range(3)]
        await until(lambda: disk.written.count("transition") >= 3)
        disk.hold()
        waited = []
        async for result in engine.as_resolved([watch.order_id for watch in watches]):
            assert result.filled
            waited.append(now() - began - result.elapsed_time)
        assert max(waited) == pytest.approx(PATIENCE, abs=0.01)
        assert waited[-1] < 0.01, "it is known to hang by then"
        snapshot = engine.snapshot()
        assert snapshot.journal_problem == "the disk has not answered for 2 s"
        disk.go_on()
        await asyncio.sleep(0.1)
        assert engine.snapshot().journal_problem is None
        await engine.watch(there.world.place(BUY, Fate.INSTANT))
    assert disk.written.count("result") == 4, "late, and in order"
    assert not disk.kept
    errors = [line for line in said if "[ERROR]" in line]
    assert len(errors) == 1
    assert "the disk has not answered" in errors[0]
    assert "".join(said).count("facts are written again") == 1


@virtual
async def test_a_full_disk_stops_neither_watching_nor_cancelling(said: list[str]) -> None:
    disk = Disk()
    there = stage(disk)
    async with there.engine(timeout_seconds=10) as engine:
        disk.full = True
        filled = await engine.watch(there.world.place(BUY, Fate.SLOW))
        canceled = await engine.watch(there.world.place(BUY, Fate.NEVER))
        assert (filled.outcome, canceled.outcome) == (FillOutcome.FILLED, FillOutcome.TIMED_OUT)
        assert now() < 1_000 + 10 + 15
        assert engine.snapshot().journal_problem == "the disk is full"
        disk.full = False
        await engine.watch(there.world.place(BUY, Fate.INSTANT))
        assert engine.snapshot().journal_problem is None
    assert "result" in kinds(await there.facts(filled.order_id)), "what was kept is written when there is room"
    assert "".join(said).count("the disk is full") == 1
    assert "".join(said).count("facts are written again") == 1


@virtual
async def test_a_journal_that_is_closed_under_the_engine_is_said_so_once(said: list[str]) -> None:
    there = stage()
    async with there.engine(timeout_seconds=10) as engine:
        await there.journal.aclose()
        assert (await engine.watch(there.world.place(BUY, Fate.NEVER))).outcome is FillOutcome.TIMED_OUT
        snapshot = engine.snapshot()
        assert snapshot.journal_problem == "the journal is closed"
        assert snapshot.journal_lost > 3
    assert "".join(said).count("journal:") == 1


@virtual
async def test_a_journal_that_breaks_its_promise_ends_nothing(said: list[str]) -> None:
    """Somebody else's journal, with an error of its own."""

    class Broken(MemoryJournal):
        def note(self, fact: Fact) -> None:
            raise RuntimeError("oops")

    there = stage(Broken())
    async with there.engine(timeout_seconds=10) as engine:
        assert (await engine.watch(there.world.place(BUY, Fate.SLOW))).filled
        assert engine.snapshot().journal_problem == "RuntimeError: oops"
    assert "".join(said).count("oops") == 1


@virtual
async def test_a_journal_that_is_not_open_is_found_out_on_entering(tmp_path: Path) -> None:
    there = stage(SqliteJournal(tmp_path / "journal.db"))
    with pytest.raises(JournalClosed, match="not open yet"):
        async with there.engine():
            pass


@virtual
async def test_a_clock_without_a_time_zone_is_found_out_on_entering() -> None:
    there = stage()
    engine = FillDetectionEngine(
        SimulatedBroker(there.world), journal=there.journal, wall=lambda: there.wall().replace(tzinfo=None)
    )
    with pytest.raises(ValueError, match=r"wall: .* has no time zone"):
        async with engine:
            pass


@virtual
async def test_a_journal_that_has_reached_its_limit_stops_no_watch(tmp_path: Path) -> None:
    """The real file, too small for everything."""
    async with SqliteJournal(tmp_path / "journal.db", max_bytes=LEAST_BYTES) as journal:
        there = stage(journal)
        async with there.engine(timeout_seconds=10) as engine:
            filler = Fact.of(FactKind.STEP, {"more": "x" * 5_000}, at=there.wall(), monotonic=now())
            with pytest.raises(JournalUnwritable):
                await journal.write(*[filler] * 100, durable=True)
            filled, never = (there.world.place(BUY, fate) for fate in (Fate.SLOW, Fate.NEVER))
            outcomes = {one.order_id: one.outcome async for one in engine.as_resolved([filled, never])}
            assert outcomes == {filled: FillOutcome.FILLED, never: FillOutcome.TIMED_OUT}
            problem = engine.snapshot().journal_problem
            assert problem is not None
            assert "full" in problem


@virtual
async def test_what_the_journal_says_is_what_is_believed() -> None:
    """At every moment its last word on each order is the belief that was live then."""
    there = stage(Disk(), seed=7, faults=Faults.random(7))
    compared = 0
    async with there.engine(timeout_seconds=15, resolution_seconds=5) as engine:
        watches = [engine.watch(order_id) for order_id in there.world.populate(30)]
        for _ in range(400):
            await asyncio.sleep(0.1)
            said: dict[str, Transition] = {}
            for fact in await there.facts(None, FactKind.TRANSITION):
                change = fact.read(Transition)
                said[change.order_id] = change
            for watch in watches:
                belief = watch.belief
                if belief.order_id in said:
                    last = said[belief.order_id]
                    assert (last.status, last.filled_quantity) == (belief.status, belief.filled_quantity)
                    compared += 1
                else:
                    assert not belief.is_known
    assert compared > 5_000


@virtual
async def test_a_word_that_no_journal_takes_stops_nothing(said: list[str]) -> None:
    """A broker's text far beyond all measure, where it cannot be cut."""
    there = stage()
    async with there.engine() as engine:
        watch = engine.watch(there.world.place(BUY, Fate.SLOW))
        await until(lambda: watch.belief.best is not None)
        order = dataclasses.replace(
            watch.belief.view(), replaced_by="x" * PAYLOAD_LIMIT, updated_at=there.wall() + timedelta(seconds=0.1)
        )
        watch._case.absorb(Seen(order=order, route=Route.ORDER, as_of=now()), now())
        assert (await watch).filled
        assert engine.snapshot().journal_lost == 1
    assert "a fact of kind evidence cannot be written" in "".join(said)
    assert kinds(await there.facts(watch.order_id))[-1] == "result"


@virtual
async def test_a_release_is_written_and_is_no_result() -> None:
    there = stage()
    async with there.engine() as engine:
        watch = engine.watch(there.world.place(BUY, Fate.NEVER))
        await asyncio.sleep(5)
        watch.release()
        assert (await watch).reason == "released; the order may be live"
        watch.release()
        await asyncio.sleep(0.1)
        facts = await there.facts(watch.order_id)
        assert kinds(facts)[-1] == "released"
        assert kinds(facts).count("released") == 1
        assert "result" not in kinds(facts)
        assert facts[-1].read(Released).reason == "released by its caller"
        assert await there.journal.watches(open_only=True) == ()


@virtual
async def test_a_release_while_the_result_is_being_written_gives_that_result() -> None:
    disk = Disk()
    there = stage(disk)
    async with there.engine() as engine:
        watch = engine.watch(there.world.place(BUY, Fate.SLOW))
        disk.hold_at = FactKind.RESULT
        await until(lambda: "result" in kinds(disk.kept))
        watch.release()
        assert watch.done()
        assert (await watch).filled
        disk.go_on()
        await asyncio.sleep(0.1)
    assert disk.written[-2:] == ["result", "released"]
    assert disk.written.count("result") == 1


@virtual
async def test_leaving_the_engine_while_the_result_is_being_written_gives_that_result() -> None:
    disk = Disk()
    there = stage(disk)
    async with there.engine() as engine:
        watch = engine.watch(there.world.place(BUY, Fate.SLOW))
        other = engine.watch(there.world.place(BUY, Fate.NEVER))
        disk.hold_at = FactKind.RESULT
        await until(lambda: "result" in kinds(disk.kept))
        left = now()
    assert now() <= left + PATIENCE + 1.0
    assert (await watch).filled
    with pytest.raises(EngineClosed):
        await other
    disk.go_on()
    assert [entry.fact.order_id for entry in await disk.watches(open_only=True)] == [other.order_id]


@pytest.mark.parametrize("moment", [0.0, 0.5, 1.5, 2.5])
def test_a_disk_that_begins_to_hang_while_the_engine_is_left_holds_nobody(moment: float) -> None:
    """Leaving waits for a request in flight; facts come on until then."""

    @virtual
    async def run() -> None:
        disk = Disk()
        there = stage(disk)
        async with there.engine(latency=(3.0, 3.0)) as engine:
            watch = engine.watch(there.world.place(BUY, Fate.NEVER))
            await asyncio.sleep(10.1)
            left = now()
            loop, diary = asyncio.get_running_loop(), engine._open_office().diary
            assert diary is not None
            loop.call_later(moment, disk.hold)
            loop.call_later(moment + 0.1, diary.released, watch._case, "forged")
        took = now() - left
        assert took <= 3.0 + 2.0 * PATIENCE
        disk.go_on()
        assert disk.written.count("released") == (moment < took)

    run()


@virtual
async def test_what_is_left_open_stays_open_in_the_journal() -> None:
    there = stage()
    async with there.engine() as engine:
        order_id = engine.watch(there.world.place(BUY, Fate.NEVER)).order_id
    assert [entry.fact.order_id for entry in await there.journal.watches(open_only=True)] == [order_id]


@virtual
async def test_an_order_of_a_trade_says_whose_it_is() -> None:
    there = stage()
    async with there.engine() as engine:
        watch = engine.trading.watch(there.world.place(BUY, Fate.SLOW), intent_id="T", expected_price=100)
        assert engine.watch(watch.order_id, expected_price="100.0") is not watch
        await watch
        facts = await there.facts(watch.order_id)
        assert {fact.intent_id for fact in facts} == {"T"}
        with pytest.raises(ValueError, match="timeout_seconds"):
            engine.trading.watch(watch.order_id, intent_id="T", timeout_seconds=-1)
        door = engine.trading
    with pytest.raises(EngineClosed):
        door.watch(watch.order_id, intent_id="T")


@virtual
async def test_without_a_journal_nothing_is_written_and_nothing_is_missed() -> None:
    there = stage()
    async with FillDetectionEngine(SimulatedBroker(there.world)) as engine:
        assert engine.journal is None
        assert (await engine.watch(there.world.place(BUY, Fate.SLOW))).filled
        assert await engine.recover() == ()
        assert await engine.trading.cancel_sent("anything") is False
        snapshot = engine.snapshot()
        assert (snapshot.journal_problem, snapshot.journal_lost) == (None, 0)
    assert await there.facts() == []


@virtual
async def test_a_cancel_is_written_before_it_goes_out_and_again_when_it_is_answered() -> None:
    there = stage()
    async with there.engine(timeout_seconds=5) as engine:
        order_id = there.world.place(BUY, Fate.NEVER)
        await engine.watch(order_id)
        facts = await there.facts(order_id, FactKind.CANCELING)
    before, after = [fact.read(Canceling) for fact in facts]
    assert (before.target, before.answer, after.answer) == (order_id, None, "requested")
    assert before.again > 0
    [arrival] = [arrival for arrival in there.world.ledger.arrivals if arrival.operation == Op.CANCEL]
    assert facts[0].monotonic <= arrival.t <= facts[1].monotonic


@virtual
async def test_a_cancel_does_not_wait_long_for_the_disk() -> None:
    disk = Disk()
    there = stage(disk)
    async with there.engine(timeout_seconds=5) as engine:
        order_id = there.world.place(BUY, Fate.NEVER)
        watch = engine.watch(order_id)
        await asyncio.sleep(4)
        disk.hold()
        await watch
        told = [fact for fact in disk.kept if fact.kind is FactKind.CANCELING]
        [arrival] = [arrival for arrival in there.world.ledger.arrivals if arrival.operation == Op.CANCEL]
        assert told[0].monotonic + BEFORE_CANCEL <= arrival.t <= told[0].monotonic + BEFORE_CANCEL + 0.1
        disk.go_on()
