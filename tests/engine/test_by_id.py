"""Whose turn it is when more looks by id are due than can be sent; and that nobody is passed over for long."""

from __future__ import annotations

import asyncio
import math
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwatch import FillDetectionConfig
from fillwatch.core.evidence import Route, Seen
from fillwatch.core.orders import OrderSnapshot, OrderStatus
from fillwatch.core.schedule import FEW_LOOKS, NEAR, PASSED_OVER, YOUNG
from fillwatch.engine.by_id import STALE, ById
from fillwatch.engine.case import Case, Wishes
from fillwatch.engine.common import Common
from fillwatch.testing import run_virtual, virtual


class Line:
    """Cases that are due by id, each made at a moment of its own."""

    def __init__(self) -> None:
        self.reads = 0
        self.common = Common(self._config, lambda case, changes: None)
        self.by_id = ById()

    def _config(self) -> FillDetectionConfig:
        self.reads += 1
        return FillDetectionConfig()

    def case(self, name: str, *, timeout: float = math.inf, checks: int = FEW_LOOKS) -> Case:
        """One that is not young, unless it is said how few looks there were."""
        case = Case(name, Wishes(timeout_seconds=timeout), self.common)
        case.checks = checks
        return case

    def add(self, name: str, *, timeout: float = math.inf, checks: int = FEW_LOOKS) -> Case:
        case = self.case(name, timeout=timeout, checks=checks)
        self.by_id.add(case)
        return case

    def ask(self) -> str:
        """Who is asked next; he is not due any more."""
        case = self.by_id.first()
        assert case is not None
        self.by_id.asked(case)
        self.by_id.discard(case)
        return case.order_id

    def ask_all(self) -> str:
        return " ".join(self.ask() for _ in range(len(self.by_id)))


def see(case: Case) -> None:
    now = asyncio.get_running_loop().time()
    order = OrderSnapshot(order_id=case.order_id, status=OrderStatus.NEW, order_type="limit")
    case.absorb(Seen(order=order, route=Route.ORDER, as_of=now), now)


@virtual
async def test_those_of_middle_age_are_asked_in_the_order_in_which_they_became_due() -> None:
    line = Line()
    first, *_ = [line.add(name) for name in "abc"]
    line.by_id.add(first)  # once more: it keeps its place
    assert line.ask_all() == "a b c"
    assert line.by_id.first() is None


@virtual
async def test_a_deadline_at_hand_goes_before_the_young_and_these_before_the_others() -> None:
    line = Line()
    line.add("old")
    line.add("young", checks=0)
    line.add("younger", checks=1)
    line.add("later", timeout=NEAR - 1.0)
    line.add("soon", timeout=NEAR - 2.0)
    line.add("far", timeout=NEAR + 1.0)
    assert line.ask_all() == "soon later young old younger far"  # the fourth is who has been due for longest


@virtual
async def test_a_deadline_comes_near_while_its_order_waits() -> None:
    line = Line()
    line.add("a")
    line.add("b", timeout=30.0)
    await asyncio.sleep(30.0 - NEAR - 0.1)
    assert line.by_id.first() is not None
    assert line.ask() == "a"
    line.add("c")
    await asyncio.sleep(0.2)
    line.by_id.add(line.case("d"))
    assert line.ask() == "b"


@virtual
async def test_who_was_seen_shortly_before_his_deadline_waits_his_turn() -> None:
    line = Line()
    near, nearest = line.case("near", timeout=4.0), line.case("nearest", timeout=3.0)
    await asyncio.sleep(1.0)
    see(nearest)
    line.add("a")
    for case in (near, nearest):
        line.by_id.add(case)
    assert line.ask_all() == "near a nearest"


@virtual
async def test_who_grew_old_while_he_waited_is_young_no_more() -> None:
    line = Line()
    line.add("a")
    line.add("b", checks=0)
    await asyncio.sleep(YOUNG)
    line.add("c", checks=0)
    assert line.ask_all() == "c a b"


@virtual
async def test_a_look_that_somebody_waits_for_passes_the_others_over_too() -> None:
    line = Line()
    waited_for = line.case("waited for")
    line.add("a")
    for _ in range(PASSED_OVER):
        assert not line.by_id.is_owed
        line.by_id.asked(waited_for)
    assert line.by_id.is_owed
    assert line.ask() == "a"
    assert not line.by_id.is_owed


@given(st.lists(st.sampled_from(["young", "near", "old", "wait", "ask", "ask", "ask", "waited for"]), max_size=200))
def test_nobody_waits_longer_than_four_times_his_fair_turn(events: list[str]) -> None:
    """His fair turn is when those have been asked who were due before him, whatever comes after him."""

    async def run() -> None:
        line, asked = Line(), 0
        by_turn: dict[str, int] = {}
        pending = deque(events)
        while pending or len(line.by_id):
            event = pending.popleft() if pending else "ask"
            name = f"{event} {len(by_turn)}"
            match event:
                case "wait":
                    await asyncio.sleep(1.0)
                case "ask" if len(line.by_id):
                    asked += 1
                    assert asked <= by_turn[line.ask()]
                case "waited for" if not line.by_id.is_owed:
                    asked += 1
                    line.by_id.asked(line.case(name))
                case "young" | "near" | "old":
                    by_turn[name] = asked + (PASSED_OVER + 1) * (len(line.by_id) + 1)
                    line.add(name, timeout=4.0 if event == "near" else 99.0, checks=0 if event == "young" else 9)
                case _:
                    pass

    run_virtual(run)


@pytest.mark.parametrize("timeout", [math.inf, 600.0, 4.0])
def test_a_turn_among_ten_thousand_takes_no_more_steps_than_among_a_hundred(timeout: float) -> None:
    """Counted by what is asked of the configuration, once for each case that is thought of."""

    async def steps(count: int) -> int:
        line = Line()
        waiting = deque(line.add(str(number), timeout=timeout) for number in range(count))
        before = line.reads
        for _ in range(100):
            case = line.by_id.first()
            assert case is not None
            line.by_id.asked(case)
            line.by_id.discard(case)
            waiting.append(case)
            see(case)
            line.by_id.add(case)
        return line.reads - before

    assert run_virtual(lambda: steps(10_000)) <= run_virtual(lambda: steps(100)) + 4


@virtual
async def test_who_is_not_due_any_more_is_forgotten() -> None:
    """A deadline may be a day away; thousands of looks before it leave nothing behind."""
    line = Line()
    line.add("stays", timeout=9_999.0)
    for number in range(1_000):
        line.by_id.discard(line.add(str(number), timeout=9_000.0))
    assert len(line.by_id._deadlines) <= 2 + STALE
    line.ask_all()
    assert not line.by_id._deadlines
