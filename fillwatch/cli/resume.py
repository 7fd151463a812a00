"""The command `fillwatch resume`: what it takes, how it ends."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from fillwatch.cli.ending import GOOD, INTERRUPTED, NOT_GOOD, give_up
from fillwatch.cli.loops import run as run_loop
from fillwatch.cli.opening import JournalArgument, opened


class OnUnknown(StrEnum):
    """The executor's choices, named here so that `--help` need not load it."""

    QUARANTINE = "quarantine"
    RESEND = "resend"


def resume(
    path: JournalArgument,
    on_unknown: Annotated[
        OnUnknown,
        typer.Option(
            help="An entry order that the broker does not know: 'quarantine' waits until it surely never arrived, "
            "'resend' sends the same order again, under the same id, at what may be a stale price."
        ),
    ] = OnUnknown.QUARANTINE,
    live: Annotated[  # noqa: FBT002  # a flag of the command line
        bool, typer.Option("--live", help="The keys are those of an account with real money.")
    ] = False,
) -> None:
    """Take up what a crash left open, and see it through.

    Orders are found again by their ids, watches go on with what is left of their time by the wall clock (or go
    straight to the final check: an order whose time is up is cancelled if it was to be), and shares that were bought
    get their exits. Nothing is sent twice. The account is that of APCA_API_KEY_ID and APCA_API_SECRET_KEY, at
    APCA_API_BASE_URL (Alpaca's paper trading if it is not set), and must be the one that the journal is about.

    Run it when the program that wrote the journal is gone; while that runs it is refused. Ctrl-C stops it at any
    time: what was not finished stays open in the journal.

    Exit code: 0 if every share is protected and every order has its end, 1 if not, 2 if it could not be carried out.
    """
    from fillwatch import AlpacaBroker
    from fillwatch.cli import resuming
    from fillwatch.core.errors import BrokerError
    from fillwatch.execution.executor import OnUnknown as Policy
    from fillwatch.journal import JournalError

    with opened(path):
        pass  # one that is not there is not made
    try:
        broker = AlpacaBroker.from_env(live=live)
        done = run_loop(resuming.resume(path, broker, Policy(on_unknown.value), typer.echo))
    except (ValueError, JournalError) as error:
        give_up(str(error))
    except BrokerError as error:
        give_up(f"the broker refuses: {error}")
    except KeyboardInterrupt:
        typer.echo("stopped; no order was touched by that, and what is open stays open in the journal", err=True)
        raise typer.Exit(INTERRUPTED) from None
    if done.is_settled:
        typer.echo("everything is protected and resolved" if done.trades or done.watches else "nothing was open")
    else:
        typer.echo("NOT everything is protected or resolved; see above, and look at the account")
    raise typer.Exit(GOOD if done.is_settled else NOT_GOOD)
