"""The looks that are due: what a sweep is to meet is asked for once, and comes back when it was shown, or was not."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field

from fillwatch import FillDetectionConfig
from fillwatch.core.evidence import Missing, Route, Seen
from fillwatch.core.orders import OrderSnapshot, OrderStatus
from fillwatch.core.results import FillOutcome, FillResult
from fillwatch.engine.agenda import Agenda
from fillwatch.engine.case import Case, Wishes
from fillwatch.engine.census import HOT, Counter
from fillwatch.engine.common import Common
from fillwatch.engine.dues import Dues
from fillwatch.engine.index import Index
from fillwatch.testing import virtual

#: Without a look an order is due again after this: the first of the intervals.
FIRST = 0.5


@dataclass(kw_only=True)
class Desk:
    """The dues of some cases, and where they come from."""

    index: Index = field(default_factory=Index)
    agenda: Agenda = field(default_factory=Agenda)
    kick: asyncio.Event = field(default_factory=asyncio.Event)
    common: Common = field(default_factory=lambda: Common(FillDetectionConfig, lambda case, changes: None))
    has_list: bool = True

    def __post_init__(self) -> None:
        self.dues = Dues(self.index, self.agenda, self.kick, has_list=self.has_list)

    def watch(self, *order_ids: str) -> list[Case]:
        cases = [Case(order_id, Wishes(), self.common) for order_id in order_ids]
        for case in cases:
            self.index.add(case.order_id, case)
            self.dues.keep_due(case)
        return cases

    @property
    def due(self) -> int:
        return self.dues.listed


def seen(order_id: str, as_of: float, order_type: str = "limit") -> Seen:
    order = OrderSnapshot(order_id=order_id, status=OrderStatus.NEW, order_type=order_type)
    return Seen(order=order, route=Route.LIST, as_of=as_of)


def ended(case: Case) -> None:
    result = FillResult(order_id=case.order_id, final_order_id=case.order_id, outcome=FillOutcome.FILLED, filled=True)
    case.told = result
    case.result.set_result(result)


def now() -> float:
    return asyncio.get_running_loop().time()


@virtual
async def test_what_a_sweep_is_to_meet_is_not_due_before_a_page_showed_it() -> None:
    desk = Desk()
    first, _ = desk.watch("a", "b")
    missing = dict.fromkeys(["a", "b"])
    desk.dues.sweep(missing)
    await asyncio.sleep(60.0)  # the sweep takes longer than any interval
    assert desk.due == 0
    del missing["a"]
    first.absorb(seen("a", now()), now())
    desk.dues.shown([first], now())
    assert desk.due == 0
    await asyncio.sleep(3.0)
    assert desk.due == 1
    assert desk.dues.first() == (first, "a")


@virtual
async def test_what_becomes_due_while_a_sweep_is_to_meet_it_is_not_asked_for_besides() -> None:
    desk = Desk()
    (case,) = desk.watch("a")
    desk.dues.forget(case)
    case.absorb(seen("a", now()), now())
    desk.dues.keep_due(case)  # just seen: due later
    desk.dues.sweep({"a": None})
    await asyncio.sleep(10.0)
    assert desk.due == 0
    desk.dues.swept()
    assert desk.due == 1


@virtual
async def test_what_became_due_after_a_page_was_asked_for_stays_due_when_the_page_shows_it() -> None:
    desk = Desk()
    (case,) = desk.watch("a")
    missing = {"a": None}
    asked = now()
    desk.dues.sweep(missing)
    await asyncio.sleep(0.05)
    desk.dues.mark(case)  # a gap of the feed: what the page tells may be older
    del missing["a"]
    desk.dues.shown([case], asked)
    assert desk.due == 1


@virtual
async def test_a_sweep_that_is_given_up_leaves_its_orders_due_after_their_interval() -> None:
    desk = Desk()
    desk.watch("a", "b", "c")
    desk.dues.sweep(dict.fromkeys("abc"))
    desk.dues.failed()
    assert desk.due == 0
    await asyncio.sleep(FIRST + 0.01)
    assert desk.due == 3


@virtual
async def test_what_a_whole_sweep_did_not_meet_is_asked_by_its_id() -> None:
    desk = Desk()
    first, _ = desk.watch("a", "b")
    desk.dues.sweep(dict.fromkeys("ab"))
    first.is_stray = True
    desk.dues.swept()
    assert (desk.due, desk.dues.single) == (1, 1)
    assert desk.dues.first() == (first, "a")


@virtual
async def test_an_order_that_came_during_a_sweep_is_due_at_once() -> None:
    desk = Desk()
    desk.watch("a")
    desk.dues.sweep({"a": None})
    desk.watch("b")
    assert desk.due == 1


@virtual
async def test_a_look_that_nobody_would_hear_of_is_not_asked_for() -> None:
    """An ended order may have wanted a look in vain: hundreds of such wishes would go before the living."""
    desk = Desk()
    case, other = desk.watch("a", "b")
    desk.dues.want(case, "a", now())
    desk.dues.want(case, "a", now() + 5.0)
    desk.dues.want(other, "b", now())
    ended(case)
    desk.dues.forget(case)
    await asyncio.sleep(6.0)
    desk.dues.cover({"b": None})
    assert not desk.dues.is_urgent


@virtual
async def test_a_look_at_an_ended_order_is_asked_for_if_somebody_waits_for_it() -> None:
    desk = Desk()
    (case,) = desk.watch("a")
    ended(case)
    async with asyncio.TaskGroup() as group:
        group.create_task(case.heard())
        await asyncio.sleep(0.1)
        desk.dues.want(case, "a", now())
        desk.dues.forget(case)
        assert desk.dues.is_urgent
        case.absorb(Missing(order_id="a", route=Route.ORDER, as_of=now()), now())


@virtual
async def test_cases_are_counted_by_their_kinds_as_they_change() -> None:
    desk = Desk()
    counter = Counter(desk.index, lambda: float("inf"))
    first, second, third = desk.watch("a", "b", "c")

    def counts() -> tuple[int, int, int]:
        census = counter.census()
        return census.live, census.audited, len(desk.index.strays)

    assert counts() == (3, 0, 0)
    first.is_stray = True
    assert counts() == (2, 0, 1)
    ended(second)
    assert counts() == (1, 0, 1)
    second.audits = 0
    assert counts() == (1, 1, 1)
    second.audits = None
    desk.index.remove(third)
    assert counts() == (0, 0, 1)
    assert len(desk.index) == 2
    first.is_stray = False
    assert [case.order_id for case in desk.index] == ["a", "b"]


@virtual
async def test_a_case_is_exposed_until_it_was_described_since_a_feed_has_stood() -> None:
    desk = Desk()
    since = float("inf")
    counter = Counter(desk.index, lambda: since)
    await asyncio.sleep(10.0)
    cases = desk.watch("a", "b")
    assert counter.census().exposed == 2
    since = now()
    await asyncio.sleep(1.0)
    for case in cases:
        assert counter.census().exposed > 0
        case.absorb(seen(case.order_id, now()), now())
    assert counter.census().exposed == 0
    (late,) = desk.watch("c")
    assert counter.census().exposed == 1
    late.absorb(seen("c", now()), now())
    assert counter.census().exposed == 0
    await asyncio.sleep(1.0)
    since = now()  # a gap: all over again
    assert counter.census().exposed == 3


@virtual
async def test_news_is_likely_of_market_orders_that_came_just_now() -> None:
    desk = Desk()
    counter = Counter(desk.index, lambda: float("inf"))
    resting, market = desk.watch("a", "b")
    assert counter.census().hot
    resting.absorb(seen("a", now()), now())
    assert counter.census().hot
    market.absorb(seen("b", now(), "market"), now())
    assert counter.census().hot
    await asyncio.sleep(HOT + 0.01)
    assert not counter.census().hot
    assert not counter._young
    desk.watch("c")
    assert counter.census().hot


@virtual
async def test_what_was_waited_for_of_an_order_that_is_replaced_is_wanted_of_its_successor() -> None:
    """A page of the list never answers a wish for an id that is no longer the one at work."""
    desk = Desk()
    (case,) = desk.watch("a")
    desk.dues.want(case, "a", -math.inf)
    replaced = OrderSnapshot(order_id="a", status=OrderStatus.REPLACED, replaced_by="b", order_type="limit")
    case.absorb(Seen(order=replaced, route=Route.STREAM, as_of=now()), now())
    desk.dues.follow(case)
    assert desk.dues.waited_for == [case]
    desk.dues.cover(["b"])
    assert not desk.dues.is_urgent


@virtual
async def test_looks_that_somebody_waits_for_go_before_the_others_but_for_every_fourth() -> None:
    desk = Desk(has_list=False)
    desk.watch("a", "b")
    assert (desk.dues.listed, desk.dues.single) == (0, 2)
    waited_for = [Case(f"waited for {number}", Wishes(), desk.common) for number in range(7)]
    for case in waited_for:
        desk.index.add(case.order_id, case)
        desk.dues.want(case, case.order_id, now())
    asked: list[str] = []
    while (due := desk.dues.first()) is not None and len(asked) < 9:
        desk.dues.asked(due)
        asked.append(due[1].replace("waited for ", ""))
    assert asked == ["0", "1", "2", "a", "3", "4", "5", "b", "6"]


@virtual
async def test_newcomers_are_those_nobody_has_seen_and_no_page_was_asked_for() -> None:
    desk = Desk()
    known, new, late = desk.watch("known", "new", "late")
    known.absorb(seen("known", now()), now())
    desk.dues.sweep({})
    assert desk.dues.newcomers == []
    for case in (known, new, late):
        desk.dues.mark(case)
    desk.dues.cover(["late"])
    assert desk.dues.newcomers == ["new"]
    desk.dues.forget(new)
    assert desk.dues.newcomers == []
