"""`fillwatch journal`, `explain`, `shadow-report` and `resume`, and a journal that a seeded session wrote."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import sqlite3
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from fillwatch.core.config import FillDetectionConfig
from fillwatch.core.trade_facts import client_id
from fillwatch.engine.engine import FillDetectionEngine
from fillwatch.execution.executor import SmartOrderExecutor
from fillwatch.execution.migration import Disagreement
from fillwatch.journal import Fact, FactKind, SqliteJournal
from fillwatch.simulator import Fate, SimulatedBroker, World
from fillwatch.testing import run_virtual
from tests.test_cli import COMMAND, KEYS, Done, environment, invoke, run

FATES = (
    Fate.LATE_FIELDS,
    Fate.MANY_PARTIALS,
    Fate.NEVER,
    Fate.CANCEL_STUCK,
    Fate.BUSTED,
    Fate.REPLACED_FILLS,
    Fate.CANCELED_BY_OTHERS,
)
#: Left alone at its timeout.
LEFT = Fate.CANCEL_REFUSED


@dataclass(frozen=True, kw_only=True)
class Session:
    """A journal, and what really happened. `ids`: the watched orders by their fate."""

    path: Path
    world: World
    ids: Mapping[Fate, str]

    def invoke(self, *words: str) -> tuple[int, str, str]:
        return invoke(*words, FILLWATCH_JOURNAL=str(self.path))

    def says(self, *words: str) -> str:
        code, out, err = self.invoke(*words)
        assert (code, err) == (0, ""), err
        return out

    def exported(self, *words: str) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.says("journal", "export", *words).splitlines()]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Orders of several fates and two trades, one of which is declined."""
    path = tmp_path_factory.mktemp("journal") / "trades.db"

    async def main() -> Session:
        clock = asyncio.get_running_loop().time
        world = World(3, clock=clock, fate=Fate.MARKET)
        ids = {fate: world.place(fate=fate) for fate in (*FATES, LEFT)}
        async with (
            SqliteJournal(path) as kept,
            FillDetectionEngine(
                SimulatedBroker(world, stream=True),
                FillDetectionConfig(),
                journal=kept,
                wall=lambda: world.wall(clock()),
                rng=Random(3),
            ) as engine,
        ):
            executor = SmartOrderExecutor(engine, journal=kept, wall=lambda: world.wall(clock()))
            watches = [
                engine.watch(order_id, timeout_seconds=20, at_timeout="leave" if fate is LEFT else "cancel")
                for fate, order_id in ids.items()
            ]
            bought = await executor.execute_trade("IBM", "buy", 10, world.price("IBM"), 2, intent_id="bought")
            assert bought.success, bought.reason
            await executor.execute_trade("KO", "buy", 10**9, world.price("KO"), 2, intent_id="too-much")
            await asyncio.gather(*watches)
            await asyncio.sleep(30)
        return Session(path=path, world=world, ids=ids)

    return run_virtual(main)


def test_what_is_open_comes_first(session: Session) -> None:
    head, *lines = session.says("journal", "list").splitlines()
    assert head.split() == ["what", "state", "symbol", "side", "filled", "age", "id"]
    is_open = [line.startswith("open") for line in lines]
    assert is_open == sorted(is_open, reverse=True)
    assert sum(is_open) == 5  # the trade, its two exits, and two orders without an end
    rows = {line.split()[-1]: line for line in lines}
    truth = session.world.ledger.truth(session.ids[Fate.MANY_PARTIALS])
    assert re.search(rf"watch +filled +{truth.symbol} +{truth.side} +{truth.qty} of {truth.qty} ", rows[truth.order_id])
    assert "unresolved, looked at further" in rows[session.ids[LEFT]]
    assert re.search(r"open +trade +protected +IBM +buy +10 of 10 ", rows["bought"])
    assert re.search(r" trade +declined +KO ", rows["too-much"])


def test_a_list_can_be_cut_short_and_be_json(session: Session) -> None:
    *_, last = session.says("journal", "list", "--limit", "2").splitlines()
    everything = [json.loads(line) for line in session.says("journal", "list", "--limit", "0", "--json").splitlines()]
    assert last == f"and {len(everything) - 2} more; --limit 0 shows all"
    still_open = [json.loads(line) for line in session.says("journal", "list", "--open", "--json").splitlines()]
    assert still_open == [row for row in everything if row["is_open"]]
    assert {"what", "id", "state", "since", "symbol", "side", "wanted", "filled", "bare"} < set(everything[0])


