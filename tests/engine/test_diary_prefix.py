"""A journal cut off after any fact: what it says by then is true, and what is recovered from it is right in the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from fillwatch import Amendment, FillDetectionConfig, FillDetectionEngine, FillResult, Transition
from fillwatch.core.orders import ExecutionKind
from fillwatch.journal import Entry, Fact, FactKind, MemoryJournal
from fillwatch.journal.watching import MAY_HAVE_WORKED, Canceling, Traded, WatchBegun
from fillwatch.simulator import Faults, Ledger, SimulatedBroker, World
from fillwatch.testing import run_virtual
from fillwatch.testing.claims import invented_ends, phantoms, wrong_figures
from fillwatch.testing.history import History, Line, Phase
from fillwatch.testing.violations import Terms
from tests.engine.diary_stage import now

ORDERS = 8
#: Virtual seconds after healing within which what was left unresolved must be known: audits come at growing intervals.
SETTLING, STEP = 1_500.0, 5.0


class Cut(MemoryJournal):
    """Takes so many facts, as if the process had been killed then; what is written together is there together."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.over = asyncio.Event()
        self._room = room

    async def write(self, *facts: Fact, durable: bool | None = None) -> None:
        if len(facts) > self._room:
            self._end()
        await super().write(*facts)

    def note(self, fact: Fact) -> None:
        if self._room:
            self._room -= 1
            super().note(fact)
        else:
            self._end()

    def _end(self) -> None:
        self._room = 0
        self.over.set()


def told(entries: Iterable[Entry]) -> History:
    """What the journal says, as the checker of histories reads it: each thing at the time of its fact."""
    history, lives = History(lambda: 0.0), Counter[str]()
    for fact in (entry.fact for entry in entries):
        if fact.kind is FactKind.WATCH:  # beliefs begin anew with each
            lives[fact.order_id] += 1
        elif fact.kind in _READ:
            history.lines.append(_line(fact, f"{fact.order_id}/{lives[fact.order_id]}"))
    return history


_READ = (FactKind.TRANSITION, FactKind.RESULT, FactKind.AMENDMENT, FactKind.CANCELING)


def _line(fact: Fact, actor: str) -> Line:
    value: object
    op, phase = fact.kind.value, Phase.INFO
    match fact.kind:
        case FactKind.TRANSITION:
            value = fact.read(Transition)
        case FactKind.RESULT:
            value = fact.read(FillResult)
        case FactKind.AMENDMENT:
            value = fact.read(Amendment)
        case _:  # of a cancel without a plain answer nobody knows whether it was the one
            cancel = fact.read(Canceling)
            value, op, phase = None, "cancel", Phase.FAIL if cancel.answer in MAY_HAVE_WORKED else Phase.OK
            return Line(t=fact.monotonic, actor=actor, order=cancel.target, op=op, phase=phase, value=value)
    return Line(t=fact.monotonic, actor=actor, order=fact.order_id, op=op, phase=phase, value=value)


def wrong_executions(entries: Iterable[Entry], ledger: Ledger) -> Iterator[str]:
    """Rows that the broker's tape did not have by the time of their fact, or had otherwise, or that are there twice.

    A process that takes an order up again learns its executions again: at least once, under the same id.
    """
    seen: set[tuple[str, str, str]] = set()
    for entry in entries:
        if entry.fact.kind is FactKind.WATCH and entry.fact.read(WatchBegun).resumed:
            seen = {key for key in seen if key[0] != entry.fact.order_id}
        if entry.fact.kind is not FactKind.EXECUTION:
            continue
        row = entry.fact.read(Traded)
        one = row.execution
        known = [trade for trade in ledger.truth(one.order_id).trades if trade.t <= entry.fact.monotonic]
        if not any(
            trade.execution.execution_id == one.execution_id
            and (trade.execution.qty, trade.execution.price, trade.execution.kind) == (one.qty, one.price, one.kind)
            for trade in known
        ):
            yield f"no such execution by {entry.fact.monotonic}: {one}"
        key = (entry.fact.order_id, row.route.value, one.execution_id)
        if key in seen:
            yield f"twice: {one}"
        seen.add(key)


