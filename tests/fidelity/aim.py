"""The document made narrow enough that requests drawn from it are about what there is and get past the first glance.

As published it leaves amounts, ids and symbols to any text and lets an order have every field at once, so that nearly
everything drawn from it would be refused for the same few reasons.
"""

from __future__ import annotations

import copy
from typing import Any

from tests.fidelity.mended import only_served

Json = Any  # what json.loads gives

NOBODY = "00000000-0000-4000-8000-000000000000"
SYMBOLS = ["AAPL", "MSFT", "SPY"]
DAYS = ["2026-01-01", "2026-06-15", "2026-07-03T00:00:00Z", "2026-12-31"]
AMOUNT: Json = {"type": "string", "pattern": r"^[1-9][0-9]{0,2}(\.[0-9]{1,2})?$"}
#: The prices that an order of each type has.
PRICES: dict[str, list[str]] = {
    "market": [],
    "limit": ["limit_price"],
    "stop": ["stop_price"],
    "stop_limit": ["stop_price", "limit_price"],
    "trailing_stop": ["trail_price"],
}
#: The exits that an order of each class has.
EXITS: dict[str, list[str]] = {
    "simple": [],
    "oto": ["stop_loss"],
    "bracket": ["take_profit", "stop_loss"],
    "oco": ["take_profit", "stop_loss"],
}


def aimed(order_ids: list[str], client_ids: list[str]) -> Json:
    """The served part of the document, about these orders."""
    drawn = copy.deepcopy(only_served())
    known = {
        "order_id": [*order_ids, NOBODY],
        "before_order_id": order_ids,
        "after_order_id": order_ids,
        "client_order_id": [*client_ids, "x"],
        "symbol_or_asset_id": [*SYMBOLS, "TSLA", NOBODY],
        "symbols": ["AAPL", "AAPL,SPY"],
    }
    for item in drawn["paths"].values():
        for operation in item.values():
            for parameter in operation["parameters"]:
                if parameter.get("name") in known:
                    parameter["schema"] = {"enum": known[parameter["name"]]}
    # Without both ends the calendar is sixty years long.
    for end in ("legacy_start", "legacy_end"):
        drawn["components"]["parameters"][end] |= {"required": True, "schema": {"enum": DAYS}}
    patched = ("qty", "limit_price", "stop_price", "trail")
    drawn["components"]["schemas"]["PatchOrderRequest"]["properties"] |= dict.fromkeys(patched, AMOUNT)
    del drawn["components"]["schemas"]["PatchOrderRequest"]["properties"]["notional"]
    body = drawn["paths"]["/v2/orders"]["post"]["requestBody"]["content"]["application/json"]
    del body["examples"]
    body["schema"] = {"anyOf": [_order(type_, kind) for type_ in PRICES for kind in EXITS]}
    return drawn


def _order(type_: str, kind: str) -> Json:
    """The body of an order of this type and class, with the fields that go with them and no others."""
    needed = {
        "symbol": {"enum": [*SYMBOLS, "TSLA", "NVDA", "QQQ"]},
        "side": {"enum": ["buy", "sell"]},
        "type": {"const": type_},
        "order_class": {"const": kind},
        "time_in_force": {"enum": ["day", "gtc"]},
        "qty": {"type": "string", "pattern": "^[1-9][0-9]?$"},
        **dict.fromkeys(PRICES[type_], AMOUNT),
        **{
            name: {"type": "object", "properties": {price: AMOUNT}, "required": [price], "additionalProperties": False}
            for name, price in (("take_profit", "limit_price"), ("stop_loss", "stop_price"))
            if name in EXITS[kind]
        },
    }
    odd = {"time_in_force": {"enum": ["ioc", "fok", "opg", "cls"]}, "extended_hours": {"type": "boolean"}}
    return {
        "type": "object",
        "properties": needed if type_ != "limit" else needed | odd,
        "required": list(needed),
        "additionalProperties": False,
    }
