"""One writer at a time: a lock that ends with its holder, however that ends."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from fillwatch.journal.errors import JournalInUse, JournalUnwritable


class WriterLock:
    """Held by an exclusive transaction that never ends, in a file of its own beside the journal.

    A lock on the journal's own file would keep readers out: in WAL mode SQLite's only lasting one is exclusive. The
    system drops the lock when the holder is killed; a child made by fork does not keep it. The file stays where it is:
    removing it would let two holders lock two files of one name.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + "-lock")
        make_private(self._path)
        # The thread that lets go may be another than the one that took it.
        self._connection = sqlite3.connect(self._path, isolation_level=None, timeout=0.0, check_same_thread=False)
        try:
            self._connection.execute("PRAGMA journal_mode = MEMORY")  # nothing is ever written: no file for undoing it
            self._connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            self._connection.close()
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise JournalUnwritable(f"{self._path} cannot be locked: {error}") from error
            raise JournalInUse(f"{path} is being written by somebody else") from error

    def release(self) -> None:
        """Let somebody else write."""
        self._connection.close()


def make_private(path: Path) -> None:
    """Make `path` a file that only its owner may read, empty if it was not there. Raises `OSError`."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        # Not opened: closing a second descriptor would drop the locks that this process may hold on the file.
        path.chmod(0o600)
