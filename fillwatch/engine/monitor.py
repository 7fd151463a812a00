"""One order: what its course wants next, done; until there is a result, and on until there is an end."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass

from fillwatch.core.course import CheckFor, FinalCheck, Finish, Wait, Wants
from fillwatch.core.errors import EngineClosed
from fillwatch.core.finality import Proof
from fillwatch.core.results import ConsistencyResult
from fillwatch.core.schedule import audit_interval
from fillwatch.engine.agenda import HAIR, Agenda
from fillwatch.engine.case import Case
from fillwatch.engine.consistency import StateConsistencyValidator
from fillwatch.engine.final_check import FinalVerificationHandler
from fillwatch.engine.outcomes import Outcomes
from fillwatch.engine.reader import Reader
from fillwatch.engine.report import is_complete

#: Seconds before something that an ended order still lacks is asked for again; doubled each time, at most the longest.
FIRST_WANT, LONGEST_WANT = 0.5, 4.0
#: The same for an order whose result was told already.
LONGEST_AUDIT_WANT = 120.0

_UNPROVEN = {
    Proof.LEFT_ALONE: "timed out; the order was left alone and may be live",
    Proof.NEVER_SEEN: "never seen: the broker does not know this order id",
    Proof.UNPROVEN: "timed out; the cancel is not confirmed and the order may be live",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What every monitor works with."""

    reader: Reader
    agenda: Agenda
    final_check: FinalVerificationHandler
    consistency: StateConsistencyValidator
    outcomes: Outcomes


async def follow(case: Case, desk: Desk, ended: Callable[[Case], object]) -> None:
    """One order's task: to its result, and on until what it was is known; `ended` is called at its end. A case that
    was told its result by an earlier process begins with what comes after that.

    Nothing but this coroutine stands between the task and what it waits for: a hundred thousand tasks wait here.
    """
    try:
        if case.told is not None:  # in an earlier process
            await _audit(case, desk)
            return
        wants = _Wanting(case, desk)
        while not isinstance(step := wants.next_step(), Finish):
            if step is None:
                case.asleep_until = wants.armed
                await case.news()
                case.heed()
            else:
                await _final_check(case, desk, step.purpose)
        await _finish(case, desk, step)
    except EngineClosed:
        case.end(EngineClosed("the engine was left", case.chain.current))
    except Exception as error:  # noqa: BLE001 - the top of an order's task: a fault of ours ends this order alone
        case.log.opt(exception=error).error("this watch failed; the order may be live")
        case.end(error)
    finally:
        ended(case)


async def _finish(case: Case, desk: Desk, finish: Finish) -> None:
    """Tell the result, compare the position, and audit the order if it has no end yet."""
    result = await desk.outcomes.settle(case, finish)
    desk.reader.dues.forget(case)
    complete = is_complete(result)
    if not complete:
        case.audits = 0
        desk.reader.dues.keep_due(case)
    check = ConsistencyResult(order_id=case.order_id, symbol=result.symbol, consistent=True)
    if result.fill_quantity:
        check = await desk.consistency.validate_fill_consistency(case.order_id, symbol=result.symbol)
    if not case.consistency.done():
        case.consistency.set_result(check)
    if not complete:
        await _audit(case, desk)


async def _final_check(case: Case, desk: Desk, purpose: CheckFor) -> None:
    proof = await desk.final_check.check(case, purpose)
    if proof is Proof.OVER:
        return
    if purpose is CheckFor.REMAINDER:
        case.course.lives_on = True
        case.log.warning("the remainder could not be cancelled; watching on")
        return
    case.course.unproven = _UNPROVEN[proof]


async def _audit(case: Case, desk: Desk) -> None:
    """Something is not known yet: look on at growing intervals until it is, and amend the result."""
    case.course.unproven = None
    loop = asyncio.get_running_loop()
    wants = _Wanting(case, desk, LONGEST_AUDIT_WANT)
    while True:
        wanted = None
        if case.chain.is_over:
            desk.outcomes.amend(case)
            if case.told is not None and is_complete(case.told):
                desk.outcomes.found_out(case)
                desk.reader.dues.forget(case)
                return
            wanted = Wants.TAPE if desk.reader.tape.exists else Wants.LOOK
        wants.arm(Wait(until=loop.time() + audit_interval(case.audits or 0), wants=wanted))
        await case.news()
        case.heed()


class _Wanting:
    """Waits for news of a case, and asks the reader, at growing intervals, for what would settle it."""

    __slots__ = ("_case", "_desk", "_longest", "_next", "_pause", "armed")

    def __init__(self, case: Case, desk: Desk, longest: float = LONGEST_WANT) -> None:
        self._longest = longest
        self._case = case
        self._desk = desk
        #: When there will be news at the latest, whatever happens.
        self.armed = math.inf
        self._next = -math.inf
        self._pause = FIRST_WANT

    def next_step(self) -> Finish | FinalCheck | None:
        """What to do now; None: to wait for news, and whatever has to be seen to for that has been."""
        case, now = self._case, asyncio.get_running_loop().time() + HAIR
        step = case.course.next_step(case.terms(), now, has_tape=self._desk.reader.tape.exists)
        if not isinstance(step, Wait):
            return step
        self.arm(step)
        return None

    def arm(self, step: Wait) -> None:
        """See to it that there is news at `step.until` at the latest, or when it is time to ask again; and ask."""
        now = asyncio.get_running_loop().time() + HAIR
        until = step.until
        if step.wants is not None:
            if now >= self._next:
                self._ask(step.wants, now)
                self._next = now + self._pause
                self._pause = min(2.0 * self._pause, self._longest)
            until = min(until, self._next)
        if until < self.armed or self.armed <= now:
            self.armed = until
            if until < math.inf:
                self._desk.agenda.at(until, Case.wake, self._case)

    def _ask(self, wants: Wants, now: float) -> None:
        case, reader = self._case, self._desk.reader
        match wants:
            case Wants.TAPE:
                reader.tape.want(case)
                if self._pause > FIRST_WANT:  # the tape alone did not do
                    reader.dues.want(case, case.chain.current.order_id, now)
            case Wants.LOOK:
                reader.dues.want(case, case.chain.current.order_id, now)
            case Wants.PREDECESSOR:
                doubtful = case.chain.doubtful
                if doubtful is not None:
                    reader.dues.want(case, doubtful.order_id, now)
