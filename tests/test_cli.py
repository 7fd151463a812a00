"""The command line: what a stranger reads, what a script gets, and the demonstration's word held to its report."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest
from typer.testing import CliRunner

import fillwatch
from fillwatch.cli.app import app
from fillwatch.simulator import Fate, World
from fillwatch.simulator.server import Address, serve

KEYS = {"APCA_API_KEY_ID": "PKABCDEFGHIJ", "APCA_API_SECRET_KEY": "canary-secret-0123456789"}
AN_ID, ANOTHER_ID = "904837e3-3b76-47ec-b432-046db621571b", "a05a8943-6bfa-4035-984d-3a8c1050ed7d"
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str


NO_ACCOUNT: Mapping[str, str] = MappingProxyType({})


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """This environment without an account, a terminal or colours, and with `variables`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("APCA_")}
    return {**kept, "COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1", "PYTHONPATH": str(ROOT), **variables}


def invoke(*words: str, **variables: str) -> tuple[int, str, str]:
    """Exit code, output and errors of the command, run in this process."""
    hidden: dict[str, str | None] = dict.fromkeys(name for name in os.environ if name.startswith("APCA_"))
    runner = CliRunner(env=hidden | {"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"} | variables)
    done = runner.invoke(app, words)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


COMMAND = (sys.executable, "-c", "from fillwatch.cli import main; main()")


