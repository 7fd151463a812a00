"""`kill -9` at any instant of a run of plain watches: a child watches orders of the simulated server, is killed and
started again, and in the end its journal, its words and the ledger are compared.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from fillwatch import Amendment, FillResult
from fillwatch.journal import FactKind, JournalReader
from fillwatch.simulator import Faults
from fillwatch.simulator.scenarios import Scenario
from fillwatch.testing.serving import AlpacaServer, alpaca_server

LIVES = int(os.environ.get("FILLWATCH_WATCH_LIVES", "5"))
#: Orders of each life, by what becomes of them.
FATES = ("instant", "slow", "partial", "never", "cancel_slow", "replaced_fills", "canceled_by_others", "rejected")
ORDER = {"symbol": "AAPL", "side": "buy", "qty": 10, "type": "market", "time_in_force": "day"}
WEATHER = Faults(reset_before=0.03, reset_after=0.05, server_error=0.05, cut_off=0.03, stale=0.05, stale_seconds=0.5)
#: Seconds that the last life may take to settle everything.
PATIENCE = 60.0


def start(server: AlpacaServer, journal: Path, order_ids: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.engine.watch_child", str(journal), *order_ids]
    return subprocess.Popen(command, env={**os.environ, **server.environment}, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("seed", [1])
def test_kill_minus_nine_loses_no_watch_and_tells_nothing_unwritten(seed: int, tmp_path: Path) -> None:
    draw, journal = Random(seed), tmp_path / "watch.journal"
    lines = ""
    with alpaca_server(Scenario(name="crash", sentence="-", faults=WEATHER), seed) as server:
        for _ in range(LIVES):
            child = start(server, journal, server.sim.orders([ORDER | {"fate": fate} for fate in FATES]))
            try:
                # From before its first request to when nearly all is told.
                out, _ = child.communicate(timeout=draw.uniform(1.0, 5.0))
                assert child.returncode == 0, "the bot ended with an error of its own"
            except subprocess.TimeoutExpired:
                child.kill()
                out, _ = child.communicate()
            lines += out
        last = start(server, journal, [])
        out, _ = last.communicate(timeout=PATIENCE)
        assert last.returncode == 0
        told = {tuple(line.split()) for line in (lines + out).splitlines() if line.count(" ") == 2}
        wrong = compare(server.ledger["orders"], journal, told)
    assert not wrong, "\n".join(wrong)


def compare(orders: list[dict[str, Any]], path: Path, told: set[tuple[str, ...]]) -> list[str]:
    """What the ledger and the journal have against each other and against what was said."""
    truths = {order["id"]: order for order in orders}
    wrong: list[str] = []
    with JournalReader(path) as journal:
        if journal.watches(open_only=True):
            wrong.append("a watch is open in the journal after all is told")
        watched = {entry.fact.order_id for entry in journal.watches()}
        written: set[tuple[str, ...]] = set()
        results: Counter[str] = Counter()
        now: dict[str, FillResult] = {}
        for entry in journal.read(kinds=(FactKind.RESULT, FactKind.AMENDMENT)):
            fact = entry.fact
            is_result = fact.kind is FactKind.RESULT
            now[fact.order_id] = result = fact.read(FillResult) if is_result else fact.read(Amendment).amended
            results[fact.order_id] += is_result
            written.add((fact.order_id, result.outcome.value, str(result.fill_quantity)))
    if len(watched) < len(FATES):
        wrong.append(f"only {len(watched)} orders were watched long enough to be written down")
    wrong += [f"{line} was told, and is not in the journal" for line in sorted(told - written)]
    wrong += [f"{order_id}: {count} results" for order_id, count in results.items() if count != 1]
    for order_id in watched:
        if order_id not in now:
            wrong.append(f"{order_id}: watched, and no result")
            continue
        result = now[order_id]
        quantity, ended = truth_of(truths, order_id)
        if not ended or not result.outcome.is_end or result.fill_quantity != quantity:
            wrong.append(f"{order_id}: {result.outcome} {result.fill_quantity}, in truth {quantity}, ended: {ended}")
    return wrong


def truth_of(truths: dict[str, dict[str, Any]], order_id: str) -> tuple[Decimal, bool]:
    """Shares executed under this id and its successors, and whether the last of them is over."""
    order, quantity = truths[order_id], Decimal(0)
    while True:
        quantity += sum((Decimal(trade["qty"]) for trade in order["trades"]), Decimal(0))
        if order["replaced_by"] is None:
            return quantity, order["ended_at"] is not None
        order = truths[order["replaced_by"]]
