"""The commands: what they are called, what they take, how they end."""

from __future__ import annotations

import random
import shlex
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from fillwatch.cli.audit import audit
from fillwatch.cli.ending import GOOD, INTERRUPTED, NOT_GOOD, give_up
from fillwatch.cli.explain import explain
from fillwatch.cli.journals import journal
from fillwatch.cli.loops import run as run_loop
from fillwatch.cli.resume import resume
from fillwatch.cli.shadow import shadow_report
from fillwatch.cli.simulate import simulate
from fillwatch.core.config import AtTimeout
from fillwatch.core.errors import BrokerError
from fillwatch.core.orders import exact

#: How the commands are grouped in the help.
OFFLINE, ACCOUNT, JOURNAL = "Without an account", "Your account", "A journal"

app = typer.Typer(
    name="fillwatch",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    # Its tracebacks print local variables, keys among them.
    pretty_exceptions_enable=False,
    help="Watches brokerage orders: every order handed to it gets exactly one truthful result.",
)


def main() -> None:
    """The entry point of the command `fillwatch`."""
    app(prog_name="fillwatch")


def _version(wanted: bool) -> None:  # noqa: FBT001  # the signature of a typer callback
    if wanted:
        from fillwatch import __version__

        typer.echo(f"fillwatch {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[  # noqa: FBT002  # a flag of the command line
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Watches brokerage orders: every order handed to it gets exactly one truthful result."""


@app.command(rich_help_panel=OFFLINE)
def demo(
    orders: Annotated[int, typer.Option(min=1, max=2_000, help="How many live orders to watch.")] = 250,
    seed: Annotated[
        int | None, typer.Option(help="Draws the orders, their fates and the faults.", show_default="a new one")
    ] = None,
    faults: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="The share of requests and events that something happens to.")
    ] = 0.10,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds an order may take before it is cancelled.")] = 10.0,
    stream: Annotated[  # noqa: FBT002 - an option by its name
        bool, typer.Option(help="Whether the stream of trade updates can be had, or all news has to be asked for.")
    ] = True,
    report: Annotated[
        Path | None,
        typer.Option(help="Where to write the JSON report.", show_default="reports/demo-seed-N.json", dir_okay=False),
    ] = None,
    journal_path: Annotated[
        Path | None,
        typer.Option(
            "--journal",
            metavar="FILE",
            show_default=False,
            dir_okay=False,
            help="Keep a new journal there, to be looked into by `fillwatch journal list`, `explain` and `audit`.",
        ),
    ] = None,
) -> None:
    """Watch many orders of a simulated broker and compare every result with the truth.

    A server that speaks Alpaca's API starts on this machine, with orders of every kind: filled at once, slowly or in
    parts, rejected, expired, replaced, filled while being cancelled, and so on. Requests fail, hang and lie, pushed
    events are lost, and the connection breaks. One engine watches all orders, within 200 requests a minute. No account
    and no keys are needed.

    Exit code: 0 if nothing untrue was told and the request limit was kept, 1 otherwise.
    """
    try:
        from fillwatch.cli import demo as demonstration
        from fillwatch.cli import demo_screen
        from fillwatch.cli import report as reports
    except ModuleNotFoundError as missing:
        give_up(f"{missing.name} is not installed; the simulated broker needs: pip install 'fillwatch[simulator]'")
    from fillwatch.cli.screen import console, shown
    from fillwatch.journal import JournalError

    if journal_path is not None and journal_path.exists():
        give_up(f"--journal: {journal_path} is there already; a demonstration begins a new one")
    chosen = random.SystemRandom().randrange(100_000) if seed is None else seed
    settings = demonstration.Settings(
        orders=orders, seed=chosen, faults=faults, timeout=timeout, stream=stream, journal=journal_path
    )
    source = "stream and polling" if stream else "polling alone"
    typer.echo(f"{orders} live orders, {faults:.0%} faults, 200 requests a minute, {source}, seed {chosen}")
    try:
        with shown(demo_screen.draw, demo_screen.teller()) as show:
            run = run_loop(demonstration.demonstrate(settings, show))
    except KeyboardInterrupt:
        typer.echo("interrupted: nothing was compared", err=True)
        raise typer.Exit(INTERRUPTED) from None
    except JournalError as error:
        give_up(str(error))
    except OSError as error:
        give_up(f"the simulated broker could not be started: {error}")
    typer.echo()
    for line in reports.lines(run):
        typer.echo(line)
    try:
        typer.echo(f"{'report':<15} {reports.write(run, report)}")
    except OSError as error:
        give_up(f"the report could not be written: {error}")
    if journal_path is not None:
        typer.echo(f"{'journal':<15} {journal_path}: fillwatch journal list {shlex.quote(str(journal_path))}")
    good = reports.is_good(run)
    verdict = "every result agrees with the ledger" if good else "NOT every result is true, or the limit was broken"
    console().print(verdict, style="bold green" if good else "bold red")
    raise typer.Exit(GOOD if good else NOT_GOOD)


@app.command(rich_help_panel=ACCOUNT)
def watch(
    order_id: Annotated[list[str], typer.Argument(metavar="ORDER_ID", help="The broker's ids of the orders.")],
    timeout: Annotated[
        float | None, typer.Option(help="Seconds to watch at most; 'inf' for as long as it takes.", show_default="60")
    ] = None,
    at_timeout: Annotated[
        AtTimeout,
        typer.Option(help="What to do with an order that is still live then. 'leave' never cancels anything."),
    ] = AtTimeout.LEAVE,
    expected_price: Annotated[
        str | None, typer.Option(help="The price hoped for, to tell the slippage (one order only).")
    ] = None,
    journal_path: Annotated[
        Path | None,
        typer.Option(
            "--journal",
            metavar="FILE",
            show_default=False,
            dir_okay=False,
            help="Write down what is heard, for `fillwatch explain`, and for `fillwatch resume` after a crash.",
        ),
    ] = None,
    live: Annotated[  # noqa: FBT002  # a flag of the command line
        bool, typer.Option("--live", help="The keys are those of an account with real money.")
    ] = False,
) -> None:
    """Watch orders of your account until each has a result.

    The account is that of APCA_API_KEY_ID and APCA_API_SECRET_KEY, at APCA_API_BASE_URL (Alpaca's paper trading if it
    is not set). Changes are shown as they come, and one line for each order at the end. UNRESOLVED means that the
    order had not ended when the time was up, and may still be live.

    Exit code: 0 if all orders were filled, 1 otherwise, 2 if the command could not be carried out.
    """
    from fillwatch import AlpacaBroker, JournalError
    from fillwatch.cli import watch_screen, watching
    from fillwatch.cli.screen import shown

    try:
        broker = AlpacaBroker.from_env(live=live)
        ids = list(dict.fromkeys(broker.check_order_id(each) for each in order_id))
        price = None if expected_price is None else _price(expected_price, len(ids))
        wishes = watching.Wishes(timeout=timeout, at_timeout=at_timeout, expected_price=price, journal=journal_path)
        with shown(watch_screen.draw, watch_screen.tell) as show:
            results = run_loop(watching.follow_orders(broker, ids, wishes, show))
    except (ValueError, JournalError) as error:
        give_up(str(error))
    except BrokerError as error:
        give_up(f"the broker refuses: {error}")
    except KeyboardInterrupt:
        typer.echo("stopped watching; no order was touched by that", err=True)
        raise typer.Exit(INTERRUPTED) from None
    for result in results:
        typer.echo(watching.result_line(result))
    raise typer.Exit(GOOD if all(result.filled for result in results) else NOT_GOOD)


def _price(text: str, orders: int) -> Decimal:
    price = exact(text, "--expected-price")
    if price <= 0:
        raise ValueError(f"--expected-price: {price} is not allowed; it must be greater than 0")
    if orders > 1:
        raise ValueError(f"--expected-price: it is for one order, and {orders} were given")
    return price


app.command(rich_help_panel=OFFLINE)(simulate)
app.command(rich_help_panel=ACCOUNT)(resume)
app.command(rich_help_panel=JOURNAL)(explain)
app.add_typer(journal, name="journal", rich_help_panel=JOURNAL)
app.command(rich_help_panel=JOURNAL)(audit)
app.command("shadow-report", rich_help_panel=JOURNAL)(shadow_report)
