"""`SmartOrderExecutor`: from a signal to a protected position."""

from __future__ import annotations

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from fillwatch.core.config import chosen
from fillwatch.core.errors import EngineClosed, IntentConflict
from fillwatch.core.orders import Number, Side
from fillwatch.core.trade_amendment import TradeAmendment
from fillwatch.core.trade_facts import Intended, TradeFact
from fillwatch.core.trade_result import TradeResult
from fillwatch.core.trade_terms import ExecutorConfig, Intent
from fillwatch.core.trading_rules import wished
from fillwatch.engine.engine import FillDetectionEngine
from fillwatch.execution.amendments import TradeAmendments
from fillwatch.execution.floor import Floor
from fillwatch.execution.ledger import TradeLedger
from fillwatch.execution.migration import Detection, FillWait
from fillwatch.execution.records import facts_of, intents_of
from fillwatch.execution.runner import Runner, report_failure
from fillwatch.journal import Journal, JournalError, MemoryJournal
from fillwatch.journal.patience import PATIENCE, TAKING_UP, PatientWriter, in_time

#: Trades that are over and whose results are kept for a caller who gives the same intent again.
KEPT = 1_000


class OnUnknown(StrEnum):
    """What `recover` does with an entry that the broker does not know: wait until it surely never arrived, or send the
    same order, under the same id, again at what may be a stale price."""

    QUARANTINE = "quarantine"
    RESEND = "resend"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """A trade that was asked for: what is wanted, who is answered, and the task that makes it."""

    intent: Intent
    future: asyncio.Future[TradeResult]
    task: asyncio.Task[None]


def _utc() -> datetime:
    return datetime.now(UTC)


