"""The line between a client in this process and the world: latency there and back, and answers that never come."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from types import MappingProxyType

from fillwatch.brokers.base import Quota
from fillwatch.core.errors import (
    AmbiguousError,
    BrokerError,
    KeysRefused,
    PermanentError,
    RateLimited,
    TransientError,
)
from fillwatch.simulator.answers import Answer, Call, Delivery, Reply
from fillwatch.simulator.world import World

#: Deliveries that leave the caller without an answer it can read.
_LOST: Mapping[Delivery, tuple[type[BrokerError], str]] = MappingProxyType(
    {
        Delivery.SILENCE: (TransientError, "no answer in time"),
        Delivery.RESET: (TransientError, "connection reset"),
        Delivery.CUT_OFF: (AmbiguousError, "the answer was cut off"),
    }
)


class Line:
    """Carries calls to a world and its answers back, each within `timeout` seconds. `quota`: the newest headers."""

    def __init__(self, world: World, *, latency: tuple[float, float], timeout: float) -> None:
        self.quota: Quota | None = None
        self._world = world
        self._latency = latency
        self._timeout = timeout
        self._closed = False
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def ask(self, call: Call) -> Answer | BrokerError:
        """The broker's answer, refusals of the request itself included; or why there is none that can be used."""
        if self._closed:
            raise RuntimeError(f"{call.op}: the broker was closed")
        self._in_flight += 1
        self._idle.clear()
        try:
            return await self._exchange(call)
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def aclose(self) -> None:
        """Take no more calls, and let those in flight end."""
        self._closed = True
        await self._idle.wait()

    async def _exchange(self, call: Call) -> Answer | BrokerError:
        sent = now()
        there, back = self._ways(call)
        await asyncio.sleep(there)
        reply = self._world.receive(call)
        left = sent + self._timeout - now()
        lost = reply.delivery is Delivery.SILENCE or back > left
        await asyncio.sleep(left if lost else back)
        if lost:
            return TransientError("no answer in time")
        if reply.delivery in _LOST:
            kind, text = _LOST[reply.delivery]
            return kind(text)
        self._note(reply)
        return reply.answer if reply.answer.status < 500 and not _is_about_us(reply.answer) else self._error(reply)

    def _ways(self, call: Call) -> tuple[float, float]:
        stream = self._world.stream(f"latency/{call.op}/{call.target}")
        round_trip = stream.uniform(*self._latency)
        there = round_trip * stream.uniform(0.2, 0.5)
        more_there, more_back = self._world.transit(call)
        # A request that is still on its way when its sender gives up arrives all the same, if only just.
        return min(there + more_there, self._timeout * 0.95), round_trip - there + more_back

    def _note(self, reply: Reply) -> None:
        headers = reply.headers
        if "X-RateLimit-Limit" in headers:
            at = parsedate_to_datetime(headers["Date"]).timestamp()
            self.quota = Quota(
                limit=int(headers["X-RateLimit-Limit"]),
                remaining=int(headers["X-RateLimit-Remaining"]),
                reset_in=max(float(headers["X-RateLimit-Reset"]) - at, 0.0),
                as_of=now(),
            )

    def _error(self, reply: Reply) -> BrokerError:
        answer = reply.answer
        if answer.status == 429:
            # While requests remain, the window is not what refused us, and its end is no news.
            used_up = reply.headers and self.quota is not None and not self.quota.remaining
            told = self.quota.reset_in if used_up and self.quota is not None else None
            return RateLimited(answer.message, status=429, code=answer.code, reset_in=told)
        kind = KeysRefused if answer.status == 401 else TransientError
        return kind(answer.message, status=answer.status, code=answer.code)


def _is_about_us(answer: Answer) -> bool:
    """Whether the answer refuses the caller rather than what was asked."""
    return answer.status in (401, 429)


def refused(answer: Answer) -> PermanentError:
    """The broker's refusal of a request that it understood."""
    return PermanentError(answer.message, status=answer.status, code=answer.code)


def now() -> float:
    """The running loop's clock, in seconds."""
    return asyncio.get_running_loop().time()
