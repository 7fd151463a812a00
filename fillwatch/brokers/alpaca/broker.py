"""Alpaca's Trading API as a `Broker`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from fillwatch.brokers.alpaca import fields, read
from fillwatch.brokers.alpaca.keys import PAPER_URL, Credentials, Endpoint, is_live
from fillwatch.brokers.alpaca.known import KnownRows
from fillwatch.brokers.alpaca.requests import RequestModel, differing, order_body
from fillwatch.brokers.base import (
    Accepted,
    Account,
    CancelAnswer,
    Capabilities,
    Fills,
    Listing,
    MarketClock,
    Operation,
    Positions,
    Quota,
    Refused,
    SubmitAnswer,
    Unknown,
)
from fillwatch.brokers.push import Event
from fillwatch.core.errors import AmbiguousError, PermanentError
from fillwatch.core.evidence import Look, Missing, Route, Seen, Unanswered
from fillwatch.core.orders import MAX_CLIENT_ORDER_ID, OrderRequest

if TYPE_CHECKING:
    from fillwatch.brokers.alpaca.stream import Stream
    from fillwatch.brokers.alpaca.transport import Transport

_ORDERS = "/v2/orders"
_FILLS = "/v2/account/activities/FILL"
_ABSENCES = 2  # 404s in a row after which the tape is held not to be there
#: Documented: 500 orders and 100 activities a page, 200 requests a minute. Positions: alpacahq/Alpaca-API#276.
_CAPS = Capabilities(
    page_size=500,
    fills_page_size=100,
    lists_ended=True,
    request_timeout=10.0,
    max_in_flight=8,
    position_lag=10.0,
)


class AlpacaBroker:
    """One Alpaca account, by its keys.

    Making one needs no running loop and opens nothing; the first call does. It may be used in one event loop at a
    time. `replay`: read `/v2/events/trades` beside the WebSocket, if the account has it; each connection to it costs a
    request. `base_url` decides between paper and live; the live host also needs `live=True`, and nothing else takes it.
    Raises `ValueError`, never showing the secret, for keys that cannot be right and for addresses that are neither
    https nor this machine.
    """

    def __init__(
        self,
        api_key: str,
        secret_key: str,
        base_url: str = PAPER_URL,
        stream_url: str | None = None,
        live: bool = False,  # noqa: FBT001, FBT002  # the public contract's signature
        *,
        replay: bool = False,
    ) -> None:
        credentials = Credentials.keys(api_key, secret_key)
        self._begin(_transport(Endpoint.check(base_url, stream_url, live=live), credentials), replay=replay)

    def _begin(self, transport: Transport, *, stream: Stream | None = None, replay: bool = False) -> None:
        self._replay = replay
        self._transport = transport
        self._stream = stream
        # A transport over something else than the network has no sockets beside it.
        self._caps = replace(_CAPS, stream=stream is not None or not transport.is_wired)
        self._absences = 0
        self._known, self._known_ended = KnownRows(), KnownRows()

    @classmethod
    def over(cls, transport: Transport, stream: Stream | None = None) -> AlpacaBroker:
        """A broker over a transport made elsewhere, with that one's credentials, endpoint and time-outs.

        `stream`: its trade updates, made elsewhere too. None: those of the endpoint, or none of a transport that does
        not go over the network.
        """
        broker = cls.__new__(cls)
        broker._begin(transport, stream=stream)
        return broker

    @classmethod
    def from_env(cls, *, live: bool = False) -> AlpacaBroker:
        """The account of `APCA_API_KEY_ID` and `APCA_API_SECRET_KEY`, at `APCA_API_BASE_URL` (paper if unset).

        Raises `ValueError` naming a variable that is missing, and as the constructor does.
        """
        key_id, secret = _variable("APCA_API_KEY_ID"), _variable("APCA_API_SECRET_KEY")
        return cls(key_id, secret, os.environ.get("APCA_API_BASE_URL", "").strip() or PAPER_URL, live=live)

    @classmethod
    def from_client(cls, trading_client: object) -> AlpacaBroker:
        """The account of an alpaca-py `TradingClient`: its keys or OAuth token, and its address.

        A client made with `paper=False` is live, and so is the broker: its maker has said so. The client itself is
        not used. Raises `TypeError` for what is no such client, `ValueError` as the constructor does.
        """
        base_url = getattr(trading_client, "_base_url", None)
        base_url = getattr(base_url, "value", base_url)
        if not isinstance(base_url, str):
            raise TypeError(f"an alpaca-py TradingClient is needed, not {type(trading_client).__qualname__}")
        token = getattr(trading_client, "_oauth_token", None)
        keys = (getattr(trading_client, "_api_key", None), getattr(trading_client, "_secret_key", None))
        credentials = Credentials.token(token) if token else Credentials.keys(*keys)
        return cls.over(_transport(Endpoint.check(base_url, None, live=is_live(base_url)), credentials))

    def __repr__(self) -> str:
        endpoint, mask = self._transport.endpoint, self._transport.credentials.mask()
        return f"AlpacaBroker(base_url={endpoint.base_url!r}, api_key={mask!r}, live={endpoint.live})"

    @property
    def caps(self) -> Capabilities:
        """What Alpaca can do. `fills_page_size` falls to 0 when the tape's route has answered 404 twice in a row."""
        return self._caps

    @property
    def quota(self) -> Quota | None:
        """What the last answer that had rate-limit headers said; None until one had."""
        return self._transport.quota

    @property
    def stream_url(self) -> str:
        """Where this account's trade updates are pushed."""
        return self._transport.endpoint.stream_url

    def check_order_id(self, order_id: str) -> str:
        """The id as a lower-case UUID; `ValueError` for anything else, so that no id can change a request's path."""
        found = fields.uuid_text(str(order_id))
        if found is None:
            raise ValueError(f"order_id: {str(order_id)[:80]!r} is not an Alpaca order id; it must be a UUID")
        return found

    async def look(self, order_id: str) -> Look:
        """`GET /v2/orders/{id}`. Only a 404 of Alpaca's own is `Missing`; one of a proxy's is `Unanswered`."""
        order_id = self.check_order_id(order_id)
        reply = await self._transport.ask("GET", f"{_ORDERS}/{order_id}")
        return read.order(reply, order_id, Route.ORDER)

    async def look_by_client_id(self, client_order_id: str) -> Look:
        """`GET /v2/orders:by_client_order_id`. `ValueError` for an id that is empty or over 128 characters."""
        return await self._look_by_client_id(client_order_id)

    async def _look_by_client_id(self, client_order_id: str, within: float | None = None) -> Look:
        if not 1 <= len(client_order_id) <= MAX_CLIENT_ORDER_ID:
            raise ValueError(
                f"client_order_id: {len(client_order_id)} characters; 1 to {MAX_CLIENT_ORDER_ID} are allowed"
            )
        params = {"client_order_id": client_order_id}
        reply = await self._transport.ask("GET", f"{_ORDERS}:by_client_order_id", params, within=within)
        return read.order(reply, client_order_id, Route.CLIENT_ID)

    async def list(self, *, after: datetime | None = None, until: datetime | None = None) -> Listing | Unanswered:
        """One page of up to 500 orders of every status, newest submission first; the bounds are exclusive.

        `complete=False` with `until=None` means that no further page can be asked for and nothing is proven about
        older orders: every row of a full page has the same submission time, or the broker ignores `until` or the
        direction. `ValueError` for a bound without an offset.
        """
        return await self._list("all", after, until, self._known)

    async def ended(self, *, after: datetime | None = None, until: datetime | None = None) -> Listing | Unanswered:
        """One page of up to 500 orders that have ended, as `list` gives those of every status.

        Legs that are held come with them (facts.md §3), though they live.
        """
        return await self._list("closed", after, until, self._known_ended)

    async def _list(
        self, status: str, after: datetime | None, until: datetime | None, known: KnownRows
    ) -> Listing | Unanswered:
        params = {"status": status, "limit": str(_CAPS.page_size), "direction": "desc", "nested": "false"}
        params |= {name: fields.wire_time(at) for name, at in (("after", after), ("until", until)) if at is not None}
        reply = await self._transport.ask("GET", _ORDERS, params)
        return await read.listing(reply, _CAPS.page_size, until, known)

    async def fills(self, *, after: datetime | None = None, page_token: str | None = None) -> Fills | Unanswered:
        """One page of up to 100 executions, oldest first. Busts and corrections are told when Alpaca tells them.

        `complete=False` with `page_token=None` means that the next page cannot be asked for: read again with `after`.
        """
        params = {"direction": "asc", "page_size": str(_CAPS.fills_page_size)}
        if after is not None:
            params["after"] = fields.wire_time(after)
        if page_token is not None:
            params["page_token"] = page_token
        answer = read.fills(await self._transport.ask("GET", _FILLS, params), _CAPS.fills_page_size, page_token)
        self._absences = self._absences + 1 if isinstance(answer, Unanswered) and answer.error.status == 404 else 0
        if self._absences >= _ABSENCES:
            self._caps = replace(self._caps, fills_page_size=0)
        return answer

    async def submit(self, request: OrderRequest | RequestModel) -> SubmitAnswer:
        """`POST /v2/orders`, once, always with a client order id.

        `request` may be an alpaca-py request model. Without a client order id of the caller's one is made here; it is
        on an `Accepted` order, but an `Unknown` does not name it: who wants to look up a lost answer sets his own.
        An id that is already taken means that the order has arrived before: it is looked up (a second request,
        within the same time), and answered `Accepted` if symbol, side and quantity agree, else `Refused`.
        """
        body = order_body(request)
        client_order_id = str(body["client_order_id"])
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._caps.request_timeout
        reply = await self._transport.ask("POST", _ORDERS, body=msgspec.json.encode(body))
        answer = read.submitted(reply, client_order_id)
        if answer is not None:
            return answer
        return _adopted(body, await self._look_by_client_id(client_order_id, within=max(0.0, deadline - loop.time())))

    async def cancel(self, order_id: str) -> CancelAnswer:
        """`DELETE /v2/orders/{id}`."""
        path = f"{_ORDERS}/{self.check_order_id(order_id)}"
        return read.cancelled(await self._transport.ask("DELETE", path))

    async def positions(self) -> Positions | Unanswered:
        """`GET /v2/positions`, by `normal_symbol`."""
        return read.positions(await self._transport.ask("GET", "/v2/positions"))

    async def account(self) -> Account | Unanswered:
        """`GET /v2/account`."""
        return read.account(await self._transport.ask("GET", "/v2/account"))

    async def clock(self) -> MarketClock | Unanswered:
        """`GET /v2/clock`."""
        return read.clock(await self._transport.ask("GET", "/v2/clock"))

    def events(self) -> AsyncIterator[tuple[Event, ...]]:
        """Trade updates from the WebSocket at `stream_url`, as `Pushes.events` says; one iteration at a time.

        Alpaca replays nothing, takes one connection of an account (alpacahq/alpaca-py issue 740), and answers further
        ones with HTTP 429: then the pauses grow to a minute. An iteration that is left early should be closed with
        `contextlib.aclosing`, or by `aclose`.
        """
        if self._stream is None:
            # As with the HTTP library, only those who use it pay for importing it.
            from fillwatch.brokers.alpaca.replay import Replay
            from fillwatch.brokers.alpaca.stream import Stream

            transport = self._transport
            replay = Replay(transport.endpoint, transport.credentials, transport.listen) if self._replay else None
            self._stream = Stream(self.stream_url, transport.credentials, replay=replay)
        return self._stream.events()

    def cost(self, operation: Operation) -> int:
        """One request each; the second one of a submit whose client order id is taken is rare and not counted."""
        return 1

    async def aclose(self) -> None:
        """End the events, let requests in flight finish (10 s at most), then free the sockets.

        A later call opens new ones.
        """
        if self._stream is not None:
            await self._stream.aclose()
        await self._transport.aclose()


def _variable(name: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise ValueError(f"{name} is not set; the keys come from the environment")
    return value


def _transport(endpoint: Endpoint, credentials: Credentials) -> Transport:
    # The HTTP library takes 0.2 s to import: only those who make a broker pay for it.
    from fillwatch.brokers.alpaca.transport import Transport

    return Transport(endpoint, credentials)


def _adopted(body: Mapping[str, object], look: Look) -> SubmitAnswer:
    match look:
        case Seen(order=order):
            if not (field := differing(body, order)):
                return Accepted(order=order)
            text = f"client_order_id is taken by an order with another {field}"
            return Refused(error=PermanentError(text, status=422))
        case Missing():
            return Unknown(error=AmbiguousError("client_order_id is taken, yet no order is found by it", status=422))
        case Unanswered(error=error):
            return Unknown(error=error)
