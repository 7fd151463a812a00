"""A world kept in a file: opened again it is the same world, and what is no state of ours is refused clearly."""

from __future__ import annotations

import os
import sqlite3
import stat
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from fillwatch.core.orders import OrderRequest, Side
from fillwatch.simulator import Call, Fate, Kind, Op, Reply, World, scenarios
from fillwatch.simulator.answers import Patch, Query
from fillwatch.simulator.clocks import Clock
from fillwatch.simulator.commands import perform
from fillwatch.simulator.state import FORMAT, State, StateError


class Kept:
    """A world of a scenario, kept in a file, and a bot that does what its seed says."""

    def __init__(self, path: Path, *, seed: int = 7, resume: bool = False) -> None:
        self.clock = Clock()
        self.world = World(seed, clock=self.clock, fate=Fate.MARKET, requests_per_minute=50)
        self.state = State(path)
        if resume:
            self.state.restore(self.world, self.clock)
        else:
            self.state.begin({"seed": seed})
        self.lost: list[StateError] = []
        self.state.keep(self.world, self.lost.append)

    def close(self) -> None:
        """End as the command does."""
        self.state.settle(self.world)
        self.state.close()

    def live(self, steps: int, chance: Random) -> list[Reply]:
        """Submits, cancels, replacements and looks, a second or so apart; what was answered."""
        return [self._step(chance) for _ in range(steps)]

    def _step(self, chance: Random) -> Reply:
        self.clock.move_to(self.clock() + chance.random() * 1.5)
        ids = self.world.ledger.order_ids
        target = chance.choice(ids) if ids else ""
        op = chance.choice((Op.SUBMIT, Op.CANCEL, Op.REPLACE, Op.LOOK, Op.LOOK, Op.LIST, Op.FILLS, Op.POSITIONS))
        order = OrderRequest(
            symbol=chance.choice(("AAPL", "MSFT")),
            side=Side.BUY,
            qty=Decimal(chance.randint(1, 30)),
            order_type="limit",
            limit_price=Decimal(chance.randint(1, 900)),
            time_in_force="gtc",
        )
        call = Call(
            op=op,
            target="" if op in (Op.SUBMIT, Op.LIST, Op.FILLS, Op.POSITIONS) else target,
            order=order if op is Op.SUBMIT else None,
            patch=Patch(qty=Decimal(500)) if op is Op.REPLACE else None,
            query=Query(limit=20, descending=False),
            method="GET",
        )
        self.world.transit(call)
        return self.world.receive(call)


def struck(world: World) -> dict[str, int]:
    """How often each fault has struck a request that arrived, as the overview tells it."""
    return {kind: world.reached[f"fault:{kind}"] for kind in (*Kind, "outage") if kind != Kind.SLOW}


def an_order(client_order_id: str | None = None) -> OrderRequest:
    """A share of Ford."""
    return OrderRequest(symbol="F", side=Side.BUY, qty=Decimal(1), client_order_id=client_order_id)


@pytest.mark.parametrize("name", ["calm", "everything", "cancel-races"])
def test_opened_again_it_is_the_same_world_and_goes_on_the_same_way(tmp_path: Path, name: str) -> None:
    path = tmp_path / "kept.state"
    first = Kept(path)
    perform(first.world, "scenario", scenarios.load_with_source(name)[1])
    perform(first.world, "orders", {"populate": 20})
    first.live(150, Random(1))
    perform(first.world, "prices", {"AAPL": "3.50"})
    perform(first.world, "change_faults", {"clock_skew": 0.1, "rules": [{"kind": "server_error", "times": 5}]})
    perform(first.world, "strike", {"kind": "stale", "operation": "positions", "times": 30})
    first.live(60, Random(2))
    first.close()

    second = Kept(path, resume=True)
    assert second.clock() == first.clock()
    assert second.world.ledger.as_dict() == first.world.ledger.as_dict()
    assert second.world.faults == first.world.faults
    assert struck(second.world) == struck(first.world)
    replies = [kept.live(150, Random(3)) for kept in (first, second)]
    plain = [[(r.answer, r.delivery, dict(r.headers)) for r in each] for each in replies]
    assert plain[0] == plain[1]
    assert second.world.ledger.as_dict() == first.world.ledger.as_dict()
    second.close()

    third = Kept(path, resume=True)
    assert third.world.ledger.as_dict() == first.world.ledger.as_dict()
    third.close()


def test_what_was_committed_before_a_crash_is_there(tmp_path: Path) -> None:
    path = tmp_path / "kept.state"
    first = Kept(path)
    reply = first.world.receive(Call(op=Op.SUBMIT, order=an_order("mine")))
    assert reply.answer.status == 200
    first.state.close()  # without having settled, as when the process was killed
    second = Kept(path, resume=True)
    [order_id] = second.world.ledger.order_ids
    assert second.world.ledger.truth(order_id).client_order_id == "mine"
    second.close()


