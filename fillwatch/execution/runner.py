"""Carries a trade out, step by step, until nothing is left to do; and again when a late fact leaves shares bare."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import assert_never

from fillwatch.core import trade_checks as checks
from fillwatch.core.errors import FillwatchError
from fillwatch.core.results import Amendment, AmendmentKind
from fillwatch.core.trade import Trade
from fillwatch.core.trade_facts import (
    Cleared,
    Closed,
    Declined,
    Doubtful,
    Part,
    Told,
    Watched,
)
from fillwatch.core.trade_order import ZERO
from fillwatch.core.trade_result import TradeResult, TradeStep, words
from fillwatch.core.trade_steps import (
    Check,
    Count,
    Finish,
    Guard,
    Place,
    Step,
    Tell,
    Verify,
    Watch,
    Withdraw,
    next_step,
)
from fillwatch.engine.trading import TradingDoor
from fillwatch.execution.floor import Floor
from fillwatch.execution.ledger import TradeLedger
from fillwatch.execution.news import News
from fillwatch.execution.protection import Protection
from fillwatch.execution.sending import INTERRUPTED, Sender
from fillwatch.journal import JournalError
from fillwatch.logs import plain_logger


class Runner:
    """One trade being made. `result` is the caller's; the work may go on after it has come.

    `resumed`: the trade was begun by an earlier process; an entry of unknown fate is then sent again only if `resend`.
    """

    def __init__(
        self,
        ledger: TradeLedger,
        door: TradingDoor,
        floor: Floor,
        *,
        result: asyncio.Future[TradeResult],
        resumed: bool = False,
        resend: bool = False,
    ) -> None:
        self.ledger = ledger
        self.result = result
        self._door = door
        self._floor = floor
        self._loop = asyncio.get_running_loop()
        self._resumed = resumed
        self._resend = resend
        self._sender = Sender(ledger, door, may_enter=not resumed or resend, on_doubt=self._doubt)
        self._watched: set[str] = set()
        self._news = News()
        self._is_idle = False
        self._protection = Protection(
            ledger,
            door,
            floor,
            self._news,
            answer=lambda: self._tell(None),
            others=lambda symbol: floor.held_by_others(self, symbol),
            is_strange=lambda order_id, name: floor.owner(order_id) not in (None, (self, name)),
            own=self._own,
        )

    @property
    def trade(self) -> Trade:
        """What is known of it."""
        return self.ledger.trade

    async def run(self) -> None:
        """Take the steps that are left, and watch the exits for as long as they stand."""
        self._is_idle = False
        try:
            finished = False
            while not finished:
                self._news.heed()
                self._own()
                self._protection.keep()
                step = next_step(self.trade)
                await self._take(step)
                # While the end was being written a late fact may have come.
                finished = isinstance(step, Finish) and isinstance(next_step(self.trade), Finish)
        finally:
            self._is_idle = True
            self._floor.retire(self)

    def _own(self) -> None:
        for order in self.trade.orders.values():
            for order_id in order.ids:
                self._floor.own(order_id, self, order.name)

    async def _take(self, step: Step) -> None:
        match step:
            case Check():
                await self._check()
            case Place():
                await self._sender.place(step)
            case Watch():
                await self._watch(step)
            case Verify():
                await self._protection.verify(step)
            case Withdraw():
                await self._protection.withdraw(step)
            case Count():
                await self._protection.count(step)
            case Guard():
                await (self._guard(step) if self.result.done() else self._tell(None))
            case Tell():
                self.ledger.log.error("not certain: {}", step.reason)
                await self._tell(step.reason)
            case Finish():
                await self._finish()
            case _:
                assert_never(step)

    async def hear(self, amendment: Amendment, name: str) -> None:
        """A later fact about an order of this trade."""
        order, result = self.trade.order(name), amendment.amended
        leg = amendment.order_id if order.part is Part.EXITS else ""
        known = next((one for one in order.legs if one.leg == leg), None) if leg else order.told
        undone = ZERO if known is None else known.undone
        if known is not None and amendment.kind is AmendmentKind.BUST:
            undone = max(known.executed - (result.fill_quantity or ZERO), undone)
        await self.ledger.learn(Watched(at=self.ledger.wall(), name=name, result=result, undone=undone, leg=leg))
        self._news.stir()
        if self._is_idle and not isinstance(next_step(self.trade), Finish):
            self._is_idle = False
            task = self._door.attend(self.run(), f"fillwatch-trade-{self.trade.intent.intent_id}")
            task.add_done_callback(report_failure)

    async def _check(self) -> None:
        intent, at = self.trade.intent, self.ledger.wall
        if self._resumed and not self._resend:
            await self.ledger.learn(Declined(at=at(), reason=INTERRUPTED))
            return
        reason = self._floor.objection(intent)
        market = None if reason is not None else await self._floor.read(intent)
        if isinstance(market, checks.Market):
            reason = checks.hindrance(intent, market)
            reason = reason or self._floor.crowding(intent)
            if reason is None:
                self._floor.count()
                await self.ledger.learn(Cleared(at=at(), extended=not market.is_open))
                return
        await self.ledger.learn(Declined(at=at(), reason=reason or "the broker does not say whether it can be made"))

    async def _doubt(self, name: str, reason: str) -> None:
        """The caller is told at once; the step that is in doubt goes on."""
        await self.ledger.learn(Doubtful(at=self.ledger.wall(), name=name, reason=reason, placed=False))
        await self._tell(reason)

    async def _watch(self, step: Watch) -> None:
        order = self.trade.order(step.name)
        if step.name in self._watched:
            await self._tell(None)
            await self._news.wait()
            return
        self._watched.add(step.name)
        watch = self._door.watch(
            step.order_id,
            intent_id=self.trade.intent.intent_id,
            timeout_seconds=self._sender.left(order),
            cancel_sent=self._resumed and await self._may_be_canceled(step.order_id),
            expected_price=self.trade.intent.signal_price if order.part is Part.ENTRY else None,
        )
        result = await watch
        await self.ledger.learn(Watched(at=self.ledger.wall(), name=step.name, result=result))
        if not self.trade.order(step.name).is_over:
            reason = result.reason or "its end is not known"
            await self.ledger.learn(Doubtful(at=self.ledger.wall(), name=step.name, reason=reason, placed=True))

    async def _may_be_canceled(self, order_id: str) -> bool:
        """Whether an earlier process may have cancelled it; if that cannot be read, its end says less, and no worse."""
        try:
            return await self._door.cancel_sent(order_id)
        except JournalError as error:
            self.ledger.log.error("the journal cannot be read: {}", error)
            return False

    async def _guard(self, step: Guard) -> None:
        self._floor.end(self.trade.intent)
        await self._protection.guard(step)

    async def _tell(self, reason: str | None) -> None:
        """Answer the caller, if he was not yet, with what is written down; what is learnt meanwhile comes after it."""
        result = self.ledger.result()
        if self.trade.told is None:
            fact = Told(at=self.ledger.wall(), success=result.success, reason=reason or result.reason or "")
            result = replace(result, steps=(*result.steps, TradeStep(at=fact.at, what=words(fact))))
            await self.ledger.learn(fact)
        if not self.result.done():
            self.result.set_result(result)
            self.ledger.answered(result)

    async def _finish(self) -> None:
        trade = self.trade
        if trade.bare or trade.flipped:
            self.ledger.log.error("{}: {}", trade.intent.symbol, self.ledger.result().reason)
        await self._tell(None)
        if trade.is_settled and not trade.is_closed:
            await self.ledger.learn(Closed(at=self.ledger.wall(), number=trade.closings + 1))


def report_failure(task: asyncio.Task[None]) -> None:
    """Log the error that a trade's task has ended with, if it did."""
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, FillwatchError):
        plain_logger().opt(exception=error).error("a trade failed; what it holds may be without exits")
