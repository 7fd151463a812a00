"""How commands end: their exit codes, and the one line that says why a command could not be carried out."""

from __future__ import annotations

from typing import NoReturn

import typer

from fillwatch.core.text import plain

#: Everything as hoped; not so; the command could not be carried out as it was given.
GOOD, NOT_GOOD, USAGE = 0, 1, 2
#: What a shell reports for a command that was interrupted.
INTERRUPTED = 130


def give_up(text: str) -> NoReturn:
    """End with `USAGE` and this line."""
    typer.echo(f"fillwatch: {plain(text)}", err=True)
    raise typer.Exit(USAGE)
