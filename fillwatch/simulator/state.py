"""A world kept in a file: its settings, everything that was done to it and when, and every request that came.

The world is deterministic, so nothing else need be kept: what was done is done again at the same moments when it is
opened, and the world goes on from where it stopped. Needs no more than SQLite.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from fillwatch.simulator.clocks import Clock
from fillwatch.simulator.commands import perform
from fillwatch.simulator.door import Deed
from fillwatch.simulator.ledger import Arrival
from fillwatch.simulator.world import World

#: Marks the file as ours ("fwsi"), and the newest layout that is understood here.
APPLICATION, FORMAT = 0x66777369, 1
_LAYOUT = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE deeds (number INTEGER PRIMARY KEY, t REAL NOT NULL, what TEXT NOT NULL, data TEXT NOT NULL);
CREATE TABLE arrivals (number INTEGER PRIMARY KEY, t REAL NOT NULL, operation TEXT NOT NULL, method TEXT NOT NULL,
    target TEXT NOT NULL, status INTEGER NOT NULL, committed INTEGER NOT NULL, fault TEXT NOT NULL);
"""
#: Requests that changed nothing are written out with the next one that did, or after so many of them or seconds.
_BATCH, _SECONDS = 200, 1.0
_CALL = "call"


class StateError(ValueError):
    """A state file that cannot be used; the message says why and what to do."""


class State:
    """The file. `settings` are those of the world that it holds, empty for a new one.

    Raises `StateError` for a file of somebody else's, of a newer fillwatch, damaged, or in use.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._waiting = 0
        self._written = 0.0
        self._standing: Mapping[str, Any] | None = None
        self._database = self._guarded(self._open)
        self.settings: Mapping[str, Any] = MappingProxyType(self._meta("settings") or {})

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Keep the settings of a new world."""
        self.settings = MappingProxyType(dict(settings))
        self._guarded(lambda: self._put("settings", dict(settings)))
        self._guarded(self._database.commit)

    def restore(self, world: World, clock: Clock) -> None:
        """Do to a new world what was done to the one that was kept. It goes by `clock`, which stands still meanwhile.

        Raises `StateError` when the file does not hold what it should.
        """
        try:
            for t, what, data in self._guarded(self._deeds):
                clock.move_to(world.start + t)
                if what == _CALL:
                    world.advance()
                    world.door.redo(msgspec.json.decode(data, type=Deed))
                else:
                    perform(world, what, json.loads(data))
            self._recall(world)
            clock.move_to(max(world.start + float(self._meta("clock") or 0.0), clock()))
        except (msgspec.ValidationError, KeyError, TypeError, ValueError) as error:
            raise StateError(f"{self.path}: it does not hold what it should: {error}") from error
        world.advance()

    def keep(self, world: World, failed: Callable[[StateError], None]) -> None:
        """From now on, keep what is done to the world; `failed` hears, once, when that can no longer be done."""

        def kept(write: Callable[[], None]) -> None:
            try:
                self._guarded(write)
            except StateError as error:
                world.door.noted = world.door.commanded = None
                failed(error)

        world.door.noted = lambda arrival, deed: kept(lambda: self._note(world, arrival, deed))
        world.door.commanded = lambda t, name, data: kept(lambda: self._write(world, t, name, json.dumps(data)))

    def settle(self, world: World) -> None:
        """Keep no more of what is done to the world; write what is not yet written, and its time."""
        world.door.noted = world.door.commanded = None
        self._guarded(lambda: self._settle(world, world.clock()))

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _open(self) -> sqlite3.Connection:
        # 0600: whoever may read it learns what was traded.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        database = sqlite3.connect(self.path, timeout=0.5, isolation_level="DEFERRED")
        with ExitStack() as unless_good:
            unless_good.callback(database.close)
            self._check(database)
            unless_good.pop_all()
        return database

    def _check(self, database: sqlite3.Connection) -> None:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        (owner,), (layout,) = (
            database.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
        )
        if not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] and not owner:
            database.execute("PRAGMA journal_mode = WAL")
            database.executescript(
                f"BEGIN; {_LAYOUT} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORMAT}; COMMIT;"
            )
        elif owner != APPLICATION:
            raise StateError(f"{self.path}: it is not a state of the simulator; give another file")
        elif layout > FORMAT:
            raise StateError(
                f"{self.path}: a newer fillwatch wrote it (layout {layout}; this one knows up to {FORMAT}); "
                "use that one, or give another file"
            )
        database.execute("PRAGMA synchronous = NORMAL")
        # Takes the lock, and tells at once when another simulator has it.
        database.execute("BEGIN EXCLUSIVE")
        database.commit()

    def _deeds(self) -> list[tuple[float, str, str]]:
        return list(self._database.execute("SELECT t, what, data FROM deeds ORDER BY number"))

    def _recall(self, world: World) -> None:
        """The requests that came, in the ledger, in the quota, and in the streams that they have drawn from."""
        door = world.door
        rows = self._guarded(
            lambda: self._database.execute(
                "SELECT t, operation, method, target, status, committed, fault FROM arrivals ORDER BY number"
            ).fetchall()
        )
        for t, operation, method, target, status, committed, fault in rows:
            arrival = Arrival(
                t=world.start + t,
                operation=operation,
                method=method,
                target=target,
                status=status,
                committed=bool(committed),
                fault=fault,
            )
            door.arrivals.append(arrival)
            for way in ("request", "transit"):
                door.drawn[f"{way}/{operation}/{target}"] += 1
            if fault:
                door.reached[f"fault:{fault}"] += 1
            if status not in (401, 429) or fault:
                door.quota.admit(t, neighbours_until=world.faults.heal_at)
        standing = self._meta("standing")
        if standing is not None:
            door.striking.resume(standing)

    def _note(self, world: World, arrival: Arrival, deed: Deed | None) -> None:
        self._database.execute(
            "INSERT INTO arrivals (t, operation, method, target, status, committed, fault)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                *(arrival.t - world.start, arrival.operation, arrival.method, arrival.target, arrival.status),
                *(arrival.committed, arrival.fault),
            ),
        )
        self._waiting += 1
        if deed is not None:
            self._write(world, deed.t, _CALL, msgspec.json.encode(deed).decode())
        elif self._waiting >= _BATCH or arrival.t - world.start - self._written >= _SECONDS:
            self._settle(world, arrival.t)

    def _write(self, world: World, t: float, what: str, data: str) -> None:
        self._database.execute("INSERT INTO deeds (t, what, data) VALUES (?, ?, ?)", (t - world.start, what, data))
        self._settle(world, t)

    def _settle(self, world: World, t: float) -> None:
        standing = world.door.striking.standing()
        if standing != self._standing:
            self._standing = standing
            self._put("standing", standing)
        self._put("clock", t - world.start)
        self._database.commit()
        self._waiting, self._written = 0, t - world.start

    def _meta(self, name: str) -> Any:  # noqa: ANN401 - what was put
        row = self._guarded(lambda: self._database.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone())
        return None if row is None else json.loads(row[0])

    def _put(self, name: str, value: object) -> None:
        self._database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, json.dumps(value)))

    def _guarded(self, work: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the work gives
        try:
            return work()
        except sqlite3.Error as error:
            raise StateError(f"{self.path}: {_REASONS.get(type(error).__name__, '')}{error}") from error
        except OSError as error:
            raise StateError(f"{self.path}: it cannot be opened: {error.strerror}") from error


_REASONS = MappingProxyType(
    {
        "DatabaseError": "it is not a state of the simulator, or it is damaged: ",
        "OperationalError": "it cannot be used, perhaps as another simulator has it: ",
    }
)
