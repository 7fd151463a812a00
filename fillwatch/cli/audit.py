"""The command `fillwatch audit`: what it takes, what it shows, how it ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from fillwatch.cli.columns import counted
from fillwatch.cli.ending import GOOD, INTERRUPTED, NOT_GOOD, give_up
from fillwatch.cli.listing import rows_as_text
from fillwatch.cli.loops import run as run_loop
from fillwatch.cli.opening import JournalArgument, opened
from fillwatch.cli.output import JsonFlag, Styled, json_text, show
from fillwatch.core.text import plain

if TYPE_CHECKING:
    from fillwatch.observe.audit import Audit, Finding
    from fillwatch.observe.record import Record

#: Open trades and watches that are listed.
SHOWN = 20


def audit(
    path: JournalArgument,
    broker: Annotated[  # noqa: FBT002  # a flag of the command line
        bool,
        typer.Option("--broker", help="Also compare with the account of the environment as it is now. Only reads."),
    ] = False,
    live: Annotated[  # noqa: FBT002  # a flag of the command line
        bool, typer.Option("--live", help="The keys are those of an account with real money.")
    ] = False,
    as_json: JsonFlag = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Check a journal against the rules that every journal must keep.

    One order for each intent and part, one result for each watch, nothing sent after the end, executions that never
    exceed the order, results that are never changed without an amendment, and so on. Each finding names the entries
    that show it (`fillwatch journal show` has them), and says what it means. What is still open is listed; that alone
    is no finding. With --broker (keys from APCA_API_KEY_ID and APCA_API_SECRET_KEY) every order is looked up as well.

    Exit code: 0 if nothing was found, 1 if something was, 2 if the journal or the account cannot be read.
    """
    from fillwatch.observe.audit import audited
    from fillwatch.observe.lines import pages
    from fillwatch.observe.record import record

    with opened(path) as reader:
        known = record(pages(reader))
    found = audited(known)
    if broker:
        more, compared = _compared(known, live=live)
        found = replace(found, findings=(*found.findings, *more), compared=compared)
    if as_json:
        typer.echo(json_text(found))
    else:
        show(_lines(found))
    raise typer.Exit(NOT_GOOD if found.findings else GOOD)


def _compared(known: Record, *, live: bool) -> tuple[list[Finding], int]:
    from fillwatch import AlpacaBroker
    from fillwatch.core.errors import BrokerError
    from fillwatch.observe.comparing import compare

    async def run() -> tuple[list[Finding], int]:
        broker = AlpacaBroker.from_env(live=live)
        try:
            return await compare(broker, known)
        finally:
            await broker.aclose()

    try:
        return run_loop(run())
    except ValueError as error:
        give_up(str(error))
    except BrokerError as error:
        give_up(f"the broker refuses: {error}")
    except KeyboardInterrupt:
        typer.echo("interrupted: the account was not compared to the end", err=True)
        raise typer.Exit(INTERRUPTED) from None


def _lines(found: Audit) -> list[Styled]:
    entries = f"{counted(found.entries, 'entry')} of {counted(found.runs, 'run')}"
    about = f"{counted(found.intents, 'trade')} and {counted(found.orders, 'order')}"
    lines = [Styled(text=f"{entries}, about {about}, checked against {found.rules} rules")]
    if found.compared is not None:
        lines.append(Styled(text=f"{counted(found.compared, 'order')} compared with the account"))
    if found.open:
        lines += [Styled(text=""), Styled(text="Still open", style="bold")]
        # What is without exits must not be among those left out.
        worst_first = sorted(found.open, key=lambda row: not row.bare)
        lines += rows_as_text(worst_first[:SHOWN], datetime.now(UTC))
        if len(found.open) > SHOWN:
            lines.append(Styled(text=f"and {len(found.open) - SHOWN} more; `fillwatch journal list --open` shows all"))
    for rule, same in groupby(found.findings, key=lambda each: each.rule):
        mine = [*same]
        lines += [Styled(text=""), Styled(text=f"{rule}: {mine[0].means}", style="bold red")]
        lines += [Styled(text=f"  {_line(each)}") for each in mine]
    count = len(found.findings)
    verdict = counted(count, "finding") if count else "no rule is broken"
    return [*lines, Styled(text=""), Styled(text=verdict, style="bold red" if count else "bold green")]


def _line(found: Finding) -> str:
    where = f"{found.subject}: " if found.subject else ""
    numbers = ", ".join(map(str, found.numbers))
    return plain(f"{where}{found.text} ({'entries' if len(found.numbers) > 1 else 'entry'} {numbers})")
