"""Reads a journal's file, also while somebody else writes it. Everything here blocks."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from fillwatch.journal.base import Entry, Fact, FactKind
from fillwatch.journal.errors import JournalUnreadable
from fillwatch.journal.schema import CLOSED, READ_ONLY, connect, examine
from fillwatch.journal.store import EPOCH, MICROSECOND

_Row = tuple[int, int, str, str, str, int, float, str]

_SELECT: Final = "SELECT number, run, kind, intent_id, order_id, at, monotonic, payload FROM facts"

_FIRST_INTENTS: Final = f"""
{_SELECT} WHERE number IN (SELECT min(number) FROM turning WHERE kind = 'intent' GROUP BY intent_id)
"""
_STILL_OPEN: Final = f"AND intent_id NOT IN ({CLOSED})"
_LAST_WATCHES: Final = f"""
{_SELECT} WHERE number IN (
    SELECT max(number) FROM turning WHERE kind IN ({{kinds}}) GROUP BY order_id
) AND kind = 'watch'
"""


class JournalReader:
    """The entries of a journal's file; the methods mean what those of `Journal` do. Nothing is written.

    Raises `JournalUnreadable` when there is no such file, when nothing was ever written into it, or when it is no
    journal this version can read.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        with self._translated():
            if not self._path.is_file():
                raise JournalUnreadable(f"{self._path}: there is no such journal")
            if not self._path.stat().st_size:
                raise JournalUnreadable(f"{self._path} is empty: no journal was ever kept there")
            examine(self._path)
            self._connection = connect(self._path, READ_ONLY)

    def read(
        self,
        *,
        order_id: str | None = None,
        intent_id: str | None = None,
        kinds: Sequence[FactKind] = (),
        after: int = 0,
        limit: int | None = None,
    ) -> tuple[Entry, ...]:
        """See `Journal.read`."""
        terms: list[str] = ["number > ?"]
        query: list[object] = [after]
        for column, wanted in (("order_id", order_id), ("intent_id", intent_id)):
            if wanted is not None:
                terms.append(f"{column} = ?")
                query.append(wanted)
        if kinds:
            terms.append(f"kind IN ({', '.join('?' * len(kinds))})")
            query.extend(kinds)
        where = " AND ".join(terms)
        subject = order_id or intent_id
        with self._translated(), self._one_view():
            if not subject:
                return self._entries(f"{_SELECT} WHERE {where} ORDER BY number LIMIT ?", [*query, _count(limit)])
            (indexed,) = self._connection.execute("SELECT indexed FROM progress").fetchone()
            return self._entries(
                f"{_SELECT} WHERE number IN (SELECT number FROM mentions WHERE subject = ?) AND {where} UNION ALL "
                f"{_SELECT} WHERE number > ? AND {where} ORDER BY number LIMIT ?",
                [subject, *query, indexed, *query, _count(limit)],
            )

    def intents(self, *, open_only: bool = False) -> tuple[Entry, ...]:
        """See `Journal.intents`."""
        with self._translated():
            return self._entries(f"{_FIRST_INTENTS} {_STILL_OPEN if open_only else ''} ORDER BY number")

    def watches(self, *, open_only: bool = False) -> tuple[Entry, ...]:
        """See `Journal.watches`."""
        kinds = "'watch', 'result', 'released'" if open_only else "'watch'"
        with self._translated():
            return self._entries(f"{_LAST_WATCHES.format(kinds=kinds)} ORDER BY number")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _entries(self, query: str, values: Sequence[object] = ()) -> tuple[Entry, ...]:
        return tuple(map(_entry, self._connection.execute(query, values)))

    @contextmanager
    def _one_view(self) -> Iterator[None]:
        """Several queries see the same state of the file."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("ROLLBACK")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, ValueError) as error:
            raise JournalUnreadable(f"{self._path} cannot be read: {error}") from error
        except OSError as error:
            raise JournalUnreadable(f"{self._path} cannot be read: {error.strerror}") from error


def _count(limit: int | None) -> int:
    """SQLite's own word for no limit is a negative one."""
    return -1 if limit is None else limit


def _entry(row: _Row) -> Entry:
    """Raises `ValueError` for what no journal of ours has written: SQLite keeps any type in any column."""
    number, run, kind, intent_id, order_id, at, monotonic, payload = row
    try:
        if any(type(text) is not str for text in (intent_id, order_id, payload)):
            raise TypeError("what should be text is not")
        fact = Fact(
            kind=FactKind(kind),
            at=EPOCH + at * MICROSECOND,
            monotonic=monotonic,
            intent_id=intent_id,
            order_id=order_id,
            payload=payload,
        )
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"entry {number}: {error}") from error
    return Entry(number=number, run=run, fact=fact)
