"""The journal in an SQLite file, kept by two threads: one writes, one reads, and the event loop waits for neither."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import anyio

from fillwatch.journal.base import KIND_RULES, Entry, Fact, FactKind
from fillwatch.journal.errors import JournalClosed, JournalError, JournalUnwritable
from fillwatch.journal.group_commit import GroupCommit
from fillwatch.journal.reader import JournalReader
from fillwatch.journal.store import Store

#: The least room a journal can have, in bytes: its empty tables take half of it.
LEAST_BYTES: Final = 65_536


class SqliteJournal:
    """A `Journal` in the file `path`, private to its owner: `async with SqliteJournal(path) as journal`.

    Facts that arrive while a commit is on its way share the next one. While facts cannot be written (the disk is
    full, somebody holds a lock) those that announce an action are refused, others wait in memory for room, up to
    `backlog.LIMIT` of them, and the log says so at ERROR. `max_bytes` bounds the file; reaching it is like a full disk.

    Entering raises `JournalUnreadable`, `JournalInUse` or `JournalUnwritable`; the directory has to be there. Leaving
    waits at most `closing_seconds` for the disk. A journal is opened once.
    """

    def __init__(self, path: str | Path, *, max_bytes: int | None = None, closing_seconds: float = 10.0) -> None:
        if max_bytes is not None and max_bytes < LEAST_BYTES:
            raise ValueError(f"max_bytes: {max_bytes} is too little, at least {LEAST_BYTES} are needed")
        if not closing_seconds > 0:
            raise ValueError(f"closing_seconds: {closing_seconds!r} is not a positive number of seconds")
        self.path = Path(path)
        self._max_bytes = max_bytes
        self._closing_seconds = closing_seconds
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="fillwatch-journal")
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="fillwatch-journal-reader")
        self._store: Store | None = None
        self._reader: JournalReader | None = None
        self._commits: GroupCommit | None = None
        self._is_open = False

    @property
    def problem(self) -> JournalError | None:
        """See `Journal`."""
        return self._commits.problem if self._commits else None

    @property
    def lost(self) -> int:
        """See `Journal`."""
        return self._commits.lost if self._commits else 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        try:
            store = await loop.run_in_executor(self._writing, self._open_store)
            await loop.run_in_executor(self._reading, self._open_reader)
        except BaseException:
            # Behind the opening, which goes on in its thread when it is the waiting that was cancelled.
            self._reading.submit(self._close_reader)
            self._writing.submit(self._close_store)
            self._shut_down()
            raise
        self._commits = GroupCommit(store, self._writing)
        self._is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def write(self, *facts: Fact, durable: bool | None = None) -> None:
        """See `Journal`."""
        commits = self._opened()
        if durable is None:
            durable = any(KIND_RULES[fact.kind].durable for fact in facts)
        if durable:
            await commits.write(facts)
        else:
            commits.note(facts)

    def note(self, fact: Fact) -> None:
        """See `Journal`."""
        self._opened().note((fact,))

    async def read(
        self,
        *,
        order_id: str | None = None,
        intent_id: str | None = None,
        kinds: Sequence[FactKind] = (),
        after: int = 0,
        limit: int | None = None,
    ) -> tuple[Entry, ...]:
        """See `Journal`. Raises `JournalUnreadable`. What is kept for want of room is not among the entries."""
        return await self._read(
            lambda reader: reader.read(order_id=order_id, intent_id=intent_id, kinds=kinds, after=after, limit=limit)
        )

    async def intents(self, *, open_only: bool = False) -> tuple[Entry, ...]:
        """See `Journal`. Raises as `read` does."""
        return await self._read(lambda reader: reader.intents(open_only=open_only))

    async def watches(self, *, open_only: bool = False) -> tuple[Entry, ...]:
        """See `Journal`. Raises as `read` does."""
        return await self._read(lambda reader: reader.watches(open_only=open_only))

    async def aclose(self) -> None:
        """See `Journal`."""
        if not self._is_open:
            return
        commits = self._opened()
        self._is_open = False
        loop = asyncio.get_running_loop()
        try:
            with anyio.move_on_after(self._closing_seconds, shield=True), suppress(JournalError):
                with suppress(JournalUnwritable):
                    await commits.write(())
                commits.stop()
                await loop.run_in_executor(self._reading, self._close_reader)
                await loop.run_in_executor(self._writing, self._close_store)
        finally:
            commits.stop()
            self._shut_down()

    async def _read(self, look: Callable[[JournalReader], tuple[Entry, ...]]) -> tuple[Entry, ...]:
        commits, reader = self._opened(), self._reader
        assert reader is not None
        with suppress(JournalUnwritable):
            await commits.write(())
        return await asyncio.get_running_loop().run_in_executor(self._reading, look, reader)

    def _opened(self) -> GroupCommit:
        if self._commits is None or not self._is_open:
            raise JournalClosed(f"the journal {self.path} is {'closed' if self._commits else 'not open yet'}")
        return self._commits

    def _shut_down(self) -> None:
        self._writing.shutdown(wait=False)
        self._reading.shutdown(wait=False)

    def _open_store(self) -> Store:
        self._store = Store(self.path, self._max_bytes)
        return self._store

    def _open_reader(self) -> None:
        self._reader = JournalReader(self.path)

    def _close_store(self) -> None:
        if self._store is not None:
            self._store.close()

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
