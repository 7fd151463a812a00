"""Importing fillwatch does nothing that can be noticed."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

import fillwatch

MAX_SECONDS = 0.25
#: What takes long to load or belongs to one vendor, to one command, or to tests.
LATE = (
    *("alpaca", "hypothesis", "httpx", "numpy", "pandas", "pydantic", "pytest", "requests", "rich", "starlette"),
    *("typer", "uvicorn", "fillwatch.cli", "fillwatch.simulator", "fillwatch.testing"),
)

STATE = """
import asyncio, json, sys, threading
loops = []
make = asyncio.BaseEventLoop.__init__
asyncio.BaseEventLoop.__init__ = lambda self: (loops.append(repr(self)), make(self))[1]
import fillwatch
modules = sorted(sys.modules)
import loguru
handlers = list(loguru.logger._core.handlers)
print(json.dumps({"loops": loops, "threads": threading.active_count(), "modules": modules, "handlers": handlers}))
"""
SECONDS = "import time; began = time.perf_counter(); import fillwatch; print(time.perf_counter() - began)"


def told_by(program: str) -> Any:  # noqa: ANN401  # whatever the program prints
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def fresh() -> dict[str, Any]:
    state: dict[str, Any] = told_by(STATE)
    return state


@pytest.mark.parametrize("name", LATE)
def test_what_is_heavy_is_loaded_late(fresh: dict[str, Any], name: str) -> None:
    assert name not in fresh["modules"]


def test_no_handler_no_thread_no_loop(fresh: dict[str, Any]) -> None:
    assert fresh["handlers"] == [0], "loguru's own, and no other"
    assert fresh["threads"] == 1
    assert fresh["loops"] == []


def test_importing_is_quick() -> None:
    """The best of a few: a busy machine makes any single one slow, and the first writes the bytecode."""
    assert fillwatch.__all__, "there is something to import"
    fastest = min(told_by(SECONDS) for _ in range(3))
    for _ in range(7):
        if fastest >= MAX_SECONDS:
            fastest = min(fastest, told_by(SECONDS))
    assert fastest < MAX_SECONDS
