"""`execute_trade` under every scenario of the simulator, and with every fate of each of its orders: no share is left
bare without saying so, nothing is entered twice, and nothing is said to be filled that was not.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from random import Random

import pytest

from fillwatch.core.trade_amendment import TradeAmendment
from fillwatch.core.trade_facts import client_id
from fillwatch.core.trade_result import TradeResult
from fillwatch.core.trade_terms import ExecutorConfig
from fillwatch.simulator import NO_FAULTS, Fate, Faults, World, scenarios
from fillwatch.simulator.fates import PLANNED
from fillwatch.simulator.faults import Rule
from fillwatch.simulator.scenarios import enact, load
from fillwatch.testing import run_virtual
from tests.execution.scene import Scene, calm, scene

#: Seconds of a scenario after which its faults are taken away.
TROUBLE = 90.0
#: Seconds by which what is said may trail the truth: an exit that has just ended has to be seen, through stale reads.
TRAIL = 12.0
#: A symbol that the crowds of the scenarios do not deal in.
OURS = "ZQZ"
#: A fate of an exit that has the shares traded whatever the other exit does is no fate that an OCO can have.
NO_EXIT = frozenset({Fate.NOTIONAL, Fate.FRACTIONAL})


def newest(result: TradeResult, heard: list[TradeAmendment]) -> TradeResult:
    return heard[0].amended if heard else result


def just_changed(there: Scene) -> bool:
    """Whether something has happened to an order so lately that nobody can know it yet."""
    now = there.world.advance()
    return any(order.statuses[-1][0] > now - TRAIL for order in there.orders("T"))


async def live(there: Scene, side: str, trouble: float, *, strict: bool) -> list[str]:
    """One trade and so many seconds of trouble, then quiet; what is wrong.

    `strict`: also shares that stay bare and are said to, and a success whose shares are gone.
    """
    heard: list[TradeAmendment] = []

    async def listen() -> None:
        async for amendment in there.executor.amendments():
            heard[:] = [amendment]

    ear = asyncio.create_task(listen())
    result = await there.trade(side, symbol=OURS, intent_id="T")
    wrong = []
    if result.position_protected and there.bare(OURS) and not just_changed(there):
        wrong.append(f"said to be protected, and {there.bare(OURS)} bare: {result.reason}")
    if result.success and not result.position_protected:
        wrong.append("a success that is not protected")
    if strict and result.success and not there.position(OURS):
        wrong.append("success without a position")
    if trouble:
        await asyncio.sleep(trouble)
        there.world.faults = NO_FAULTS
    await calm(there.world)
    last = newest(result, heard)
    if there.bare(OURS) and (last.position_protected or strict):
        wrong.append(f"{there.bare(OURS)} bare in the end: {last.reason}")
    entries = [order for order in there.orders("T") if order.client_order_id == client_id("T", "e1")]
    if len(entries) > 1:
        wrong.append("entered twice")
    if entries and last.fill is not None and last.fill.fill_quantity is not None:
        executed = there.world.ledger.executed_in_chain(entries[0].order_id, busts=False)
        if last.fill.fill_quantity > executed:
            wrong.append(f"{last.fill.fill_quantity} said to be filled, {executed} were")
    ear.cancel()
    return wrong


def judged(
    seed: int,
    faults: Faults = NO_FAULTS,
    name: str = "",
    config: ExecutorConfig | None = None,
    *,
    strict: bool = False,
) -> list[str]:
    async def run() -> list[str]:
        loop = asyncio.get_running_loop()
        world = World(seed, clock=loop.time, fate=Fate.MARKET, faults=faults)
        if name:
            enact(load(name), world)
        async with scene(seed, world=world, stream=seed % 2 == 0, config=config) as there:
            side = "buy" if Random(seed).random() < 0.7 else "sell"
            return await live(there, side, TROUBLE if name else 0.0, strict=strict)

    return [f"seed {seed}: {line}" for line in run_virtual(run, seed=seed)]


@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize("name", scenarios.names())
def test_no_scenario_leaves_a_share_bare_unsaid(name: str, seed: int) -> None:
    assert not judged(seed, name=name)


@pytest.mark.parametrize(
    ("order", "fate"),
    [(order, fate) for order in ("e1", "x1", "c1") for fate in PLANNED if order == "e1" or fate not in NO_EXIT],
)
def test_no_fate_of_any_order_leaves_a_share_bare_unsaid(order: str, fate: Fate) -> None:
    """In fair weather and in foul; `c1` closes a position that has slipped too far.

    What becomes of the entry is no excuse at all, unless its executions are undone.
    """
    config = ExecutorConfig(max_slippage=0) if order == "c1" else None
    rule = Rule(kind=fate, orders=frozenset({client_id("T", order)}))
    wrong = []
    for seed, weather in ((1, NO_FAULTS), (2, Faults.random(2))):
        strict = order == "e1" and fate is not Fate.BUSTED
        wrong += judged(seed, replace(weather, rules=(rule,)), config=config, strict=strict)
    assert not wrong
