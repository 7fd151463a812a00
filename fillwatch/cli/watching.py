"""`fillwatch watch`: orders of a real account, followed until each has its result."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from fillwatch import (
    AtTimeout,
    Broker,
    FillDetectionConfig,
    FillDetectionEngine,
    FillOutcome,
    FillResult,
    OrderWatch,
    SqliteJournal,
    Transition,
)
from fillwatch.core.text import plain

TICK = 0.25
#: The longest any text of a broker's may be on a line of ours.
WIDTH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One order as it stands: what is believed of it, and its result once there is one. `age` is in seconds."""

    order_id: str
    symbol: str = ""
    status: str = "not seen yet"
    filled: Decimal | None = None
    requested: Decimal | None = None
    age: float | None = None
    route: str = ""
    result: FillResult | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What there is to show: all orders, and the lines that are new since the last view."""

    rows: tuple[Row, ...]
    news: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How to watch. `timeout` in seconds, None for the usual; `journal`: where to write down what is heard."""

    timeout: float | None = None
    at_timeout: AtTimeout = AtTimeout.LEAVE
    expected_price: Decimal | None = None
    journal: Path | None = None


@dataclass(slots=True)
class _Board:
    """The orders on it, in the order of the command line, and the news that nobody has been told yet."""

    order_ids: Sequence[str]
    results: dict[str, FillResult] = field(default_factory=dict)
    news: list[str] = field(default_factory=list)

    async def follow(self, watch: OrderWatch) -> None:
        async for change in watch:
            if change.route is not None:
                self.news.append(transition_line(change))
        self.results[watch.order_id] = await watch

    def view(self, engine: FillDetectionEngine) -> View:
        news, self.news = tuple(self.news), []
        watched = {watch.order_id: watch for watch in engine.snapshot().watches}
        rows = []
        for order_id in self.order_ids:
            result, watch = self.results.get(order_id), watched.get(order_id)
            if result is not None:
                rows.append(_ended(result))
            elif watch is not None and watch.route is not None:
                rows.append(
                    Row(
                        order_id=order_id,
                        symbol=plain(watch.symbol, 20),
                        status=str(watch.status),
                        filled=watch.filled_quantity,
                        requested=watch.requested_quantity,
                        age=watch.age,
                        route=str(watch.route),
                    )
                )
            else:
                rows.append(Row(order_id=order_id))
        return View(rows=tuple(rows), news=news)


@asynccontextmanager
async def kept(path: Path | None) -> AsyncIterator[SqliteJournal | None]:
    """The journal at `path`, open; none where none is wanted."""
    if path is None:
        yield None
        return
    async with SqliteJournal(path) as journal:
        yield journal


async def follow_orders(
    broker: Broker, order_ids: Sequence[str], wishes: Wishes, show: Callable[[View], None]
) -> list[FillResult]:
    """Watch until each order has its result, and give the results in the order of the ids (canonical, none twice).

    `show` is called a few times a second. Raises `ValueError` for a wish that is not allowed, `JournalError` when the
    journal cannot be opened, and what entering an engine raises. The broker is closed at the end.
    """
    board = _Board(order_ids)
    async with (
        aclosing(broker),
        kept(wishes.journal) as journal,
        FillDetectionEngine(broker, FillDetectionConfig(), journal=journal) as engine,
    ):
        watches = [
            engine.watch(
                order_id,
                timeout_seconds=wishes.timeout,
                expected_price=wishes.expected_price,
                at_timeout=wishes.at_timeout,
            )
            for order_id in order_ids
        ]
        async with asyncio.TaskGroup() as group:
            following = {group.create_task(board.follow(watch)) for watch in watches}
            while any(not task.done() for task in following):
                show(board.view(engine))
                await asyncio.wait(following, timeout=TICK)
        show(board.view(engine))
    return [board.results[order_id] for order_id in order_ids]


def transition_line(change: Transition) -> str:
    """`<id>  new -> partially_filled  40 of 100  (list)`."""
    before = "" if change.before is None else f"{change.before} -> "
    route = f"  ({change.route})" if change.route else ""
    successor = f"  now {plain(change.successor_id)}" if change.successor_id else ""
    amount = _amount(change.filled_quantity, change.requested_quantity)
    return f"{plain(change.order_id)}  {before}{change.status}  {amount}{route}{successor}".rstrip()


def result_line(result: FillResult) -> str:
    """`<id>  AAPL buy  filled 100 of 100 at 187.23  (status@list, 2.4 s)`; what is not known is left out or said."""
    what = " ".join(word for word in (plain(result.symbol, 20), str(result.side or "")) if word)
    price = "" if result.fill_price is None else f" at {_number(result.fill_price)}"
    how = ", ".join(word for word in (plain(result.detection_method or "", 60), f"{result.elapsed_time:.1f} s") if word)
    slippage = "" if result.slippage is None else f"  slippage {result.slippage:.4f} %"
    reason = f"  {plain(result.reason, WIDTH)}" if result.reason else ""
    end = f"{_outcome(result.outcome)} {_amount(result.fill_quantity, result.requested_quantity)}{price}"
    return (
        "  ".join(word for word in (plain(result.order_id), what, end.rstrip()) if word)
        + f"  ({how}){slippage}{reason}"
    )


def _ended(result: FillResult) -> Row:
    return Row(
        order_id=result.order_id,
        symbol=plain(result.symbol, 20),
        status=_outcome(result.outcome),
        filled=result.fill_quantity,
        requested=result.requested_quantity,
        route=plain(result.detection_method or "", 60),
        result=result,
    )


def _outcome(outcome: FillOutcome) -> str:
    text = outcome.value.replace("_", " ")
    return f"{text} (may be live)" if outcome is FillOutcome.UNRESOLVED else text


def _amount(filled: Decimal | None, requested: Decimal | None) -> str:
    if filled is None:
        return ""
    return _number(filled) if requested is None else f"{_number(filled)} of {_number(requested)}"


def _number(value: Decimal) -> str:
    return f"{value:f}"
