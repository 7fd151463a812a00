"""What the pytest plugin does once one of its fixtures is asked for; `pytest_fillwatch` is what pytest loads.

That module stands outside the package so that it costs nothing to those who do not use it: importing anything inside
imports fillwatch.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from fillwatch.simulator import scenarios
from fillwatch.testing.offline import OfflineBroker, offline_broker

if TYPE_CHECKING:
    from fillwatch.simulator.scenarios import Scenario
    from fillwatch.testing.serving import AlpacaServer

#: Without a marker nothing goes wrong, and the same happens each time.
_DEFAULT = "calm"
_DEFAULT_SEED = 0


@contextmanager
def broker_for(item: pytest.Item) -> Iterator[OfflineBroker]:
    """The broker of a test, in the scenario that its marker names."""
    scenario, seed = scenario_of(item)
    with offline_broker(scenario, seed) as broker:
        yield broker


@contextmanager
def server_for(item: pytest.Item) -> Iterator[AlpacaServer]:
    """The server of a test, in the scenario that its marker names."""
    try:
        from fillwatch.testing.serving import alpaca_server
    except ImportError as error:
        pytest.fail(
            f"alpaca_server needs the extra `simulator`: pip install 'fillwatch[simulator]' ({error})", pytrace=False
        )
    scenario, seed = scenario_of(item)
    with alpaca_server(scenario, seed) as server:
        yield server


def run_in_virtual_time(function: pytest.Function, broker: OfflineBroker) -> bool:
    """Run a test if it is asynchronous; whether it was. Marks of other plugins that would run it are overruled."""
    test = function.obj
    if type(function).__module__.startswith("pytest_asyncio"):  # which has put a function around it that runs it
        test = getattr(test, "__wrapped__", test)
    if not inspect.iscoroutinefunction(test):
        return False
    arguments = {name: function.funcargs[name] for name in function._fixtureinfo.argnames}
    broker.run(lambda: test(**arguments))
    return True


def scenario_of(item: pytest.Item) -> tuple[Scenario, int]:
    """The scenario and the seed of the closest `scenario` marker; a marker that makes no sense fails the test."""
    marker = item.get_closest_marker("scenario")
    if marker is None:
        return scenarios.load(_DEFAULT), _DEFAULT_SEED
    if len(marker.args) != 1 or not set(marker.kwargs) <= {"seed"}:
        pytest.fail(
            "pytest.mark.scenario takes the name of a scenario or the path of a file, and a seed: "
            '@pytest.mark.scenario("cancel-races", seed=7)',
            pytrace=False,
        )
    seed = marker.kwargs.get("seed")
    if not (seed is None or (isinstance(seed, int) and not isinstance(seed, bool))):
        pytest.fail(f"pytest.mark.scenario: seed: {seed!r} is not allowed; it must be a whole number", pytrace=False)
    try:
        scenario = scenarios.load(marker.args[0])
    except (ValueError, OSError) as error:
        pytest.fail(f"pytest.mark.scenario: {error}", pytrace=False)
    chosen = scenario.seed if seed is None else seed
    return scenario, _DEFAULT_SEED if chosen is None else chosen
