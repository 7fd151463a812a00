"""What was measured: figures beside their targets and bounds, as lines to read and as JSON to keep."""

from __future__ import annotations

import json
import math
import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

#: Where reports go, in the checkout; `make clean` removes it.
REPORTS = Path(__file__).parents[1] / "reports" / "bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure. `at_most`, `at_least`: the target, if it has one; `bound`: what no engine could do better."""

    name: str
    value: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    bound: float | None = None

    @property
    def passed(self) -> bool | None:
        """Whether it keeps to its target; None without one."""
        if self.at_most is None and self.at_least is None:
            return None
        low = -math.inf if self.at_least is None else self.at_least
        high = math.inf if self.at_most is None else self.at_most
        return low <= self.value <= high  # and NaN is neither

    @property
    def text(self) -> str:
        """In one line."""
        return f"{self.name} {self.said}"

    @property
    def said(self) -> str:
        """The value with its unit, beside what it is held against."""
        said = f"{number(self.value)}{self.unit and ' ' + self.unit}"
        notes = [] if self.bound is None else [f"bound {number(self.bound)}"]
        notes += [] if self.at_most is None else [f"target ≤ {number(self.at_most)}"]
        notes += [] if self.at_least is None else [f"target ≥ {number(self.at_least)}"]
        verdict = {None: "", True: " pass", False: " MISS"}[self.passed]
        return said + (f" ({', '.join(notes)}{verdict})" if notes else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One case and its figures. `facts`: what the case was, as JSON takes it. `seconds`: of the clock on the wall."""

    case: str
    figures: tuple[Figure, ...]
    facts: dict[str, object]
    seconds: float = 0.0

    @property
    def lines(self) -> Iterable[str]:
        """The case, and one line for each of its figures."""
        yield f"{self.case}  ({self.seconds:.1f} s to run)" if self.seconds else self.case
        for figure in self.figures:
            yield f"    {figure.text}"


def number(value: float) -> str:
    """Three figures at least, and no more than they need."""
    if value == int(value) if math.isfinite(value) else True:
        return f"{value:,.0f}"
    return f"{value:,.4f}" if abs(value) < 0.01 else f"{value:,.3f}" if abs(value) < 10 else f"{value:,.1f}"


def keep(name: str, rows: Sequence[Row]) -> Path:
    """Write `reports/bench/NAME.json`; its path."""
    return keep_json(name, {"rows": [_plain(row) for row in rows]})


def keep_json(name: str, content: dict[str, object]) -> Path:
    """Write `reports/bench/NAME.json` with the machine beside the content; its path."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    path = REPORTS / f"{name}.json"
    whole = {"benchmark": name, "at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine(), **content}
    path.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read(name: str) -> dict[str, object] | None:
    """What was kept under this name; None when nothing was."""
    path = REPORTS / f"{name}.json"
    if not path.exists():
        return None
    content: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return content


def kept_rows(name: str) -> list[Row]:
    """The rows that were kept under this name, as they were; no value is not a number again."""
    kept: Any = read(name)
    return [] if kept is None else [_row(row) for row in kept["rows"]]


def kept_since(name: str, moment: float) -> bool:
    """Whether something was kept under this name since `moment` (`time.time()`)."""
    path = REPORTS / f"{name}.json"
    return path.exists() and path.stat().st_mtime >= moment


def progress(text: str) -> None:
    """Tell whoever waits, beside what is measured, that something goes on."""
    print(f"... {text}", file=sys.stderr, flush=True)


def machine() -> str:
    """Whose figures these are."""
    return (
        f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}, "
        f"{platform.system()}, {os.cpu_count()} cores"
    )


def _plain(row: Row) -> dict[str, object]:
    figures = [
        asdict(figure) | {"value": figure.value if math.isfinite(figure.value) else None, "passed": figure.passed}
        for figure in row.figures
    ]
    return {"case": row.case, "facts": row.facts, "figures": figures, "seconds": round(row.seconds, 2)}


def _row(kept: Mapping[str, Any]) -> Row:
    figures = tuple(
        Figure(**{name: each[name] for name in each if name != "passed"} | {"value": _value(each)})
        for each in kept["figures"]
    )
    return Row(case=kept["case"], figures=figures, facts=kept["facts"], seconds=kept["seconds"])


def _value(kept: Mapping[str, Any]) -> float:
    return math.nan if kept["value"] is None else float(kept["value"])


def mean(values: Sequence[float]) -> float:
    """Not a number when there are none."""
    return sum(values) / len(values) if values else math.nan


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` (0 to 1) of all values do not exceed; not a number when there are none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan
