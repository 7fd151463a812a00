"""Text in columns, the same in a terminal, a file and a pipe: nothing is cut off, and no line is broken."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def aligned(rows: Sequence[Sequence[str]], *, right: Collection[int] = (), gap: int = 2) -> list[str]:
    """One line a row, each column as wide as its widest cell; the columns in `right` end together.

    A cell with nothing but empty ones behind it may be longer than its column.
    """
    columns = range(len(rows[0])) if rows else range(0)
    widths = [
        max((len(row[number]) for row in rows if number in right or any(row[number + 1 :])), default=0)
        for number in columns
    ]
    return [
        (" " * gap)
        .join(
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        .rstrip()
        for row in rows
    ]


def ago(seconds: float) -> str:
    """A span of time in at most two units: `4.2 s`, `3 min 20 s`, `5 h 10 min`, `12 d 3 h`."""
    if seconds < 60:
        return f"{max(seconds, 0.0):.1f} s"
    whole = int(seconds)
    for size, unit, small, smaller in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // small} {smaller}"
    raise AssertionError("seconds of a minute or more are at least one minute")


def counted(number: int, noun: str) -> str:
    """`1 entry`, `2 entries`, `3 watches`, `0 orders`."""
    if number == 1:
        return f"1 {noun}"
    if noun.endswith("y"):
        return f"{number} {noun[:-1]}ies"
    return f"{number} {noun}{'es' if noun.endswith('ch') else 's'}"
