"""Who waits for something of a watch: its own task, those who await or iterate over it, those who want it fresh."""

from __future__ import annotations

import asyncio
import math
from typing import TypeVar

from fillwatch.core.evidence import Evidence, Look
from fillwatch.core.results import ConsistencyResult, FillResult, Transition
from fillwatch.engine.channel import Channel
from fillwatch.engine.promise import Promise
from fillwatch.engine.question import Question

T = TypeVar("T")


class Waiting:
    """The side of a case on which others wait. What few watches need is made when it is first asked for.

    `asleep_until`: the order's task sleeps for a decision to change, until then at most; -inf: it does not.
    """

    __slots__ = (
        "_changes",
        "_consistency",
        "_error",
        "_had_news",
        "_heard",
        "_loop",
        "_question",
        "_result",
        "_waiter",
        "asleep_until",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.asleep_until = -math.inf
        self._loop = loop
        self._had_news = False
        self._waiter: asyncio.Future[None] | None = None
        self._heard: asyncio.Future[None] | None = None
        self._question: Question | None = None
        self._changes: Channel[Transition] | None = None
        self._result: Promise[FillResult] | None = None
        self._consistency: Promise[ConsistencyResult] | None = None
        #: Why nothing will come any more.
        self._error: BaseException | None = None

    @property
    def changes(self) -> Channel[Transition]:
        """Transitions, for those who iterate over the watch."""
        if self._changes is None:
            self._changes = Channel()
            if self._error is not None:
                self._changes.close()
        return self._changes

    @property
    def result(self) -> Promise[FillResult]:
        """What the watch is awaited for."""
        if self._result is None:
            self._result = self._promise()
        return self._result

    @property
    def consistency(self) -> Promise[ConsistencyResult]:
        """How the broker's position compares, once that is known."""
        if self._consistency is None:
            self._consistency = self._promise()
        return self._consistency

    @property
    def is_live(self) -> bool:
        """Whether the result is still to come."""
        return self._error is None if self._result is None else not self._result.done()

    def wake(self) -> None:
        """Let the order's task look at its course again."""
        self._had_news = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def news(self) -> asyncio.Future[None]:
        """Done when `wake` is called, or at once if it was since `heed`. No coroutine: each holds as much as a case."""
        self._waiter = self._loop.create_future()
        if self._had_news:
            self._waiter.set_result(None)
        return self._waiter

    def heed(self) -> None:
        """The order's task is about to look at its course: what comes from now on is news again."""
        self._waiter, self._had_news, self.asleep_until = None, False, -math.inf

    def ask(self, order_id: str, since: float) -> None:
        """From now on wait for a look at `order_id` that is true at `since` or later; see `answer`."""
        self._question = Question(order_id=order_id, since=since)

    @property
    def answer(self) -> Look | None:
        """What the look that was asked for brought, None as long as it has not come."""
        return None if self._question is None else self._question.answer

    @property
    def is_heard(self) -> bool:
        """Whether somebody but the order's task waits until something is learnt of it."""
        return self._heard is not None

    async def heard(self) -> None:
        """Wait until something was learnt of the order, or a look at it went unanswered."""
        if self._heard is None:
            self._heard = self._loop.create_future()
        await asyncio.shield(self._heard)

    def end(self, error: BaseException) -> None:
        """Fail whatever has not come yet; an error that nobody waits for is not reported as forgotten."""
        self._error = self._error or error
        for promise in (self._result, self._consistency):
            if promise is not None and not promise.done():
                promise.set_exception(error)
        if self._heard is not None and not self._heard.done():
            self._heard.set_exception(error)
            self._heard.exception()
        if self._changes is not None:
            self._changes.close()

    def _promise(self) -> Promise[T]:
        promise: Promise[T] = Promise(self._loop)
        if self._error is not None:
            promise.set_exception(self._error)
        return promise

    def _let_hear(self, evidence: Evidence) -> None:
        """Something was learnt, or a look went unanswered: tell whoever waits for that."""
        if self._question is not None and self._question.take(evidence):
            self.wake()
        heard, self._heard = self._heard, None
        if heard is not None and not heard.done():
            heard.set_result(None)
