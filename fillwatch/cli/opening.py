"""How commands are told which journal is meant, and open it for reading."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fillwatch.cli.ending import give_up

if TYPE_CHECKING:
    from fillwatch.journal import JournalReader

VARIABLE = "FILLWATCH_JOURNAL"
_HELP = "The journal's file."

#: For commands about a whole journal.
JournalArgument = Annotated[
    Path, typer.Argument(metavar="JOURNAL", envvar=VARIABLE, show_default=False, dir_okay=False, help=_HELP)
]
#: For commands about one order or intent, which is their argument.
JournalOption = Annotated[
    Path, typer.Option("--journal", metavar="FILE", envvar=VARIABLE, show_default=False, dir_okay=False, help=_HELP)
]


@contextmanager
def opened(path: Path) -> Iterator[JournalReader]:
    """The journal at `path`, which somebody else may be writing. One line and exit code 2 when it cannot be read."""
    from fillwatch.journal import JournalError, JournalReader

    try:
        with JournalReader(path) as reader:
            yield reader
    except JournalError as error:
        give_up(str(error))
