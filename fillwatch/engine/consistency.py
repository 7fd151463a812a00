"""After a fill: does the broker's position say what ours does?

A mismatch is waited out first, since positions trail orders; then the tape is read, since others may have traded; only
what is left is a discrepancy: one ERROR in the log, one call of `on_discrepancy`, and the book goes on from the
broker's position.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from itertools import takewhile
from typing import TYPE_CHECKING

from fillwatch.brokers.base import Positions
from fillwatch.core.baseline import Expectation
from fillwatch.core.evidence import Unanswered
from fillwatch.core.orders import exact
from fillwatch.core.positions import PositionBook
from fillwatch.core.results import ConsistencyResult
from fillwatch.core.symbols import normal_quantities, normal_symbol
from fillwatch.engine.agenda import HAIR, Agenda
from fillwatch.engine.check import NO_FILLS, Check
from fillwatch.engine.sharing import Background, SharedCall
from fillwatch.logs import order_logger, plain_logger

if TYPE_CHECKING:
    from loguru import Logger

Hook = Callable[[ConsistencyResult], Awaitable[None] | None]

#: Seconds that a broker who does not answer, or a symbol that never comes to rest, is given beyond the lag.
PATIENCE = 30.0

NO_BASELINE = "no position was known before this fill, so there is nothing to compare with"
NO_SYMBOL = "the symbol of the order is not known"


class StateConsistencyValidator:
    """Compares the broker's positions with the book's.

    `read_positions` makes one positions request, waiting for its token if need be; `read_fills` reads the tape up to
    now into the book (None: there is no tape). `lag`: seconds by which positions trail orders
    (`Capabilities.position_lag`), the same as the book's. `spacing`: positions are not asked for more often than this,
    in seconds, however many fills wait. `on_discrepancy` is called once for each discrepancy, in a task of its own:
    what it raises is logged and harms nothing, how long it takes delays nobody (a plain function that blocks blocks
    the loop).
    """

    def __init__(
        self,
        book: PositionBook,
        *,
        read_positions: Callable[[], Awaitable[Positions | Unanswered]],
        read_fills: Callable[[], Awaitable[None]] | None,
        lag: float = 10.0,
        on_discrepancy: Hook | None = None,
        spacing: float = 1.0,
    ) -> None:
        self._book = book
        self._lag = lag
        self._on_discrepancy = on_discrepancy
        self._tasks = Background()
        self._agenda = Agenda()
        self._look_at = self._look  # bound once, for there may be thousands
        #: Those without a verdict, the oldest first.
        self._checks: dict[Check, None] = {}
        self._gives_up = False
        self._read_positions = read_positions
        self._read_fills = read_fills
        self._positions = SharedCall(self._read_normal, lambda answer: answer.as_of, self._judge, self._tasks, spacing)
        self._tape = SharedCall(self._read_tape, lambda began: began, self._judge_by_tape, self._tasks, spacing)
        self._reported: dict[str, tuple[float, ConsistencyResult]] = {}

    def validate_fill_consistency(
        self, order_id: str, expected_qty: Decimal | int | None = None, *, symbol: str | None = None
    ) -> asyncio.Future[ConsistencyResult]:
        """Compare the broker's position of the order's symbol with `expected_qty`, or with the book when it is None.

        Comes at once when they agree; otherwise after `lag` seconds of looking again, at most `lag` + 30. Not
        consistent, though no discrepancy (a WARNING, no hook, `broker_quantity` or the expectation missing): the
        broker did not answer in that time; there is no baseline yet (this answer becomes it); the order's symbol is
        not known. A symbol traded without pause is consistent when fills younger than `lag` explain the difference.
        Checks that were under way when a discrepancy of the book was found share it. After one the book goes on from
        the broker's position; what differs from `expected_qty` alone is reported and leaves the book as it is.

        Raises `ValueError` when `expected_qty` is not a finite number; nothing else.
        """
        claim = None if expected_qty is None else Expectation.exactly(exact(expected_qty, "expected_qty"))
        name = self._book.symbol_of(order_id) if symbol is None else normal_symbol(symbol)
        started = asyncio.get_running_loop().time()
        check = Check(
            order_id=order_id,
            symbol=name or "",
            claim=claim,
            started=started,
            ripe=started + self._lag,
            verdict=asyncio.get_running_loop().create_future(),
        )
        if not name:
            self._settle(check, check.unknown(NO_SYMBOL))
        else:
            self._begin(check)
        return check.verdict

    async def aclose(self, grace: float = 10.0) -> None:
        """Let requests and hooks under way finish; what takes longer than `grace` seconds is cancelled.

        Checks that have no verdict by then get the one that positions could not be read.
        """
        await self._tasks.drain(grace)
        self._agenda.close()
        for check in [*self._checks]:
            self._settle(check, check.at_worst)

    def _begin(self, check: Check) -> None:
        self._checks[check] = None
        self._watch_the_oldest()
        self._look(check)

    def _watch_the_oldest(self) -> None:
        """One appointment for all: they run out in the order in which they began."""
        if self._checks and not self._gives_up:
            self._gives_up = True
            self._agenda.at(next(iter(self._checks)).ripe + PATIENCE, self._give_up)

    def _give_up(self) -> None:
        self._gives_up = False
        now = asyncio.get_running_loop().time() + HAIR
        for check in [*takewhile(lambda check: check.ripe + PATIENCE <= now, self._checks)]:
            self._settle(check, check.at_worst)
        self._watch_the_oldest()

    def _settle(self, check: Check, result: ConsistencyResult) -> None:
        self._checks.pop(check, None)
        if check.verdict.done():  # its caller has gone
            return
        if not result.consistent and result.broker_quantity is None:
            _log(check).warning("position not compared: {}", result.discrepancy)
        check.verdict.set_result(replace(result, waited=asyncio.get_running_loop().time() - check.started))

    def _look(self, check: Check) -> None:
        if not check.verdict.done():
            self._positions.ask(check)

    def _look_again(self, check: Check) -> None:
        self._agenda.at(check.next_look(asyncio.get_running_loop().time()), self._look_at, check)

    def _judge(self, outcome: asyncio.Future[Positions | Unanswered], check: Check) -> None:
        """Positions were read: a verdict, or another look, or first the tape."""
        answer = check.heard(outcome)
        if answer is None:
            return
        if isinstance(answer, Unanswered):
            self._look_again(check)
        elif check.claim is None and not self._book.has_baseline:
            self._book.start(answer.quantities, as_of=answer.as_of, at=answer.at)
            self._settle(check, check.unknown(NO_BASELINE))
        elif (result := self._compared(check, answer)).consistent or self._is_shared(check):
            self._settle(check, result)
        elif answer.as_of < check.ripe:
            self._look_again(check)
        elif check.claim is None and self._read_fills is not None:
            check.lacks = NO_FILLS
            self._tape.ask((check, answer))
        else:
            self._conclude(check, answer)

    def _judge_by_tape(self, outcome: asyncio.Future[float], waiting: tuple[Check, Positions]) -> None:
        """The tape was read: what others traded may explain the difference."""
        check, answer = waiting
        if check.heard(outcome) is not None:
            self._conclude(check, answer)

    def _conclude(self, check: Check, answer: Positions) -> None:
        result = self._compared(check, answer)
        if result.consistent or self._is_shared(check):
            self._settle(check, result)
        elif check.claim is None and self._in_flight(check, answer):
            check.in_flight = replace(result, consistent=True, discrepancy=None)
            self._look_again(check)
        else:
            self._settle(check, self._report(check, result, answer))

    def _compared(self, check: Check, answer: Positions) -> ConsistencyResult:
        """Against the claim or the book as it is at this moment; a discrepancy found meanwhile is everybody's."""
        if self._is_shared(check):
            return replace(self._reported[check.symbol][1], order_id=check.order_id)
        expectation = check.claim or self._book.expectation(check.symbol)
        return check.at_worst if expectation is None else check.compare(answer, expectation)

    def _is_shared(self, check: Check) -> bool:
        reported = self._reported.get(check.symbol)
        return check.claim is None and reported is not None and reported[0] >= check.started

    def _in_flight(self, check: Check, answer: Positions) -> bool:
        """Whether fills that positions need not show yet explain the difference."""
        expectation = self._book.expectation(check.symbol, shown_at=answer.as_of)
        return expectation is not None and check.compare(answer, expectation).consistent

    def _report(self, check: Check, result: ConsistencyResult, answer: Positions) -> ConsistencyResult:
        now = asyncio.get_running_loop().time()
        result = replace(result, waited=now - check.started)
        _log(check).error("discrepancy: {}", result.discrepancy)
        if check.claim is None and result.broker_quantity is not None:
            self._book.sync(check.symbol, result.broker_quantity, as_of=answer.as_of, at=answer.at)
            self._reported[check.symbol] = (now, result)
        if self._on_discrepancy is not None:
            self._tasks.start(_run_hook(self._on_discrepancy, result)).add_done_callback(_log_failure)
        return result

    async def _read_normal(self) -> Positions | Unanswered:
        answer = await self._read_positions()
        return (
            answer
            if isinstance(answer, Unanswered)
            else replace(answer, quantities=normal_quantities(answer.quantities))
        )

    async def _read_tape(self) -> float:
        began = asyncio.get_running_loop().time()
        if self._read_fills is not None:
            await self._read_fills()
        return began


def _log(check: Check) -> Logger:
    loop = asyncio.get_running_loop()
    return order_logger(check.order_id, lambda: loop.time() - check.started)


async def _run_hook(hook: Hook, result: ConsistencyResult) -> None:
    outcome = hook(result)
    if inspect.isawaitable(outcome):
        await outcome


def _log_failure(hook: asyncio.Task[None]) -> None:
    error = None if hook.cancelled() else hook.exception()
    if error is not None:
        plain_logger().opt(exception=error).error("on_discrepancy raised {}", type(error).__name__)
