"""Scenarios: what goes wrong, under a name and with a sentence that says what it is for. Nine come with the package."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fillwatch.simulator.fates import USUAL_MIX, Fate
from fillwatch.simulator.faults import NO_FAULTS, Faults
from fillwatch.simulator.wording import number, read_faults, read_mix, table, text, whole
from fillwatch.simulator.world import World

#: In the order in which they are shown, the mild ones first.
_NAMES = (
    *("calm", "flaky-network", "rate-limit-storm", "broker-outage", "mute-stream", "stale-reads", "cancel-races"),
    *("opening-bell", "everything"),
)
_BY_THE_MARKET: Mapping[Fate, int] = MappingProxyType({Fate.MARKET: 1})
_LONGEST_FILE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """Orders of the bot's that come in by themselves: so many, evenly at random, within so many seconds."""

    count: int
    over_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A named way for things to go wrong; its moments are seconds since it began.

    `fates` is what becomes of submitted orders, as weights: by the market alone, if not said otherwise. `orders` come
    in by themselves. `seed` is the one to use when no other was asked for.
    """

    name: str
    sentence: str
    faults: Faults = NO_FAULTS
    fates: Mapping[Fate, int] = field(default_factory=lambda: _BY_THE_MARKET)
    orders: Crowd | None = None
    seed: int | None = None


def names() -> tuple[str, ...]:
    """The scenarios that come with the package."""
    return _NAMES


def load(name_or_path: str | Path) -> Scenario:
    """A scenario by its name, or from a TOML file.

    `ValueError` names the file, the field, the value and what is allowed; `OSError` for a file that cannot be read.
    """
    return load_with_source(name_or_path)[0]


def load_with_source(name_or_path: str | Path) -> tuple[Scenario, dict[str, Any]]:
    """The same, and the table in which its file words it."""
    name = str(name_or_path)
    if name in _NAMES:
        packaged = resources.files("fillwatch.simulator").joinpath("scenarios", f"{name}.toml")
        return _parsed(packaged.read_text("utf-8"), f"{name}.toml")
    path = Path(name_or_path)
    if path.suffix != ".toml" and not path.exists():
        raise ValueError(f"scenario: {name!r} is not known; give a TOML file or one of {', '.join(_NAMES)}")
    with path.open("rb") as file:
        raw = file.read(_LONGEST_FILE + 1)
    if len(raw) > _LONGEST_FILE:
        raise ValueError(f"{path}: it is longer than {_LONGEST_FILE} bytes; that is no scenario")
    try:
        return _parsed(raw.decode("utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: it is not UTF-8 text: {error.reason} at byte {error.start}") from None


def _parsed(source: str, where: str) -> tuple[Scenario, dict[str, Any]]:
    try:
        data = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{where}: not TOML: {error}") from None
    try:
        return read_scenario(data), data
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def read_scenario(data: object) -> Scenario:
    """The scenario that `data` words, a table like that of a file."""
    found = table(data, "scenario", ("name", "sentence", "seed", "fates", "orders", "faults"))
    wanted: dict[str, Any] = {"name": "", "sentence": ""}
    for name in ("name", "sentence"):
        if name not in found:
            raise ValueError(f"{name}: it is missing; a scenario has a name and a sentence that says what it is for")
        wanted[name] = text(found[name], name)
    if "seed" in found:
        wanted["seed"] = whole(found["seed"], "seed", least=0, most=2**63 - 1)
    if "fates" in found:
        wanted["fates"] = USUAL_MIX if found["fates"] == "usual" else read_mix(found["fates"], "fates")
    if "orders" in found:
        crowd = table(found["orders"], "orders", ("count", "over_seconds"))
        wanted["orders"] = Crowd(
            count=whole(crowd.get("count"), "orders.count", least=1, most=100_000),
            over_seconds=number(crowd.get("over_seconds"), "orders.over_seconds", least=0.0),
        )
    if "faults" in found:
        wanted["faults"] = read_faults(found["faults"])
    return Scenario(**wanted)


def enact(scenario: Scenario, world: World) -> None:
    """Let a scenario begin now, in place of whatever was going wrong before."""
    world.faults = scenario.faults.moved(world.advance() - world.start)
    one = next(iter(scenario.fates)) if len(scenario.fates) == 1 else None
    world.let_orders_go(one, scenario.fates)
    if scenario.orders is not None:
        mix = {fate: weight for fate, weight in scenario.fates.items() if weight}
        world.expect(scenario.orders.count, over_seconds=scenario.orders.over_seconds, mix=mix)
