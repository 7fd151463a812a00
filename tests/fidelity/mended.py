"""Alpaca's OpenAPI document as the tests hold the server to it: its known mistakes mended, its gaps closed."""

from __future__ import annotations

import copy
import functools
import re

from tests.fidelity.document import SERVED, Json, Operation, published

#: Numbers that a rounding error could spoil travel as plain decimals in strings, never as `1E+2`.
DECIMAL = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"
#: Statuses that every route can answer with and the document does not list for orders, positions and activities.
UNDOCUMENTED = (400, 401, 403, 404, 405, 413, 422, 429, 500, 502, 503, 504)
#: Those that a proxy in front of the API may answer in HTML.
MAY_BE_HTML = frozenset({401, 502, 503, 504})
#: Returned by the real server although the schema of an order does not have them.
UNDECLARED_IN_ORDER = frozenset({"source", "subtag"})
#: No longer sent since the rule of the pattern day trader was dropped.
GONE_FROM_ACCOUNT = frozenset({"daytrade_count", "daytrading_buying_power", "pattern_day_trader"})
#: Fields that the parent of a multi-leg order carries as "", as the document's own example does.
EMPTY_IN_MLEG = frozenset({"symbol", "asset_id", "asset_class", "side"})
#: Executions taken back or corrected: documented for the push routes only, with the execution that they are about.
UNDONE = ["trade_bust", "trade_correct"]
#: What the real client reads and the document does not know.
ENUM_GAPS = {
    "OrderStatus": ("pending_review",),
    "AssetClass": ("crypto_perp",),
    "Exchange": ("CRYPTO",),
    "ExchangeForPosition": ("CRYPTO",),
}


@functools.cache
def mended() -> Json:
    """The document with its mistakes mended, in OpenAPI 3.1: `nullable` has become a type, so it is plain JSON Schema.

    It is stricter than the published one wherever that says next to nothing: what every example shows is required,
    fields that nobody documented are not allowed, amounts are decimals.
    """
    document = _without_nullable(copy.deepcopy(published()))
    document["openapi"] = "3.1.0"
    schemas = document["components"]["schemas"]
    for name, values in ENUM_GAPS.items():
        schemas[name]["enum"] += values
    _mend_orders(schemas)
    _mend_the_rest(schemas)
    document["paths"] = {
        path: {
            method: _mended_operation(path, parts, item.get("parameters", []))
            for method, parts in item.items()
            if method in METHODS
        }
        for path, item in document["paths"].items()
    }
    return document


METHODS = ("get", "post", "put", "patch", "delete")


def _without_nullable(node: Json) -> Json:
    if isinstance(node, list):
        return [_without_nullable(part) for part in node]
    if not isinstance(node, dict):
        return node
    changed = {name: _without_nullable(part) for name, part in node.items() if not name.startswith("x-")}
    if changed.get("nullable") is True and isinstance(changed.get("type"), str):
        del changed["nullable"]
        changed["type"] = [changed["type"], "null"]
        if "enum" in changed:
            changed["enum"] = [*changed["enum"], None]
    return changed


def _mend_orders(schemas: Json) -> None:
    """An order has every field that all examples show, and times of creation, update and submission."""
    examples = published()["components"]["examples"]
    shown = [set(examples[f"{kind}OrderResponse"]["value"]) for kind in ("Equity", "Crypto", "Option", "IPO")]
    required = sorted(set.intersection(*shown) - UNDECLARED_IN_ORDER)
    for name in ("Order", "OrderLeg"):
        order = schemas[name]
        order["properties"] |= {extra: {"type": ["string", "null"]} for extra in UNDECLARED_IN_ORDER}
        order["properties"].setdefault("expires_at", {"type": "string", "format": "date-time"})
        order["properties"].setdefault("ratio_qty", {"type": ["string", "null"]})
        for always in ("updated_at", "submitted_at"):
            order["properties"][always]["type"] = "string"
        order["properties"]["order_type"] = {"$ref": "#/components/schemas/OrderType"}
        order["properties"]["filled_qty"]["pattern"] = DECIMAL
        _amounts(
            order, ("qty notional filled_avg_price limit_price stop_price trail_price trail_percent hwm ratio_qty")
        )
        order |= {"required": required, "additionalProperties": False}
    plain = schemas["PlainOrder"] = schemas["Order"]
    mleg, leg = copy.deepcopy(plain), copy.deepcopy(schemas["OrderLeg"])
    for name in EMPTY_IN_MLEG:
        mleg["properties"][name] = {"anyOf": [{"const": ""}, mleg["properties"][name]]}
    for name in ("type", "order_type"):
        leg["properties"][name] = {"anyOf": [{"const": ""}, leg["properties"][name]]}
    mleg["properties"]["legs"]["items"] = {"$ref": "#/components/schemas/MlegLeg"}
    schemas |= {"MlegOrder": mleg, "MlegLeg": leg}
    schemas["Order"] = {
        "if": {"properties": {"order_class": {"const": "mleg"}}},
        "then": {
            "if": {"properties": {"symbol": {"const": ""}}},
            "then": {"$ref": "#/components/schemas/MlegOrder"},
            "else": {"$ref": "#/components/schemas/MlegLeg"},  # a leg asked for by itself
        },
        "else": {"$ref": "#/components/schemas/PlainOrder"},
    }


