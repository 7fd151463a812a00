"""What the engine holds of one watch: its beliefs, its course, who waits for it, and the question it waits for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from fillwatch.core.chain import OrderChain
from fillwatch.core.config import PartialFills
from fillwatch.core.course import Course, Terms
from fillwatch.core.evidence import Evidence, Executed, Route, Seen, Unanswered
from fillwatch.core.orders import OrderSnapshot
from fillwatch.core.results import FillResult
from fillwatch.core.schedule import audit_interval, interval
from fillwatch.core.tape import ZERO
from fillwatch.engine.common import Common, look_line
from fillwatch.engine.waiting import Waiting
from fillwatch.engine.wishes import Wishes
from fillwatch.logs import bound

if TYPE_CHECKING:
    from loguru import Logger

__all__ = ["Case", "Wishes"]


class Case(Waiting):
    """One watch from inside. Lives on after its result as long as late facts may amend it."""

    __slots__ = (
        "_audits",
        "_common",
        "_hurried_at",
        "_is_stray",
        "_looks",
        "_told",
        "api_calls",
        "chain",
        "checks",
        "counted",
        "course",
        "detected_by",
        "due_at",
        "moved",
        "order_id",
        "pushed",
        "seen_before",
        "started",
        "tape_since",
        "untold",
        "wishes",
    )  # fmt: skip

    def __init__(self, order_id: str, wishes: Wishes, common: Common) -> None:
        super().__init__(common.loop)
        self.order_id = order_id
        self.wishes = common.shared(wishes)
        self.chain = OrderChain(order_id)
        self.course = Course(self.chain)
        self.started = common.loop.time()
        self.checks = 0
        self.api_calls = 0
        self.detected_by: Route | None = None
        #: For the reader: how far the tape had been read when it last got to know an id of the order.
        self.tape_since = -math.inf
        #: When the reader will see whether a look is due.
        self.due_at = math.inf
        #: For the feed: the most that it told to be executed, the most that was counted, and when the order had been
        #: described before the newest evidence.
        self.pushed = self.counted = ZERO
        self.seen_before = -math.inf
        #: What was last found to be missing, or too much, among the executions told: see `OrderBelief.untold`.
        self.untold = ZERO
        #: Told when the case becomes of another kind, as soon as somebody keeps cases by their kinds.
        self.moved: Callable[[Case], None] | None = None
        self._common = common
        self._looks = 0
        self._hurried_at = math.inf
        self._audits: int | None = None
        self._told: FillResult | None = None
        self._is_stray = False

    @property
    def told(self) -> FillResult | None:
        """What the caller was last told: the result, or the newest amendment of it."""
        return self._told

    @told.setter
    def told(self, result: FillResult) -> None:
        self._told = result
        self._move()

    @property
    def audits(self) -> int | None:
        """How often the order was looked at after its result; None: its result was its end, or is to come."""
        return self._audits

    @audits.setter
    def audits(self, audits: int | None) -> None:
        was_audited, self._audits = self.is_audited, audits
        if was_audited is not self.is_audited:
            self._move()

    @property
    def is_stray(self) -> bool:
        """For the reader: whether the list fails to show the order, so that it has to be asked by id."""
        return self._is_stray

    @is_stray.setter
    def is_stray(self, is_stray: bool) -> None:
        if self._is_stray is not is_stray:
            self._is_stray = is_stray
            self._move()

    def _move(self) -> None:
        if self.moved is not None:
            self.moved(self)

    @property
    def log(self) -> Logger:
        """A logger that says whose lines it writes. Made anew each time: few lines are written, and many cases kept."""
        return bound(self._common.log, self.order_id, self._elapsed)

    def tell(self, level: str, text: Callable[..., str], *about: object) -> None:
        """Log what `text(*about)` gives, which is not asked for when nobody would see it: for what is told often."""
        common = self._common
        if common.ears.hear(level):
            common.often.log(level, "{}", lambda: text(*about), about=lambda: (self.order_id, self._elapsed))

    def _elapsed(self) -> float:
        return self._common.loop.time() - self.started

    @property
    def is_audited(self) -> bool:
        """Whether the result was `UNRESOLVED` and the order is looked at until its end is known."""
        return self._audits is not None

    @property
    def is_listed(self) -> bool:
        """Whether pages of the list are read for it; else it is asked by its id, if somebody wants to know."""
        return not self._is_stray and (self.is_live or self.is_audited)

    def hurry(self) -> None:
        """Let the timeout be now."""
        self._hurried_at = min(self._hurried_at, self._common.loop.time())
        self.wake()

    def terms(self) -> Terms:
        """What the caller wants, by the configuration of this moment."""
        best = self.chain.first.best
        return self.wishes.terms(
            self._common.config(),
            best.order_type if best else "",
            started=self.started,
            hurried_at=self._hurried_at,
        )

    def interval(self, *, at_least: float = 0.0) -> float:
        """Seconds within which the order has to be seen again; a wish of the caller's is not stretched `at_least`."""
        if self._audits is not None:
            return audit_interval(self._audits)
        config = self._common.config()
        wish = config.interval_for(self.chain.current) if config.interval_for is not None else None
        return interval(config, self._looks, wish, at_least=at_least)

    def absorb(self, evidence: Evidence, now: float) -> None:
        """The one door for everything that is learnt of the order."""
        if (
            isinstance(evidence, Seen)
            and evidence.execution is None
            and self.see_again(evidence.order, evidence.route, evidence.as_of)
        ):
            self.tell("DEBUG", look_line, evidence)
            return
        chain = self.chain
        before, news, self.seen_before = chain.filled_quantity, chain.news, chain.seen_as_of
        changes = chain.absorb(evidence)
        if isinstance(evidence, Executed):
            self.checks += 1
        elif not isinstance(evidence, Unanswered):
            self._looks += 1
            self.checks += 1
            self.tell("DEBUG", look_line, evidence)
        if chain.news != news:
            if (changes or chain.has_successors) and chain.filled_quantity != before:
                self.course.last_execution = now
            self.course.note(now)
        if self._question is not None or self._heard is not None:
            self._let_hear(evidence)
        if self._common.diary is not None:
            self._common.diary.learnt(self, evidence, changes)
        if changes:
            self.detected_by = evidence.route
            self._common.on_change(self, changes)
            if self._changes is not None:
                for change in changes:
                    self._changes.publish(change)
            if changes[0].before is None or not self._sleeps_on(now):
                self.wake()
        elif not self.is_live and chain.news != news:  # a price that was corrected is no transition, and yet news
            self._common.on_change(self, ())

    def _sleeps_on(self, now: float) -> bool:
        """Whether the order's task would wait for what it waits for already."""
        if self.asleep_until <= now:
            return False
        config = self._common.config()
        patience = math.inf if config.partial_fills is PartialFills.WAIT else config.partial_patience_seconds
        return self.course.goes_on(now, asleep_until=self.asleep_until, patience=patience)

    def see_again(self, order: OrderSnapshot, route: Route, as_of: float) -> bool:
        """Absorb a description that came once more, in a fraction of the time, if nothing can follow from it.

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
        self.tell("DEBUG", _looked_again, order, route, as_of)

    def read_tape(self, as_of: float) -> None:
        """The tape was read to its end, asked at `as_of`."""
        self.chain.tape_as_of = max(self.chain.tape_as_of, as_of)
        self.wake()

    def unanswered(self, evidence: Unanswered) -> None:
        """A read that was to tell of this order got no answer."""
        self.log.debug("look unanswered: {}: {}", evidence.route.value, evidence.error)
        if self._common.diary is not None:
            self._common.diary.unanswered(self, evidence)
        self._let_hear(evidence)


def _looked_again(order: OrderSnapshot, route: Route, as_of: float) -> str:
    return look_line(Seen(order=order, route=route, as_of=as_of))
