"""More cancels than the limit lets through: who goes first, who stands in line, and who leaves it without a request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from fillwatch import FillDetectionConfig, FillOutcome, FillResult
from fillwatch.engine.crowd import IN_A_ROW
from fillwatch.engine.final_check import FRESH
from fillwatch.simulator import Fate
from fillwatch.simulator.plans import Act, Step
from fillwatch.testing import run_virtual, virtual
from tests.worlds.live import Live, live

TIMEOUT = 20.0
CROWD = FillDetectionConfig(timeout_seconds=TIMEOUT)


def now() -> float:
    return asyncio.get_running_loop().time()


async def hand_in(scene: Live, count: int, *, apart: float = 0.001) -> list[asyncio.Future[FillResult]]:
    """So many orders that never fill, a millisecond apart. The simulator's list shuffles those of half a second."""
    asking: list[asyncio.Future[FillResult]] = []
    for _ in range(count):
        asking.append(asyncio.ensure_future(scene.follower.watch(scene.world.place(fate=Fate.NEVER))))
        await asyncio.sleep(apart)
    return asking


def cancels(scene: Live) -> list[str]:
    """Whose cancels arrived, in their order."""
    return [arrival.target for arrival in scene.ledger.arrivals if arrival.operation == "cancel"]


def test_who_fills_while_he_stands_in_line_is_told_so_and_not_cancelled() -> None:
    """His turn would have come after a minute and a half."""

    async def run() -> None:
        async with live(config=CROWD) as scene:
            asking = await hand_in(scene, 200)
            last = scene.world.place(fate=Fate.NEVER)
            market = scene.world._market
            market.schedule(market.records[last], Step(after=TIMEOUT + 5.0, act=Act.FILL), now(), last=False)
            began = now()
            result = await scene.follower.watch(last)
            assert result.outcome is FillOutcome.FILLED
            assert now() - began < TIMEOUT + 5.0 + 25.0
            await asyncio.gather(*asking)
            assert last not in cancels(scene)
        assert scene.violations() == []

    run_virtual(run)


@virtual
async def test_each_has_a_last_look_after_his_time_and_not_long_before_his_cancel() -> None:
    """Shared with others, as one page tells of all: hundreds of cancels, and hardly any look by id."""
    async with live(config=CROWD) as scene:
        asking = await hand_in(scene, 200)
        over = {result.order_id: TIMEOUT + at * 0.001 for at, result in enumerate(await asyncio.gather(*asking))}
        arrivals = [(each.t - scene.world.start, each) for each in scene.ledger.arrivals]
    pages = [t for t, each in arrivals if each.operation == "list"]
    looks = [t for t, each in arrivals if each.operation == "look"]
    for t, each in arrivals:
        if each.operation == "cancel":
            last = max(page for page in pages + looks if page < t)
            assert over[each.target] <= last
            assert t - last <= FRESH
    assert len(looks) < 20


@virtual
async def test_who_is_released_while_he_stands_in_line_keeps_nobody_waiting() -> None:
    async with live(config=CROWD) as scene:
        watches = []
        for _ in range(150):
            watches.append(scene.engine.watch(scene.world.place(fate=Fate.NEVER)))
            await asyncio.sleep(0.001)
        await asyncio.sleep(TIMEOUT + 1.0)
        for watch in watches[10:140]:
            watch.release()
        began = now()
        results = await asyncio.gather(*(watch for watch in watches[140:]))
        assert {result.outcome for result in results} == {FillOutcome.TIMED_OUT}
        assert now() - began < 35.0
        assert not {watch.order_id for watch in watches[50:140]} & set(cancels(scene))


@virtual
async def test_who_is_to_be_left_alone_does_not_stand_in_line() -> None:
    """No cancel is wanted for him: he is told after his last look."""
    async with live(config=CROWD) as scene:
        for _ in range(200):
            scene.engine.watch(scene.world.place(fate=Fate.NEVER))
        began = now()
        watch = scene.engine.watch(scene.world.place(fate=Fate.NEVER), at_timeout="leave")
        assert (await watch).outcome is FillOutcome.UNRESOLVED
        assert now() - began < TIMEOUT + 15.0


@virtual
async def test_when_all_deadlines_pass_at_once_the_first_in_goes_first() -> None:
    """Shorter time-outs from now on: whose time was over first is cancelled first, whatever the order of waking."""
    async with live(config=FillDetectionConfig(timeout_seconds=500.0)) as scene:
        ids = []
        for _ in range(120):
            ids.append(scene.world.place(fate=Fate.NEVER))
            scene.engine.watch(ids[-1])
            await asyncio.sleep(0.1)
        scene.engine.reconfigure(CROWD)
        await asyncio.sleep(100.0)
        served = cancels(scene)
        assert sorted(served) == sorted(ids)
        assert _furthest_moved(ids, served) <= 30


@pytest.mark.parametrize("count", [20, 200])
def test_while_some_stand_in_line_looks_have_every_eighth_turn_and_else_every_fourth(count: int) -> None:
    """What is read tells of all of them at once: beside hundreds of cancels a quarter for looks is waste."""
    kinds: list[str] = []

    async def run() -> None:
        async with live(config=CROWD) as scene:
            for _ in range(count):
                scene.engine.watch(scene.world.place(fate=Fate.NEVER))
            await asyncio.sleep(TIMEOUT + (2.0 if count < 100 else 10.0))
            first = len(scene.ledger.arrivals)
            await asyncio.sleep(4.0 if count < 100 else 40.0)
            kinds.extend(arrival.operation for arrival in scene.ledger.arrivals[first:])

    run_virtual(run)
    share = sum(kind == "cancel" for kind in kinds) / len(kinds)
    most = 3 if count < 100 else IN_A_ROW
    assert share == pytest.approx(most / (most + 1), abs=0.08)


@pytest.mark.parametrize(
    ("apart", "page_size"), [(0.02, 100), (0.0, 250)], ids=["as they were submitted", "in no order of the list"]
)
def test_in_a_crowd_whose_list_is_long_all_ends_are_proven(apart: float, page_size: int) -> None:
    """A sweep takes too many pages: there are pages for those who wait, or if these do not reach them more looks."""

    async def run() -> None:
        async with live(config=FillDetectionConfig(timeout_seconds=30.0), page_size=page_size) as scene:
            results = await asyncio.gather(*await hand_in(scene, 900, apart=apart))
            assert {result.outcome for result in results} == {FillOutcome.TIMED_OUT}
            lasted = now() - scene.world.start - 30.0
            assert lasted < 1.25 * 900 / 160 * 60 + 60.0 * (not apart)
        assert scene.violations() == []

    run_virtual(run)


def test_in_a_crowd_without_a_list_each_has_his_last_look_and_his_end_is_proven() -> None:
    """Each look answers for one: cancels go out a third as fast, and nobody is given up for want of one."""

    async def run() -> None:
        async with live(config=CROWD, page_size=0) as scene:
            results = await asyncio.gather(*await hand_in(scene, 150))
            assert {result.outcome for result in results} == {FillOutcome.TIMED_OUT}
            assert len(cancels(scene)) == len(set(cancels(scene))) == 150
            assert now() - scene.world.start < TIMEOUT + 150 * 5 / 2.5
        assert scene.violations() == []

    run_virtual(run)


def _furthest_moved(ids: Sequence[str], served: Sequence[str]) -> int:
    return max(abs(served.index(order_id) - at) for at, order_id in enumerate(ids))
