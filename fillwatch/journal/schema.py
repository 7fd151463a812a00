"""The tables of a journal file, who made the file, and how an old one is brought up to date."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from fillwatch.journal.errors import JournalUnreadable

#: "FlwJ" in SQLite's header field for the program a file belongs to.
APPLICATION_ID: Final = 0x466C774A

#: `facts` is only ever appended to, in the order of `number`: an index on the ids would dirty a page for each fact,
#: which costs four times as much as the fact itself. `mentions` (who is told of where) and `turns` (where something
#: opens or ends) hold what indexes would; they are written in bulk when there is time. `progress.indexed` is the number
#: up to which they are complete, the rest is read through; `turning` is both together.
_TURNS_AT_FIRST: Final = "kind IN ('intent', 'closed', 'watch', 'result', 'released')"
_FIRST: Final = f"""
CREATE TABLE runs (run INTEGER PRIMARY KEY, began_at TEXT NOT NULL, process INTEGER NOT NULL);
CREATE TABLE facts (
    number INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    kind TEXT NOT NULL,
    intent_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    monotonic REAL NOT NULL,
    payload TEXT NOT NULL
);
CREATE TABLE mentions (subject TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (subject, number)) WITHOUT ROWID;
CREATE TABLE turns (number INTEGER PRIMARY KEY);
CREATE TABLE progress (indexed INTEGER NOT NULL);
INSERT INTO progress VALUES (0);
CREATE VIEW turning AS
    SELECT number, kind, intent_id, order_id FROM turns JOIN facts USING (number)
    UNION ALL
    SELECT number, kind, intent_id, order_id FROM facts
    WHERE number > (SELECT indexed FROM progress) AND {_TURNS_AT_FIRST};
"""
#: What is closed can be reopened. A file without the new kind needs nothing entered anew.
_TURNS: Final = "kind IN ('intent', 'closed', 'reopened', 'watch', 'result', 'released')"
_REOPENING: Final = f"""
DROP VIEW turning;
CREATE VIEW turning AS
    SELECT number, kind, intent_id, order_id FROM turns JOIN facts USING (number)
    UNION ALL
    SELECT number, kind, intent_id, order_id FROM facts
    WHERE number > (SELECT indexed FROM progress) AND {_TURNS};
"""
#: Enters the facts after `:low` up to `:high`.
INDEX: Final[tuple[str, ...]] = (
    """
    INSERT INTO mentions
    SELECT intent_id, number FROM facts WHERE number > :low AND number <= :high AND intent_id <> ''
    UNION SELECT order_id, number FROM facts WHERE number > :low AND number <= :high AND order_id <> ''
    ORDER BY 1, 2
    """,
    f"INSERT INTO turns SELECT number FROM facts WHERE number > :low AND number <= :high AND {_TURNS}",
    "UPDATE progress SET indexed = :high",
)

#: The intents about which nothing more is to be done.
CLOSED: Final = """
SELECT intent_id FROM turning WHERE number IN (
    SELECT max(number) FROM turning WHERE kind IN ('closed', 'reopened') GROUP BY intent_id
) AND kind = 'closed'
"""

READ_ONLY: Final = "ro"
READ_WRITE: Final = "rw"
#: Seconds to wait for somebody else's lock, e.g. a shell's, before giving up.
BUSY: Final = 2.0

#: Each step raises the file's version by one. A step that was ever released is never changed.
STEPS: Final[tuple[str, ...]] = (_FIRST, _REOPENING)
#: The newest version this code can read and write.
VERSION: Final = len(STEPS)


def examine(path: Path, version: int = VERSION) -> None:
    """See who made the file, without changing it. A missing or an empty one is as good as a journal.

    Raises `JournalUnreadable` when it is no SQLite file, of another program, or newer than `version`.
    """
    if not path.exists() or not path.stat().st_size:
        return
    try:
        with closing(connect(path, READ_ONLY)) as connection:
            maker = _pragma(connection, "application_id")
            found = _pragma(connection, "user_version")
            pages = _pragma(connection, "page_count")
    except sqlite3.DatabaseError as error:
        raise JournalUnreadable(f"{path} cannot be read as a journal: {error}") from error
    if pages and maker != APPLICATION_ID:
        raise JournalUnreadable(f"{path} is no journal of fillwatch (application id {maker:#x})")
    if found > version:
        raise JournalUnreadable(
            f"{path} was written by a newer fillwatch (version {found} of the file, this one knows {version})"
        )


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Read every page once (about 0.3 s for 100 MB). Raises `JournalUnreadable` when the file is damaged."""
    try:
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        verdict = str(error)
    if verdict != "ok":
        raise JournalUnreadable(f"{path} is damaged: {' '.join(verdict.split())}")


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """A connection without transactions of its own making; `mode` is `READ_ONLY` or `READ_WRITE`."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=BUSY)


def bring_up_to_date(connection: sqlite3.Connection, steps: Sequence[str] = STEPS) -> None:
    """Carry out the steps that the file does not have yet, each in a transaction of its own."""
    for number in range(_pragma(connection, "user_version"), len(steps)):
        connection.executescript(
            f"BEGIN IMMEDIATE; {steps[number]} PRAGMA application_id = {APPLICATION_ID};"
            f"PRAGMA user_version = {number + 1}; COMMIT;"
        )


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)
