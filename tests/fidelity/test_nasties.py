"""Requests that nobody should send: each gets the broker's own refusal, none a failure, and the server goes on."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.fidelity.document import SERVED, Operation
from tests.fidelity.offline import Offline

GOOD: dict[str, Any] = {
    "symbol": "AAPL",
    "side": "buy",
    "type": "limit",
    "time_in_force": "day",
    "qty": "1",
    "limit_price": "1.5",
}
MEGABYTE = 1_048_576
ORDER = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def client(broker: Offline) -> Iterator[httpx.Client]:
    """A client that sends what it is told to; afterwards the server still answers."""
    with httpx.Client(base_url=broker.address.url, headers=broker.headers(), trust_env=False, timeout=20.0) as asking:
        yield asking
        assert asking.get("/v2/clock").status_code == 200


def refused(answer: httpx.Response) -> bool:
    """Whether it is a refusal in the broker's envelope."""
    body = answer.json()
    return 400 <= answer.status_code < 500 and isinstance(body["code"], int) and bool(body["message"])


NO_ORDERS: dict[str, bytes] = {
    "nothing": b"",
    "half an object": b"{",
    "null": b"null",
    "true": b"true",
    "a number": b"1",
    "a text": b'"x"',
    "a list": b"[]",
    "an empty object": b"{}",
    "NUL": b"\x00",
    "NUL after the order": json.dumps(GOOD).encode() + b"\x00",
    "two orders": json.dumps(GOOD).encode() * 2,
    "no UTF-8": b'{"symbol": "\xff\xfe"}',
    "a list deep as a well": b"[" * 100_000,
    "an object deep as a well": b'{"a":' * 100_000,
    "closed deep lists": b'{"legs":' + b"[" * 900 + b"]" * 900 + b"}",
    "a number of 5,000 digits": b'{"qty": ' + b"1" * 5_000 + b"}",
    "a megabyte of spaces": b" " * (MEGABYTE + 1) + json.dumps(GOOD).encode(),
    "a megabyte of symbol": json.dumps(GOOD | {"symbol": "A" * MEGABYTE}).encode(),
    "five megabytes": b"x" * (5 * MEGABYTE),
    "a form": b"symbol=AAPL&qty=1&side=buy&type=market&time_in_force=day",
    "XML": b"<order><symbol>AAPL</symbol></order>",
}


@pytest.mark.parametrize("method_and_path", ["POST /v2/orders", f"PATCH /v2/orders/{ORDER}"])
@pytest.mark.parametrize("content", NO_ORDERS.values(), ids=NO_ORDERS.keys())
def test_a_body_that_is_no_order_is_refused(client: httpx.Client, method_and_path: str, content: bytes) -> None:
    method, path = method_and_path.split()
    answer = client.request(method, path, content=content)
    assert refused(answer), answer.text
    assert answer.status_code in (400, 404, 413, 422)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "x"])
def test_an_order_is_an_order_whatever_its_content_type(client: httpx.Client, kind: str) -> None:
    answer = client.post("/v2/orders", content=json.dumps(GOOD).encode(), headers={"Content-Type": kind})
    assert answer.status_code == 200 or refused(answer)


AMOUNTS: list[object] = [
    *("", " ", "1 2", "1_000", "0x10", "one", "NaN", "Infinity", "-Infinity", "1e999", "1e-999", "１２", "٣", "1\x00"),
    *(True, [], {}, [1], {"a": 1}, 0, -1, 1e300, 10**400, float("nan"), float("inf"), "0", "-1", "9" * 100_000),
]
WORDS: list[object] = [
    *("", "\x00", "A\x00B", "\ud800", "🦆", "\u202eAAPL", "A" * 100_000, "../../etc/passwd", "AAPL\r\nX: y", "null"),
    *(1, 1.5, True, [], {}, ["AAPL"], {"a": "b"}),
]
HOSTILE: dict[str, list[object]] = {
    **dict.fromkeys(("qty", "limit_price"), AMOUNTS),
    **dict.fromkeys(("side", "type", "time_in_force", "symbol"), WORDS),
    "order_class": WORDS[1:],
    "take_profit": [1, "x", [], {"limit_price": "x"}, {"limit_price": []}],
    "stop_loss": [1, "x", [], {"stop_price": {}}, {"stop_price": "NaN"}],
    "legs": [1, "x", {}, [1], [{}], [None], [{"symbol": []}]],
    "client_order_id": ["x" * 129, [], {}, 1],
    "extended_hours": ["maybe", [], {}],
    "position_intent": ["open", [], {}, 1],
}


