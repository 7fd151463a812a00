"""`OrderWatch`: what a caller holds of one watched order."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Generator
from typing import TYPE_CHECKING, Any

from fillwatch.core.belief import OrderBelief
from fillwatch.core.evidence import Route
from fillwatch.core.results import ConsistencyResult, FillResult, Transition

if TYPE_CHECKING:
    from fillwatch.engine.case import Case


class OrderWatch:
    """One order being watched. Awaiting it gives its one `FillResult`; many may await it, and one that gives up
    disturbs none. Iterating gives transitions: first the present belief, last the one before the result.

    `await` raises `EngineClosed` (with `.belief`) if the engine is left before the result, and nothing else.
    """

    __slots__ = ("__weakref__", "_case", "_look", "_release")

    def __init__(self, case: Case, release: Callable[[Case], None], look: Callable[[Case], None]) -> None:
        self._case = case
        self._release = release
        self._look = look

    def __await__(self) -> Generator[Any, None, FillResult]:
        # The shield keeps one waiter's cancellation from reaching the others; anyio.Future would do it at six times
        # the memory (an Event each).
        return asyncio.shield(self._case.result.future).__await__()

    def __aiter__(self) -> AsyncIterator[Transition]:
        case = self._case
        belief = case.chain.current
        present = Transition(
            order_id=belief.order_id,
            before=None,
            status=belief.status,
            filled_quantity=case.chain.filled_quantity,
            requested_quantity=belief.qty,
            route=belief.route,
            at=asyncio.get_running_loop().time(),
            successor_id=belief.replaced_by,
        )
        return case.changes.listen([present])

    @property
    def order_id(self) -> str:
        """The id that was handed in, in the broker's canonical form."""
        return self._case.order_id

    @property
    def belief(self) -> OrderBelief:
        """What is believed of the order now (of its successor, if it was replaced). It changes: do not keep it."""
        return self._case.chain.current

    @property
    def age(self) -> float:
        """Seconds since the latest moment for which the broker described the order; infinite before it did."""
        seen = self._case.chain.seen_as_of
        return asyncio.get_running_loop().time() - seen if seen > -math.inf else math.inf

    @property
    def route(self) -> Route | None:
        """The route that described the order last."""
        return self._case.chain.current.route

    async def fresh(self, max_age: float = 0.0) -> OrderBelief:
        """The belief, once the broker has described the order at a moment that is at most `max_age` seconds old.

        A look is asked for if need be, before those that are merely due, and again until one is answered: bound the
        wait with `asyncio.timeout`. Raises `EngineClosed` when the engine is or has been left, `ValueError` for an
        age below 0.
        """
        if not max_age >= 0:
            raise ValueError(f"max_age: {max_age!r} is not allowed; it must be at least 0 seconds")
        since = asyncio.get_running_loop().time() - max_age
        while self._case.chain.seen_as_of < since:
            self._look(self._case)
            await self._case.heard()
        return self.belief

    @property
    def future(self) -> asyncio.Future[FillResult]:
        """The result as a future, for callbacks. Await the watch, not this: cancelling it would end it for all."""
        return self._case.result.future

    def done(self) -> bool:
        """Whether the result (or `EngineClosed`) is there."""
        return not self._case.is_live

    async def consistency(self) -> ConsistencyResult:
        """The broker's position against ours, once it could be compared; raises `EngineClosed` as `await` does."""
        return await asyncio.shield(self._case.consistency.future)

    def release(self) -> None:
        """Stop watching without touching the order. An unfinished watch ends as `UNRESOLVED`, reason "released"."""
        self._release(self._case)

    def __repr__(self) -> str:
        state = "done" if self.done() else "watching"
        return f"<OrderWatch {self.order_id} {self._case.chain.current.status.value} {state}>"
