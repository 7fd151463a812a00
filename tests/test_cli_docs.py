"""The page about the journal is true: every block of it runs, and what it shows is what is shown."""

from __future__ import annotations

import asyncio
import re
import shlex
import textwrap
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fillwatch.core.evidence import Route
from fillwatch.core.orders import OrderRequest, Side
from fillwatch.journal import FactKind
from fillwatch.simulator import Fate, SimulatedBroker, World
from fillwatch.testing import run_virtual
from tests.test_cli import invoke

PAGE = Path(__file__).resolve().parent.parent / "docs" / "journal.md"
TEXT = PAGE.read_text("utf-8")
BLOCKS = [(kind, textwrap.dedent(code)) for kind, code in re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)]


def block(kind: str, holding: str) -> str:
    [code] = [code for found, code in BLOCKS if found == kind and holding in code]
    return code


def functions(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(code, names)
    return names


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The first block of the page is run, twice; the id of the order it watched."""
    monkeypatch.chdir(tmp_path)
    main = functions(block("python", "recover()"))["main"]

    async def run() -> str:
        world = World(1, clock=asyncio.get_running_loop().time, fate=Fate.MARKET, partial_fills=0.0)
        world.set_price("IBM", Decimal("155.00"))
        request = OrderRequest(symbol="SPY", side=Side.SELL, qty=Decimal(390))
        order_id = world.place(request, Fate.NEVER)
        watches, results, result = await main(SimulatedBroker(world), order_id)
        assert (watches, results, result.outcome) == ((), (), "timed_out")
        watches, results, _ = await main(SimulatedBroker(world), world.place(request, Fate.NEVER))
        assert [one.intent_id for one in results] == ["monday-1"]
        return order_id

    return run_virtual(run)


def test_every_block_is_run_by_some_test() -> None:
    run = [
        *(block("python", "recover()"), block("python", "def check")),
        *(block("sh", "resume"), block("sh", "explain"), block("text", "What happened")),
    ]
    assert sorted(code for _, code in BLOCKS) == sorted(run)


def test_the_commands_do_what_the_page_says(written: str, tmp_path: Path) -> None:
    lines = [shlex.split(line, comments=True) for line in block("sh", "explain").splitlines()]
    variables = {}
    for words in lines:
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            variables[name] = value
            continue
        command = [written[:4] if word == "9048" else word for word in words[1:]]
        code, out, err = invoke(*command, **variables)
        assert (code, err) == (0, ""), words
        assert out
    assert variables == {"FILLWATCH_JOURNAL": "trades.db"}
    code, _, err = invoke(*shlex.split(block("sh", "resume"))[1:])
    assert (code, "APCA_API_KEY_ID is not set" in err) == (2, True)


def test_the_rules_are_a_function(written: str, capsys: pytest.CaptureFixture[str]) -> None:
    functions(block("python", "def check"))["check"]("trades.db")
    assert capsys.readouterr().out == ""


def shape(line: str) -> str:
    """A line without what differs from run to run."""
    return re.sub(
        r"[0-9a-f]{8}-[0-9a-f-]{27}|[\d.]+|\b(order|list|activities)\b", "#", re.sub(r" +", " ", line)
    ).strip()


def test_the_story_on_the_page_is_how_stories_are_told(written: str) -> None:
    code, out, err = invoke("explain", written, "--journal", "trades.db")
    assert (code, err) == (0, "")
    told = {shape(line) for line in out.splitlines()}
    shown = [line for line in block("text", "What happened").splitlines() if line]
    labels = {line.split("  ")[0] for line in shown if re.match(r"[a-z]+( [a-z]+)?  ", line)}
    assert {line.split("  ")[0] for line in out.splitlines() if re.match(r"[a-z]+( [a-z]+)?  ", line)} == labels
    assert {shape(line) for line in shown if line.startswith(("What", "Why", "  time"))} <= told
    assert {shape(line) for line in shown if " us " in line or " engine " in line} <= told


def test_the_page_names_every_route_that_a_story_can_name() -> None:
    legend = TEXT[TEXT.index("**by** says") :]
    spoken = {route.value for route in Route} - {Route.EVENTS.value, Route.POSITIONS.value}
    assert [route for route in spoken if f"`{route}`" not in legend] == []
    assert FactKind.RESULT.value in block("sh", "explain")