@pytest.mark.parametrize("name", ["order", "client", "beginning", "intent"])
def test_everything_about_an_id_is_shown_in_order(session: Session, name: str) -> None:
    (placed,) = session.exported("--kind", "accepted", "--intent", "bought")[:1]
    order_id = str(placed["order_id"])
    named = {
        "order": order_id,
        "client": client_id("bought", "e1"),
        "beginning": order_id[:13],
        "intent": "bought",
    }[name]
    out = session.says("journal", "show", named)
    numbers = [int(line.split()[0]) for line in out.splitlines()[1:]]
    assert numbers == sorted(numbers)
    assert "intended: buy 10 IBM" in out
    assert re.search(r" sending +us +e1 sent: buy 10 limit", out)
    assert re.search(r" accepted +[0-9a-f]{8} +submit +e1 placed: ", out)
    assert re.search(r" evidence +[0-9a-f]{8} +(stream|list|order) +filled, 10 of 10 at ", out)
    assert ("x1 sent: sell 10 limit" in out) is (name == "intent")
    exported = [json.loads(line) for line in session.says("journal", "show", named, "--json").splitlines()]
    assert [entry["number"] for entry in exported] == numbers


def test_an_id_has_to_be_one(session: Session) -> None:
    several = "fw-"
    for words, complaint in (
        (("journal", "show", "nothing-like-it"), "'nothing-like-it' is no order and no intent of this journal"),
        (("journal", "show", several), "'fw-' is the beginning of 2 ids: fw-"),
        (("explain", "nothing-like-it"), "is no order"),
        (("explain", "bought"), "bought is an intent, not an order; `fillwatch journal show bought` names its orders"),
        (("explain", ""), "an empty id names nothing"),
    ):
        code, out, err = session.invoke(*words)
        assert (code, out) == (2, "")
        assert complaint in err
        assert len(err.splitlines()) == 1


KEYS_OF_AN_ENTRY = ["number", "run", "kind", "at", "monotonic", "intent_id", "order_id", "payload"]


def test_the_export_is_stable_json(session: Session) -> None:
    entries = session.exported()
    assert all(list(entry) == KEYS_OF_AN_ENTRY for entry in entries)
    assert [entry["number"] for entry in entries] == [*range(1, len(entries) + 1)]
    assert all(str(entry["at"]).endswith("Z") and datetime.fromisoformat(str(entry["at"])) for entry in entries)
    (result, *_) = session.exported("--kind", "result", "--order", session.ids[Fate.MANY_PARTIALS][:13])
    truth = session.world.ledger.truth(session.ids[Fate.MANY_PARTIALS])
    assert isinstance(result["payload"], dict)
    assert result["payload"]["fill_price"] == str(truth.shown_average), "no digit is lost"
    assert {entry["kind"] for entry in session.exported("--kind", "watch", "--kind", "RESULT")} == {"watch", "result"}
    assert session.exported("--intent", "bought") == [each for each in entries if each["intent_id"] == "bought"]
    assert session.exported("--after", str(len(entries) - 2)) == entries[-2:]
    code, _, err = session.invoke("journal", "export", "--kind", "rumour")
    assert code == 2
    assert "'rumour' is not a kind of fact; allowed are intent, sending," in err


def test_what_is_exported_is_what_is_shown_of_an_id(session: Session, tmp_path: Path) -> None:
    entry = client_id("bought", "e1")
    shown = [json.loads(line) for line in session.says("journal", "show", entry, "--json").splitlines()]
    assert session.exported("--order", entry) == shown
    assert session.exported("--order", entry, "--intent", "bou") == shown
    assert session.exported("--order", entry, "--intent", "too-much") == []
    assert session.exported("--intent", "bou") == session.exported("--intent", "bought")
    last = shown[-1]
    assert session.exported("--order", entry, "--after", str(shown[-2]["number"])) == [last]
    target = tmp_path / "entries.jsonl"
    for words, complaint in (
        (("--order", "53ef"), "--order: '53ef' is no order and no intent of this journal"),
        (("--intent", "nobody"), "--intent: 'nobody' is no order and no intent of this journal"),
        (("--order", "bought"), "--order: 'bought' is an intent; --intent takes it"),
        (("--intent", entry), f"--intent: '{entry}' is an order; --order takes it"),
        (("--order", "fw-"), "--order: 'fw-' is the beginning of 2 ids"),
    ):
        code, out, err = session.invoke("journal", "export", *words, "--output", str(target))
        assert (code, out) == (2, "")
        assert complaint in err
        assert not target.exists()


