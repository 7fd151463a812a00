"""New orders over HTTP: which of them the broker refuses, in which words; and nothing sent is an error of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fillwatch.simulator import Fate
from tests.simulator.callers import Caller

FORM, RULE, ACCOUNT = (422, 40010001), (422, 42210000), (403, 40310000)
LIMIT = {"type": "limit", "limit_price": "90"}
EXITS = {"take_profit": {"limit_price": "110"}, "stop_loss": {"stop_price": "90"}}
FRACTION = {"qty": "1.5"}

REFUSED: list[tuple[str, dict[str, Any], tuple[int, int], str]] = [
    ("no quantity", {"qty": None}, FORM, "qty or notional is required"),
    ("two quantities", {"notional": "5"}, FORM, "only one of qty or notional is accepted"),
    ("nothing", {"qty": "0"}, FORM, "qty must be > 0"),
    ("less than nothing", {"qty": -1}, FORM, "qty must be > 0"),
    ("words", {"qty": "ten"}, FORM, "qty must be a number"),
    ("digits of another script", {"qty": "\uff11\uff12"}, FORM, "qty must be a number"),
    ("underscores", {"qty": "1_000"}, FORM, "qty must be a number"),
    ("truth", {"qty": True}, FORM, "qty must be a number"),
    ("ten places", {"qty": "1.0000000001"}, RULE, "qty must be limited to 9 decimal places"),
    ("no symbol", {"symbol": None}, FORM, "symbol is required"),
    ("a number for a symbol", {"symbol": 3}, FORM, "invalid symbol"),
    ("an unknown symbol", {"symbol": "NOPE"}, RULE, 'asset "NOPE" not found'),
    ("an ill-formed symbol", {"symbol": "AAPL.US.X"}, RULE, 'asset "AAPL.US.X" not found'),
    ("a halted symbol", {"symbol": "HALT"}, RULE, 'asset "HALT" is not tradable'),
    ("no side", {"side": None}, FORM, "side is required"),
    ("a third side", {"side": "hold"}, FORM, "invalid side"),
    ("no type", {"type": None}, FORM, "type is required"),
    ("another type", {"type": "iceberg"}, FORM, "invalid order type"),
    ("another time in force", {"time_in_force": "gtd"}, FORM, "invalid time_in_force"),
    ("another class", {"order_class": "pair"}, FORM, "invalid order_class"),
    ("another intent", {"position_intent": "buy"}, FORM, "invalid position_intent"),
    ("extended hours by word", {"extended_hours": "yes"}, FORM, "extended_hours must be true or false"),
    ("a long client id", {"client_order_id": "x" * 129}, FORM, "client_order_id must be no more than 128 characters"),
    ("market with a limit", {"limit_price": "1"}, FORM, "market orders require no stop or limit price"),
    ("market with a trail", {"trail_price": "1"}, FORM, "market orders must not have trail_price"),
    ("limit without", {"type": "limit"}, FORM, "limit orders require a limit price"),
    ("limit with a stop", {**LIMIT, "stop_price": "3"}, FORM, "limit orders require only limit price"),
    ("limit of nothing", {"type": "limit", "limit_price": "0"}, FORM, "limit price must be > 0"),
    ("stop without", {"type": "stop"}, FORM, "stop orders require a stop price"),
    ("stop with a limit", {"type": "stop", "stop_price": "110", "limit_price": "3"}, FORM, "only stop price"),
    ("half a stop limit", {"type": "stop_limit", "stop_price": "110"}, FORM, "require both stop and limit price"),
    ("no trail", {"type": "trailing_stop"}, FORM, "must specify one of trail_price or trail_percent"),
    ("two trails", {"type": "trailing_stop", "trail_price": 1, "trail_percent": 1}, FORM, "must specify one of"),
    ("a short trail", {"type": "trailing_stop", "trail_percent": "0.05"}, FORM, "greater than or equal to 0.1"),
    ("a part of a cent", {**LIMIT, "limit_price": "90.001"}, RULE, "sub-penny increment does not fulfill"),
    ("less than a pip", {**LIMIT, "limit_price": "0.00011"}, RULE, "invalid limit_price 0.00011. sub-penny"),
    ("a stop of parts", {"type": "stop", "stop_price": "110.001"}, RULE, "invalid stop_price 110.001. sub-penny"),
    ("a late stop", {"type": "stop", "stop_price": "99"}, RULE, "stop price must be greater than current price"),
    (
        "a stop at once",
        {"type": "stop", "time_in_force": "ioc", "stop_price": "110"},
        RULE,
        "must be DAY or GTC orders",
    ),
    ("extended market", {"extended_hours": True}, RULE, "extended hours order must be DAY or GTC limit orders"),
    (
        "extended ioc",
        {**LIMIT, "extended_hours": True, "time_in_force": "ioc"},
        RULE,
        "must be DAY or GTC limit orders",
    ),
    ("fractions for long", {**FRACTION, "time_in_force": "gtc"}, RULE, "fractional orders must be DAY orders"),
    ("fractions with exits", {**FRACTION, "order_class": "bracket", **EXITS}, RULE, "must be simple orders"),
    ("fractions that trail", {**FRACTION, "type": "trailing_stop", "trail_price": 1}, RULE, "not be trailing stop"),
    ("not to be divided", {**FRACTION, "symbol": "NOFR"}, ACCOUNT, 'asset "NOFR" is not fractionable'),
    ("money not to be divided", {"qty": None, "notional": 9, "symbol": "NOFR"}, ACCOUNT, "is not fractionable"),
    ("too little money", {"qty": None, "notional": "0.5"}, FORM, "notional must be >= 1.00"),
    ("parts of a cent of money", {"qty": None, "notional": "5.001"}, RULE, "limited to 2 decimal places"),
    ("coins by the day", {"symbol": "BTC/USD"}, FORM, "invalid crypto time_in_force"),
    (
        "coins with a stop",
        {"symbol": "BTC/USD", "time_in_force": "gtc", "type": "stop", "stop_price": "9"},
        RULE,
        "invalid order type for crypto order",
    ),
    (
        "coins with exits",
        {"symbol": "BTC/USD", "time_in_force": "gtc", "order_class": "bracket", **EXITS},
        RULE,
        "crypto",
    ),
    (
        "half a bracket",
        {"order_class": "bracket", "stop_loss": {"stop_price": 90}},
        FORM,
        "require take_profit.limit_price",
    ),
    ("no exit", {"order_class": "oto"}, FORM, "oto orders require either take_profit or stop_loss"),
    ("exits without a class", EXITS, FORM, "take_profit and stop_loss need an order_class"),
    (
        "a limit without a stop",
        {"order_class": "oto", "stop_loss": {"limit_price": 90}},
        FORM,
        "stop_price is required",
    ),
    (
        "a bracket at once",
        {"order_class": "bracket", "time_in_force": "ioc", **EXITS},
        RULE,
        "must be DAY or GTC orders",
    ),
    (
        "exits the wrong way round",
        {"order_class": "bracket", "take_profit": {"limit_price": 90}, "stop_loss": {"stop_price": 110}},
        RULE,
        "take_profit.limit_price must be > stop_loss.stop_price",
    ),
    (
        "a profit below the price",
        {"order_class": "oto", "take_profit": {"limit_price": "100"}},
        RULE,
        "take_profit.limit_price must be >= base_price + 0.01",
    ),
    (
        "a loss above the limit",
        {**LIMIT, "order_class": "oto", "stop_loss": {"stop_price": "90"}},
        RULE,
        "stop_loss.stop_price must be <= base_price - 0.01",
    ),
    (
        "nothing to get out of",
        {"side": "sell", "type": "limit", "order_class": "oco", **EXITS},
        RULE,
        "must be exit orders",
    ),
    ("one leg", {"order_class": "mleg", "legs": [{"symbol": "A", "ratio_qty": 1}]}, RULE, "at least 2 legs"),
    (
        "algorithms",
        {"advanced_instructions": {"algorithm": "VWAP"}},
        ACCOUNT,
        "not allowed to use advanced_instructions",
    ),
    ("too dear", {"qty": "1e7"}, ACCOUNT, "insufficient buying power"),
]


@pytest.mark.parametrize(("fields", "codes", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_an_order_is_refused_in_the_brokers_words(fields: dict[str, Any], codes: tuple[int, int], message: str) -> None:
    caller = Caller().price("AAPL", "100")
    status, answer = caller.post(**fields)
    assert (status, answer["code"]) == codes, answer
    assert message in answer["message"]
    assert caller.get("/v2/orders?status=all") == [], "nothing was placed"


ACCEPTED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("market", {}, {"type": "market", "qty": "10", "order_class": ""}),
    ("fractions", FRACTION, {"qty": "1.5"}),
    ("fractions with a limit", {**LIMIT, **FRACTION, "extended_hours": True}, {"extended_hours": True}),
    ("money", {"qty": None, "notional": 12.5}, {"qty": None, "notional": "12.5"}),
    ("a limit in numbers", {"type": "limit", "limit_price": 90.5}, {"limit_price": "90.5"}),
    ("a limit below one", {"type": "limit", "limit_price": "0.1234"}, {"limit_price": "0.1234"}),
    ("a stop", {"type": "stop", "stop_price": "110"}, {"stop_price": "110"}),
    ("a trailing stop", {"type": "trailing_stop", "trail_percent": "2"}, {"trail_percent": "2", "trail_price": None}),
    ("an intent", {"position_intent": "buy_to_open"}, {"position_intent": "buy_to_open"}),
    ("a class by name", {"order_class": "simple"}, {"order_class": ""}),
    ("a bracket", {"order_class": "bracket", **EXITS}, {"order_class": "bracket"}),
    ("coins", {"symbol": "BTC/USD", "qty": "0.25", "time_in_force": "gtc"}, {"asset_class": "crypto"}),
    (
        "an option",
        {"symbol": "AAPL261218C00300000", "type": "limit", "limit_price": "1.05"},
        {"asset_class": "us_option"},
    ),
    ("a short", {"side": "sell"}, {"side": "sell"}),
    ("a known id", {"client_order_id": "mine"}, {"client_order_id": "mine"}),
]


@pytest.mark.parametrize(("fields", "shown"), [row[1:] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED])
def test_an_order_is_shown_as_it_was_sent(fields: dict[str, Any], shown: dict[str, Any]) -> None:
    made = Caller().price("AAPL", "100").order(**fields)
    assert {name: made[name] for name in shown} == shown
    assert made["status"] in ("pending_new", "accepted")
    assert made["filled_qty"] == "0"
    assert "position_intent" in made or "position_intent" not in fields
    assert None not in (made.get("expires_at", ""), made.get("position_intent", "")), "left out rather than null"


def test_a_pair_without_its_slash_is_the_same_pair() -> None:
    caller = Caller().price("BTC/USD", "100")
    made = caller.order(symbol="BTCUSD", qty="1", time_in_force="gtc")
    assert made["symbol"] == "BTC/USD"
    caller.order(symbol="BTC/USD", qty="1", time_in_force="gtc")
    caller.after(1.0)
    assert [(row["symbol"], row["qty"]) for row in caller.get("/v2/positions")] == [("BTCUSD", "2")]


def test_an_intent_must_be_what_the_order_does() -> None:
    caller = Caller().price("AAPL", "100")
    status, answer = caller.post(side="sell", position_intent="sell_to_close")
    assert (status, answer["message"]) == (
        422,
        "position intent mismatch, inferred: sell_to_open, specified: sell_to_close",
    )
    caller.bought("10")
    assert caller.post(side="sell", position_intent="sell_to_open")[0] == 422
    assert caller.order(side="sell", position_intent="sell_to_close")["position_intent"] == "sell_to_close"


def test_a_bracket_is_answered_with_its_legs() -> None:
    made = Caller().price("AAPL", "100").order(order_class="bracket", **EXITS)
    assert [(leg["type"], leg["side"], leg["status"]) for leg in made["legs"]] == [
        ("limit", "sell", "held"),
        ("stop", "sell", "held"),
    ]


def test_an_oco_takes_its_limit_from_its_profit() -> None:
    caller = Caller().price("AAPL", "100")
    caller.bought()
    made = caller.order(side="sell", type="limit", order_class="oco", **EXITS)
    assert made["limit_price"] == "110"
    assert [leg["stop_price"] for leg in made["legs"]] == ["90"]


def test_a_second_order_of_the_same_client_id_is_refused_even_when_the_first_is_over() -> None:
    caller = Caller()
    caller.order(client_order_id="mine")
    caller.after(2.0)
    status, answer = caller.post(client_order_id="mine")
    assert (status, answer["message"]) == (422, "client_order_id must be unique")
    assert answer["code"] in (40010001, 42210000)


@pytest.mark.parametrize("fate", [Fate.MARKET, None], ids=["by the market", "by fate"])
def test_a_body_of_a_megabyte_is_read_and_a_longer_one_refused(fate: Fate | None) -> None:
    caller = Caller(fate=fate)
    order = {"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day", "qty": "1", "note": ""}
    room = 1_048_576 - len(json.dumps(order))
    fits = json.dumps(order | {"note": "x" * room}).encode()
    assert caller.ask("POST", "/v2/orders", content=fits)[0] == 200
    status, answer = caller.ask("POST", "/v2/orders", content=fits + b" ")
    assert (status, answer["code"]) == (413, 41310000)


ODD_BODIES = [b"", b"{", b"null", b"[]", b'"x"', b"\xff", b"[" * 9_000, b'{"qty":' + b"9" * 5_000 + b"}"]


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("content", ODD_BODIES, ids=range(len(ODD_BODIES)))
def test_what_is_no_object_of_json_is_a_bad_request(method: str, content: bytes) -> None:
    caller = Caller()
    path = "/v2/orders" if method == "POST" else f"/v2/orders/{caller.order()['id']}"
    status, answer = caller.ask(method, path, content=content)
    assert (status, answer) == (400, {"code": 40010000, "message": "request body format is invalid"})


def test_half_a_character_is_no_text() -> None:
    sent = b'{"symbol":"\\ud800","side":"buy","type":"market","time_in_force":"day","qty":"1"}'
    status, answer = Caller().ask("POST", "/v2/orders", content=sent)
    assert (status, answer["code"]) == (422, 40010001)


WRONG_TYPES: list[Any] = [
    None,
    True,
    5,
    -0.0,
    1e308,
    "",
    "x",
    "NaN",
    "Infinity",
    [],
    [1],
    {},
    {"a": 1},
    "1" * 200,
    "\x00",
]


def test_no_type_of_value_in_any_field_is_an_error_of_the_server() -> None:
    caller = Caller().price("AAPL", "100")
    fields = ["symbol", "qty", "notional", "side", "type", "time_in_force", "limit_price", "stop_price", "trail_price"]
    fields += ["trail_percent", "extended_hours", "client_order_id", "order_class", "take_profit", "stop_loss", "legs"]
    fields += ["position_intent", "advanced_instructions"]
    order = {"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day", "qty": "1"}
    for base in (order, order | {"order_class": "mleg"}, order | {"order_class": "bracket"}):
        for field in fields:
            for value in WRONG_TYPES:
                content = json.dumps(base | {field: value}).encode()
                status, _ = caller.ask("POST", "/v2/orders", content=content)
                assert status in (200, 403, 422), (field, value)