def test_hostile_values_are_refused_or_harmless(client: httpx.Client) -> None:
    for name, value in ((name, value) for name, values in HOSTILE.items() for value in values):
        content = json.dumps(GOOD | {name: value}).encode()
        answer = client.post("/v2/orders", content=content)
        what = f"{name}={str(value)[:40]!r}: {answer.status_code} {answer.text[:200]}"
        assert answer.status_code == 200 or refused(answer), what
        if name in ("qty", "limit_price", "side", "type", "time_in_force"):
            assert answer.status_code != 200, what


def test_hostile_values_in_a_replacement(client: httpx.Client) -> None:
    placed = client.post("/v2/orders", json=GOOD).json()["id"]
    for name in ("qty", "limit_price", "stop_price", "trail", "time_in_force", "client_order_id", "notional"):
        for value in (*AMOUNTS, *WORDS):
            answer = client.patch(f"/v2/orders/{placed}", content=json.dumps({name: value}).encode())
            assert answer.status_code == 200 or refused(answer), f"{name}={str(value)[:40]!r}: {answer.text[:200]}"


TIMES = (
    "0000-00-00",
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+23:59",
    "1e9",
    "2026-06-15T14:30:00Z extra",
    "%00",
)
NUMBERS = ("0", "-1", "501", "1e2", "1.5", "x", "", "٣", "9" * 5_000, "%00", "+5")
QUERIES: dict[str, tuple[str, ...]] = {
    "/v2/orders?limit=": NUMBERS,
    "/v2/orders?status=": ("some", "", "%00", "%FF", "%F0%9F%A6%86"),
    "/v2/orders?after=": TIMES,
    "/v2/orders?until=": TIMES,
    "/v2/orders?direction=": ("up", "%00"),
    "/v2/orders?side=": ("hold", "%00"),
    "/v2/orders?asset_class=": ("%00", "duck", ",,"),
    "/v2/orders?nested=": ("perhaps", "%00"),
    "/v2/orders?symbols=": (",,,", "%00", "%F0%9F%A6%86", "A," * 5_000),
    "/v2/orders?before_order_id=": ("x", "%00", ORDER),
    "/v2/orders?after_order_id=": ("x", "%00", ORDER),
    f"/v2/orders?after_order_id={ORDER}&before_order_id=": (ORDER,),
    "/v2/orders:by_client_order_id?client_order_id=": ("", "%00", "%FF", "x" * 10_000),
    "/v2/orders/": ("%00", "%2F", "%2e%2e", "..%2f..%2fetc", "%F0%9F%A6%86", "x" * 10_000, f"{ORDER}?nested=perhaps"),
    "/v2/account/activities?page_size=": NUMBERS,
    "/v2/account/activities?page_token=": ("x", "%00", "::", "x" * 10_000),
    "/v2/account/activities?date=": TIMES,
    "/v2/account/activities?after=": TIMES,
    "/v2/account/activities?activity_types=": ("x", ",", "%00"),
    "/v2/account/activities?category=": ("x", "%00"),
    "/v2/account/activities/": ("x", "%00", "FILL%00", "%F0%9F%A6%86"),
    "/v2/positions/": ("%00", "BTC%2FUSD", "%F0%9F%A6%86", "x" * 10_000, ORDER),
    "/v2/assets/": ("%00", "BTC%2FUSD", "%F0%9F%A6%86", "x" * 10_000, ORDER),
    "/v2/assets?asset_class=": ("x", "%00"),
    "/v2/assets?status=": ("x", "%00"),
    "/v2/calendar?start=": TIMES,
    "/v2/calendar?end=": TIMES,
    "/v2/calendar?date_type=": ("x", "%00"),
    "/v2/clock?": ("%00", "a=1&a=2", "&&&===", "%"),
}


def test_hostile_queries_are_refused_or_harmless(client: httpx.Client) -> None:
    for start, ends in QUERIES.items():
        for end in ends:
            answer = client.get(start + end)
            what = f"{start}{end[:40]}: {answer.status_code} {answer.text[:200]}"
            assert answer.status_code == 200 or refused(answer), what