async def run(
    *words: str, cwd: Path, stop_after: float | None = None, variables: Mapping[str, str] = NO_ACCOUNT
) -> Done:
    """The command in a process of its own; if wished interrupted, as by Ctrl-C, some seconds after its first line."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *words,
        cwd=cwd,
        env=environment(variables),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said = b""
    if stop_after is not None:
        assert process.stdout is not None
        said = await asyncio.wait_for(process.stdout.readline(), timeout=60)
        await asyncio.sleep(stop_after)
        process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), timeout=60)
    assert process.returncode is not None
    return Done(process.returncode, (said + out).decode(), err.decode())


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        (["--help"], ["demo", "watch", "--version", "exactly one truthful result"]),
        (["demo", "--help"], ["--orders", "--seed", "--faults", "--timeout", "--report", "Exit code", "simulated"]),
        (["watch", "--help"], ["ORDER_ID", "--at-timeout", "leave", "APCA_API_KEY_ID", "UNRESOLVED", "Exit code"]),
    ],
)
def test_help_says_what_a_stranger_needs(words: list[str], needed: list[str]) -> None:
    code, out, err = invoke(*words)
    assert (code, err) == (0, "")
    assert [word for word in needed if word not in " ".join(out.split())] == []


def test_the_version_is_the_packages() -> None:
    assert invoke("--version") == (0, f"fillwatch {fillwatch.__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "variables", "complaint"),
    [
        (["watch", AN_ID], {}, "APCA_API_KEY_ID is not set"),
        (["watch", AN_ID], {"APCA_API_KEY_ID": "PK1"}, "APCA_API_SECRET_KEY is not set"),
        (["watch", "../account"], KEYS, "'../account' is not an Alpaca order id"),
        (["watch", AN_ID, ANOTHER_ID, "--expected-price", "1"], KEYS, "it is for one order, and 2 were given"),
        (["watch", AN_ID, "--expected-price", "dear"], KEYS, "'dear' is not a number"),
        (["watch", AN_ID], KEYS | {"APCA_API_BASE_URL": "http://example.com"}, "https://"),
        (["watch", AN_ID], KEYS | {"APCA_API_BASE_URL": "https://api.alpaca.markets"}, "real money"),
        (["watch", AN_ID, "--at-timeout", "burn"], KEYS, "'burn'"),
        (["watch"], KEYS, "ORDER_ID"),
        (["demo", "--orders", "0"], {}, "orders"),
        (["demo", "--faults", "1.5"], {}, "faults"),
    ],
)
def test_what_cannot_be_carried_out_is_said_in_words(
    words: list[str], variables: dict[str, str], complaint: str
) -> None:
    code, out, err = invoke(*words, **variables)
    assert (code, out) == (2, "")
    assert complaint in " ".join(err.replace("│", " ").split())
    assert "Traceback" not in err
    assert KEYS["APCA_API_SECRET_KEY"] not in err


def test_the_demonstration_tells_the_truth_and_its_report_agrees(tmp_path: Path) -> None:
    done = asyncio.run(run("demo", "--orders", "20", "--timeout", "3", "--seed", "5", "--faults", "0.05", cwd=tmp_path))
    assert (done.code, done.err) == (0, ""), done.out + done.err
    told = dict(re.findall(r"^(\w[\w ]*?) {2,}(.*)$", done.out, re.MULTILINE))
    report = json.loads((tmp_path / told["report"]).read_text("utf-8"))
    summary = report["summary"]
    assert told["report"] == str(Path("reports", "demo-seed-5.json"))
    assert (told["missed"], told["phantom"], told["other untruths"]) == ("0", "0", "none")
    assert told["requests"].startswith(f"{summary['requests']} (")
    assert told["worst minute"] == f"{summary['worst_minute']} requests (limit 200)"
    assert (summary["orders"], summary["missed"], summary["phantom"], summary["good"]) == (20, 0, 0, True)
    assert sum(summary["outcomes"].values()) == len(report["orders"]) == 20
    assert "20 of 20 have a result" in done.out
    assert "\x1b" not in done.out, "colours belong to terminals"


def test_an_interrupted_demonstration_ends_without_a_traceback(tmp_path: Path) -> None:
    done = asyncio.run(run("demo", "--orders", "20", cwd=tmp_path, stop_after=1.0))
    assert (done.code, done.err) == (130, "interrupted: nothing was compared\n")
    assert list(tmp_path.iterdir()) == []


def account(address: Address) -> dict[str, str]:
    return {
        "APCA_API_KEY_ID": address.key,
        "APCA_API_SECRET_KEY": address.secret,
        "APCA_API_BASE_URL": address.url,
    }


def watched(
    fates: list[Fate], *words: str, cwd: Path, stop_after: float | None = None
) -> tuple[Done, World, list[str]]:
    """`fillwatch watch` over orders of these fates at a served world; also the world and the ids."""

    async def watch() -> tuple[Done, World, list[str]]:
        world = World(7, clock=asyncio.get_running_loop().time)
        async with serve(world) as address:
            ids = [world.place(fate=fate) for fate in fates]
            variables = account(address)
            done = await run("watch", *ids, *words, cwd=cwd, stop_after=stop_after, variables=variables)
        assert address.secret not in done.out + done.err
        return done, world, ids

    return asyncio.run(watch())


def test_watching_orders_that_fill_ends_well(tmp_path: Path) -> None:
    done, world, (order_id, other) = watched([Fate.INSTANT, Fate.MANY_PARTIALS], cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    *changes, first, second = done.out.splitlines()
    truth = world.ledger.truth(order_id)
    told = f"{order_id}  {truth.symbol} {truth.side}  filled {truth.qty} of {truth.qty} at {truth.shown_average}  ("
    assert first.startswith(told)
    assert second.startswith(other)
    assert any(line.startswith(f"{other}  ") for line in changes)


def test_an_order_that_goes_on_is_left_alone_and_said_to_be_open(tmp_path: Path) -> None:
    done, world, ids = watched([Fate.INSTANT, Fate.NEVER], "--timeout", "2", cwd=tmp_path)
    assert (done.code, done.err) == (1, "")
    assert f"{ids[1]}  " in done.out
    assert "unresolved (may be live)" in done.out.splitlines()[-1]
    assert world.ledger.truth(ids[1]).cancels == ()


def test_an_order_is_cancelled_when_that_is_asked_for(tmp_path: Path) -> None:
    done, world, (order_id,) = watched([Fate.NEVER], "--timeout", "1", "--at-timeout", "cancel", cwd=tmp_path)
    assert (done.code, done.err) == (1, "")
    assert "timed out 0 of " in done.out.splitlines()[-1]
    assert world.ledger.truth(order_id).raw_status == "canceled"


def test_what_was_heard_can_be_explained_later(tmp_path: Path) -> None:
    done, world, (order_id,) = watched([Fate.INSTANT], "--journal", "heard.db", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    code, story, _ = invoke("explain", order_id[:8], "--journal", str(tmp_path / "heard.db"))
    truth = world.ledger.truth(order_id)
    assert code == 0
    assert f"result     filled {truth.qty} of {truth.qty} at {truth.shown_average}" in story
    (tmp_path / "notes.txt").write_text("buy milk" * 1_000)
    done, _, _ = watched([Fate.INSTANT], "--journal", "notes.txt", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "cannot be read as a journal" in done.err
    assert len(done.err.splitlines()) == 1


def test_a_demonstration_can_keep_a_journal_and_it_breaks_no_rule(tmp_path: Path) -> None:
    words = ("demo", "--orders", "12", "--timeout", "2", "--seed", "5", "--journal", "demo.db")
    done = asyncio.run(run(*words, cwd=tmp_path))
    assert (done.code, done.err) == (0, "")
    assert "journal         demo.db: fillwatch journal list demo.db" in done.out
    code, out, _ = invoke("audit", str(tmp_path / "demo.db"))
    assert (code, out.splitlines()[-1]) == (0, "no rule is broken")
    assert " and 12 orders, " in out
    again = asyncio.run(run(*words, cwd=tmp_path))
    assert (again.code, "is there already" in again.err) == (2, True)


def test_slippage_is_told(tmp_path: Path) -> None:
    done, _, _ = watched([Fate.INSTANT], "--expected-price", "100", cwd=tmp_path)
    assert re.search(r"slippage -?\d+\.\d{4} %$", done.out.splitlines()[-1])


def test_ctrl_c_stops_watching_and_touches_nothing(tmp_path: Path) -> None:
    done, world, (order_id,) = watched([Fate.NEVER], "--at-timeout", "cancel", cwd=tmp_path, stop_after=1.0)
    assert (done.code, done.err) == (130, "stopped watching; no order was touched by that\n")
    assert world.ledger.truth(order_id).cancels == ()


def test_refused_keys_are_said_to_be_refused(tmp_path: Path) -> None:
    async def watch() -> Done:
        world = World(7, clock=asyncio.get_running_loop().time)
        async with serve(world) as address:
            wrong = account(address) | {"APCA_API_SECRET_KEY": KEYS["APCA_API_SECRET_KEY"]}
            return await run("watch", world.place(), cwd=tmp_path, variables=wrong)

    done = asyncio.run(watch())
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("fillwatch: the broker refuses: HTTP 401")
    assert len(done.err.splitlines()) == 1


def in_a_terminal(words: list[str], *, cwd: Path, serving: Callable[[World], list[str]]) -> str:
    """What a terminal of a hundred columns is sent by the command, `serving` having placed the orders to watch."""

    async def watch() -> str:
        world = World(7, clock=asyncio.get_running_loop().time)
        async with serve(world) as address:
            ours, theirs = pty.openpty()
            variables = account(address) | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}
            process = await asyncio.create_subprocess_exec(
                *COMMAND, *words, *serving(world), cwd=cwd, env=environment(variables), stdout=theirs, stderr=theirs
            )
            os.close(theirs)
            read = asyncio.create_task(asyncio.to_thread(_everything, ours))
            await asyncio.wait_for(process.wait(), timeout=30)
            return await read

    return asyncio.run(watch())


def _everything(terminal: int) -> str:
    pieces = []
    try:
        while piece := os.read(terminal, 65_536):
            pieces.append(piece)
    except OSError:  # how Linux says that the other end is closed
        pass
    finally:
        os.close(terminal)
    return b"".join(pieces).decode()


def test_a_terminal_sees_a_table(tmp_path: Path) -> None:
    sent = in_a_terminal(["watch"], cwd=tmp_path, serving=lambda world: [world.place(fate=Fate.SLOW)])
    assert "\x1b[" in sent, "it is redrawn in its place"
    seen = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", sent)
    assert re.search(r"order +symbol +status +filled +of +seen +by", seen)
    assert "s ago" in seen
    assert re.search(r"filled \d+ of \d+ at ", seen.splitlines()[-1])