class SmartOrderExecutor:
    """Makes trades through an engine that has been entered; a trade goes on when its caller gives up, and its exits are
    watched for as long as they stand (see `amendments`), with the engine's end at the latest.

    `journal` keeps every fact that must survive: by default the engine's, and if it has none, memory (nothing
    survives). `wall` gives aware UTC time and `new_id` the id of an intent that came without one.
    """

    def __init__(
        self,
        engine: FillDetectionEngine,
        config: ExecutorConfig | None = None,
        *,
        journal: Journal | None = None,
        wall: Callable[[], datetime] = _utc,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self.config = config or ExecutorConfig()
        self.journal: Journal = journal or engine.journal or MemoryJournal()
        self._engine = engine
        self._writer = PatientWriter(self.journal)
        self._wall = wall
        self._new_id = new_id
        self._trades: OrderedDict[str, _Call] = OrderedDict()
        self._amendments = TradeAmendments()
        self._shared: Floor | None = None
        self._fills = FillWait(engine, self.journal, wall)

    async def execute_trade(
        self,
        symbol: str,
        side: Side | str,
        quantity: Number,
        signal_price: Number,
        risk_amount: Number,
        rr_ratio: Number = 2.0,
        *,
        intent_id: str | None = None,
    ) -> TradeResult:
        """Enter at about `signal_price`, and stand with a stop `risk_amount` (currency per share) away from the fill
        and a target `rr_ratio` times as far. `quantity`: whole shares.

        Whatever the broker or the arguments are like, the answer is a result; see `TradeResult`. The same `intent_id`
        again gives the first one's result and sends nothing; nothing is sent either, and it may be given again, when
        the journal does not tell whether the trade was made before. Raises `IntentConflict` when it was given for
        another trade before, `EngineClosed` when the engine ends first, and as `engine.watch` outside the engine's
        loop. A caller that is cancelled changes nothing: the trade goes on until the position is protected.
        """
        given = intent_id or self._new_id()
        try:
            intent = wished(
                given,
                self._wall(),
                self.config,
                symbol=symbol,
                side=side,
                quantity=quantity,
                signal_price=signal_price,
                risk_amount=risk_amount,
                rr_ratio=rr_ratio,
            )
        except ValueError as error:
            return TradeResult(success=False, reason=str(error), position_protected=True, intent_id=given)
        known = self._trades.get(given)
        if known is not None and not known.intent.is_same_as(intent):
            raise IntentConflict(f"intent {given} was given for another trade before")
        future = self._begin(intent, PATIENCE if intent_id else None) if known is None else known.future
        try:
            return await asyncio.shield(future)
        except JournalError as error:
            # What an earlier process may have made of it is not known: nothing is claimed, least of all protection.
            why = f"whether it was made before cannot be read, so nothing was sent: {error}"
            return TradeResult(success=False, reason=why, intent_id=given)

    async def recover(self, *, on_unknown: OnUnknown | str = OnUnknown.QUARANTINE) -> tuple[TradeResult, ...]:
        """Take up every trade that the journal holds open, and wait for their results.

        Orders are found again by their ids, watches go on with what is left of their time by the wall clock, shares
        without exits get them, and exits that stood are seen again and watched on. An entry that the broker does not
        know is not sent again unless `on_unknown="resend"`. Raises `JournalError` when the journal cannot be read, or
        has not answered for 30 s; when one trade in it cannot, or fails, its error is raised after all the others have
        their results. What was not taken up may be, by calling it again.
        """
        resend = chosen("on_unknown", on_unknown, OnUnknown) is OnUnknown.RESEND
        intents, errors = intents_of(await in_time(self.journal, self.journal.intents(open_only=True), TAKING_UP))
        futures = [
            self._begin(intent, TAKING_UP, resend=resend) for intent in intents if intent.intent_id not in self._trades
        ]
        ends = await asyncio.gather(*map(asyncio.shield, futures), return_exceptions=True)
        for error in (*errors, *(end for end in ends if isinstance(end, BaseException))):
            raise error
        return tuple(end for end in ends if isinstance(end, TradeResult))

    def amendments(self) -> AsyncIterator[TradeAmendment]:
        """What happened to trades after their results: first what is kept (the last 1,000), then what is to come,
        until the engine ends. Exits are watched for as long as they stand, so this is where their loss and their
        executions are told. Raises as `execute_trade`, when it is called.
        """
        self._floor()
        return self._amendments.listen()

    @property
    def detection(self) -> Detection:
        """Whose answer `wait_for_fill` gives; it may be changed at any time."""
        return self._fills.detection

    @detection.setter
    def detection(self, detection: Detection | str) -> None:
        self._fills.detection = chosen("detection", detection, Detection)

    async def wait_for_fill(self, order_id: str, timeout: float = 60.0) -> Decimal | None:
        """The predecessor's question: the average price once an order is filled, None if it is not in time (seconds).

        The order is not touched. `detection` says whether the old way of looking, the new one or both are used.
        """
        return await self._fills.wait(order_id, timeout)

    def halt(self, reason: str) -> None:
        """Begin no more trades; those under way go on until what they hold is protected."""
        self._floor().halted = reason

    def unhalt(self) -> None:
        """Let trades begin again."""
        self._floor().halted = None

    def _floor(self) -> Floor:
        door = self._engine.trading
        if self._shared is None:
            self._shared = Floor(door)
            door.attend(self._hear(self._shared), "fillwatch-trades").add_done_callback(report_failure)
        return self._shared

    def _begin(self, intent: Intent, patience: float | None, *, resend: bool = False) -> asyncio.Future[TradeResult]:
        """`patience`: seconds for the journal to tell what it holds of the trade; None when it can hold nothing."""
        floor = self._floor()
        future: asyncio.Future[TradeResult] = asyncio.get_running_loop().create_future()
        floor.begin(intent)
        work = self._make(intent, future, floor, patience, resend=resend)
        task = self._engine.trading.attend(work, f"fillwatch-trade-{intent.intent_id}")
        call = self._trades[intent.intent_id] = _Call(intent=intent, future=future, task=task)
        task.add_done_callback(lambda _: self._settle(call, floor))
        self._forget()
        return future

    async def _make(
        self, intent: Intent, future: asyncio.Future[TradeResult], floor: Floor, patience: float | None, *, resend: bool
    ) -> None:
        facts: tuple[TradeFact, ...] = ()
        if patience is not None:
            facts = facts_of(await in_time(self.journal, self.journal.read(intent_id=intent.intent_id), patience))
        first = facts[0] if facts else Intended(at=intent.at, intent=intent)
        if not isinstance(first, Intended) or not first.intent.is_same_as(intent):
            raise IntentConflict(f"intent {intent.intent_id} was given for another trade before")
        ledger = TradeLedger(first, facts[1:], self._writer, self._wall, self._amendments.publish)
        if not facts and (why := await ledger.announce(first)) is not None:
            future.set_result(
                TradeResult(success=False, reason=why, position_protected=True, intent_id=intent.intent_id)
            )
            return
        door = self._engine.trading
        runner = Runner(ledger, door, floor, resumed=bool(facts), resend=resend, result=future)
        await runner.run()

    async def _hear(self, floor: Floor) -> None:
        """Late facts about orders of trades: they may leave shares bare, and then the trade is taken up again."""
        try:
            async for amendment in self._engine.amendments():
                found = floor.owner(amendment.order_id)
                if found is not None:
                    runner, name = found
                    await runner.hear(amendment, name)
        finally:
            self._amendments.close()

    def _settle(self, call: _Call, floor: Floor) -> None:
        """A trade's task has ended: a caller who has not been answered by then is told why, and may ask again."""
        floor.end(call.intent)
        report_failure(call.task)
        if call.future.done():
            return
        self._trades.pop(call.intent.intent_id, None)
        error = None if call.task.cancelled() else call.task.exception()
        call.future.set_exception(error or EngineClosed("the engine was left before the trade was done"))
        call.future.exception()  # one that nobody waits for is not reported as forgotten

    def _forget(self) -> None:
        """Let the oldest results go, if nothing is being done for them; a journal still has them."""
        over = [name for name, call in self._trades.items() if call.task.done()]
        for name in over[: max(len(over) - KEPT, 0)]:
            del self._trades[name]