def test_an_exported_file_is_private_and_replaces_nothing(session: Session, tmp_path: Path) -> None:
    target = tmp_path / "entries.jsonl"
    assert session.says("journal", "export", "--output", str(target)) == ""
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert target.read_text("ascii").splitlines() == session.says("journal", "export").splitlines()
    code, _, err = session.invoke("journal", "export", "--output", str(target))
    assert (code, "is there already" in err) == (2, True)
    target.chmod(0o644)
    session.says("journal", "export", "--output", str(target), "--force", "--kind", "intent")
    assert len(target.read_text("ascii").splitlines()) == 2
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    before = session.path.read_bytes()
    for name in (session.path, session.path.with_name(session.path.name + "-wal")):
        code, _, err = session.invoke("journal", "export", "--output", str(name), "--force")
        assert (code, "belongs to the journal itself" in err) == (2, True)
    assert session.path.read_bytes() == before


NEEDING_A_JOURNAL = [
    ["journal", "list"],
    ["journal", "export"],
    ["audit"],
    ["shadow-report"],
    ["resume"],
    ["journal", "show", "x", "--journal"],
    ["explain", "x", "--journal"],
]


@pytest.mark.parametrize("words", NEEDING_A_JOURNAL, ids=" ".join)
def test_what_is_no_journal_is_said_to_be_none(words: list[str], tmp_path: Path) -> None:
    text, other, newer, empty = (tmp_path / name for name in ("notes.txt", "other.db", "newer.db", "empty.db"))
    text.write_text("buy milk\n" * 100)
    empty.touch()
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE milk (litres)")
    connection.close()

    async def make() -> None:
        async with SqliteJournal(newer):
            pass

    asyncio.run(make())
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    for path, complaint in (
        (tmp_path / "none.db", "there is no such journal"),
        (empty, "is empty: no journal was ever kept there"),
        (text, "cannot be read as a journal"),
        (other, "is no journal of fillwatch"),
        (newer, "was written by a newer fillwatch"),
    ):
        code, out, err = invoke(*words, str(path), **KEYS)
        assert (code, out) == (2, ""), err
        assert complaint in err
        assert len(err.splitlines()) == 1
    assert not (tmp_path / "none.db").exists()
    code, _, err = invoke(*[word for word in words if word != "--journal"])
    assert code == 2
    assert "FILLWATCH_JOURNAL" in err or "JOURNAL" in err