def _mend_the_rest(schemas: Json) -> None:
    shown = published()["components"]["schemas"]
    position, account, fill = schemas["Position"], schemas["Account"], schemas["TradingActivities"]
    money = [name for name, part in position["properties"].items() if part.get("minLength") and name != "symbol"]
    _amounts(position, " ".join(money))
    position["required"] = sorted({*position["required"], *shown["Position"]["x-examples"]["example-2"]})
    in_account = shown["Account"]["x-examples"]["example-1"]
    account["required"] = sorted(set(in_account) - GONE_FROM_ACCOUNT)
    for gone in GONE_FROM_ACCOUNT:
        del account["properties"][gone]
    _amounts(account, " ".join(name for name in account["required"] if re.match(DECIMAL, str(in_account[name]))))
    fill["required"] = sorted(shown["TradingActivities"]["x-examples"]["example-1"])
    fill["properties"]["id"]["pattern"] = r"^[0-9]{17}::[0-9a-f-]{36}$"
    fill["properties"]["side"]["enum"] = ["buy", "sell", "sell_short"]
    fill["properties"]["type"]["enum"] += UNDONE
    fill["properties"]["previous_execution_id"] = {"type": "string", "format": "uuid"}
    other = schemas["NonTradeActivities"]
    other["properties"]["activity_type"] = {"allOf": [{"not": {"const": "FILL"}}, other["properties"]["activity_type"]]}
    other["required"] = ["activity_type", "id"]
    _amounts(fill, "price qty leaves_qty cum_qty")
    schemas["CanceledOrderResponse"]["required"] = ["id", "status"]
    # Where the broker refuses, `body` is its refusal and not an order.
    closed = schemas["PositionClosedReponse"]
    closed["properties"]["body"] = {"anyOf": [{"$ref": "#/components/schemas/Order"}, _ENVELOPE]}
    closed["required"] = ["symbol", "status", "body"]
    day = schemas["legacy_calendar_day"]["properties"]
    for name, pattern in {"open": "^[0-9]{2}:[0-9]{2}$", "session_open": "^[0-9]{4}$"}.items():
        day[name]["pattern"] = day[name.replace("open", "close")]["pattern"] = pattern
    for name in ("Position", "Account", "TradingActivities", "Assets", "PositionClosedReponse", "legacy_calendar_day"):
        schemas[name]["additionalProperties"] = False
    schemas["legacy_clock"]["additionalProperties"] = False


def _amounts(schema: Json, names: str) -> None:
    for name in names.split():
        if "string" in schema["properties"][name].get("type", ()):
            schema["properties"][name]["pattern"] = DECIMAL


#: The broker's refusals. Nobody promises the words; the code is part of the contract.
_ENVELOPE: Json = {
    "type": "object",
    "properties": {
        "code": {"type": "integer", "minimum": 40_000_000, "maximum": 59_999_999},
        "message": {"type": "string", "minLength": 1},
        **{
            name: {"type": "string", "pattern": DECIMAL}
            for name in "available balance base_price buying_power cost_basis existing_qty held_for_orders".split()
        },
        "symbol": {"type": "string", "minLength": 1},
        "related_orders": {"type": "array", "items": {"type": "string", "format": "uuid"}},
        # A potential wash trade names the order on the other side.
        "existing_order_id": {"type": "string", "format": "uuid"},
        "reject_reason": {"type": "string", "minLength": 1},
    },
    "required": ["code", "message"],
    "additionalProperties": False,
}
#: Keys that are not known: the one refusal of the API itself that has no code.
_UNAUTHORIZED: Json = {
    "type": "object",
    "properties": {"message": {"type": "string", "minLength": 1}},
    "required": ["message"],
    "additionalProperties": False,
}


def _mended_operation(path: str, operation: Json, shared: list[Json]) -> Json:
    operation["parameters"] = [*shared, *operation.get("parameters", [])]
    responses = operation["responses"]
    if path == "/v2/account/activities/{activity_type}":
        # Published as oneOf of two schemas without a required field: every row is an instance of both.
        items = responses["200"]["content"]["application/json"]["schema"]["items"]
        items["anyOf"] = items.pop("oneOf")
    for status in UNDOCUMENTED:
        content = {"application/json": {"schema": _UNAUTHORIZED if status == 401 else _ENVELOPE}}
        if status in MAY_BE_HTML:
            content["text/html"] = {"schema": {"type": "string"}}
        described = {"description": "not documented"} | responses.get(str(status), {})
        responses[str(status)] = ({} if "$ref" in described else described) | {
            "description": "an error",
            "content": content,
        }
    return operation


@functools.cache
def only_served() -> Json:
    """The mended document, cut down to the routes that the simulator has."""
    document = copy.deepcopy(mended())
    document["paths"] = {
        path: {method: parts for method, parts in item.items() if Operation(method.upper(), path) in SERVED}
        for path, item in document["paths"].items()
        if any(operation.path == path for operation in SERVED)
    }
    return document
