"""`fillwatch resume`: takes up what a journal holds open, until everything has its result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path

from fillwatch import Broker, FillDetectionConfig, FillDetectionEngine, FillResult, OrderWatch, TradeResult
from fillwatch.cli.columns import counted
from fillwatch.core.text import plain
from fillwatch.execution.executor import OnUnknown, SmartOrderExecutor
from fillwatch.journal import JournalError, SqliteJournal
from fillwatch.journal.patience import TAKING_UP, in_time
from fillwatch.observe.wording import number, outcome, result_words

#: Seconds between two words that work goes on.
TICK = 5.0
#: Seconds in which the end of an order that was told as unresolved may still be found out.
LINGER = 5.0

#: The results of trades, and why one was not taken up.
Trades = tuple[tuple[TradeResult, ...], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What became of what was open. `problem`: why a trade was not taken up; no results of trades are here then."""

    trades: tuple[TradeResult, ...]
    watches: tuple[FillResult, ...]
    problem: str | None = None

    @property
    def is_settled(self) -> bool:
        """Whether every share of the trades is protected or sold, and every watched order has its end."""
        protected = self.problem is None and all(trade.position_protected for trade in self.trades)
        return protected and all(result.outcome.is_end for result in self.watches)


async def resume(path: Path, broker: Broker, on_unknown: OnUnknown, tell: Callable[[str], None]) -> Resumed:
    """Take everything up and wait for the results; `tell` hears a line for each, and that work goes on.

    Raises `JournalError` when the journal cannot be opened (somebody else writes it, it is damaged, newer, not there),
    and what entering an engine raises. Cancelled, it leaves every order as it is. The broker is closed at the end.
    """
    async with aclosing(broker), SqliteJournal(path) as journal:
        intents = await in_time(journal, journal.intents(open_only=True), TAKING_UP)
        open_watches = await in_time(journal, journal.watches(open_only=True), TAKING_UP)
        tell(f"open in the journal: {counted(len(intents), 'trade')}, {counted(len(open_watches), 'watch')}")
        async with FillDetectionEngine(broker, FillDetectionConfig(), journal=journal) as engine:
            executor = SmartOrderExecutor(engine, journal=journal)
            watches = await engine.recover()
            async with asyncio.TaskGroup() as group:
                trading = group.create_task(_recover(executor, on_unknown))
                following = [group.create_task(_follow(watch, tell)) for watch in watches]
                work: set[asyncio.Task[object]] = {trading, *following}
                began = asyncio.get_running_loop().time()
                while left := {task for task in work if not task.done()}:
                    await asyncio.wait(left, timeout=TICK)
                    left = {task for task in left if not task.done()}
                    if left:
                        seconds = asyncio.get_running_loop().time() - began
                        tell(f"{seconds:.0f} s: {_left(trading, following)}")
            trades, problem = trading.result()
            for result in trades:
                tell(trade_line(result))
            if problem is not None:
                tell(f"not taken up: {plain(problem)}; the others were, `fillwatch journal list` shows how they stand")
            told = {result.order_id: result for result in (task.result() for task in following)}
            await _find_ends(engine, told, tell)
    return Resumed(trades=trades, watches=tuple(told.values()), problem=problem)


async def _recover(executor: SmartOrderExecutor, on_unknown: OnUnknown) -> Trades:
    """The trades' results; or, when one of them cannot be taken up, why."""
    try:
        return await executor.recover(on_unknown=on_unknown), None
    except JournalError as error:
        return (), str(error)


async def _follow(watch: OrderWatch, tell: Callable[[str], None]) -> FillResult:
    result = await watch
    tell(watch_line(result))
    return result


async def _find_ends(engine: FillDetectionEngine, told: dict[str, FillResult], tell: Callable[[str], None]) -> None:
    """Give orders without an end, which are looked at further, a while for theirs to be found out."""
    left = {order_id for order_id, result in told.items() if not result.outcome.is_end}
    if not left:
        return
    tell(f"{counted(len(left), 'order')} without an end; looking for {LINGER:.0f} s more")
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER):
            async for amendment in engine.amendments():
                if amendment.order_id in left and amendment.amended.outcome.is_end:
                    told[amendment.order_id] = amendment.amended
                    left.discard(amendment.order_id)
                    tell(watch_line(amendment.amended))
                if not left:
                    return


def _left(trading: asyncio.Task[Trades], following: list[asyncio.Task[FillResult]]) -> str:
    orders = sum(not task.done() for task in following)
    said = ["trades are being finished"] if not trading.done() else []
    said += [f"{counted(orders, 'order')} watched"] if orders else []
    return ", ".join(said)


def watch_line(result: FillResult) -> str:
    """One order's result."""
    what = " ".join(word for word in (plain(result.symbol, 20), str(result.side or "")) if word)
    return "  ".join(word for word in (f"order {plain(result.order_id)}", what, plain(result_words(result))) if word)


def trade_line(result: TradeResult) -> str:
    """One trade's result: what is held of it, and whether that is protected."""
    fill = result.fill
    held = "nothing bought" if fill is None or not fill.fill_quantity else outcome(fill.outcome)
    if fill is not None and fill.fill_quantity:
        held += f" {number(fill.fill_quantity)} {plain(fill.symbol, 20)} at {number(fill.fill_price)}"
    state = "protected" if result.position_protected else "NOT PROTECTED"
    exits = f", stop {number(result.stop_loss)}, target {number(result.take_profit)}" if result.exit_order_ids else ""
    reason = f": {plain(result.reason)}" if result.reason else ""
    return f"trade {plain(result.intent_id)}  {held}  {state}{exits}{reason}"
