"""What comes of it all: an engine over the broker, in every scenario of the simulator, held to the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar

import pytest

from fillwatch.core.config import FillDetectionConfig
from fillwatch.simulator import USUAL_MIX, Fate, scenarios
from fillwatch.simulator.scenarios import Scenario
from fillwatch.simulator.stream_faults import StreamFaults
from fillwatch.testing.conformance_stage import Stages
from fillwatch.testing.worlds import Setting, WorldReport, run_world

#: Seconds after which nothing goes wrong any more, in scenarios that name no earlier moment; then all must be resolved.
HEAL_AT = 100.0
#: The longest over which the orders of a scenario arrive here; there are fewer of them, too.
ARRIVING_AT_MOST = 20.0
#: Where a scenario leaves the orders to the market, half of them meet the other fates all the same.
MIXED: Mapping[Fate, int] = MappingProxyType({**USUAL_MIX, Fate.MARKET: sum(USUAL_MIX.values())})


class Scenarios(Stages):
    """A few dozen orders in each scenario: every result, transition, amendment and request is checked.

    `ORDERS` and `SEEDS` may be changed by a subclass: how many orders there are, and which worlds they live in.
    """

    ORDERS: ClassVar[int] = 36
    SEEDS: ClassVar[tuple[int, ...]] = (1,)

    @pytest.mark.parametrize("name", scenarios.names())
    def test_an_engine_tells_the_truth_in_every_scenario(self, name: str) -> None:
        """All invariants of `fillwatch.testing.INVARIANTS`, with one result for each order that was not released."""
        scenario = scenarios.load(name)
        for seed in self.SEEDS:
            report = self.live(scenario, seed)
            assert not report.violations, f"scenario {name}: {report}"
            ended = sum(1 for line in report.history.of("result"))
            assert ended == self.ORDERS, f"scenario {name}: {ended} of {self.ORDERS} orders came to an end"
            assert report.counts["requests"], f"scenario {name}: the broker asked nothing of the world it was given"
            # Who keeps his connection is never refused one.
            if self.PUSHES and replace(scenario.faults.stream, refuse=()) != StreamFaults():
                struck = {cause for cause in report.reached if cause.startswith("stream:")}
                assert struck, f"scenario {name}: nothing struck the stream; does the broker listen to it?"

    def live(self, scenario: Scenario, seed: int) -> WorldReport:
        """Live through a scenario with an engine over this broker."""
        return run_world(seed, self.ORDERS, setting=setting_of(scenario), over=self.over)


def setting_of(scenario: Scenario) -> Setting:
    """A scenario as the setting of a world: its faults, which heal in the end, its fates, and how its orders arrive."""
    arriving = 0.0 if scenario.orders is None else scenario.orders.over_seconds
    return Setting(
        faults=replace(scenario.faults, heal_at=min(scenario.faults.heal_at, HEAL_AT)),
        config=FillDetectionConfig(timeout_seconds=20.0),
        mix=scenario.fates if len(scenario.fates) > 1 else MIXED,
        arriving=min(arriving, ARRIVING_AT_MOST),
    )