@pytest.mark.parametrize(
    "query", ["status=all&status=open", "limit=1&limit=2", "symbols=A&symbols=B", "after=x&after=2026-01-01", "a=1&a=2"]
)
def test_a_parameter_given_twice(client: httpx.Client, query: str) -> None:
    answer = client.get(f"/v2/orders?{query}")
    assert answer.status_code == 200 or refused(answer)


@pytest.mark.parametrize("how", ["qty=0", "qty=-1", "qty=x", "percentage=101", "percentage=NaN", "qty=1&percentage=1"])
def test_closing_in_an_impossible_way(client: httpx.Client, how: str) -> None:
    assert refused(client.delete(f"/v2/positions/AAPL?{how}"))


PLACES = [
    "/",
    "/v2",
    "/v1/orders",
    "/v2/orders/",
    "/v2/orders/x/y",
    "//v2//orders",
    "/v2/%6Frder",
    "/v2/ORDERS",
    "/v3/clock",
]


@pytest.mark.parametrize("path", PLACES)
def test_what_is_not_there_is_not_found(client: httpx.Client, path: str) -> None:
    answer = client.get(path, follow_redirects=False)
    assert refused(answer)
    assert answer.status_code == 404


@pytest.mark.parametrize("method", ["PUT", "OPTIONS", "TRACE", "FOO", "PATCH"])
def test_methods_that_do_not_go(client: httpx.Client, method: str) -> None:
    assert refused(client.request(method, "/v2/orders"))
    assert refused(client.request(method, "/v2/clock"))


KEYS = [
    {"APCA-API-KEY-ID": "x" * 10_000, "APCA-API-SECRET-KEY": "y"},
    {"APCA-API-KEY-ID": "", "APCA-API-SECRET-KEY": ""},
    {"APCA-API-KEY-ID": b"\xff\xfe", "APCA-API-SECRET-KEY": b"\xe9"},
    {"Authorization": "Basic"},
    {"Authorization": "Basic \xff".encode("latin-1")},
    {"Authorization": "Basic " + "A" * 10_001},
    {"Authorization": "Bearer token"},
    {"Authorization": ""},
]


@pytest.mark.parametrize("headers", KEYS, ids=range(len(KEYS)))
def test_keys_of_every_kind(broker: Offline, headers: dict[str, Any]) -> None:
    answer = httpx.get(f"{broker.address.url}/v2/account", headers=headers, trust_env=False)
    assert answer.status_code == 401


@pytest.mark.parametrize("operation", SERVED, ids=str)
def test_keys_come_before_everything_else(broker: Offline, operation: Operation) -> None:
    path = re.sub(r"\{[^}]*\}", ORDER, operation.path)
    with httpx.Client(base_url=broker.address.url, trust_env=False) as stranger:
        wrong = {"APCA-API-KEY-ID": broker.address.key, "APCA-API-SECRET-KEY": "y"}
        refused_ = stranger.request(operation.method, path, content=b"{", headers=wrong)
        assert (refused_.status_code, refused_.json()) == (401, {"message": "unauthorized."})
        assert stranger.request(operation.method, path, content=b"{").status_code == 401


NO_HTTP = [
    b"GET /v2/clock\r\n\r\n",
    b"\x00\x01\x02\x03\r\n\r\n",
    b"GET /v2/clock HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
    b"GET /v2/clock HTTP/1.1\r\nHost: x\r\nBad Header\r\n\r\n",
    b"POST /v2/orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /v2/orders?" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v2/clock HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
]


@pytest.mark.parametrize("sent", NO_HTTP, ids=range(len(NO_HTTP)))
def test_what_is_no_http_is_turned_away(broker: Offline, client: httpx.Client, sent: bytes) -> None:
    host, port = broker.address.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5.0) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        first = connection.makefile("rb").readline()
    assert first == b"" or first.startswith(b"HTTP/1.1 4")


def test_a_client_that_hangs_up_in_the_middle_of_its_order(broker: Offline, client: httpx.Client) -> None:
    host, port = broker.address.url.removeprefix("http://").split(":")
    head = f"POST /v2/orders HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\n{{".encode()
    with socket.create_connection((host, int(port)), timeout=5.0) as connection:
        connection.sendall(head)
    assert client.get("/v2/orders").json() == []
