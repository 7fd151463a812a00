"""Many seeded worlds, or one again: `python -m tests.soak --worlds 5000`, `python -m tests.soak --seed 4711`.

Prints the seed of each world that broke an invariant, and what it broke; exit code 1 when there was one.
"""

# ruff: noqa: T201 - a command, which prints its table

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass

from fillwatch.testing.worlds import run_world


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What is kept of a world: the text of its violations and its counters."""

    seed: int
    broken: str
    reached: Counter[str]
    counts: Counter[str]


def passed(seed: int) -> Passed:
    """Live through one world."""
    report = run_world(seed)
    broken = str(report) if report.violations else ""
    return Passed(seed=seed, broken=broken, reached=report.reached, counts=Counter(report.counts))


def collected(seed: int, run: Future[Passed]) -> Passed:
    """What came of a world; a run that raised is a finding like a violation."""
    error = run.exception()
    if error is None:
        return run.result()
    told = "".join(traceback.format_exception(error))
    return Passed(seed=seed, broken=f"seed {seed}: the run failed\n{told}", reached=Counter(), counts=Counter())


def show(seed: int) -> int:
    """Replay one world and print its orders' stories where an invariant was broken."""
    report = run_world(seed)
    print(report)
    for order in sorted({violation.order for violation in report.violations if violation.order})[:3]:
        print(f"\n{report.history.about(order)}")
    print(f"trace {report.trace}")
    return 1 if report.violations else 0


def soak(first: int, worlds: int, workers: int) -> int:
    """Live through `worlds` worlds from seed `first` on."""
    failed, reached, counts = 0, Counter[str](), Counter[str]()
    with ProcessPoolExecutor(workers) as pool:
        runs = [(seed, pool.submit(passed, seed)) for seed in range(first, first + worlds)]
        for number, (seed, run) in enumerate(runs, 1):
            world = collected(seed, run)
            reached += world.reached
            counts += world.counts
            if world.broken:
                failed += 1
                print(world.broken, flush=True)
            if number % 100 == 0:
                print(f"{number} worlds, {failed} with violations", flush=True)
    for name, number in sorted((reached | counts).items()):
        print(f"  {name:40} {number}")
    print(f"{worlds} worlds, {failed} with violations")
    return 1 if failed else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--worlds", type=int, default=1_000, help="how many worlds to live through")
    parser.add_argument("--first", type=int, default=0, help="the seed of the first of them")
    parser.add_argument("--seed", type=int, help="replay this one and show what broke")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args(arguments)
    return show(chosen.seed) if chosen.seed is not None else soak(chosen.first, chosen.worlds, chosen.workers)


if __name__ == "__main__":
    sys.exit(main())
