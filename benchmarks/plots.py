"""Pictures of the figures, where matplotlib is installed (extra `bench`); without it the tables stand alone.

Which benchmark has which picture is in `pictures.py`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from textwrap import fill
from typing import Any

from benchmarks.figures import REPORTS, Figure, Row, number

NONE = "no picture: matplotlib is not installed (pip install 'fillwatch[bench]')"
#: How each way of being told is drawn: the same in every picture.
_STYLES = {
    "polling, share 0.8": {"color": "#b35900", "marker": "o"},
    "polling, share 1": {"color": "#e69f00", "marker": "s"},
    "lossy stream, share 0.8": {"color": "#0072b2", "marker": "^"},
    "stream, share 0.8": {"color": "#009e73", "marker": "D"},
}
#: Colours of a verdict: right, wrong, no say.
_VERDICTS = {"right": "#cfe8d5", "wrong": "#f2b8b0", "–": "#eeeeee"}
#: Colours of a bar: its target is kept, or missed, or it has none.
_BARS = {True: "#7fbf9a", False: "#e08272", None: "#b8c4d0"}
#: Behind a number that stands on lines.
_PAPER = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0}
#: What bars that have a target are drawn in, whatever their unit; and at which multiple of it the longest are cut off.
OF_TARGET, LONGEST = "measured / target (of a least: target / measured), up to 1 keeps to it", 3.0
#: The panel of those that nothing shares a unit with: numbers without a bar.
ALONE = ""
#: Of a figure measured at several numbers of orders: what it is, and the number.
_AMONG = re.compile(r"(.+), ([\d,]+) orders")


def bars(name: str, rows: Sequence[Row]) -> str:
    """A bar for each figure with its number beside it: as a part of its target, else with others of its unit."""
    panels = by_unit(rows)

    def draw(canvas: Any) -> None:  # noqa: ANN401 - matplotlib is optional
        heights = [len(panel) + 0.5 for panel in panels.values()]
        column = canvas.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes, (unit, panel) in zip(column, panels.items(), strict=True):
            places, lengths = range(len(panel)), [length(figure, unit) for _, figure in panel]
            axes.barh(places, lengths, color=[_BARS[figure.passed] for _, figure in panel], height=0.6)
            axes.set_yticks(places, [fill(label, 54) for label, _ in panel])
            axes.set_ylim(len(panel) - 0.5, -0.5)
            beside = axes.secondary_yaxis("right")
            beside.set_yticks(places, [figure.said for _, figure in panel])
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
            axes.set(xlabel=unit)
            if unit == ALONE:
                axes.set(frame_on=False, xticks=())
                axes.grid(axis="y", linestyle=":")
                beside.spines["right"].set_visible(False)
            if unit == OF_TARGET:
                axes.axvline(1.0, color="black", linewidth=1.2)
                axes.set_xlim(0.0, max(1.25, 1.05 * max(lengths)))
        canvas.suptitle(rows[0].case if len(rows) == 1 else name)

    return picture(name, draw, width=12.0, height=0.5 + sum(0.4 * len(panel) + 0.7 for panel in panels.values()))


def by_unit(rows: Sequence[Row]) -> dict[str, list[tuple[str, Figure]]]:
    """Labelled figures that can share an axis: those that have a target, the others by their unit, and the rest."""
    panels: dict[str, list[tuple[str, Figure]]] = {OF_TARGET: []}
    for row in rows:
        for figure in row.figures:
            label = figure.name if len(rows) == 1 else f"{row.case}: {figure.name}"
            panels.setdefault(figure.unit if figure.passed is None else OF_TARGET, []).append((label, figure))
    compared = {unit: panel for unit, panel in panels.items() if unit == OF_TARGET or (unit and len(panel) > 1)}
    alone = [each for unit, panel in panels.items() if unit not in compared for each in panel]
    return {unit: panel for unit, panel in {**compared, ALONE: alone}.items() if panel}


def length(figure: Figure, unit: str) -> float:
    """Of its bar on the axis of that unit; a target is missed by most where nothing was measured."""
    if unit == ALONE:
        return 0.0
    if unit != OF_TARGET:
        return figure.value
    parts = [] if figure.at_most is None else [_ratio(figure.value, figure.at_most)]
    parts += [] if figure.at_least is None else [_ratio(figure.at_least, figure.value)]
    return LONGEST if math.isnan(figure.value) else min(LONGEST, max(parts))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.inf if part else 0.0


def among(name: str, rows: Sequence[Row]) -> str:
    """Figures called "…, N orders" over N: a line for each row, another for its targets."""

    def draw(canvas: Any) -> None:  # noqa: ANN401 - matplotlib is optional
        axes = canvas.subplots()
        for row in rows:
            points = over_orders(row)
            sizes = [orders for orders, _ in points]
            (line,) = axes.semilogx(sizes, [each.value for _, each in points], marker="o", label=row.case)
            goals = [math.nan if each.at_most is None else each.at_most for _, each in points]
            axes.plot(sizes, goals, linestyle="--", color=line.get_color(), label=f"target, at most: {row.case}")
            axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
            for orders, each in points:
                where = {"xytext": (0, 10), "textcoords": "offset points", "ha": "center"}
                axes.annotate(number(each.value), (orders, each.value), bbox=_PAPER, **where)
        axes.minorticks_off()
        first = rows[0].figures[0]
        axes.set(title=name, xlabel="open orders", ylabel=f"{first.name.partition(',')[0]} ({first.unit})")
        axes.set_ylim(0.0, 1.1 * axes.get_ylim()[1])
        axes.grid(visible=True, alpha=0.3)
        canvas.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)

    return picture(name, draw, width=9.0)


def over_orders(row: Row) -> list[tuple[int, Figure]]:
    """The figures called "…, N orders", each with its N, from the least on."""
    found = [(_AMONG.fullmatch(figure.name), figure) for figure in row.figures]
    return sorted(((int(said[2].replace(",", "")), each) for said, each in found if said), key=lambda point: point[0])


def lateness(name: str, rows: Sequence[Row]) -> str:
    """Delay of fills and of other ends over the number of open orders, one line for each way of being told."""

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib is optional
        kinds = ("fills mean", "fills p99", "other ends mean")
        sizes = sorted({int(str(row.facts["orders"])) for row in rows})
        for axes, kind in zip(figure.subplots(1, len(kinds), sharey=True), kinds, strict=True):
            series = _series(rows, kind)
            for label in sorted(series, key=lambda label: [*_STYLES, label].index(label)):
                axes.plot(*zip(*sorted(series[label]), strict=True), label=label, **_STYLES.get(label, {}))
            axes.set(title=kind, xscale="log", yscale="log", xlabel="open orders")
            axes.set_xticks(sizes, [f"{size:,}" for size in sizes], rotation=30)
            axes.minorticks_off()
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} s")
            axes.grid(visible=True, alpha=0.3)
        figure.axes[0].set_ylabel("seconds from the end at the broker to the result")
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(_STYLES))

    return picture(name, draw, width=13.0)


def cumulative(name: str, title: str, series: Mapping[str, Sequence[float]]) -> str:
    """Which share of the fills was told within how many seconds, one line for each name."""

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib is optional
        axes = figure.subplots()
        for label, delays in series.items():
            ordered = [max(delay, 0.0005) for delay in sorted(delays)]
            heights = [100.0 * (number + 1) / len(ordered) for number in range(len(ordered))]
            axes.step(ordered, heights, where="post", label=f"{label} ({len(ordered)})")
        axes.set(title=title, xscale="log", xlabel="told within", ylabel="% of the fills that were told")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} s")
        if max(map(max, series.values()), default=1.0) < 10.0:  # little room between powers of ten, else much
            axes.xaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
        axes.grid(visible=True, alpha=0.3)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)

    return picture(name, draw, width=9.0)


def verdicts(name: str, wrong: Mapping[str, Mapping[str, Sequence[str]]]) -> str:
    """Right or wrong, a row for each case and a column for each system."""

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib is optional
        systems = sorted(
            {system for by in wrong.values() for system in by}, key=lambda s: (not s.startswith("fill"), s)
        )
        words = [
            ["–" if system not in by else "wrong" if by[system] else "right" for system in systems]
            for by in wrong.values()
        ]
        axes = figure.subplots()
        axes.axis("off")
        table = axes.table(
            cellText=words,
            cellColours=[[_VERDICTS[word] for word in row] for row in words],
            rowLabels=[*wrong],
            colLabels=[system.replace(" ", "\n", 1) for system in systems],
            loc="center",
            cellLoc="center",
        )
        table.scale(1.0, 1.9)
        for column in range(len(systems)):
            table[0, column].set_height(2 * table[1, 0].get_height())

    return picture(name, draw, width=3.0 + 1.4 * max(map(len, wrong.values()), default=1))


def scatter(name: str, title: str, points: Sequence[tuple[float, float]], across: str, up: str) -> str:
    """One point for each pair."""

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib is optional
        axes = figure.subplots()
        axes.plot([x for x, _ in points], [y for _, y in points], ".", markersize=3)
        axes.set(title=title, xlabel=across, ylabel=up)
        axes.grid(visible=True, alpha=0.3)

    return picture(name, draw)


def picture(name: str, draw: Callable[[Any], None], width: float = 8.0, height: float = 5.0) -> str:
    """Write `reports/bench/NAME.png`; where it is, or why it is not there."""
    if find_spec("matplotlib") is None:
        return NONE
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(width, height), layout="constrained")
    draw(canvas)
    REPORTS.mkdir(parents=True, exist_ok=True)
    path = REPORTS / f"{name}.png"
    canvas.savefig(path, dpi=110)
    return f"picture: {path}"


def _series(rows: Sequence[Row], kind: str) -> dict[str, list[tuple[int, float]]]:
    series: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        value = next(figure.value for figure in row.figures if figure.name == kind)
        label = f"{row.facts['mode']}, share {row.facts['share']:g}" if isinstance(row.facts["share"], float) else ""
        if value == value:
            series.setdefault(label, []).append((int(str(row.facts["orders"])), value))
    return series
