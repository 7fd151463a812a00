"""Carries a trade out, step by step, until nothing is left to do; and again when a late fact leaves shares bare."""

from __future__ import annotations

import asyncio

from fillwatch.core import trading_rules as rules
from fillwatch.core.exits_seen import exits_seen
from fillwatch.core.placing import LONGEST_PAUSE, There, placing
from fillwatch.core.results import Amendment, AmendmentKind
from fillwatch.core.trade import ZERO, Trade, TradeOrder
from fillwatch.core.trade_facts import (
    Cleared,
    Closed,
    Declined,
    Doubtful,
    NotPlaced,
    Part,
    Placed,
    Sending,
    Told,
    Watched,
)
from fillwatch.core.trade_result import TradeResult
from fillwatch.core.trade_steps import Check, Finish, Place, Step, Tell, Verify, Watch, Withdraw, next_step
from fillwatch.engine.engine import FillDetectionEngine
from fillwatch.execution.floor import Floor
from fillwatch.execution.ledger import TradeLedger
from fillwatch.execution.placement import place

#: Seconds between two looks at exits: doubled from the first.
FIRST_LOOK = 0.25


class Runner:
    """One trade being made. `result` is the caller's; the work may go on after it has come.

    `resumed`: the trade was begun by an earlier process; an entry of unknown fate is then sent again only if `resend`.
    """

    def __init__(
        self,
        ledger: TradeLedger,
        engine: FillDetectionEngine,
        floor: Floor,
        *,
        result: asyncio.Future[TradeResult],
        resumed: bool = False,
        resend: bool = False,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.ledger = ledger
        self.result = result
        #: Whether nothing is being done for it.
        self.is_idle = True
        self._engine = engine
        self._floor = floor
        self._loop = loop
        self._resumed = resumed
        self._resend = resend
        self._sent: dict[str, float] = {}
        self._watched: set[str] = set()
        self._news = asyncio.Event()

    @property
    def trade(self) -> Trade:
        """What is known of it."""
        return self.ledger.trade

    async def run(self) -> None:
        """Take the steps that are left."""
        self.is_idle = False
        try:
            finished = False
            while not finished:
                step = next_step(self.trade)
                await self._take(step)
                # While the end was being written a late fact may have come.
                finished = isinstance(step, Finish) and isinstance(next_step(self.trade), Finish)
        finally:
            self.is_idle = True

    async def _take(self, step: Step) -> None:
        match step:
            case Check():
                await self._check()
            case Place():
                await self._place(step)
            case Watch():
                await self._watch(step)
            case Verify():
                await self._verify(step)
            case Withdraw():
                await self._withdraw(step)
            case Tell():
                self.ledger.log.error("not certain: {}", step.reason)
                await self._tell(step.reason)
            case Finish():
                await self._finish()

    async def hear(self, name: str, amendment: Amendment) -> None:
        """A later fact about an order of this trade."""
        known, result = self.trade.order(name).told, amendment.amended
        undone = ZERO if known is None else known.undone
        if known is not None and amendment.kind is AmendmentKind.BUST:
            undone = max(known.executed - (result.fill_quantity or ZERO), undone)
        await self.ledger.learn(Watched(at=self.ledger.wall(), name=name, result=result, undone=undone))
        self._news.set()

    async def _check(self) -> None:
        intent, at = self.trade.intent, self.ledger.wall
        if self._resumed and not self._resend:
            await self.ledger.learn(Declined(at=at(), reason="it was interrupted before anything was sent"))
            return
        reason = self._floor.objection(intent)
        market = None if reason is not None else await self._floor.read(intent)
        if isinstance(market, rules.Market):
            reason = rules.hindrance(intent, market)
            if reason is None:
                await self.ledger.learn(Cleared(at=at(), extended=not market.is_open))
                return
        await self.ledger.learn(Declined(at=at(), reason=reason or "the broker does not say whether it can be made"))

    async def _place(self, step: Place) -> None:
        order, config = self.trade.order(step.name), self.trade.intent.config
        protects = order.part is not Part.ENTRY
        if order.sent is None:
            why = await self.ledger.announce(Sending(at=self.ledger.wall(), name=step.name, request=step.request))
            # What protects is sent even unwritten: its id follows from the intent, so it can be asked for all the same.
            if why is not None and not protects:
                await self.ledger.learn(NotPlaced(at=self.ledger.wall(), name=step.name, reason=why))
                return
        now = self._loop.time()
        self._sent.setdefault(step.name, now)
        is_ours_to_send = protects or not self._resumed or self._resend
        dialogue = placing(
            now=now,
            patience=config.submit_patience_seconds,
            quarantine=config.exit_patience_seconds if order.part is Part.EXITS else config.quarantine_seconds,
            begun=step.begun,
            resend=is_ours_to_send,
            protects=protects,
        )
        came = await place(
            self._engine.trading,
            step.request,
            dialogue,
            protects=protects,
            insist_until=now + config.exit_patience_seconds,
            on_doubt=lambda reason: self._doubt(step.name, reason),
        )
        if isinstance(came, There):
            self._floor.own(came.order.order_id, self, step.name)
            await self.ledger.learn(Placed(at=self.ledger.wall(), name=step.name, order_id=came.order.order_id))
        else:
            fact = NotPlaced(at=self.ledger.wall(), name=step.name, reason=came.reason, arrived=came.arrived)
            await self.ledger.learn(fact)

    async def _doubt(self, name: str, reason: str) -> None:
        """The caller is told at once; the step that is in doubt goes on."""
        await self.ledger.learn(Doubtful(at=self.ledger.wall(), name=name, reason=reason, placed=False))
        await self._tell(reason)

    async def _watch(self, step: Watch) -> None:
        order = self.trade.order(step.name)
        self._floor.own(step.order_id, self, step.name)
        if step.name in self._watched:
            await self._next_news()
            return
        self._watched.add(step.name)
        watch = self._engine.watch(
            step.order_id,
            timeout_seconds=self._left(order),
            expected_price=self.trade.intent.signal_price if order.part is Part.ENTRY else None,
        )
        result = await watch
        await self.ledger.learn(Watched(at=self.ledger.wall(), name=step.name, result=result))
        if not self.trade.order(step.name).is_over:
            reason = result.reason or "its end is not known"
            await self.ledger.learn(Doubtful(at=self.ledger.wall(), name=step.name, reason=reason, placed=True))

    async def _next_news(self, seconds: float | None = None) -> bool:
        """Wait for a late fact, for so many seconds at most; whether there was one."""
        self._news.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    def _left(self, order: TradeOrder) -> float:
        """Seconds that an order has left: by the loop's clock if this process sent it, else by the wall clock."""
        config = self.trade.intent.config
        whole = config.fill_timeout_seconds if order.part is Part.ENTRY else config.exit_patience_seconds
        if order.name in self._sent:
            gone = self._loop.time() - self._sent[order.name]
        else:
            sent = self.ledger.wall() if order.sent is None else order.sent.at
            gone = (self.ledger.wall() - sent).total_seconds()
        return max(min(whole, whole - gone), _AT_LEAST)

    async def _verify(self, step: Verify) -> None:
        until = self._loop.time() + self.trade.intent.config.exit_patience_seconds
        pause = FIRST_LOOK
        while True:
            rows = await self._floor.shown(step.order_id)
            order = self.trade.order(step.name)
            assert order.request is not None
            looked = exits_seen(step.name, order.request, step.order_id, rows, at=self.ledger.wall())
            if looked is not None and (looked.working or looked.over):
                await self.ledger.learn(looked)
                return
            if self._loop.time() >= until and order.doubt is None:
                reason = "the exits were not seen working"
                await self.ledger.learn(Doubtful(at=self.ledger.wall(), name=step.name, reason=reason, placed=True))
                return
            if await self._next_news(pause):
                return
            pause = min(2.0 * pause, LONGEST_PAUSE)

    async def _withdraw(self, step: Withdraw) -> None:
        """Cancel and look, until the exits are over or something else is known."""
        self.ledger.log.error("an execution was undone: the exits of {} are withdrawn", self.trade.intent.symbol)
        order = self.trade.order(step.name)
        assert order.request is not None
        pause = FIRST_LOOK
        while True:
            await self._engine.trading.cancel(step.order_id)
            if await self._next_news(pause):
                return
            rows = await self._floor.shown(step.order_id)
            looked = exits_seen(step.name, order.request, step.order_id, rows, at=self.ledger.wall())
            if looked is not None and looked.over:
                await self.ledger.learn(looked)
                return
            pause = min(2.0 * pause, LONGEST_PAUSE)

    async def _tell(self, reason: str | None) -> None:
        if self.trade.told is not None:
            return
        result = self.ledger.result()
        fact = Told(at=self.ledger.wall(), success=result.success, reason=reason or result.reason or "")
        await self.ledger.learn(fact)
        if not self.result.done():
            self.result.set_result(self.ledger.result())

    async def _finish(self) -> None:
        trade = self.trade
        if trade.bare:
            self.ledger.log.error("{} shares of {} are held without exits", trade.bare, trade.intent.symbol)
        await self._tell(None)
        if not self.result.done():  # told in an earlier process
            self.result.set_result(self.ledger.result())
        if not trade.bare:
            await self.ledger.learn(Closed(at=self.ledger.wall()))


#: A watch must have some time; this much is none.
_AT_LEAST = 0.001
