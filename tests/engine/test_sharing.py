"""A shared call: who shares which, and that thousands who are told leave turns to others."""

from __future__ import annotations

import asyncio

import pytest

from fillwatch.engine.sharing import PORTION, Background, SharedCall
from fillwatch.testing import virtual


class Desk:
    """A call that takes a second and tells when it began; `told`: who heard of which call, and in which turn."""

    def __init__(self, *, spacing: float = 0.0, error: Exception | None = None) -> None:
        self.calls: list[float] = []
        self.told: list[tuple[int, float | Exception | None, int]] = []
        self.turns = 0
        self._error = error
        self.tasks = Background()
        self.shared = SharedCall(self._call, lambda began: began, self._tell, self.tasks, spacing)

    async def _call(self) -> float:
        began = asyncio.get_running_loop().time()
        self.calls.append(began)
        await asyncio.sleep(1.0)
        if self._error is not None:
            raise self._error
        return began

    def _tell(self, outcome: asyncio.Future[float], asker: int) -> None:
        came = None if outcome.cancelled() else outcome.exception() or outcome.result()
        assert not isinstance(came, BaseException) or isinstance(came, Exception)
        self.told.append((asker, came, self.turns))
        if len(self.told) == 1:
            self._count()

    def _count(self) -> None:
        """As anybody else would have his turn."""
        self.turns += 1
        if self.turns < 100:
            asyncio.get_running_loop().call_soon(self._count)


@virtual
async def test_who_asks_while_a_call_is_under_way_waits_for_the_next() -> None:
    desk = Desk(spacing=5.0)
    desk.shared.ask(1)
    await asyncio.sleep(0.5)
    desk.shared.ask(2)
    desk.shared.ask(3)
    await asyncio.sleep(20.0)
    first, second = desk.calls
    assert second == first + 5.0
    assert [(asker, came) for asker, came, _ in desk.told] == [(1, first), (2, second), (3, second)]


@virtual
async def test_thousands_are_told_in_their_order_and_in_portions() -> None:
    desk = Desk()
    for asker in range(1_000):
        desk.shared.ask(asker)
    await asyncio.sleep(2.0)
    assert [asker for asker, _, _ in desk.told] == [*range(1_000)]
    assert len({turn for _, _, turn in desk.told}) >= 1_000 // PORTION
    assert len(desk.calls) == 1


@pytest.mark.parametrize("error", [None, ValueError("ours")], ids=["cancelled", "failed"])
@virtual
async def test_all_who_wait_hear_of_a_call_that_failed(error: Exception | None) -> None:
    desk = Desk(error=error)
    for asker in range(3):
        desk.shared.ask(asker)
    await asyncio.sleep(0.5)
    await desk.tasks.drain(0.1 if error is None else 10.0)
    await asyncio.sleep(0)
    assert [(asker, came) for asker, came, _ in desk.told] == [(0, error), (1, error), (2, error)]