@pytest.mark.parametrize("words", [["journal", "export"], ["audit"]])
@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ("'watchful', 'i', '', 0, 0.0, '{}'", "'watchful' is not a valid FactKind"),
        ("'intent', 'i', '', 900000000000000000, 0.0, '{}'", "date value out of range"),
        ("'intent', 'i', '', 0, 'noon', '{}'", "must be real number, not str"),
        ("'intent', 'i', '', 0, 0.0, x'7b7d'", "what should be text is not"),
    ],
)
def test_an_entry_that_nobody_of_ours_wrote_is_named(
    words: list[str], values: str, complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "trades.db"

    async def make() -> None:
        async with SqliteJournal(path) as journal:
            await journal.write(Fact.of(FactKind.STEP, {}, at=datetime.now(UTC), monotonic=0.0))

    asyncio.run(make())
    with sqlite3.connect(path) as connection:
        connection.execute(
            f"INSERT INTO facts (run, kind, intent_id, order_id, at, monotonic, payload) VALUES (1, {values})"
        )
    connection.close()
    code, _, err = invoke(*words, str(path))
    assert (code, err) == (2, f"fillwatch: {path} cannot be read: entry 2: {complaint}\n")


def test_a_journal_can_be_looked_into_while_it_is_written_but_not_resumed(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "busy.db"

    async def main() -> tuple[tuple[int, str, str], Done]:
        async with SqliteJournal(path) as kept:
            for entry in session.exported("--kind", "intent"):
                payload, at = json.dumps(entry["payload"]), datetime.fromisoformat(str(entry["at"]))
                intent_id = str(entry["intent_id"])
                await kept.write(Fact(kind=FactKind.INTENT, at=at, monotonic=1.0, intent_id=intent_id, payload=payload))
            return invoke("journal", "list", str(path)), await run("resume", str(path), cwd=tmp_path, variables=KEYS)

    (code, out, _), resumed = asyncio.run(main())
    assert (code, len(out.splitlines())) == (0, 3)
    assert (resumed.code, resumed.out) == (2, "")
    assert f"{path} is being written by somebody else (process {os.getpid()}, since " in resumed.err
    assert len(resumed.err.splitlines()) == 1


def parts(story: str) -> dict[str, list[str]]:
    """The lines of a story by their heading; the head of it is under ""."""
    found: dict[str, list[str]] = {"": []}
    here = found[""]
    for line in story.splitlines():
        if line.startswith(("What ", "Why ", "Where ")):
            here = found.setdefault(line, [])
        elif line:
            here.append(line)
    return found


def test_the_story_of_a_fill_has_every_execution_and_what_decided(session: Session) -> None:
    order_id = session.ids[Fate.MANY_PARTIALS]
    truth = session.world.ledger.truth(order_id)
    story = parts(session.says("explain", order_id[:12]))
    head = "\n".join(story[""])
    assert f"order      {order_id}" in head
    assert f"client id  {truth.client_order_id}" in head
    assert f"result     filled {truth.qty} of {truth.qty} at {truth.shown_average}" in head
    happened = story["What happened"]
    assert re.search(r"time \(UTC\) +after +by +what was said +what it changed", happened[0])
    assert "+0.000 s  caller" in happened[1]
    assert "timeout 20 s, then it is cancelled" in happened[1]
    executed = [line for line in happened if " stream " in line and "executed" in line]
    assert len(executed) == len(truth.trades)
    assert any(re.search(r" stream +executed .*new -> partially_filled, ", line) for line in happened)
    assert "told: filled" in happened[-1]
    why = "\n".join(story["Why it was told as filled"])
    assert "The end (filled) was first told by the route `stream`, at +" in why
    assert "status, quantity, price and timestamp say that it is filled (confidence 100%)" in why
    assert f"The quantity {truth.qty}: the order's cumulative number agrees with {len(truth.trades)} executions" in why


def test_a_quantity_that_only_the_executions_tell_is_said_to_come_from_them(session: Session) -> None:
    order_id = session.ids[Fate.LATE_FIELDS]
    truth = session.world.ledger.truth(order_id)
    lines = parts(session.says("explain", order_id))["Why it was told as filled"]
    said = (
        f"The quantity {truth.qty} comes from 1 execution told by `stream`; the order's cumulative number was not told"
    )
    assert any(said in line for line in lines), lines


def test_the_story_of_a_cancel_says_what_was_asked_and_who_bore_it_out(session: Session) -> None:
    story = parts(session.says("explain", session.ids[Fate.NEVER]))
    happened = "\n".join(story["What happened"])
    assert re.search(r"\+20\.\d+ s +us +a cancel goes out", happened)
    assert re.search(r" cancel +the cancel: noted by the broker, which proves no end", happened)
    assert "looks told nothing new" in happened
    why = "\n".join(story["Why it was told as timed out"])
    assert "The timeout of 20 s had passed" in why
    assert re.search(r"A cancel went out, at \+20\.\d+ s: noted by the broker, which proves no end\.", why)
    assert "needs a second witness, as fields lag behind the status: " in why


def test_an_unresolved_story_says_that_the_order_may_be_live(session: Session) -> None:
    for fate, reason in ((Fate.CANCEL_STUCK, "the order was not seen to end"), (LEFT, "nothing was cancelled")):
        story = parts(session.says("explain", session.ids[fate]))
        why = "\n".join(story["Why it was told as unresolved"])
        assert "THE ORDER MAY BE LIVE" in why
        assert reason in why
        assert re.search(r"Last heard: .* by `\w+` at \+[\d.]+ s", why)
        assert "is not all" in "\n".join(story["What came after it"])


def test_what_came_after_the_result_is_told_apart(session: Session) -> None:
    story = parts(session.says("explain", session.ids[Fate.BUSTED]))
    assert any(line.startswith("today      partially filled ") for line in story[""])
    assert all("undone" not in line for line in story["What happened"])
    after = "\n".join(story["What came after it"])
    assert re.search(r" stream +undone \d+ at ", after)
    assert re.search(r" engine +amended \(bust\): now partially filled ", after)


def test_a_successor_and_an_early_end_are_told(session: Session) -> None:
    order_id = session.ids[Fate.REPLACED_FILLS]
    story = session.says("explain", order_id)
    successor = session.world.ledger.chain(order_id)[-1]
    assert f"replaced by  {successor}" in story
    assert f"goes on as {successor}" in story
    assert session.says("explain", successor) == story
    canceled = session.says("explain", session.ids[Fate.CANCELED_BY_OTHERS])
    assert "Why it was told as canceled" in canceled
    assert "Nothing was executed." in canceled
    assert "cancel went out" not in canceled


def test_the_story_of_a_trades_order_says_which_part_it_is(session: Session) -> None:
    entry = session.says("explain", client_id("bought", "e1"))
    assert "part       the entry (e1) of trade bought" in entry
    assert re.search(r" trade +intended: buy 10 IBM", entry)
    assert re.search(r" us +e1 sent: buy 10 limit", entry)
    assert re.search(r" submit +e1 placed: ", entry)
    assert re.search(r" trade +told: success", entry)
    exits = session.says("explain", client_id("bought", "x1"))
    assert "part       the exits (x1) of trade bought" in exits
    assert "The exits have no result yet. Last seen working" in exits
    (seen, *_) = session.exported("--kind", "exits", "--intent", "bought")
    assert isinstance(seen["payload"], dict)
    for leg in seen["payload"]["is"]["order_ids"]:
        assert f"order      {leg}" in session.says("explain", leg), "each of the two has a story of its own"


def test_an_order_that_was_refused_is_not_said_to_be_watched(tmp_path: Path) -> None:
    path = tmp_path / "refused.db"

    async def main() -> None:
        clock = asyncio.get_running_loop().time
        world = World(3, clock=clock)
        async with SqliteJournal(path) as kept, FillDetectionEngine(SimulatedBroker(world), journal=kept) as engine:
            executor = SmartOrderExecutor(engine, wall=lambda: world.wall(clock()))
            result = await executor.execute_trade("NOSUCH", "buy", 10, 100, 2, intent_id="unheard-of")
            assert not result.success

    run_virtual(main)
    code, story, err = invoke("explain", client_id("unheard-of", "e1"), "--journal", str(path))
    assert (code, err) == (0, "")
    assert "watched" not in story
    assert "result     none: refused by the broker" in story
    assert re.search(r"Where it stands\n  - The broker refused the order: .*\. It has none, and nothing was", story)
    assert "refused " in invoke("journal", "list", str(path))[1]


def test_a_story_can_be_json(session: Session) -> None:
    told = json.loads(session.says("explain", session.ids[Fate.BUSTED], "--json"))
    assert told["result"]["outcome"] == "filled"
    assert told["amended"]["outcome"] == "partially_filled"
    assert told["moments"][0]["by"] == "caller"
    assert {"number", "at", "after", "by", "said", "changed", "again", "unanswered"} <= set(told["moments"][0])
    filled = json.loads(session.says("explain", session.ids[Fate.MANY_PARTIALS], "--json"))
    assert Decimal(filled["result"]["fill_price"]) == session.world.ledger.truth(filled["order_id"]).shown_average


def test_colours_are_for_terminals(session: Session, tmp_path: Path) -> None:
    words = [*COMMAND, "explain", session.ids[Fate.NEVER], "--journal", str(session.path)]
    colourful = {name: value for name, value in environment({}).items() if name != "NO_COLOR"} | {"TERM": "xterm"}
    piped = subprocess.run(words, capture_output=True, text=True, check=True, cwd=tmp_path, env=colourful, timeout=60)
    assert "\x1b" not in piped.stdout
    ours, theirs = pty.openpty()
    with subprocess.Popen(words, stdout=theirs, cwd=tmp_path, env=colourful) as process:
        os.close(theirs)
        pieces = []
        try:
            while piece := os.read(ours, 65_536):
                pieces.append(piece)
        except OSError:  # how Linux says that the other end is closed
            pass
        os.close(ours)
        assert process.wait(timeout=60) == 0
    sent = b"".join(pieces).decode().replace("\r\n", "\n")
    assert "\x1b[" in sent
    seen = re.sub(r"\x1b\[[0-9;]*m", "", sent)
    assert max(map(len, seen.splitlines())) <= 100, "it fits the terminal"
    assert sorted(seen.replace("what it changed", "").split()) == sorted(
        piped.stdout.replace("what it changed", "").split()
    )


def test_what_a_broker_wrote_reaches_no_terminal_raw(tmp_path: Path) -> None:
    path = tmp_path / "hostile.db"

    async def main() -> None:
        async with SqliteJournal(path) as kept:
            fact = Fact(
                kind=FactKind.EVIDENCE,
                at=datetime.fromisoformat("2026-06-15T14:30:00Z"),
                monotonic=1.0,
                order_id="evil",
                payload=json.dumps(
                    {
                        "piece": "seen",
                        "route": "order",
                        "as_of": 1.0,
                        "about": "evil",
                        "news": True,
                        "raw_status": "new\x1b[2J\x9b2J[red]",
                    },
                    ensure_ascii=False,
                ),
            )
            await kept.write(fact)

    asyncio.run(main())
    for words in (["journal", "show", "evil"], ["explain", "evil"]):
        code, out, err = invoke(*words, "--journal", str(path))
        assert (code, err) == (0, "")
        assert not [char for char in out if char != "\n" and not char.isprintable()]
    code, out, err = invoke("journal", "export", str(path))
    assert (code, err) == (0, "")
    assert out.isascii()


def disagreement(number: int, old: str | None, new: str | None) -> Fact:
    found = Disagreement(
        order_id=f"order-{number}",
        legacy_price=None if old is None else Decimal(old),
        legacy_story=("0.00 s: new", "60.00 s: timeout"),
        price=None if new is None else Decimal(new),
        outcome="filled",
        story=("new: 0", "filled: 10"),
    )
    at = datetime.fromisoformat("2026-06-15T14:30:00Z") + timedelta(seconds=number)
    return Fact.of(FactKind.DISAGREEMENT, found, at=at, monotonic=float(number), order_id=found.order_id)


def test_disagreements_are_summed_up_the_worst_first(tmp_path: Path, session: Session) -> None:
    path = tmp_path / "shadow.db"
    facts = [
        disagreement(1, "100.01", "100"),
        disagreement(2, "103", "100"),
        disagreement(3, None, "100"),
        disagreement(4, "100", None),
        disagreement(5, None, "101"),
    ]

    async def main() -> None:
        async with SqliteJournal(path) as kept:
            await kept.write(*facts, durable=True)

    asyncio.run(main())
    code, out, err = invoke("shadow-report", str(path))
    assert (code, err) == (1, "")
    first, *lines = out.splitlines()
    assert first == "5 disagreements, 2026-06-15 14:30:01 to 2026-06-15 14:30:05 UTC"
    assert lines[:3] == [
        "     2 prices that differ",
        "     2 fills that the old loop missed",
        "     1 fills that the old loop invented",
    ]
    told = [line.split()[0] for line in lines if line.startswith("order-")]
    assert told == ["order-3", "order-5", "order-4", "order-2", "order-1"]
    assert "order-2  the old loop says filled at 103, fillwatch says filled at 100 (+3.0000 %)" in lines
    assert "  old loop   60.00 s: timeout" in lines
    assert "  fillwatch  filled: 10" in lines
    code, out, _ = invoke("shadow-report", str(path), "--worst", "1")
    assert "and 4 more; --worst 5 tells all" in out
    code, out, _ = invoke("shadow-report", str(path), "--json")
    assert [case["number"] for case in json.loads(out)["cases"]] == [3, 5, 4, 2, 1]
    assert session.says("shadow-report", str(session.path)) == "no disagreement\n"


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        (["--help"], ["journal", "resume", "explain", "audit", "shadow-report", "A journal", "Your account"]),
        (["journal", "--help"], ["list", "show", "export", "survive a crash"]),
        (["journal", "list", "--help"], ["JOURNAL", "FILLWATCH_JOURNAL", "UNPROTECTED", "Exit code"]),
        (["journal", "show", "--help"], ["ID", "--journal", "FILLWATCH_JOURNAL", "Exit code"]),
        (
            ["journal", "export", "--help"],
            ["--order", "--intent", "--kind", "--after", "0600", "ISO 8601"],
        ),
        (["resume", "--help"], ["quarantine", "resend", "APCA_API_KEY_ID", "paper", "Ctrl-C", "Exit code"]),
        (["audit", "--help"], ["--broker", "Only reads", "Exit code", "finding"]),
        (["explain", "--help"], ["ORDER_ID", "--journal", "--json", "activities", "Exit code"]),
        (["shadow-report", "--help"], ["--worst", "shadow", "Exit code"]),
    ],
    ids=lambda value: " ".join(value[:2]),
)
def test_help_says_what_a_stranger_needs(words: list[str], needed: list[str]) -> None:
    code, out, err = invoke(*words)
    assert (code, err) == (0, "")
    shown = " ".join(out.replace("│", " ").split())
    assert [word for word in needed if word not in shown] == []
