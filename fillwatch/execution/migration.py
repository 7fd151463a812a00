"""From the old way of detecting fills to this one, step by step: the old loop, both side by side, the new one alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from fillwatch.core.config import AtTimeout
from fillwatch.core.evidence import Missing, Seen
from fillwatch.core.orders import OrderStatus
from fillwatch.core.results import FillResult
from fillwatch.core.text import plain
from fillwatch.engine.engine import FillDetectionEngine
from fillwatch.journal import Entry, Fact, FactKind, Journal
from fillwatch.logs import order_logger

#: The old loop's pauses, in seconds: the first, what each adds, the longest.
FIRST, MORE, LONGEST = 0.5, 0.1, 2.0


class Detection(StrEnum):
    """Whose answer is given. `SHADOW`: the old loop's, while the new one runs beside it and is compared with it."""

    LEGACY = "legacy"
    SHADOW = "shadow"
    FILLWATCH = "fillwatch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """Two answers to one question, each with its story. A price is None for "not filled"."""

    order_id: str
    legacy_price: Decimal | None
    legacy_story: tuple[str, ...]
    price: Decimal | None
    outcome: str
    story: tuple[str, ...]

    @property
    def sort(self) -> str:
        """What the two differ in."""
        if self.legacy_price is None:
            return "fills that the old loop missed"
        return "fills that the old loop invented" if self.price is None else "prices that differ"


class FillWait:
    """`wait` answers as the predecessor did: the average price of a filled order, None if it is not filled in time.

    `detection` may be set at any time and holds for waits that begin after it. Disagreements go into `journal`.
    """

    def __init__(self, engine: FillDetectionEngine, journal: Journal, wall: Callable[[], datetime]) -> None:
        self.detection = Detection.FILLWATCH
        self._engine = engine
        self._journal = journal
        self._wall = wall

    async def wait(self, order_id: str, timeout: float) -> Decimal | None:
        """The price, by the detection of this moment. The order is not touched, as it was not then."""
        match self.detection:
            case Detection.FILLWATCH:
                return _price(await self._watch(order_id, timeout))
            case Detection.LEGACY:
                price, _ = await self._legacy(order_id, timeout)
                return price
            case Detection.SHADOW:
                return await self._both(order_id, timeout)

    async def _watch(self, order_id: str, timeout: float) -> FillResult:
        return await self._engine.monitor_order_fill(order_id, timeout, at_timeout=AtTimeout.LEAVE)

    async def _legacy(self, order_id: str, timeout: float) -> tuple[Decimal | None, tuple[str, ...]]:
        """One field of one route: the status, looked at until it says filled."""
        loop, story, pause = asyncio.get_running_loop(), [], FIRST
        began = loop.time()
        while loop.time() - began < timeout:
            look = await self._engine.trading.look(order_id)
            elapsed = f"{loop.time() - began:.2f} s"
            match look:
                case Seen(order=order):
                    story.append(f"{elapsed}: {plain(order.raw_status or order.status.value)}")
                    if order.status is OrderStatus.FILLED:
                        return order.filled_avg_price, tuple(story)
                case Missing():
                    story.append(f"{elapsed}: not there")
                case _:
                    story.append(f"{elapsed}: no answer")
            await asyncio.sleep(min(pause, max(timeout - (loop.time() - began), 0.0)))
            pause = min(pause + MORE, LONGEST)
        story.append(f"{loop.time() - began:.2f} s: timeout")
        return None, tuple(story)

    async def _both(self, order_id: str, timeout: float) -> Decimal | None:
        """The old loop's answer when it has it; the comparison comes later, in a task of the engine's."""
        told: asyncio.Future[tuple[Decimal | None, tuple[str, ...]]] = asyncio.get_running_loop().create_future()
        watch = self._engine.watch(order_id, timeout_seconds=timeout, at_timeout=AtTimeout.LEAVE)

        async def compare() -> None:
            story = [f"{change.status}: {change.filled_quantity}" async for change in watch]
            result = await watch
            price, legacy = await told
            if price != _price(result):
                await self._record(order_id, price, legacy, result, tuple(story))

        task = self._engine.trading.attend(compare(), f"fillwatch-shadow-{order_id}")
        try:
            answer = await self._legacy(order_id, timeout)
            told.set_result(answer)
            return answer[0]
        finally:
            if not told.done():
                task.cancel()

    async def _record(
        self,
        order_id: str,
        price: Decimal | None,
        legacy: tuple[str, ...],
        result: FillResult,
        story: tuple[str, ...],
    ) -> None:
        how = f"{result.elapsed_time:.2f} s: {result.outcome}, {result.fill_quantity} by {result.detection_method}"
        found = Disagreement(
            order_id=order_id,
            legacy_price=price,
            legacy_story=legacy[-STORY:],
            price=_price(result),
            outcome=result.outcome.value,
            story=(*story[-STORY:], how),
        )
        loop = asyncio.get_running_loop()
        order_logger(order_id, lambda: result.elapsed_time).warning(
            "the old loop says {}, fillwatch says {}", _say(found.legacy_price), _say(found.price)
        )
        fact = Fact.of(FactKind.DISAGREEMENT, found, at=self._wall(), monotonic=loop.time(), order_id=order_id)
        self._journal.note(fact)


#: Lines of a story that are kept, the last ones.
STORY = 50


def _price(result: FillResult) -> Decimal | None:
    return result.fill_price if result.filled else None


def _say(price: Decimal | None) -> str:
    return "not filled" if price is None else f"filled at {price}"


def shadow_report(entries: Iterable[Entry]) -> str:
    """What disagreements there were, in text: how many of each sort, then each with both stories."""
    found = [entry.fact.read(Disagreement) for entry in entries if entry.fact.kind is FactKind.DISAGREEMENT]
    if not found:
        return "no disagreement\n"
    counts = Counter(one.sort for one in found)
    lines = [f"{len(found)} disagreements", *(f"{count:6} {sort}" for sort, count in counts.most_common())]
    for one in found:
        lines += ["", f"{one.order_id}: the old loop: {_say(one.legacy_price)}; fillwatch: {_say(one.price)}"]
        lines += [f"    old loop   {line}" for line in one.legacy_story]
        lines += [f"    fillwatch  {line}" for line in one.story]
    return "\n".join(lines) + "\n"
