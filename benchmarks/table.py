"""The tables of the README as Markdown, from the JSON that the benchmarks left: `python -m benchmarks table`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from benchmarks.figures import REPORTS, read

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
_PEERS = (
    ("fills mean", ("fills mean",)),
    ("p50 / p99", ("fills p50", "fills p99")),
    ("told", ("fills told",)),
    ("missed / phantom", ("missed", "phantom")),
    ("requests per fill", ("requests per fill",)),
    ("429s", ("429s",)),
    ("worst minute", ("requests in the worst minute",)),
)


def table() -> Iterator[str]:
    """Write `reports/bench/TABLES.md`."""
    text = "\n\n".join(part for part in _parts() if part) + "\n"
    REPORTS.mkdir(parents=True, exist_ok=True)
    path = REPORTS / "TABLES.md"
    path.write_text(text, encoding="utf-8")
    yield f"tables: {path}"
    for name, passed, missed in _counted():
        yield f"{name}: {passed} targets passed, {len(missed)} missed"
        yield from (f"    MISS {each}" for each in missed)


def _parts() -> Iterator[str]:
    late = read("lateness")
    if late is not None:
        yield f"Seconds from the end at the broker to the result, in virtual time; {late['machine']}."
        yield _figures(late, "case", _LATENESS)
    yield from _short("basket", "timeouts", "burst")
    rivals, found = read("peers"), read("peers_hard")
    if rivals is not None:
        yield "The same simulated server, limit and seed, in real time; round trip on loopback."
        yield _figures(rivals, "case", _PEERS)
    if found is None:
        ours = read("hard")
        found = None if ours is None else {"wrong": _rows(ours)[0]["facts"]["wrong"]}
    if found is not None:
        yield _verdicts(found["wrong"])
    trackers = read("trackers")
    if trackers is not None:
        yield _grid(
            ("tracker", "executions a second"),
            [(row["facts"]["system"], *(_said(each) for each in row["figures"])) for row in _rows(trackers)],
        )


def _short(*names: str) -> Iterator[str]:
    """Figures with their targets, one row for each."""
    rows = [
        (row["case"], each["name"], _said(each), _goal(each), {True: "pass", False: "**miss**"}.get(each["passed"], ""))
        for name in names
        if (kept := read(name)) is not None
        for row in _rows(kept)
        for each in row["figures"]
    ]
    if rows:
        yield _grid(("", "figure", "measured", "target", ""), rows)


def _figures(kept: Mapping[str, Any], first: str, columns: Sequence[tuple[str, Sequence[str]]]) -> str:
    rows = []
    for row in _rows(kept):
        named = {each["name"]: each for each in row["figures"]}
        cells = [" / ".join(_cell(named, name) for name in names) for _, names in columns]
        rows.append((row["case"], *cells))
    return _grid((first, *(heading for heading, _ in columns)), rows)


def _cell(named: Mapping[str, Any], name: str) -> str:
    figure = named.get(name.removesuffix(" bound"))
    if figure is None:
        return "–"
    if name.endswith(" bound"):
        return "–" if figure["bound"] is None else f"{figure['bound']:.3g}"
    said = _said(figure)
    return f"**{said}** (≤ {figure['at_most']:.3g})" if figure["passed"] is False else said


def _said(figure: Mapping[str, Any]) -> str:
    value = figure["value"]
    if value is None:  # there was nothing to measure
        return "–"
    unit = figure["unit"]
    text = f"{value:,.0f}" if value == int(value) or value >= 100 else f"{value:.3g}"
    return f"{text} {unit}" if unit and unit not in ("s", "wrong") else text


def _goal(figure: Mapping[str, Any]) -> str:
    parts = [f"≤ {figure['at_most']:,.3g}"] if figure["at_most"] is not None else []
    parts += [f"≥ {figure['at_least']:,.5g}"] if figure["at_least"] is not None else []
    return " and ".join(parts)


def _verdicts(wrong: Any) -> str:  # noqa: ANN401 - JSON
    systems = sorted({system for by_system in wrong.values() for system in by_system}, key=_ours_first)
    rows = [
        (case, *("–" if system not in by else "right" if not by[system] else "**wrong**" for system in systems))
        for case, by in wrong.items()
    ]
    return _grid(("case", *systems), rows)


def _ours_first(name: str) -> tuple[bool, str]:
    return not name.startswith("fillwatch"), name


def _counted() -> Iterator[tuple[str, int, list[str]]]:
    for name in ("lateness", "basket", "timeouts", "burst", "hard"):
        kept = read(name)
        if kept is not None:
            judged = [(row["case"], each) for row in _rows(kept) for each in row["figures"]]
            missed = [f"{case}: {each['name']} {_said(each)} ({_goal(each)})" for case, each in judged
                      if each["passed"] is False]  # fmt: skip
            yield name, sum(each["passed"] is True for _, each in judged), missed


def _rows(kept: Mapping[str, Any]) -> list[Any]:
    rows: list[Any] = kept["rows"]
    return rows


def _grid(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


BENCHMARKS: Mapping[str, Callable[[], Iterator[str]]] = MappingProxyType({"table": table})
