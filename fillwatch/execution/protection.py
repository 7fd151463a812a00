"""The exits of one trade at the broker: seen to stand, guarded while they do, withdrawn, and counted when lost."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

from fillwatch.brokers.base import Positions
from fillwatch.core.exits_seen import exits_seen
from fillwatch.core.placing import LONGEST_PAUSE
from fillwatch.core.positions import normal_quantities, normal_symbol
from fillwatch.core.results import FillResult
from fillwatch.core.trade_facts import Counted, Doubtful, Faulty, Part, Watched
from fillwatch.core.trade_order import ZERO, TradeOrder
from fillwatch.core.trade_steps import Count, Guard, Verify, Withdraw
from fillwatch.engine.trading import TradingDoor
from fillwatch.execution.floor import Floor
from fillwatch.execution.guard import ExitGuard
from fillwatch.execution.ledger import TradeLedger
from fillwatch.execution.news import News

#: Seconds between two looks at exits: doubled from the first.
FIRST_LOOK = 0.25
#: Seconds for which the broker's positions and our count of fills may differ after exits were lost: positions were seen
#: to trail orders by up to 10 s (alpacahq/Alpaca-API issue 276).
POSITIONS_TRAIL = 12.0
#: Seconds between two looks at exits that cannot be watched (see `ExitGuard.foreign`).
BETWEEN_LOOKS = 30.0


class Protection:
    """See the module's text. `answer` tells the caller, once, what is known when he should no longer be kept waiting;
    `others` gives the shares of a symbol that other trades hold; `is_strange` says whether an order is somebody else's
    than this trade's under a name, and `own` lets everybody know which are this trade's."""

    def __init__(
        self,
        ledger: TradeLedger,
        door: TradingDoor,
        floor: Floor,
        news: News,
        *,
        answer: Callable[[], Awaitable[None]],
        others: Callable[[str], Decimal],
        is_strange: Callable[[str, str], bool],
        own: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._door = door
        self._floor = floor
        self._news = news
        self._answer = answer
        self._others = others
        self._is_strange = is_strange
        self._own = own
        self._loop = asyncio.get_running_loop()
        self._guard = ExitGuard(door, ledger.trade.intent.intent_id, self._ended, news.stir)

    def keep(self) -> None:
        """Watch every exit that was seen. How it ends is the engine's to say: a status may be ahead of its quantity."""
        for order in self._ledger.trade.those(Part.EXITS):
            if order.seen is not None and not order.is_over:
                self._guard.keep(order)

    async def verify(self, step: Verify) -> None:
        """Look until the exits stand or are over; after a while the caller is told that they were not seen."""
        until = self._loop.time() + self._patience
        pause = FIRST_LOOK
        while True:
            await self._look(step.name, step.order_id)
            order = self._ledger.trade.order(step.name)
            if order.works or order.is_over:
                return
            if self._loop.time() >= until:
                reason = "the exits were not seen working"
                fact = Doubtful(at=self._ledger.wall(), name=step.name, reason=reason, placed=True)
                await self._ledger.learn(fact)
                await self._answer()
                return
            self.keep()
            if await self._news.wait(pause):
                return
            pause = min(2.0 * pause, LONGEST_PAUSE)

    async def withdraw(self, step: Withdraw) -> None:
        """Cancel and look, until the exits are over or something else is known."""
        self._ledger.log.error("the exits {} of {} are withdrawn", step.name, self._ledger.trade.intent.symbol)
        until, pause = self._loop.time() + self._patience, FIRST_LOOK
        while not (order := self._ledger.trade.order(step.name)).is_over:
            if self._loop.time() >= until:
                await self._answer()
            ended = {leg.leg for leg in order.legs if leg.result.outcome.is_end}
            for order_id in (step.order_id, *order.ids):
                if order_id not in ended:
                    await self._door.cancel(order_id)
                    ended.add(order_id)
            if await self._news.wait(pause):
                return
            await self._look(step.name, step.order_id)
            self.keep()
            pause = min(2.0 * pause, LONGEST_PAUSE)

    async def guard(self, step: Guard) -> None:
        """Wait until something is learnt of exits that stand, or until they have been at fault for too long."""
        waits = [math.inf]
        for name in step.names:
            order = self._ledger.trade.order(name)
            if name in self._guard.foreign:
                waits.append(BETWEEN_LOOKS)
            elif order.fault is None and (found := self._guard.complaint(order, self._patience)) is not None:
                words, left = found
                if not left:
                    await self._ledger.learn(Faulty(at=self._ledger.wall(), name=name, reason=words))
                    return
                waits.append(left)
        wait = min(waits)
        if await self._news.wait(None if math.isinf(wait) else wait):
            return
        for name in self._guard.foreign.intersection(step.names):
            await self._look(name, self._ledger.trade.order(name).order_id or "")

    async def count(self, step: Count) -> None:
        """See how many of the shares whose exits were lost are still held, by the broker's positions and by our count
        of fills; when these differ for so long that the former cannot merely be late, the former decide."""
        trade = self._ledger.trade
        order, symbol, sign = trade.order(step.name), trade.intent.symbol, trade.intent.side.sign
        self._ledger.log.error("the exits {} of {} are lost: {}", step.name, symbol, _ends(order))
        until, pause = self._loop.time() + POSITIONS_TRAIL, FIRST_LOOK
        while True:
            answer = await self._door.positions()
            counted = self._door.held(symbol)
            if isinstance(answer, Positions):
                shown = normal_quantities(answer.quantities).get(normal_symbol(symbol), ZERO)
                if shown == counted or self._loop.time() >= until:
                    break
            if self._loop.time() >= until:
                await self._answer()
            if await self._news.wait(pause):
                return
            pause = min(2.0 * pause, LONGEST_PAUSE)
        trade = self._ledger.trade
        rest = order.quantity - order.filled
        free = shown * sign - self._others(symbol) - (trade.held - rest)
        gone = rest - min(max(free, ZERO), rest)
        await self._ledger.learn(Counted(at=self._ledger.wall(), name=step.name, gone=gone))

    async def _look(self, name: str, parent_id: str) -> None:
        order = self._ledger.trade.order(name)
        rows = await self._floor.shown(order.ids or (parent_id,))
        assert order.request is not None
        looked = exits_seen(
            name,
            order.request,
            parent_id,
            rows,
            at=self._ledger.wall(),
            known=order.ids,
            taken=lambda order_id: self._is_strange(order_id, name),
        )
        if looked is not None:
            await self._ledger.learn(looked if name in self._guard.foreign else replace(looked, over=False))
            self._own()

    async def _ended(self, name: str, order_id: str, result: FillResult) -> None:
        await self._ledger.learn(Watched(at=self._ledger.wall(), name=name, result=result, leg=order_id))

    @property
    def _patience(self) -> float:
        return self._ledger.trade.intent.config.exit_patience_seconds


def _ends(order: TradeOrder) -> str:
    """How the orders of exits have ended, in words."""
    told = [f"{leg.leg} {leg.result.outcome.value}" for leg in order.legs]
    return ", ".join(told) or "both orders are over"
