"""The wire: requests are never cancelled, always accounted for, and what they tell of the rate limit is heeded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

import pytest

from fillwatch.brokers.base import Broker, Capabilities, Operation, Quota, Unknown
from fillwatch.core.config import RateLimit
from fillwatch.core.errors import AmbiguousError, BrokerError, EngineClosed, PermanentError, RateLimited, TransientError
from fillwatch.core.evidence import Route, Unanswered
from fillwatch.engine.limiter import Priority, RateLimiter
from fillwatch.engine.wire import READS, Wire
from fillwatch.testing.loop import virtual

CANCEL, POLL = Priority.CANCEL, Priority.POLL
START = 1_000.0


class Line:
    """A broker as far as the wire knows one: what it can do, and what it says of the rate limit."""

    def __init__(self, *, max_in_flight: int = 8, costs: Mapping[Operation, int] | None = None) -> None:
        self.caps = Capabilities(max_in_flight=max_in_flight)
        self.quota: Quota | None = None
        self.costs = costs or {}

    def cost(self, operation: Operation) -> int:
        return self.costs.get(operation, 1)


def now() -> float:
    return asyncio.get_running_loop().time() - START


def a_wire(line: Line | None = None, *, limit: int = 2000) -> Wire:
    broker: Broker = line or Line()  # type: ignore[assignment]  # the wire asks it for no more than these three
    return Wire(broker, RateLimiter(RateLimit(limit=limit)))


def answering(answer: object, seconds: float = 0.0) -> Callable[[], Awaitable[object]]:
    async def call() -> object:
        await asyncio.sleep(seconds)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return call


@virtual
async def test_an_answer_comes_back_and_the_sending_is_stamped_and_counted() -> None:
    wire = a_wire(limit=200)
    stamps: list[float] = []
    for _ in range(2):
        answer = await wire.ask(CANCEL, answering("yes", 0.25), on_sent=stamps.append, operation=Operation.CANCEL)
        assert answer == "yes"
    assert stamps == pytest.approx([START, START + 60 / 150.99], abs=1e-5)
    assert (wire.calls, wire.calls_by_operation) == (2, {Operation.CANCEL: 2})
    assert (wire.in_flight, wire.limiter.in_flight) == (0, 0)


@virtual
async def test_a_caller_who_gives_up_leaves_his_request_running() -> None:
    ended: list[float] = []
    line = Line()

    async def call() -> str:
        await asyncio.sleep(3)
        ended.append(now())
        line.quota = Quota(limit=200, remaining=0, reset_in=30.0, as_of=START + 3)
        return "late"

    wire = a_wire(line)
    caller = asyncio.ensure_future(wire.ask(POLL, call))
    await asyncio.sleep(1)
    caller.cancel()
    await asyncio.wait({caller})
    assert (caller.cancelled(), wire.in_flight, wire.limiter.in_flight, now()) == (True, 1, 1, 1)
    await asyncio.sleep(3)
    assert (ended, wire.in_flight, wire.limiter.in_flight) == ([3], 0, 0)
    assert wire.limiter.standing_still_until == START + 33


@virtual
async def test_a_caller_who_gives_up_before_sending_sends_nothing() -> None:
    wire = a_wire(Line(max_in_flight=3))
    first = asyncio.ensure_future(wire.ask(POLL, answering("yes", 5)))
    await asyncio.sleep(1)
    second = asyncio.ensure_future(wire.ask(POLL, answering("yes", 5)))
    await asyncio.sleep(1)
    second.cancel()
    await asyncio.wait({first, second})
    assert (wire.calls, wire.limiter.granted) == (1, 1)


class Surprise(Exception):
    """No type the library knows."""


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (TransientError("down"), TransientError),
        (PermanentError("no"), PermanentError),
        (Surprise("what"), AmbiguousError),
        (ValueError("what"), AmbiguousError),
        (ConnectionError("gone"), AmbiguousError),
    ],
)
@virtual
async def test_what_a_call_raises_reaches_the_caller_as_a_broker_error(
    raised: Exception, expected: type[BrokerError]
) -> None:
    wire = a_wire()
    with pytest.raises(expected) as caught:
        await wire.ask(POLL, answering(raised, 1))
    assert caught.value is raised or caught.value.__cause__ is raised
    assert (wire.in_flight, wire.limiter.in_flight) == (0, 0)


@virtual
async def test_an_error_nobody_waits_for_is_not_reported_as_unseen() -> None:
    wire = a_wire()
    caller = asyncio.ensure_future(wire.ask(POLL, answering(Surprise("unseen"), 1)))
    await asyncio.sleep(0.5)
    caller.cancel()
    await asyncio.sleep(1)
    assert wire.limiter.in_flight == 0


LIMITED = RateLimited("too many", reset_in=20.0)


@pytest.mark.parametrize(
    "answer",
    [LIMITED, Unknown(error=LIMITED), Unanswered(error=LIMITED, route=Route.ORDER, as_of=START)],
    ids=["raised", "Unknown", "Unanswered"],
)
@virtual
async def test_a_429_in_any_form_makes_the_limiter_stand_still_before_the_next_is_served(answer: object) -> None:
    wire = a_wire(Line(max_in_flight=3))
    first = asyncio.ensure_future(wire.ask(POLL, answering(answer, 2)))
    await asyncio.sleep(0.5)
    stamps: list[float] = []
    await asyncio.gather(
        wire.ask(POLL, answering("yes"), on_sent=stamps.append), asyncio.wait({first}), return_exceptions=True
    )
    first.exception()
    assert stamps[0] >= START + 22


@virtual
async def test_a_proper_answer_makes_the_next_stand_still_a_short_one() -> None:
    wire = a_wire()
    for answer, seconds in [(RateLimited("429"), 1), (RateLimited("429"), 2), ("yes", 0), (RateLimited("429"), 1)]:
        await asyncio.gather(wire.ask(POLL, answering(answer)), return_exceptions=True)
        until = wire.limiter.standing_still_until
        assert (until - START - now() if until else 0) == pytest.approx(seconds)
        await asyncio.sleep(10)


@virtual
async def test_a_call_that_does_not_end_is_given_up_after_its_time_and_still_accounted_for() -> None:
    wire = a_wire()
    with pytest.raises(TransientError, match="no answer within 11 s"):
        await wire.ask(POLL, answering("at last", 30))
    assert (now(), wire.in_flight, wire.limiter.in_flight) == (11, 1, 1)
    await asyncio.sleep(20)
    assert (wire.in_flight, wire.limiter.in_flight) == (0, 0)


@virtual
async def test_no_more_than_the_brokers_places_are_used_and_two_only_by_cancels() -> None:
    wire = a_wire()
    await wire.ask(CANCEL, answering("yes"))
    await asyncio.sleep(60)
    asks = [asyncio.ensure_future(wire.ask(priority, answering("yes", 5))) for priority in [POLL] * 9 + [CANCEL] * 4]
    await asyncio.sleep(1)
    assert (wire.in_flight, wire.limiter.waiting) == (8, 5)
    await asyncio.wait(asks)
    assert now() == 70


@virtual
async def test_closing_waits_for_what_is_in_flight_and_sends_nothing_more() -> None:
    wire = a_wire(Line(max_in_flight=3))
    sent = asyncio.ensure_future(wire.ask(POLL, answering("yes", 4)))
    await asyncio.sleep(1)
    waiting = asyncio.ensure_future(wire.ask(POLL, answering("never")))
    await asyncio.sleep(1)
    await wire.aclose()
    assert now() == 4
    results = await asyncio.gather(sent, waiting, return_exceptions=True)
    assert (results[0], type(results[1]), wire.calls) == ("yes", EngineClosed, 1)
    with pytest.raises(EngineClosed):
        await wire.ask(CANCEL, answering("never"))
    await wire.aclose()


@virtual
async def test_closing_wakes_those_who_wait_for_a_permit_at_once() -> None:
    wire = a_wire()
    wire.limiter.stand_still(50.0)
    waiting = asyncio.ensure_future(wire.ask(POLL, answering("never")))
    await asyncio.sleep(1)
    await wire.aclose()
    await asyncio.wait({waiting})
    assert (type(waiting.exception()), now()) == (EngineClosed, 1)


@virtual
async def test_a_permit_granted_in_the_tick_of_closing_sends_nothing() -> None:
    wire = a_wire(Line(max_in_flight=1))
    permit = wire.limiter.try_acquire(CANCEL)
    assert permit is not None
    waiting = asyncio.ensure_future(wire.ask(POLL, answering("never")))
    await asyncio.sleep(60)
    permit.release()
    await wire.aclose()
    await asyncio.wait({waiting})
    assert isinstance(waiting.exception(), EngineClosed)
    assert (wire.calls, wire.limiter.in_flight) == (0, 0)


@virtual
async def test_closing_cuts_off_what_outlives_its_grace() -> None:
    wire = a_wire()
    sent = asyncio.ensure_future(wire.ask(POLL, answering("yes", 400)))
    await asyncio.sleep(1)
    await wire.aclose(grace=2.0)
    assert (now(), wire.in_flight, wire.limiter.in_flight) == (3, 0, 0)
    with pytest.raises(AmbiguousError):
        await sent


@virtual
async def test_a_stamp_that_raises_sends_nothing_and_keeps_no_token() -> None:
    wire = a_wire()

    def broken(_: float) -> None:
        raise KeyError("no")

    with pytest.raises(KeyError):
        await wire.ask(POLL, answering("yes"), on_sent=broken)
    assert (wire.calls, wire.limiter.granted, wire.limiter.in_flight) == (0, 0, 0)


# ---- what a call costs


async def requests_in_the_worst_minute(line: Line, operation: Operation | None, calls: int = 120) -> int:
    """Requests that calls of one operation took from the limit of 100 within any minute."""
    wire = Wire(cast(Broker, line), RateLimiter(RateLimit(limit=100, share=0.8)))
    sent: list[float] = []
    asks = (wire.ask(POLL, answering("yes", 0.3), on_sent=sent.append, operation=operation) for _ in range(calls))
    await asyncio.gather(*asks)
    await wire.aclose()
    cost = max(map(line.cost, READS)) if operation is None else line.cost(operation)
    return max(sum(start <= at < start + 60.0 for at in sent) for start in sent) * cost


@virtual
@pytest.mark.parametrize(
    ("operation", "costs"),
    [
        (Operation.LOOK, {}),
        (Operation.POSITIONS, {Operation.POSITIONS: 3}),
        (Operation.LIST, {Operation.LIST: 7}),
        (None, {Operation.LIST: 7}),
    ],
)
async def test_a_call_pays_for_every_request_that_it_takes(
    operation: Operation | None, costs: Mapping[Operation, int]
) -> None:
    assert 66 <= await requests_in_the_worst_minute(Line(costs=costs), operation) <= 80


@virtual
async def test_a_broker_may_come_to_take_fewer_calls_at_a_time() -> None:
    line = Line(max_in_flight=8)
    wire = a_wire(line)
    stamps: list[float] = []
    await asyncio.sleep(10)
    line.caps = Capabilities(max_in_flight=1)
    asks = (wire.ask(CANCEL, answering("yes", 1.0), on_sent=stamps.append) for _ in range(3))
    await asyncio.gather(*asks)
    assert [stamp - START for stamp in stamps] == [10.0, 11.0, 12.0]
