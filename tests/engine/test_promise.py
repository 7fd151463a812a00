"""A promise is a future that is made when somebody asks for it."""

from __future__ import annotations

import asyncio

import pytest

from fillwatch.engine.promise import Promise
from fillwatch.testing.loop import virtual


@virtual
async def test_it_is_kept_once_for_those_before_and_after() -> None:
    """Whoever asks gets the same future."""
    promise: Promise[int] = Promise()
    before = promise.future
    assert not promise.done()
    promise.set_result(3)
    assert promise.done()
    assert (await before, await promise.future, promise.future is before) == (3, 3, True)
    with pytest.raises(asyncio.InvalidStateError):
        promise.set_result(4)


@pytest.mark.parametrize("early", [True, False])
@virtual
async def test_it_is_broken_once_for_those_before_and_after(*, early: bool) -> None:
    """The error reaches whoever waits, and is not reported as forgotten if nobody does."""
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    promise: Promise[int] = Promise()
    if early:
        assert not promise.future.done()
    promise.set_exception(LookupError("gone"))
    assert promise.done()
    for again in (promise.set_result, promise.set_exception):
        with pytest.raises(asyncio.InvalidStateError):
            again(LookupError())  # type: ignore[arg-type]
    with pytest.raises(LookupError, match="gone"):
        await promise.future
    forgotten: Promise[int] = Promise()
    assert not forgotten.future.done()
    forgotten.set_exception(LookupError("forgotten"))
    del forgotten
    assert told == []


@virtual
async def test_nobody_need_ask() -> None:
    """A promise that nobody waits for has no future, and is done all the same."""
    promise: Promise[int] = Promise()
    promise.set_result(0)
    assert promise.done()
    assert await promise.future == 0


@virtual
async def test_one_who_cancels_the_future_ends_the_promise() -> None:
    """As a bare future would be: who shares it shields it."""
    promise: Promise[int] = Promise()
    promise.future.cancel()
    assert promise.done()
