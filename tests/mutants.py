"""Do the tests bite? Plants known bugs one at a time in a copy of the tree and runs the tests that should notice.

`python -m tests.mutants [--only TEXT]`. Exit code 1 when a bug survives, 2 when the table does not fit the code any
more: a text that is not found exactly once, a named test that fails without any bug, a bug that breaks the import.
"""

# ruff: noqa: T201 - a command, which prints its table

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from queue import SimpleQueue

from tests.mutants_diary import DIARY_MUTANTS
from tests.mutants_engine import ENGINE_MUTANTS
from tests.mutants_reading import READING_MUTANTS
from tests.mutants_table import MUTANTS, Mutant
from tests.mutants_trade import TRADE_MUTANTS

ROOT = Path(__file__).resolve().parent.parent
#: What a copy of the tree needs for its tests to run.
COPIED = ("fillwatch", "tests", "pyproject.toml")
WORKERS = 2
#: Real seconds after which a run counts as hung, which is a way of noticing; and for all named tests without any bug.
PATIENCE, PATIENCE_WITH_ALL = 120.0, 900.0


class Fate(StrEnum):
    """What became of a mutant."""

    CAUGHT = "caught"
    HUNG = "caught (hung)"
    SURVIVED = "SURVIVED"
    BROKEN = "BROKEN: no test could run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A mutant, what became of it, in how many real seconds, and the last lines of its tests."""

    mutant: Mutant
    fate: Fate
    seconds: float
    output: str


def misfits(mutants: Sequence[Mutant]) -> list[str]:
    """Mutants whose old text is not in their file exactly once."""
    counts = ((mutant, ROOT.joinpath(mutant.file).read_text("utf-8").count(mutant.old)) for mutant in mutants)
    return [f"{mutant.name}: found {count} times in {mutant.file}" for mutant, count in counts if count != 1]


@contextmanager
def copies(number: int) -> Iterator[SimpleQueue[Path]]:
    """Copies of the tree, in a directory of their own."""
    with tempfile.TemporaryDirectory(prefix="fillwatch-mutants-") as place:
        queue: SimpleQueue[Path] = SimpleQueue()
        for index in range(number):
            copy = Path(place, str(index))
            for name in COPIED:
                source = ROOT / name
                if source.is_dir():
                    shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(source, copy / name)
            queue.put(copy)
        yield queue


def run_tests(
    copy: Path, tests: Sequence[str], *, patience: float = PATIENCE, processes: int = 0
) -> tuple[int | None, str]:
    """pytest's exit code, None when it hung, and its last lines. `processes`: 0 for none of their own."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "--no-header",
        "--hypothesis-profile=mutants",
        f"--numprocesses={processes}",
        *tests,
    ]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(copy)}
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=patience, check=False
        )
    except subprocess.TimeoutExpired:
        return None, ""
    return done.returncode, "\n".join(done.stdout.splitlines()[-15:])


def try_out(mutant: Mutant, queue: SimpleQueue[Path]) -> Verdict:
    """Plant one bug in a free copy, run its tests, restore the copy."""
    copy = queue.get()
    file = copy / mutant.file
    honest = file.read_text("utf-8")
    began = time.perf_counter()
    try:
        file.write_text(honest.replace(mutant.old, mutant.new), "utf-8")
        code, output = run_tests(copy, mutant.tests)
    finally:
        file.write_text(honest, "utf-8")
        queue.put(copy)
    fates = {0: Fate.SURVIVED, 1: Fate.CAUGHT, None: Fate.HUNG}
    return Verdict(mutant=mutant, fate=fates.get(code, Fate.BROKEN), seconds=time.perf_counter() - began, output=output)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", default="", help="mutants whose name or file contains this text")
    only = parser.parse_args(arguments).only
    table = (*MUTANTS, *ENGINE_MUTANTS, *DIARY_MUTANTS, *READING_MUTANTS, *TRADE_MUTANTS)
    mutants = [mutant for mutant in table if only in mutant.name or only in mutant.file]
    if problems := misfits(mutants):
        print("\n".join(problems))
        return 2
    with copies(WORKERS) as queue, ThreadPoolExecutor(WORKERS) as pool:
        copy = queue.get()
        named = sorted({test for mutant in mutants for test in mutant.tests})
        code, output = run_tests(copy, named, patience=PATIENCE_WITH_ALL, processes=WORKERS)
        queue.put(copy)
        if code != 0:
            print(f"the tests fail without any bug:\n{output}")
            return 2
        verdicts = []
        for verdict in pool.map(lambda mutant: try_out(mutant, queue), mutants):
            verdicts.append(verdict)
            told = f"{verdict.fate:14} {verdict.seconds:5.1f} s  {verdict.mutant.file:34} {verdict.mutant.name}"
            print(told, flush=True)
    fates = [verdict.fate for verdict in verdicts]
    for verdict in verdicts:
        if verdict.fate is Fate.BROKEN:
            print(f"\n{verdict.mutant.name}:\n{verdict.output}")
    caught = fates.count(Fate.CAUGHT) + fates.count(Fate.HUNG)
    print(f"{caught} of {len(verdicts)} caught")
    return 2 if Fate.BROKEN in fates else 1 if Fate.SURVIVED in fates else 0


if __name__ == "__main__":
    sys.exit(main())
