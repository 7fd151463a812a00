"""Sends the orders of one trade, each once, and knows how much of its time an order has left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fillwatch.core.orders import OrderSnapshot
from fillwatch.core.placing import There, placing
from fillwatch.core.trade_facts import Declined, Looked, NotPlaced, Part, Placed, Sending
from fillwatch.core.trade_order import ZERO, TradeOrder
from fillwatch.core.trade_steps import Place
from fillwatch.engine.trading import TradingDoor
from fillwatch.execution.ledger import TradeLedger
from fillwatch.execution.placement import place

#: A watch must have some time; this much is none.
_AT_LEAST = 0.001
#: Why a trade that an earlier process began is not made: its price is stale.
INTERRUPTED = "it was interrupted before anything was sent"


class Sender:
    """See the module's text. `may_enter`: an entry of unknown fate may be sent again. `on_doubt` is told the name of an
    order, and why, when its caller should no longer be kept waiting."""

    def __init__(
        self,
        ledger: TradeLedger,
        door: TradingDoor,
        *,
        may_enter: bool,
        on_doubt: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self._ledger = ledger
        self._door = door
        self._may_enter = may_enter
        self._on_doubt = on_doubt
        self._loop = asyncio.get_running_loop()
        self._sent: dict[str, float] = {}

    async def place(self, step: Place) -> None:
        """Let the broker have the order, and learn that it has it or never will; it may take as long as an outage."""
        order, config = self._ledger.trade.order(step.name), self._ledger.trade.intent.config
        protects = order.part is not Part.ENTRY
        if order.sent is None:
            if not (protects or self._may_enter):
                await self._ledger.learn(Declined(at=self._ledger.wall(), reason=INTERRUPTED))
                return
            why = await self._ledger.announce(Sending(at=self._ledger.wall(), name=step.name, request=step.request))
            # What protects is sent even unwritten: its id follows from the intent, so it can be asked for all the same.
            if why is not None and not protects:
                await self._ledger.learn(NotPlaced(at=self._ledger.wall(), name=step.name, reason=why))
                return
        now = self._loop.time()
        dialogue = placing(
            now=now,
            patience=config.submit_patience_seconds,
            quarantine=config.exit_patience_seconds if order.part is Part.EXITS else config.quarantine_seconds,
            begun=step.begun,
            resend=protects or self._may_enter,
            protects=protects,
        )
        came = await place(
            self._door,
            step.request,
            dialogue,
            protects=protects,
            insist_until=now + config.exit_patience_seconds,
            on_sent=lambda sent_at: self._note_sent(step.name, sent_at),
            on_doubt=lambda reason: self._on_doubt(step.name, reason),
        )
        if isinstance(came, There):
            await self._ledger.learn(Placed(at=self._ledger.wall(), name=step.name, order_id=came.order.order_id))
            if order.part is Part.EXITS and came.order.legs:
                await self._ledger.learn(self._answered_with(step.name, came.order))
        else:
            fact = NotPlaced(at=self._ledger.wall(), name=step.name, reason=came.reason, arrived=came.arrived)
            await self._ledger.learn(fact)

    def _note_sent(self, name: str, sent_at: float) -> None:
        self._sent.setdefault(name, sent_at)

    def _answered_with(self, name: str, order: OrderSnapshot) -> Looked:
        """The answer to an OCO names its stop (facts §3c), which else has to be found among all orders."""
        ids = (order.order_id, *(leg.order_id for leg in order.legs))
        return Looked(at=self._ledger.wall(), name=name, order_ids=ids, filled=ZERO, over=False, working=False)

    def left(self, order: TradeOrder) -> float:
        """Seconds that an order has left: by the loop's clock if this process sent it, else by the wall clock."""
        config = self._ledger.trade.intent.config
        whole = config.fill_timeout_seconds if order.part is Part.ENTRY else config.exit_patience_seconds
        if order.name in self._sent:
            gone = self._loop.time() - self._sent[order.name]
        else:
            sent = self._ledger.wall() if order.sent is None else order.sent.at
            gone = (self._ledger.wall() - sent).total_seconds()
        return max(min(whole, whole - gone), _AT_LEAST)
