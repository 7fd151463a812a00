"""Scenarios: the nine that come with the package, files of one's own, and what is wrong with a wrong one."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import fields
from decimal import Decimal
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from fillwatch.simulator import NO_FAULTS, Call, Fate, Faults, Kind, Op, scenarios
from fillwatch.simulator.answers import Patch
from fillwatch.simulator.faults import Rule
from fillwatch.simulator.stream_faults import NO_STREAM_FAULTS, Frames, StreamFaults, StreamKind
from fillwatch.simulator.wording import changed_faults, faults_as_data, read_faults
from tests.simulator.at import Scene

NINE = (
    *("calm", "flaky-network", "rate-limit-storm", "broker-outage", "mute-stream", "stale-reads", "cancel-races"),
    *("opening-bell", "everything"),
)
#: How a fault is meant rather than whether there is one: limits, sizes, and ways that exclude each other.
NO_SWITCHES = frozenset(
    "operations stale_seconds slow_seconds skew_seconds absent_seconds heal_at delay_seconds start end orders".split()
)
#: `second_kicks_first` excludes `refuse_second`; the others are ways of an account rather than faults.
OTHER_WAYS = frozenset({"second_kicks_first", "frames", "no_events_route"})


class TestThePackagedOnes:
    """A name and a sentence each, and what the sentence promises."""

    def test_there_are_nine_and_each_has_a_file(self) -> None:
        assert scenarios.names() == NINE
        files = {entry.name for entry in resources.files("fillwatch.simulator").joinpath("scenarios").iterdir()}
        assert files == {f"{name}.toml" for name in NINE}

    @pytest.mark.parametrize("name", NINE)
    def test_each_is_called_what_its_file_is_called_and_says_what_it_is(self, name: str) -> None:
        scenario = scenarios.load(name)
        assert scenario.name == name
        assert 20 < len(scenario.sentence) < 130
        assert scenario.sentence.endswith(".")
        assert (scenario.faults == NO_FAULTS) is (name == "calm")
        assert set(scenario.fates) == {Fate.MARKET} or name in ("opening-bell", "everything")

    def test_everything_switches_everything_on(self) -> None:
        scenario = scenarios.load("everything")
        faults = scenario.faults
        off = {each.name for each in fields(Faults) if getattr(faults, each.name) == getattr(NO_FAULTS, each.name)}
        assert off <= NO_SWITCHES, "of the faults"
        stream = {
            each.name
            for each in fields(StreamFaults)
            if getattr(faults.stream, each.name) == getattr(NO_STREAM_FAULTS, each.name)
        }
        assert stream <= NO_SWITCHES | OTHER_WAYS, "of the push routes"
        assert all(getattr(faults, kind.value) > 0 for kind in Kind)
        assert all(getattr(faults.stream, kind.value) > 0 for kind in StreamKind)
        assert {fate for fate, weight in scenario.fates.items() if weight} == set(Fate)
        assert {type(rule.kind) for rule in faults.rules} == {Kind, Fate}
        assert faults.heal_at == math.inf

    def test_everything_really_strikes_with_everything(self) -> None:
        scene = Scene(3)
        scenarios.enact(scenarios.load("everything"), scene.world)
        for _ in range(2_500):
            scene.after(0.05)
            order_id = scene.ledger.order_ids[-1] if scene.ledger.order_ids else ""
            for op in (Op.LOOK, Op.LIST, Op.FILLS, Op.CANCEL, Op.POSITIONS, Op.REPLACE):
                scene.world.transit(Call(op=op, target=order_id))
                if op is not Op.REPLACE or order_id:
                    scene.world.receive(call_of(op, order_id))
        reached = {name for name in scene.world.reached if name.startswith("fault:")}
        assert reached >= {f"fault:{kind}" for kind in Kind} | {"fault:outage", "fault:absent_from_list"}

    def test_the_opening_bell_brings_a_thousand_orders_within_ten_seconds(self) -> None:
        scene = Scene()
        scenarios.enact(scenarios.load("opening-bell"), scene.after(100.0).world)
        placed = [0, *(len([o for o in orders(scene.after(1.0)) if o["replaces"] is None]) for _ in range(10))]
        assert placed[-1] == 1_000
        assert all(60 < later - earlier < 140 for earlier, later in pairwise(placed))

    def test_the_outage_begins_when_it_says_wherever_the_world_is(self) -> None:
        scene = Scene()
        scenarios.enact(scenarios.load("broker-outage"), scene.after(500.0).world)
        status = [scene.after(5.0).ask(Op.CLOCK).answer.status for _ in range(14)]
        assert status[3:9] == [0] * 6, "from 20 to 50 seconds"
        assert 0 not in status[:3] + status[9:]
        assert scene.world.faults.stream.refuse == ((520.0, 552.0),)

    def test_the_cancel_races_meet_orders_that_go_by_the_market(self) -> None:
        scene = Scene()
        scenarios.enact(scenarios.load("cancel-races"), scene.world)
        limit: dict[str, Any] = {"order_type": "limit", "limit_price": "0.01", "time_in_force": "gtc"}
        ids = [scene.submit(**limit).versions[0].order.order_id for _ in range(200)]
        scene.after(1.0)
        first = {scene.cancel(order_id) for order_id in ids}
        assert first == {(204, ""), (422, 'order is already in "filled" state'), (422, "order is not cancelable")}
        words = {scene.after(5.0).word(order_id) for order_id in ids}
        assert words == {"filled", "canceled", "pending_cancel", "new"}


def call_of(op: Op, target: str) -> Call:
    """A request that this operation can carry out."""
    return Call(op=op, target=target, patch=Patch(qty=Decimal(1_000)) if op is Op.REPLACE else None)


def orders(scene: Scene) -> list[dict[str, Any]]:
    """The orders as the ledger tells of them."""
    told: Any = scene.ledger.as_dict()["orders"]
    return list(told)


WHOLE = """
name = "mine"
sentence = "My own."
seed = 12
fates = { slow = 3, busted = 1 }

