"""Requests and answers at the door of the world, free of any transport, and the broker's words of refusal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from fillwatch.core.orders import OrderRequest
from fillwatch.simulator.book import Trade, Version


class Op(StrEnum):
    """What can be asked. The broker's limit counts them all alike."""

    LOOK = "look"
    LOOK_BY_CLIENT_ID = "look_by_client_id"
    LIST = "list"
    FILLS = "fills"
    SUBMIT = "submit"
    CANCEL = "cancel"
    CANCEL_ALL = "cancel_all"
    POSITIONS = "positions"
    POSITION = "position"
    ACCOUNT = "account"
    CLOCK = "clock"
    REPLACE = "replace"
    CLOSE_POSITION = "close_position"
    CLOSE_POSITIONS = "close_positions"
    CALENDAR = "calendar"
    ASSET = "asset"
    ASSETS = "assets"
    EVENTS = "events"


#: Operations that change something; a lost answer to one of them leaves its caller in doubt.
CHANGES = frozenset({Op.SUBMIT, Op.CANCEL, Op.CANCEL_ALL, Op.REPLACE, Op.CLOSE_POSITION, Op.CLOSE_POSITIONS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The filters of a list or of the tape; `after` and `until` are exclusive, and so are the order ids.

    `start` and `end` (inclusive) are for the calendar alone, `exchange` for assets, `classes` for assets and orders.
    """

    status: str = "all"
    limit: int = 500
    after: datetime | None = None
    until: datetime | None = None
    descending: bool = True
    symbols: frozenset[str] = frozenset()
    side: str | None = None
    page_token: str | None = None
    after_order_id: str | None = None
    before_order_id: str | None = None
    classes: frozenset[str] = frozenset()
    exchange: str | None = None
    start: date | None = None
    end: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One leg of a multi-leg option order as it was sent."""

    symbol: str
    ratio_qty: Decimal
    side: str = ""
    position_intent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a new order says besides what `OrderRequest` holds: the caller's intent and the legs of an mleg order.

    `credit`: the limit price of an mleg order was negative, an amount to be received.
    """

    position_intent: str = ""
    legs: tuple[Leg, ...] = ()
    credit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """What a replacement changes; None leaves it as it is. `qty` is the total, what has executed included."""

    qty: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    time_in_force: str | None = None
    client_order_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """How much of a position to close: shares, or a percentage of it; all of it when both are None.

    `cancel_orders`: cancel every open order first (closing all positions only).
    """

    qty: Decimal | None = None
    percentage: Decimal | None = None
    cancel_orders: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request as it reaches the broker. `target` is the order id, client order id or symbol it is about.

    `problem` is the answer to a request that is malformed; it is given in place of carrying the request out.
    """

    op: Op
    target: str = ""
    query: Query = field(default_factory=Query)
    order: OrderRequest | None = None
    terms: Terms = field(default_factory=Terms)
    patch: Patch | None = None
    closing: Closing = field(default_factory=Closing)
    nested: bool = False
    problem: Answer | None = None
    method: str = "GET"
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the broker says: an HTTP status and what was asked for, or an error in its own words.

    Orders come as `versions`, the tape as `trades`, all else as `rows` of named values; an error may carry `extras`.
    `legs` holds, by the parent's order id, the orders that are shown inside it.
    """

    status: int = 200
    versions: tuple[Version, ...] = ()
    trades: tuple[Trade, ...] = ()
    rows: tuple[Mapping[str, Any], ...] = ()
    legs: Mapping[str, tuple[Version, ...]] = field(default_factory=dict)
    extras: Mapping[str, object] = field(default_factory=dict)
    code: int | None = None
    message: str = ""

    @property
    def is_error(self) -> bool:
        """Whether it is one of the broker's refusals or failures."""
        return self.status >= 400


class Delivery(StrEnum):
    """How an answer travels: whole, as a page of HTML, cut off, as a broken connection, or not at all."""

    WHOLE = "whole"
    HTML = "html"
    CUT_OFF = "cut_off"
    RESET = "reset"
    SILENCE = "silence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer on its way; its `headers` carry the rate limit and the broker's `Date`.

    `bend` changes the JSON of the body, decoded, into what a client has not met before.
    """

    answer: Answer
    delivery: Delivery = Delivery.WHOLE
    headers: Mapping[str, str] = field(default_factory=dict)
    bend: Callable[[Any], Any] | None = None


def refusal(status: int, code: int | None, message: str, **extras: object) -> Answer:
    """An error answer in the broker's envelope."""
    return Answer(status=status, code=code, message=message, extras=extras)


def order_not_found(order_id: str) -> Answer:
    """The broker has never heard of the order."""
    return refusal(404, 40410000, f"order not found for {order_id}")


def already(word: str) -> Answer:
    """A cancel of an order that is over; the word is its status."""
    return refusal(422, 42210000, f'order is already in "{word}" state')


def leg_already(word: str) -> Answer:
    """A cancel of one leg of a multi-leg option order, which only goes as a whole (facts §6)."""
    return refusal(422, 42210000, f"leg order is already in {word} state")


NO_POSITION = refusal(404, 40410000, "position does not exist")
CANNOT_CANCEL_REPLACING = refusal(422, 42210000, "cannot cancel order in pending_replace status")
NOT_CANCELABLE = refusal(422, 42210000, "order is not cancelable")
#: Alpaca does replace them at another limit; here they execute at once, as no option has a price of its own.
CANNOT_REPLACE_MLEG = refusal(422, 42210000, "mleg orders cannot be replaced: cancel the order and submit another")
#: No keys at all are turned away before the API, by a proxy that speaks HTML.
NO_KEYS = refusal(401, None, "Authorization Required")
UNAUTHORIZED = refusal(401, None, "unauthorized.")
RATE_LIMITED = refusal(429, 42910000, "rate limit exceeded")
#: The same refusal was recorded with both codes.
DUPLICATE_CLIENT_ID = tuple(refusal(422, code, "client_order_id must be unique") for code in (40010001, 42210000))
NOTHING = Answer(status=0)