def said_wrongly(entries: tuple[Entry, ...], ledger: Ledger) -> list[str]:
    history, terms = told(entries), Terms(granted=None)
    found = [rule(history, ledger, terms) for rule in (phantoms, wrong_figures, invented_ends)]
    return [*wrong_executions(entries, ledger), *(str(one) for violations in found for one in violations)]


def last_words(entries: Iterable[Entry]) -> dict[str, FillResult]:
    words: dict[str, FillResult] = {}
    for entry in entries:
        if entry.fact.kind is FactKind.RESULT:
            words[entry.fact.order_id] = entry.fact.read(FillResult)
        elif entry.fact.kind is FactKind.AMENDMENT:
            words[entry.fact.order_id] = entry.fact.read(Amendment).amended
    return words


def wrong_in_the_end(words: dict[str, FillResult], over: set[str], ledger: Ledger) -> Iterator[str]:
    """`over`: what had its result before the cut; a bust after it is for nobody to tell."""
    for order_id, result in words.items():
        gross, net = (ledger.executed_in_chain(order_id, busts=busts) for busts in (False, True))
        if not result.outcome.is_end:
            if ledger.truth(ledger.chain(order_id)[-1]).ended_at is not None:
                yield f"{order_id}: {result.reason}; it has ended"
        elif result.fill_quantity not in ({gross, net} if order_id in over else {net}) and not _busted_late(
            ledger, order_id
        ):
            yield f"{order_id}: {result.fill_quantity}, in truth {net}"


def _busted_late(ledger: Ledger, order_id: str) -> bool:
    """A bust may come after the last look at an order that had ended."""
    rows = [row for member in ledger.chain(order_id) for row in ledger.truth(member).executions]
    return any(row.kind is ExecutionKind.BUST for row in rows)


async def two_lives(seed: int, room: int) -> list[str]:
    """The first ends after `room` facts; the second recovers from them and asks for what they do not speak of."""
    draw = Random(f"prefix/{seed}")
    faults = Faults.random(seed)
    config = FillDetectionConfig(timeout_seconds=draw.uniform(5.0, 20.0), resolution_seconds=5.0)
    world = World(seed, clock=now, faults=faults, timeout=config.timeout_seconds)
    order_ids = world.populate(ORDERS)
    stream = draw.random() < 0.3

    def engine(journal: MemoryJournal) -> FillDetectionEngine:
        broker = SimulatedBroker(world, stream=stream)
        return FillDetectionEngine(broker, config, rng=Random(seed), journal=journal, wall=lambda: world.wall(now()))

    cut = Cut(room)
    async with engine(cut) as first:
        for order_id in order_ids:
            first.watch(order_id)
        async with asyncio.timeout(300.0) as ending:
            await cut.over.wait()
            ending.reschedule(None)
    prefix = await cut.read()
    rest = MemoryJournal()
    for entry in prefix:
        rest.note(entry.fact)
    before = {entry.fact.order_id for entry in await rest.watches()}
    over = before - {entry.fact.order_id for entry in await rest.watches(open_only=True)}
    await asyncio.sleep(draw.choice((0.0, 1.0, 60.0)))
    async with engine(rest) as second:
        watches = [*await second.recover(), *(second.watch(one) for one in order_ids if one not in before)]
        for watch in watches:
            await watch
        await asyncio.sleep(max(0.0, world.start + faults.heal_at - now()))
        for _ in range(int(SETTLING / STEP)):
            await asyncio.sleep(STEP)
            if not [*wrong_in_the_end(last_words(await rest.read()), over, world.ledger)]:
                break
    entries = await rest.read()
    words = last_words(entries)
    return [
        *said_wrongly(prefix, world.ledger),
        *said_wrongly(entries, world.ledger),
        *(f"{order_id}: no result" for order_id in order_ids if order_id not in words),
        *wrong_in_the_end(words, over, world.ledger),
    ]


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), room=st.integers(0, 120))
def test_any_prefix_is_true_and_enough_to_go_on_with(seed: int, room: int) -> None:
    def run() -> list[str]:
        try:
            return run_virtual(lambda: two_lives(seed, room), seed=seed)
        except TimeoutError:
            return []

    assert run() == []
