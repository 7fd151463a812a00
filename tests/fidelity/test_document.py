"""The mended document: which operations, which mistakes, and that each verdict can condemn."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from fillwatch.simulator.routes import ROUTES
from tests.fidelity import document
from tests.fidelity.document import SERVED, Operation
from tests.fidelity.verdicts import against_client, against_document
from tests.fidelity.witness import Exchange

JSON = {
    "content-type": "application/json",
    **dict.fromkeys(("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"), "200"),
}


def shape(path: str) -> str:
    """The path without the names of its parameters."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def test_the_simulator_serves_exactly_these_operations() -> None:
    routes = {(method, shape(path)) for method, path, *_ in ROUTES}
    assert routes == {(operation.method, shape(operation.path)) for operation in SERVED}


@pytest.mark.usefixtures("needs_document")
def test_every_operation_served_is_in_the_document() -> None:
    paths = document.published()["paths"]
    assert [str(one) for one in SERVED if one.method.lower() not in paths.get(one.path, {})] == []


def test_a_path_is_matched_to_its_operation() -> None:
    found = [
        document.operation_at("GET", path)
        for path in ("/v2/orders", "/v2/orders/x", "/v2/orders:by_client_order_id", "/v2/orders/x/y", "/v2/account")
    ]
    assert found == [
        Operation("GET", "/v2/orders"),
        Operation("GET", "/v2/orders/{order_id}"),
        Operation("GET", "/v2/orders:by_client_order_id"),
        None,
        Operation("GET", "/v2/account"),
    ]


def order(**changed: object) -> dict[str, Any]:
    """The document's own example of an order, without the fields that it does not document."""
    example = document.published()["components"]["examples"]["EquityOrderResponse"]["value"]
    return {**copy.deepcopy(example), **changed}


def seen(body: object, method: str = "GET", path: str = "/v2/orders/7", status: int = 200) -> Exchange:
    return Exchange(method=method, path=path, status=status, headers=JSON, body=json.dumps(body).encode())


@pytest.mark.usefixtures("needs_document")
@pytest.mark.parametrize("kind", ["Equity", "Crypto", "Option", "MultilegOptions", "IPO"])
def test_the_documents_own_examples_pass(kind: str) -> None:
    example = document.published()["components"]["examples"][f"{kind}OrderResponse"]["value"]
    assert against_document(seen(example)) == []


@pytest.mark.usefixtures("needs_document")
def test_a_row_of_the_tape_passes_on_both_routes() -> None:
    row = document.published()["components"]["schemas"]["TradingActivities"]["x-examples"]["example-1"]
    for path in ("/v2/account/activities", "/v2/account/activities/FILL"):
        assert against_document(seen([row], path=path)) == []
        assert against_document(seen([row | {"qty": 2}], path=path)) != []
        assert against_document(seen([row | {"surprise": "2"}], path=path)) != []
        assert against_document(seen([{"id": row["id"], "activity_type": "DIV"}], path=path)) == []


BAD_ORDERS: list[dict[str, object]] = [
    {"qty": 2},
    {"qty": "1E+2"},
    {"filled_qty": None},
    {"expires_at": None},
    {"position_intent": None},
    {"position_intent": "open"},
    {"status": "done"},
    {"id": "7"},
    {"created_at": "2023-12-12"},
    {"updated_at": None},
    {"submitted_at": None},
    {"side": ""},
    {"type": ""},
    {"symbol": ""},
    {"order_class": None},
    {"surprise": 1},
    {"legs": [{}]},
]


@pytest.mark.usefixtures("needs_document")
@pytest.mark.parametrize("changed", BAD_ORDERS, ids=repr)
def test_a_bad_order_is_condemned(changed: dict[str, object]) -> None:
    assert against_document(seen(order(**changed))) != []


@pytest.mark.usefixtures("needs_document")
@pytest.mark.parametrize("name", ["client_order_id", "hwm", "order_type", "symbol", "extended_hours"])
def test_a_missing_field_is_condemned(name: str) -> None:
    body = order()
    del body[name]
    assert against_document(seen(body)) != []


BAD_ANSWERS = [
    pytest.param({"status": 201}, id="undocumented success"),
    pytest.param({"status": 500, "body": b'{"code": 50010000, "message": "x"}'}, id="a failure"),
    pytest.param({"status": 404, "body": b'{"code": 42210000, "message": "x"}'}, id="a code of another status"),
    pytest.param({"status": 404, "body": b'{"message": "x"}'}, id="no code"),
    pytest.param({"status": 404, "body": b'{"code": 40410000, "message": ""}'}, id="no message"),
    pytest.param({"status": 404, "body": b"[]"}, id="no envelope"),
    pytest.param({"status": 404, "body": b"{"}, id="no JSON"),
    pytest.param({"status": 404, "headers": {"content-type": "text/html"}}, id="HTML where the API answers"),
    pytest.param({"headers": {"content-type": "application/json"}}, id="no rate limit"),
    pytest.param({"headers": {**JSON, "x-ratelimit-reset": "soon"}}, id="a rate limit in words"),
    pytest.param({"method": "DELETE", "status": 204}, id="a body where there is none"),
    pytest.param({"path": "/v2/orders/7/8"}, id="no such route"),
]


@pytest.mark.usefixtures("needs_document")
@pytest.mark.parametrize("changed", BAD_ANSWERS)
def test_a_bad_answer_is_condemned(changed: dict[str, Any]) -> None:
    assert against_document(replace(seen(order()), **changed)) != []


@pytest.mark.parametrize(("name", "bad"), [("id", "7"), ("submitted_at", None), ("status", "done"), ("legs", 1)])
@pytest.mark.usefixtures("needs_document")
def test_what_the_real_client_cannot_read_is_condemned(name: str, bad: object) -> None:
    assert against_client(seen(order())) == []
    assert against_client(seen(order(**{name: bad}))) != []
