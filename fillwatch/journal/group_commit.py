"""Who waits for the disk waits together: facts that arrive while a commit is under way share the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from itertools import chain
from typing import Final, TypeVar

from fillwatch.journal.backlog import LIMIT, Backlog, Order, explained
from fillwatch.journal.base import Fact
from fillwatch.journal.errors import JournalUnwritable
from fillwatch.journal.store import Store
from fillwatch.logs import plain_logger

T = TypeVar("T")

#: Seconds that facts nobody waits for may stay in memory, so that they are written together.
NOTE_DELAY: Final = 0.05
#: Seconds between two attempts to write what was kept, when nothing new asks for one.
RETRY: Final = 1.0
#: Seconds between two lines in the log about the same trouble.
REMINDER: Final = 60.0
#: Seconds without a commit after which the store may see to its index.
QUIET: Final = 0.25


class GroupCommit:
    """Facts wait on the event loop; one commit at a time takes the front of them to the writing thread.

    After a failure whoever waits is told, and what may be kept is tried again after `RETRY` or with the next facts.
    """

    def __init__(self, store: Store, thread: Executor) -> None:
        self._store = store
        self._thread = thread
        self._loop = asyncio.get_running_loop()
        self._log = plain_logger()
        self._backlog = Backlog()
        self._in_flight: list[Order] = []
        self._is_busy = False
        self._is_stopped = False
        self._start_at: asyncio.Handle | None = None
        self._starts_soon = False
        self._tidy_at: asyncio.TimerHandle | None = None
        self._committed_at = self._loop.time()
        self._reminded_at: float | None = None
        self.problem: JournalUnwritable | None = None

    @property
    def lost(self) -> int:
        """Facts that were given up."""
        return self._backlog.lost

    def note(self, facts: tuple[Fact, ...]) -> None:
        """Write `facts` with whatever is written next, and at the latest after `NOTE_DELAY`."""
        if self._backlog.add(Order(facts)):
            self._arm(NOTE_DELAY)
        else:
            self._remind(f"more than {LIMIT} facts wait to be written, {self.lost} were given up")

    def write(self, facts: tuple[Fact, ...]) -> asyncio.Future[None]:
        """Write `facts` at once; done when they are on the disk. Without facts: when all before them were tried."""
        waiter = self._loop.create_future()
        self._backlog.add(Order(facts, waiter))
        self._arm(0.0)
        return waiter

    def stop(self) -> None:
        """Nothing more is written, and nobody goes on waiting."""
        self._is_stopped = True
        for timer in (self._start_at, self._tidy_at):
            if timer is not None:
                timer.cancel()
        under_way = sum(len(order.facts) for order in self._in_flight)
        lost = self._backlog.abandon(self._in_flight)
        if lost or under_way:
            self._log.error("journal: closed; {} facts are lost, of {} more it is not known", lost, under_way)

    def _arm(self, delay: float) -> None:
        """Start a commit after `delay`; the tasks that are ready now get to add what they have to the same one."""
        soon = not delay
        if self._is_busy or (self._start_at is not None and (self._starts_soon or not soon)):
            return
        if self._is_stopped or not self._backlog:
            return
        if self._start_at is not None:
            self._start_at.cancel()
        self._starts_soon = soon
        self._start_at = self._loop.call_soon(self._start) if soon else self._loop.call_later(delay, self._start)

    def _start(self) -> None:
        self._start_at = None
        self._in_flight = batch = self._backlog.take()
        facts = list(chain.from_iterable(order.facts for order in batch))
        if not facts:
            self._done()
            return
        durable = any(order.waiter is not None and order.facts for order in batch)
        self._in_thread(lambda: self._store.commit(facts, durable=durable), self._ended)

    def _ended(self, done: asyncio.Future[None]) -> None:
        self._is_busy = False
        error = done.exception()
        if error is not None:
            self._failed(error)
            return
        self._committed_at = self._loop.time()
        if self.problem is not None:
            self._log.warning("journal: facts are written again; {} were lost until now", self.lost)
            self.problem = self._reminded_at = None
        self._done()

    def _done(self) -> None:
        batch, self._in_flight = self._in_flight, []
        for order in batch:
            order.tell()
        self._go_on()

    def _failed(self, error: BaseException) -> None:
        batch, self._in_flight = self._in_flight, []
        self._backlog.fail(batch, error)
        self.problem = explained(error)
        self._remind(
            f"{self.problem}; what must be written before it is done is refused, {self._backlog.size} facts wait"
        )
        self._arm(RETRY)

    def _remind(self, words: str) -> None:
        now = self._loop.time()
        if self._reminded_at is None or now - self._reminded_at >= REMINDER:
            self._reminded_at = now
            self._log.error("journal: {}", words)

    def _go_on(self) -> None:
        """Whoever waits goes first; when there is nothing to write, it may be time to tidy."""
        if self._backlog:
            self._arm(0.0 if self._backlog.urgent else NOTE_DELAY)
        elif self._tidy_at is None and not self._is_stopped:
            self._tidy_at = self._loop.call_later(QUIET, self._tidy)

    def _tidy(self) -> None:
        self._tidy_at = None
        if self._is_busy or self._backlog or self._loop.time() - self._committed_at < QUIET:
            self._tidy_at = self._loop.call_later(QUIET, self._tidy)
        else:
            self._in_thread(self._store.index, self._tidied)

    def _tidied(self, done: asyncio.Future[bool]) -> None:
        self._is_busy = False
        # Without the index reading is slower and nothing else: whatever is wrong shows at the next commit.
        is_unfinished = done.exception() is None and done.result()
        if self._backlog:
            self._go_on()
        elif is_unfinished and not self._is_stopped:
            self._tidy_at = self._loop.call_later(0.0, self._tidy)

    def _in_thread(self, work: Callable[[], T], then: Callable[[asyncio.Future[T]], None]) -> None:
        self._is_busy = True
        self._loop.run_in_executor(self._thread, work).add_done_callback(then)
