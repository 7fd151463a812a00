"""What every `Broker` has to keep to, as tests to be inherited: write an adapter, subclass, and run them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from fillwatch.brokers.base import (
    AlreadyTerminal,
    Broker,
    Fills,
    Listing,
    NotThere,
    Operation,
    Positions,
    Requested,
)
from fillwatch.core.evidence import Missing, Seen
from fillwatch.core.orders import Execution
from fillwatch.testing.loop import run_virtual


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A broker that answers properly; `open_id` rests there, `filled_id` is filled, `unknown_id` is no order of it."""

    broker: Broker
    open_id: str
    filled_id: str
    unknown_id: str
    malformed: tuple[str, ...] = field(default=("", "../account", "x?status=all"))


class BrokerConformance:
    """Subclass as `class TestMine(BrokerConformance)` and give `stage`; each test opens a stage of its own.

    Runs in virtual time; override `run` for a broker that cannot.
    """

    def stage(self) -> AbstractAsyncContextManager[Stage]:
        """A stage, to be entered in the running loop."""
        raise NotImplementedError("give the broker to be tested")

    def run(self, scene: Callable[[Stage], Awaitable[None]]) -> None:
        """Play one scene on a stage of its own."""

        async def play() -> None:
            async with self.stage() as stage:
                await scene(stage)

        run_virtual(play)

    def test_it_is_a_broker(self) -> None:
        """Every method of the protocol is there, each with a cost."""

        async def scene(stage: Stage) -> None:
            assert isinstance(stage.broker, Broker)
            assert all(stage.broker.cost(operation) >= 1 for operation in Operation)

        self.run(scene)

    def test_a_malformed_id_is_a_value_error(self) -> None:
        """It never reaches the wire, where an empty one may mean every order."""

        async def scene(stage: Stage) -> None:
            for text in stage.malformed:
                for call in (stage.broker.look, stage.broker.cancel):
                    try:
                        await call(text)
                    except ValueError:
                        continue
                    raise AssertionError(f"{text!r} was taken for an order id")

        self.run(scene)

    def test_a_look_describes_the_order_and_is_stamped_when_it_was_sent(self) -> None:
        """`as_of` is the earliest moment at which the answer can be true."""

        async def scene(stage: Stage) -> None:
            before = asyncio.get_running_loop().time()
            seen = await stage.broker.look(stage.filled_id)
            assert isinstance(seen, Seen)
            assert seen.order.order_id == stage.filled_id
            assert seen.order.status.is_terminal
            assert before <= seen.as_of <= asyncio.get_running_loop().time()

        self.run(scene)

    def test_an_unknown_order_is_missing(self) -> None:
        """An answer, and not an error."""

        async def scene(stage: Stage) -> None:
            assert isinstance(await stage.broker.look(stage.unknown_id), Missing)
            assert isinstance(await stage.broker.cancel(stage.unknown_id), NotThere)

        self.run(scene)

    def test_a_cancel_is_requested_or_too_late(self) -> None:
        """What was requested is not done yet; what is over says so."""

        async def scene(stage: Stage) -> None:
            assert isinstance(await stage.broker.cancel(stage.open_id), Requested)
            assert isinstance(await stage.broker.cancel(stage.filled_id), AlreadyTerminal)

        self.run(scene)

    def test_the_pages_of_the_list_show_every_order(self) -> None:
        """Open and ended ones, to the last page, which says that it is the last."""

        async def scene(stage: Stage) -> None:
            shown: set[str] = set()
            page = await stage.broker.list()
            while True:
                assert isinstance(page, Listing)
                shown.update(order.order_id for order in page.orders)
                if page.complete:
                    break
                page = await stage.broker.list(until=page.until)
            assert {stage.open_id, stage.filled_id} <= shown

        self.run(scene)

    def test_the_tape_holds_the_fill(self) -> None:
        """Oldest first, to the last page."""

        async def scene(stage: Stage) -> None:
            rows: list[Execution] = []
            page = await stage.broker.fills()
            while True:
                assert isinstance(page, Fills)
                rows += page.executions
                if page.complete:
                    break
                page = await stage.broker.fills(page_token=page.page_token)
            assert stage.filled_id in {row.order_id for row in rows}
            assert isinstance(await stage.broker.positions(), Positions)

        self.run(scene)

    def test_closing_twice_is_allowed(self) -> None:
        """The engine and its caller may both do it."""

        async def scene(stage: Stage) -> None:
            await stage.broker.aclose()
            await stage.broker.aclose()

        self.run(scene)
