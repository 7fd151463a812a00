"""Where a command shows what happens: a table that is redrawn in a terminal, plain lines otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import typer
from rich.console import Console, RenderableType
from rich.live import Live

T = TypeVar("T")


def console() -> Console:
    """Standard output, nothing in a text read as markup and no line broken where it is not a terminal."""
    out = Console(highlight=False, markup=False, emoji=False)
    out.soft_wrap = not out.is_terminal
    return out


@contextmanager
def shown(draw: Callable[[T], RenderableType], tell: Callable[[T], Iterator[str]]) -> Iterator[Callable[[T], None]]:
    """A function that shows a state: in a terminal as `draw` draws it, in its place, otherwise the lines of `tell`."""
    out = console()
    if not out.is_terminal:
        yield lambda state: _echo(tell(state))
        return
    with Live(console=out, auto_refresh=False) as live:
        yield lambda state: live.update(draw(state), refresh=True)


def _echo(lines: Iterator[str]) -> None:
    # Whoever read them may have seen enough (`| head`); that is no reason to stop watching.
    with suppress(BrokenPipeError):
        for line in lines:
            typer.echo(line)
