"""What is wrong with an exchange: held to the OpenAPI document, and read with the real client's models."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import jsonschema_rs
from pydantic import TypeAdapter, ValidationError

from tests.fidelity.alpaca_client import (
    Asset,
    Calendar,
    CancelOrderResponse,
    Clock,
    ClosePositionResponse,
    Order,
    Position,
    TradeAccount,
)
from tests.fidelity.document import Operation, operation_at
from tests.fidelity.mended import mended
from tests.fidelity.witness import Exchange

#: Served although the document does not have them: push routes, and the simulator's own door.
BESIDE_THE_DOCUMENT = ("/stream", "/v2/events/trades", "/sim")
#: How the first digits of a code go with the status: 422 has two families.
CODES: Mapping[int, tuple[int, ...]] = MappingProxyType({422: (422, 400), 403: (403, 401)})
RATE_HEADERS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")


def against_document(exchange: Exchange) -> list[str]:
    """Everything in which the answer differs from the mended document; nothing for routes beside it."""
    if exchange.path.startswith(BESIDE_THE_DOCUMENT):
        return []
    return list(_differences(exchange, operation_at(exchange.method, exchange.path)))


def _differences(exchange: Exchange, operation: Operation | None) -> Iterator[str]:
    status = exchange.status
    if operation is None and status not in (401, 404, 405):
        yield f"the document has no such operation, the server answers {status}"
        return
    if status >= 500:
        yield f"status {status}"
    if status >= 400:
        yield from _refusal_differences(exchange)
    if operation is None:
        return
    content = _responses(operation).get(str(status))
    if content is None:
        yield f"status {status} is not documented"
    elif not content:
        if exchange.body:
            yield f"status {status} has a body, the document has none"
    elif not exchange.is_json:
        if (kind := exchange.headers.get("content-type", "").partition(";")[0]) not in content:
            yield f"content type {kind!r} is not documented"
    else:
        yield from _body_differences(exchange, operation)
    if status < 400:
        yield from (f"no whole number in the header {name}" for name in RATE_HEADERS if not _whole(exchange, name))


def _whole(exchange: Exchange, name: str) -> bool:
    return exchange.headers.get(name, "").isdecimal()


def _body_differences(exchange: Exchange, operation: Operation) -> Iterator[str]:
    try:
        body = exchange.json()
    except ValueError as error:
        yield f"no JSON: {error}"
        return
    yield from _wrong(_validator(operation, exchange.status), body)


def _wrong(validator: jsonschema_rs.Draft202012Validator, body: object) -> Iterator[str]:
    for difference in validator.iter_errors(body):
        where = "/".join(map(str, difference.instance_path))
        yield f"at /{where}: {difference.message[:300]}"


def _refusal_differences(exchange: Exchange) -> Iterator[str]:
    """A refusal's code begins with its status, or with one that the broker is known to mix it with."""
    if not exchange.is_json:
        return
    try:
        body = exchange.json()
    except ValueError:
        return
    code = body.get("code") if isinstance(body, dict) else None
    if isinstance(code, int) and code // 100_000 not in CODES.get(exchange.status, (exchange.status,)):
        yield f"code {code} with status {exchange.status}"


def _responses(operation: Operation) -> Mapping[str, Mapping[str, Any]]:
    responses = mended()["paths"][operation.path][operation.method.lower()]["responses"]
    return {status: response.get("content", {}) for status, response in responses.items()}


@functools.cache
def _validator(operation: Operation, status: int) -> jsonschema_rs.Draft202012Validator:
    content = _responses(operation)[str(status)]
    schema = {**content["application/json"]["schema"], "components": mended()["components"]}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def against_document_order(order: object) -> list[str]:
    """In what an order that was pushed, not answered, differs from the document's."""
    schema = {"$ref": "#/components/schemas/Order", "components": mended()["components"]}
    return list(_wrong(jsonschema_rs.Draft202012Validator(schema, validate_formats=True), order))


#: What alpaca-py makes of each answer. Activities have no model that fits: it wants an account id that rows lack.
MODELS: Mapping[str, TypeAdapter[Any]] = MappingProxyType(
    {
        "POST /v2/orders": TypeAdapter(Order),
        "GET /v2/orders": TypeAdapter(list[Order]),
        "DELETE /v2/orders": TypeAdapter(list[CancelOrderResponse]),
        "GET /v2/orders:by_client_order_id": TypeAdapter(Order),
        "GET /v2/orders/{order_id}": TypeAdapter(Order),
        "PATCH /v2/orders/{order_id}": TypeAdapter(Order),
        "GET /v2/positions": TypeAdapter(list[Position]),
        "DELETE /v2/positions": TypeAdapter(list[ClosePositionResponse]),
        "GET /v2/positions/{symbol_or_asset_id}": TypeAdapter(Position),
        "DELETE /v2/positions/{symbol_or_asset_id}": TypeAdapter(Order),
        "GET /v2/account": TypeAdapter(TradeAccount),
        "GET /v2/clock": TypeAdapter(Clock),
        "GET /v2/calendar": TypeAdapter(list[Calendar]),
        "GET /v2/assets": TypeAdapter(list[Asset]),
        "GET /v2/assets/{symbol_or_asset_id}": TypeAdapter(Asset),
    }
)


def against_client(exchange: Exchange) -> list[str]:
    """Why alpaca-py could not read the answer, or would not know the refusal's code and message."""
    operation = operation_at(exchange.method, exchange.path)
    name = "" if operation is None else str(operation)
    if exchange.status >= 400 or name not in MODELS:
        return []
    try:
        MODELS[name].validate_python(exchange.json())
    except (ValidationError, ValueError, TypeError, KeyError) as error:
        return [f"alpaca-py: {' '.join(str(error).split())[:300]}"]
    return []
