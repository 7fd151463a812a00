"""The waiting orders of one symbol: the price takes out those it has reached, and looks at no others."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal

import pytest

from fillwatch.simulator.ladders import Aim, Ladder, Looks, Waiting

D = Decimal


def rising(level: int) -> Aim:
    return Aim(level=D(level), rising=True)


def falling(level: int) -> Aim:
    return Aim(level=D(level), rising=False)


@pytest.mark.parametrize(("price", "up", "down"), [(9, False, True), (10, True, True), (11, True, False)])
def test_an_aim_is_reached_at_its_level_and_beyond(price: int, up: bool, down: bool) -> None:
    assert (rising(10).is_reached(D(price)), falling(10).is_reached(D(price))) == (up, down)


def test_the_nearest_and_the_oldest_come_first_and_wait_no_longer() -> None:
    ladder = Ladder()
    for name, aim in [("c", rising(12)), ("a", rising(11)), ("b", rising(11)), ("d", rising(13)), ("e", falling(12))]:
        ladder.add(Waiting(order_id=name), aim)
    assert ladder.reached(D(12)) == ["a", "b", "c", "e"]
    assert ladder.reached(D(12)) == []
    assert ladder.reached(D(13)) == ["d"]
    assert ladder.is_empty()


def test_one_that_waits_for_two_prices_is_taken_out_once() -> None:
    ladder, both = Ladder(), Waiting(order_id="both")
    ladder.add(both, rising(10))
    ladder.add(both, falling(10))
    assert ladder.reached(D(10)) == ["both"]
    ladder.add(both, falling(8))
    assert ladder.reached(D(20)) == []
    assert ladder.reached(D(8)) == ["both"]


def test_one_that_has_left_counts_for_nothing() -> None:
    ladder, gone, back = Ladder(), Waiting(order_id="gone"), Waiting(order_id="back")
    for waiting in (gone, back):
        ladder.add(waiting, rising(10))
        ladder.add(waiting, falling(5))
        waiting.leave()
    ladder.add(back, rising(11))
    assert not ladder.is_empty()
    assert ladder.reached(D(10)) == []
    assert ladder.reached(D(11)) == ["back"]
    assert ladder.is_empty()


def test_the_soonest_look_counts_and_a_cancelled_one_does_not() -> None:
    looks = Looks()
    looks.plan("A", None)
    assert looks.next() is None
    for symbol, t in [("A", 5.0), ("B", 4.0), ("A", 3.0), ("A", 9.0)]:
        looks.plan(symbol, t)
    assert looks.next() == (3.0, "A")
    looks.cancel("A")
    looks.cancel("C")
    assert looks.next() == (4.0, "B")
    looks.plan("A", 9.0)
    looks.cancel("B")
    assert looks.next() == (9.0, "A")


@pytest.mark.parametrize("aim", [rising, falling])
def test_those_that_have_left_do_not_pile_up(aim: Callable[[int], Aim]) -> None:
    stream, ladder = random.Random(1), Ladder()
    kept = {str(level): Waiting(order_id=str(level)) for level in stream.sample(range(100, 200), 40)}
    for waiting in kept.values():
        ladder.add(waiting, aim(int(waiting.order_id)))
    for _ in range(10_000):
        passing = Waiting(order_id="")
        ladder.add(passing, aim(stream.randint(50, 250)))
        passing.leave()
    assert len(ladder) <= 200
    path = sorted(range(100, 200), reverse=aim is falling)
    assert [name for level in path for name in ladder.reached(D(level))] == sorted(
        kept, key=int, reverse=aim is falling
    )
