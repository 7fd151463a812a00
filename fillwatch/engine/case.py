"""What the engine holds of one watch: its beliefs, its course, who waits for it, and the question it waits for."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from fillwatch.core.chain import OrderChain
from fillwatch.core.config import AtTimeout, PartialFills
from fillwatch.core.course import Course, Terms
from fillwatch.core.evidence import PUSHED, Evidence, Executed, Look, Missing, Route, Seen, Unanswered
from fillwatch.core.orders import OrderSnapshot
from fillwatch.core.results import ConsistencyResult, FillResult, Transition
from fillwatch.core.schedule import audit_interval, interval
from fillwatch.core.tape import ZERO
from fillwatch.engine.channel import Channel
from fillwatch.engine.common import Common, look_line
from fillwatch.engine.promise import Promise
from fillwatch.logs import bound

if TYPE_CHECKING:
    from loguru import Logger


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The parameters of `watch()`, as they were given."""

    timeout_seconds: float | None = None
    expected_price: Decimal | None = None
    at_timeout: AtTimeout = AtTimeout.CANCEL


@dataclass(slots=True, kw_only=True)
class _Question:
    """A look that somebody waits for: at `order_id`, true at `since` or later."""

    order_id: str
    since: float
    answer: Look | None = None


class Case:
    """One watch from inside. Lives on after its result as long as late facts may amend it."""

    __slots__ = (
        "_common",
        "_had_news",
        "_heard",
        "_hurried_at",
        "_looks",
        "_question",
        "_waiter",
        "api_calls",
        "audits",
        "chain",
        "changes",
        "checks",
        "consistency",
        "counted",
        "course",
        "detected_by",
        "due_at",
        "indexed_at",
        "is_stray",
        "order_id",
        "pushed",
        "result",
        "seen_before",
        "started",
        "tape_since",
        "told",
        "wishes",
    )  # fmt: skip

    def __init__(self, order_id: str, wishes: Wishes, common: Common) -> None:
        self.order_id = order_id
        self.wishes = wishes
        self.chain = OrderChain(order_id)
        self.course = Course(self.chain)
        self.started = common.loop.time()
        self.checks = 0
        self.api_calls = 0
        self.audits: int | None = None
        #: What the caller was last told: the result, or the newest amendment of it.
        self.told: FillResult | None = None
        self.detected_by: Route | None = None
        #: For the reader: whether the list fails to show the order, so that it has to be asked by id.
        self.is_stray = False
        #: When the reader last got to know an id of the order, and when the tape was last taken back for it.
        self.indexed_at = self.started
        self.tape_since = -math.inf
        #: When the reader will see whether a look is due.
        self.due_at = math.inf
        #: For the feed: the most that it told to be executed, the most that was counted, and when the order had been
        #: described before the newest evidence.
        self.pushed = self.counted = ZERO
        self.seen_before = -math.inf
        self.changes: Channel[Transition] = Channel()
        self.result: Promise[FillResult] = Promise()
        self.consistency: Promise[ConsistencyResult] = Promise()
        self._common = common
        self._looks = 0
        self._hurried_at = math.inf
        self._question: _Question | None = None
        self._heard: asyncio.Future[None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._had_news = False

    @property
    def log(self) -> Logger:
        """A logger that says whose lines it writes. Made anew each time: few lines are written, and many cases kept."""
        return bound(self._common.log, self.order_id, self._elapsed)

    def tell(self, level: str, text: Callable[[], str]) -> None:
        """Log what `text` gives, which is not asked for when nobody would see it: for what is told often."""
        self._common.often.log(level, "{}", text, about=lambda: (self.order_id, self._elapsed))

    def _elapsed(self) -> float:
        return self._common.loop.time() - self.started

    @property
    def is_live(self) -> bool:
        """Whether the result is still to come."""
        return not self.result.done()

    @property
    def is_audited(self) -> bool:
        """Whether the result was `UNRESOLVED` and the order is looked at until its end is known."""
        return self.audits is not None

    @property
    def is_listed(self) -> bool:
        """Whether pages of the list are read for it; else it is asked by its id, if somebody wants to know."""
        return not self.is_stray and (self.is_live or self.is_audited)

    def hurry(self) -> None:
        """Let the timeout be now."""
        self._hurried_at = min(self._hurried_at, self._common.loop.time())
        self.wake()

    def terms(self) -> Terms:
        """What the caller wants, by the configuration of this moment."""
        config = self._common.config()
        best = self.chain.first.best
        seconds = self.wishes.timeout_seconds
        if seconds is None:
            seconds = config.timeout_for(best.order_type if best else "")
        leave = self.wishes.at_timeout is AtTimeout.LEAVE or not config.enable_final_verification
        return Terms(
            deadline=min(self.started + seconds, self._hurried_at),
            at_timeout=AtTimeout.LEAVE if leave else AtTimeout.CANCEL,
            partial_fills=PartialFills(config.partial_fills),
            partial_patience=config.partial_patience_seconds,
            resolution=config.resolution_seconds,
        )

    def interval(self, *, at_least: float = 0.0) -> float:
        """Seconds within which the order has to be seen again; a wish of the caller's is not stretched `at_least`."""
        if self.audits is not None:
            return audit_interval(self.audits)
        config = self._common.config()
        wish = config.interval_for(self.chain.current) if config.interval_for is not None else None
        return interval(config, self._looks, wish, at_least=at_least)

    def absorb(self, evidence: Evidence, now: float) -> None:
        """The one door for everything that is learnt of the order."""
        chain = self.chain
        before, news, self.seen_before = chain.filled_quantity, chain.news, chain.seen_as_of
        changes = chain.absorb(evidence)
        match evidence:
            case Seen() | Missing():
                self._looks += 1
                self.checks += 1
                self.tell("DEBUG", lambda: look_line(evidence))
            case Executed():
                self.checks += 1
            case Unanswered():
                pass
        if chain.news != news:
            if chain.filled_quantity != before:
                self.course.last_execution = now
            self.course.note(now)
        if self._question is not None:
            self._answer(evidence)
        if self._heard is not None:
            self._let_hear()
        if changes:
            self.detected_by = evidence.route
            self._common.on_change(self, changes)
            for change in changes:
                self.changes.publish(change)
            self.wake()
        elif not self.is_live and chain.news != news:  # a price that was corrected is no transition, and yet news
            self._common.on_change(self, ())

    def see_again(self, order: OrderSnapshot, route: Route, as_of: float) -> bool:
        """Absorb what a read shows once more, in a fraction of the time, if nothing can follow from it.

        False, and nothing done, if it has to be absorbed. The caller logs it (`told_again`), many at once.
        """
        if self._question is not None or self._heard is not None:
            return False
        seen_before = self.chain.seen_as_of
        if not self.chain.absorb_again(order, route, as_of):
            return False
        self.seen_before = seen_before
        self._looks += 1
        self.checks += 1
        return True

    def told_again(self, order: OrderSnapshot, route: Route, as_of: float) -> None:
        """Log a look that brought nothing new."""
        self.tell("DEBUG", lambda: look_line(Seen(order=order, route=route, as_of=as_of)))

    def read_tape(self, as_of: float) -> None:
        """The tape was read to its end, asked at `as_of`."""
        self.chain.tape_as_of = max(self.chain.tape_as_of, as_of)
        self.wake()

    def unanswered(self, evidence: Unanswered) -> None:
        """A read that was to tell of this order got no answer."""
        self.log.debug("look unanswered: {}: {}", evidence.route.value, evidence.error)
        self._answer(evidence)
        self._let_hear()

    async def heard(self) -> None:
        """Wait until something was learnt of the order, or a look at it went unanswered."""
        if self._heard is None:
            self._heard = self._common.loop.create_future()
        await asyncio.shield(self._heard)

    def _let_hear(self) -> None:
        heard, self._heard = self._heard, None
        if heard is not None and not heard.done():
            heard.set_result(None)

    def wake(self) -> None:
        """Let the order's task look at its course again."""
        self._had_news = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def news(self) -> asyncio.Future[None]:
        """Done when `wake` is called, or at once if it was since `heed`. No coroutine: each holds as much as a case."""
        self._waiter = self._common.loop.create_future()
        if self._had_news:
            self._waiter.set_result(None)
        return self._waiter

    def heed(self) -> None:
        """The order's task is about to look at its course: what comes from now on is news again."""
        self._waiter, self._had_news = None, False

    def ask(self, order_id: str, since: float) -> None:
        """From now on wait for a look at `order_id` that is true at `since` or later; see `answer`."""
        self._question = _Question(order_id=order_id, since=since)

    @property
    def answer(self) -> Look | None:
        """What the look that was asked for brought, None as long as it has not come."""
        return None if self._question is None else self._question.answer

    def _answer(self, evidence: Evidence) -> None:
        question = self._question
        if question is None or question.answer is not None or evidence.as_of < question.since:
            return
        match evidence:
            case Seen() if evidence.order.order_id == question.order_id and evidence.route not in PUSHED:
                question.answer = evidence
            case Missing() if evidence.order_id == question.order_id and evidence.route is Route.ORDER:
                question.answer = evidence
            case Unanswered():
                question.answer = evidence
            case _:
                return
        self.wake()

    def end(self, error: BaseException) -> None:
        """Fail whatever has not come yet; an error that nobody waits for is not reported as forgotten."""
        for promise in (self.result, self.consistency):
            if not promise.done():
                promise.set_exception(error)
        if self._heard is not None and not self._heard.done():
            self._heard.set_exception(error)
            self._heard.exception()
        self.changes.close()
