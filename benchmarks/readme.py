"""The tables of README.md, between the two comments that name each: `python -m benchmarks readme` makes them anew.

`<!-- bench: NAME -->` and `<!-- /bench -->` stand around a table; NAME is one of `TABLES`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarks.figures import read
from benchmarks.table import grid, rows_of, verdict_table, verdicts

README = Path(__file__).parents[1] / "README.md"
_BLOCK = re.compile(r"(<!-- bench: (\w+) -->\n)(.*?)(<!-- /bench -->)", re.DOTALL)

#: Columns of the lateness table: heading, way of being told, share of the limit, and the figures it shows.
LATENESS: tuple[tuple[str, str, float, tuple[str, ...]], ...] = (
    ("stream: p50 / p99", "stream", 0.8, ("fills p50", "fills p99")),
    ("stream that loses a tenth, breaks every 30 s", "lossy stream", 0.8, ("fills p50", "fills p99")),
    ("polling (share 1.0): mean / p99", "polling", 1.0, ("fills mean", "fills p99")),
    ("ends without a fill, polling: mean", "polling", 1.0, ("other ends mean",)),
)
#: Columns of the peers' table: heading, open orders, and the figures it shows.
PEERS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("10 orders: mean / p99", "10 orders", ("fills mean", "fills p99")),
    ("100 orders: mean / p99", "100 orders", ("fills mean", "fills p99")),
    ("refused (429)", "100 orders", ("429s",)),
    ("100 orders, lossy stream: missed", "100 orders, lossy stream", ("missed",)),
)


def lateness() -> str:
    """Seconds from the fill to the result, by the number of open orders."""
    kept = read("lateness")
    if kept is None:
        return ""
    by_case = {
        (row["facts"]["orders"], row["facts"]["mode"], row["facts"]["share"]): _named(row) for row in rows_of(kept)
    }
    rows = [
        (f"{orders:,}", *(_cell(by_case.get((orders, mode, share)), names) for _, mode, share, names in LATENESS))
        for orders in sorted({orders for orders, _, _ in by_case})
    ]
    return grid(("open orders", *(heading for heading, *_ in LATENESS)), rows)


def peers() -> str:
    """The same for what people use today, over HTTP."""
    kept = read("peers")
    if kept is None:
        return ""
    by_case = {(row["case"].partition(": ")[0], row["facts"]["system"]): _named(row) for row in rows_of(kept)}
    systems = list(dict.fromkeys(system for _, system in by_case))
    rows = [(system, *(_cell(by_case.get((case, system)), names) for _, case, names in PEERS)) for system in systems]
    return grid(("system", *(heading for heading, *_ in PEERS)), rows)


def cases() -> str:
    """Right or wrong in the hard cases."""
    found = verdicts()
    return "" if found is None else verdict_table(found)


def _named(row: Mapping[str, Any]) -> Mapping[str, float | None]:
    return {figure["name"]: figure["value"] for figure in row["figures"]}


def _cell(figures: Mapping[str, float | None] | None, names: Sequence[str]) -> str:
    if not figures:
        return "–"
    return " / ".join(_number(figures.get(name)) for name in names)


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value == int(value) or value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


TABLES: Mapping[str, Callable[[], str]] = MappingProxyType({"lateness": lateness, "peers": peers, "cases": cases})


def renewed(text: str) -> str:
    """The README with its tables as they are now; one that nothing was measured for stays as it was."""

    def made(block: re.Match[str]) -> str:
        found = TABLES[block[2]]()
        return f"{block[1]}{found or block[3].strip()}\n{block[4]}"

    return _BLOCK.sub(made, text)


def blocks(text: str) -> dict[str, str]:
    """The tables that stand in the README, by name."""
    return {block[2]: block[3] for block in _BLOCK.finditer(text)}


def readme() -> Iterator[str]:
    """Make the tables of README.md anew from the JSON of earlier runs."""
    before = README.read_text(encoding="utf-8")
    after = renewed(before)
    README.write_text(after, encoding="utf-8")
    yield f"{README}: {', '.join(blocks(after))} {'renewed' if after != before else 'are as they were'}"


BENCHMARKS: Mapping[str, Callable[[], Iterator[str]]] = MappingProxyType({"readme": readme})
