"""The audit: a rule is broken by the journal that breaks it and by no other, and real runs break none."""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from fillwatch.brokers.base import Broker
from fillwatch.core.config import AtTimeout, FillDetectionConfig
from fillwatch.core.evidence import Route
from fillwatch.core.orders import Execution, ExecutionKind, OrderRequest, OrderStatus, Side
from fillwatch.core.results import Amendment, AmendmentKind, FillOutcome, FillResult, Transition
from fillwatch.core.trade_facts import (
    Cleared,
    Closed,
    Intended,
    Looked,
    NotPlaced,
    Placed,
    Sending,
    Told,
    TradeFact,
    Watched,
    client_id,
)
from fillwatch.core.trade_result import TradeResult
from fillwatch.core.trade_terms import ExecutorConfig, Intent
from fillwatch.engine.engine import FillDetectionEngine
from fillwatch.execution.executor import SmartOrderExecutor
from fillwatch.execution.records import written
from fillwatch.journal import Entry, Fact, FactKind, MemoryJournal, SqliteJournal
from fillwatch.journal.watching import (
    PAYLOADS,
    Canceling,
    Learnt,
    Piece,
    Released,
    TimeoutKind,
    Traded,
    WatchBegun,
)
from fillwatch.observe import execution_rules, journal_rules, trade_rules, watch_rules
from fillwatch.observe.audit import Finding, audit
from fillwatch.observe.comparing import MEANS, compare
from fillwatch.observe.lines import WatchFact
from fillwatch.observe.record import record
from fillwatch.simulator import Fate, Faults, SimulatedBroker, World
from fillwatch.simulator.plans import Act
from fillwatch.simulator.server import serve
from fillwatch.testing import run_virtual
from tests.execution.scene import scene
from tests.execution.test_exits import act, exits, standing
from tests.test_cli import Done, account, invoke, run

BEGAN = datetime(2026, 6, 15, 14, 30, tzinfo=UTC)
ORDER, EXITS, LEG = (f"{digit}04837e3-3b76-47ec-b432-046db621571b" for digit in "9ab")
TEN = Decimal(10)
KINDS = {shape: kind for kind, shape in PAYLOADS.items()}

Said = TradeFact | WatchFact | Fact


def journal(*said: Said, run: int = 1) -> list[Entry]:
    """A journal of these facts, a tenth of a second apart, all of intent T or of the order `ORDER`."""
    entries = []
    for number, one in enumerate(said, 1):
        at, monotonic = BEGAN + timedelta(seconds=number / 10), 100.0 + number / 10
        if isinstance(one, Fact):
            fact = one
        elif type(one) in KINDS:
            fact = Fact.of(KINDS[type(one)], one, at=at, monotonic=monotonic, order_id=ORDER)
        else:
            fact = written(one, intent_id="T", order_id="", monotonic=monotonic)  # type: ignore[arg-type]  # the rest
        entries.append(Entry(number=number, run=run, fact=fact))
    return entries


def names(entries: Sequence[Entry]) -> list[str]:
    return [finding.rule for finding in audit(entries).findings]


INTENT = Intent(
    intent_id="T",
    symbol="AAPL",
    side=Side.BUY,
    quantity=TEN,
    signal_price=Decimal(150),
    risk_amount=Decimal(2),
    rr_ratio=Decimal(2),
    at=BEGAN,
    config=ExecutorConfig(),
)
RESULT = FillResult(
    order_id=ORDER,
    final_order_id=ORDER,
    outcome=FillOutcome.FILLED,
    filled=True,
    fill_price=Decimal(150),
    fill_quantity=TEN,
    detection_method="status@list",
    symbol="AAPL",
    side=Side.BUY,
    requested_quantity=TEN,
)
UNRESOLVED = replace(
    RESULT, outcome=FillOutcome.UNRESOLVED, filled=False, fill_price=None, fill_quantity=None, reason="not confirmed"
)
PARTLY = replace(
    RESULT, outcome=FillOutcome.PARTIALLY_FILLED, filled=False, fill_quantity=Decimal(5), reason="busted to 5 of 10"
)


def request(name: str, quantity: int = 10, intent: str = "T") -> OrderRequest:
    return OrderRequest(symbol="AAPL", side=Side.BUY, qty=Decimal(quantity), client_order_id=client_id(intent, name))


def sending(name: str, quantity: int = 10) -> Sending:
    return Sending(at=BEGAN, name=name, request=request(name, quantity))


def looked(name: str = "x1", *, working: bool = True) -> Looked:
    return Looked(at=BEGAN, name=name, order_ids=(EXITS, LEG), filled=Decimal(0), over=False, working=working)


WISH, CLEAR = Intended(at=BEGAN, intent=INTENT), Cleared(at=BEGAN, extended=False)
ENTRY = (sending("e1"), Placed(at=BEGAN, name="e1", order_id=ORDER))
FILLED = Watched(at=BEGAN, name="e1", result=RESULT)
STANDING = (sending("x1"), Placed(at=BEGAN, name="x1", order_id=EXITS), looked())
TOLD, CLOSED = Told(at=BEGAN, success=True, reason=""), Closed(at=BEGAN)
TRADE: tuple[TradeFact, ...] = (WISH, CLEAR, *ENTRY, FILLED, *STANDING, TOLD)

BEGUN = WatchBegun(
    began=BEGAN,
    timeout=TimeoutKind.GIVEN,
    timeout_seconds=60.0,
    deadline=BEGAN + timedelta(seconds=60),
    expected_price=None,
    at_timeout=AtTimeout.CANCEL,
)


def seen(status: OrderStatus = OrderStatus.NEW, filled: int = 0) -> Learnt:
    return Learnt(
        piece=Piece.SEEN,
        route=Route.LIST,
        as_of=100.0,
        about=ORDER,
        news=True,
        status=status,
        qty=TEN,
        filled_qty=Decimal(filled),
        filled_avg_price=Decimal(150) if filled else None,
    )


def change(status: OrderStatus, filled: int = 0, before: OrderStatus | None = OrderStatus.NEW) -> Transition:
    return Transition(
        order_id=ORDER,
        before=before,
        status=status,
        filled_quantity=Decimal(filled),
        requested_quantity=TEN,
        route=Route.LIST,
        at=100.0,
    )


def traded(quantity: int = 10, name: str = "one", price: int = 150, kind: ExecutionKind = ExecutionKind.FILL) -> Traded:
    row = Execution(
        execution_id=name,
        order_id=ORDER,
        qty=Decimal(quantity),
        price=Decimal(price),
        kind=kind,
        previous_id=None if kind is ExecutionKind.FILL else "one",
    )
    return Traded(route=Route.ACTIVITIES, execution=row, as_of=100.0)


def amends(before: FillResult, after: FillResult, kind: AmendmentKind = AmendmentKind.BUST) -> Amendment:
    return Amendment(order_id=ORDER, kind=kind, result=before, amended=after, at=100.0, reason="")


FULL = change(OrderStatus.FILLED, 10)
HEARD = (BEGUN, seen(), change(OrderStatus.NEW, before=None), seen(OrderStatus.FILLED, 10), FULL)
WATCH: tuple[WatchFact, ...] = (*HEARD, traded(), RESULT)
LEFT = replace(BEGUN, at_timeout=AtTimeout.LEAVE)
CANCELED = replace(
    RESULT, outcome=FillOutcome.CANCELED, filled=False, fill_price=None, fill_quantity=Decimal(0), reason="canceled"
)
#: Filled in two halves, one of which is undone later.
UNDONE = (
    *(*HEARD, traded(5), traded(5, "other"), RESULT),
    *(traded(5, "bust", kind=ExecutionKind.BUST), change(OrderStatus.FILLED, 5), amends(RESULT, PARTLY)),
)
#: Left alone at the timeout, and found out later.
RESOLVED = (
    *(LEFT, seen(), change(OrderStatus.NEW, before=None), UNRESOLVED, replace(LEFT, told=UNRESOLVED), FULL, traded()),
    *(amends(UNRESOLVED, RESULT, AmendmentKind.RESOLVED), Released(reason="its end is known")),
)
#: The broker seemed not to have the entry, and has it.
LATE = (WISH, CLEAR, sending("e1"), NotPlaced(at=BEGAN, name="e1", reason="no", arrived=False), *ENTRY[1:])


