"""What every journal promises, held against each of them: order, what is found, what is still open."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fillwatch.journal import Entry, Fact, FactKind, Journal, JournalClosed, MemoryJournal, SqliteJournal
from fillwatch.testing import virtual
from tests.journal.stage import fact, facts, numbers

Opening = Callable[[], AbstractAsyncContextManager[Journal]]


@contextlib.asynccontextmanager
async def _sqlite() -> AsyncIterator[Journal]:
    with tempfile.TemporaryDirectory() as folder:
        async with SqliteJournal(Path(folder) / "journal.db") as journal:
            yield journal


both = pytest.mark.parametrize("opening", [MemoryJournal, _sqlite], ids=["memory", "sqlite"])


@both
@virtual
async def test_facts_come_back_in_the_order_in_which_they_were_given(opening: Opening) -> None:
    async with opening() as journal:
        await journal.write(fact(number=1), durable=True)
        journal.note(fact(FactKind.EVIDENCE, 2))
        await journal.write(fact(FactKind.STEP, 3), fact(number=4), durable=False)
        await journal.write(fact(number=5))
        journal.note(fact(FactKind.EVIDENCE, 6))
        entries = await journal.read()
        assert numbers(entries) == [1, 2, 3, 4, 5, 6]
        assert [entry.number for entry in entries] == sorted({entry.number for entry in entries})
        assert journal.problem is None
        assert journal.lost == 0


@both
@virtual
async def test_a_fact_comes_back_as_it_was_given(opening: Opening) -> None:
    odd = fact(FactKind.SENDING, 123_456, intent="ордер <b>\0'", order='"; DROP TABLE facts; --')
    async with opening() as journal:
        await journal.write(odd)
        assert facts(await journal.read()) == [odd]
        assert facts(await journal.read(intent_id=odd.intent_id)) == [odd]


@both
@virtual
async def test_pages_follow_one_another(opening: Opening) -> None:
    async with opening() as journal:
        await journal.write(*(fact(number=n, order=f"order-{n % 2}") for n in range(10)))
        found: list[Entry] = []
        while page := await journal.read(order_id="order-1", after=found[-1].number if found else 0, limit=2):
            assert len(page) <= 2
            found.extend(page)
        assert numbers(found) == [1, 3, 5, 7, 9]
        assert await journal.read(limit=0) == ()


@both
@virtual
async def test_a_closed_journal_takes_nothing_more(opening: Opening) -> None:
    async with opening() as journal:
        await journal.write(fact())
    for attempt in (journal.write(fact()), journal.write(fact(), durable=False)):
        with pytest.raises(JournalClosed):
            await attempt
    with pytest.raises(JournalClosed):
        journal.note(fact())
    await journal.aclose()


KINDS = (
    *(FactKind.INTENT, FactKind.CLOSED, FactKind.WATCH, FactKind.RESULT, FactKind.RELEASED),
    *(FactKind.STEP, FactKind.EXECUTION, FactKind.REOPENED),
)
TURNS = (FactKind.CLOSED, FactKind.REOPENED)
FACTS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.sampled_from(["", "i1", "i2"]), st.sampled_from(["", "o1", "o2", "i1"])),
    max_size=25,
)


def _is_open(story: Sequence[Fact], place: int) -> bool:
    """By the words of `Journal`: is the intent or the watch that the fact at `place` began still open?"""
    begin = story[place]
    if begin.kind is FactKind.INTENT:
        turns = [f.kind for f in story if f.intent_id == begin.intent_id and f.kind in TURNS]
        return not turns or turns[-1] is FactKind.REOPENED
    return not any(
        f.kind in (FactKind.RESULT, FactKind.RELEASED) and f.order_id == begin.order_id for f in story[place:]
    )


def _begins(story: Sequence[Fact], kind: FactKind) -> list[int]:
    """Where intents (their first fact) or watches (their last) begin."""
    if kind is FactKind.INTENT:
        places = {f.intent_id: n for n, f in reversed([*enumerate(story)]) if f.kind is kind}
    else:
        places = {f.order_id: n for n, f in enumerate(story) if f.kind is kind}
    return sorted(places.values())


@both
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(drawn=[(FactKind.INTENT, "i1", "")] * 2 + [(FactKind.WATCH, "", "o1")] * 2, indexed=3)
@given(drawn=FACTS, indexed=st.integers(0, 25))
@virtual
async def test_what_is_found_is_what_the_words_say(
    opening: Opening, drawn: list[tuple[FactKind, str, str]], indexed: int
) -> None:
    story = [fact(kind, n, intent=intent, order=order) for n, (kind, intent, order) in enumerate(drawn)]
    async with opening() as journal:
        for n, one in enumerate(story):
            if n == indexed and isinstance(journal, SqliteJournal):
                await _index(journal)
            journal.note(one)
        for order in ("o1", "i1", ""):
            for intent in (None, "i1", ""):
                for kinds in ((), (FactKind.STEP, FactKind.INTENT)):
                    wanted = [
                        f
                        for f in story
                        if f.order_id == order and intent in (None, f.intent_id) and (not kinds or f.kind in kinds)
                    ]
                    assert facts(await journal.read(order_id=order, intent_id=intent, kinds=kinds)) == wanted
        for kind, look in ((FactKind.INTENT, journal.intents), (FactKind.WATCH, journal.watches)):
            begun = _begins(story, kind)
            assert numbers(await look()) == begun
            assert numbers(await look(open_only=True)) == [n for n in begun if _is_open(story, n)]


async def _index(journal: SqliteJournal) -> None:
    """Have what was written so far indexed, as it would be in a quiet moment."""
    await journal.read()
    await journal._file.work(lambda store: store.index(50))


@virtual
async def test_memory_forgets_the_oldest_of_what_is_over() -> None:
    async with MemoryJournal(limit=8) as journal:
        journal.note(fact(FactKind.INTENT, 0, intent="open"))
        journal.note(fact(FactKind.INTENT, 1, intent="shut"))
        journal.note(fact(FactKind.WATCH, 2, order="watched"))
        journal.note(fact(FactKind.WATCH, 3, order="ended"))
        journal.note(fact(FactKind.RESULT, 4, order="ended"))
        journal.note(fact(FactKind.CLOSED, 5, intent="shut"))
        for n in range(6, 100):
            journal.note(fact(FactKind.STEP, n))
        left = numbers(await journal.read())
        assert left[:2] == [0, 2]
        assert left[2:] == list(range(left[2], 100))
        assert 8 <= len(left) <= 12
        assert numbers(await journal.intents(open_only=True)) == [0]


def test_a_memory_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="limit: 0"):
        MemoryJournal(limit=0)