def test_after_a_crash_it_goes_on_within_a_second_of_the_last_request(tmp_path: Path) -> None:
    path = tmp_path / "kept.state"
    first = Kept(path)
    first.world.receive(Call(op=Op.SUBMIT, order=an_order()))
    for _ in range(20):
        first.clock.move_to(first.clock() + 0.7)
        first.world.receive(Call(op=Op.CLOCK))
    first.state.close()
    second = Kept(path, resume=True)
    assert 13.0 <= second.clock() <= 14.0
    assert len(second.world.ledger.arrivals) >= 20
    second.close()


def test_when_it_can_be_kept_no_longer_that_is_said_once_and_the_answer_is_given(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept.state")
    kept.state.close()
    statuses = [kept.world.receive(Call(op=Op.SUBMIT, order=an_order())).answer.status for _ in range(2)]
    assert statuses == [200, 200]
    [error] = kept.lost
    assert "kept.state: " in str(error)


def test_the_quota_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "kept.state"
    first = Kept(path)
    for _ in range(49):
        first.world.receive(Call(op=Op.CLOCK))
    first.close()
    second = Kept(path, resume=True)
    assert [second.world.receive(Call(op=Op.CLOCK)).answer.status for _ in range(2)] == [200, 429]
    second.close()


def test_a_clock_goes_on_from_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "kept.state"
    first = Kept(path)
    first.live(5, Random(1))
    first.clock.move_to(33.0)
    first.close()
    now = [5_000.0]
    clock = Clock(lambda: now[0])
    state = State(path)
    world = World(7, clock=clock, fate=Fate.MARKET)
    state.restore(world, clock)
    assert clock() == 33.0
    clock.go(2.0)
    now[0] += 1.0
    assert clock() == 35.0
    state.close()


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "kept.state"
    Kept(path).close()
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


class TestWhatIsRefused:
    """The message names the file, says what is wrong with it and what to do."""

    def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        path = tmp_path / "notes.txt"
        path.write_text("Buy low, sell high. " * 100)
        with pytest.raises(StateError, match=r"notes.txt: it is not a state of the simulator, or it is damaged"):
            State(path)
        assert path.read_text().startswith("Buy low")

    def test_somebody_elses_database(self, tmp_path: Path) -> None:
        path = tmp_path / "theirs.db"
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE trades (id)")
        database.close()
        before = path.read_bytes()
        with pytest.raises(StateError, match=r"theirs.db: it is not a state of the simulator; give another file"):
            State(path)
        assert path.read_bytes() == before

    def test_a_newer_layout(self, tmp_path: Path) -> None:
        path = tmp_path / "kept.state"
        Kept(path).close()
        with sqlite3.connect(path) as database:
            database.execute(f"PRAGMA user_version = {FORMAT + 1}")
        database.close()
        words = rf"kept.state: a newer fillwatch wrote it \(layout {FORMAT + 1}; this one knows up to {FORMAT}\)"
        with pytest.raises(StateError, match=words):
            State(path)

    def test_one_that_another_simulator_has(self, tmp_path: Path) -> None:
        path = tmp_path / "kept.state"
        first = Kept(path)
        with pytest.raises(StateError, match=r"kept.state: it cannot be used, perhaps as another simulator has it"):
            State(path)
        first.close()
        State(path).close()

    def test_a_place_where_there_can_be_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(StateError, match=r"it cannot be opened: No such file or directory"):
            State(tmp_path / "nowhere" / "kept.state")

    @pytest.mark.parametrize(
        "damage",
        [
            pytest.param("UPDATE deeds SET data = '{}'", id="a call that is none"),
            pytest.param("UPDATE deeds SET what = 'boom'", id="a command that is none"),
            pytest.param("UPDATE deeds SET t = -5", id="time that runs backwards"),
        ],
    )
    def test_one_that_does_not_hold_what_it_should(self, tmp_path: Path, damage: str) -> None:
        path = tmp_path / "kept.state"
        first = Kept(path)
        first.live(30, Random(4))
        first.close()
        with sqlite3.connect(path) as database:
            database.execute(damage)
        database.close()
        state = State(path)
        clock = Clock()
        with pytest.raises(StateError, match=r"kept.state: it does not hold what it should: "):
            state.restore(World(7, clock=clock), clock)
        state.close()


def test_a_new_file_has_no_settings_and_an_old_one_its_own(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"seed": 3, "prices": None, "scenario": "calm"}
    path = tmp_path / "kept.state"
    state = State(path)
    assert not state.settings
    state.begin(settings)
    state.close()
    again = State(path)
    assert dict(again.settings) == settings
    again.close()
