"""What commands print: lines whose style is for terminals alone, and JSON for other programs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import msgspec
import typer
from rich.text import Text

from fillwatch.cli.screen import console

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line, and no more.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Styled:
    """A line and how it looks in a terminal (a style of rich's, "" for plain).

    `hang`: one that is too long for the terminal goes on in the next line, this far to the right; None: as it comes.
    """

    text: str
    style: str = ""
    hang: int | None = None


def show(lines: Iterable[Styled]) -> None:
    """Print the lines. Nothing is cut off; colours, and lines broken to fit, are for terminals only."""
    out = console()
    for line in lines:
        for piece in _pieces(line, out.width) if out.is_terminal else [line.text]:
            out.print(Text(piece, style=line.style), soft_wrap=True)


def terminal_width() -> int | None:
    """Characters in a line of the terminal; None where the output goes elsewhere."""
    out = console()
    return out.width if out.is_terminal else None


def _pieces(line: Styled, width: int) -> list[str]:
    if line.hang is None or len(line.text) <= width:
        return [line.text]
    return textwrap.wrap(
        line.text, width, subsequent_indent=" " * line.hang, break_long_words=False, break_on_hyphens=False
    )


def json_text(value: object) -> str:
    """`value` (a dataclass of ours) as one line of JSON: decimals as text, times in ISO 8601, ASCII alone."""
    import json

    return json.dumps(json.loads(msgspec.json.encode(value)), separators=(",", ":"))
