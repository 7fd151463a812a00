"""The world as a `Broker` in memory: for virtual time, with the latency of a network but no sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from types import MappingProxyType
from uuid import UUID

from fillwatch.brokers.base import (
    Accepted,
    Account,
    AlreadyTerminal,
    CancelAnswer,
    Capabilities,
    Fills,
    Listing,
    MarketClock,
    NotThere,
    Operation,
    Positions,
    Quota,
    Refused,
    Requested,
    SubmitAnswer,
    Unknown,
)
from fillwatch.brokers.push import Event
from fillwatch.core.errors import BrokerError, Failure, PermanentError
from fillwatch.core.evidence import Look, Missing, Route, Seen, Unanswered
from fillwatch.core.orders import OrderRequest, OrderStatus, exact
from fillwatch.simulator.answers import Call, Op, Query
from fillwatch.simulator.line import Line, now, refused
from fillwatch.simulator.pushing import Pushing
from fillwatch.simulator.shelf import submitted
from fillwatch.simulator.world import World


class SimulatedBroker:
    """The `Broker` protocol over a `World`.

    `latency`: least and most seconds of a round trip without faults; a third of it, on average, is the way there.
    `page_size`, `fills_page_size`: rows of a page; small ones make small worlds page. `stream`: whether `caps`
    tell of `events()`. A call made after `aclose` raises `RuntimeError`.
    """

    def __init__(
        self,
        world: World,
        *,
        latency: tuple[float, float] = (0.02, 0.08),
        page_size: int = 500,
        fills_page_size: int = 100,
        request_timeout: float = 10.0,
        stream: bool = False,
    ) -> None:
        self.world = world
        self._pushing = Pushing(world)
        self._line = Line(world, latency=latency, timeout=request_timeout)
        self._caps = Capabilities(
            page_size=page_size,
            fills_page_size=fills_page_size,
            lists_ended=True,
            stream=stream,
            request_timeout=request_timeout,
            requests_per_minute=world.requests_per_minute,
        )

    @property
    def caps(self) -> Capabilities:
        """What this broker can do."""
        return self._caps

    @property
    def quota(self) -> Quota | None:
        """What the newest rate-limit headers said."""
        return self._line.quota

    def check_order_id(self, order_id: str) -> str:
        """The id as a lower-case UUID; `ValueError` if it is none."""
        try:
            return str(UUID(order_id))
        except ValueError:
            raise ValueError(f"order_id: {order_id!r} is not a UUID") from None

    async def look(self, order_id: str) -> Look:
        """One order, by id."""
        known = self.check_order_id(order_id)
        return await self._look(Call(op=Op.LOOK, target=known), Route.ORDER)

    async def look_by_client_id(self, client_order_id: str) -> Look:
        """One order, by its sender's id."""
        return await self._look(Call(op=Op.LOOK_BY_CLIENT_ID, target=client_order_id), Route.CLIENT_ID)

    async def _look(self, call: Call, route: Route) -> Look:
        as_of = now()
        answer = await self._line.ask(call)
        if isinstance(answer, BrokerError):
            return Unanswered(error=answer, route=route, as_of=as_of)
        if answer.status == 404:
            return Missing(order_id=call.target, route=route, as_of=as_of)
        return Seen(order=answer.versions[0].order, route=route, as_of=as_of)

    async def list(self, *, after: datetime | None = None, until: datetime | None = None) -> Listing | Unanswered:
        """One page of the list, newest first."""
        return await self._list("all", after, until)

    async def ended(self, *, after: datetime | None = None, until: datetime | None = None) -> Listing | Unanswered:
        """One page of the orders that have ended, and of held ones, newest first."""
        return await self._list("closed", after, until)

    async def _list(self, status: str, after: datetime | None, until: datetime | None) -> Listing | Unanswered:
        as_of = now()
        size = self._caps.page_size
        query = Query(status=status, limit=size, after=after, until=until)
        answer = await self._line.ask(Call(op=Op.LIST, query=query))
        if isinstance(answer, BrokerError):
            return Unanswered(error=answer, route=Route.LIST, as_of=as_of)
        orders = tuple(version.order for version in answer.versions)
        if len(orders) < size:
            return Listing(orders=orders, complete=True, until=None, as_of=as_of)
        seam = submitted(orders[-1])
        cursor = seam + timedelta(microseconds=1)
        return Listing(orders=orders, complete=False, until=seam if cursor == until else cursor, as_of=as_of)

    async def fills(self, *, after: datetime | None = None, page_token: str | None = None) -> Fills | Unanswered:
        """One page of the tape, oldest first."""
        as_of = now()
        size = self._caps.fills_page_size
        query = Query(limit=size, after=after, page_token=page_token, descending=False)
        answer = await self._line.ask(Call(op=Op.FILLS, query=query))
        if isinstance(answer, BrokerError):
            return Unanswered(error=answer, route=Route.ACTIVITIES, as_of=as_of)
        rows = answer.trades
        complete = len(rows) < size
        return Fills(
            executions=tuple(row.execution for row in rows),
            complete=complete,
            page_token=None if complete else rows[-1].row_id,
            as_of=as_of,
        )

    async def submit(self, request: OrderRequest) -> SubmitAnswer:
        """Send one order, once."""
        target = request.client_order_id or ""
        answer = await self._line.ask(Call(op=Op.SUBMIT, target=target, order=request, method="POST"))
        if isinstance(answer, BrokerError):
            return _undone(answer)
        if answer.is_error:
            return Refused(error=refused(answer))
        return Accepted(order=answer.versions[0].order)

    async def cancel(self, order_id: str) -> CancelAnswer:
        """Ask for one order to be cancelled."""
        answer = await self._line.ask(Call(op=Op.CANCEL, target=self.check_order_id(order_id), method="DELETE"))
        if isinstance(answer, BrokerError):
            return _undone(answer)
        if answer.status == 404:
            return NotThere(message=answer.message)
        if not answer.is_error:
            return Requested()
        _, quote, rest = answer.message.partition('already in "')
        if answer.status == 422 and quote:
            return AlreadyTerminal(status=OrderStatus.parse(rest.partition('"')[0]), message=answer.message)
        return Refused(error=refused(answer))

    async def positions(self) -> Positions | Unanswered:
        """All open positions."""
        as_of = now()
        answer = await self._line.ask(Call(op=Op.POSITIONS))
        if isinstance(answer, BrokerError):
            return Unanswered(error=answer, route=Route.POSITIONS, as_of=as_of)
        quantities = MappingProxyType({row["symbol"]: row["qty"] for row in answer.rows})
        return Positions(quantities=quantities, as_of=as_of, at=self.world.wall(as_of))

    async def account(self) -> Account | Unanswered:
        """The account."""
        as_of = now()
        answer = await self._line.ask(Call(op=Op.ACCOUNT))
        if isinstance(answer, BrokerError):
            return Unanswered(error=answer, route=Route.ORDER, as_of=as_of)
        values = answer.rows[0]
        return Account(
            account_id=str(values["id"]),
            currency=str(values["currency"]),
            buying_power=exact(str(values["buying_power"])),
            can_trade=True,
            as_of=as_of,
        )

    async def clock(self) -> MarketClock | Unanswered:
        """The broker's clock."""
        as_of = now()
        answer = await self._line.ask(Call(op=Op.CLOCK))
        if isinstance(answer, BrokerError):
            return Unanswered(error=answer, route=Route.ORDER, as_of=as_of)
        return MarketClock(as_of=as_of, **answer.rows[0])

    def events(self) -> AsyncIterator[tuple[Event, ...]]:
        """Trade updates as they come, with the stream's faults (`StreamFaults`); see `Pushes.events`."""
        return self._pushing.events()

    def cost(self, operation: Operation) -> int:
        """One request each."""
        return 1

    async def aclose(self) -> None:
        """End the events, and let the calls in flight end; each does within the request time-out."""
        await self._pushing.aclose()
        await self._line.aclose()


def _undone(error: BrokerError) -> Refused | Unknown:
    """A 429 or a refusal of the keys was surely not carried out; about anything else there is doubt."""
    certain = isinstance(error, PermanentError) or error.failure is Failure.RATE_LIMITED
    return Refused(error=error) if certain else Unknown(error=error)
