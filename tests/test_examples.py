"""Every example runs, shows what it says, and leaves nothing running; in virtual time, where a minute costs nothing."""

from __future__ import annotations

import asyncio
import importlib.util
import re
from decimal import Decimal
from pathlib import Path
from textwrap import indent
from types import ModuleType
from typing import Any

import pytest

import tests.simulator.alpaca_client  # noqa: F401  # quietly, as importing alpaca-py warns
from fillwatch import FillOutcome
from fillwatch.simulator import Fate, SimulatedBroker, World
from fillwatch.testing import run_virtual

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"examples.{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_one_order_is_followed_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    result = run_virtual(example("watch_one_order").main)
    assert (result.outcome, result.fill_quantity) == (FillOutcome.FILLED, 100)
    assert result.slippage is not None
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) > 3
    assert shown[-2].startswith("filled: 100 at 150.")
    assert shown[-1].startswith("slippage ")


def test_many_orders_have_one_result_each(capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = run_virtual(example("watch_many_orders").main)
    assert sum(outcomes.values()) == 100
    assert outcomes[FillOutcome.FILLED] > 40
    assert "in the worst minute" in capsys.readouterr().out


def test_an_order_that_is_left_alone_is_amended(capsys: pytest.CaptureFixture[str]) -> None:
    amendment = run_virtual(example("leave_and_amend").main)
    assert amendment.result.outcome is FillOutcome.UNRESOLVED
    assert amendment.amended.outcome is FillOutcome.FILLED
    assert "unresolved" in capsys.readouterr().out


def test_a_journal_outlives_its_process(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_virtual(example("journal").main) == 0
    shown = capsys.readouterr().out
    assert "bought 10, protected: True" in shown
    assert "taken up again: 1 watch, 1 trade" in shown
    assert "Why it was told as timed out" in shown
    assert shown.rstrip().endswith("no rule is broken")


def test_the_tests_of_the_bot_pass(capsys: pytest.CaptureFixture[str]) -> None:
    example("test_your_own_bot").main()
    assert capsys.readouterr().out.count("passed: ") == 3


def test_only_the_bot_that_looks_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    example("test_your_alpaca_bot").main()
    trusting, what, careful = capsys.readouterr().out.splitlines()
    assert trusting == "trusting: 1 untrue result:"
    assert "said 0 executed; in truth filled since" in what
    assert careful == "careful: true"


def blocks_of_the_readme() -> list[str]:
    return re.findall(r"```python\n(.*?)```", ROOT.joinpath("README.md").read_text("utf-8"), re.DOTALL)


def test_the_code_in_the_readme_compiles() -> None:
    """The one that needs an account, too; a loop alone stands for the inside of a function."""
    for block in blocks_of_the_readme():
        inside = block.startswith("async for")
        compile(f"async def _():\n{indent(block, '    ')}" if inside else block, "README.md", "exec")


def test_the_test_in_the_readme_passes() -> None:
    [block] = [block for block in blocks_of_the_readme() if "def test_" in block]
    names: dict[str, Any] = {}
    exec(block, names)
    names["test_half_of_it_fills_while_it_is_being_cancelled"]()


def test_the_trade_in_the_readme_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [block] = [block for block in blocks_of_the_readme() if "def trade(" in block]
    names: dict[str, Any] = {}
    exec(block, names)
    monkeypatch.chdir(tmp_path)

    async def main() -> None:
        world = World(3, clock=asyncio.get_running_loop().time, fate=Fate.MARKET, partial_fills=0.0)
        world.set_price("AAPL", Decimal("189.40"))
        await names["trade"](SimulatedBroker(world), "a-signal")

    asyncio.run(main())
    assert capsys.readouterr().out.startswith("True 189.4")


def test_no_example_is_forgotten() -> None:
    here = Path(__file__).read_text("utf-8")
    for path in EXAMPLES.glob("*.py"):
        assert f'example("{path.stem}")' in here, f"{path.name} is not run"
