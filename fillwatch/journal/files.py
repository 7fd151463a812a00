"""The journal's file seen from the event loop: a thread that writes, a thread that reads, and both end together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from fillwatch.journal.reader import JournalReader
from fillwatch.journal.store import Store

T = TypeVar("T")


class JournalFile:
    """Runs what blocks in the thread it belongs to. Opened once, closed once."""

    def __init__(self, path: Path, max_bytes: int | None = None) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._store: Store | None = None
        self._reader: JournalReader | None = None
        self.writer = ThreadPoolExecutor(1, thread_name_prefix="fillwatch-journal")
        self._looker = ThreadPoolExecutor(1, thread_name_prefix="fillwatch-journal-reader")

    async def open(self) -> Store:
        """The store, to be used in `writer` alone. Raises what `Store` and `JournalReader` raise."""
        loop = asyncio.get_running_loop()
        with ExitStack() as undoing:
            undoing.callback(self._undo)
            store = await loop.run_in_executor(self.writer, self._open_store)
            await loop.run_in_executor(self._looker, self._open_reader)
            undoing.pop_all()
        return store

    async def look(self, question: Callable[[JournalReader], T]) -> T:
        """The answer to `question`."""
        return await asyncio.get_running_loop().run_in_executor(self._looker, lambda: question(self._reading))

    async def work(self, task: Callable[[Store], T]) -> T:
        """The outcome of `task`, between two commits."""
        return await asyncio.get_running_loop().run_in_executor(self.writer, lambda: task(self._writing))

    async def close(self) -> None:
        """Close both ends, the writing one last: it tidies up, if nobody else reads. Raises `JournalUnwritable`."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._looker, self._close_reader)
        await loop.run_in_executor(self.writer, self._close_store)

    def let_go(self) -> None:
        """End the threads when they have done what they were given, without waiting for that."""
        self.writer.shutdown(wait=False)
        self._looker.shutdown(wait=False)

    @property
    def _writing(self) -> Store:
        assert self._store is not None, "the file is open"
        return self._store

    @property
    def _reading(self) -> JournalReader:
        assert self._reader is not None, "the file is open"
        return self._reader

    def _undo(self) -> None:
        # Behind the opening, which goes on in its thread when it is the waiting for it that was cancelled.
        self._looker.submit(self._close_reader)
        self.writer.submit(self._close_store)
        self.let_go()

    def _open_store(self) -> Store:
        self._store = Store(self._path, self._max_bytes)
        return self._store

    def _open_reader(self) -> None:
        self._reader = JournalReader(self._path)

    def _close_store(self) -> None:
        if self._store is not None:
            self._store.close()

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
