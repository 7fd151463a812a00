"""What runs while an engine is entered: the parts, the cases, and the order in which they end."""

from __future__ import annotations

import asyncio
import math
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from types import MappingProxyType

from fillwatch.brokers.base import Broker, Operation, Positions
from fillwatch.core.booking import record_chain
from fillwatch.core.config import FillDetectionConfig
from fillwatch.core.course import Finish
from fillwatch.core.errors import BrokerError, EngineClosed, KeysRefused, TransientError
from fillwatch.core.evidence import Route, Unanswered
from fillwatch.core.positions import PositionBook
from fillwatch.core.results import Amendment, ConsistencyResult, FillOutcome, FillResult, Transition
from fillwatch.engine.agenda import Agenda
from fillwatch.engine.case import Case, Wishes
from fillwatch.engine.channel import Channel
from fillwatch.engine.consistency import Hook, StateConsistencyValidator
from fillwatch.engine.final_check import FinalVerificationHandler
from fillwatch.engine.limiter import Priority, RateLimiter
from fillwatch.engine.monitor import Desk, pursue
from fillwatch.engine.reader import Reader
from fillwatch.engine.recovery import ErrorRecoveryManager
from fillwatch.engine.report import amendment, fill_result
from fillwatch.engine.snapshot import EngineSnapshot
from fillwatch.engine.telling import log_change, log_result, picture
from fillwatch.engine.wire import Wire
from fillwatch.logs import order_logger, plain_logger

#: Amendments kept for listeners that come later, and ended orders that late facts may still amend.
AMENDMENTS_KEPT, ENDED_KEPT = 1_000, 2_000
#: Seconds that requests in flight, and then hooks of the user's, are given when the engine ends.
GRACE, HOOK_GRACE = 10.0, 1.0
#: Seconds between two reads of the positions, however many fills wait to be compared.
POSITION_SPACING = 2.0
#: Requests that go at once: one to try the keys with, and one to look.
FIRST_TOKENS = 2.0
#: Seconds before the positions are asked for again if they did not come at the start; doubled, at most the second.
BASELINE_PAUSE, LONGEST_BASELINE_PAUSE = 0.5, 8.0


