"""The door for synchronous programs: the same engine and executor, running in a thread of their own.

A bot that used to make its executor from an alpaca-py `TradingClient` changes one import:

    from fillwatch.sync import ExecutorConfig, SmartOrderExecutor, TradeResult
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from functools import cache, partial
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from fillwatch.core.config import AtTimeout, FillDetectionConfig, chosen
from fillwatch.core.errors import EngineClosed
from fillwatch.core.orders import Number, Side
from fillwatch.core.results import FillResult
from fillwatch.core.trade_amendment import TradeAmendment
from fillwatch.core.trade_result import TradeResult
from fillwatch.core.trade_terms import ExecutorConfig
from fillwatch.engine import engine as engines
from fillwatch.execution import executor as executors
from fillwatch.execution.migration import Detection
from fillwatch.journal import Journal

__all__ = [
    "ExecutorConfig",
    "FillDetectionConfig",
    "FillResult",
    "SmartOrderExecutor",
    "TradeAmendment",
    "TradeResult",
]

P = ParamSpec("P")
T = TypeVar("T")


class SmartOrderExecutor:
    """Makes trades and watches orders, each call blocking its caller only; any thread may call, many at a time.

    `broker` is an alpaca-py `TradingClient` or a `Broker`. The first call, or `with`, starts the thread and enters the
    engine: `KeysRefused` if the broker refuses the keys. `close` ends it, at the latest when the program does (with a
    journal: when its main thread does, as nothing can be written to a file after that); what is under way then raises
    `EngineClosed`. `journal` is opened and closed with it (None: memory). Calling from a
    coroutine raises `RuntimeError`: there the asynchronous class is the right one. A call that is interrupted
    (Ctrl-C) ends nothing: the trade goes on until `close`.
    """

    def __init__(
        self,
        broker: object,
        config: ExecutorConfig | None = None,
        *,
        watching: FillDetectionConfig | None = None,
        journal: Journal | None = None,
    ) -> None:
        self._broker = broker
        self._config = config
        self._watching = watching
        self._journal = journal
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._inside: tuple[BlockingPortal, executors.SmartOrderExecutor, engines.FillDetectionEngine] | None = None
        self._closed = False

    def execute_trade(
        self,
        symbol: str,
        side: Side | str,
        quantity: Number,
        signal_price: Number,
        risk_amount: Number,
        rr_ratio: Number = 2.0,
        *,
        intent_id: str | None = None,
    ) -> TradeResult:
        """As the asynchronous executor's: `risk_amount` is currency per share. Blocks until the result is there."""
        portal, executor, _ = self._started()
        wish = (symbol, side, quantity, signal_price, risk_amount, rr_ratio)
        return _call(portal, executor.execute_trade, *wish, intent_id=intent_id)

    def monitor_order_fill(
        self,
        order_id: str,
        timeout_seconds: float | None = None,
        *,
        expected_price: Number | None = None,
        at_timeout: AtTimeout | str = AtTimeout.CANCEL,
    ) -> FillResult:
        """As the engine's: watch an order and wait for its result."""
        portal, _, engine = self._started()
        return _call(
            portal,
            engine.monitor_order_fill,
            order_id,
            timeout_seconds,
            expected_price=expected_price,
            at_timeout=at_timeout,
        )

    def recover(
        self, *, on_unknown: executors.OnUnknown | str = executors.OnUnknown.QUARANTINE
    ) -> tuple[TradeResult, ...]:
        """As the asynchronous executor's and the engine's: take up the trades that an earlier process left open, and
        wait for their results; and the orders that it watched, whose results go into the journal."""
        portal, executor, engine = self._started()
        _call(portal, engine.recover)
        return _call(portal, executor.recover, on_unknown=on_unknown)

    def amendments(self) -> Iterator[TradeAmendment]:
        """As the asynchronous executor's: what happened to trades after their results. Each step blocks until there is
        something to tell; it ends when the executor is closed. For a thread of its own."""
        portal, executor, _ = self._started()
        heard = portal.call(executor.amendments)
        while (amendment := portal.call(anext, heard, None)) is not None:
            yield amendment

    def _wait_for_fill(self, order_id: str, timeout: float = 60.0) -> Decimal | None:
        """The predecessor's: the average price once the order is filled, None if it is not within `timeout` seconds.

        The order is not touched, as it was not then. `detection` says who answers.
        """
        portal, executor, _ = self._started()
        return _call(portal, executor.wait_for_fill, order_id, timeout)

    @property
    def detection(self) -> Detection:
        """Whose answer `_wait_for_fill` gives: the old loop's (`"legacy"`), the same while the new way is compared with
        it (`"shadow"`), or the new one's (`"fillwatch"`). It may be changed at any time, from any thread."""
        return self._started()[1].detection

    @detection.setter
    def detection(self, detection: Detection | str) -> None:
        self._started()[1].detection = chosen("detection", detection, Detection)

    def close(self) -> None:
        """Leave the engine and end the thread. No order is touched. Calling it twice is allowed."""
        with self._lock:
            self._closed = True
            self._inside = None
            _open.discard(self)
            self._stack.close()

    @property
    def keeps_a_journal(self) -> bool:
        """Whether it was given a journal."""
        return self._journal is not None

    def __enter__(self) -> Self:
        self._started()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _started(self) -> tuple[BlockingPortal, executors.SmartOrderExecutor, engines.FillDetectionEngine]:
        if _in_a_coroutine():
            raise RuntimeError("this would block the event loop; use fillwatch.SmartOrderExecutor in asynchronous code")
        with self._lock:
            if self._closed:
                raise EngineClosed("the executor was closed")
            if self._inside is None:
                self._inside = self._start()
                _open.add(self)
                _close_at_the_end(keeps_a_journal=self.keeps_a_journal)
            return self._inside

    def _start(self) -> tuple[BlockingPortal, executors.SmartOrderExecutor, engines.FillDetectionEngine]:
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal(name="fillwatch"))
            if self._journal is not None:
                stack.enter_context(portal.wrap_async_context_manager(self._journal))
            engine = engines.FillDetectionEngine(self._broker, self._watching, journal=self._journal)
            stack.enter_context(portal.wrap_async_context_manager(engine))
            executor = executors.SmartOrderExecutor(engine, self._config)
            self._stack = stack.pop_all()
        return portal, executor, engine


#: Executors that were started and not closed.
_open: set[SmartOrderExecutor] = set()


@cache
def _close_at_the_end(*, keeps_a_journal: bool) -> None:
    """Have executors closed at the program's end. Threads of a pool, such as a journal's, end with the main thread:
    before `atexit`, and after what is registered as here, as `concurrent.futures` does for itself.
    """
    early = getattr(threading, "_register_atexit", atexit.register)
    (early if keeps_a_journal else atexit.register)(partial(_close_open_ones, keeps_a_journal=keeps_a_journal))


def _close_open_ones(*, keeps_a_journal: bool) -> None:
    for executor in [one for one in _open if one.keeps_a_journal is keeps_a_journal]:
        executor.close()


def _call(portal: BlockingPortal, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    return portal.call(partial(function, *args, **kwargs))


def _in_a_coroutine() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
