"""Retries with back-off for what must be carried out: cancels, submits, positions. Looks are never retried here."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Mapping
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

import backoff

from fillwatch.brokers.base import Operation, Refused
from fillwatch.core.errors import AmbiguousError, BrokerError, Failure, RateLimited, TransientError, classify
from fillwatch.engine.limiter import Priority
from fillwatch.engine.turns import FIRST, Rank
from fillwatch.engine.wire import Wire
from fillwatch.logs import plain_logger

if TYPE_CHECKING:
    from loguru import Logger

T = TypeVar("T")

#: The longest wait between two attempts before jitter, in seconds.
LONGEST_BACKOFF = 60.0


class ErrorRecoveryManager:
    """Carries out an operation, again and again if need be, each attempt paying for its own request.

    Waits between attempts are `backoff_base` seconds, doubling, with full jitter drawn from `rng`. With `wire=None`
    operations are awaited directly, for use without an engine.
    """

    def __init__(
        self,
        wire: Wire | None = None,
        *,
        max_retries: int = 3,
        backoff_base: float = 0.5,
        rng: random.Random | None = None,
    ) -> None:
        self.max_retries = max_retries
        self.backoff_base = backoff_base
        self._wire = wire
        self._rng = rng or random.Random()

    async def execute_with_retry(
        self,
        operation: Callable[[], Awaitable[T]],
        max_retries: int | None = None,
        *,
        priority: Priority = Priority.CANCEL,
        deadline: float | Callable[[], float] = math.inf,
        on_sent: Callable[[float], None] | None = None,
        wanted: Callable[[], bool] | None = None,
        log: Logger | None = None,
        rank: Rank = FIRST,
    ) -> tuple[bool, T | BaseException | None]:
        """`(True, answer)`, or `(False, error)` with the last error when retrying is over or of no use.

        An attempt fails when `operation()` raises, or answers with an `.error` that may be retried (`Unanswered`,
        `Unknown`); a refusal and any other permanent error end it at once. `max_retries` come after the first attempt
        (None: as constructed). `deadline` is a reading of the loop's clock, or a function that gives it before each
        attempt: nothing is sent and no wait ends after it, but an answer on its way is waited for. `wanted` is asked
        before each attempt is sent; once it says no, it is `(True, None)`. `rank`: a smaller one goes first within its
        class. After a rate-limited attempt the next one waits for the broker's reset at least. Cancellation passes
        through. Raises `EngineClosed` when the engine has ended.
        """
        retries = self.max_retries if max_retries is None else max_retries
        log = log or plain_logger()
        now = asyncio.get_running_loop().time
        until = deadline if callable(deadline) else lambda: deadline
        for attempt in range(retries + 1):
            answer, error = await self._attempt(operation, priority, rank, until(), on_sent, wanted)
            if error is None:
                return True, answer
            if isinstance(answer, Refused) or not self._is_retryable_error(error):
                log.error("request failed for good: {}: {}", type(error).__name__, error)
                return False, error
            wait = max(self._calculate_backoff(attempt), self._silence_after(error, now()))
            if attempt == retries or now() + wait >= until():
                log.warning("request failed: {}: {}; no retry is left", type(error).__name__, error)
                return False, error
            log.warning(
                "request failed: {}: {}; retry {} of {} in {:.2f} s",
                *(type(error).__name__, error, attempt + 1, retries, wait),
            )
            await asyncio.sleep(wait)
        raise ValueError(f"max_retries: {retries!r} is not allowed; it must be at least 0")

    async def _attempt(
        self,
        operation: Callable[[], Awaitable[T]],
        priority: Priority,
        rank: Rank,
        deadline: float,
        on_sent: Callable[[float], None] | None,
        wanted: Callable[[], bool] | None,
    ) -> tuple[T | None, BaseException | None]:
        """One request: its answer, and the error that it raised or carries."""
        if asyncio.get_running_loop().time() >= deadline:
            return None, TransientError("the deadline had passed before the request could be sent")
        if self._wire is None:
            answer, error = await _unwired(operation, on_sent)
        else:
            answer, error = await _wired(self._wire, operation, priority, rank, deadline, on_sent, wanted or _always)
        carried = getattr(answer, "error", None)
        return answer, carried if isinstance(carried, BaseException) else error

    def _calculate_backoff(self, attempt: int) -> float:
        """Seconds to wait after the failed attempt number `attempt`, counted from 0.

        `backoff.full_jitter` draws from the random numbers of the whole process; drawing from ours instead lets a
        seed replay a run. The generator's first value is the None with which `backoff` starts it.
        """
        longest = next(islice(backoff.expo(2, self.backoff_base, LONGEST_BACKOFF), attempt + 1, None))
        return self._rng.uniform(0.0, longest)

    def _is_retryable_error(self, error: BaseException) -> bool:
        """Whether the same request may be sent again. What the wire could not name is judged by what was raised."""
        foreign = error.__cause__ if type(error) is AmbiguousError else None
        return classify(foreign or error).is_retryable

    def _silence_after(self, error: BaseException, now: float) -> float:
        """Seconds for which the broker wants to hear nothing, as far as is known."""
        if classify(error) is not Failure.RATE_LIMITED:
            return 0.0
        reset_in = error.reset_in if isinstance(error, RateLimited) else None
        if reset_in is not None or self._wire is None:
            return reset_in or 0.0
        until = self._wire.limiter.standing_still_until
        return 0.0 if until is None else until - now


#: What an operation of this class is, which decides what it costs.
_KINDS: Mapping[Priority, Operation] = MappingProxyType(
    {
        Priority.CANCEL: Operation.CANCEL,
        Priority.SUBMIT: Operation.SUBMIT,
        Priority.FINAL_CHECK: Operation.LOOK,
        Priority.POSITION: Operation.POSITIONS,
        Priority.POLL: Operation.LOOK,
    }
)


def _always() -> bool:
    return True


async def _wired(
    wire: Wire,
    operation: Callable[[], Awaitable[T]],
    priority: Priority,
    rank: Rank,
    deadline: float,
    on_sent: Callable[[float], None] | None,
    wanted: Callable[[], bool],
) -> tuple[T | None, BaseException | None]:
    try:
        async with asyncio.timeout_at(None if math.isinf(deadline) else deadline) as waiting:

            def sent(at: float) -> None:
                waiting.reschedule(None)  # an answer that is on its way is worth waiting for
                if on_sent is not None:
                    on_sent(at)

            kind = _KINDS[priority]
            return await wire.ask_if(wanted, priority, operation, on_sent=sent, operation=kind, rank=rank), None
    except BrokerError as error:
        return None, error
    except TimeoutError:
        return None, TransientError("the deadline passed before the request could be sent")


async def _unwired(
    operation: Callable[[], Awaitable[T]], on_sent: Callable[[float], None] | None
) -> tuple[T | None, BaseException | None]:
    """In a task, whose error can be read as a value whatever its type: foreign clients have exceptions of their own."""

    async def run() -> T:
        return await operation()

    loop = asyncio.get_running_loop()
    if on_sent is not None:
        on_sent(loop.time())
    task = loop.create_task(run())
    try:
        await asyncio.wait({task})
    finally:
        task.cancel()
    error = task.exception()
    return (None, error) if error is not None else (task.result(), None)