@pytest.mark.parametrize("said", [TRADE, (*TRADE, CLOSED), LATE, WATCH, UNDONE, RESOLVED, (*TRADE, *WATCH)])
def test_a_journal_that_is_as_it_should_be_has_no_findings(said: tuple[Said, ...]) -> None:
    assert names(journal(*said)) == []


NO = NotPlaced(at=BEGAN, name="e1", reason="no")
GARBAGE = Fact(kind=FactKind.EVIDENCE, at=BEGAN, monotonic=101.0, order_id=ORDER, payload='{"piece": "of cake"}')
EARLIER = Fact.of(FactKind.RELEASED, Released(reason="done"), at=BEGAN, monotonic=0.5, order_id=ORDER)
THEFT = written(Placed(at=BEGAN, name="e1", order_id=ORDER), intent_id="U", order_id=ORDER, monotonic=200.1)
ANNOUNCED = written(
    Sending(at=BEGAN, name="e1", request=request("e1", intent="U")), intent_id="U", order_id="", monotonic=200.0
)
WANTED = written(Intended(at=BEGAN, intent=replace(INTENT, intent_id="U")), intent_id="U", order_id="", monotonic=199.0)

#: What breaks each rule.
BROKEN: dict[str, tuple[Said, ...]] = {
    "readable": (*WATCH, GARBAGE),
    "in-order": (*WATCH, EARLIER),
    "one-owner": (*TRADE, WANTED, ANNOUNCED, THEFT),
    "intent-first": TRADE[1:],
    "one-order-per-part": (*TRADE, Placed(at=BEGAN, name="e1", order_id=LEG)),
    "one-entry": (*TRADE, sending("e2")),
    "one-request": (*TRADE, sending("e1", 20)),
    "announced": (WISH, CLEAR, ENTRY[1], FILLED, *STANDING, TOLD),
    "nothing-after-the-end": (WISH, CLEAR, sending("e1"), NO, TOLD, CLOSED, sending("e1")),
    "one-answer": (*TRADE, NO),
    "told-once": (*TRADE, TOLD),
    "exits-fit": (*TRADE[:-4], sending("x1", 20), *TRADE[-3:]),
    "trade-within-order": (
        *(WISH, CLEAR, *ENTRY, replace(FILLED, result=replace(RESULT, fill_quantity=Decimal(12)))),
        *(sending("x1", 12), *STANDING[1:], TOLD),
    ),
    "protected": (WISH, CLEAR, *ENTRY, FILLED, TOLD),
    "one-result": (*WATCH, RESULT),
    "witnessed": (BEGUN, replace(RESULT, fill_price=None)),
    "outcome-fits": (*HEARD, replace(RESULT, fill_quantity=Decimal(9))),
    "amends-what-was-told": (*WATCH, amends(UNRESOLVED, RESULT)),
    "ends-stand": (*HEARD[:3], change(OrderStatus.CANCELED), CANCELED, change(OrderStatus.FILLED, 10)),
    "no-cancel-after-the-end": (*WATCH, Canceling(target=ORDER), Canceling(target=ORDER, answer="already_over")),
    "left-alone": (LEFT, *HEARD[1:3], Canceling(target=ORDER)),
    "executions-within-order": (BEGUN, seen(), traded(), traded(5, "two")),
    "executions-told-once": (BEGUN, seen(), traded(), traded(price=151)),
    "price-was-heard": (*HEARD, traded(), replace(RESULT, fill_price=Decimal(149))),
    "quantity-only-rises": (
        *HEARD[:3],
        *(change(OrderStatus.PARTIALLY_FILLED, 5), change(OrderStatus.PARTIALLY_FILLED, 3)),
    ),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_what_breaks_a_rule_is_found_and_breaks_no_other(rule: str) -> None:
    entries = journal(*BROKEN[rule])
    found = audit(entries).findings
    assert {finding.rule for finding in found} == {rule}
    for finding in found:
        assert finding.means
        assert finding.text
        assert set(finding.numbers) <= {entry.number for entry in entries}


def test_every_rule_has_a_journal_that_breaks_it() -> None:
    tables = (journal_rules.RULES, trade_rules.RULES, watch_rules.RULES, execution_rules.RULES)
    assert set(BROKEN) == {name for table in tables for name in table}


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ((*TRADE[:-1], CLOSED), "told-once"),  # its caller was told nothing
        ((BEGUN, *WATCH[1:3], RESULT, replace(RESULT, fill_quantity=Decimal(11))), "one-result"),
        ((*HEARD, traded(), replace(RESULT, filled=False)), "outcome-fits"),
        ((*HEARD[:3], change(OrderStatus.CANCELED), CANCELED, traded(3)), "ends-stand"),  # an execution after it
        ((WISH, CLEAR, sending("e1"), NO, *ENTRY[1:]), "one-answer"),
        (
            (WISH, CLEAR, replace(sending("e1"), request=request("e1", intent="U")), *ENTRY[1:]),
            "one-entry",
        ),  # under a client id that does not follow from the intent
    ],
)
def test_a_rule_is_broken_in_more_than_one_way(said: tuple[Said, ...], rule: str) -> None:
    assert rule in names(journal(*said))


