"""The pytest plugin of fillwatch: a simulated Alpaca account for the tests of a bot.

Fixtures: `simulated_broker` (in memory and in virtual time; a test that uses it may be `async def`), `alpaca_server`
(on loopback, in real time, for bots of any kind). Marker: `scenario(name, seed=None)`.

It stands beside the package and imports nothing of it before a fixture is asked for, so that it costs nothing to those
who have it installed and do not use it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fillwatch.testing.offline import OfflineBroker
    from fillwatch.testing.serving import AlpacaServer

_KIT = tuple(f"fillwatch.testing.conformance_{part}" for part in ("answers", "faults", "pages", "push", "scenarios"))
if not any(name in sys.modules for name in _KIT):
    pytest.register_assert_rewrite(*_KIT)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "scenario(name, seed=None): what goes wrong in the simulated account of `simulated_broker` or `alpaca_server`: "
        "the name of a scenario of fillwatch's, or a TOML file",
    )


@pytest.fixture
def simulated_broker(request: pytest.FixtureRequest) -> Iterator[OfflineBroker]:
    """A simulated broker in memory, in virtual time; `.world` is the exchange behind it, `.ledger` the truth."""
    from fillwatch.testing.plugin import broker_for

    with broker_for(request.node) as broker:
        yield broker


@pytest.fixture
def alpaca_server(request: pytest.FixtureRequest) -> Iterator[AlpacaServer]:
    """Alpaca's trading API on loopback: `.url`, `.stream_url`, `.key`, `.secret`, and `.sim` to control it."""
    from fillwatch.testing.plugin import server_for

    with server_for(request.node) as server:
        yield server


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """An asynchronous test that uses `simulated_broker` runs in virtual time, whatever else runs asynchronous tests."""
    broker = pyfuncitem.funcargs.get("simulated_broker")
    if broker is None:
        return None
    from fillwatch.testing.offline import OfflineBroker
    from fillwatch.testing.plugin import run_in_virtual_time

    if isinstance(broker, OfflineBroker) and run_in_virtual_time(pyfuncitem, broker):
        return True
    return None
