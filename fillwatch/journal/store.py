"""The journal's file as its one writing thread sees it: everything here blocks."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Final

from fillwatch.journal.base import Fact
from fillwatch.journal.errors import JournalError, JournalFull, JournalInUse, JournalUnreadable, JournalUnwritable
from fillwatch.journal.forgetting import forget
from fillwatch.journal.lock import WriterLock, make_private
from fillwatch.journal.schema import INDEX, READ_ONLY, READ_WRITE, bring_up_to_date, check, connect, examine

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)

#: Facts indexed at a time: about 10 ms, for which a durable fact may have to wait.
_SLICE: Final = 1_000
#: Slices at opening and at closing, so that neither takes long after a run that never paused.
SLICES_AT_ONCE: Final = 50
#: Pages of the log before they are copied into the database: rarer than SQLite's 1,000, as each copy costs two syncs.
_CHECKPOINT_PAGES: Final = 4_000
_WAL_BYTES: Final = 64 * 1024 * 1024

#: SQLite's primary result codes that mean more than "it did not work".
_FAILURES: Final[Mapping[int, type[JournalError]]] = MappingProxyType(
    {
        sqlite3.SQLITE_FULL: JournalFull,
        sqlite3.SQLITE_CORRUPT: JournalUnreadable,
        sqlite3.SQLITE_NOTADB: JournalUnreadable,
    }
)

#: Rows put in by one statement: half the cost of one statement each, and within the 999 values of older SQLites.
_ROWS: Final = 100
_INTO: Final = "INSERT INTO facts (run, kind, intent_id, order_id, at, monotonic, payload) VALUES"
_INSERT: Final = f"{_INTO} (?, ?, ?, ?, ?, ?, ?)"
_INSERT_ROWS: Final = f"{_INTO} {', '.join(['(?, ?, ?, ?, ?, ?, ?)'] * _ROWS)}"

_Row = tuple[int, str, str, str, int, float, str]


class Store:
    """The open file. Made, used and closed by one thread.

    `max_bytes` bounds the database; beyond it a commit fails as on a full disk. Raises `JournalUnreadable`,
    `JournalInUse`, `JournalUnwritable`.
    """

    def __init__(self, path: Path, max_bytes: int | None = None) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._is_suspect = False
        examine(path)
        with self._translated(), ExitStack() as undoing:
            self._lock = self._locked()
            undoing.callback(self._lock.release)
            make_private(path)
            self._connection = self._connect()
            undoing.callback(self._connection.close)
            check(self._connection, path)
            self._run = self._begin_run()
            undoing.pop_all()
        self.index(SLICES_AT_ONCE)

    @property
    def run(self) -> int:
        """Which opening of the file this is."""
        return self._run

    def commit(self, facts: Iterable[Fact], *, durable: bool) -> None:
        """Append `facts`, all or none. `durable`: they have reached the disk on return, and all earlier ones with them.

        Raises `JournalUnwritable` or `JournalFull`; nothing of them is in the file then.
        """
        with self._translated():
            if self._is_suspect:
                self._mend()
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            with self._transaction():
                self._insert([self._row(fact) for fact in facts])

    def index(self, slices: int = 1) -> bool:
        """Enter some more facts where they are looked up; whether any are left."""
        with self._translated():
            self._connection.execute("PRAGMA synchronous = NORMAL")
            for _ in range(slices):
                (low,) = self._connection.execute("SELECT indexed FROM progress").fetchone()
                (last,) = self._connection.execute("SELECT coalesce(max(number), 0) FROM facts").fetchone()
                high = min(low + _SLICE, last)
                if high <= low:
                    return False
                with self._transaction():
                    for statement in INDEX:
                        self._connection.execute(statement, {"low": low, "high": high})
            return bool(high < last)

    def forget(self, before: datetime, after: int) -> tuple[int, int]:
        """Take out some old facts; see `forgetting.forget`. Raises `JournalUnwritable`."""
        with self._translated():
            self._connection.execute("PRAGMA synchronous = NORMAL")
            with self._transaction():
                return forget(self._connection, _micros(before), after)

    def close(self) -> None:
        """Bring everything into the one file, as far as that works, and let go of it."""
        try:
            with self._translated():
                self.index(SLICES_AT_ONCE)
        finally:
            self._connection.close()
            self._lock.release()

    def _insert(self, rows: list[_Row]) -> None:
        whole = len(rows) - len(rows) % _ROWS
        for start in range(0, whole, _ROWS):
            self._connection.execute(_INSERT_ROWS, [*chain.from_iterable(rows[start : start + _ROWS])])
        self._connection.executemany(_INSERT, rows[whole:])

    def _row(self, fact: Fact) -> _Row:
        at = _micros(fact.at)
        return self._run, fact.kind.value, fact.intent_id, fact.order_id, at, fact.monotonic, fact.payload

    def _locked(self) -> WriterLock:
        try:
            return WriterLock(self._path)
        except JournalInUse as error:
            raise JournalInUse(f"{error}{_last_writer(self._path)}; end that one, or use another file") from error

    def _connect(self) -> sqlite3.Connection:
        connection = connect(self._path, READ_WRITE)
        with ExitStack() as undoing:
            undoing.callback(connection.close)
            bring_up_to_date(connection)
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            if mode != "wal":
                raise JournalUnwritable(
                    f"{self._path}: SQLite cannot keep a write-ahead log here (it answers {mode!r})"
                )
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
            connection.execute("PRAGMA temp_store = MEMORY")  # a full disk must not keep room from being made
            connection.execute("PRAGMA fullfsync = ON")  # on macOS a plain sync leaves the data in the drive's cache
            connection.execute("PRAGMA checkpoint_fullfsync = ON")
            if self._max_bytes is not None:
                (page,) = connection.execute("PRAGMA page_size").fetchone()
                connection.execute(f"PRAGMA max_page_count = {max(1, self._max_bytes // page)}")
            undoing.pop_all()
        return connection

    def _begin_run(self) -> int:
        row = (datetime.now(UTC).isoformat(timespec="seconds"), os.getpid())
        with self._transaction():
            run = self._connection.execute("INSERT INTO runs (began_at, process) VALUES (?, ?)", row).lastrowid
        assert run is not None
        return run

    def _mend(self) -> None:
        """After a failed write or sync the system may hold pages for clean that never reached the disk.

        A later sync would then succeed over a hole in the log, and cut off what is committed behind it. So what was
        committed before goes into the database first, with syncs of its own.
        """
        self._connection.close()
        self._connection = self._connect()
        busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
        self._is_suspect = bool(busy)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        finally:
            # Only after a failure, and not after every one: some make SQLite roll back by itself.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            # Errors of the module itself carry no code.
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            self._is_suspect |= code == sqlite3.SQLITE_IOERR
            raise _FAILURES.get(code, JournalUnwritable)(f"{self._path} cannot be written: {error}") from error
        except OSError as error:
            raise JournalUnwritable(f"{self._path} cannot be written: {error.strerror}") from error


def _micros(at: datetime) -> int:
    return (at - EPOCH) // MICROSECOND


def _last_writer(path: Path) -> str:
    """Who opened the file last, in words; nothing when that cannot be read."""
    try:
        connection = connect(path, READ_ONLY)
    except sqlite3.Error:
        return ""
    try:
        row = connection.execute("SELECT process, began_at FROM runs ORDER BY run DESC LIMIT 1").fetchone()
    except sqlite3.Error:
        return ""
    finally:
        connection.close()
    return f" (process {row[0]}, since {row[1]})" if row else ""
