"""The benchmarks judge rightly: figures against targets, last words against the ledger, and tables from the JSON."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from random import Random

import pytest

import benchmarks.__main__ as command
from benchmarks import crowd, driver, figures, pictures, plots, readme, summary, table
from benchmarks.figures import Figure, Row
from benchmarks.lateness import Case, Mode, play
from benchmarks.scripts import HARD, do
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

    def test_what_was_kept_can_be_had_again(self, reports: Path) -> None:
        row = Row(case="10 orders", figures=(LATE, Figure(name="facts", value=3.0)), facts={"orders": 10}, seconds=1.5)
        nothing = Row(case="none", figures=(Figure(name="x", value=math.nan, at_most=1.0),), facts={})
        figures.keep("page", [row, nothing])
        again, none = figures.kept_rows("page")
        assert again == row
        assert math.isnan(none.figures[0].value)
        assert figures.kept_rows("absorb") == []


LATE = Figure(name="fills mean", value=0.5, unit="s", at_most=0.25, bound=0.2)


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for module in (figures, plots, table):
        monkeypatch.setattr(module, "REPORTS", tmp_path)
    return tmp_path


class TestTable:
    def test_a_miss_stands_out_and_names_its_target(self, reports: Path) -> None:
        figures.keep("lateness", [Row(case="10 orders", figures=(LATE,), facts={})])
        assert [*table.table()] == [f"tables: {reports / 'TABLES.md'}"]
        assert "| 10 orders | **0.5** (≤ 0.25) |" in (reports / "TABLES.md").read_text(encoding="utf-8")

    def test_who_has_no_say_in_a_case_is_told_apart_from_who_is_wrong(self) -> None:
        found = {"wrong": {"storm": {"b": ["too late"], "fillwatch": []}}, "left_out": {"storm": {"c": "it has none"}}}
        assert table.verdict_table(found).splitlines()[-1] == "| storm | right | **wrong** |"
        assert [*table.reasons(found)] == ["* storm. b: too late; c left out: it has none."]


#: A row with what any of the pictures asks for.
MADE = Row(
    case="100 orders: fillwatch",
    figures=(
        *(Figure(name=name, value=0.5, unit="s", at_most=0.25) for name in ("fills mean", "fills p99")),
        Figure(name="other ends mean", value=math.nan, unit="s"),
        Figure(name="other ends p99", value=0.4, unit="s"),
        *(
            Figure(name=f"an update, {orders} orders", value=20.0, unit="µs", at_most=25.0)
            for orders in ("100", "1,000")
        ),
    ),
    facts={
        "orders": 100,
        "mode": "polling",
        "share": 0.8,
        "system": "fillwatch",
        "delays": [0.1, 0.2],
        "cancels": [0.1, 0.2],
        "wrong": {"storm": {"fillwatch": []}},
    },
)


class TestPictures:
    def test_every_benchmark_has_one(self) -> None:
        assert set(pictures.PICTURES) == set(command.BENCHMARKS) - {"table", "readme"}

    @pytest.mark.parametrize("name", {draw: name for name, draw in pictures.PICTURES.items()}.values())  # one of a kind
    def test_it_is_drawn_from_the_json_alone(self, reports: Path, name: str) -> None:
        figures.keep(name, [MADE])
        said = pictures.drawn(name)
        if find_spec("matplotlib") is None:
            assert said == plots.NONE
        else:
            assert said == f"picture: {reports / name}.png"
            assert (reports / f"{name}.png").read_bytes().startswith(b"\x89PNG")

    def test_who_was_left_out_or_told_of_nothing_spoils_none(self, reports: Path) -> None:
        absent = Row(case="100 orders: x (left out)", figures=(), facts={"system": "x", "left_out": "no wheel"})
        silent = Row(case="100 orders: y", figures=(), facts={"orders": 100, "system": "y", "delays": []})
        figures.keep("peers", [absent, silent, MADE])
        assert pictures.drawn("peers") in (f"picture: {reports / 'peers.png'}", plots.NONE)

    def test_bars_share_an_axis_if_they_have_a_target_or_else_a_unit(self) -> None:
        plain = [
            Figure(name=name, value=1.0, unit=unit)
            for name, unit in zip("abcde", ["ms", "kB", "", "ms", ""], strict=True)
        ]
        panels = plots.by_unit([Row(case="x", figures=(*plain, LATE), facts={})])
        assert {unit: [label for label, _ in panel] for unit, panel in panels.items()} == {
            plots.OF_TARGET: ["fills mean"],
            "ms": ["a", "d"],
            plots.ALONE: ["b", "c", "e"],
        }
        assert [*panels] == [plots.OF_TARGET, "ms", plots.ALONE]

    @pytest.mark.parametrize(
        ("figure", "length"),
        [
            (Figure(name="x", value=0.5, at_most=2.0), 0.25),
            (Figure(name="x", value=100.0, at_least=50.0), 0.5),
            (Figure(name="x", value=40.0, at_least=50.0), 1.25),
            (Figure(name="x", value=4.0, at_least=2.0, at_most=5.0), 0.8),
            (Figure(name="x", value=0, at_most=0), 0.0),
            (Figure(name="x", value=1, at_most=0), plots.LONGEST),
            (Figure(name="x", value=99.0, at_most=1.0), plots.LONGEST),
            (Figure(name="x", value=math.nan, at_least=1.0), plots.LONGEST),
        ],
    )
    def test_a_bar_crosses_the_line_where_its_target_is_missed(self, figure: Figure, length: float) -> None:
        assert plots.length(figure, plots.OF_TARGET) == length
        assert figure.passed is (length <= 1.0)

    def test_a_line_runs_from_the_fewest_orders_to_the_most(self) -> None:
        made = [Figure(name=f"an update, {orders} orders", value=1.0) for orders in ("20,000", "100", "1,000")]
        row = Row(case="x", figures=(*made, LATE), facts={})
        assert [orders for orders, _ in plots.over_orders(row)] == [100, 1_000, 20_000]


@pytest.mark.usefixtures("reports")
class TestSummary:
    def test_every_target_is_counted_and_each_miss_named(self) -> None:
        early = Figure(name="fills p50", value=0.1, unit="s", at_most=0.25)
        plain = Figure(name="fills worst", value=9.0, unit="s")
        figures.keep("basket", [Row(case="20 orders", figures=(LATE, early, plain), facts={})])
        assert [*summary.summary(["basket", "start"])] == [
            "targets: 1 pass, 1 miss",
            "  basket    a basket of 20 market orders: 1 pass, 1 miss",
            "    MISS 20 orders: fills mean 0.5 (target ≤ 0.25)",
        ]

    def test_what_earlier_runs_have_left_can_be_summed_up_too(self) -> None:
        figures.keep("hard", [Row(case="hard cases", figures=(LATE,), facts={})])
        figures.keep_json("start", {"lines": []})
        assert summary.measured() == ["hard"]

    def test_a_promise_that_nothing_was_measured_for_is_a_miss(self) -> None:
        figures.keep_json("page", {"lines": ["1.2 ms"]})
        assert next(summary.summary(["page", "wire"])) == "targets: 0 pass, 2 miss"

    def test_without_promises_nothing_is_said(self) -> None:
        assert [*summary.summary(["start", "table"])] == []


class TestCommand:
    def test_a_name_that_is_none_is_told_with_one_that_is_like_it(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert command.main(["latenes"]) == 2
        said = capsys.readouterr().err
        assert "no benchmark is called 'latenes'; did you mean lateness?" in said
        assert all(f"  {name} " in said for name in command.BENCHMARKS)

    def test_every_benchmark_says_what_it_measures(self) -> None:
        assert all(command._purpose(benchmark) for benchmark in command.BENCHMARKS.values())

    def test_every_promise_is_measured_by_default(self) -> None:
        assert set(summary.PROMISES) <= set(command.OURS)

    def test_one_that_fails_is_told_and_leaves_nothing(
        self, reports: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def breaks() -> Iterator[str]:
            yield "so far"
            raise OSError("no disk")

        def works() -> Iterator[str]:
            yield "1 s"
            figures.keep("page", [MADE])

        monkeypatch.setattr(command, "BENCHMARKS", {"absorb": breaks, "page": works})
        assert [command.main(["--part", name]) for name in ("absorb", "page")] == [1, 0]
        said = capsys.readouterr().out
        assert "FAILED: OSError: no disk" in said
        assert "page       picture: " in said or plots.NONE in said
        assert {path.stem for path in reports.iterdir()} == {"page"}

    @pytest.mark.usefixtures("reports")
    def test_one_that_keeps_no_figures_has_failed(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(command, "BENCHMARKS", {"page": lambda: iter(["1 s"])})
        assert command.main(["--part", "page"]) == 1
        assert "it has kept no figures" in capsys.readouterr().out

    def test_several_run_in_processes_of_their_own_as_they_were_asked_for(self) -> None:
        made = command._alone("wire", ["wire", "table", "--orders", "10", "20", "--seconds", "5"])
        assert made[1:] == ["-m", "benchmarks", "--part", "wire", "--orders", "10", "20", "--seconds", "5.0"]
        assert command._alone("table", ["wire", "table"])[1:] == ["-m", "benchmarks", "--part", "table"]


class TestReadme:
    """The tables of README.md are the tool's."""

    def test_each_table_has_the_columns_that_the_tool_gives_it(self, reports: Path) -> None:
        facts: dict[str, object] = {"orders": 10, "mode": "stream", "share": 0.8, "system": "fillwatch"}
        for name in ("lateness", "peers"):
            figures.keep(name, [Row(case="10 orders: fillwatch", figures=(LATE,), facts=facts)])
        found = readme.blocks(readme.README.read_text(encoding="utf-8"))
        assert set(found) == set(readme.TABLES)
        for name in ("lateness", "peers"):
            assert found[name].splitlines()[:2] == readme.TABLES[name]().splitlines()[:2]
        assert [line.split(" | ")[0] for line in found["cases"].splitlines()[2:]] == [f"| {case.name}" for case in HARD]

    @pytest.mark.usefixtures("reports")
    def test_a_table_is_made_anew_between_its_comments_and_stays_without_figures(self) -> None:
        text = "a\n<!-- bench: lateness -->\nold\n<!-- /bench -->\nb\n<!-- bench: peers -->\nkept\n<!-- /bench -->\n"
        facts: dict[str, object] = {"orders": 1_000, "mode": "polling", "share": 1.0}
        figures.keep("lateness", [Row(case="1,000 orders", figures=(LATE,), facts=facts)])
        made = readme.renewed(text)
        assert "| 1,000 | – | – | 0.50 / – | – |\n<!-- /bench -->\nb" in made
        assert "old" not in made
        assert made.endswith("<!-- bench: peers -->\nkept\n<!-- /bench -->\n")


