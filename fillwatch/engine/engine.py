"""`FillDetectionEngine`: one task per order in one task group, one reader, one limiter, and their end."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from fillwatch.brokers.base import Broker
from fillwatch.core.config import AtTimeout, FillDetectionConfig
from fillwatch.core.errors import EngineClosed
from fillwatch.core.orders import Number, exact
from fillwatch.core.positions import PositionsView
from fillwatch.core.results import Amendment, ConsistencyResult, FillResult
from fillwatch.engine.consistency import Hook
from fillwatch.engine.final_check import FinalVerificationHandler
from fillwatch.engine.office import Office
from fillwatch.engine.snapshot import EngineSnapshot
from fillwatch.engine.trading import TradingDoor
from fillwatch.engine.watch import OrderWatch

if TYPE_CHECKING:
    from fillwatch.journal import Journal


def _utc() -> datetime:
    return datetime.now(UTC)


class FillDetectionEngine:
    """Watches orders of one broker account: `async with FillDetectionEngine(broker, config) as engine:`.

    `broker` is a `Broker` or an alpaca-py `TradingClient`; the engine closes it at the end. `on_discrepancy` is called
    (plain or async) with a `ConsistencyResult` when the broker's position stays different from ours. `rng`: for the
    jitter of retries. `journal`: where everything that is learnt and told of the orders is written down, results before
    they are handed out; None for nowhere. It is opened and closed by whoever made it, around the engine. `wall` gives
    aware UTC time, for the journal alone: deadlines follow the loop's clock.

    Entering raises `KeysRefused` if the broker refuses the keys, `JournalClosed` for a journal that is not open; a
    broker that does not answer is waited for while watching, and a journal that fails stops no watch. Leaving touches
    no order: unfinished watches raise `EngineClosed`. An engine belongs to the event loop and thread that entered it
    (`RuntimeError` elsewhere) and can be entered once.
    """

    def __init__(
        self,
        broker: object,
        config: FillDetectionConfig | None = None,
        *,
        on_discrepancy: Hook | None = None,
        rng: random.Random | None = None,
        journal: Journal | None = None,
        wall: Callable[[], datetime] = _utc,
    ) -> None:
        self.broker = _adapted(broker)
        self._config = config or FillDetectionConfig()
        self._on_discrepancy = on_discrepancy
        self._rng = rng or random.Random()
        self.journal = journal
        self._wall = wall
        self._office: Office | None = None
        self._group = asyncio.TaskGroup()
        self._thread = 0
        self._left = False

    async def __aenter__(self) -> Self:
        if self._office is not None:
            raise RuntimeError("this engine was entered before; make a new one")
        self._thread = threading.get_ident()
        await self._group.__aenter__()
        office = self._office = Office(
            self.broker, self._config, self._on_discrepancy, self._rng, self._group, self.journal, self._wall
        )
        opened = False
        try:
            await office.open()
            opened = True
        finally:
            if not opened:
                await self.__aexit__(None, None, None)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The group is told of a cancellation only: any other error of the caller's is his own, and leaves unwrapped.
        cancelled = isinstance(error, asyncio.CancelledError)
        try:
            await self.aclose()
        finally:
            await (self._group.__aexit__(kind, error, trace) if cancelled else self._group.__aexit__(None, None, None))

    def watch(
        self,
        order_id: str,
        *,
        timeout_seconds: float | None = None,
        expected_price: Number | None = None,
        at_timeout: AtTimeout | str = AtTimeout.CANCEL,
    ) -> OrderWatch:
        """Watch an order from now on; returns at once.

        `timeout_seconds`: None for the configuration's, `math.inf` for none; it counts from this call.
        `expected_price`: in the quote currency, for slippage. `at_timeout`: `"cancel"`, or `"leave"` for orders that
        are not ours to touch. The same id again gives the same watch; with other parameters it raises `WatchConflict`.
        After its result a new watch looks afresh. Raises `ValueError` for a malformed id or parameter, `EngineClosed`
        when the engine has ended, `RuntimeError` outside the engine's own event loop.
        """
        office = self._open_office()
        return office.watch(
            order_id, timeout_seconds=timeout_seconds, expected_price=expected_price, at_timeout=at_timeout
        )

    async def recover(self) -> tuple[OrderWatch, ...]:
        """Take up every watch that the journal holds open, and return those that were; call it once after entering.

        Each has what is left of its time by the wall clock, and goes to its final check if nothing is; `elapsed_time`
        goes on from the first `watch()`, looks and requests are counted anew. One whose result was `UNRESOLVED` is done
        already, with that result, and looked at until its end is known, which comes as an amendment. Orders of trades
        are left to `SmartOrderExecutor.recover`, those that are watched already as they are: calling it again does no
        harm. Without a journal there is nothing to recover. Raises `JournalError` when the journal cannot be read, and
        `EngineClosed` and `RuntimeError` as `watch` does.
        """
        self._open_office()
        if self.journal is None:
            return ()
        from fillwatch.engine.resuming import left_open  # late: most engines keep no journal

        left = await left_open(self.journal)
        return self._open_office().resume(left) if left else ()

    async def monitor_order_fill(
        self,
        order_id: str,
        timeout_seconds: float | None = None,
        *,
        expected_price: Number | None = None,
        at_timeout: AtTimeout | str = AtTimeout.CANCEL,
    ) -> FillResult:
        """Watch an order and wait for its result. Takes and raises what `watch` and awaiting it do."""
        return await self.watch(
            order_id, timeout_seconds=timeout_seconds, expected_price=expected_price, at_timeout=at_timeout
        )

    async def as_resolved(
        self,
        order_ids: Iterable[str],
        *,
        timeout_seconds: float | None = None,
        expected_price: Number | None = None,
        at_timeout: AtTimeout | str = AtTimeout.CANCEL,
    ) -> AsyncIterator[FillResult]:
        """Watch many orders; their results as they come. Takes and raises what `watch` and awaiting it do."""
        ready: asyncio.Queue[asyncio.Future[FillResult]] = asyncio.Queue()
        futures = {
            self.watch(
                order_id, timeout_seconds=timeout_seconds, expected_price=expected_price, at_timeout=at_timeout
            ).future
            for order_id in order_ids
        }
        for future in futures:
            future.add_done_callback(ready.put_nowait)
        for _ in futures:
            yield (await ready.get()).result()

    def amendments(self) -> AsyncIterator[Amendment]:
        """Facts that came after results: first those kept (the last 1,000), then new ones until the engine ends."""
        return self._entered().outcomes.amendments()

    def reconfigure(self, config: FillDetectionConfig) -> None:
        """Go on with `config`; running watches follow it at once. Raises `EngineClosed` when the engine has ended."""
        self._config = config
        self._open_office().reconfigure(config)

    def snapshot(self) -> EngineSnapshot:
        """The open watches with their beliefs and ages, the limiter, and counts."""
        return self._entered().snapshot()

    @property
    def positions(self) -> PositionsView:
        """Our positions by symbol, in shares, shorts negative: what the broker held at the start and fills since."""
        return PositionsView(self._entered().book)

    @property
    def final_verification(self) -> FinalVerificationHandler:
        """The final check, to bring an order's timeout forward."""
        return self._open_office().final_check

    @property
    def trading(self) -> TradingDoor:
        """Orders through the engine's limiter, for those who trade. Raises as `watch` does."""
        return self._open_office().trading

    async def validate_fill_consistency(self, order_id: str, expected_qty: Number | None = None) -> ConsistencyResult:
        """Compare the broker's position of an order's symbol with `expected_qty` (shares), or with ours if None."""
        expected = None if expected_qty is None else exact(expected_qty, "expected_qty")
        return await self._open_office().consistency.validate_fill_consistency(order_id, expected)

    async def aclose(self) -> None:
        """End every watch without touching an order; requests in flight may finish within 10 s. May be repeated."""
        if self._left or self._office is None:
            return
        self._left = True
        await self._office.close()

    def _entered(self) -> Office:
        if self._office is None:
            raise RuntimeError("the engine is not running; use `async with FillDetectionEngine(...) as engine:`")
        return self._office

    def _open_office(self) -> Office:
        office = self._entered()
        if threading.get_ident() != self._thread:
            raise RuntimeError("an engine may be used from the thread that entered it only")
        if self._left:
            raise EngineClosed("the engine was left")
        return office


def _adapted(broker: object) -> Broker:
    if isinstance(broker, Broker):
        return broker
    from fillwatch.brokers import adapt  # late: most engines are given a Broker, and adapters load a vendor's world

    return adapt(broker)
