"""What the pages of a `Broker` have to prove: that an order is absent, or that the tape has ended."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime
from typing import Protocol

import pytest

from fillwatch.brokers.base import Broker, Fills, Listing, ListsEnded, Requested
from fillwatch.core.evidence import Unanswered
from fillwatch.core.orders import Execution, OrderSnapshot
from fillwatch.simulator import Fate, Kind, Op
from fillwatch.testing.conformance_stage import Scene, Stages

#: More pages than any test here needs; a walk that goes on is going in circles.
ENOUGH = 600
#: Rows of the list that the tests make at most, for brokers with enormous pages.
MOST_ROWS = 503


class Lists(Protocol):
    """`Broker.list`, or `ListsEnded.ended`."""

    async def __call__(self, *, after: datetime | None = None, until: datetime | None = None) -> Listing | Unanswered:
        """One page."""
        ...


async def walk_list(ask: Lists) -> tuple[list[OrderSnapshot], int]:
    """Every row of every page, and how many pages there were."""
    rows: list[OrderSnapshot] = []
    page = await ask()
    for number in range(1, ENOUGH):
        assert isinstance(page, Listing)
        rows += page.orders
        assert not page.unreadable
        if page.complete:
            return rows, number
        assert page.until is not None, "a page that is not the last one leads on"
        page = await ask(until=page.until)
    raise AssertionError("the pages of the list never end")


async def walk_tape(broker: Broker) -> tuple[list[Execution], int]:
    """Every row of every page of the tape, and how many pages there were."""
    rows: list[Execution] = []
    page = await broker.fills()
    for number in range(1, ENOUGH):
        assert isinstance(page, Fills)
        rows += page.executions
        if page.complete:
            return rows, number
        assert page.page_token is not None, "a page that is not the last one leads on"
        page = await broker.fills(page_token=page.page_token)
    raise AssertionError("the pages of the tape never end")


class Pages(Stages):
    """Lists and tapes that are longer than a page."""

    def test_the_list_is_complete_when_it_says_so_and_not_before(self) -> None:
        """Open and ended orders, each with the state it is in; more of them than fit on a page."""

        async def act(scene: Scene) -> None:
            size = scene.broker.caps.page_size
            placed = [scene.world.place(fate=fate) for fate in (Fate.NEVER, Fate.INSTANT, Fate.REJECTED)]
            placed += [scene.world.place(fate=Fate.NEVER) for _ in range(min(size, MOST_ROWS - 3))]
            await asyncio.sleep(5.0)
            rows, pages = await walk_list(scene.broker.list)
            assert {row.order_id for row in rows} == set(placed)
            assert pages > 1
            words = {row.order_id: row.status for row in rows}
            assert all(words[order_id] is scene.world.ledger.truth(order_id).status for order_id in placed)

        self.play(act)

    def test_a_list_of_exactly_one_page_is_not_cut_short(self) -> None:
        """Whether a full page is the last one, only the next one tells."""

        async def act(scene: Scene) -> None:
            placed = [scene.world.place() for _ in range(min(scene.broker.caps.page_size, MOST_ROWS))]
            rows, _ = await walk_list(scene.broker.list)
            assert {row.order_id for row in rows} == set(placed)

        self.play(act)

    def test_an_empty_list_and_an_empty_tape_are_complete(self) -> None:
        """They prove that there is nothing."""

        async def act(scene: Scene) -> None:
            assert await walk_list(scene.broker.list) == ([], 1)
            assert await walk_tape(scene.broker) == ([], 1)

        self.play(act)

    def test_bounds_of_the_list_are_kept(self) -> None:
        """Orders from before `after` stay out of it."""

        async def act(scene: Scene) -> None:
            scene.world.place()
            await asyncio.sleep(10.0)
            after = scene.world.wall(scene.now)
            await asyncio.sleep(10.0)
            young = scene.world.place()
            page = await scene.broker.list(after=after)
            assert isinstance(page, Listing)
            assert page.complete
            assert {row.order_id for row in page.orders} == {young}

        self.play(act)

    def test_a_list_of_the_ended_alone_has_every_end_and_no_order_at_rest(self) -> None:
        """Where `caps.lists_ended` says that there is one; a lost page is unanswered, as of any list."""

        async def act(scene: Scene) -> None:
            broker = scene.broker
            if not broker.caps.lists_ended:
                return
            assert isinstance(broker, ListsEnded), "caps.lists_ended is true, so there has to be ended()"
            resting = scene.world.place(fate=Fate.NEVER)
            over = [scene.world.place(fate=fate) for fate in (Fate.INSTANT, Fate.REJECTED)]
            over.append(scene.world.place(fate=Fate.NEVER))
            assert isinstance(await broker.cancel(over[-1]), Requested)
            await asyncio.sleep(5.0)
            shown = {row.order_id: row for row in (await walk_list(broker.ended))[0]}
            assert set(over) <= set(shown)
            assert resting not in shown
            ledger = scene.world.ledger
            assert all(shown[order_id].status is ledger.truth(order_id).status for order_id in over)
            scene.world.strike(Kind.SERVER_ERROR, Op.LIST)
            assert isinstance(await broker.ended(), Unanswered)

        self.play(act)

    @pytest.mark.parametrize("kind", [Kind.CUT_OFF, Kind.SERVER_ERROR_HTML, Kind.TIMEOUT_AFTER], ids=str)
    def test_a_page_that_is_lost_proves_nothing_and_can_be_asked_for_again(self, kind: Kind) -> None:
        """The same cursor leads on as if nothing had happened."""

        async def act(scene: Scene) -> None:
            placed = [scene.world.place() for _ in range(min(scene.broker.caps.page_size, MOST_ROWS - 1) + 1)]
            first = await scene.broker.list()
            assert isinstance(first, Listing)
            assert not first.complete
            scene.world.strike(kind, Op.LIST)
            assert isinstance(await scene.broker.list(until=first.until), Unanswered)
            shown = {row.order_id for row in first.orders}
            page = first
            while not page.complete:
                following = await scene.broker.list(until=page.until)
                assert isinstance(following, Listing)
                shown |= {row.order_id for row in following.orders}
                page = following
            assert shown == set(placed)

        self.play(act)

    def test_the_tape_is_the_ledgers_row_by_row(self) -> None:
        """Quantity, price, order and kind of every execution, bust and correction; over several pages.

        Rows at the seam of two pages may come twice.
        """

        async def act(scene: Scene) -> None:
            rows, pages = await _walked_after(scene, 40.0)
            true = _by_id(scene)
            times = Counter(row.execution_id for row in rows)
            assert times.keys() == true.keys()
            assert max(times.values()) <= 2
            for row in rows:
                assert _figures(row) == _figures(true[row.execution_id])
            assert pages > 1 or len(rows) < scene.broker.caps.fills_page_size

        self.play(act)

    @pytest.mark.parametrize("kind", [Kind.SHUFFLED_TAPE, Kind.DUPLICATED_TAPE], ids=str)
    def test_a_tape_that_is_shuffled_or_comes_twice_invents_nothing(self, kind: Kind) -> None:
        """Rows may come again or in another order; each is true, and a second walk has them all."""

        async def act(scene: Scene) -> None:
            scene.world.strike(kind, Op.FILLS, times=3)
            rows, _ = await _walked_after(scene, 40.0)
            again, _ = await walk_tape(scene.broker)
            true = _by_id(scene)
            for row in (*rows, *again):
                assert _figures(row) == _figures(true[row.execution_id])
            assert {row.execution_id for row in (*rows, *again)} == set(true)

        self.play(act)


async def _walked_after(scene: Scene, seconds: float) -> tuple[list[Execution], int]:
    for fate in (Fate.MANY_PARTIALS, Fate.BUSTED, Fate.CORRECTED, Fate.FRACTIONAL):
        for _ in range(12):
            scene.world.place(fate=fate)
    await asyncio.sleep(seconds)
    return await walk_tape(scene.broker)


def _by_id(scene: Scene) -> dict[str, Execution]:
    ledger = scene.world.ledger
    rows = (row for order_id in ledger.order_ids for row in ledger.truth(order_id).executions)
    return {row.execution_id: row for row in rows}


def _figures(row: Execution) -> tuple[object, ...]:
    return row.execution_id, row.order_id, row.kind, row.qty, row.price, row.symbol, row.side, row.previous_id
