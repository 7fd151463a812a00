"""The routes of the HTTP API, and how a request on each becomes a call at the door of the world."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request

from fillwatch.simulator import answers
from fillwatch.simulator.answers import Answer, Call, Op, Query
from fillwatch.simulator.intake import list_query, order_request, tape_query

#: An order is a few hundred bytes.
LONGEST_BODY = 65_536


async def _list_orders(request: Request) -> Call:
    return _asking(Op.LIST, list_query(request.query_params))


async def _activities(request: Request) -> Call:
    return _asking(Op.FILLS, tape_query(request.query_params, request.query_params.get("activity_types", "")))


async def _activities_of_type(request: Request) -> Call:
    return _asking(Op.FILLS, tape_query(request.query_params, request.path_params["target"]))


def _asking(op: Op, query: Query | Answer) -> Call:
    return Call(op=op, problem=query) if isinstance(query, Answer) else Call(op=op, query=query)


async def _submit(request: Request) -> Call:
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > LONGEST_BODY:
            return Call(op=Op.SUBMIT, problem=answers.refusal(413, 41310000, "request body is too large"))
    order = order_request(raw)
    if isinstance(order, Answer):
        return Call(op=Op.SUBMIT, problem=order)
    return Call(op=Op.SUBMIT, target=order.client_order_id or "", order=order)


async def _look_by_client_id(request: Request) -> Call:
    client_id = request.query_params.get("client_order_id", "")
    problem = None if client_id else answers.refusal(422, 40010001, "client_order_id is required")
    return Call(op=Op.LOOK_BY_CLIENT_ID, target=client_id, problem=problem)


def _plain(op: Op) -> Callable[[Request], Awaitable[Call]]:
    async def call(request: Request) -> Call:
        return Call(op=op, target=request.path_params.get("target", ""))

    return call


#: Every route, and how a request on it becomes a call.
ROUTES: tuple[tuple[str, str, Callable[[Request], Awaitable[Call]]], ...] = (
    ("GET", "/v2/orders", _list_orders),
    ("POST", "/v2/orders", _submit),
    ("DELETE", "/v2/orders", _plain(Op.CANCEL_ALL)),
    ("GET", "/v2/orders:by_client_order_id", _look_by_client_id),
    ("GET", "/v2/orders/{target}", _plain(Op.LOOK)),
    ("DELETE", "/v2/orders/{target}", _plain(Op.CANCEL)),
    ("GET", "/v2/account/activities", _activities),
    ("GET", "/v2/account/activities/{target}", _activities_of_type),
    ("GET", "/v2/positions", _plain(Op.POSITIONS)),
    ("GET", "/v2/positions/{target}", _plain(Op.POSITION)),
    ("GET", "/v2/account", _plain(Op.ACCOUNT)),
    ("GET", "/v2/clock", _plain(Op.CLOCK)),
)
