"""The command line: what a stranger reads, what a script gets, and the demonstration's word held to its report."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from typer.testing import CliRunner

import fillwatch
from fillwatch.cli.app import app

KEYS = {"APCA_API_KEY_ID": "PKABCDEFGHIJ", "APCA_API_SECRET_KEY": "canary-secret-0123456789"}
ROOT = Path(__file__).resolve().parent.parent


def environment(**variables: str) -> dict[str, str]:
    """This environment without an account, a terminal or colours, and with `variables`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("APCA_")}
    return kept | {"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"} | variables


def invoke(*words: str, **variables: str) -> tuple[int, str, str]:
    """Exit code, output and errors of the command, run in this process."""
    hidden: dict[str, str | None] = dict.fromkeys(name for name in os.environ if name.startswith("APCA_"))
    runner = CliRunner(env=hidden | {"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"} | variables)
    done = runner.invoke(app, words)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def run(*words: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    program = "from fillwatch.cli import main; main()"
    path = {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=cwd,
        env=environment(**path, **variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        (["--help"], ["demo", "watch", "--version", "exactly one truthful result"]),
        (["demo", "--help"], ["--orders", "--seed", "--faults", "--timeout", "--report", "Exit code", "simulated"]),
        (["watch", "--help"], ["ORDER_ID", "--at-timeout", "leave", "APCA_API_KEY_ID", "UNRESOLVED", "Exit code"]),
    ],
)
def test_help_says_what_a_stranger_needs(words: list[str], needed: list[str]) -> None:
    code, out, err = invoke(*words)
    assert (code, err) == (0, "")
    assert [word for word in needed if word not in " ".join(out.split())] == []


def test_the_version_is_the_packages() -> None:
    assert invoke("--version") == (0, f"fillwatch {fillwatch.__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "variables", "complaint"),
    [
        (["watch", str(uuid4())], {}, "APCA_API_KEY_ID is not set"),
        (["watch", str(uuid4())], {"APCA_API_KEY_ID": "PK1"}, "APCA_API_SECRET_KEY is not set"),
        (["watch", "../account"], KEYS, "'../account' is not an Alpaca order id"),
        (["watch", str(uuid4()), str(uuid4()), "--expected-price", "1"], KEYS, "it is for one order, and 2 were given"),
        (["watch", str(uuid4()), "--expected-price", "dear"], KEYS, "'dear' is not a number"),
        (["watch", str(uuid4())], KEYS | {"APCA_API_BASE_URL": "http://example.com"}, "https://"),
        (["watch", str(uuid4())], KEYS | {"APCA_API_BASE_URL": "https://api.alpaca.markets"}, "real money"),
        (["watch", str(uuid4()), "--at-timeout", "burn"], KEYS, "'burn'"),
        (["watch"], KEYS, "ORDER_ID"),
        (["demo", "--orders", "0"], {}, "orders"),
        (["demo", "--faults", "1.5"], {}, "faults"),
    ],
)
def test_what_cannot_be_carried_out_is_said_in_words(
    words: list[str], variables: dict[str, str], complaint: str
) -> None:
    code, out, err = invoke(*words, **variables)
    assert (code, out) == (2, "")
    assert complaint in " ".join(err.replace("│", " ").split())
    assert "Traceback" not in err
    assert KEYS["APCA_API_SECRET_KEY"] not in err


def test_the_demonstration_tells_the_truth_and_its_report_agrees(tmp_path: Path) -> None:
    done = run("demo", "--orders", "20", "--timeout", "3", "--seed", "5", "--faults", "0.05", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    told = dict(re.findall(r"^(\w[\w ]*?) {2,}(.*)$", done.stdout, re.MULTILINE))
    report = json.loads((tmp_path / told["report"]).read_text("utf-8"))
    summary = report["summary"]
    assert told["report"] == str(Path("reports", "demo-seed-5.json"))
    assert (told["missed"], told["phantom"], told["other untruths"]) == ("0", "0", "none")
    assert told["requests"].startswith(f"{summary['requests']},")
    assert told["worst minute"] == f"{summary['worst_minute']} requests (limit 200)"
    assert (summary["orders"], summary["missed"], summary["phantom"], summary["good"]) == (20, 0, 0, True)
    assert sum(summary["outcomes"].values()) == len(report["orders"]) == 20
    assert "20 of 20 have a result" in done.stdout
    assert "\x1b" not in done.stdout, "colours belong to terminals"
