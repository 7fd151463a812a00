"""The list that is kept between two reads shows what a list that is made anew would show."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest

from fillwatch.simulator import Fate, World
from fillwatch.simulator.answers import Query
from fillwatch.simulator.clocks import Clock
from fillwatch.simulator.reads import View, _seen, orders
from fillwatch.simulator.shelf import submitted


def ids(world: World, query: Query, at: float) -> list[str]:
    answer = orders(world.door.market, query, View(at=at, stream=Random(0)))
    return [version.order.order_id for version in answer.versions]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("descending", [True, False])
def test_pages_are_those_of_a_list_made_anew(seed: int, descending: bool) -> None:
    clock, rng = Clock(), Random(seed)
    world = World(seed, clock=clock, requests_per_minute=None)
    for turn in range(8):
        world.populate(rng.randint(1, 12))
        clock.move_to(clock() + rng.uniform(0.0, 3.0))
        at = world.advance() - rng.choice((0.0, 0.0, 1.5))
        market = world.door.market
        rows = [seen.order for record in market.records.values() if (seen := _seen(record, at)) is not None]
        rows.sort(key=lambda order: (submitted(order), order.order_id), reverse=descending)
        bound = world.wall(at) - timedelta(seconds=rng.uniform(0.0, turn + 1.0))
        edge = submitted(rng.choice(rows)) if rows else bound
        for after, until in ((None, None), (bound, None), (None, bound), (edge, None), (None, edge), (edge, bound)):
            query = Query(limit=7, after=after, until=until, descending=descending, status="all")
            wanted = [
                order.order_id
                for order in rows
                if (after is None or submitted(order) > after) and (until is None or submitted(order) < until)
            ]
            assert ids(world, query, at) == wanted[:7]


def test_an_order_that_changes_is_shown_as_it_is_now() -> None:
    clock = Clock()
    world = World(1, clock=clock, requests_per_minute=None)
    order_id = world.place(fate=Fate.INSTANT)
    assert ids(world, Query(status="open"), world.advance()) == [order_id]
    clock.move_to(5.0)
    assert ids(world, Query(status="open"), world.advance()) == []
    assert ids(world, Query(status="closed"), world.advance()) == [order_id]
