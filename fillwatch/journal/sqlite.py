"""The journal in an SQLite file, kept by two threads: one writes, one reads, and the event loop waits for neither."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import anyio

from fillwatch.journal.base import KIND_RULES, Entry, Fact, FactKind
from fillwatch.journal.errors import JournalClosed, JournalError, JournalUnreadable, JournalUnwritable
from fillwatch.journal.files import JournalFile
from fillwatch.journal.group_commit import GroupCommit
from fillwatch.journal.patience import hung
from fillwatch.journal.reader import JournalReader
from fillwatch.journal.store import SLICES_AT_ONCE, Store

#: The least room a journal can have, in bytes: its empty tables take half of it.
LEAST_BYTES: Final = 65_536


class SqliteJournal:
    """A `Journal` in the file `path`, private to its owner: `async with SqliteJournal(path) as journal`.

    Facts that arrive while a commit is on its way share the next one. While facts cannot be written (the disk is
    full, somebody holds a lock) those that announce an action are refused, others wait in memory for room, up to
    `backlog.LIMIT` of them, and the log says so at ERROR. `max_bytes` bounds the file; reaching it is like a full disk.

    Entering raises `JournalUnreadable`, `JournalInUse` or `JournalUnwritable`; the directory has to be there. It waits
    at most `opening_seconds` for the disk (every page is read once, about 0.3 s for 100 MB), leaving `closing_seconds`.
    A journal is opened once.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        max_bytes: int | None = None,
        opening_seconds: float = 60.0,
        closing_seconds: float = 10.0,
    ) -> None:
        if max_bytes is not None and max_bytes < LEAST_BYTES:
            raise ValueError(f"max_bytes: {max_bytes} is too little, at least {LEAST_BYTES} are needed")
        for name, seconds in (("opening_seconds", opening_seconds), ("closing_seconds", closing_seconds)):
            if not seconds > 0:
                raise ValueError(f"{name}: {seconds!r} is not a positive number of seconds")
        self.path = Path(path)
        self._opening_seconds, self._closing_seconds = opening_seconds, closing_seconds
        self._file = JournalFile(self.path, max_bytes)
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
        if self._commits is not None:
            raise JournalClosed(f"the journal {self.path} was opened before; make another one")
        try:
            async with asyncio.timeout(self._opening_seconds):
                store = await self._file.open()
        except TimeoutError:
            raise JournalUnreadable(hung(self, self._opening_seconds)) from None
        self._commits = GroupCommit(store, self._file.writer)
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
        if not durable:
            commits.note(facts)
        elif facts:
            await commits.write(facts)

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

    async def forget(self, before: datetime) -> int:
        """Take out facts older than `before` (aware), but none of an open intent or a watched order; how many.

        Their room in the file is used again. Facts go on being written meanwhile. Raises `ValueError` for a naive
        time, `JournalUnwritable`, and what `read` raises.
        """
        if before.utcoffset() is None:
            raise ValueError(f"before: {before!r} has no time zone")
        await self._settled()
        total = last = 0
        while True:
            self._opened()
            # What is not indexed yet cannot go; on a full disk there may be no room for the index either.
            with suppress(JournalUnwritable):
                await self._file.work(lambda store: store.index(SLICES_AT_ONCE))
            count, last = await self._file.work(partial(Store.forget, before=before, after=last))
            total += count
            if not count:
                return total

    async def aclose(self) -> None:
        """See `Journal`."""
        if not self._is_open:
            return
        commits = self._opened()
        self._is_open = False
        try:
            with anyio.move_on_after(self._closing_seconds, shield=True), suppress(JournalError):
                with suppress(JournalUnwritable):
                    await commits.write(())
                commits.stop()
                await self._file.close()
        finally:
            commits.stop()
            self._file.let_go()

    async def _read(self, look: Callable[[JournalReader], tuple[Entry, ...]]) -> tuple[Entry, ...]:
        await self._settled()
        return await self._file.look(look)

    async def _settled(self) -> None:
        """Everything given so far is in the file, or cannot be."""
        with suppress(JournalUnwritable):
            await self._opened().write(())

    def _opened(self) -> GroupCommit:
        if self._commits is None or not self._is_open:
            raise JournalClosed(f"the journal {self.path} is {'closed' if self._commits else 'not open yet'}")
        return self._commits
