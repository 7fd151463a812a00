"""Retries: how often, how long between, until when, and for which failures."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loguru import logger

from fillwatch.brokers.base import AlreadyTerminal, Broker, Capabilities, NotThere, Refused, Requested, Unknown
from fillwatch.core.config import RateLimit
from fillwatch.core.errors import (
    AmbiguousError,
    BrokerError,
    EngineClosed,
    KeysRefused,
    PermanentError,
    RateLimited,
    TransientError,
)
from fillwatch.core.evidence import Route, Unanswered
from fillwatch.core.orders import OrderStatus
from fillwatch.engine.limiter import Priority, RateLimiter
from fillwatch.engine.recovery import ErrorRecoveryManager
from fillwatch.engine.wire import Wire
from fillwatch.testing.loop import run_virtual, virtual

START = 1_000.0
DOWN = TransientError("down")


class Line:
    """A broker as far as the wire knows one."""

    caps = Capabilities()
    quota = None

    def cost(self, operation: object) -> int:
        return 1


class Highest(random.Random):
    """Draws the upper bound always, so that back-off is as long as it can be."""

    def uniform(self, a: float, b: float) -> float:
        return b


class Operation:
    """Answers or raises what it is told, one after the other and the last for ever; remembers when it was asked."""

    def __init__(self, answers: Sequence[object], seconds: float = 0.0) -> None:
        self.answers = list(answers)
        self.seconds = seconds
        self.asked: list[float] = []

    async def __call__(self) -> object:
        self.asked.append(now())
        await asyncio.sleep(self.seconds)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer


def now() -> float:
    return asyncio.get_running_loop().time() - START


def wired(*, limit: int = 200_000) -> Wire:
    broker: Broker = Line()  # type: ignore[assignment]  # the wire asks it for no more than this
    return Wire(broker, RateLimiter(RateLimit(limit=limit)))


@pytest.fixture
def lines() -> Iterator[list[str]]:
    collected: list[str] = []
    number = logger.add(lambda message: collected.append(message.record["level"].name), format="{message}")
    logger.enable("fillwatch")
    yield collected
    logger.disable("fillwatch")
    logger.remove(number)


def unanswered(error: BrokerError) -> Unanswered:
    return Unanswered(error=error, route=Route.POSITIONS, as_of=START)


@pytest.mark.parametrize(
    ("answers", "success", "attempts"),
    [
        ([Requested()], True, 1),
        ([DOWN, Requested()], True, 2),
        ([Unknown(error=DOWN), unanswered(DOWN), AmbiguousError("?"), Requested()], True, 4),
        ([DOWN], False, 4),
        ([Unknown(error=DOWN)], False, 4),
        ([NotThere()], True, 1),
        ([AlreadyTerminal(status=OrderStatus.FILLED)], True, 1),
        ([Refused(error=DOWN)], False, 1),
        ([Unknown(error=PermanentError("no"))], False, 1),
        ([KeysRefused("no")], False, 1),
        ([ConnectionError("gone"), TimeoutError(), ValueError("?"), Requested()], True, 4),
        ([PermissionError("no")], False, 1),
    ],
)
@pytest.mark.parametrize("use_wire", [True, False], ids=["wired", "alone"])
@virtual
async def test_each_answer_is_tried_again_or_not(
    answers: list[object], success: bool, attempts: int, use_wire: bool
) -> None:
    recovery = ErrorRecoveryManager(wired() if use_wire else None, rng=random.Random(1))
    operation = Operation(answers)
    last = answers[min(attempts, len(answers)) - 1]
    ok, result = await recovery.execute_with_retry(operation)
    assert (ok, len(operation.asked)) == (success, attempts)
    expected = last if ok else getattr(last, "error", last)
    assert result is expected or (isinstance(result, AmbiguousError) and result.__cause__ is expected)


@virtual
async def test_the_waits_double_from_the_base_up_to_a_minute() -> None:
    operation = Operation([DOWN])
    await ErrorRecoveryManager(backoff_base=0.5, max_retries=9, rng=Highest()).execute_with_retry(operation)
    waits = [after - before for before, after in zip(operation.asked, operation.asked[1:], strict=False)]
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32), base=st.floats(0.01, 5))
def test_jitter_is_full_and_replays_from_the_seed(seed: int, base: float) -> None:
    def run() -> list[float]:
        operation = Operation([DOWN])
        recovery = ErrorRecoveryManager(max_retries=5, backoff_base=base, rng=random.Random(seed))
        run_virtual(lambda: recovery.execute_with_retry(operation))
        return operation.asked

    asked = run()
    assert asked == run()
    for attempt in range(5):
        assert 0 <= asked[attempt + 1] - asked[attempt] <= base * 2**attempt + 1e-9


@virtual
async def test_every_attempt_pays_a_token() -> None:
    wire = wired(limit=200)
    await ErrorRecoveryManager(wire, rng=random.Random(3)).execute_with_retry(Operation([DOWN]))
    assert (wire.calls, wire.limiter.granted) == (4, 4)


def test_jitter_is_drawn_from_the_whole_range() -> None:
    first = [ErrorRecoveryManager(backoff_base=1.0, rng=random.Random(n))._calculate_backoff(0) for n in range(200)]
    assert min(first) < 0.05
    assert max(first) > 0.95


@pytest.mark.parametrize(("reset_in", "asked"), [(20.0, [0, 20, 40]), (None, [0, 1, 3])])
@virtual
async def test_a_rate_limited_attempt_is_not_repeated_before_the_reset(
    reset_in: float | None, asked: list[float]
) -> None:
    limited = RateLimited("429", reset_in=reset_in)
    operation = Operation([limited, limited, Requested()])
    ok, _ = await ErrorRecoveryManager(wired(), rng=random.Random(3)).execute_with_retry(operation)
    assert ok
    assert operation.asked == pytest.approx(asked, abs=1e-3)


@pytest.mark.parametrize(
    ("deadline", "asked", "ends"),
    [(1.4, [0, 0.5], 0.5), (1.5, [0, 0.5], 0.5), (1.6, [0, 0.5, 1.5], 1.5), (0.0, [], 0.0), (-5.0, [], 0.0)],
)
@pytest.mark.parametrize("use_wire", [True, False], ids=["wired", "alone"])
@virtual
async def test_nothing_is_tried_at_or_after_the_deadline(
    deadline: float, asked: list[float], ends: float, use_wire: bool
) -> None:
    operation = Operation([DOWN])
    recovery = ErrorRecoveryManager(wired() if use_wire else None, rng=Highest())
    ok, error = await recovery.execute_with_retry(operation, deadline=START + deadline)
    assert (ok, isinstance(error, TransientError)) == (False, True)
    assert (operation.asked, now()) == (asked, ends)


@virtual
async def test_the_wait_for_a_token_ends_at_the_deadline() -> None:
    wire = wired(limit=2)
    assert wire.limiter.try_acquire(Priority.CANCEL) is not None
    operation = Operation([Requested()])
    ok, error = await ErrorRecoveryManager(wire).execute_with_retry(operation, deadline=START + 3)
    assert (ok, type(error), operation.asked, now()) == (False, TransientError, [], 3)
    assert wire.limiter.waiting == 0


@virtual
async def test_an_answer_on_its_way_is_waited_for_past_the_deadline() -> None:
    stamps: list[float] = []
    operation = Operation([Requested()], seconds=5)
    recovery = ErrorRecoveryManager(wired())
    ok, _ = await recovery.execute_with_retry(operation, deadline=START + 3, on_sent=stamps.append)
    assert (ok, now(), stamps) == (True, 5, [START])


@pytest.mark.parametrize("use_wire", [True, False], ids=["wired", "alone"])
@pytest.mark.parametrize("after", [0.1, 0.7])
@virtual
async def test_cancellation_passes_through(after: float, use_wire: bool) -> None:
    recovery = ErrorRecoveryManager(wired() if use_wire else None, rng=Highest())
    task = asyncio.ensure_future(recovery.execute_with_retry(Operation([DOWN], seconds=0.5)))
    await asyncio.sleep(after)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert now() == pytest.approx(after)
    await asyncio.sleep(1)


@virtual
async def test_a_closed_engine_is_no_failure_to_retry() -> None:
    wire = wired()
    await wire.aclose()
    with pytest.raises(EngineClosed):
        await ErrorRecoveryManager(wire).execute_with_retry(Operation([Requested()]))


class ForeignClientError(Exception):
    """As the clients of others raise them."""


@virtual
async def test_alone_it_takes_any_client_and_its_exceptions() -> None:
    error = ForeignClientError("?")
    ok, result = await ErrorRecoveryManager().execute_with_retry(Operation([error]), 1)
    assert (ok, result) == (False, error)


@pytest.mark.parametrize(
    ("answers", "levels"),
    [
        ([DOWN, Requested()], ["WARNING"]),
        ([DOWN], ["WARNING"] * 4),
        ([PermanentError("no")], ["ERROR"]),
        ([Requested()], []),
    ],
)
@virtual
async def test_each_retry_is_a_warning_and_a_permanent_failure_an_error(
    answers: list[object], levels: list[str], lines: list[str]
) -> None:
    await ErrorRecoveryManager(wired(), rng=random.Random(1)).execute_with_retry(Operation(answers))
    assert lines == levels


@virtual
async def test_retries_must_not_be_negative() -> None:
    with pytest.raises(ValueError, match="max_retries"):
        await ErrorRecoveryManager().execute_with_retry(Operation([DOWN]), -1)