def test_a_cancel_that_was_not_sent_after_all_is_no_breach() -> None:
    assert names(journal(*WATCH, Canceling(target=ORDER), Canceling(target=ORDER, answer="not_sent"))) == []


def test_a_clock_starts_anew_with_each_run() -> None:
    first, second = journal(*TRADE), journal(*WATCH, run=2)
    second = [replace(entry, number=entry.number + len(first)) for entry in second]
    assert names([*first, *second]) == []
    assert "in-order" in names([*second, *first])


@pytest.mark.parametrize("rule", ["intent-first", "announced", "one-result"])
def test_what_began_in_forgotten_entries_is_not_held_against_a_journal(rule: str) -> None:
    broken = {"one-result": (RESULT,)}.get(rule, BROKEN[rule])
    entries = [replace(entry, number=entry.number + 1_000) for entry in journal(*broken)]
    assert names(entries) == []


def test_what_is_open_is_listed_and_is_no_finding() -> None:
    found = audit(journal(*TRADE, *HEARD[:3]))
    assert found.findings == ()
    assert [(row.what, row.state) for row in found.open] == [("trade", "protected"), ("watch", "new")]
    bare = audit(journal(WISH, CLEAR, *ENTRY, FILLED, TOLD))
    assert [(row.state, row.bare) for row in bare.open] == [("UNPROTECTED", TEN)]


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ((WISH,), "nothing sent yet"),
        ((WISH, CLEAR, sending("e1")), "sent, no answer yet"),
        ((WISH, CLEAR, sending("e1"), NO), "refused"),
        ((WISH, CLEAR, sending("e1"), replace(NO, arrived=False)), "never arrived"),
        ((WISH, CLEAR, *ENTRY), "entry working"),
        ((WISH, CLEAR, *ENTRY, replace(FILLED, result=CANCELED)), "ended without a fill"),
        ((WISH, CLEAR, *ENTRY, FILLED), "filled, exits to come"),
        ((WISH, CLEAR, *ENTRY, FILLED, *STANDING[:2]), "exits not seen yet"),
        (TRADE, "protected"),
        ((*TRADE, replace(looked(), filled=TEN, over=True)), "exited"),
        ((WISH, CLEAR, *ENTRY, FILLED, TOLD), "UNPROTECTED"),
    ],
)
def test_a_trade_is_told_by_where_it_stands(said: tuple[Said, ...], state: str) -> None:
    (row,) = audit(journal(*said)).open
    assert row.state == state


async def lived(seed: int, kept: MemoryJournal | SqliteJournal, *, kill_at: float = 30.0) -> World:
    """Trades and orders of every fate in a faulty world, left after some seconds and taken up again."""
    clock = asyncio.get_running_loop().time
    world = World(seed, clock=clock, fate=Fate.MARKET, faults=Faults.random(seed))
    ids = [world.place(fate=fate) for fate in Fate]

    def engine() -> FillDetectionEngine:
        broker = SimulatedBroker(world, stream=bool(seed % 2))
        return FillDetectionEngine(
            broker, FillDetectionConfig(), journal=kept, wall=lambda: world.wall(clock()), rng=Random(seed)
        )

    async with engine() as first:
        for place, order_id in enumerate(ids):
            first.watch(order_id, timeout_seconds=20, at_timeout="leave" if place % 7 == 0 else "cancel")
        executor = SmartOrderExecutor(first, journal=kept, wall=lambda: world.wall(clock()))
        trades = [
            asyncio.create_task(executor.execute_trade(symbol, "buy", 10, world.price(symbol), 2, intent_id=symbol))
            for symbol in ("IBM", "KO", "GE")
        ]
        await asyncio.sleep(kill_at)
    await asyncio.gather(*trades, return_exceptions=True)
    async with engine() as second:
        await second.recover()
        await SmartOrderExecutor(second, journal=kept, wall=lambda: world.wall(clock())).recover()
        await asyncio.sleep(90.0)
    return world


