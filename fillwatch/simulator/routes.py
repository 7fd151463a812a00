"""The routes of the HTTP API, and how a request on each becomes a call at the door of the world."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from starlette.requests import Request

from fillwatch.simulator import answers
from fillwatch.simulator.answers import Answer, Call, Op, Query
from fillwatch.simulator.intake import closing, order_request, patch
from fillwatch.simulator.queries import (
    Params,
    assets_query,
    calendar_query,
    is_nested,
    list_query,
    tape_query,
)

T = TypeVar("T")

#: The longest body that is read, in bytes; an order is a few hundred.
LONGEST_BODY = 1_048_576
_TOO_LARGE = answers.refusal(413, 41310000, "request body is too large")
_NO_ID = answers.refusal(422, 40010001, "order_id is missing")


def _asking(op: Op, query_of: Callable[[Params], Query | Answer]) -> Callable[[Request], Awaitable[Call]]:
    async def call(request: Request) -> Call:
        query = query_of(request.query_params)
        if isinstance(query, Answer):
            return Call(op=op, problem=query)
        return Call(op=op, query=query, nested=is_nested(request.query_params))

    return call


async def _activities_of_type(request: Request) -> Call:
    return await _asking(Op.FILLS, lambda params: tape_query(params, request.path_params["target"]))(request)


async def _submit(request: Request) -> Call:
    read = await _read(request, order_request)
    if isinstance(read, Answer):
        return Call(op=Op.SUBMIT, problem=read)
    order, terms = read
    return Call(op=Op.SUBMIT, target=order.client_order_id or "", order=order, terms=terms)


async def _replace(request: Request) -> Call:
    call = _about_order(Op.REPLACE, request)
    if call.problem is not None:
        return call
    read = await _read(request, patch)
    if isinstance(read, Answer):
        return Call(op=Op.REPLACE, target=call.target, problem=read)
    return Call(op=Op.REPLACE, target=call.target, patch=read)


async def _read(request: Request, make: Callable[[bytes], T | Answer]) -> T | Answer:
    """What `make` makes of the body, unless that is too long."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > LONGEST_BODY:
            return _TOO_LARGE
    return make(bytes(raw))


async def _look_by_client_id(request: Request) -> Call:
    client_id = request.query_params.get("client_order_id", "")
    problem = None if client_id else answers.refusal(422, 40010001, "client_order_id is required")
    return Call(op=Op.LOOK_BY_CLIENT_ID, target=client_id, problem=problem)


def _about_order(op: Op, request: Request) -> Call:
    """A call about the order that the path names; what is no UUID names none."""
    try:
        target = str(UUID(request.path_params["target"]))
    except ValueError:
        return Call(op=op, problem=_NO_ID)
    return Call(op=op, target=target, nested=is_nested(request.query_params))


def _order(op: Op) -> Callable[[Request], Awaitable[Call]]:
    async def call(request: Request) -> Call:
        return _about_order(op, request)

    return call


def _closing(op: Op) -> Callable[[Request], Awaitable[Call]]:
    async def call(request: Request) -> Call:
        target, wanted = request.path_params.get("target", ""), closing(request.query_params)
        if isinstance(wanted, Answer):
            return Call(op=op, target=target, problem=wanted)
        return Call(op=op, target=target, closing=wanted)

    return call


def _plain(op: Op) -> Callable[[Request], Awaitable[Call]]:
    async def call(request: Request) -> Call:
        return Call(op=op, target=request.path_params.get("target", ""))

    return call


#: Every route, and how a request on it becomes a call. Pairs of coins have a slash in their name.
ROUTES: tuple[tuple[str, str, Callable[[Request], Awaitable[Call]]], ...] = (
    ("GET", "/v2/orders/{target}", _order(Op.LOOK)),
    ("GET", "/v2/orders", _asking(Op.LIST, list_query)),
    ("POST", "/v2/orders", _submit),
    ("DELETE", "/v2/orders", _plain(Op.CANCEL_ALL)),
    ("GET", "/v2/orders:by_client_order_id", _look_by_client_id),
    ("PATCH", "/v2/orders/{target}", _replace),
    ("DELETE", "/v2/orders/{target}", _order(Op.CANCEL)),
    (
        "GET",
        "/v2/account/activities",
        _asking(Op.FILLS, lambda params: tape_query(params, params.get("activity_types", ""))),
    ),
    ("GET", "/v2/account/activities/{target}", _activities_of_type),
    ("GET", "/v2/positions", _plain(Op.POSITIONS)),
    ("DELETE", "/v2/positions", _closing(Op.CLOSE_POSITIONS)),
    ("GET", "/v2/positions/{target:path}", _plain(Op.POSITION)),
    ("DELETE", "/v2/positions/{target:path}", _closing(Op.CLOSE_POSITION)),
    ("GET", "/v2/account", _plain(Op.ACCOUNT)),
    ("GET", "/v2/clock", _plain(Op.CLOCK)),
    ("GET", "/v2/calendar", _asking(Op.CALENDAR, calendar_query)),
    ("GET", "/v2/assets", _asking(Op.ASSETS, assets_query)),
    ("GET", "/v2/assets/{target:path}", _plain(Op.ASSET)),
)
