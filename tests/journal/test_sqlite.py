"""The journal's file: whose it is, who may read and write it, and what happens to whoever waits for it."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from fillwatch import enable_logging
from fillwatch.journal import (
    Fact,
    FactKind,
    JournalClosed,
    JournalFull,
    JournalInUse,
    JournalReader,
    JournalUnreadable,
    JournalUnwritable,
    SqliteJournal,
    group_commit,
    schema,
)
from fillwatch.journal.sqlite import LEAST_BYTES
from fillwatch.journal.store import Store
from fillwatch.testing import virtual
from tests.journal.stage import BEGAN, fact, numbers


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def said(quiet_loguru: None) -> list[str]:
    """What fillwatch's log says during the test."""
    lines: list[str] = []
    enable_logging(sink=lambda message: lines.append(str(message)))
    return lines


@contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """Inside the block a shell holds the file, so that no commit can succeed; rolling back lets go of it."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as shell:
        shell.execute("BEGIN IMMEDIATE")
        yield shell


def _files(path: Path) -> dict[str, int]:
    """What lies in the journal's directory, and who may do what with it."""
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}


def _content(path: Path, new: bytes | None = None) -> bytes:
    """What is in the file, after `new` was written to it, for anybody to read."""
    if new is not None:
        path.write_bytes(new)
        path.chmod(0o644)
    return path.read_bytes()


@virtual
async def test_a_journal_outlives_whoever_wrote_it(path: Path) -> None:
    for run in (1, 2, 3):
        async with SqliteJournal(path) as journal:
            await journal.write(fact(number=run))
            assert [entry.run for entry in await journal.read()] == list(range(1, run + 1))
    assert _files(path) == {"journal.db": 0o600, "journal.db-lock": 0o600}
    with JournalReader(path) as reader:
        assert numbers(reader.read()) == [1, 2, 3]


@virtual
async def test_nobody_else_may_read_what_belongs_to_the_journal(path: Path) -> None:
    _content(path, b"")
    async with SqliteJournal(path) as journal:
        await journal.write(fact())
        assert _files(path) == dict.fromkeys(
            ("journal.db", "journal.db-wal", "journal.db-shm", "journal.db-lock"), 0o600
        )


@virtual
async def test_others_can_read_while_it_is_written(path: Path) -> None:
    async with SqliteJournal(path) as journal:
        await journal.write(fact(FactKind.INTENT, 1, intent="i"))
        with JournalReader(path) as reader:
            assert numbers(reader.intents(open_only=True)) == [1]
            await journal.write(fact(FactKind.CLOSED, 2, intent="i"))
            assert reader.intents(open_only=True) == ()
            assert numbers(reader.read(intent_id="i")) == [1, 2]


@virtual
async def test_a_second_writer_is_refused_and_told_who_the_first_is(path: Path) -> None:
    async with SqliteJournal(path) as journal:
        with pytest.raises(JournalInUse, match=r"written by somebody else \(process \d+, since 20.*another file"):
            async with SqliteJournal(path):
                pass
        await journal.write(fact(number=1))
    async with SqliteJournal(path) as journal:
        assert numbers(await journal.read()) == [1]


def _foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.executescript("CREATE TABLE facts (number INTEGER); INSERT INTO facts VALUES (1);")


def _newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as newer:
        newer.executescript(f"{schema.STEPS[0]} PRAGMA application_id = {schema.APPLICATION_ID};")
        newer.execute(f"PRAGMA user_version = {schema.VERSION + 1}")


def _no_database(path: Path) -> None:
    path.write_text("order_id,status\n" * 1000, "utf-8")


@pytest.mark.parametrize(
    ("make", "words"),
    [(_foreign, "no journal of fillwatch"), (_newer, "newer fillwatch"), (_no_database, "not a database")],
    ids=["foreign", "newer", "no database"],
)
@virtual
async def test_a_file_that_is_no_journal_is_left_alone(path: Path, make: object, words: str) -> None:
    assert callable(make)
    make(path)
    before = _content(path)
    with pytest.raises(JournalUnreadable, match=words):
        async with SqliteJournal(path):
            pass
    with pytest.raises(JournalUnreadable, match=words):
        JournalReader(path)
    assert _content(path) == before
    assert list(_files(path)) == ["journal.db"]