@pytest.mark.parametrize("kill_at", [3.0, 25.0])
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_real_runs_break_no_rule(seed: int, kill_at: float) -> None:
    kept = MemoryJournal()
    run_virtual(lambda: lived(seed, kept, kill_at=kill_at), seed=seed)
    found = audit(kept._entries)
    assert [str(finding) for finding in found.findings] == []
    assert found.orders >= len(Fate)
    assert found.intents == 3


async def compared(broker: Broker, entries: Sequence[Entry]) -> list[Finding]:
    found, _ = await compare(broker, record(entries), pause=0.6)
    return found


@pytest.mark.parametrize("seed", [1, 2, 4])
def test_a_real_run_agrees_with_its_account(seed: int) -> None:
    async def run() -> tuple[list[Finding], int, set[str]]:
        kept = MemoryJournal()
        world = await lived(seed, kept)
        before = len(world.ledger.arrivals)
        found = await compared(SimulatedBroker(world), kept._entries)
        asked = world.ledger.arrivals[before:]
        assert all(later.t - earlier.t >= 0.5 for earlier, later in pairwise(asked))
        return found, len(asked), {arrival.operation for arrival in asked}

    found, requests, operations = run_virtual(run, seed=seed)
    # What ended while the process was being left it has not heard of; that is said, and is no disagreement.
    assert [str(finding) for finding in found if finding.rule != "account-up-to-date"] == []
    assert operations <= {"list", "look", "look_by_client_id"}, "it only reads"
    assert 0 < requests < len(Fate), "the list is read by the page"


def test_a_bust_of_a_closed_trade_while_nobody_ran_is_found_in_the_account() -> None:
    """Recovery looks at what is open alone; the audit of the account is what the documents name for the rest."""

    async def run() -> tuple[tuple[TradeResult, ...], list[Finding], str]:
        loop = asyncio.get_running_loop()
        world, kept = World(1, clock=loop.time, fate=Fate.MARKET, partial_fills=0.0), MemoryJournal()
        async with scene(1, world=world, journal=kept) as there:
            await standing(there)
            act(there, exits(there)[0], Act.FILL)
            await asyncio.sleep(10.0)
            entry = there.sent("T", "e1").order_id
        assert await compared(SimulatedBroker(world), kept._entries) == []
        act(there, entry, Act.BUST)
        await asyncio.sleep(60.0)
        async with scene(1, world=world, journal=kept) as again:
            recovered = await again.executor.recover()
            await asyncio.sleep(60.0)
        return recovered, await compared(SimulatedBroker(world), kept._entries), entry

    recovered, found, entry = run_virtual(run)
    assert recovered == ()
    assert [(one.rule, one.subject) for one in found] == [("account-same-end", "T (e1)")]
    assert entry in found[0].text


async def told_otherwise(rule: str) -> list[Finding]:
    """An account that tells another story than the journal."""
    outage = Faults(outages=((1.0, math.inf),)) if rule == "account-answers" else Faults()
    world = World(1, clock=asyncio.get_running_loop().time, fate=Fate.NEVER, faults=outage)
    broker = SimulatedBroker(world)
    order_id = world.place(request("e1"), Fate.INSTANT if rule == "account-up-to-date" else Fate.NEVER)
    sent = {"account-has-it": LEG}.get(rule, order_id)
    placed = Placed(at=BEGAN, name="e1", order_id=sent)
    exits = (sending("x1"), Placed(at=BEGAN, name="x1", order_id=order_id), looked())
    says: dict[str, tuple[Said, ...]] = {
        "account-answers": (WISH, CLEAR, sending("e1"), placed),
        "account-has-it": (WISH, CLEAR, sending("e1"), placed),
        "account-lacks-it": (WISH, CLEAR, sending("e1"), replace(NO, arrived=False)),
        "account-same-end": (WISH, CLEAR, sending("e1"), placed, FILLED),
        "account-up-to-date": (WISH, CLEAR, sending("e1")),
        "account-exits-stand": (WISH, CLEAR, sending("e1"), placed, *exits),
    }
    await asyncio.sleep(5.0)
    return await compared(broker, journal(*says[rule]))


