"""The table that `make fidelity` prints: endpoint × judge, with counts of calls and failures."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from tests.fidelity import document, tally
from tests.fidelity.tally import Judge


def printed() -> int:
    """Print what was counted in this process; the number of failures."""
    console = Console()
    console.print(table())
    if reason := document.absence():
        console.print(f"Nothing was compared with the document: {reason}")
    failures = sum(tally.FAILURES.values())
    console.print(f"{sum(tally.CALLS.values())} verdicts, {failures} failures")
    return failures


def table() -> Table:
    """The counts of this process; "-" where nobody was asked."""
    shown = Table(
        title="The simulated server, judged: calls / of which wrong", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    shown.add_column("endpoint", no_wrap=True)
    for judge in Judge:
        shown.add_column(judge.value, justify="right", no_wrap=True)
    for operation in map(str, document.SERVED):
        shown.add_row(operation, *(_cell(operation, judge) for judge in Judge))
    shown.add_section()
    shown.add_row("no such endpoint", *(_cell("", judge) for judge in Judge))
    return shown


def _cell(endpoint: str, judge: Judge) -> str:
    calls, failures = tally.CALLS[endpoint, judge], tally.FAILURES[endpoint, judge]
    if not calls:
        return "-"
    return f"[red]{calls} / {failures}[/red]" if failures else f"{calls} / 0"
