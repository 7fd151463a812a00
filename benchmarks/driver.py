"""Puts one system, in a process of its own, through a script before a simulated server, and judges its last words."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import IO

from benchmarks.processes import processor_of
from benchmarks.scripts import Script
from benchmarks.systems import System, Undriven, last_line
from fillwatch.simulator import World
from fillwatch.simulator.server import serve

LIMIT = 200
#: Seconds that a system may take to say that it watches, on top of its script's `settling`.
STARTS_WITHIN = 60.0
#: Words that say an order is over; `UNRESOLVED` and a word for a live order are no end.
ENDS = frozenset(
    {"filled", "canceled", "expired", "rejected", "replaced", "partially_filled", "timed_out", "done_for_day"}
)
SAME_PRICE = Decimal("0.000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """The last that was said of an order; `at`: when its end was first told (monotonic seconds), None: never."""

    status: str
    quantity: Decimal
    price: Decimal | None
    at: float | None


@dataclass(slots=True, kw_only=True)
class Played:
    """A script that a system was put through: what is untrue, which ends were told how late, and what it cost.

    `processor`: seconds of processor time for each second that it watched. `figures`: what it measured of itself.
    """

    wrong: list[str] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    missed: int = 0
    phantom: int = 0
    fills: int = 0
    requests: int = 0
    refused: int = 0
    worst_minute: int = 0
    processor: float = 0.0
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Heard:
    """All that a system has said so far."""

    words: dict[str, Word] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    ready: asyncio.Event = field(default_factory=asyncio.Event)


async def play(system: System, script: Script) -> Played:
    """Put a system through a script, before a server of its own. Raises `Undriven` when it cannot be."""
    clock = asyncio.get_running_loop().time
    world = World(script.seed, clock=clock, faults=script.faults, requests_per_minute=LIMIT)
    order_ids = script.place(world)
    async with serve(world) as address:
        question = {
            "url": address.url,
            "stream_url": address.stream_url,
            "key": address.key,
            "secret": address.secret,
            "orders": order_ids,
            "timeout": script.timeout,
            "settling": script.settling,
            "share": script.share,
        }
        async with _started(system, question, script.settling + STARTS_WITHIN) as (process, heard):
            first, began, used = len(world.ledger.arrivals), clock(), processor_of(process.pid)
            await script.play(world, order_ids)
            await _until_true(world, order_ids, heard.words, clock() + script.patience)
            played = _judge(world, order_ids, heard.words)
            during = world.ledger.arrivals[first:]
            played.processor = (processor_of(process.pid) - used) / (clock() - began)
    played.figures = heard.figures
    played.requests = len(during)
    played.refused = sum(arrival.status == 429 for arrival in world.ledger.arrivals)
    played.worst_minute = world.ledger.worst_window()
    return played


@asynccontextmanager
async def _started(
    system: System, question: Mapping[str, object], within: float
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Heard]]:
    """The system's process, from the moment at which it watches until the block is left."""
    heard = Heard()
    with tempfile.TemporaryFile() as complaints:
        process = await asyncio.create_subprocess_exec(
            *system.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=complaints,
            env=system.environment,
            limit=2**20,
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(question).encode() + b"\n")
        listening = asyncio.create_task(listen(process, heard))
        try:
            ready = asyncio.create_task(heard.ready.wait())
            await asyncio.wait({ready, listening}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
            ready.cancel()
            if not heard.ready.is_set():
                raise Undriven(system.name, _last_line(complaints) or f"it did not watch within {within:g} s")
            yield process, heard
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            await asyncio.wait({listening})


def _last_line(complaints: IO[bytes]) -> str:
    """What a process that failed said last: the type of its error and why."""
    complaints.seek(0)
    return last_line(complaints.read().decode(errors="replace").splitlines())


async def listen(process: asyncio.subprocess.Process, heard: Heard) -> None:
    """Take in what a system says, until it is over."""
    assert process.stdout is not None
    async for line in process.stdout:
        try:
            said = json.loads(line)
        except ValueError:  # a library of a peer's that prints
            continue
        if "ready" in said:
            heard.ready.set()
        elif "figure" in said:
            heard.figures[said["figure"]] = said["value"]
        elif "id" in said:
            before = heard.words.get(said["id"])
            at = before.at if before is not None else None
            if at is None and said["status"] in ENDS:
                at = said["at"]
            price = None if said["price"] is None else Decimal(said["price"])
            heard.words[said["id"]] = Word(
                status=said["status"], quantity=Decimal(said["quantity"]), price=price, at=at
            )


async def _until_true(world: World, order_ids: Sequence[str], words: Mapping[str, Word], deadline: float) -> None:
    """Until all that was said is true and no more is to be said, for half a second on end, or patience is over."""
    clock, since = asyncio.get_running_loop().time, None
    wrong = list(order_ids)
    while clock() < deadline:
        await asyncio.sleep(0.1)
        wrong = [order_id for order_id in wrong if untruth(world, order_id, words.get(order_id))]
        if not wrong:
            wrong = [order_id for order_id in order_ids if untruth(world, order_id, words.get(order_id))]
        if wrong:
            since = None
        else:
            since = clock() if since is None else since
            if clock() - since >= 0.5:
                return


def untruth(world: World, order_id: str, word: Word | None) -> str | None:
    """What is wrong with the last word on an order; None: nothing. Of an order at rest nothing has to be said."""
    last = world.ledger.truth(world.ledger.chain(order_id)[-1])
    true, price = world.ledger.executed_in_chain(order_id), world.ledger.average_in_chain(order_id)
    if word is None:
        return "nothing was said" if last.status.is_terminal or true else None
    if last.status.is_terminal and (
        word.status not in ENDS or (word.status == "replaced" and last.raw_status != "replaced")
    ):
        return f"{word.status!r} was said, it is {last.raw_status!r}"
    if word.quantity != true:
        return f"{word.quantity} executed were told, it was {true}"
    if price is not None and word.price is not None and abs(price - word.price) > SAME_PRICE:
        return f"the average price {word.price} was told, it was {price:.6f}"
    return None


def _judge(world: World, order_ids: Sequence[str], words: Mapping[str, Word]) -> Played:
    played = Played()
    for order_id in order_ids:
        word, truth = words.get(order_id), world.ledger.truth(order_id)
        wrong = untruth(world, order_id, word)
        if wrong is not None:
            played.wrong.append(wrong)
        true = world.ledger.executed_in_chain(order_id)
        said = Decimal(0) if word is None else word.quantity
        played.missed += said < true
        played.phantom += said > true
        if truth.raw_status == "filled":
            played.fills += 1
        if word is not None and word.at is not None and truth.ended_at is not None:
            (played.delays if truth.raw_status == "filled" else played.others).append(word.at - truth.ended_at)
    return played
