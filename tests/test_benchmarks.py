"""The benchmarks judge rightly: figures against targets, last words against the ledger, and tables from the JSON."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from benchmarks import crowd, driver, figures, table
from benchmarks.figures import Figure, Row
from benchmarks.lateness import Case, Mode, play
from benchmarks.scripts import do
from fillwatch import FillResult
from fillwatch.simulator import Fate, World
from fillwatch.simulator.clocks import Clock
from fillwatch.simulator.plans import Act


@pytest.fixture
def world() -> World:
    return World(1, clock=Clock(), requests_per_minute=None)


class TestFigures:
    @pytest.mark.parametrize(
        ("figure", "passed"),
        [
            (Figure(name="x", value=1.0, at_most=1.0), True),
            (Figure(name="x", value=1.1, at_most=1.0), False),
            (Figure(name="x", value=0.9, at_least=1.0), False),
            (Figure(name="x", value=math.nan, at_most=1.0), False),
            (Figure(name="x", value=1.0), None),
        ],
    )
    def test_a_target_is_passed_or_missed_and_no_value_is_a_miss(self, figure: Figure, passed: bool | None) -> None:
        assert figure.passed is passed

    def test_percentiles_are_values_that_were_measured(self) -> None:
        assert figures.percentile([3.0, 1.0, 2.0], 0.5) == 2.0
        assert figures.percentile([*map(float, range(1, 101))], 0.99) == 99.0
        assert math.isnan(figures.percentile([], 0.5))


class TestTable:
    def test_a_miss_stands_out_and_names_its_target(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in (figures, table):
            monkeypatch.setattr(module, "REPORTS", tmp_path)
        late = Figure(name="fills mean", value=0.5, unit="s", at_most=0.25, bound=0.2)
        figures.keep("lateness", [Row(case="10 orders", figures=(late,), facts={})])
        said = [*table.table()]
        assert "lateness: 0 targets passed, 1 missed" in said
        assert "| 10 orders | **0.5** (≤ 0.25) |" in (tmp_path / "TABLES.md").read_text(encoding="utf-8")


class TestLastWords:
    """What a system said last of an order, against what is true of it."""

    def untruth(self, world: World, order_id: str, status: str, quantity: int, price: str | None = None) -> str | None:
        word = driver.Word(
            status=status, quantity=Decimal(quantity), price=None if price is None else Decimal(price), at=0.0
        )
        return driver.untruth(world, order_id, word)

    def test_silence_is_wrong(self, world: World) -> None:
        assert driver.untruth(world, world.place(fate=Fate.NEVER), None) == "nothing was said"

    def test_a_fill_has_to_be_told_with_its_quantity_and_price(self, world: World) -> None:
        order_id = world.place(fate=Fate.NEVER)
        do(world, order_id, Act.FILL)
        true, price = int(world.ledger.executed_at(order_id)), world.ledger.average_in_chain(order_id)
        assert self.untruth(world, order_id, "filled", true, str(price)) is None
        assert "executed were told" in str(self.untruth(world, order_id, "filled", true - 1))
        assert "average price" in str(self.untruth(world, order_id, "filled", true, "1.00"))
        assert "was said, it is 'filled'" in str(self.untruth(world, order_id, "new", true))

    def test_an_order_that_was_replaced_ends_as_its_successor_does(self, world: World) -> None:
        clock = world.clock
        assert isinstance(clock, Clock)
        order_id = world.place(fate=Fate.REPLACED_FILLS)
        clock.move_to(60.0)
        true = int(world.ledger.executed_in_chain(order_id))
        assert true > 0
        assert self.untruth(world, order_id, "replaced", true) is not None
        assert self.untruth(world, order_id, "filled", true) is None


class TestCrowd:
    def test_lies_are_counted(self, world: World) -> None:
        order_id = world.place(fate=Fate.NEVER)
        do(world, order_id, Act.FILL)
        told: Mapping[str, tuple[float, FillResult]] = {}
        assert [*crowd.wrongs(world.ledger, [order_id], told)] == ["missed"]

    def test_a_run_among_ten_orders_tells_every_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("benchmarks.lateness.ENDS", {10: 10})
        row = play(Case(orders=10, mode=Mode.STREAM, share=1.0))
        found = {figure.name: figure.value for figure in row.figures}
        assert (row.facts["fills"], found["missed"], found["phantom"], found["429s"]) == (8, 0, 0, 0)
        assert 0.0 < found["fills worst"] < 0.05

    def test_pauses_are_random_and_as_many_a_second_as_asked_for(self) -> None:
        drawn = crowd._pauses(100, 0.5, Random(1))
        assert sum(drawn) == pytest.approx(200.0)
        assert len(set(drawn)) == 100


class TestDriver:
    def test_what_a_system_says_is_kept_with_the_moment_of_the_end(self) -> None:
        async def listen() -> dict[str, driver.Word]:
            said = (
                '{"id": "a", "at": 1.0, "status": "new", "quantity": "0", "price": null}',
                '{"ready": true}',
                '{"id": "a", "at": 2.0, "status": "filled", "quantity": "5", "price": "9.5"}',
                '{"id": "a", "at": 3.0, "status": "filled", "quantity": "6", "price": "9.6"}',
            )
            process = await asyncio.create_subprocess_exec("printf", "%s\\n", *said, stdout=asyncio.subprocess.PIPE)
            words: dict[str, driver.Word] = {}
            ready = asyncio.Event()
            await driver.listen(process, words, ready)
            await process.wait()
            assert ready.is_set()
            return words

        words = asyncio.run(listen())
        assert words == {"a": driver.Word(status="filled", quantity=Decimal(6), price=Decimal("9.6"), at=2.0)}
