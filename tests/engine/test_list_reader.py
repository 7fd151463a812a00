"""Pages of the list: taken in by turns with others, judged as a whole, and no proof when they come too late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast

from fillwatch import FillDetectionConfig
from fillwatch.brokers.base import Broker, Capabilities, Listing
from fillwatch.core.errors import TransientError
from fillwatch.core.evidence import Route, Unanswered
from fillwatch.core.orders import OrderSnapshot, OrderStatus
from fillwatch.core.positions import PositionBook
from fillwatch.engine.agenda import Agenda
from fillwatch.engine.case import Case, Wishes
from fillwatch.engine.common import Common
from fillwatch.engine.dues import Dues
from fillwatch.engine.index import Index
from fillwatch.engine.list_reader import BREATH, ListReader
from fillwatch.engine.sweep import IN_VAIN
from fillwatch.engine.tape_feed import TapeReader
from fillwatch.testing import virtual

UNTIL = datetime(2026, 3, 2, 15, 0, 0, tzinfo=UTC)
Answer = Callable[[float], Listing | Unanswered]


class Pages:
    """A broker that lists what it is told to, each answer after the seconds beside it."""

    caps = Capabilities(page_size=500, fills_page_size=0)

    def __init__(self, *answers: tuple[float, Answer]) -> None:
        self.answers = [*answers]

    async def list(self, *, after: datetime | None = None, until: datetime | None = None) -> Listing | Unanswered:
        seconds, answer = self.answers.pop(0)
        as_of = asyncio.get_running_loop().time()
        await asyncio.sleep(seconds)
        return answer(as_of)


def page(*order_ids: str, complete: bool = True) -> Answer:
    orders = tuple(OrderSnapshot(order_id=order_id, status=OrderStatus.NEW) for order_id in order_ids)
    return lambda as_of: Listing(orders=orders, complete=complete, until=None if complete else UNTIL, as_of=as_of)


def lost(as_of: float) -> Unanswered:
    return Unanswered(error=TransientError("lost"), route=Route.LIST, as_of=as_of)


class Desk:
    """A reader of the list with the cases it reads for, all of them older than what a list may be late for."""

    def __init__(self, pages: Pages, *order_ids: str) -> None:
        broker, kick = cast("Broker", pages), asyncio.Event()
        index = Index()
        self.dues = Dues(index, Agenda(), kick)
        self.reader = ListReader(broker, index, self.dues, TapeReader(broker, index, PositionBook(), kick))
        common = Common(FillDetectionConfig, lambda case, changes: None)
        self.cases = [Case(order_id, Wishes(), common) for order_id in order_ids]
        for case in self.cases:
            case.started -= 60.0
            index.add(case.order_id, case)
            self.dues.keep_due(case)


@virtual
async def test_what_a_page_showed_is_due_again_after_its_interval() -> None:
    desk = Desk(Pages((0.05, page("b", "a"))), "a", "b")
    assert desk.dues.listed == 2
    await desk.reader.read()
    assert (desk.dues.listed, desk.reader.is_sweeping) == (0, False)
    await asyncio.sleep(3.0)
    assert desk.dues.listed == 2


@virtual
async def test_while_a_page_full_of_news_is_taken_in_others_have_their_turns() -> None:
    ids = [f"order-{number}" for number in range(10 * BREATH)]
    desk = Desk(Pages((0.0, page(*ids)), (0.0, page(*ids))), *ids)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await desk.reader.read()
    counting.cancel()
    await asyncio.wait({counting})
    assert turns >= 10


@virtual
async def test_absence_is_judged_on_the_whole_page() -> None:
    """However many turns it takes to take it in: nobody is missed whose row comes at its end."""
    ids = [f"order-{number}" for number in range(4 * BREATH)]
    desk = Desk(Pages((0.0, page(*ids[1:]))), *ids)
    await desk.reader.read()
    assert [case.order_id for case in desk.cases if case.is_stray] == ids[:1]
    assert [case.order_id for case in desk.cases if case.chain.first.missing_as_of > 0] == ids[:1]
    assert desk.dues.single == 1


@virtual
async def test_a_late_page_of_a_sweep_that_was_given_up_proves_nothing() -> None:
    """What it shows is true, and what it does not show may be on the page that was lost."""
    desk = Desk(Pages((5.0, page("a")), (0.0, lost), (0.0, page("c", "b", complete=False))), "a", "b", "c", "d")
    sweeping = [desk.reader.is_sweeping]
    late = asyncio.create_task(desk.reader.read())
    await asyncio.sleep(1.5)  # nobody waits that long for a page: the same one is asked for again
    await desk.reader.read()
    sweeping.append(desk.reader.is_sweeping)
    await desk.reader.read()
    await late
    sweeping.append(desk.reader.is_sweeping)
    assert sweeping == [False, False, True]
    assert [case.is_stray for case in desk.cases] == [False] * 4
    assert desk.cases[0].chain.first.is_known


@virtual
async def test_a_page_that_is_lost_in_the_middle_of_a_sweep_is_asked_for_again() -> None:
    """Begun anew each time, a long sweep over a bad line would never come to the oldest orders."""
    pages = [page("d", complete=False), *[lost] * (IN_VAIN - 1), page("c", complete=False), page("b", "a")]
    desk = Desk(Pages(*[(0.0, answer) for answer in pages]), "a", "b", "c", "d")
    for _ in pages:
        await desk.reader.read()
    assert (desk.reader.is_sweeping, desk.reader.pages) == (False, 3)
    assert all(case.chain.first.is_known and not case.is_stray for case in desk.cases)


@virtual
async def test_a_sweep_whose_pages_are_lost_again_and_again_is_given_up() -> None:
    desk = Desk(Pages((0.0, page("c", complete=False)), *[(0.0, lost)] * IN_VAIN), "a", "b", "c")
    sweeping = []
    for _ in range(1 + IN_VAIN):
        await desk.reader.read()
        sweeping.append(desk.reader.is_sweeping)
    assert sweeping == [True] * IN_VAIN + [False]
    await asyncio.sleep(3.0)
    assert desk.dues.listed == 3
