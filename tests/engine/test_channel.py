"""News for any number of listeners, each at its own pace."""

from __future__ import annotations

import asyncio

import pytest

from fillwatch.engine.channel import Channel
from fillwatch.testing import virtual


@virtual
async def test_each_listener_hears_what_was_published_since_it_listens() -> None:
    channel: Channel[int] = Channel()
    early = channel.listen([0])
    channel.publish(1)
    late = channel.listen()
    channel.publish(2)
    channel.close()
    assert [item async for item in early] == [0, 1, 2]
    assert [item async for item in late] == [2]


@virtual
async def test_a_listener_that_comes_after_the_end_hears_what_it_is_given() -> None:
    channel: Channel[int] = Channel()
    channel.close()
    assert [item async for item in channel.listen([7])] == [7]


@virtual
async def test_who_waits_is_woken() -> None:
    channel: Channel[int] = Channel()
    listener = channel.listen()
    waiting = asyncio.ensure_future(anext(listener))
    await asyncio.sleep(1.0)
    channel.publish(5)
    assert await waiting == 5
    waiting = asyncio.ensure_future(anext(listener))
    await asyncio.sleep(1.0)
    channel.close()
    with pytest.raises(StopAsyncIteration):
        await waiting


@virtual
async def test_a_listener_whose_wait_was_cancelled_listens_on() -> None:
    channel: Channel[int] = Channel()
    listener = channel.listen()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(listener), 1.0)
    channel.publish(5)
    assert await anext(listener) == 5
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(listener), 1.0)
    waiting = asyncio.ensure_future(anext(listener))
    await asyncio.sleep(1.0)
    channel.publish(6)
    assert await waiting == 6


@virtual
async def test_who_listens_no_more_is_not_kept() -> None:
    channel: Channel[object] = Channel()
    channel.listen()
    kept = channel.listen()
    channel.publish("news")
    channel.listen()
    assert len(channel._listeners) == 2
    assert await anext(kept) == "news"
