"""Systems that watch orders, peers and ours: what each is started with, and the environments of the peers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "peers"
#: The peers' environments, in the checkout and nowhere else, whatever the directory and the Python of this process.
ENVIRONMENTS = HERE.parents[1] / ".venv" / "peers"


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """Something that watches orders: `folder` of its `script`, and the argument that says how. `ours`: no peer."""

    name: str
    folder: str
    how: str = ""
    script: str = "run.py"
    ours: bool = False

    @property
    def command(self) -> list[str]:
        """What to start; `prepared` has made the environment."""
        python = sys.executable if self.ours else str(_python(ENVIRONMENTS / self.folder))
        return [python, str(HERE / self.folder / self.script), self.how]

    @property
    def environment(self) -> dict[str, str]:
        """Where it finds `telling`, and ours this package."""
        ours = [str(HERE.parents[1])] if self.ours else []
        return os.environ | {"PYTHONPATH": os.pathsep.join((str(HERE), *ours))}


class Undriven(Exception):
    """A system could not be started or did not watch: no figure of it is one."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.reason = reason


def prepared(system: System) -> str | None:
    """Make a peer's environment from its pinned requirements, if it is not there or they have changed.

    None when it is there; or why it cannot be.
    """
    place, pinned = ENVIRONMENTS / system.folder, HERE / system.folder / "requirements.txt"
    done = place / "done"
    if system.ours:
        return None
    wanted = pinned.read_text(encoding="utf-8")
    if done.exists() and done.read_text(encoding="utf-8") == wanted:
        return None
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(place)],
        [str(_python(place)), "-m", "pip", "--quiet", "install", "--requirement", str(pinned)],
    ):
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            return f"its environment could not be made: {last_line((made.stderr or made.stdout).splitlines())}"
    done.write_text(wanted, encoding="utf-8")
    return None


def _python(place: Path) -> Path:
    return place / "bin" / "python"


def last_line(lines: Sequence[str]) -> str:
    """The last line that says something: of a traceback, the error and why."""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def tracked(system: System) -> list[dict[str, Any]]:
    """What a tracker says of itself: figures and cases. Raises `Undriven` when it ends with an error."""
    done = subprocess.run(system.command, env=system.environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Undriven(system.name, last_line(done.stderr.splitlines()) or "it ended with an error")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
