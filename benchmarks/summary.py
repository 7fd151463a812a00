"""Every target that was measured, with pass or miss, from the JSON that the benchmarks left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from benchmarks.figures import read

#: What is promised, by the benchmark that measures it. One that leaves no judged figure counts as a miss.
PROMISES: Mapping[str, str] = MappingProxyType(
    {
        "stream": "trade updates absorbed, frame to belief",
        "page": "a page of 500 orders",
        "watches": "what a parked watch takes",
        "hold": "100,000 watches held",
        "limiter": "the limiter",
        "journal": "durable facts",
        "burst": "5,000 events within a second",
        "basket": "a basket of 20 market orders",
        "timeouts": "1,000 time-outs at once",
        "lateness": "10 to 10,000 open orders, virtual time",
        "wire": "1,000 and 5,000 open orders, over the wire",
        "hard": "the hard cases",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What became of the targets of one benchmark. `missed`: each by name, with what was measured."""

    name: str
    passed: int
    missed: tuple[str, ...]


def judged(names: Sequence[str]) -> Iterator[Judged]:
    """The promises among `names`, in the order in which they are promised."""
    for name in PROMISES:
        if name in names:
            yield _judge(name)


def _judge(name: str) -> Judged:
    kept = read(name)
    rows: list[Any] = [] if kept is None or not isinstance(kept.get("rows"), list) else kept["rows"]  # type: ignore[assignment]  # JSON
    figures = [(row["case"], figure) for row in rows for figure in row["figures"] if figure["passed"] is not None]
    if not figures:
        return Judged(name=name, passed=0, missed=(f"{name}: nothing with a target was measured",))
    missed = [
        f"{case}: {each['name']} {said(each)} (target {goal(each)})" for case, each in figures if not each["passed"]
    ]
    return Judged(name=name, passed=len(figures) - len(missed), missed=tuple(missed))


def measured() -> list[str]:
    """The promises that some run has left figures for."""
    return [name for name in PROMISES if read(name) is not None]


def summary(names: Sequence[str]) -> Iterator[str]:
    """The end of a run of these benchmarks: how many targets were met, and each that was not."""
    found = [*judged(names)]
    if not found:
        return
    misses = sum(len(each.missed) for each in found)
    yield f"targets: {sum(each.passed for each in found)} pass, {misses} miss"
    for each in found:
        verdict = f"{each.passed} pass, {len(each.missed)} miss" if each.missed else f"{each.passed} pass"
        yield f"  {each.name:9} {PROMISES[each.name]}: {verdict}"
        yield from (f"    MISS {miss}" for miss in each.missed)


def said(figure: Mapping[str, Any]) -> str:
    """The value of a figure as it was kept, with its unit unless that goes without saying."""
    value = figure["value"]
    if value is None:  # there was nothing to measure
        return "–"
    unit = figure["unit"]
    text = f"{value:,.0f}" if value == int(value) or value >= 100 else f"{value:.3g}"
    return f"{text} {unit}" if unit and unit not in ("s", "wrong") else text


def goal(figure: Mapping[str, Any]) -> str:
    """Its target, in words."""
    parts = [f"≤ {figure['at_most']:,.3g}"] if figure["at_most"] is not None else []
    parts += [f"≥ {figure['at_least']:,.5g}"] if figure["at_least"] is not None else []
    return " and ".join(parts)