@pytest.mark.parametrize("rule", MEANS)
def test_what_the_account_tells_otherwise_is_found(rule: str) -> None:
    found = run_virtual(lambda: told_otherwise(rule))
    assert {finding.rule for finding in found} == {rule}
    assert all(finding.subject.startswith("T (") for finding in found)


def test_the_command_says_what_was_found_and_ends_accordingly(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.db", tmp_path / "bad.db"

    async def write(path: Path, said: Sequence[Said]) -> None:
        async with SqliteJournal(path) as kept:
            await kept.write(*(entry.fact for entry in journal(*said)))

    asyncio.run(write(good, (*TRADE, *HEARD[:3])))
    asyncio.run(write(bad, (*TRADE, sending("e2"))))
    code, out, err = invoke("audit", str(good))
    assert (code, err) == (0, "")
    assert re.search(r"^open +watch +new ", out, re.MULTILINE)
    assert out.splitlines()[-1] == "no rule is broken"
    code, out, err = invoke("audit", str(bad))
    assert (code, err) == (1, "")
    assert "one-entry: the position may have been entered twice" in out
    ours = [client_id("T", name) for name in ("e1", "e2")]
    assert f"  T: two entries were sent, as {ours[0]} and as {ours[1]} (entries 3, 10)" in out.splitlines()
    assert out.splitlines()[-1] == "1 finding"
    code, out, _ = invoke("audit", str(bad), "--json")
    (finding,) = json.loads(out)["findings"]
    assert (code, finding["rule"], finding["numbers"]) == (1, "one-entry", [3, 10])


def test_of_many_that_are_open_those_without_exits_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    async def write() -> None:
        async with SqliteJournal(path) as kept:
            for number in range(30):
                begun = Fact.of(FactKind.WATCH, BEGUN, at=BEGAN, monotonic=1.0, order_id=f"order-{number}")
                await kept.write(begun)
            await kept.write(*(entry.fact for entry in journal(WISH, CLEAR, *ENTRY, FILLED, TOLD)))

    asyncio.run(write())
    code, out, _ = invoke("audit", str(path))
    assert code == 1
    shown = [line for line in out.splitlines() if line.startswith("open ")]
    assert len(shown) == 20
    assert " UNPROTECTED " in shown[0]
    assert "and 11 more; `fillwatch journal list --open` shows all" in out


def test_the_command_compares_with_the_account_of_the_environment(tmp_path: Path) -> None:
    async def main() -> tuple[Done, Done]:
        world = World(7, clock=asyncio.get_running_loop().time)
        async with serve(world) as address:
            order_id = world.place(request("e1"), Fate.NEVER)
            path = tmp_path / "journal.db"
            async with SqliteJournal(path) as kept:
                said = journal(WISH, CLEAR, sending("e1"), Placed(at=BEGAN, name="e1", order_id=order_id))
                await kept.write(*(entry.fact for entry in said))
            same = await run("audit", str(path), "--broker", cwd=tmp_path, variables=account(address))
            async with SqliteJournal(path) as kept:
                other = replace(FILLED, result=replace(RESULT, order_id=order_id, final_order_id=order_id))
                await kept.write(written(other, intent_id="T", order_id=order_id, monotonic=1e9))
            return same, await run("audit", str(path), "--broker", cwd=tmp_path, variables=account(address))

    same, other = asyncio.run(main())
    assert (same.code, same.err) == (0, ""), same.out
    assert "1 order compared with the account" in same.out
    assert (other.code, other.err) == (1, "")
    assert "told was filled 10 of 10, and the broker has new 0 of 10" in other.out


def test_an_account_that_cannot_be_read_is_said_in_words(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    async def write() -> None:
        async with SqliteJournal(path):
            pass

    asyncio.run(write())
    code, _, err = invoke("audit", str(path), "--broker")
    assert code == 2
    assert "APCA_API_KEY_ID is not set" in err
