"""Pictures of the figures, where matplotlib is installed (extra `bench`); without it the tables stand alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

from benchmarks.figures import REPORTS, Row

NONE = "no picture: matplotlib is not installed (pip install 'fillwatch[bench]')"


def lateness(rows: Sequence[Row]) -> str:
    """Delay of fills and of other ends over the number of open orders, one line for each way of being told."""

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib is optional
        kinds = ("fills mean", "fills p99", "other ends mean")
        for axes, kind in zip(figure.subplots(1, len(kinds), sharey=True), kinds, strict=True):
            for label, points in sorted(_series(rows, kind).items()):
                axes.plot(*zip(*sorted(points), strict=True), marker="o", label=label)
            axes.set(title=kind, xscale="log", yscale="log", xlabel="open orders")
            axes.grid(visible=True, alpha=0.3)
        figure.axes[0].set_ylabel("seconds late")
        figure.axes[-1].legend(fontsize="small")

    return picture("lateness", draw, width=14.0)


def bars(name: str, title: str, values: Sequence[tuple[str, float]], unit: str) -> str:
    """One bar for each named value."""

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib is optional
        axes = figure.subplots()
        axes.barh([label for label, _ in values], [value for _, value in values])
        axes.invert_yaxis()
        axes.set(title=title, xlabel=unit)

    return picture(name, draw)


def scatter(name: str, title: str, points: Sequence[tuple[float, float]], across: str, up: str) -> str:
    """One point for each pair."""

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib is optional
        axes = figure.subplots()
        axes.plot([x for x, _ in points], [y for _, y in points], ".", markersize=3)
        axes.set(title=title, xlabel=across, ylabel=up)

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
