"""What the engine writes down of its watches, and when: the one place where its facts are made.

A piece of evidence becomes a fact when it changed something; looks that tell the same again are counted and written
with the next fact, for a list of thousands of orders is read several times a second.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from fillwatch.core.evidence import Evidence, Executed, Missing, Route, Seen, Unanswered
from fillwatch.core.orders import Execution
from fillwatch.core.results import Amendment, FillResult, Transition
from fillwatch.engine import pieces
from fillwatch.engine.origin import Origin
from fillwatch.engine.outbox import Outbox
from fillwatch.journal import Fact, FactKind, Journal, JournalUnreadable
from fillwatch.journal.patience import PATIENCE, in_time
from fillwatch.journal.watching import Canceling, Released, TimeoutKind, WatchBegun

if TYPE_CHECKING:
    from fillwatch.engine.case import Case

#: Seconds that a cancel waits for its fact: late is worse than unwritten.
BEFORE_CANCEL = 0.25


class _Page:
    """How far one watch has been written down: what its last fact counted, and what came since that was the same."""

    __slots__ = ("about", "checks", "heard", "intent_id", "is_missing", "is_unanswered", "news", "unanswered")

    def __init__(self, intent_id: str) -> None:
        self.intent_id = intent_id
        #: The id that was described last: of another one it is said what the order is.
        self.about = ""
        self.heard = self.news = self.checks = self.unanswered = 0
        self.is_missing = self.is_unanswered = False

    def turn(self, checks: int, looks: int) -> tuple[int, int]:
        """A fact is written that `looks` looks make: how many others, and questions without an answer, told nothing
        since the one before it.
        """
        again, unanswered = checks - self.checks - looks, self.unanswered
        self.checks, self.unanswered = checks, 0
        self.is_missing = self.is_unanswered = False
        return again, unanswered


class Diary:
    """Writes what happens to the cases of an engine into `journal`. `wall` gives aware UTC time."""

    def __init__(self, journal: Journal, wall: Callable[[], datetime]) -> None:
        self.journal = journal
        self.outbox = Outbox(journal)
        self._wall = wall
        self._loop = asyncio.get_running_loop()
        self._pages: dict[Case, _Page] = {}

    async def open(self, group: asyncio.TaskGroup) -> None:
        """Begin to write, also to a disk that hangs. Raises `JournalClosed` for a journal that is not open,
        `ValueError` for a wall clock without a time zone.
        """
        if (now := self._wall()).utcoffset() is None:
            raise ValueError(f"wall: {now!r} has no time zone; give a clock of aware times, e.g. in UTC")
        try:
            await in_time(self.journal, self.journal.write(), PATIENCE)
        except JournalUnreadable as late:
            self.outbox.fail(str(late))
        self.outbox.open(group)

    async def close(self) -> None:
        """Write what is left, within `PATIENCE`. The journal is its owner's to close."""
        await self.outbox.aclose(PATIENCE)

    def gone(self, since: datetime) -> float:
        """Seconds since a moment of an earlier process, by the wall clock; 0 if that has been set back."""
        return max((self._wall() - since).total_seconds(), 0.0)

    def begin(self, case: Case, origin: Origin) -> None:
        """The case is taken up. It rides along: on the disk a commit later."""
        self._pages[case] = _Page(origin.intent_id)
        self._put(case, FactKind.WATCH, self._begun(case, origin, origin.told))

    def learnt(self, case: Case, evidence: Evidence, changes: tuple[Transition, ...]) -> None:
        """The case has absorbed `evidence`, which led to `changes`."""
        page = self._pages.get(case)
        if page is None or (page.heard == case.chain.news and not isinstance(evidence, Missing)):
            return
        page.heard = case.chain.news
        # Of a replaced order the chain calls everything news, its links do not.
        news = sum([link.news for link in case.chain.links()])
        is_news, page.news = news != page.news, news
        match evidence:
            case Seen() if is_news:
                is_first, page.about = page.about != evidence.order.order_id, evidence.order.order_id
                piece = pieces.seen(evidence, *page.turn(case.checks, 1), is_first=is_first)
                self._put(case, FactKind.EVIDENCE, piece)
                if (row := evidence.execution) is not None and _is_believed(case, row, evidence.route):
                    self._put(case, FactKind.EXECUTION, pieces.traded(row, evidence, *page.turn(case.checks, 0)))
            case Executed(execution=row) if is_news and _is_believed(case, row, evidence.route):
                self._put(case, FactKind.EXECUTION, pieces.traded(row, evidence, *page.turn(case.checks, 1)))
            case Missing() if not page.is_missing:
                self._put(case, FactKind.EVIDENCE, pieces.missing(evidence, *page.turn(case.checks, 1)))
                page.is_missing = True
            case _:
                pass
        for change in changes:
            self._put(case, FactKind.TRANSITION, change)

    def unanswered(self, case: Case, evidence: Unanswered) -> None:
        """A read that was to tell of the case got no answer; the first since the last fact is worth one."""
        page = self._pages.get(case)
        if page is None:
            return
        if page.is_unanswered:
            page.unanswered += 1
            return
        was_missing = page.is_missing
        about = case.chain.current.order_id
        self._put(case, FactKind.EVIDENCE, pieces.unanswered(evidence, about, *page.turn(case.checks, 0)))
        page.is_missing, page.is_unanswered = was_missing, True

    async def canceling(self, case: Case, target: str) -> None:
        """A cancel is about to go out: on the disk before it, if the disk answers soon."""
        fact = self._fact(case, FactKind.CANCELING, self._canceling(case, target, None))
        if fact is not None:
            await self.outbox.secure(fact, seconds=BEFORE_CANCEL)

    def canceled(self, case: Case, target: str, answer: str) -> None:
        """What came of the cancel; see `Canceling.answer`."""
        self._put(case, FactKind.CANCELING, self._canceling(case, target, answer))

    async def result(self, case: Case, result: FillResult, *, is_sought: bool) -> None:
        """The caller is about to be told `result`; `is_sought`: what it lacks is looked for from now on.

        Returns when that is on the disk, or will not be within `PATIENCE`.
        """
        facts = [self._fact(case, FactKind.RESULT, result)]
        if is_sought:
            facts.append(self._fact(case, FactKind.WATCH, self._begun(case, Origin(), result)))
        there = [fact for fact in facts if fact is not None]
        if there:
            await self.outbox.secure(*there)

    def amended(self, case: Case, late: Amendment, publish: Callable[[], object]) -> None:
        """Have `publish` called once `late` is on the disk, or will not be in time."""
        fact = self._fact(case, FactKind.AMENDMENT, late)
        if fact is None:
            publish()
        else:
            self.outbox.put(fact, publish)

    def released(self, case: Case, reason: str) -> None:
        """Nothing more is sought for the case."""
        self._put(case, FactKind.RELEASED, Released(reason=reason))

    def forget(self, case: Case) -> None:
        """Nothing will happen to the case any more."""
        self._pages.pop(case, None)

    def _canceling(self, case: Case, target: str, answer: str | None) -> Canceling:
        page = self._pages.get(case)
        again, unanswered = (0, 0) if page is None else page.turn(case.checks, 0)
        return Canceling(target=target, answer=answer, again=again, unanswered=unanswered)

    def _put(self, case: Case, kind: FactKind, body: object) -> None:
        fact = self._fact(case, kind, body)
        if fact is not None:
            self.outbox.put(fact)

    def _fact(self, case: Case, kind: FactKind, body: object) -> Fact | None:
        """None for what no journal takes, a text far beyond its limits: that must not stop the watch."""
        page = self._pages.get(case)
        try:
            return Fact.of(
                kind,
                body,
                at=self._wall(),
                monotonic=self._loop.time(),
                intent_id="" if page is None else page.intent_id,
                order_id=case.order_id,
            )
        except ValueError as error:
            self.outbox.give_up(f"a fact of kind {kind} cannot be written: {error}")
            return None

    def _begun(self, case: Case, origin: Origin, told: FillResult | None) -> WatchBegun:
        # By this life's clock: one that was set back meanwhile must not give the whole time anew to each life.
        began = self._wall() - timedelta(seconds=self._loop.time() - case.started)
        wished = case.wishes.timeout_seconds
        seconds = round(case.terms().deadline - case.started, 6) if wished is None else wished
        return WatchBegun(
            began=began,
            timeout=_timeout_kind(wished),
            timeout_seconds=None if math.isinf(seconds) else seconds,
            deadline=_after(began, seconds),
            expected_price=case.wishes.expected_price,
            at_timeout=case.wishes.at_timeout,
            resumed=origin.began is not None,
            cancel_sent=case.course.cancel_accepted,
            told=told,
        )


def _timeout_kind(wished: float | None) -> TimeoutKind:
    if wished is None:
        return TimeoutKind.CONFIGURED
    return TimeoutKind.NONE if math.isinf(wished) else TimeoutKind.GIVEN


def _after(began: datetime, seconds: float) -> datetime | None:
    """None for a moment that no calendar has."""
    try:
        return began + timedelta(seconds=seconds)
    except OverflowError:
        return None


def _is_believed(case: Case, row: Execution, route: Route) -> bool:
    """Whether the row stands on its route's tape; of two rows under one id the tape keeps one."""
    links = (link for link in case.chain.links() if link.order_id == row.order_id)
    return any(link.tapes[route].rows.get(row.execution_id) == row for link in links)
