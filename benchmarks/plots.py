"""Pictures of the figures, where matplotlib is installed (extra `bench`); without it the tables stand alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from benchmarks.figures import REPORTS, Row

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


def lateness(rows: Sequence[Row], name: str = "lateness") -> str:
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


def picture(name: str, draw: Callable[[Any], None], width: float = 8.0) -> str:
    """Write `reports/bench/NAME.png`; where it is, or why it is not there."""
    if find_spec("matplotlib") is None:
        return NONE
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(width, 5.0), layout="constrained")
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
