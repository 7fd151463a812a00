"""Drives the dialogue of core/finality: asks the reader for looks, sends cancels, and tells the dialogue what came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from fillwatch.brokers.base import AlreadyTerminal, Broker, CancelAnswer, NotThere, Refused, Requested, Unknown
from fillwatch.core.config import AtTimeout
from fillwatch.core.course import CheckFor
from fillwatch.core.errors import Failure, PermanentError, RateLimited
from fillwatch.core.finality import AskCancel, AskLook, CancelFate, Proof, Reply, final_check
from fillwatch.core.results import FillResult
from fillwatch.engine.agenda import HAIR, Agenda
from fillwatch.engine.case import Case
from fillwatch.engine.crowd import Crowd
from fillwatch.engine.limiter import Priority, RateLimiter
from fillwatch.engine.reader import Reader
from fillwatch.engine.recovery import ErrorRecoveryManager
from fillwatch.engine.turns import Rank

if TYPE_CHECKING:
    from fillwatch.engine.diary import Diary

#: Seconds for which a look that others asked for is new enough to be the last one before a cancel that had to wait.
FRESH = 10.0


class FinalVerificationHandler:
    """The last look, the cancel, and the looks until the broker has confirmed an end."""

    def __init__(
        self,
        broker: Broker,
        reader: Reader,
        agenda: Agenda,
        recovery: ErrorRecoveryManager,
        limiter: RateLimiter,
        diary: Diary | None = None,
    ) -> None:
        self._crowd = Crowd(limiter, agenda, looks_are_shared=lambda: reader.list.answers_for_many)
        self._broker = broker
        self._reader = reader
        self._agenda = agenda
        self._recovery = recovery
        self._diary = diary
        self._loop = asyncio.get_running_loop()

    async def perform_final_check(self, order_id: str) -> FillResult | None:
        """Bring the timeout of a watched order forward to now; its result if it turns out filled, None otherwise.

        Raises `ValueError` for an order that is not watched, `EngineClosed` when the engine ends before.
        """
        case = self._reader.index.owner(self._broker.check_order_id(order_id))
        if case is None:
            raise ValueError(f"order_id: {order_id!r} is not watched; call watch() first")
        case.hurry()
        result = await asyncio.shield(case.result.future)
        return result if result.filled else None

    async def check(self, case: Case, purpose: CheckFor) -> Proof:
        """Have the dialogue for `case`; the course is told of cancels on the way.

        When many cancels are wanted it waits for its turn first. A last look may then have been made for others: one
        not older than `FRESH` seconds, and not from before the order's time was over, does for it too.
        """
        case.log.log("WARNING" if purpose is CheckFor.TIMEOUT else "INFO", "final check: {}", purpose.value)
        due = min(case.terms().deadline, self._loop.time())
        rank, since = (due, case.started), self._loop.time()
        try:
            if case.terms().at_timeout is AtTimeout.CANCEL and await self._crowd.turn(case, rank):
                since = max(since, self._loop.time() - FRESH)
            return Proof.OVER if case.chain.is_over else await self._discuss(case, rank, since)
        finally:
            self._crowd.leave(case)

    async def _discuss(self, case: Case, rank: Rank, since: float) -> Proof:
        terms = case.terms()
        dialogue = final_check(
            case.chain,
            now=self._loop.time(),
            since=since,
            may_cancel=terms.at_timeout is AtTimeout.CANCEL,
            resolution=terms.resolution,
            first_cancel=case.course.first_cancel,
        )
        question = next(dialogue)
        while True:
            match question:
                case AskLook():
                    reply = await self._look(case, question)
                case AskCancel():
                    reply = await self._cancel(case, question.order_id, rank, terms.resolution)
            try:
                question = dialogue.send(reply)
            except StopIteration as end:
                proof: Proof = end.value
                return proof

    async def _look(self, case: Case, question: AskLook) -> Reply:
        """Wait for a look that is new enough, by whatever read brings it; no longer than the question says."""
        chain, now = case.chain, self._loop.time()
        if question.since < now and question.since <= chain.read_as_of and chain.current.order_id == question.order_id:
            return Reply(now=now)
        case.ask(question.order_id, question.since)
        self._reader.dues.want(case, question.order_id, question.since)
        self._agenda.at(question.until, case.wake)
        while case.answer is None and not chain.is_over and self._loop.time() + HAIR < question.until:
            if chain.current.order_id != question.order_id:
                break
            await case.news()
            case.heed()
        return Reply(now=self._loop.time() + HAIR, look=case.answer)

    async def _cancel(self, case: Case, order_id: str, rank: Rank, resolution: float) -> Reply:
        """Send the cancel, with retries within the bound; none is sent once an end is known."""
        course, chain = case.course, case.chain
        sent: list[float] = []

        def wanted() -> bool:
            return not chain.is_over and chain.current.order_id == order_id

        async def cancel() -> CancelAnswer:
            sent.append(self._loop.time())
            self._crowd.leave(case)
            course.first_cancel = min(course.first_cancel, sent[0])
            case.api_calls += 1
            case.log.info("cancel sent")
            answer = await self._broker.cancel(order_id)
            course.cancel_accepted = course.cancel_accepted or _may_have_worked(answer)
            return answer

        if self._diary is not None:
            await self._diary.canceling(case, order_id)
        asked = self._loop.time()
        _, answer = await self._recovery.execute_with_retry(
            cancel,
            priority=Priority.CANCEL,
            # Infinite before the first is sent: an order is not given up because many cancels go before its own.
            deadline=lambda: max(course.first_cancel + resolution, asked + 1.0),
            wanted=wanted,
            log=case.log,
            rank=rank,
        )
        told = _FATES.get(type(answer), _fate)(answer)
        case.log.info("cancel: {}", told.value)
        if self._diary is not None:
            self._diary.canceled(case, order_id, told.value if sent else "not_sent")
        return Reply(now=self._loop.time(), cancel=told, sent_at=sent[0] if sent else None)


def _may_have_worked(answer: CancelAnswer) -> bool:
    """Whether an end of the order may be this cancel's doing; a 429 was turned away at the door."""
    return isinstance(answer, Requested) or (
        isinstance(answer, Unknown) and answer.error.failure is not Failure.RATE_LIMITED
    )


def _fate(answer: object) -> CancelFate:
    """What an answer that is no plain one came to: a refusal if the broker surely said no, else unknown."""
    if isinstance(answer, Refused | PermanentError | RateLimited):
        return CancelFate.REFUSED
    return CancelFate.UNKNOWN


def _plainly(fate: CancelFate) -> Callable[[object], CancelFate]:
    return lambda answer: fate


_FATES: dict[type, Callable[[object], CancelFate]] = {
    Requested: _plainly(CancelFate.REQUESTED),
    AlreadyTerminal: _plainly(CancelFate.ALREADY_OVER),
    NotThere: _plainly(CancelFate.NOT_THERE),
}
