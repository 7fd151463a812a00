"""Importing fillwatch does nothing that can be noticed."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fillwatch

#: On a machine that has time for it; on a busy one, so many times what the event loop and the log alone take there.
MAX_SECONDS, MAX_TIMES = 0.25, 4.0
#: What takes long to load or belongs to one vendor, to one command, or to tests.
LATE = (
    *("alpaca", "hypothesis", "httpx", "msgspec", "numpy", "pandas", "pydantic", "pytest", "requests", "rich"),
    *("sqlite3", "starlette", "typer", "uvicorn", "websockets"),
    *("fillwatch.cli", "fillwatch.journal", "fillwatch.simulator", "fillwatch.testing"),
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
SECONDS = "import time; began = time.perf_counter(); import {}; print(time.perf_counter() - began)"


def told_by(program: str, bytecode: Path | None = None) -> Any:  # noqa: ANN401  # whatever the program prints
    """What a fresh interpreter prints. `bytecode`: a directory for that, whatever the environment says of it."""
    variables = dict(os.environ)
    if bytecode is not None:
        variables.pop("PYTHONDONTWRITEBYTECODE", None)
        variables["PYTHONPYCACHEPREFIX"] = str(bytecode)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables)
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


def test_importing_is_quick(tmp_path: Path) -> None:
    """The best of a few: a busy machine makes any single one slow, and the first writes the bytecode."""
    assert fillwatch.__all__, "there is something to import"
    fastest = bare = math.inf
    for _ in range(10):
        fastest = min(fastest, told_by(SECONDS.format("fillwatch"), tmp_path))
        bare = min(bare, told_by(SECONDS.format("asyncio, loguru"), tmp_path))
        if fastest < MAX_SECONDS:
            break
    assert fastest < max(MAX_SECONDS, MAX_TIMES * bare)