@virtual
async def test_a_damaged_file_is_noticed_at_opening(path: Path) -> None:
    async with SqliteJournal(path) as journal:
        await journal.write(*(fact(number=n, order=f"o{n}") for n in range(2_000)))
    content = bytearray(_content(path))
    content[len(content) // 2 : len(content) // 2 + 8192] = random.Random(1).randbytes(8192)
    _content(path, bytes(content))
    with pytest.raises(JournalUnreadable, match="damaged"):
        async with SqliteJournal(path):
            pass


@virtual
async def test_a_place_where_no_file_can_be_is_refused(tmp_path: Path) -> None:
    for place in (tmp_path / "nowhere" / "journal.db", tmp_path):
        with pytest.raises((JournalUnwritable, JournalUnreadable), match=str(place)):
            async with SqliteJournal(place):
                pass
    with pytest.raises(JournalUnreadable, match="no such journal"):
        JournalReader(tmp_path / "nothing.db")


def test_an_old_file_is_brought_up_to_date_step_by_step(path: Path) -> None:
    steps = (*schema.STEPS, "ALTER TABLE runs ADD COLUMN host TEXT NOT NULL DEFAULT '';")
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        schema.bring_up_to_date(file)
        file.execute("INSERT INTO runs VALUES (1, 'then', 7)")
        with pytest.raises(sqlite3.OperationalError):
            schema.bring_up_to_date(file, (*schema.STEPS, "ALTER TABLE runs ADD COLUMN half; NONSENSE;"))
        file.rollback()
        assert file.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
        schema.bring_up_to_date(file, steps)
        schema.bring_up_to_date(file, steps)
        assert file.execute("SELECT * FROM runs").fetchall() == [(1, "then", 7, "")]
    schema.examine(path, version=len(steps))
    with pytest.raises(JournalUnreadable, match="newer"):
        schema.examine(path)


@virtual
async def test_a_file_of_the_first_version_is_read_and_carried_on(path: Path) -> None:
    """Its reader knows of no reopening; once it is opened to be written, an intent that was closed can be opened."""
    row = "INSERT INTO facts (run, kind, intent_id, order_id, at, monotonic, payload) VALUES (1, ?, 'i', '', 0, 0.0, ?)"
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        schema.bring_up_to_date(file, schema.STEPS[:1])
        for n, kind in enumerate(("intent", "closed")):
            file.execute(row, (kind, f'{{"n": {n}, "more": ""}}'))
    with JournalReader(path) as reader:
        assert reader.intents(open_only=True) == ()
    async with SqliteJournal(path) as journal:
        assert await journal.intents(open_only=True) == ()
        await journal.write(fact(FactKind.REOPENED, 2, intent="i"))
        assert numbers(await journal.intents(open_only=True)) == [0]
        assert await journal.forget(BEGAN + timedelta(days=1)) == 0, "it is open"
        await journal.write(fact(FactKind.CLOSED, 3, intent="i"))
        assert await journal.intents(open_only=True) == ()


@pytest.mark.parametrize(
    "settings", [{"max_bytes": LEAST_BYTES - 1}, {"closing_seconds": 0.0}, {"opening_seconds": 0.0}]
)
def test_settings_out_of_range_are_refused_by_name(settings: dict[str, float]) -> None:
    (name,) = settings
    with pytest.raises(ValueError, match=name):
        SqliteJournal("journal.db", **settings)  # type: ignore[arg-type]  # one value is wrong on purpose


@virtual
async def test_it_has_to_be_open_and_is_opened_once(path: Path) -> None:
    journal = SqliteJournal(path)
    with pytest.raises(JournalClosed, match="not open yet"):
        await journal.write(fact())
    async with journal:
        await journal.write(fact())
    with pytest.raises(JournalClosed, match="opened before"):
        await journal.__aenter__()


@virtual
async def test_whoever_waits_for_the_disk_waits_together(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commits: list[tuple[int, bool]] = []
    commit = Store.commit

    def counted(self: Store, facts: Sequence[Fact], *, durable: bool) -> None:
        commits.append((len(facts), durable))
        commit(self, facts, durable=durable)

    monkeypatch.setattr(Store, "commit", counted)
    async with SqliteJournal(path) as journal:
        async with asyncio.TaskGroup() as group:
            for n in range(1_000):
                group.create_task(journal.write(fact(number=n)))
        assert commits == [(1_000, True)]
        assert len(await journal.read()) == 1_000


@virtual
async def test_what_rides_along_is_written_by_itself_and_costs_no_sync(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    insert = Store._insert

    def watched(self: Store, rows: list[tuple[int, str, str, str, int, float, str]]) -> None:
        synced.append(self._connection.execute("PRAGMA synchronous").fetchone()[0])
        insert(self, rows)

    monkeypatch.setattr(Store, "_insert", watched)
    async with SqliteJournal(path) as journal:
        journal.note(fact(FactKind.EVIDENCE, 1))
        await asyncio.sleep(2 * group_commit.NOTE_DELAY)
        with JournalReader(path) as reader:
            assert numbers(reader.read()) == [1]
        await journal.write(fact(FactKind.RESULT, 2))
    assert synced == [1, 2], "NORMAL for the note, FULL for the result"


@virtual
async def test_the_loop_goes_on_while_the_disk_does_not(path: Path) -> None:
    async with SqliteJournal(path) as journal:
        with locked(path) as shell:
            async with asyncio.TaskGroup() as group:
                writing = group.create_task(journal.write(fact(number=1)))
                for _ in range(1_000):
                    await asyncio.sleep(0)
                assert not writing.done()
                shell.execute("ROLLBACK")
        assert numbers(await journal.read()) == [1]


@virtual
async def test_whoever_stops_waiting_does_not_take_the_fact_back(path: Path) -> None:
    async with SqliteJournal(path) as journal:
        with locked(path) as shell:
            first, second = (asyncio.create_task(journal.write(fact(number=n))) for n in (1, 2))
            for _ in range(10):
                await asyncio.sleep(0)
            third = asyncio.create_task(journal.write(fact(number=3)))
            for _ in range(10):
                await asyncio.sleep(0)
            first.cancel()
            third.cancel()
            await asyncio.wait((first, third))
            shell.execute("ROLLBACK")
            await second
        assert sorted(numbers(await journal.read())) == [1, 2, 3]


@virtual
async def test_when_it_cannot_be_written_actions_are_refused_and_the_rest_waits(
    path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setattr(schema, "BUSY", 0.01)
    async with SqliteJournal(path) as journal:
        with locked(path):
            with pytest.raises(JournalUnwritable) as told:
                await journal.write(fact(FactKind.INTENT, 1, intent="i"))
            assert not told.value.kept
            with pytest.raises(JournalUnwritable) as told:
                await journal.write(fact(FactKind.RESULT, 2, order="o"))
            assert told.value.kept
            journal.note(fact(FactKind.EVIDENCE, 3))
            await asyncio.sleep(10 * group_commit.RETRY)
            assert "locked" in str(journal.problem)
            assert [line for line in said if "[ERROR]" in line and "locked" in line] == said
            assert len(said) == 1, "the same trouble is not told every second"
        await asyncio.sleep(2 * group_commit.RETRY)
        assert journal.problem is None
        assert "written again" in said[-1]
        assert numbers(await journal.read()) == [2, 3]
        assert journal.lost == 0


async def _fill(journal: SqliteJournal) -> int:
    """Write until there is no room; how many facts that were."""
    for written in range(1_000):
        try:
            await journal.write(fact(FactKind.RESULT, written, size=3_000))
        except JournalFull:
            return written
    raise AssertionError("there is room without end")


@virtual
async def test_a_full_journal_refuses_intents_however_small(path: Path, said: list[str]) -> None:
    async with SqliteJournal(path, max_bytes=LEAST_BYTES) as journal:
        written = await _fill(journal)
        assert written >= 3
        with pytest.raises(JournalFull):
            await journal.write(fact(FactKind.INTENT, -1, intent="i"))
        assert numbers(await journal.read()) == list(range(written))
        assert len(_content(path)) <= LEAST_BYTES
    assert any("1 facts are lost" in line for line in said)
    assert journal.lost == 1
    async with SqliteJournal(path) as journal:
        await journal.write(fact(FactKind.INTENT, written, intent="i"))
        assert numbers(await journal.read()) == list(range(written + 1))


@virtual
async def test_what_is_old_and_over_is_forgotten_on_request(path: Path) -> None:
    async with SqliteJournal(path) as journal:
        await journal.write(fact(FactKind.INTENT, 1, intent="over"), fact(FactKind.INTENT, 2, intent="open"))
        await journal.write(fact(FactKind.WATCH, 3, order="ended"), fact(FactKind.WATCH, 4, order="watched"))
        await journal.write(*(fact(FactKind.STEP, n, intent="over", order="ended") for n in range(5, 2_500)))
        await journal.write(fact(FactKind.CLOSED, 2_500, intent="over"), fact(FactKind.RESULT, 2_501, order="ended"))
        await journal.write(*(fact(FactKind.STEP, n, intent="over") for n in range(2_502, 2_510)))
        assert await journal.forget(BEGAN) == 0
        assert await journal.forget(BEGAN + timedelta(microseconds=2_505)) == 2_502
        left = [2, 4, *range(2_505, 2_510)]
        assert numbers(await journal.read()) == left
        assert numbers(await journal.read(intent_id="over")) == left[2:]
        assert await journal.forget(BEGAN + timedelta(days=1)) == 4, "never the last"
        assert numbers(await journal.intents()) == [2]
        assert numbers(await journal.watches()) == [4]
        await journal.write(fact(FactKind.STEP, 2_510, order="ended"))
        assert numbers(await journal.read(order_id="ended")) == [2_510]
        assert (await journal.read())[-1].number == 2_510
        with closing(sqlite3.connect(path)) as file:
            for table in ("mentions", "turns"):
                orphans = f"SELECT count(*) FROM {table} WHERE number NOT IN (SELECT number FROM facts)"
                assert file.execute(orphans).fetchone() == (0,), table
        with pytest.raises(ValueError, match="before"):
            await journal.forget(BEGAN.replace(tzinfo=None))


@virtual
async def test_forgetting_makes_room_in_a_full_journal(path: Path) -> None:
    async with SqliteJournal(path, max_bytes=4 * LEAST_BYTES) as journal:
        written = await _fill(journal)
        assert await journal.forget(BEGAN + timedelta(days=1)) == written - 1
        await journal.write(fact(FactKind.INTENT, 2_000, intent="i"))
        assert numbers(await journal.read())[-2:] == [written, 2_000], "what was kept came first"


def test_closing_waits_for_the_disk_no_longer_than_it_says(path: Path, said: list[str]) -> None:
    async def run() -> float:
        journal = SqliteJournal(path, closing_seconds=0.1)
        await journal.__aenter__()
        with locked(path):
            writing = asyncio.create_task(journal.write(fact()))
            await asyncio.sleep(0)
            start = time.monotonic()
            await journal.aclose()
            taken = time.monotonic() - start
            with pytest.raises(JournalClosed, match="before it was certain"):
                await writing
        return taken

    assert 0.1 <= asyncio.run(run()) < 1.5
    assert "not known" in said[-1]


def test_opening_waits_for_the_disk_no_longer_than_it_says(path: Path) -> None:
    async def run() -> None:
        async with SqliteJournal(path):
            pass
        with locked(path), pytest.raises(JournalUnreadable) as late:
            await SqliteJournal(path, opening_seconds=0.1).__aenter__()
        assert str(late.value) == f"the disk has not answered for 0.1 s ({path})"

    asyncio.run(run())


@virtual
async def test_what_cannot_be_locked_is_not_said_to_be_in_use(path: Path) -> None:
    path.with_name(path.name + "-lock").write_text("buy milk\n" * 100)
    with pytest.raises(JournalUnwritable, match="-lock cannot be locked"):
        await SqliteJournal(path).__aenter__()


@virtual
async def test_an_opening_that_was_cancelled_lets_go_of_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with SqliteJournal(path):
        pass
    is_under_way = threading.Event()
    begin = Store._begin_run

    def watched(self: Store) -> int:
        is_under_way.set()
        return begin(self)

    monkeypatch.setattr(Store, "_begin_run", watched)
    journal = SqliteJournal(path)
    with locked(path) as shell:
        opening = asyncio.create_task(journal.__aenter__())
        while not is_under_way.is_set():
            await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        shell.execute("ROLLBACK")
    journal._file.writer.shutdown(wait=True)
    async with SqliteJournal(path) as after:
        await after.write(fact())
