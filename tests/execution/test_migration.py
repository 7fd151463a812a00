"""The old loop, both side by side, the new way: whose answer is given, and what is recorded when they differ."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from fillwatch.execution.migration import Detection, Disagreement, shadow_report
from fillwatch.journal import FactKind
from fillwatch.simulator import Fate
from fillwatch.testing import run_virtual, virtual
from tests.execution.scene import now, scene


@pytest.mark.parametrize("detection", list(Detection))
def test_a_plain_fill_is_the_same_for_all(detection: Detection) -> None:
    async def run() -> None:
        async with scene(1) as there:
            there.executor.detection = detection
            order_id = there.world.place(fate=Fate.SLOW)
            price = await there.executor.wait_for_fill(order_id, 30.0)
            assert price == there.world.ledger.truth(order_id).shown_average
            await asyncio.sleep(60.0)
            assert not await there.journal.read(kinds=[FactKind.DISAGREEMENT])

    run_virtual(run)


@pytest.mark.parametrize(
    ("detection", "filled", "disagreements"),
    [(Detection.LEGACY, False, 0), (Detection.SHADOW, False, 1), (Detection.FILLWATCH, True, 0)],
)
def test_a_fill_that_the_old_loop_misses(detection: Detection, filled: bool, disagreements: int) -> None:
    async def run() -> None:
        async with scene(1) as there:
            there.executor.detection = detection
            order_id = there.world.place(fate=Fate.REPLACED_FILLS)
            assert (await there.executor.wait_for_fill(order_id, 20.0) is not None) == filled
            await asyncio.sleep(60.0)
            found = await there.journal.read(kinds=[FactKind.DISAGREEMENT])
            assert len(found) == disagreements
            if found:
                told = found[0].fact.read(Disagreement)
                assert told.legacy_price is None
                successor = there.world.ledger.chain(order_id)[-1]
                assert told.price == there.world.ledger.truth(successor).shown_average
                assert told.legacy_story[-1].endswith("timeout")
                assert "replaced" in told.legacy_story[-2]
                assert told.story
                report = shadow_report(found)
                assert "1 fills that the old loop missed" in report
                assert order_id in report

    run_virtual(run)


@virtual
async def test_the_shadow_costs_the_caller_no_time() -> None:
    async with scene(1) as there:
        there.executor.detection = "shadow"
        order_id = there.world.place(fate=Fate.NEVER)
        began = now()
        assert await there.executor.wait_for_fill(order_id, 5.0) is None
        assert now() - began < 7.0
        assert not there.world.ledger.truth(order_id).status.is_terminal


@virtual
async def test_a_bad_word_is_named() -> None:
    async with scene(1) as there:
        with pytest.raises(ValueError, match="'legacy' or 'shadow' or 'fillwatch'"):
            there.executor.detection = "old"


def test_no_disagreement_is_said_so_and_sorts_are_told_apart() -> None:
    assert shadow_report([]) == "no disagreement\n"
    one = Disagreement(order_id="o", legacy_price=Decimal(1), legacy_story=(), price=None, outcome="canceled", story=())
    assert "invented" in one.sort
