"""`fillwatch journal list|show|export`: what they take, what they show, how they end."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from fillwatch.cli.ending import give_up
from fillwatch.cli.opening import JournalArgument, JournalOption, opened
from fillwatch.cli.output import JsonFlag, json_text, show

if TYPE_CHECKING:
    from fillwatch.journal import Entry, FactKind, JournalReader
    from fillwatch.observe.naming import Subject

journal = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Look into a journal: the file in which trades and watches survive a crash.\n\n"
    "The file is named on the command line, or by FILLWATCH_JOURNAL in the environment.",
)


@journal.command("list")
def show_list(
    path: JournalArgument,
    open_only: Annotated[  # noqa: FBT002  # a flag of the command line
        bool, typer.Option("--open", help="Only those about which something is still to be done.")
    ] = False,
    limit: Annotated[int, typer.Option(min=0, help="How many to show; 0: all.")] = 50,
    as_json: JsonFlag = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """List trades and watched orders, open ones first, among each the newest first.

    UNPROTECTED: shares are held without exits, as far as the journal knows. The journal may be in use meanwhile.

    Exit code: 0, or 2 if the journal cannot be read.
    """
    from fillwatch.cli.listing import rows_as_text
    from fillwatch.observe.overview import overview

    with opened(path) as reader:
        rows, count = overview(reader, open_only=open_only, limit=limit or None)
    if as_json:
        for row in rows:
            typer.echo(json_text(row))
        return
    show(rows_as_text(rows, datetime.now(UTC)))
    if not rows:
        typer.echo("nothing is open" if open_only else "the journal is empty")
    elif count > len(rows):
        typer.echo(f"and {count - len(rows)} more; --limit 0 shows all")


@journal.command("show")
def show_one(
    identity: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="The broker's order id, the client order id, the intent's id, or how one of them begins."
        ),
    ],
    path: JournalOption,
    as_json: JsonFlag = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Show everything that the journal has about one order or one intent, entry by entry.

    Of an intent that is the whole trade with all its orders. `fillwatch explain` tells the story of one order.

    Exit code: 0, or 2 if the journal cannot be read or has no such id.
    """
    from fillwatch.cli.listing import entries_as_text
    from fillwatch.observe.exporting import json_line
    from fillwatch.observe.naming import NotFound, find
    from fillwatch.observe.story import about

    with opened(path) as reader:
        try:
            found = about(reader, find(reader, identity))
        except NotFound as error:
            give_up(str(error))
    if as_json:
        for each in found:
            typer.echo(json_line(each.entry))
        return
    show(entries_as_text(found))


@journal.command()
def export(
    path: JournalArgument,
    order: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            show_default=False,
            help="Only what concerns this order (the broker's id, the client order id, or how one of them begins).",
        ),
    ] = None,
    intent: Annotated[
        str | None,
        typer.Option(metavar="ID", show_default=False, help="Only what concerns this intent (or how its id begins)."),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", show_default=False, help="Only facts of this kind; may be given several times."),
    ] = None,
    after: Annotated[int, typer.Option(min=0, metavar="NUMBER", help="Only entries with a higher number.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", dir_okay=False, show_default="standard output", help="Where to write to."
        ),
    ] = None,
    force: Annotated[  # noqa: FBT002  # a flag of the command line
        bool, typer.Option("--force", help="Write over --output if it is there.")
    ] = False,
) -> None:
    """Write the entries as JSON lines, oldest first.

    Every line has the same keys: number, run, kind, at, monotonic, intent_id, order_id, payload. Times are ISO 8601 in
    UTC; prices and quantities are text, so that no digit is lost. To go on later, give the last number as --after.
    The file is private to you (0600), as the journal is. The journal may be in use meanwhile.

    Exit code: 0, or 2 if the journal cannot be read, has no such id, or the file cannot be written.
    """
    from fillwatch.observe.exporting import json_line

    kinds = [_kind(word) for word in kind or ()]
    with opened(path) as reader:
        subjects = [_named(reader, order, "order"), _named(reader, intent, "intent")]
        with _target(output, path, force=force) as target:
            for entry in _chosen(reader, [each for each in subjects if each is not None], kinds, after):
                text = json_line(entry)
                if target is None:
                    typer.echo(text)
                else:
                    target.write(text + "\n")


def _named(reader: JournalReader, text: str | None, what: str) -> Subject | None:
    """The order or the intent that `text` names; None where nothing was asked for."""
    from fillwatch.observe.naming import NotFound, find

    if text is None:
        return None
    try:
        subject = find(reader, text)
    except NotFound as error:
        give_up(f"--{what}: {error}")
    if subject.is_order is not (what == "order"):
        other = "an order" if subject.is_order else "an intent"
        give_up(f"--{what}: {text!r} is {other}; --{'order' if subject.is_order else 'intent'} takes it")
    return subject


def _chosen(
    reader: JournalReader, subjects: Sequence[Subject], kinds: Sequence[FactKind], after: int
) -> Iterator[Entry]:
    """The entries that concern all of `subjects`, in order."""
    from fillwatch.observe.lines import pages
    from fillwatch.observe.story import about

    if not subjects:
        yield from pages(reader, kinds=kinds, after=after)
        return
    first, *others = ({each.number: each.entry for each in about(reader, subject)} for subject in subjects)
    for number, entry in first.items():
        wanted = number > after and (not kinds or entry.fact.kind in kinds)
        if wanted and all(number in other for other in others):
            yield entry


def _kind(word: str) -> FactKind:
    from fillwatch.journal import FactKind

    try:
        return FactKind(word.lower())
    except ValueError:
        give_up(f"--kind: {word!r} is not a kind of fact; allowed are {', '.join(FactKind)}")


@contextmanager
def _target(output: Path | None, source: Path, *, force: bool) -> Iterator[TextIO | None]:
    if output is None:
        yield None
        return
    own = {source.resolve().with_name(source.resolve().name + ending) for ending in ("", "-wal", "-shm", "-lock")}
    if output.resolve() in own:
        give_up(f"--output: {output} belongs to the journal itself; choose another name")
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL), 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            output.chmod(0o600)
            yield file
    except FileExistsError:
        give_up(f"--output: {output} is there already; choose another name, or add --force")
    except OSError as error:
        give_up(f"--output: {output} cannot be written: {error.strerror}")
