"""Killed while it commits, torn in its log, on a full disk: what was acknowledged is there, whatever happens."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from fillwatch.journal import Entry, FactKind, JournalInUse, JournalReader, SqliteJournal
from fillwatch.testing import run_virtual
from tests.journal.child import WRITERS
from tests.journal.stage import numbers

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def child(task: str, path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process at work on the journal; killed at the end of the block if it is still there."""
    command = [sys.executable, "-m", "tests.journal.child", task, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def _killed_after(path: Path, lines: int) -> dict[str, int]:
    """How many facts of each writer were acknowledged when the child was killed, after `lines` acknowledgements."""
    acknowledged: dict[str, int] = {}
    with child("write", path) as process:
        assert process.stdout is not None
        for _ in range(lines):
            _note(acknowledged, process.stdout.readline())
        process.kill()
        _rest(acknowledged, process.stdout)
    return acknowledged


def _note(acknowledged: dict[str, int], line: bytes) -> None:
    writer, count = line.split()
    acknowledged[writer.decode()] = int(count)


def _rest(acknowledged: dict[str, int], pipe: IO[bytes]) -> None:
    for line in pipe:
        if line.endswith(b"\n"):
            _note(acknowledged, line)


def _reopened(path: Path) -> tuple[Entry, ...]:
    async def look() -> tuple[Entry, ...]:
        async with SqliteJournal(path) as journal:
            return await journal.read()

    return run_virtual(look)


def _by_writer(entries: tuple[Entry, ...], kind: FactKind) -> dict[str, list[int]]:
    return {
        str(writer): numbers(e for e in entries if e.fact.order_id == str(writer) and e.fact.kind is kind)
        for writer in range(WRITERS)
    }


@pytest.mark.parametrize("lines", [1, 150, 1_000])
def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "journal.db"
    acknowledged = _killed_after(path, lines)
    entries = _reopened(path)
    assert sum(acknowledged.values()) >= lines
    for writer, there in _by_writer(entries, FactKind.EXECUTION).items():
        assert there == list(range(len(there))), f"writer {writer}: nothing twice, nothing left out, in order"
        assert len(there) >= acknowledged.get(writer, 0), f"writer {writer}: an acknowledged fact is gone"
        assert len(there) <= acknowledged.get(writer, 0) + 1
    for writer, there in _by_writer(entries, FactKind.EVIDENCE).items():
        assert len(there) >= acknowledged.get(writer, 0), "what was noted before it came first"


def test_a_killed_writer_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with child("write", path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(JournalInUse, match=rf"process {process.pid}, since"):
            _reopened(path)
        with JournalReader(path) as reader:
            assert reader.read(limit=1)
        process.kill()
        process.wait()
        assert _reopened(path)


def test_a_torn_log_loses_its_end_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    _killed_after(path, 300)
    log = path.with_name("journal.db-wal")
    whole = log.stat().st_size
    assert whole > 100_000, "the child was killed with its log full"
    rng = random.Random(7)
    lengths = []
    for number in range(12):
        torn = tmp_path / f"{number}" / "journal.db"
        torn.parent.mkdir()
        shutil.copy(path, torn)
        content = bytearray(log.read_bytes())
        at = rng.randrange(whole)
        # Half of them are cut off, in the others a page was written wrongly and all behind it is there.
        content[at : whole if number % 2 else at + 512] = b"" if number % 2 else rng.randbytes(512)
        torn.with_name("journal.db-wal").write_bytes(content)
        entries = _reopened(torn)
        assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))
        for there in _by_writer(entries, FactKind.EXECUTION).values():
            assert there == list(range(len(there)))
        lengths.append((at, len(entries)))
    lengths.sort()
    assert [count for _, count in lengths] == sorted(count for _, count in lengths), "the later torn, the more is left"
    assert lengths[-1][1] > lengths[0][1]


@pytest.mark.parametrize("task", ["fill", "fail"])
def test_a_full_disk_costs_no_fact_that_was_kept(tmp_path: Path, task: str) -> None:
    with child(task, tmp_path / "journal.db") as process:
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors.decode()
    assert out.startswith(b"survived "), out
    assert int(out.split()[1]) >= 10
