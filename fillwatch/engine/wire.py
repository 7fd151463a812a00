"""The one place where the engine asks the broker: every request waits for its permit here and is accounted for here.

A request that has begun is never cancelled. It runs in a task of its own; a caller who gives up is cancelled alone,
and what the answer says of the rate limit is used even if nobody waits for it any more.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

from fillwatch.brokers.base import Broker, Operation
from fillwatch.core.errors import AmbiguousError, BrokerError, EngineClosed, KeysRefused, RateLimited, TransientError
from fillwatch.engine.limiter import Permit, Priority, RateLimiter
from fillwatch.engine.turns import FIRST, Rank
from fillwatch.logs import plain_logger

T = TypeVar("T")

#: What a read may turn out to be.
READS = (Operation.LOOK, Operation.LIST, Operation.FILLS)
#: Seconds beyond the broker's own time-out after which a caller is no longer kept waiting for an answer.
PATIENCE = 1.0
#: Seconds given to requests that had to be cut off on closing.
LAST_RESORT = 1.0


class Wire:
    """Asks `broker` at the pace of `limiter`: each call pays what `broker.cost` says, `max_in_flight` go at a time."""

    def __init__(self, broker: Broker, limiter: RateLimiter) -> None:
        self.limiter = limiter
        #: Requests sent so far, and the same by operation (where the caller named it).
        self.calls = 0
        self.calls_by_operation: Counter[Operation] = Counter()
        self._broker = broker
        self._tasks: set[asyncio.Task[object]] = set()
        self._closed = False
        self._refused = False
        limiter.largest = max(broker.cost(operation) for operation in Operation)

    async def ask(
        self,
        priority: Priority,
        call: Callable[[], Awaitable[T]],
        *,
        on_sent: Callable[[float], None] | None = None,
        operation: Operation | None = None,
        rank: Rank = FIRST,
    ) -> T:
        """Wait for a permit, then return what `call()` answers; `call` must be one operation of the broker's:
        `operation`, or None for whichever read turns out to be best.

        `on_sent` is told the loop's time just before the request is sent. `rank`: a smaller one goes first within the
        class (`Turns`). Raises `EngineClosed` when no more requests
        are sent, `TransientError` when no answer comes within the broker's own time-out and a second more, and a
        `BrokerError` when `call()` raises, which the Broker protocol forbids: its own, or an `AmbiguousError` from it.
        """
        permit = await self._acquire(priority, operation, rank)
        return await self._answer(self._send(permit, call, on_sent, operation))

    async def ask_if(
        self,
        wanted: Callable[[], bool],
        priority: Priority,
        call: Callable[[], Awaitable[T]],
        *,
        on_sent: Callable[[float], None] | None = None,
        operation: Operation | None = None,
        rank: Rank = FIRST,
    ) -> T | None:
        """As `ask`, but if `wanted()` is false once the permit is there, it goes back and the answer is None."""
        permit = await self._acquire(priority, operation, rank)
        if not wanted():
            permit.give_back()
            return None
        return await self._answer(self._send(permit, call, on_sent, operation))

    async def _acquire(self, priority: Priority, operation: Operation | None, rank: Rank) -> Permit:
        self.limiter.max_in_flight = self._broker.caps.max_in_flight
        operations = READS if operation is None else (operation,)
        return await self.limiter.acquire(priority, max(self._broker.cost(one) for one in operations), rank)

    async def _answer(self, task: asyncio.Task[T]) -> T:
        """What the request brought, unless it takes too long; the request itself goes on."""
        limit = self._broker.caps.request_timeout + PATIENCE
        done, _ = await asyncio.wait({task}, timeout=limit)
        if not done:
            raise TransientError(f"no answer within {limit:g} s")
        if task.cancelled():
            raise AmbiguousError("the request was cut off before its answer came")
        error = task.exception()
        if error is None:
            return task.result()
        if isinstance(error, BrokerError):
            raise error
        raise AmbiguousError(f"the request failed in an unexpected way: {type(error).__name__}") from error

    @property
    def in_flight(self) -> int:
        """Requests that were sent and have not ended."""
        return len(self._tasks)

    async def aclose(self, grace: float = 10.0) -> None:
        """Send nothing more, wait `grace` seconds for what is in flight, and cut off the rest as a last resort.

        Callers that wait for a permit get `EngineClosed`. Afterwards no task is left. Calling it twice is allowed.
        """
        self._closed = True
        self.limiter.close()
        try:
            await _ended(self._tasks, grace)
        finally:
            for task in self._tasks:
                task.cancel()
        await _ended(self._tasks, LAST_RESORT)

    def _send(
        self,
        permit: Permit,
        call: Callable[[], Awaitable[T]],
        on_sent: Callable[[float], None] | None,
        operation: Operation | None,
    ) -> asyncio.Task[T]:
        loop = asyncio.get_running_loop()
        sent = False
        try:
            if self._closed:
                raise EngineClosed("the engine is closed: no request is sent any more")
            if on_sent is not None:
                on_sent(loop.time())
            sent = True
        finally:
            if not sent:
                permit.give_back()
        self.calls += 1
        if operation is not None:
            self.calls_by_operation[operation] += 1
        task = loop.create_task(self._carry_out(call, permit), name=f"fillwatch-request-{self.calls}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_see)
        return task

    async def _carry_out(self, call: Callable[[], Awaitable[T]], permit: Permit) -> T:
        """The request itself; what it tells of the rate limit is heeded before its permit is released."""
        try:
            answer = await call()
        except BrokerError as error:
            self._learn(error)
            raise
        else:
            self._learn(getattr(answer, "error", None))
            return answer
        finally:
            if self._broker.quota is not None:
                self.limiter.observe(self._broker.quota)
            permit.release()

    def _learn(self, error: BrokerError | None) -> None:
        refused = isinstance(error, KeysRefused)
        if refused and not self._refused:
            plain_logger().error("the broker refuses the keys: {}; beliefs stay, looks go on", error)
        if error is None and self._refused:
            plain_logger().warning("the broker takes the keys again")
        self._refused = refused or (self._refused and error is not None)
        if error is None:
            self.limiter.succeeded()
        elif isinstance(error, RateLimited):
            self.limiter.stand_still(error.reset_in)


def _see(task: asyncio.Task[T]) -> None:
    """Read the error of a request whose caller may have gone, so that the loop does not report it as unseen."""
    if not task.cancelled():
        task.exception()


async def _ended(tasks: set[asyncio.Task[object]], seconds: float) -> None:
    if tasks:
        await asyncio.wait(set(tasks), timeout=seconds)
