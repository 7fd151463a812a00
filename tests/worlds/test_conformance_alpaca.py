"""The Alpaca adapter keeps to the contract of every broker, over HTTP and a WebSocket in one virtual-time loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fillwatch.brokers.base import Broker
from fillwatch.simulator import World
from fillwatch.simulator.scenarios import Crowd, load
from fillwatch.testing.conformance import BrokerConformance
from fillwatch.testing.conformance_scenarios import setting_of
from fillwatch.testing.inloop import alpaca_over, in_loop
from fillwatch.testing.worlds import run_world


class TestReading(BrokerConformance):
    """`AlpacaBroker` without its stream."""

    PUSHES = False

    @asynccontextmanager
    async def over(self, world: World) -> AsyncIterator[Broker]:
        async with in_loop(world) as wire:
            broker = alpaca_over(wire, stream=False)
            yield broker
            await broker.aclose()


class TestAlpaca(BrokerConformance):
    """`AlpacaBroker`, as it is."""

    @asynccontextmanager
    async def over(self, world: World) -> AsyncIterator[Broker]:
        async with in_loop(world) as wire:
            broker = alpaca_over(wire)
            yield broker
            await broker.aclose()

    def test_the_opening_bell_with_all_its_orders(self) -> None:
        """A thousand within ten seconds, at 200 requests a minute."""
        scenario = load("opening-bell")
        assert scenario.orders == Crowd(count=1_000, over_seconds=10.0)
        report = run_world(1, scenario.orders.count, setting=setting_of(scenario), over=self.over)
        assert not report.violations, report
        assert len({line.order for line in report.history.of("result")}) == 1_000
