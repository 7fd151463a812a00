"""`AlpacaBroker` over sockets, stream and all: to the contract of brokers that push, and under whole worlds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fillwatch.brokers.alpaca import AlpacaBroker
from fillwatch.brokers.base import Broker
from fillwatch.simulator import World
from fillwatch.simulator.scenarios import load
from fillwatch.simulator.server import serve
from fillwatch.testing.conformance_push import Pushed
from fillwatch.testing.conformance_scenarios import setting_of
from fillwatch.testing.worlds import run_world


@asynccontextmanager
async def over_sockets(world: World) -> AsyncIterator[Broker]:
    """The world served on loopback in the running loop, and the broker of its keys."""
    async with serve(world) as address:
        broker = AlpacaBroker(address.key, address.secret, address.url, address.stream_url)
        assert broker.caps.stream
        yield broker
        await broker.aclose()


class TestAlpacaPushes(Pushed):
    """What `Pushes` promises."""

    @asynccontextmanager
    async def over(self, world: World) -> AsyncIterator[Broker]:
        async with over_sockets(world) as broker:
            yield broker


@pytest.mark.parametrize("name", ["calm", "mute-stream", "flaky-network"])
def test_an_engine_that_listens_stays_truthful(name: str) -> None:
    report = run_world(1, 10, setting=setting_of(load(name)), over=over_sockets)
    assert not report.violations, report
