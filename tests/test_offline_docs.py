"""The page "Test your Alpaca bot offline" is true: every block of it runs, against a simulator started as it says."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

import pytest

import fillwatch.testing.plugin
import fillwatch.testing.serving  # noqa: F401  # inner runs forget what they are the first to import
import tests.simulator.alpaca_client  # noqa: F401  # likewise, and quietly
from fillwatch.simulator import scenarios
from tests.test_plugin import OPTIONS

pytest_plugins = ["pytester"]

PAGE = Path(__file__).resolve().parent.parent / "docs" / "test-your-bot-offline.md"
TEXT = PAGE.read_text("utf-8")
BLOCKS = [(kind, textwrap.dedent(code)) for kind, code in re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)]
STARTED = next(shlex.split(code) for kind, code in BLOCKS if code.startswith("fillwatch simulate"))
ADDRESS = "127.0.0.1:8787"
COMMAND = (sys.executable, "-c", "from fillwatch.cli import main; main()")
#: Importing alpaca-py warns of a part of websockets that is deprecated; that is its own affair.
PYTHON = (sys.executable, "-W", "ignore::DeprecationWarning", "-c")


def blocks(kind: str, *, holding: str = "", lacking: str = "\0") -> list[str]:
    return [code for found, code in BLOCKS if found == kind and holding in code and lacking not in code]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Where a simulator is that was started as the page says, though on a free port."""
    options = [word if word != "8787" else "0" for word in STARTED[1:]]
    with subprocess.Popen([*COMMAND, *options, "--json"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["url"].removeprefix("http://")
        finally:
            process.terminate()


def ledger(address: str) -> dict[str, list[dict[str, object]]]:
    headers = {"APCA-API-KEY-ID": "PKTEST", "APCA-API-SECRET-KEY": "test-secret"}
    with build_opener(ProxyHandler({})).open(Request(f"http://{address}/sim/ledger", headers=headers)) as answer:
        found: dict[str, list[dict[str, object]]] = json.load(answer)
    return found


def test_every_block_is_run_by_some_test() -> None:
    run = [
        *blocks("python", holding='url_override="http://', lacking="def test_"),
        *blocks("python", holding="def test_"),
        *blocks("python", holding="BrokerConformance"),
        *blocks("sh", holding="curl"),
        *blocks("toml"),
    ]
    by_hand = [*blocks("sh", holding="pip install"), *blocks("sh", holding="fillwatch simulate")]
    assert sorted(code for _, code in BLOCKS) == sorted([*run, *by_hand])
    assert len(run) == 9


def test_the_five_lines_with_alpaca_py_place_an_order(address: str) -> None:
    [code] = blocks("python", holding='url_override="http://', lacking="def test_")
    assert len(code.splitlines()) == 5
    before = len(ledger(address)["orders"])
    done = subprocess.run(
        [*PYTHON, code.replace(ADDRESS, address)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("OrderStatus.")
    assert len(ledger(address)["orders"]) == before + 1


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("code", blocks("sh", holding="curl"), ids=lambda code: code.split("http://")[1].split()[0])
def test_the_lines_with_curl_are_answered(address: str, code: str) -> None:
    script = f"set -eu\n{code.replace(ADDRESS, address)}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    if '--data \'{"symbol"' in code:
        assert json.loads(done.stdout)["symbol"] == "AAPL"
    elif "/sim/ledger" in code:
        assert json.loads(done.stdout)["seed"] == 1


@pytest.mark.parametrize("code", blocks("python", holding="def test_"), ids=lambda code: code.split("(")[0][-20:])
def test_the_tests_pass(pytester: pytest.Pytester, code: str) -> None:
    pytester.makepyfile(code)
    pytester.runpytest_inprocess("--strict-markers", *OPTIONS).assert_outcomes(passed=1)


def test_the_adapter_is_held_to_the_kit(pytester: pytest.Pytester) -> None:
    """One test of each kind; all of them, over this very broker, are in `tests/worlds`."""
    [code] = blocks("python", holding="BrokerConformance")
    pytester.makepyfile(code)
    chosen = "pages_of_the_list or calm or reset_before-look]"
    result = pytester.runpytest_inprocess("--strict-markers", *OPTIONS, "-k", chosen)
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] >= 3
    assert "failed" not in outcomes


def test_the_example_is_a_test_module_too(pytester: pytest.Pytester) -> None:
    shutil.copy(PAGE.parent.parent / "examples" / "test_your_alpaca_bot.py", pytester.path)
    pytester.runpytest_inprocess("--strict-markers", *OPTIONS).assert_outcomes(passed=1)


def test_the_file_is_a_scenario(tmp_path: Path) -> None:
    [code] = blocks("toml")
    path = tmp_path / "monday.toml"
    path.write_text(code, "utf-8")
    found = scenarios.load(path)
    assert (found.name, found.seed, found.faults.slow) == ("monday", 7, 0.1)
    assert found.faults.rules[0].probability == 0.5


def test_the_scenarios_are_all_there_in_their_own_words() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", TEXT, re.MULTILINE)
    assert rows == [(name, scenarios.load(name).sentence) for name in scenarios.names()]


def test_the_routes_of_the_control_endpoint_are_all_there() -> None:
    from fillwatch.simulator import control

    told = re.findall(r"^\| (`.*?) \| ", TEXT, re.MULTILINE)
    found = {
        (method, path)
        for cell in told
        if "/sim" in cell
        for path in [cell.split()[-1].strip("`")]
        for method in re.findall(r"GET|PUT|PATCH|POST", cell)
    }
    served = {(method, path) for method, path, _ in control._ROUTES} - {("GET", "/sim/ledger")}
    assert found == served