[orders]
count = 5
over_seconds = 2.5

[faults]
stale = 0.25
outages = [[10, 20], [30, inf]]
heal_at = inf

[faults.replica_lag]
list = 2

[[faults.rules]]
kind = "reset_after"
probability = 0.5
operations = ["submit", "cancel"]
orders = ["AAPL"]
start = 5
end = 15
times = 3

[[faults.rules]]
fate = "cancel_stuck"

[faults.stream]
drop = 0.1
mute = [[1, 2]]
disconnect_every = 30
frames = "text"
"""


class TestFilesOfOnesOwn:
    """TOML, read strictly."""

    def test_every_part_can_be_worded(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.toml"
        path.write_text(WHOLE)
        scenario = scenarios.load(path)
        assert scenario == scenarios.load(str(path))
        assert (scenario.name, scenario.sentence, scenario.seed) == ("mine", "My own.", 12)
        assert scenario.fates == {Fate.SLOW: 3, Fate.BUSTED: 1}
        assert scenario.orders == scenarios.Crowd(count=5, over_seconds=2.5)
        assert scenario.faults == Faults(
            stale=0.25,
            outages=((10.0, 20.0), (30.0, math.inf)),
            replica_lag={Op.LIST: 2.0},
            rules=(
                Rule(
                    kind=Kind.RESET_AFTER,
                    probability=0.5,
                    operations=frozenset({Op.SUBMIT, Op.CANCEL}),
                    orders=frozenset({"AAPL"}),
                    start=5.0,
                    end=15.0,
                    times=3,
                ),
                Rule(kind=Fate.CANCEL_STUCK),
            ),
            stream=StreamFaults(drop=0.1, mute=((1.0, 2.0),), disconnect_every=30.0, frames=Frames.TEXT),
        )
        assert isinstance(scenario.faults.rules[1].kind, Fate)

    def test_a_name_and_a_sentence_are_enough(self, tmp_path: Path) -> None:
        path = tmp_path / "short.toml"
        path.write_text('name = "short"\nsentence = "Nothing."\n')
        assert scenarios.load(path) == scenarios.Scenario(name="short", sentence="Nothing.")

    def test_the_usual_mix_and_a_single_fate_have_a_word(self, tmp_path: Path) -> None:
        path = tmp_path / "x.toml"
        path.write_text('name = "x"\nsentence = "X."\nfates = "usual"\n')
        assert len(scenarios.load(path).fates) > 20
        path.write_text('name = "x"\nsentence = "X."\nfates = "slow"\n')
        assert scenarios.load(path).fates == {Fate.SLOW: 1}

    def test_enacting_lets_orders_go_by_its_fates(self, tmp_path: Path) -> None:
        path = tmp_path / "x.toml"
        path.write_text('name = "x"\nsentence = "X."\nfates = { never = 1, instant = 1 }\n')
        scene = Scene()
        scenarios.enact(scenarios.load(path), scene.world)
        for _ in range(20):
            scene.submit()
        assert {order["fate"] for order in orders(scene)} == {"never", "instant"}


def wrong_ones() -> Iterator[Any]:
    """What stands in the file, and the words that say what is wrong."""
    cases = {
        "not TOML": ("name = ", "not TOML: "),
        "no name": ('sentence = "X."', "name: it is missing; a scenario has a name and a sentence"),
        "no sentence": ('name = "x"', "sentence: it is missing"),
        "empty name": ('name = " "\nsentence = "X."', "name: ' ' is not allowed; give a text that is not empty"),
        "unknown part": (
            'name = "x"\nsentence = "X."\nfault = 1',
            "scenario.fault: there is no such field; there are: name, sentence, seed, fates, orders, faults",
        ),
        "bad seed": ('name = "x"\nsentence = "X."\nseed = -1', "seed: -1 is not allowed; give a whole number from 0"),
    }
    of_faults = {
        "unknown fault": ("drop = 0.5", r"faults.drop: there is no such field; there are: rate_limited, "),
        "text for a number": ('stale = "often"', "faults.stale: 'often' is not allowed; give a number"),
        "true for a number": ("stale = true", "faults.stale: True is not allowed; give a number"),
        "too likely": ("stale = 2", "faults.stale: 2.0 is not allowed; it must be from 0 to 1"),
        "not a number": ("stale = nan", "faults.stale: nan is not allowed"),
        "together too likely": ("stale = 0.6\nslow = 0.6", "faults: the probabilities for look requests"),
        "unknown operation": (
            'operations = ["lok"]',
            r"faults.operations\[0\]: 'lok' is not allowed; give one of look",
        ),
        "no pair": ("outages = [[1, 2, 3]]", r"faults.outages\[0\]: \[1, 2, 3\] is not allowed; give a pair"),
        "no list": ("outages = 5", "faults.outages: 5 is not allowed; give a list"),
        "backwards": ("outages = [[5, 1]]", r"faults.outages: \[5.0, 1.0\] is not allowed"),
        "lag of nothing": ("[faults.replica_lag]\nlst = 1", "faults.replica_lag: 'lst' is not allowed; give one of"),
        "negative lag": ("[faults.replica_lag]\nlist = -1", "faults.replica_lag.list: -1 is not allowed"),
        "rule without a kind": ("[[faults.rules]]\ntimes = 1", r"faults.rules\[0\]: exactly one of kind and fate"),
        "rule with both": ('[[faults.rules]]\nkind = "slow"\nfate = "slow"', "exactly one of kind and fate"),
        "unknown kind": ('[[faults.rules]]\nkind = "boom"', r"faults.rules\[0\].kind: 'boom' is not allowed; give one"),
        "unknown fate": ('[[faults.rules]]\nfate = "boom"', r"faults.rules\[0\].fate: 'boom' is not allowed; give one"),
        "half a time": (
            '[[faults.rules]]\nkind = "slow"\ntimes = 1.5',
            r"rules\[0\].times: 1.5 is not allowed; give a w",
        ),
        "rule out of reach": (
            '[[faults.rules]]\nkind = "page_shift"\noperations = ["look"]',
            r"faults.rules\[0\].operations: page_shift strikes none of them; it can strike: list",
        ),
        "unknown stream fault": ("[faults.stream]\nlose = 1", "faults.stream.lose: there is no such field"),
        "stream too likely": ("[faults.stream]\ndrop = 1.5", "faults.stream.drop: 1.5 is not allowed"),
        "stream switch": ("[faults.stream]\nrefuse_second = 1", "refuse_second: 1 is not allowed; give true or false"),
        "stream frames": ('[faults.stream]\nframes = "x"', "faults.stream.frames: 'x' is not allowed; give one of bin"),
    }
    more = {
        "fate of a mix": ("[fates]\nslwo = 1", "fates: 'slwo' is not allowed; give one of instant"),
        "empty mix": ("[fates]\nslow = 0", "fates: .* is not allowed; give a table that gives at least one fate"),
        "no count": ("[orders]\nover_seconds = 1", "orders.count: None is not allowed; give a whole number from 1"),
        "no time": ("[orders]\ncount = 1", "orders.over_seconds: None is not allowed; give a number, 0 or more"),
    }
    for name, (text, words) in cases.items():
        yield pytest.param(text, words, id=name)
    head = 'name = "x"\nsentence = "X."\n'
    for name, (text, words) in of_faults.items():
        yield pytest.param(f"{head}[faults]\n{text}", words, id=name)
    for name, (text, words) in more.items():
        yield pytest.param(f"{head}{text}", words, id=name)


class TestWrongFiles:
    """The error names the file, the field, the value and what is allowed."""

    @pytest.mark.parametrize(("text", "words"), list(wrong_ones()))
    def test_it_is_said_what_is_wrong(self, tmp_path: Path, text: str, words: str) -> None:
        path = tmp_path / "wrong.toml"
        path.write_text(text)
        with pytest.raises(ValueError, match=words) as caught:
            scenarios.load(path)
        assert str(caught.value).startswith(f"{path}: ")

    def test_an_unknown_name_is_answered_with_the_known_ones(self) -> None:
        with pytest.raises(ValueError, match="'clam' is not known; give a TOML file or one of calm, flaky-network"):
            scenarios.load("clam")

    def test_a_file_that_is_not_there_or_no_text(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            scenarios.load(tmp_path / "none.toml")
        path = tmp_path / "binary.toml"
        path.write_bytes(b"name = '\xff'")
        with pytest.raises(ValueError, match=r"binary.toml: it is not UTF-8 text"):
            scenarios.load(path)
        path.write_bytes(b"#" * 1_000_001)
        with pytest.raises(ValueError, match="longer than 1000000 bytes"):
            scenarios.load(path)


class TestWording:
    """Faults as data, and back."""

    @pytest.mark.parametrize("name", NINE)
    def test_what_is_shown_can_be_read_again(self, name: str) -> None:
        faults = scenarios.load(name).faults
        again = read_faults(json.loads(json.dumps(faults_as_data(faults), allow_nan=False)))
        assert again == faults
        assert [type(rule.kind) for rule in again.rules] == [type(rule.kind) for rule in faults.rules]

    def test_a_change_leaves_the_rest(self) -> None:
        faults = Faults(stale=0.2, slow=0.1, stream=StreamFaults(drop=0.1, mute=((1.0, 2.0),)))
        changed = changed_faults(faults, {"slow": 0.3, "stream": {"drop": 0.2}})
        assert changed == Faults(stale=0.2, slow=0.3, stream=StreamFaults(drop=0.2, mute=((1.0, 2.0),)))
        with pytest.raises(ValueError, match=r"faults.stream: 5 is not allowed; give a table"):
            changed_faults(faults, {"stream": 5})


class TestTheReference:
    """The page in the docs names everything there is."""

    PAGE = Path(__file__).resolve().parents[2].joinpath("docs", "scenarios.md").read_text("utf-8")

    def test_it_names_every_field_fault_fate_and_operation(self) -> None:
        names = {each.name for made in (Faults, Rule, StreamFaults) for each in fields(made)}
        names |= {each.value for kind in (Kind, StreamKind, Fate, Op, Frames) for each in kind}
        quoted = re.findall(r"```toml(.*?)```|`([^`\n]+)`", self.PAGE, re.DOTALL)
        named = {word for parts in quoted for part in parts for word in re.findall(r"[a-z_]+", part)}
        assert names - named == set()
