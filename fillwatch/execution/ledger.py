"""What one trade knows: its facts in order, what they fold to, and their way into the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from fillwatch.core.text import plain
from fillwatch.core.trade import Trade, absorb, fold
from fillwatch.core.trade_facts import Intended, Sending, TradeFact
from fillwatch.core.trade_result import TradeResult, result_of, words
from fillwatch.execution.records import DURABLE, written
from fillwatch.journal import Fact, Journal, JournalError
from fillwatch.logs import order_logger


class TradeLedger:
    """The facts of one trade. `wall` gives aware UTC time; `known` are those read from the journal, if any."""

    def __init__(
        self, first: Intended, known: tuple[TradeFact, ...], journal: Journal, wall: Callable[[], datetime]
    ) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        self.facts: list[TradeFact] = [first, *known]
        self.trade: Trade = fold(first, *known)
        self.wall = wall
        self.log = order_logger(f"trade {first.intent.intent_id}", lambda: loop.time() - started)
        self._journal = journal
        self._loop = loop

    def result(self) -> TradeResult:
        """The result as far as it is known."""
        return result_of(self.trade, self.facts)

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
                self.take(fact)
        return None

    def take(self, fact: TradeFact) -> bool:
        """Know one fact more; whether that changed anything."""
        trade = absorb(self.trade, fact)
        if trade == self.trade:
            return False
        self.trade = trade
        self.facts.append(fact)
        self.log.info("{}", words(fact))
        return True

    async def learn(self, fact: TradeFact) -> None:
        """Know one fact more and write it. What cannot be written is known all the same, and the log says so."""
        if not self.take(fact):
            return
        try:
            await self._journal.write(self._written(fact), durable=True if isinstance(fact, DURABLE) else None)
        except JournalError as error:
            self.log.error("the journal does not take it: {}", error)

    def _written(self, fact: TradeFact) -> Fact:
        name = getattr(fact, "name", None)
        order_id = None if name is None else self.trade.order(name).order_id
        return written(
            fact,
            intent_id=self.trade.intent.intent_id,
            order_id=order_id or "",
            monotonic=self._loop.time(),
        )
