"""Seeded worlds with faults: every invariant holds in each, the rare states are reached, and a seed replays exactly."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from fillwatch.simulator import Faults
from fillwatch.simulator.fates import PLANNED
from fillwatch.simulator.faults import MENU
from fillwatch.testing.worlds import run_world

ROOT = Path(__file__).resolve().parents[2]
WORLDS, CHUNK = 300, 10

#: What any thirty worlds in a row have to meet: a suite that never meets a state says nothing about it.
RARE = frozenset(f"fate:{fate}" for fate in PLANNED) | frozenset(f"fault:{kind}" for kind in MENU)


@pytest.mark.parametrize("first", range(0, WORLDS, CHUNK))
def test_every_invariant_holds(first: int) -> None:
    broken = []
    for seed in range(first, first + CHUNK):
        report = run_world(seed)
        if report.violations:
            broken.append(f"{report}\n  replay: python -m tests.soak --seed {seed}")
    assert not broken, "\n".join(broken)


def test_the_rare_states_are_reached() -> None:
    """Invariant 18."""
    reached: Counter[str] = Counter()
    for seed in range(WORLDS, WORLDS + 30):
        reached += run_world(seed).reached
    assert reached.keys() >= RARE, sorted(RARE - reached.keys())


def test_a_seed_replays_exactly_in_another_process() -> None:
    """Invariant 17: the hash seed of the process decides nothing."""
    traces = set()
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", "from fillwatch.testing.worlds import run_world; print(run_world(7).trace)"],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        traces.add(done.stdout)
    assert len(traces) == 1
    assert run_world(7).trace in traces.pop()


def test_other_seeds_go_otherwise() -> None:
    assert run_world(1, 3).trace != run_world(2, 3).trace


def test_faults_are_really_met() -> None:
    """A menu of faults that nobody is served from would make every world a fair one."""
    assert Faults.random(3) != Faults.random(4)
    counts = run_world(3).counts
    assert sum(number for name, number in counts.items() if name.startswith("error:")) > 0
