"""The tables as Markdown, from the JSON that the benchmarks left; those of the README are in `readme.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from benchmarks.figures import REPORTS, read
from benchmarks.summary import goal, said

#: Columns of the lateness table: heading, and the figures whose values it shows.
_LATENESS = (
    ("fills mean", ("fills mean",)),
    ("p50 / p99 / worst", ("fills p50", "fills p99", "fills worst")),
    ("bound", ("fills mean bound", "fills p99 bound")),
    ("other ends mean / p99", ("other ends mean", "other ends p99")),
    ("missed / phantom", ("missed", "phantom")),
    ("requests per fill", ("requests per fill",)),
    ("429s", ("429s",)),
    ("worst minute", ("requests in the worst minute",)),
)
_WIRE = (
    ("fills mean", ("fills mean",)),
    ("p50 / p99", ("fills p50", "fills p99")),
    ("other ends mean / p99", ("other ends mean", "other ends p99")),
    ("told", ("fills told",)),
    ("missed / phantom", ("missed", "phantom")),
    ("requests per fill", ("requests per fill",)),
    ("429s", ("429s",)),
    ("worst minute", ("requests in the worst minute",)),
    ("processor", ("processor",)),
    ("loop late p99 / worst", ("loop late, p99", "loop late, worst")),
)
_PEERS = (
    ("fills mean", ("fills mean",)),
    ("p50 / p99", ("fills p50", "fills p99")),
    ("told", ("fills told",)),
    ("missed / phantom", ("missed", "phantom")),
    ("requests per fill", ("requests per fill",)),
    ("429s", ("429s",)),
    ("worst minute", ("requests in the worst minute",)),
    ("processor", ("processor",)),
)


def table() -> Iterator[str]:
    """All tables, from the JSON of earlier runs, into reports/bench/TABLES.md; then what became of every target."""
    text = "\n\n".join(part for part in _parts() if part) + "\n"
    REPORTS.mkdir(parents=True, exist_ok=True)
    path = REPORTS / "TABLES.md"
    path.write_text(text, encoding="utf-8")
    yield f"tables: {path}"


def _parts() -> Iterator[str]:
    late, wired = read("lateness"), read("wire")
    if late is not None:
        yield f"Seconds from the end at the broker to the result, in virtual time; {late['machine']}."
        yield figures_of(late, _LATENESS)
    if wired is not None:
        yield f"The same over real HTTP and WebSocket, server and engine in processes of their own; {wired['machine']}."
        yield figures_of(wired, _WIRE)
    yield _short("stream", "page", "watches", "limiter", "journal", "basket", "timeouts", "burst")
    rivals, found = read("peers"), verdicts()
    if rivals is not None:
        yield "The same simulated server, limit and seed, in real time; round trip on loopback."
        yield figures_of(rivals, _PEERS)
    if found is not None:
        yield verdict_table(found)
        yield from reasons(found)
    trackers = read("trackers")
    if trackers is not None:
        yield grid(
            ("tracker", "executions a second"),
            [(row["facts"]["system"], *(said(each) for each in row["figures"])) for row in rows_of(trackers)],
        )


def verdicts() -> Mapping[str, Any] | None:
    """What is wrong in which hard case, and who was left out why: of everybody, or else of ours alone."""
    found = read("peers_hard")
    if found is not None:
        return found
    ours = read("hard")
    facts: Mapping[str, Any] | None = None if ours is None else rows_of(ours)[0]["facts"]
    return facts


def _short(*names: str) -> str:
    """Figures with their targets, one row for each."""
    rows = [
        (row["case"], each["name"], said(each), goal(each), {True: "pass", False: "**miss**"}.get(each["passed"], ""))
        for name in names
        if (kept := read(name)) is not None and isinstance(kept.get("rows"), list)
        for row in rows_of(kept)
        for each in row["figures"]
    ]
    return grid(("", "figure", "measured", "target", ""), rows) if rows else ""


def figures_of(kept: Mapping[str, Any], columns: Sequence[tuple[str, Sequence[str]]]) -> str:
    """One row for each case, of the figures that these columns name."""
    rows = []
    for row in rows_of(kept):
        named = {each["name"]: each for each in row["figures"]}
        cells = [" / ".join(_cell(named, name) for name in names) for _, names in columns]
        rows.append((row["case"], *cells))
    return grid(("case", *(heading for heading, _ in columns)), rows)


def _cell(named: Mapping[str, Any], name: str) -> str:
    figure = named.get(name.removesuffix(" bound"))
    if figure is None:
        return "–"
    if name.endswith(" bound"):
        return "–" if figure["bound"] is None else f"{figure['bound']:.3g}"
    value = said(figure)
    return f"**{value}** ({goal(figure)})" if figure["passed"] is False else value


def verdict_table(found: Mapping[str, Any]) -> str:
    """Right or wrong, for each system in each hard case; a dash for who has no say in it."""
    wrong = found["wrong"]
    systems = sorted({system for by_system in wrong.values() for system in by_system}, key=_ours_first)
    rows = [
        (case, *("–" if system not in by else "right" if not by[system] else "**wrong**" for system in systems))
        for case, by in wrong.items()
    ]
    return grid(("case", *systems), rows)


def reasons(found: Mapping[str, Any]) -> Iterator[str]:
    """What was wrong, and why somebody has no say, a line for each."""
    for case, by_system in found["wrong"].items():
        wrong = [f"{system}: {said[0]}" for system, said in by_system.items() if said]
        absent = [f"{system} left out: {reason}" for system, reason in found.get("left_out", {}).get(case, {}).items()]
        if wrong or absent:
            yield f"* {case}. " + "; ".join((*wrong, *absent)) + "."


def _ours_first(name: str) -> tuple[bool, str]:
    return not name.startswith("fillwatch"), name


def rows_of(kept: Mapping[str, Any]) -> list[Any]:
    """The rows that a benchmark kept."""
    rows: list[Any] = kept["rows"]
    return rows


def grid(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


BENCHMARKS: Mapping[str, Callable[[], Iterator[str]]] = MappingProxyType({"table": table})
