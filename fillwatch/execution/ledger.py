"""What one trade knows: its facts in order, what they fold to, their way into the journal, and what was told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from fillwatch.core.text import plain
from fillwatch.core.trade import Trade, absorb, fold, taken_up
from fillwatch.core.trade_amendment import TradeAmendment, TradeChange, amendment
from fillwatch.core.trade_facts import Intended, Reopened, Sending, TradeFact
from fillwatch.core.trade_result import TradeResult, result_of, words
from fillwatch.execution.records import DURABLE, written
from fillwatch.journal import Fact, JournalError
from fillwatch.journal.patience import PatientWriter
from fillwatch.logs import order_logger

#: How loudly an amendment is logged. Total over the kinds.
_LEVELS = {
    TradeChange.UNPROTECTED: "ERROR",
    TradeChange.PROTECTED: "WARNING",
    TradeChange.CLOSED: "INFO",
    TradeChange.CHANGED: "WARNING",
}


class TradeLedger:
    """The facts of one trade. `wall` gives aware UTC time; `known` are those read from the journal, if any; `amend` is
    given what changes after the caller was answered."""

    def __init__(
        self,
        first: Intended,
        known: tuple[TradeFact, ...],
        journal: PatientWriter,
        wall: Callable[[], datetime],
        amend: Callable[[TradeAmendment], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        self.facts: list[TradeFact] = [first, *known]
        self.trade: Trade = taken_up(fold(first, *known))
        self.wall = wall
        self.log = order_logger(f"trade {first.intent.intent_id}", lambda: loop.time() - started)
        self._journal = journal
        self._loop = loop
        self._amend = amend
        self._answered: TradeResult | None = None

    def result(self) -> TradeResult:
        """The result as far as it is known."""
        return result_of(self.trade, self.facts)

    def answered(self, result: TradeResult) -> None:
        """The caller has `result`: he is told what has changed since it was made, and from now on whatever does."""
        self._answered = result
        self._tell_of_it(result, self.wall())

    async def announce(self, fact: Intended | Sending) -> str | None:
        """Write what is about to be done; in words why it could not be written, None when it is safe."""
        try:
            await self._journal.write(self._written(fact), durable=True)
        except JournalError as error:
            self.log.error("the journal does not take it: {}", error)
            return f"the journal does not take it: {plain(str(error))}"
        finally:
            # Even unwritten it is known here; whoever asked decides whether to go on.
            if isinstance(fact, Sending):
                self._take(fact)
        return None

    async def learn(self, fact: TradeFact) -> None:
        """Know one fact more and write it. What cannot be written is known all the same, and the log says so.

        A late fact that makes something to be done of a closed trade is written together with its reopening.
        """
        if not self._take(fact):
            return
        facts = [fact]
        if self.trade.is_closed and not self.trade.is_settled:
            facts.append(Reopened(at=fact.at, number=self.trade.closings))
            self._take(facts[-1])
        durable = any(isinstance(one, DURABLE) for one in facts)
        try:
            await self._journal.write(*map(self._written, facts), durable=True if durable else None)
        except JournalError as error:
            self.log.error("the journal does not take it: {}", error)

    def _take(self, fact: TradeFact) -> bool:
        """Know one fact more; whether that changed anything."""
        trade = absorb(self.trade, fact)
        if trade == self.trade:
            return False
        self.trade = trade
        self.facts.append(fact)
        self.log.info("{}", words(fact))
        if self._answered is not None:
            self._tell_of_it(self._answered, fact.at)
        return True

    def _tell_of_it(self, told: TradeResult, at: datetime) -> None:
        today = self.result()
        found = amendment(told, today, is_flat=not self.trade.held, at=at)
        if found is None:
            return
        self._answered = today
        self.log.log(_LEVELS[found.kind], "amended ({}): {}", found.kind.value, found.reason)
        self._amend(found)

    def _written(self, fact: TradeFact) -> Fact:
        name = getattr(fact, "name", None)
        order_id = None if name is None else self.trade.order(name).order_id
        return written(
            fact,
            intent_id=self.trade.intent.intent_id,
            order_id=getattr(fact, "leg", "") or order_id or "",
            monotonic=self._loop.time(),
        )
