"""The command `fillwatch shadow-report`: what the old way of detecting fills and this one told differently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fillwatch.cli.columns import aligned, counted
from fillwatch.cli.ending import GOOD, NOT_GOOD
from fillwatch.cli.opening import JournalArgument, opened
from fillwatch.cli.output import JsonFlag, Styled, json_text, show
from fillwatch.core.text import plain

if TYPE_CHECKING:
    from fillwatch.observe.shadow import Case, Report


def shadow_report(
    path: JournalArgument,
    worst: Annotated[int, typer.Option(min=0, help="How many to tell in full, the worst first.")] = 5,
    as_json: JsonFlag = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Sum up what the old loop and fillwatch told differently while both ran side by side.

    With `detection = "shadow"` the executor answers by the old loop, asks the new detection as well, and writes each
    disagreement into the journal with both stories. This counts them by sort, the worst sort and the dearest first:
    a fill that the old loop missed leaves shares without exits.

    Exit code: 0 if there is no disagreement, 1 if there is, 2 if the journal cannot be read.
    """
    from fillwatch.journal import FactKind
    from fillwatch.observe.lines import lines, pages
    from fillwatch.observe.shadow import summed_up

    with opened(path) as reader:
        found = summed_up(lines(pages(reader, kinds=[FactKind.DISAGREEMENT, FactKind.RESULT])))
    if as_json:
        typer.echo(json_text(found))
    else:
        show(_lines(found, worst))
    raise typer.Exit(NOT_GOOD if found.disagreements else GOOD)


def _lines(found: Report, worst: int) -> list[Styled]:
    if found.first is None or found.last is None:
        return [Styled(text="no disagreement", style="bold green")]
    orders = f" among {counted(found.results, 'order')} with a result" if found.results else ""
    times = f"{found.first:%Y-%m-%d %H:%M:%S} to {found.last:%Y-%m-%d %H:%M:%S} UTC"
    lines = [Styled(text=f"{counted(found.disagreements, 'disagreement')}{orders}, {times}", style="bold")]
    lines += [Styled(text=f"{count:>6} {sort}") for sort, count in found.sorts.items()]
    for case in found.cases[:worst]:
        lines += [Styled(text=""), *_told(case)]
    if len(found.cases) > worst:
        more = len(found.cases) - worst
        lines += [Styled(text=""), Styled(text=f"and {more} more; --worst {len(found.cases)} tells all")]
    return lines


def _told(case: Case) -> list[Styled]:
    from fillwatch.observe.wording import shadow_words

    apart = "" if case.difference is None else f" ({case.difference:+.4f} %)"
    said = f"{plain(case.what.order_id)}  {shadow_words(case.what)}{apart}"
    rows = [("old loop", plain(line)) for line in case.what.legacy_story]
    rows += [("fillwatch", plain(line)) for line in case.what.story]
    return [Styled(text=said, style="bold"), *(Styled(text=f"  {line}") for line in aligned(rows))]
