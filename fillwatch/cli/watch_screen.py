"""How watched orders look."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from fillwatch.cli.watching import Row, View
from fillwatch.core.results import FillOutcome

_COLOURS = {FillOutcome.FILLED: "green", FillOutcome.UNRESOLVED: "bold yellow"}


def draw(view: View) -> RenderableType:
    """One row for each order. Cells are `Text`, so that nothing a broker wrote is read as markup."""
    table = Table(box=None, pad_edge=False)
    for name in ("order", "symbol", "status", "filled", "of", "seen", "by"):
        table.add_column(name, justify="right" if name in ("filled", "of", "seen") else "left", no_wrap=name == "order")
    for row in view.rows:
        table.add_row(*(Text(cell, style=_style(row)) for cell in _cells(row)))
    return table


def tell(view: View) -> Iterator[str]:
    """One line for each change."""
    yield from view.news


def _cells(row: Row) -> tuple[str, ...]:
    filled, requested = ("" if value is None else f"{value:f}" for value in (row.filled, row.requested))
    age = "" if row.age is None else f"{row.age:.1f} s ago"
    return row.order_id, row.symbol, row.status, filled, requested, age, row.route


def _style(row: Row) -> str:
    return "" if row.result is None else _COLOURS.get(row.result.outcome, "cyan")
