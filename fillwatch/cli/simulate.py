"""The command `fillwatch simulate`: what it takes, what it shows, how it ends."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fillwatch.cli.ending import give_up
from fillwatch.cli.loops import run as run_loop

if TYPE_CHECKING:
    from fillwatch.cli.simulating import Running


def simulate(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Where to listen; 0: any free port.")] = 8787,
    host: Annotated[
        str, typer.Option(help="The address to listen on. Any but this machine's own needs --i-know.")
    ] = "127.0.0.1",
    i_know: Annotated[  # noqa: FBT002  # a flag of the command line
        bool,
        typer.Option(
            "--i-know",
            help="You know that everybody who reaches --host and has the keys can see and do everything here.",
        ),
    ] = False,
    key: Annotated[str | None, typer.Option(help="The key to accept.", show_default="drawn from the seed")] = None,
    secret: Annotated[
        str | None, typer.Option(help="The secret to accept.", show_default="drawn from the seed")
    ] = None,
    as_json: Annotated[  # noqa: FBT002  # a flag of the command line
        bool, typer.Option("--json", help="Print one line of JSON with url, stream_url, key and secret, and no more.")
    ] = False,
    scenario: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="What goes wrong: a ready-made scenario (see --list) or a TOML file.",
            show_default="calm",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Draws prices, faults and luck. With --clock manual, the same seed and the same requests get the "
            "same answers to the byte.",
            show_default="a new one",
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="Keep the world in this SQLite file; started again with it, the world goes on where it stopped.",
            show_default="in memory only",
        ),
    ] = None,
    clock: Annotated[
        str,
        typer.Option(
            metavar="real|scaled:N|manual",
            help="How time passes: as usual, N times as fast, or only when POST /sim/clock says so.",
        ),
    ] = "real",
    hours: Annotated[
        str | None,
        typer.Option(
            metavar="always|exchange",
            help="Whether the market is always open, or keeps the hours of New York.",
            show_default="always",
        ),
    ] = None,
    prices: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            exists=True,
            dir_okay=False,
            help="Recorded prices to replay, in columns symbol, price and time_seconds or timestamp; other symbols "
            "walk at random.",
            show_default="a random walk",
        ),
    ] = None,
    orders: Annotated[
        int | None,
        typer.Option(min=0, max=100_000, help="Live orders, of every kind, to begin with.", show_default="0"),
    ] = None,
    cash: Annotated[
        float | None,
        typer.Option(min=1.0, max=1e12, help="Dollars in the account to begin with.", show_default="50000000"),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=0, help="Requests a minute that are let in; 0: all of them.", show_default="200"),
    ] = None,
    show_list: Annotated[  # noqa: FBT002  # a flag of the command line
        bool, typer.Option("--list", help="Show the ready-made scenarios, and exit.")
    ] = False,
) -> None:
    """Run a broker on this machine that speaks Alpaca's trading API, for your bot to be tested against.

    Point any Alpaca client at the address that is printed, with the keys that are printed: orders, positions,
    account and activities under /v2, the trade updates on /stream. No account is needed and no money moves. What goes
    wrong, and when, is up to you: choose a --scenario, or change the faults of a running broker at /sim/faults.
    GET /sim/ledger says what really happened. It runs until Ctrl-C.

    Exit code: 0 when it was ended, 2 if it could not be started as it was asked to.
    """
    try:
        from fillwatch.cli import simulating
    except ModuleNotFoundError as missing:
        give_up(f"{missing.name} is not installed; the simulated broker needs: pip install 'fillwatch[simulator]'")
    if show_list:
        _show_list()
        return
    if not (i_know or simulating.is_loopback(host)):
        give_up(
            f"--host: {host!r} lets other machines in, and whoever has the keys can see and do everything here; "
            "add --i-know if that is what you want"
        )
    wishes = simulating.Wishes(
        port=port,
        host=host,
        key=key,
        secret=secret,
        scenario=scenario,
        seed=seed,
        state=state,
        clock=clock,
        hours=hours,
        prices=prices,
        orders=orders,
        limit=limit,
        cash=cash,
    )
    try:
        run_loop(simulating.simulate(wishes, _tell_json if as_json else _tell))
    except KeyboardInterrupt:
        pass
    except ValueError as error:
        give_up(str(error))
    except OSError as error:
        give_up(f"the simulated broker could not be started: {error}")
    if not as_json:
        typer.echo("ended")


def _tell_json(running: Running) -> None:
    at = running.address
    said = {"url": at.url, "stream_url": at.stream_url, "key": at.key, "secret": at.secret}
    typer.echo(json.dumps(said, separators=(",", ":")))


def _tell(running: Running) -> None:
    from rich.table import Table

    from fillwatch.cli.screen import console

    at = running.address
    out = console()
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="bold", no_wrap=True)
    rows.add_column(overflow="fold")
    rows.add_row("scenario", f"{running.scenario}: {running.sentence}")
    rows.add_row("seed", f"{running.seed}, clock {running.clock}")
    if running.resumed_at is not None:
        rows.add_row("goes on", f"{running.resumed_at:.1f} s after it began")
    rows.add_row("REST", at.url)
    rows.add_row("stream", at.stream_url)
    rows.add_row("key", at.key)
    rows.add_row("secret", at.secret)
    out.print(rows)
    keys = " ".join(f"-H {shlex.quote(f'APCA-API-{name}: {value}')}" for name, value in _headers(running))
    out.print("\nTry:", style="bold")
    # In one piece, to be copied.
    out.print(f"curl {keys} {at.url}/v2/account", soft_wrap=True)
    out.print("\nWhat really happened: /sim/ledger. What goes wrong: /sim/faults. Ctrl-C ends it.")


def _headers(running: Running) -> tuple[tuple[str, str], ...]:
    return ("KEY-ID", running.address.key), ("SECRET-KEY", running.address.secret)


def _show_list() -> None:
    from fillwatch.simulator import scenarios

    names = scenarios.names()
    width = max(map(len, names))
    for name in names:
        typer.echo(f"{name:{width}}  {scenarios.load(name).sentence}")
