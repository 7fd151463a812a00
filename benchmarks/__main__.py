"""`python -m benchmarks [NAME ...]`: runs benchmarks by name, prints each figure, and says which targets were met."""

from __future__ import annotations

import argparse
import difflib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby

from benchmarks import (
    against,
    basket,
    burst,
    costs,
    journal,
    lateness,
    limiter,
    readme,
    simulator,
    table,
    timeouts,
    wire,
)
from benchmarks.figures import kept_since, machine
from benchmarks.pictures import PICTURES, drawn
from benchmarks.summary import measured, summary

Benchmark = Callable[[], Iterator[str]]

#: Ours alone, which is what runs by default, in this order; and what takes longer, or needs other packages.
OURS: Mapping[str, Benchmark] = {
    **costs.BENCHMARKS,
    **limiter.BENCHMARKS,
    **simulator.BENCHMARKS,
    **journal.BENCHMARKS,
    **burst.BENCHMARKS,
    **basket.BENCHMARKS,
    **timeouts.BENCHMARKS,
    **lateness.BENCHMARKS,
    **wire.BENCHMARKS,
    **against.BENCHMARKS,
    **table.BENCHMARKS,
}
BENCHMARKS: Mapping[str, Benchmark] = {**OURS, **against.PEER_BENCHMARKS, **readme.BENCHMARKS}
#: In real time, and hardly busy: these run side by side where they follow one another.
MOSTLY_WAIT = frozenset({"wire", "hard"})
#: Names for several at once.
GROUPS: Mapping[str, Sequence[str]] = {
    "all": [*OURS],
    "costs": [*costs.BENCHMARKS, *limiter.BENCHMARKS],
    "simulator": [*simulator.BENCHMARKS],
    "virtual": [*basket.BENCHMARKS, *timeouts.BENCHMARKS, *lateness.BENCHMARKS],
}


def main(arguments: Sequence[str]) -> int:
    """0, whether or not targets were met; 1 when a benchmark failed, 2 when it could not be asked like that."""
    asked = _parser().parse_args(arguments)
    unknown = [name for name in asked.names if name not in BENCHMARKS and name not in GROUPS]
    if unknown:
        print(_no_such(unknown), file=sys.stderr)
        return 2
    wanted = list(dict.fromkeys(each for name in asked.names or ["all"] for each in GROUPS.get(name, [name])))
    if asked.part:
        return 0 if _run(wanted[0], _sized(asked.orders, asked.seconds)[wanted[0]]) else 1
    print(machine(), flush=True)
    failed: list[str] = []
    for waits, names in groupby(wanted, key=MOSTLY_WAIT.__contains__):
        for together in [[*names]] if waits else ([name] for name in names):
            failed += _run_together(together, arguments)
    for line in summary(measured() if "table" in wanted else [name for name in wanted if name not in failed]):
        print(line)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _run_together(names: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """These at once; the names of those that failed."""
    running = [(name, subprocess.Popen(_alone(name, arguments))) for name in names]
    return [name for name, process in running if process.wait()]


def _alone(name: str, arguments: Sequence[str]) -> list[str]:
    """One benchmark in a process of its own, so that what another has left in memory costs it nothing."""
    options = _parser().parse_args(arguments)
    sizes = ["--orders", *map(str, options.orders)] if options.orders else []
    length = ["--seconds", str(options.seconds)] if options.seconds else []
    return [sys.executable, "-m", "benchmarks", "--part", name, *sizes, *length]


def _run(name: str, benchmark: Benchmark) -> bool:
    """Run one and draw what it kept; False if it failed, which does not end the others."""
    began, at = time.perf_counter(), time.time()
    try:
        for line in benchmark():
            print(f"{name:10} {line}", flush=True)
        if name in PICTURES:
            if not kept_since(name, at):
                raise LookupError("it has kept no figures")
            print(f"{name:10} {drawn(name)}", flush=True)
    except Exception as error:  # noqa: BLE001 - the top of one of many: the others are to be measured all the same
        print(f"{name:10} FAILED: {type(error).__name__}: {error}", flush=True)
        return False
    print(f"{name:10} ({time.perf_counter() - began:.0f} s)", flush=True)
    return True


def _sized(orders: Sequence[int] | None, seconds: float | None) -> Mapping[str, Benchmark]:
    """All benchmarks, those that can be asked for other numbers of orders or another length made for these."""
    return {
        **BENCHMARKS,
        "lateness": partial(lateness.lateness, orders or lateness.SIZES),
        "wire": partial(wire.wire, orders or wire.SIZES, seconds or wire.SECONDS),
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measures fillwatch. Each benchmark leaves reports/bench/NAME.json and NAME.png.",
        epilog=f"benchmarks:\n{_listed()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to run; by default all but `peers`")
    sizes = f"{_numbers(lateness.SIZES)}; {_numbers(wire.SIZES)}"
    parser.add_argument(
        "--orders", type=int, nargs="+", metavar="N", help=f"open orders, of lateness and wire ({sizes})"
    )
    parser.add_argument("--part", action="store_true", help=argparse.SUPPRESS)  # one of several: no summary
    parser.add_argument("--seconds", type=float, metavar="S", help=f"how long wire watches ({wire.SECONDS:g})")
    return parser


def _no_such(unknown: Sequence[str]) -> str:
    names = [*BENCHMARKS, *GROUPS]
    near = [close for name in unknown for close in difflib.get_close_matches(name, names, n=1)]
    hint = f"; did you mean {' '.join(near)}?" if near else ""
    return f"no benchmark is called {', '.join(map(repr, unknown))}{hint}\nthere are:\n{_listed()}"


def _numbers(numbers: Sequence[int]) -> str:
    return " ".join(map(str, numbers))


def _listed() -> str:
    """Every name with what it measures."""
    lines = [f"  {name:12} {_purpose(benchmark)}" for name, benchmark in BENCHMARKS.items()]
    lines += [f"  {name:12} = {' '.join(members)}" for name, members in GROUPS.items()]
    return "\n".join(lines)


def _purpose(benchmark: Benchmark) -> str:
    return (benchmark.__doc__ or "").strip().partition("\n")[0]


if __name__ == "__main__":  # processes of a pool import it again
    sys.exit(main(sys.argv[1:]))
