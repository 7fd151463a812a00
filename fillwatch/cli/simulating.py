"""Runs the simulated broker for `fillwatch simulate`: which world it is, kept where, and until when."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import random
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fillwatch.core.orders import exact
from fillwatch.simulator import EPOCH, World, scenarios
from fillwatch.simulator.account import STARTING_CASH
from fillwatch.simulator.clocks import Clock, rate_of
from fillwatch.simulator.commands import perform
from fillwatch.simulator.prices import RandomWalk, Replay
from fillwatch.simulator.server import Address, serve
from fillwatch.simulator.state import State, StateError

#: What is meant where nothing was asked for and nothing is kept.
_USUAL: Mapping[str, Any] = MappingProxyType(
    {"scenario": "calm", "hours": "always", "prices": None, "prices_hash": None, "orders": 0, "limit": 200}
    # Enough for the crowds of the scenarios, whose orders the account pays for as well.
    | {"cash": float(STARTING_CASH)}
)
_SEEDS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What was asked for on the command line; None: nothing was. `limit` is in requests a minute, 0 for none."""

    port: int = 8787
    host: str = "127.0.0.1"
    key: str | None = None
    secret: str | None = None
    scenario: str | None = None
    seed: int | None = None
    state: Path | None = None
    clock: str = "real"
    hours: str | None = None
    prices: Path | None = None
    orders: int | None = None
    limit: int | None = None
    cash: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A simulator that has started."""

    address: Address
    seed: int
    scenario: str
    sentence: str
    clock: str
    resumed_at: float | None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what is bound to `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _numeric(host: str) -> str:
    if host == "localhost":
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        raise ValueError(f"--host: {host!r} is not an IP address; give one such as 127.0.0.1") from None


async def simulate(wishes: Wishes, tell: Callable[[Running], None]) -> None:
    """Serve the world until the process is told to end; `tell` hears where, once it has started.

    Raises `ValueError` for wishes that cannot be granted and when the state can no longer be kept, `OSError` when the
    port is taken.
    """
    with _told_to_end() as end, _kept(wishes) as state:
        settings = _settings(wishes, {} if state is None else state.settings)
        clock, rate = Clock(asyncio.get_running_loop().time), rate_of(wishes.clock)
        world = _world(settings, clock)
        host = _numeric(wishes.host)
        resumed = state is not None and bool(state.settings)
        lost: list[StateError] = []

        def lose(error: StateError) -> None:
            lost.append(error)
            end.set()

        if state is not None:
            if resumed:
                state.restore(world, clock)
            else:
                state.begin(settings)
            state.keep(world, lose)
        if not resumed:
            _begin(world, settings)
        began = clock()
        clock.go(rate)
        try:
            async with serve(world, wishes.port, wishes.key, wishes.secret, host=host) as address:
                tell(_running(address, settings, wishes.clock, began if resumed else None))
                await end.wait()
        finally:
            if state is not None and not lost:
                state.settle(world)
        if lost:
            raise lost[0]


def _running(address: Address, settings: Mapping[str, Any], clock: str, resumed_at: float | None) -> Running:
    return Running(
        address=address,
        seed=settings["seed"],
        scenario=settings["scenario"],
        sentence=_scenario(settings)[1],
        clock=clock,
        resumed_at=resumed_at,
    )


@contextmanager
def _told_to_end() -> Iterator[asyncio.Event]:
    """Set when the process gets SIGINT or SIGTERM."""
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    # Where a loop cannot take signals (Windows), Ctrl-C arrives as KeyboardInterrupt.
    with suppress(NotImplementedError):
        for each in signals:
            loop.add_signal_handler(each, end.set)
    try:
        yield end
    finally:
        with suppress(NotImplementedError):
            for each in signals:
                loop.remove_signal_handler(each)


@contextmanager
def _kept(wishes: Wishes) -> Iterator[State | None]:
    if wishes.state is None:
        yield None
        return
    state = State(wishes.state)
    try:
        yield state
    finally:
        state.close()


def _settings(wishes: Wishes, kept: Mapping[str, Any]) -> dict[str, Any]:
    """What defines the world: what is kept of it, else what was asked for; a contradiction is refused."""
    wanted: dict[str, Any] = {
        "seed": wishes.seed,
        "scenario": wishes.scenario,
        "hours": wishes.hours,
        "orders": wishes.orders,
        "limit": wishes.limit,
        "cash": wishes.cash,
    }
    if wishes.prices is not None:
        wanted |= {"prices": str(wishes.prices), "prices_hash": _hash(wishes.prices)}
    asked = {name: value for name, value in wanted.items() if value is not None}
    if kept:
        for name, value in asked.items():
            if name != "prices" and value != kept[name]:
                option = name.partition("_")[0]
                raise ValueError(
                    f"--{option}: the world in {wishes.state} was begun with {kept[option]!r}; "
                    "leave the option out, or keep the new world in another file"
                )
        return {**kept, **({"prices": asked["prices"]} if "prices" in asked else {})}
    settings = {**_USUAL, **asked}
    seed = _scenario(settings)[2]
    if "seed" not in settings:
        settings["seed"] = random.SystemRandom().randrange(_SEEDS) if seed is None else seed
    epoch = EPOCH if rate_of(wishes.clock) == 0.0 else datetime.now(UTC)
    return settings | {"epoch": epoch.isoformat(), "scenario_source": _scenario(settings)[0]}


def _scenario(settings: Mapping[str, Any]) -> tuple[dict[str, Any], str, int | None]:
    """How the scenario is worded, its sentence and its seed; of a kept world, as it was when the world began."""
    if "scenario_source" in settings:
        source = settings["scenario_source"]
        return source, scenarios.read_scenario(source).sentence, None
    scenario, source = scenarios.load_with_source(settings["scenario"])
    return source, scenario.sentence, scenario.seed


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _world(settings: Mapping[str, Any], clock: Clock) -> World:
    seed, path = settings["seed"], settings["prices"]
    prices = RandomWalk(seed)
    if path is not None and _hash(Path(path)) != settings["prices_hash"]:
        raise ValueError(f"--prices: {path} is not what it was when this world was begun")
    return World(
        seed,
        clock=clock,
        epoch=datetime.fromisoformat(settings["epoch"]),
        prices=prices if path is None else Replay.from_csv(path, others=prices),
        hours=settings["hours"],
        requests_per_minute=settings["limit"] or None,
        cash=exact(settings["cash"], "--cash"),
    )


def _begin(world: World, settings: Mapping[str, Any]) -> None:
    perform(world, "scenario", settings["scenario_source"])
    if settings["orders"]:
        perform(world, "orders", {"populate": settings["orders"]})
