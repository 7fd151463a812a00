"""Trades, watches and entries of a journal as lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fillwatch.cli.columns import ago, aligned
from fillwatch.cli.output import Styled
from fillwatch.core.text import plain
from fillwatch.observe.lines import Line
from fillwatch.observe.overview import Row
from fillwatch.observe.wording import amount, speaker, words

#: Characters of an id that tell the orders of one trade apart, and will do for `fillwatch explain`.
SHORT = 8
_HEAD = ("", "what", "state", "symbol", "side", "filled", "age", "id")


def rows_as_text(rows: Sequence[Row], now: datetime) -> list[Styled]:
    """One line a trade or watch, below a head; nothing when there are none."""
    if not rows:
        return []
    cells = [_HEAD, *(_cells(row, now) for row in rows)]
    head, *lines = aligned(cells, right={6})
    return [
        Styled(text=head, style="bold"),
        *(Styled(text=line, style=_style(row)) for line, row in zip(lines, rows, strict=True)),
    ]


def _cells(row: Row, now: datetime) -> tuple[str, ...]:
    return (
        "open" if row.is_open else "",
        row.what,
        plain(row.state, 60),
        plain(row.symbol, 20),
        row.side,
        "" if row.filled is None and row.wanted is None else amount(row.filled, row.wanted),
        ago((now - row.since).total_seconds()),
        plain(row.id),
    )


def _style(row: Row) -> str:
    if row.state == "UNPROTECTED":
        return "bold red"
    return "yellow" if row.is_open else ""


def entries_as_text(found: Sequence[Line]) -> list[Styled]:
    """One line an entry: number, time, seconds since the first, kind, how its order's id begins, who said it, what."""
    if not found:
        return []
    began, run = found[0].at, found[0].entry.run
    cells = [("number", "time (UTC)", "after", "kind", "order", "by", "says")]
    cells += [
        (
            str(each.number),
            f"{each.at:%Y-%m-%d %H:%M:%S.%f}"[:-3],
            f"{(each.at - began).total_seconds():+.3f} s",
            each.kind.value,
            plain(each.order_id[:SHORT]),
            speaker(each),
            words(each),
        )
        for each in found
    ]
    head, *lines = aligned(cells, right={0, 2})
    hang = head.index("says")
    shown = [Styled(text=head, style="bold")]
    for each, line in zip(found, lines, strict=True):
        if each.entry.run != run:
            run = each.entry.run
            shown.append(Styled(text=f"-- the journal was opened again (run {run})", style="dim"))
        shown.append(Styled(text=line, style="red" if each.problem else "", hang=hang))
    return shown
