"""What every answer of a `Broker` has to be while nothing goes wrong."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

from fillwatch.brokers.base import (
    Accepted,
    Account,
    AlreadyTerminal,
    Broker,
    Fills,
    Listing,
    MarketClock,
    NotThere,
    Operation,
    Positions,
    Refused,
    Requested,
)
from fillwatch.core.errors import PermanentError
from fillwatch.core.evidence import Missing, Seen
from fillwatch.core.orders import Execution, OrderRequest, OrderSnapshot, Side
from fillwatch.simulator import USUAL_MIX, Fate, Truth
from fillwatch.testing.conformance_stage import Scene, Stage, Stages


class Answers(Stages):
    """On a calm day."""

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

    def test_a_look_says_what_the_broker_knows(self) -> None:
        """Of an order in whatever state, each figure and each word; a word nobody has heard of is alive."""

        async def act(scene: Scene) -> None:
            placed = [scene.world.place(fate=fate) for fate in Fate if fate in USUAL_MIX]
            for wait in (0.7, 3.0, 20.0):
                await asyncio.sleep(wait)
                for order_id in placed:
                    before = scene.world.ledger.truth(order_id)
                    seen = await scene.broker.look(order_id)
                    after = scene.world.ledger.truth(order_id)
                    assert isinstance(seen, Seen)
                    if before == after and before.fate is not Fate.LATE_FIELDS:
                        assert told(seen.order) == truly(before), f"an order that is {before.raw_status}"

        self.play(act)

    def test_an_order_is_found_by_the_id_its_sender_gave_it(self) -> None:
        """It is how the answer to a lost submit is found."""

        async def act(scene: Scene) -> None:
            truth = scene.world.ledger.truth(scene.world.place())
            seen = await scene.broker.look_by_client_id(truth.client_order_id)
            assert isinstance(seen, Seen)
            assert (seen.order.order_id, seen.order.client_order_id) == (truth.order_id, truth.client_order_id)
            assert isinstance(await scene.broker.look_by_client_id("nobody's"), Missing)

        self.play(act)

    def test_a_submit_places_one_order_as_it_was_asked_for(self) -> None:
        """Decimals survive the way there."""

        async def act(scene: Scene) -> None:
            for number, request in enumerate(REQUESTS):
                answer = await scene.broker.submit(replace(request, client_order_id=f"mine-{number}"))
                assert isinstance(answer, Accepted)
                truth = scene.world.ledger.truth(answer.order.order_id)
                assert (truth.client_order_id, truth.symbol, truth.side) == (
                    *(f"mine-{number}", request.symbol, request.side),
                )
                assert (truth.qty, truth.notional) == (request.qty, request.notional)

        self.play(act)

    def test_a_submit_that_the_broker_refuses_is_refused(self) -> None:
        """It is known that there is no order."""

        async def act(scene: Scene) -> None:
            answer = await scene.broker.submit(OrderRequest(symbol="SPY", side=Side.BUY, qty=Decimal(10**11)))
            assert isinstance(answer, Refused)
            assert isinstance(answer.error, PermanentError)
            assert not scene.world.ledger.order_ids

        self.play(act)

    def test_positions_are_signed_and_those_of_the_tape(self) -> None:
        """A short one is negative, a flat one is absent."""

        async def act(scene: Scene) -> None:
            for side, qty in ((Side.BUY, 30), (Side.SELL, 70)):
                request = OrderRequest(symbol="F", side=side, qty=Decimal(qty))
                scene.world.place(request, Fate.INSTANT)
                scene.world.place(replace(request, symbol="SPY" if side is Side.BUY else "QQQ"), Fate.INSTANT)
            await asyncio.sleep(1.0)
            answer = await scene.broker.positions()
            assert isinstance(answer, Positions)
            assert dict(answer.quantities) == {"F": Decimal(-40), "SPY": Decimal(30), "QQQ": Decimal(-70)}

        self.play(act)

    def test_account_and_clock_answer(self) -> None:
        """The account may trade, and the clock is aware of its zone."""

        async def scene(stage: Stage) -> None:
            account, clock = await stage.broker.account(), await stage.broker.clock()
            assert isinstance(account, Account)
            assert isinstance(clock, MarketClock)
            assert account.can_trade
            assert clock.at.tzinfo is not None
            assert clock.at < clock.next_close

        self.run(scene)


REQUESTS = (
    OrderRequest(symbol="SPY", side=Side.BUY, qty=Decimal(7)),
    OrderRequest(symbol="SPY", side=Side.SELL, qty=Decimal("0.123456789")),
    OrderRequest(symbol="SPY", side=Side.BUY, notional=Decimal("1234.56")),
    OrderRequest(symbol="SPY", side=Side.BUY, qty=Decimal(3), order_type="limit", limit_price=Decimal("0.01")),
)


def told(order: OrderSnapshot) -> tuple[object, ...]:
    """What a snapshot says, to be compared with `truly`."""
    executed = order.filled_qty or Decimal(0)
    price = order.filled_avg_price if executed else None
    return order.order_id, order.symbol, order.side, order.status, executed, price, order.qty, order.replaced_by


def truly(truth: Truth) -> tuple[object, ...]:
    """What there is to say."""
    executed, price = truth.filled_qty, truth.shown_average if truth.filled_qty else None
    return truth.order_id, truth.symbol, truth.side, truth.status, executed, price, truth.qty, truth.replaced_by
