"""Writes a history from outside: a broker that notes every call, and followers of watches and amendments.

The engine is not changed for it and cannot tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from fillwatch.brokers.base import (
    Account,
    Broker,
    CancelAnswer,
    Capabilities,
    Fills,
    Listing,
    ListsEnded,
    MarketClock,
    Operation,
    Positions,
    Quota,
    SubmitAnswer,
)
from fillwatch.brokers.push import Event, Pushes
from fillwatch.core.errors import FillwatchError
from fillwatch.core.evidence import Look, Unanswered
from fillwatch.core.orders import OrderRequest
from fillwatch.testing.history import History, Phase

if TYPE_CHECKING:
    from fillwatch.engine.engine import FillDetectionEngine
    from fillwatch.engine.watch import OrderWatch

T = TypeVar("T")


class RecordingBroker:
    """A `Broker` that passes everything on to `broker` and writes each call into `history`.

    `ok` is an answer, `fail` an answer that carries an error (its line holds the error), `info` a call that was cut
    off: cancelled, or ended by an exception, which the protocol forbids.
    """

    def __init__(self, broker: Broker, history: History) -> None:
        self._broker = broker
        self._history = history

    @property
    def caps(self) -> Capabilities:
        """The broker's."""
        return self._broker.caps

    @property
    def quota(self) -> Quota | None:
        """The broker's."""
        return self._broker.quota

    def check_order_id(self, order_id: str) -> str:
        """The broker's."""
        return self._broker.check_order_id(order_id)

    async def look(self, order_id: str) -> Look:
        """One order, by id."""
        return await self._noted("look", self._broker.look(order_id), order_id)

    async def look_by_client_id(self, client_order_id: str) -> Look:
        """One order, by its sender's id."""
        return await self._noted("look_by_client_id", self._broker.look_by_client_id(client_order_id))

    async def list(self, *, after: datetime | None = None, until: datetime | None = None) -> Listing | Unanswered:
        """One page of the list."""
        bounds = {"after": after, "until": until}
        return await self._noted("list", self._broker.list(after=after, until=until), asked=bounds)

    async def ended(self, *, after: datetime | None = None, until: datetime | None = None) -> Listing | Unanswered:
        """One page of the ended orders, if the broker has such a list (`caps.lists_ended`)."""
        assert isinstance(self._broker, ListsEnded)
        bounds = {"after": after, "until": until}
        return await self._noted("ended", self._broker.ended(after=after, until=until), asked=bounds)

    async def fills(self, *, after: datetime | None = None, page_token: str | None = None) -> Fills | Unanswered:
        """One page of the tape."""
        bounds = {"after": after, "page_token": page_token}
        return await self._noted("fills", self._broker.fills(after=after, page_token=page_token), asked=bounds)

    async def submit(self, request: OrderRequest) -> SubmitAnswer:
        """Send one order."""
        return await self._noted("submit", self._broker.submit(request), asked=request)

    async def cancel(self, order_id: str) -> CancelAnswer:
        """Ask for one order to be cancelled."""
        return await self._noted("cancel", self._broker.cancel(order_id), order_id)

    async def positions(self) -> Positions | Unanswered:
        """All open positions."""
        return await self._noted("positions", self._broker.positions())

    async def account(self) -> Account | Unanswered:
        """The account."""
        return await self._noted("account", self._broker.account())

    async def clock(self) -> MarketClock | Unanswered:
        """The broker's clock."""
        return await self._noted("clock", self._broker.clock())

    def events(self) -> AsyncIterator[tuple[Event, ...]]:
        """The broker's, if it pushes (`caps.stream`)."""
        assert isinstance(self._broker, Pushes)
        return self._broker.events()

    def cost(self, operation: Operation) -> int:
        """The broker's."""
        return self._broker.cost(operation)

    async def aclose(self) -> None:
        """Close the broker."""
        await self._broker.aclose()

    async def _noted(self, op: str, call: Awaitable[T], order: str = "", asked: object = None) -> T:
        history = self._history
        actor = history.actor("call")
        history.write(actor, op, Phase.INVOKE, asked, order=order)
        ended = False
        try:
            answer = await call
            ended = True
        finally:
            if not ended:
                history.write(actor, op, Phase.INFO, "cut off", order=order)
        error = getattr(answer, "error", None)
        phase, value = (Phase.OK, answer) if error is None else (Phase.FAIL, error)
        history.write(actor, op, phase, value, order=order)
        return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchTerms:
    """How a watch was asked for: whether its order may be cancelled, the rest of its keywords as they were."""

    may_cancel: bool
    keywords: Mapping[str, object] = field(default_factory=dict)


#: What is known of a result whose follower was cancelled.
_NOTHING: object = None


class Follower:
    """Notes what an engine says of its watches, in tasks of `group`; leave the group after the engine is closed."""

    def __init__(self, history: History, engine: FillDetectionEngine, group: asyncio.TaskGroup) -> None:
        self._history = history
        self._engine = engine
        self._group = group
        group.create_task(self._amendments())

    def watch(self, order_id: str, *, may_cancel: bool = True, **keywords: object) -> OrderWatch:
        """`engine.watch(...)`, and every transition and the end of it noted from now on."""
        actor = self._history.actor("watch")
        terms = WatchTerms(may_cancel=may_cancel, keywords=MappingProxyType(keywords))
        self._history.write(actor, "watch", Phase.INVOKE, terms, order=order_id)
        watch = self._engine.watch(order_id, **keywords)  # type: ignore[arg-type]  # passed through as they came
        self._group.create_task(self._transitions(actor, watch))
        self._group.create_task(self._result(actor, watch))
        return watch

    def release(self, watch: OrderWatch) -> None:
        """`watch.release()`, noted."""
        self._history.write("caller", "release", Phase.INFO, order=watch.order_id)
        watch.release()

    async def _transitions(self, actor: str, watch: OrderWatch) -> None:
        try:
            async for transition in watch:
                self._history.write(actor, "transition", Phase.INFO, transition, order=watch.order_id)
        except FillwatchError as error:
            self._history.write(actor, "transitions", Phase.FAIL, error, order=watch.order_id)

    async def _result(self, actor: str, watch: OrderWatch) -> None:
        phase, value = Phase.INFO, _NOTHING
        try:
            phase, value = Phase.OK, await watch
        except FillwatchError as error:
            phase, value = Phase.FAIL, error
        finally:
            self._history.write(actor, "result", phase, value, order=watch.order_id)

    async def _amendments(self) -> None:
        async for amendment in self._engine.amendments():
            self._history.write("engine", "amendment", Phase.INFO, amendment, order=amendment.order_id)
