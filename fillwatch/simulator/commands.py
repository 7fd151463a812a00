"""What the control endpoint can do to a world, as plain data in and out, so that it can be kept and done again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from fillwatch.core.orders import exact
from fillwatch.simulator import scenarios
from fillwatch.simulator.answers import Answer, Op
from fillwatch.simulator.fates import USUAL_MIX, Fate
from fillwatch.simulator.faults import Kind
from fillwatch.simulator.intake import order_request
from fillwatch.simulator.wording import (
    changed_faults,
    faults_as_data,
    number,
    read_faults,
    read_mix,
    switch,
    table,
    text,
    whole,
    word,
)
from fillwatch.simulator.world import World

Json = dict[str, Any]
MOST_ORDERS = 100_000


def perform(world: World, name: str, data: object) -> Json:
    """Do to the world what the command of this name does with `data`, now; what is to be answered.

    `ValueError` names the field, the value and what is allowed; then nothing was done.
    """
    now = world.advance()
    said = _COMMANDS[name](world, data)
    if world.door.commanded is not None:
        world.door.commanded(now, name, data)
    world.wake()
    return said


def _replace_faults(world: World, data: object) -> Json:
    world.faults = read_faults(_timed(world, data))
    return faults_as_data(world.faults)


def _change_faults(world: World, data: object) -> Json:
    world.faults = changed_faults(world.faults, _timed(world, data))
    return faults_as_data(world.faults)


def _timed(world: World, data: object) -> object:
    """`heal_after` and, in a rule, `for_seconds` count from now; all other times are since the world began."""
    if not isinstance(data, Mapping):
        return data
    since = world.advance() - world.start
    timed = dict(data)
    if "heal_after" in timed:
        timed["heal_at"] = since + number(timed.pop("heal_after"), "faults.heal_after", least=0.0)
    if isinstance(timed.get("rules"), list):
        timed["rules"] = [_timed_rule(rule, since, f"faults.rules[{at}]") for at, rule in enumerate(timed["rules"])]
    return timed


def _timed_rule(rule: object, since: float, where: str) -> object:
    if not isinstance(rule, Mapping) or "for_seconds" not in rule:
        return rule
    timed = dict(rule)
    seconds = number(timed.pop("for_seconds"), f"{where}.for_seconds", least=0.001)
    return {"start": since, "end": since + seconds} | timed


def _scenario(world: World, data: object) -> Json:
    """A scenario by the name of a packaged one, or worded whole; no files, as whoever asks may be elsewhere."""
    found = table(data, "scenario", ("name", "sentence", "seed", "fates", "orders", "faults"))
    if set(found) == {"name"}:
        name = text(found["name"], "name")
        if name not in scenarios.names():
            raise ValueError(f"name: {name!r} is not allowed; give one of {', '.join(scenarios.names())}")
        chosen = scenarios.load(name)
    else:
        chosen = scenarios.read_scenario(found)
    scenarios.enact(chosen, world)
    return {"name": chosen.name, "sentence": chosen.sentence}


def _prices(world: World, data: object) -> Json:
    """Prices by symbol; null lets a symbol go by itself again."""
    wanted = table(data, "prices", data if isinstance(data, Mapping) else ())
    prices = {text(symbol, "symbol"): _price(symbol, value) for symbol, value in wanted.items()}
    for symbol, price in prices.items():
        world.set_price(symbol, price)
    return {symbol: None if price is None else str(price) for symbol, price in prices.items()}


def _price(symbol: str, value: object) -> Any:  # noqa: ANN401 - a Decimal or None
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"prices.{symbol}: {value!r} is not allowed; give a number above 0, or null")
    price = exact(value, f"prices.{symbol}")
    if not 0 < price < 10**9:
        raise ValueError(f"prices.{symbol}: {value!r} is not allowed; it must be above 0 and below 1000000000")
    return price


def _orders(world: World, data: object) -> Json:
    """`populate`: so many of the seed's own drawing, at once or `over_seconds`; `orders`: those worded here."""
    names = ("populate", "over_seconds", "fates", "needs_cancel_at_most", "orders")
    found = table(data, "orders", names)
    if ("populate" in found) == ("orders" in found):
        raise ValueError("orders: exactly one of populate and orders is needed")
    if "orders" in found:
        rows = found["orders"]
        if not isinstance(rows, list) or len(found) > 1:
            raise ValueError("orders.orders: give a list of orders, and nothing beside it")
        read = [_order(row, f"orders[{at}]") for at, row in enumerate(rows)]
        return {"orders": [world.place(request, fate, foreign=foreign) for request, fate, foreign in read]}
    count = whole(found["populate"], "orders.populate", least=1, most=MOST_ORDERS)
    mix = read_mix(found["fates"], "orders.fates") if "fates" in found else USUAL_MIX
    if "over_seconds" in found:
        world.expect(count, over_seconds=number(found["over_seconds"], "orders.over_seconds", least=0.0), mix=mix)
        return {"orders": []}
    most = found.get("needs_cancel_at_most")
    if most is not None:
        most = whole(most, "orders.needs_cancel_at_most", least=0, most=MOST_ORDERS)
    return {"orders": world.populate(count, mix=mix, needs_cancel_at_most=most)}


def _order(data: object, where: str) -> tuple[Any, Fate | None, bool]:
    """One order: the fields of a POST to the broker, and besides them `fate` and `foreign`."""
    found = dict(table(data, where, data if isinstance(data, Mapping) else ()))
    fate = word(Fate, found.pop("fate"), f"{where}.fate") if "fate" in found else None
    foreign = switch(found.pop("foreign", False), f"{where}.foreign")
    if not found:
        return None, fate, foreign
    read = order_request(json.dumps(found).encode())
    if isinstance(read, Answer):
        raise ValueError(f"{where}: {read.message}")
    return read[0], fate, foreign


def _strike(world: World, data: object) -> Json:
    """The next requests are struck, whatever rules and menu say."""
    found = table(data, "strike", ("kind", "operation", "times"))
    kind = word(Kind, found.get("kind"), "strike.kind")
    op = None if found.get("operation") is None else word(Op, found["operation"], "strike.operation")
    times = whole(found.get("times", 1), "strike.times", least=1, most=1_000)
    world.strike(kind, op, times=times)
    return {"kind": kind.value, "operation": op, "times": times}


_COMMANDS: Mapping[str, Callable[[World, object], Json]] = MappingProxyType(
    {
        "faults": _replace_faults,
        "change_faults": _change_faults,
        "scenario": _scenario,
        "prices": _prices,
        "orders": _orders,
        "strike": _strike,
    }
)
