"""Puts one system, in a process of its own, through a script before a simulated server, and judges its last words."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from benchmarks.scripts import Script
from fillwatch.simulator import World
from fillwatch.simulator.server import serve

HERE = Path(__file__).parent / "peers"
ENVIRONMENTS = Path(".venv") / "peers"
LIMIT = 200
#: Seconds that a system may take to say that it watches.
STARTS_WITHIN = 60.0
#: Words that say an order is over; `UNRESOLVED` and a word for a live order are no end.
ENDS = frozenset(
    {"filled", "canceled", "expired", "rejected", "replaced", "partially_filled", "timed_out", "done_for_day"}
)
SAME_PRICE = Decimal("0.000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """Something that watches orders: `folder` of its `run.py`, and the argument that says how. `ours`: no peer."""

    name: str
    folder: str
    how: str = ""
    ours: bool = False

    @property
    def command(self) -> list[str]:
        """What to start; an environment of its own is made if there is none."""
        python = Path(sys.executable) if self.ours else _environment(self.folder)
        return [str(python), str(HERE / self.folder / "run.py"), self.how]

    @property
    def environment(self) -> dict[str, str]:
        """Where it finds `telling`, and ours this package."""
        ours = [str(HERE.parents[1])] if self.ours else []
        return os.environ | {"PYTHONPATH": os.pathsep.join((str(HERE), *ours))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """The last that was said of an order; `at`: when its end was first told (monotonic seconds), None: never."""

    status: str
    quantity: Decimal
    price: Decimal | None
    at: float | None


@dataclass(slots=True, kw_only=True)
class Played:
    """A script that a system was put through: what is untrue, fills told and how late, and what it cost."""

    wrong: list[str] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    missed: int = 0
    phantom: int = 0
    fills: int = 0
    requests: int = 0
    refused: int = 0
    worst_minute: int = 0


async def play(system: System, script: Script) -> Played:
    """Put a system through a script, before a server of its own."""
    clock = asyncio.get_running_loop().time
    world = World(script.seed, clock=clock, faults=script.faults, requests_per_minute=LIMIT)
    order_ids = script.place(world)
    async with serve(world) as address:
        process = await asyncio.create_subprocess_exec(
            *system.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=system.environment,
        )
        words: dict[str, Word] = {}
        told = asyncio.Event()
        try:
            assert process.stdin is not None
            question = {
                "url": address.url,
                "stream_url": address.stream_url,
                "key": address.key,
                "secret": address.secret,
                "orders": order_ids,
                "timeout": script.timeout,
            }
            process.stdin.write(json.dumps(question).encode() + b"\n")
            await process.stdin.drain()
            listening = asyncio.create_task(listen(process, words, told))
            async with asyncio.timeout(STARTS_WITHIN):
                await told.wait()
            first = len(world.ledger.arrivals)
            await script.play(world, order_ids)
            await _until_true(world, order_ids, words, clock() + script.patience)
            played = _judge(world, order_ids, words)
            during = world.ledger.arrivals[first:]
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
        await listening
    played.requests = len(during)
    played.refused = sum(arrival.status == 429 for arrival in world.ledger.arrivals)
    played.worst_minute = world.ledger.worst_window()
    return played


async def listen(process: asyncio.subprocess.Process, words: dict[str, Word], ready: asyncio.Event) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        said = json.loads(line)
        if "ready" in said:
            ready.set()
        elif "id" in said:
            before = words.get(said["id"])
            at = before.at if before is not None else None
            if at is None and said["status"] in ENDS:
                at = said["at"]
            price = None if said["price"] is None else Decimal(said["price"])
            words[said["id"]] = Word(status=said["status"], quantity=Decimal(said["quantity"]), price=price, at=at)


async def _until_true(world: World, order_ids: Sequence[str], words: Mapping[str, Word], deadline: float) -> None:
    """Until all that was said is true and no more is to be said, for half a second on end, or patience is over."""
    clock, since = asyncio.get_running_loop().time, None
    while clock() < deadline:
        await asyncio.sleep(0.1)
        if any(untruth(world, order_id, words.get(order_id)) for order_id in order_ids):
            since = None
        else:
            since = clock() if since is None else since
            if clock() - since >= 0.5:
                return


def untruth(world: World, order_id: str, word: Word | None) -> str | None:
    """What is wrong with the last word on an order; None: nothing."""
    last = world.ledger.truth(world.ledger.chain(order_id)[-1])
    true, price = world.ledger.executed_in_chain(order_id), world.ledger.average_in_chain(order_id)
    if word is None:
        return "nothing was said"
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
                played.delays.append(word.at - truth.ended_at)

    return played


def _environment(folder: str) -> Path:
    """The Python of a peer's environment, made from its pinned requirements if it is not there."""
    place = ENVIRONMENTS / folder
    python, done = place / "bin" / "python", place / "done"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        pinned = str(HERE / folder / "requirements.txt")
        subprocess.run([str(python), "-m", "pip", "--quiet", "install", "-r", pinned], check=True)
        done.touch()
    return python.absolute()


def tracked(system: System) -> dict[str, float]:
    """The figures that a tracker gives of itself."""
    done = subprocess.run(system.command, env=system.environment, stdout=subprocess.PIPE, text=True, check=True)
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {each["figure"]: each["value"] for each in said if "figure" in each}
