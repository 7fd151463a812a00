"""How the demonstration's progress looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from fillwatch.cli.demo import REQUESTS_PER_MINUTE, Progress

#: Seconds between two plain lines.
EVERY = 3.0


def draw(progress: Progress) -> RenderableType:
    """A bar and the outcomes so far."""
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        ProgressBar(total=progress.total, completed=progress.settled, width=40),
        Text(f"{progress.settled} of {progress.total} orders have a result"),
    )
    counts = Table.grid(padding=(0, 2))
    for name, count in sorted(progress.outcomes.items(), key=lambda item: -item[1]):
        counts.add_row(Text(name.replace("_", " ")), Text(str(count), justify="right"))
    rate = Text(
        f"{progress.elapsed:5.1f} s   {progress.requests} requests so far (limit {REQUESTS_PER_MINUTE} a minute)",
        style="dim",
    )
    return Group(bar, counts, rate)


def teller() -> Callable[[Progress], Iterator[str]]:
    """A function that gives a line for a progress now and then, and for the last one always."""
    due = 0.0

    def tell(progress: Progress) -> Iterator[str]:
        nonlocal due
        if progress.elapsed >= due or progress.settled == progress.total:
            due = progress.elapsed + EVERY
            counts = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in sorted(progress.outcomes.items()))
            yield (
                f"{progress.elapsed:5.1f} s  {progress.settled:>3} of {progress.total} have a result, "
                f"{progress.requests} requests" + (f"; {counts}" if counts else "")
            )

    return tell
