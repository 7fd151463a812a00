"""Facts on their way into the journal, in the order in which they happened, and what waits until they are there.

A journal in trouble stops nobody: what waits for it goes on after a bounded time, the log says so once at ERROR, and
once more when facts are written again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fillwatch.journal import KIND_RULES, Fact, Journal, JournalClosed, JournalError
from fillwatch.journal.patience import PATIENCE, hung
from fillwatch.logs import plain_logger


class Outbox:
    """One batch at a time goes to `journal`: everything that came while the one before was being written.

    A disk that hangs gets the facts without being waited for, until what it hangs on has ended.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._loop = asyncio.get_running_loop()
        self._log = plain_logger()
        self._facts: list[Fact] = []
        self._then: list[Callable[[], object]] = []
        self._waiter: asyncio.Future[None] | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._running: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[bool] | None = None
        self._hanging: asyncio.Task[bool] | None = None
        self._trouble: str | None = None
        self._lost = 0

    @property
    def problem(self) -> str | None:
        """Why facts could not be written, in words, until one is again; None when they can."""
        return self._trouble if self._journal.problem is None else str(self._journal.problem)

    @property
    def lost(self) -> int:
        """How many facts were given up."""
        return self._journal.lost + self._lost

    def put(self, fact: Fact, then: Callable[[], object] | None = None) -> None:
        """Write `fact` after all before it; `then` is called when it is on the disk, or will not be in time."""
        self._facts.append(fact)
        if then is not None:
            self._then.append(then)
        self._idle.clear()
        if self._waiter is not None:
            _let_go(self._waiter)

    async def secure(self, *facts: Fact, seconds: float = PATIENCE) -> None:
        """Write `facts`, all or none of them, and wait until they are on the disk, but no longer than `seconds`."""
        done: asyncio.Future[None] = self._loop.create_future()
        for fact in facts[:-1]:
            self.put(fact)
        self.put(facts[-1], lambda: _let_go(done))
        late = self._loop.call_later(seconds, self._wait_no_longer, done, seconds)
        try:
            await done
        finally:
            late.cancel()

    def _wait_no_longer(self, done: asyncio.Future[None], seconds: float) -> None:
        if not done.done():
            self.fail(hung(self._journal, seconds))
            done.set_result(None)

    def give_up(self, why: str) -> None:
        """A fact cannot be written at all."""
        self._lost += 1
        self.fail(why)

    def fail(self, why: str) -> None:
        """Facts cannot be written in time, or not at all. The log says it once."""
        if self._trouble is None:
            self._log.error("journal: {}; watching and cancelling go on, what is told may not be on the disk", why)
        self._trouble = why

    def open(self, group: asyncio.TaskGroup) -> None:
        """Begin to write."""
        self._running = group.create_task(self._run(), name="fillwatch-diary")

    async def aclose(self, seconds: float) -> None:
        """Write what is left, but no longer than `seconds`; what hangs then is not waited for."""
        if self._running is None:
            return
        idle = self._loop.create_task(self._idle.wait())
        await asyncio.wait({idle}, timeout=seconds)
        self._running.cancel()
        await asyncio.wait({self._running})
        tasks = [task for task in (idle, self._writing, self._hanging) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def _run(self) -> None:
        while True:
            if not self._facts:
                self._idle.set()
                self._waiter = self._loop.create_future()
                await self._waiter
            facts, self._facts = self._facts, []
            then, self._then = self._then, []
            try:
                await self._write(facts)
            finally:
                for call in then:
                    call()

    async def _write(self, facts: list[Fact]) -> None:
        # A task of its own: a disk that hangs is waited for no longer, and yet it has to be known when it is over; and
        # whatever a journal may raise ends no more than this task.
        task = self._writing = self._loop.create_task(self._give(facts), name="fillwatch-journal")
        done, _ = await asyncio.wait({task}, timeout=PATIENCE)
        self._writing = None
        if done:
            self._see(task)
        else:
            self._hanging = task
            task.add_done_callback(self._see)
            self.fail(hung(self._journal, PATIENCE))

    async def _give(self, facts: list[Fact]) -> bool:
        """Whether the disk was asked."""
        try:
            if self._is_worth_waiting and any(KIND_RULES[fact.kind].durable for fact in facts):
                await self._journal.write(*facts, durable=True)
                return True
            if self._journal.problem is not None:
                self.fail(str(self._journal.problem))
            for fact in facts:
                self._journal.note(fact)
        except JournalClosed:
            self._lost += len(facts)
            raise
        return False

    @property
    def _is_worth_waiting(self) -> bool:
        """False while the disk hangs or is known to be full: the journal keeps what it is given, and tries again."""
        return self._hanging is None and self._journal.problem is None

    def _see(self, task: asyncio.Task[bool]) -> None:
        """How a write ended. What could not be written the journal keeps, or counts as lost."""
        if task is self._hanging:
            self._hanging = None
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self.fail(str(error) if isinstance(error, JournalError) else f"{type(error).__name__}: {error}")
        elif task.result() and self._trouble is not None:
            self._trouble = None
            self._log.warning("journal: facts are written again; {} were lost until now", self.lost)


def _let_go(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