class TestLastWords:
    """What a system said last of an order, against what is true of it."""

    def untruth(self, world: World, order_id: str, status: str, quantity: int, price: str | None = None) -> str | None:
        word = driver.Word(
            status=status, quantity=Decimal(quantity), price=None if price is None else Decimal(price), at=0.0
        )
        return driver.untruth(world, order_id, word)

    def test_silence_is_wrong_once_something_is_to_be_told(self, world: World) -> None:
        order_id = world.place(fate=Fate.NEVER)
        assert driver.untruth(world, order_id, None) is None
        do(world, order_id, Act.FILL, 0.5)
        assert driver.untruth(world, order_id, None) == "nothing was said"

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
        monkeypatch.setattr("benchmarks.lateness.ENDS", 10)
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
        async def listen() -> driver.Heard:
            said = (
                '{"id": "a", "at": 1.0, "status": "new", "quantity": "0", "price": null}',
                "a library says hello",
                '{"figure": "loop late, worst", "value": 0.01}',
                '{"ready": true}',
                '{"id": "a", "at": 2.0, "status": "filled", "quantity": "5", "price": "9.5"}',
                '{"id": "a", "at": 3.0, "status": "filled", "quantity": "6", "price": "9.6"}',
            )
            process = await asyncio.create_subprocess_exec("printf", "%s\\n", *said, stdout=asyncio.subprocess.PIPE)
            heard = driver.Heard()
            await driver.listen(process, heard)
            await process.wait()
            return heard

        heard = asyncio.run(listen())
        assert heard.ready.is_set()
        assert heard.figures == {"loop late, worst": 0.01}
        assert heard.words == {"a": driver.Word(status="filled", quantity=Decimal(6), price=Decimal("9.6"), at=2.0)}