class Office:
    """The engine's inside, made on entering it."""

    def __init__(
        self, broker: Broker, config: FillDetectionConfig, on_discrepancy: Hook | None, group: asyncio.TaskGroup
    ) -> None:
        self.config = config
        self._broker = broker
        self._group = group
        self._loop = asyncio.get_running_loop()
        self._wire = Wire(broker, RateLimiter(config.rate_limit, start=FIRST_TOKENS))
        self._agenda = Agenda()
        lag = broker.caps.position_lag
        self.book = PositionBook(lag=lag)
        self._reader = Reader(broker, self._wire, self._agenda, self.book)
        self._recovery = ErrorRecoveryManager(
            self._wire, max_retries=config.max_retries, backoff_base=config.retry_backoff_base
        )
        self.final_check = FinalVerificationHandler(broker, self._reader, self._agenda, self._recovery)
        self.consistency = StateConsistencyValidator(
            self.book,
            read_positions=self._read_positions,
            read_fills=self._read_fills if self._reader.tape.exists else None,
            lag=lag,
            on_discrepancy=on_discrepancy,
            spacing=POSITION_SPACING,
        )
        self._desk = Desk(
            reader=self._reader,
            agenda=self._agenda,
            final_check=self.final_check,
            consistency=self.consistency,
            settle=self._settle,
            amend=self._amend,
        )
        self._tasks: dict[Case, asyncio.Task[None]] = {}
        self._ended: OrderedDict[Case, None] = OrderedDict()
        self._amendments: Channel[Amendment] = Channel()
        self._kept: deque[Amendment] = deque(maxlen=AMENDMENTS_KEPT)
        self._counts: Counter[str] = Counter()
        self._background: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Check the keys by reading the positions, and begin to look. Raises `KeysRefused`."""
        answer = await self._read_positions()
        if isinstance(answer, Positions):
            self.book.start(answer.quantities, as_of=answer.as_of, at=answer.at)
        elif isinstance(answer.error, KeysRefused):
            raise answer.error
        else:
            plain_logger().warning("the broker did not answer at the start: {}; watching all the same", answer.error)
            self._background.append(self._group.create_task(self._seek_baseline(), name="fillwatch-baseline"))
        self._background.append(self._group.create_task(self._reader.run(self._group), name="fillwatch-reader"))

    def live(self, order_id: str) -> Case | None:
        """The case of this order whose result is still to come."""
        case = self._reader.index.owner(order_id)
        return case if case is not None and case.is_live else None

    def take_up(self, order_id: str, wishes: Wishes) -> Case:
        """Begin a case. An older one of the same order, ended or audited, makes room."""
        older = self._reader.index.owner(order_id)
        if older is not None:
            self._forget(older)
        started = self._loop.time()
        case = Case(
            order_id,
            wishes,
            config=lambda: self.config,
            log=order_logger(order_id, lambda: self._loop.time() - started),
            on_change=self._changed,
        )
        seconds = case.terms().deadline - started
        case.log.info("watching; timeout {}", "none" if math.isinf(seconds) else f"{seconds:g} s")
        self._reader.add(case)
        self._tasks[case] = self._group.create_task(self._follow(case), name=f"fillwatch-order-{order_id}")
        return case

    def release(self, case: Case) -> None:
        """The caller wants no more of it; the order is left as it is."""
        if case.is_live:
            self._settle(case, Finish(outcome=FillOutcome.UNRESOLVED, reason="released; the order may be live"))
        if not case.consistency.done():
            case.consistency.set_result(
                ConsistencyResult(
                    order_id=case.order_id, symbol="", consistent=True, discrepancy="released before it was compared"
                )
            )
        self._forget(case)

    def reconfigure(self, config: FillDetectionConfig) -> None:
        """Go on with `config`."""
        self.config = config
        self._recovery.max_retries, self._recovery.backoff_base = config.max_retries, config.retry_backoff_base
        self._wire.limiter.reconfigure(config.rate_limit)
        for case in self._tasks:
            self._reader.reschedule(case)
            case.wake()

    def amendments(self) -> AsyncIterator[Amendment]:
        """Those kept, and those to come."""
        return self._amendments.listen(self._kept)

    def snapshot(self) -> EngineSnapshot:
        """The picture of this moment."""
        now, limiter = self._loop.time(), self._wire.limiter
        return EngineSnapshot(
            watches=tuple(picture(case, now) for case in self._tasks if case.is_live or case.is_audited),
            level=limiter.level,
            in_flight=limiter.in_flight,
            waiting=limiter.waiting,
            counts=MappingProxyType({**self._counts, "requests": self._wire.calls}),
        )

    async def close(self) -> None:
        """End everything: first the promises, then the tasks, then the requests, last the broker."""
        for case in [*self._tasks, *self._ended]:
            case.end(EngineClosed(f"the engine was left while {case.order_id} was watched", case.chain.current))
        self._agenda.close()
        for task in [*self._tasks.values(), *self._background]:
            task.cancel()
        await self._wire.aclose(GRACE)
        await self.consistency.aclose(HOOK_GRACE)
        await self._broker.aclose()
        self._amendments.close()

    async def _follow(self, case: Case) -> None:
        try:
            await pursue(case, self._desk)
        except EngineClosed:
            case.end(EngineClosed("the engine was left", case.chain.current))
        except Exception as error:  # noqa: BLE001 - the top of an order's task: a fault of ours ends this order alone
            case.log.opt(exception=error).error("this watch failed; the order may be live")
            case.end(error)
        finally:
            self._tasks.pop(case, None)

    def _settle(self, case: Case, finish: Finish) -> FillResult:
        """Tell the caller, once."""
        result = fill_result(case, finish, slippage_limit=self.config.slippage_limit)
        case.told = result
        if not case.result.done():
            case.result.set_result(result)
        case.changes.close()
        self._counts[result.outcome.value] += 1
        log_result(case, result, self.config.slippage_limit)
        if result.outcome.is_end:
            self._keep(case)
        return result

    def _keep(self, case: Case) -> None:
        self._ended[case] = None
        while len(self._ended) > ENDED_KEPT:
            oldest, _ = self._ended.popitem(last=False)
            self._drop(oldest)

    def _drop(self, case: Case) -> None:
        self._reader.drop(case)
        for order_id in case.chain.ids:
            if not self._reader.index.of(order_id):
                self.book.let_go(order_id)

    def _forget(self, case: Case) -> None:
        self._ended.pop(case, None)
        self._drop(case)
        task = self._tasks.get(case)
        if task is not None:
            task.cancel()

    def _changed(self, case: Case, changes: tuple[Transition, ...]) -> None:
        """Something was learnt: book it, log it, and amend what was told if it was told already."""
        if len(case.chain.ids) > 1:
            self._reader.follow(case)
        record_chain(self.book, case.chain, self._loop.time())
        for change in changes:
            log_change(case, change)
        if not case.is_live:
            self._amend(case)

    def _amend(self, case: Case) -> None:
        if case.told is None:
            return
        step = case.course.next_step(case.terms(), self._loop.time(), has_tape=self._reader.tape.exists)
        if not isinstance(step, Finish):
            return
        today = fill_result(case, step, slippage_limit=self.config.slippage_limit)
        late = amendment(case, case.told, today)
        if late is None:
            return
        case.told = today
        self._counts["amendments"] += 1
        case.log.warning("amended ({}): {}", late.kind.value, late.reason)
        self._kept.append(late)
        self._amendments.publish(late)
        if today.outcome.is_end:
            self._keep(case)

    async def _seek_baseline(self) -> None:
        """The positions from which fills are counted: asked for until they come, or a check has brought them."""
        pause = BASELINE_PAUSE
        while not self.book.has_baseline:
            await asyncio.sleep(pause)
            pause = min(2.0 * pause, LONGEST_BASELINE_PAUSE)
            answer = await self._read_positions()
            if isinstance(answer, Positions) and not self.book.has_baseline:
                self.book.start(answer.quantities, as_of=answer.as_of, at=answer.at)

    async def _read_positions(self) -> Positions | Unanswered:
        try:
            return await self._wire.ask(Priority.POSITION, self._broker.positions, operation=Operation.POSITIONS)
        except BrokerError as error:
            return Unanswered(error=error, route=Route.POSITIONS, as_of=self._loop.time())
        except EngineClosed as error:
            return Unanswered(error=TransientError(str(error)), route=Route.POSITIONS, as_of=self._loop.time())

    async def _read_fills(self) -> None:
        await self._reader.tape.until_read()
