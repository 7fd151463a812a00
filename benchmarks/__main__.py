"""Runs the benchmarks by name, all of them by default, and prints one line for each figure."""

from __future__ import annotations

import platform
import sys

from benchmarks import costs, simulator

BENCHMARKS = {**costs.BENCHMARKS, **simulator.BENCHMARKS}


def main(names: list[str]) -> int:
    """0, or 2 for a name that is none."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark is called {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    print(f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}, {platform.system()}")
    for name in names or BENCHMARKS:
        for figure in BENCHMARKS[name]():
            print(f"{name:10} {figure}", flush=True)
    return 0


sys.exit(main(sys.argv[1:]))
