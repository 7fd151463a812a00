"""Runs the benchmarks by name, all but those against peers by default, and prints one line for each figure."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping

from benchmarks import against, basket, burst, costs, journal, lateness, simulator, table, timeouts
from benchmarks.figures import keep_json, machine

#: Ours alone, which is what runs by default; and what takes longer, or needs other packages.
OURS: Mapping[str, Callable[[], Iterator[str]]] = {
    **costs.BENCHMARKS,
    **simulator.BENCHMARKS,
    **journal.BENCHMARKS,
    **journal.BENCHMARKS,
    **burst.BENCHMARKS,
    **basket.BENCHMARKS,
    **timeouts.BENCHMARKS,
    **against.BENCHMARKS,
    **lateness.BENCHMARKS,
    **table.BENCHMARKS,
}
BENCHMARKS = {**OURS, **against.PEER_BENCHMARKS}


def main(names: list[str]) -> int:
    """0, or 2 for a name that is none."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark is called {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    print(machine())
    for name in names or OURS:
        began, lines = time.perf_counter(), []
        for line in BENCHMARKS[name]():
            lines.append(line)
            print(f"{name:10} {line}", flush=True)
        if name not in KEPT:
            keep_json(name, {"lines": lines, "seconds": round(time.perf_counter() - began, 1)})
    return 0


#: Benchmarks that write their own JSON, with more in it than their lines.
KEPT = frozenset({"burst", "basket", "timeouts", "hard", "lateness", "peers", "table"})

if __name__ == "__main__":  # processes of a pool import it again
    sys.exit(main(sys.argv[1:]))
