"""What waits to be written: told, kept, refused or given up, and always in order."""

from __future__ import annotations

import asyncio

import pytest

from fillwatch.journal import Fact, FactKind, JournalClosed, JournalFull, JournalUnwritable, backlog
from fillwatch.journal.backlog import Backlog, Order
from fillwatch.testing import virtual
from tests.journal.stage import fact


def _waiting(*facts: Fact) -> Order:
    return Order(facts, asyncio.get_running_loop().create_future())


def _error(order_waiter: asyncio.Future[None] | None) -> JournalUnwritable:
    assert order_waiter is not None
    error = order_waiter.exception()
    assert isinstance(error, JournalUnwritable)
    return error


@virtual
async def test_after_a_failure_everybody_is_told_and_what_may_stay_stays_in_order() -> None:
    queue = Backlog()
    intent, result, late = (
        _waiting(fact(kind, n)) for n, kind in enumerate((FactKind.SENDING, FactKind.RESULT, FactKind.AMENDMENT))
    )
    mixed = _waiting(fact(FactKind.STEP, 3), fact(FactKind.INTENT, 4))
    note = Order((fact(FactKind.EVIDENCE, 5),))
    barrier = _waiting()
    for order in (intent, result, mixed, note):
        queue.add(order)
    batch = queue.take()
    assert (queue.size, queue.urgent, bool(queue)) == (0, 0, False)
    queue.add(late)
    queue.add(barrier)
    orders = {"intent": intent, "result": result, "mixed": mixed, "late": late}
    waiters = {name: order.waiter for name, order in orders.items()}
    asked = barrier.waiter
    queue.fail(batch, JournalFull("full"))
    assert {name: _error(waiter).kept for name, waiter in waiters.items()} == {
        "intent": False,
        "result": True,
        "mixed": False,
        "late": True,
    }
    assert isinstance(_error(asked), JournalFull)
    assert len({id(_error(waiter)) for waiter in waiters.values()}) == 4, "each waiter raises an error of its own"
    assert [order.facts for order in queue.take()] == [result.facts, note.facts, late.facts]
    assert queue.lost == 0


@virtual
async def test_over_the_limit_the_newest_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "LIMIT", 3)
    queue = Backlog()
    taken = [queue.add(Order((fact(FactKind.EVIDENCE, n),))) for n in range(5)]
    assert taken == [True, True, True, False, False]
    result = _waiting(fact(FactKind.RESULT, 9))
    waiter = result.waiter
    assert queue.add(result), "whoever waits is always taken"
    queue.fail([], JournalFull("full"))
    assert not _error(waiter).kept
    assert (queue.size, queue.lost, queue.urgent) == (3, 3, 0)


@virtual
async def test_what_the_store_cannot_explain_is_not_tried_for_ever() -> None:
    queue = Backlog()
    order = _waiting(fact(FactKind.RESULT))
    waiter = order.waiter
    queue.fail([order], TypeError("odd"))
    assert "TypeError('odd')" in str(_error(waiter))
    assert not queue
    assert queue.lost == 1


@virtual
async def test_a_batch_takes_what_fits_and_at_least_one_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "BATCH", 3)
    queue = Backlog()
    sizes = (5, 1, 2, 1)
    for size in sizes:
        queue.add(Order(tuple(fact(number=n) for n in range(size))))
    assert [[len(order.facts) for order in queue.take()] for _ in sizes] == [[5], [1, 2], [1], []]
    assert queue.size == 0


@virtual
async def test_at_the_end_nobody_goes_on_waiting() -> None:
    queue = Backlog()
    under_way, left = _waiting(fact()), _waiting(fact(), fact())
    waiters = (under_way.waiter, left.waiter)
    queue.add(left)
    assert queue.abandon([under_way]) == 2
    assert queue.lost == 2
    for waiter in waiters:
        assert waiter is not None
        assert isinstance(waiter.exception(), JournalClosed)
