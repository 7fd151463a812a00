"""What runs while an engine is entered: the parts, the cases, and the order in which they end."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Iterable
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from fillwatch.brokers.base import Broker
from fillwatch.core.booking import record_chain
from fillwatch.core.config import AtTimeout, FillDetectionConfig
from fillwatch.core.errors import EngineClosed, WatchConflict
from fillwatch.core.evidence import Route
from fillwatch.core.orders import Number
from fillwatch.core.positions import PositionBook
from fillwatch.core.results import ConsistencyResult, Transition
from fillwatch.engine.agenda import Agenda
from fillwatch.engine.case import Case, Wishes
from fillwatch.engine.common import Common
from fillwatch.engine.consistency import Hook
from fillwatch.engine.final_check import FinalVerificationHandler
from fillwatch.engine.holdings import Holdings
from fillwatch.engine.limiter import RateLimiter
from fillwatch.engine.monitor import Desk, follow
from fillwatch.engine.origin import FRESH, Origin, wished
from fillwatch.engine.outcomes import Outcomes
from fillwatch.engine.reader import Reader
from fillwatch.engine.recovery import ErrorRecoveryManager
from fillwatch.engine.snapshot import EngineSnapshot
from fillwatch.engine.telling import log_change, picture
from fillwatch.engine.trading import TradingDoor
from fillwatch.engine.watch import OrderWatch
from fillwatch.engine.wire import Wire
from fillwatch.logs import plain_logger

if TYPE_CHECKING:
    from fillwatch.engine.diary import Diary
    from fillwatch.engine.resuming import LeftOpen
    from fillwatch.journal import Journal

#: Seconds that requests in flight, and then hooks of the user's, are given when the engine ends.
GRACE, HOOK_GRACE = 10.0, 1.0
#: Routes that tell of executions. What others tell of an order runs ahead of the tape.
_TELL_EXECUTIONS = frozenset({Route.ACTIVITIES, Route.STREAM, Route.EVENTS})
#: Requests that go at once: one to try the keys with, and one to look.
FIRST_TOKENS = 2.0


class Office:
    """The engine's inside, made on entering it."""

    def __init__(
        self,
        broker: Broker,
        config: FillDetectionConfig,
        on_discrepancy: Hook | None,
        rng: random.Random,
        group: asyncio.TaskGroup,
        journal: Journal | None,
        wall: Callable[[], datetime],
    ) -> None:
        self.config = config
        self.diary = None if journal is None else _diary(journal, wall)
        self._broker = broker
        self._group = group
        self._loop = asyncio.get_running_loop()
        self._wire = Wire(broker, RateLimiter(config.rate_limit, start=FIRST_TOKENS))
        self._agenda = Agenda()
        self.book = PositionBook(lag=broker.caps.position_lag)
        self.trading = TradingDoor(broker, self._wire, self.book, self.watch, journal)
        self._reader = Reader(broker, self._wire, self._agenda, self.book)
        self._recovery = ErrorRecoveryManager(
            self._wire, max_retries=config.max_retries, backoff_base=config.retry_backoff_base, rng=rng
        )
        self.final_check = FinalVerificationHandler(
            broker, self._reader, self._agenda, self._recovery, self._wire.limiter, self.diary
        )
        self._holdings = Holdings(broker, self._wire, self.book, self._reader.tape, on_discrepancy)
        self.consistency = self._holdings.consistency
        self.outcomes = Outcomes(
            lambda: self.config, has_tape=self._reader.tape.exists, drop=self._drop, diary=self.diary
        )
        self._desk = Desk(
            reader=self._reader,
            agenda=self._agenda,
            final_check=self.final_check,
            consistency=self.consistency,
            outcomes=self.outcomes,
        )
        self._common = Common(lambda: self.config, self._changed, self.diary)
        self._tasks: dict[Case, asyncio.Task[None]] = {}
        # Bound once for all of them.
        self._end_of = self._ended
        self._hands = (self.release, self.look_at)
        self._background: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Check the keys by reading the positions, and begin to look. Raises `KeysRefused`, and `JournalClosed` for a
        journal that is not open.
        """
        if self.diary is not None:
            await self.diary.open(self._group)
        if not await self._holdings.open():
            self._background.append(self._group.create_task(self._holdings.seek_baseline(), name="fillwatch-baseline"))
        if self._reader.feed.exists:
            self._background.append(self._group.create_task(self._reader.feed.run(), name="fillwatch-feeds"))
        self._background.append(self._group.create_task(self._reader.run(self._group), name="fillwatch-reader"))

    def watch(
        self,
        order_id: str,
        *,
        timeout_seconds: float | None,
        expected_price: Number | None,
        at_timeout: AtTimeout | str,
        origin: Origin = FRESH,
    ) -> OrderWatch:
        """See `FillDetectionEngine.watch`."""
        known = self._broker.check_order_id(order_id)
        wishes = wished(timeout_seconds, expected_price, at_timeout)
        case = self.live(known)
        if case is None:
            case = self.take_up(known, wishes, origin)
        elif case.wishes != wishes:
            raise WatchConflict(f"{known} is watched already as {case.wishes}; release that watch first")
        return OrderWatch(case, *self._hands)

    def resume(self, left: Iterable[LeftOpen]) -> tuple[OrderWatch, ...]:
        """Take up what an earlier process left open, unless it is watched already."""
        cases = []
        for one in left:
            try:
                known = self._broker.check_order_id(one.order_id)
            except ValueError as error:
                plain_logger().error("a watch of the journal cannot be resumed with this broker: {}", error)
                continue
            if self._reader.index.owner(known) is None:
                cases.append(self.take_up(known, one.wishes, one.origin))
        return tuple(OrderWatch(case, *self._hands) for case in cases)

    def live(self, order_id: str) -> Case | None:
        """The case of this order whose result is still to come."""
        case = self._reader.index.owner(order_id)
        return case if case is not None and case.is_live else None

    def take_up(self, order_id: str, wishes: Wishes, origin: Origin) -> Case:
        """Begin a case. An older one of the same order, ended or audited, makes room."""
        older = self._reader.index.owner(order_id)
        if older is not None:
            self._forget(older)
        case = Case(order_id, wishes, self._common)
        if origin.began is not None and self.diary is not None:
            case.started -= self.diary.gone(origin.began)
        case.course.cancel_accepted = origin.cancel_sent
        if self.diary is not None:
            self.diary.begin(case, origin)
        seconds = case.terms().deadline - case.started
        case.log.info("watching; timeout {}", "none" if math.isinf(seconds) else f"{seconds:g} s")
        if origin.told is not None:
            self.outcomes.told_before(case, origin.told)
        self._reader.add(case)
        task = follow(case, self._desk, self._end_of)
        self._tasks[case] = self._group.create_task(task, name=f"fillwatch-order-{order_id}")
        return case

    def release(self, case: Case) -> None:
        """The caller wants no more of it; the order is left as it is."""
        self.outcomes.release(case)
        if not case.consistency.done():
            case.consistency.set_result(
                ConsistencyResult(
                    order_id=case.order_id, symbol="", consistent=True, discrepancy="released before it was compared"
                )
            )
        self._forget(case)

    def look_at(self, case: Case) -> None:
        """Somebody waits for a look at the case."""
        self._reader.dues.want(case, case.chain.current.order_id, self._loop.time())

    def reconfigure(self, config: FillDetectionConfig) -> None:
        """Go on with `config`."""
        self.config = config
        self._recovery.max_retries, self._recovery.backoff_base = config.max_retries, config.retry_backoff_base
        self._wire.limiter.reconfigure(config.rate_limit)
        for case in self._tasks:
            self._reader.dues.keep_due(case)
            case.wake()

    def snapshot(self) -> EngineSnapshot:
        """The picture of this moment."""
        now, limiter, feed = self._loop.time(), self._wire.limiter, self._reader.feed
        return EngineSnapshot(
            watches=tuple(picture(case, now) for case in self._tasks if case.is_live or case.is_audited),
            level=limiter.level,
            in_flight=limiter.in_flight,
            waiting=limiter.waiting,
            feed_is_up=feed.is_up if feed.exists else None,
            feed_loss=feed.meter.share if feed.exists else None,
            counts=MappingProxyType({**self.outcomes.counts, "requests": self._wire.calls, "events": feed.events}),
            journal_problem=None if self.diary is None else self.diary.outbox.problem,
            journal_lost=0 if self.diary is None else self.diary.outbox.lost,
        )

    async def close(self) -> None:
        """End everything: first the promises, then the tasks, then the requests, last the broker."""
        for case in [*self._tasks, *self.outcomes.ended]:
            self.outcomes.tell_now(case)
            case.end(EngineClosed(f"the engine was left while {case.order_id} was watched", case.chain.current))
        self._agenda.close()
        for task in [*self._tasks.values(), *self._background]:
            task.cancel()
        await self.trading.aclose()
        await self._wire.aclose(GRACE)
        await self.consistency.aclose(HOOK_GRACE)
        await self._broker.aclose()
        if self.diary is not None:
            await self.diary.close()
        self.outcomes.close()

    def _ended(self, case: Case) -> None:
        self._tasks.pop(case, None)

    def _drop(self, case: Case) -> None:
        self._reader.index.remove(case)
        self._reader.dues.forget(case)
        if self.diary is not None:
            self.diary.forget(case)
        for order_id in case.chain.ids:
            if not self._reader.index.of(order_id):
                self.book.let_go(order_id)

    def _forget(self, case: Case) -> None:
        self.outcomes.forget(case)
        self._drop(case)
        task = self._tasks.get(case)
        if task is not None:
            task.cancel()

    def _changed(self, case: Case, changes: tuple[Transition, ...]) -> None:
        """Something was learnt: book it, log it, and amend what was told if it was told already."""
        if case.chain.has_successors:
            self._reader.follow(case)
        record_chain(self.book, case.chain, self._loop.time())
        untold = case.chain.current.untold
        if untold != case.untold and changes and changes[0].route in _TELL_EXECUTIONS:
            case.untold = untold
            if untold:  # the executions and the order disagree: a look says which it is
                self.look_at(case)
        for change in changes:
            log_change(case, change)
            self._reader.feed.watch_losses(case, change)
        if not case.is_live:
            self.outcomes.amend(case)


def _diary(journal: Journal, wall: Callable[[], datetime]) -> Diary:
    from fillwatch.engine.diary import Diary  # late: most engines keep no journal, and its facts load a codec

    return Diary(journal, wall)
