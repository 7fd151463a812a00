"""Keys get out nowhere: a whole life over HTTP, everything captured at the lowest level, and a search."""

from __future__ import annotations

import asyncio
import io
import logging
import traceback

from loguru import logger

import fillwatch
from fillwatch import AlpacaBroker, FillDetectionConfig, FillDetectionEngine, MemoryJournal
from fillwatch.core.errors import KeysRefused
from fillwatch.simulator import Faults, World
from fillwatch.simulator.server import serve
from fillwatch.testing import run_virtual

KEY, SECRET = "PKCANARYKEY0123456789", "canary-secret-Zx81-never-to-be-seen"


def test_keys_appear_in_no_log_repr_exception_or_traceback() -> None:
    """Faults of every kind, then refused keys; loguru and the standard library's root logger at their lowest."""
    heard = io.StringIO()
    number = fillwatch.enable_logging("TRACE", heard)
    handler = logging.StreamHandler(heard)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.NOTSET)
    try:
        run_virtual(lambda: _life(heard))
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
        logger.remove(number)
        logger.disable("fillwatch")
    text = heard.getvalue()
    assert "result: " in text
    assert "look unanswered" in text
    assert '"raw_status"' in text, "what the journal keeps was searched too"
    assert SECRET not in text
    assert KEY not in text


async def _life(heard: io.StringIO) -> None:
    world = World(3, clock=asyncio.get_running_loop().time, faults=Faults.rate(0.4, heal_at=20.0), timeout=5.0)
    ids = world.populate(12)
    async with serve(world, key=KEY, secret=SECRET) as address:
        broker, journal = AlpacaBroker(KEY, SECRET, base_url=address.url), MemoryJournal()
        print(repr(broker), file=heard)
        config = FillDetectionConfig(timeout_seconds=5.0, resolution_seconds=10.0)
        async with FillDetectionEngine(broker, config, journal=journal) as engine:
            watches = [engine.watch(order_id) for order_id in ids]
            for watch in watches:
                print(repr(await watch), repr(watch), repr(watch.belief), file=heard)
            print(repr(engine.snapshot()), repr(engine.positions), file=heard)
        for entry in await journal.read():
            print(entry.fact.payload, file=heard)
    world.refuse_keys = True
    async with serve(world, key=KEY, secret=SECRET) as address:
        try:
            async with FillDetectionEngine(AlpacaBroker(KEY, SECRET, base_url=address.url)):
                raise AssertionError("the keys should have been refused")
        except KeysRefused as error:
            told = traceback.TracebackException.from_exception(error, capture_locals=False)
            print(repr(error), "".join(told.format()), file=heard)
