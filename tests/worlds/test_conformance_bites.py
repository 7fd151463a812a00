"""Does the conformance kit bite? Brokers with one known defect each, and the test of the kit that finds it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from fillwatch.brokers.base import (
    AlreadyTerminal,
    Broker,
    CancelAnswer,
    Fills,
    Listing,
    Operation,
    Positions,
    Refused,
    Requested,
    SubmitAnswer,
    Unknown,
)
from fillwatch.brokers.push import Connected, Disconnected, Event, Gap
from fillwatch.core.errors import BrokerError
from fillwatch.core.evidence import Look, Missing, Route, Seen, Unanswered
from fillwatch.core.orders import ExecutionKind, OrderRequest, OrderSnapshot, OrderStatus
from fillwatch.simulator import Kind, SimulatedBroker, World
from fillwatch.testing.conformance import BrokerConformance
from fillwatch.testing.conformance_push import Pushed


class Defective(SimulatedBroker):
    """A broker in memory, to be made worse."""

    def __init__(self, world: World) -> None:
        super().__init__(world, page_size=20, fills_page_size=20)


class Raises(Defective):
    async def look(self, order_id: str) -> Look:
        answer = await super().look(order_id)
        if isinstance(answer, Unanswered):
            raise answer.error
        return answer


class CallsFailuresMissing(Defective):
    """As hummingbot does: whatever goes wrong is "not found"."""

    async def look(self, order_id: str) -> Look:
        answer = await super().look(order_id)
        if isinstance(answer, Unanswered):
            return Missing(order_id=order_id, route=Route.ORDER, as_of=answer.as_of)
        return answer


class CallsFailuresEmpty(Defective):
    async def list(self, *, after: datetime | None = None, until: datetime | None = None) -> Listing | Unanswered:
        answer = await super().list(after=after, until=until)
        if isinstance(answer, Unanswered):
            return Listing(orders=(), complete=True, until=None, as_of=answer.as_of)
        return answer


class TakesOnePageForAll(Defective):
    async def list(self, *, after: datetime | None = None, until: datetime | None = None) -> Listing | Unanswered:
        answer = await super().list(after=after, until=until)
        return replace(answer, complete=True, until=None) if isinstance(answer, Listing) else answer


class StepsOverTheSeam(Defective):
    """The order on the seam of two pages is on neither."""

    async def list(self, *, after: datetime | None = None, until: datetime | None = None) -> Listing | Unanswered:
        answer = await super().list(after=after, until=until)
        if isinstance(answer, Listing) and answer.orders and answer.until is not None:
            return replace(answer, orders=answer.orders[:-1], until=answer.until - timedelta(microseconds=2))
        return answer


class CallsAllOfThemEnded(Defective):
    """As a broker does that takes no notice of the status it is asked for."""

    async def ended(self, *, after: datetime | None = None, until: datetime | None = None) -> Listing | Unanswered:
        return await super().list(after=after, until=until)


class ForgetsBounds(Defective):
    async def list(self, *, after: datetime | None = None, until: datetime | None = None) -> Listing | Unanswered:
        return await super().list(until=until)


class TakesBustsForFills(Defective):
    async def fills(self, *, after: datetime | None = None, page_token: str | None = None) -> Fills | Unanswered:
        answer = await super().fills(after=after, page_token=page_token)
        if isinstance(answer, Unanswered):
            return answer
        rows = (replace(row, kind=ExecutionKind.FILL, previous_id=None) for row in answer.executions)
        return replace(answer, executions=tuple(rows))


class KeepsOnePageOfTheTape(Defective):
    async def fills(self, *, after: datetime | None = None, page_token: str | None = None) -> Fills | Unanswered:
        answer = await super().fills(after=after, page_token=page_token)
        return replace(answer, complete=True, page_token=None) if isinstance(answer, Fills) else answer


class ForgetsTheSign(Defective):
    async def positions(self) -> Positions | Unanswered:
        answer = await super().positions()
        if isinstance(answer, Unanswered):
            return answer
        return replace(answer, quantities={symbol: abs(qty) for symbol, qty in answer.quantities.items()})


class GoesThroughFloats(Defective):
    async def submit(self, request: OrderRequest) -> SubmitAnswer:
        qty = None if request.qty is None else Decimal(round(float(request.qty), 6))
        return await super().submit(replace(request, qty=qty))


class SubmitsTwice(Defective):
    """As alpaca-py does: a POST is repeated after a 504."""

    async def submit(self, request: OrderRequest) -> SubmitAnswer:
        answer = await super().submit(request)
        return await super().submit(request) if isinstance(answer, Unknown) else answer


class CallsLostSubmitsRefused(Defective):
    async def submit(self, request: OrderRequest) -> SubmitAnswer:
        answer = await super().submit(request)
        return Refused(error=answer.error) if isinstance(answer, Unknown) else answer


class TakesRequestsForCancels(Defective):
    async def cancel(self, order_id: str) -> CancelAnswer:
        answer = await super().cancel(order_id)
        return AlreadyTerminal(status=OrderStatus.CANCELED) if isinstance(answer, Requested) else answer


class CallsLostCancelsTaken(Defective):
    async def cancel(self, order_id: str) -> CancelAnswer:
        answer = await super().cancel(order_id)
        return Requested() if isinstance(answer, Unknown) else answer


class CallsPartialFillsFilled(Defective):
    """As DayTraderAI did: an average price above nothing proves a fill."""

    async def look(self, order_id: str) -> Look:
        answer = await super().look(order_id)
        return replace(answer, order=_filled(answer.order)) if isinstance(answer, Seen) else answer

    async def list(self, *, after: datetime | None = None, until: datetime | None = None) -> Listing | Unanswered:
        answer = await super().list(after=after, until=until)
        if isinstance(answer, Unanswered):
            return answer
        return replace(answer, orders=tuple(_filled(order) for order in answer.orders))


def _filled(order: OrderSnapshot) -> OrderSnapshot:
    return replace(order, status=OrderStatus.FILLED, raw_status="filled") if order.filled_avg_price else order


class TakesAnythingForAnId(Defective):
    def check_order_id(self, order_id: str) -> str:
        return order_id


class AnswersForAnotherTime(Defective):
    async def look(self, order_id: str) -> Look:
        answer = await super().look(order_id)
        return replace(answer, as_of=answer.as_of + 60.0)


class Pushing(Defective):
    """Sound, and pushing."""

    def __init__(self, world: World) -> None:
        SimulatedBroker.__init__(self, world, stream=True)


class LeavesOutExecutions(Pushing):
    async def events(self) -> AsyncIterator[tuple[Event, ...]]:
        async for batch in super().events():
            yield tuple(replace(event, execution=None) if isinstance(event, Seen) else event for event in batch)


class SaysNothingOfGaps(Pushing):
    async def events(self) -> AsyncIterator[tuple[Event, ...]]:
        async for batch in super().events():
            if rest := tuple(event for event in batch if not isinstance(event, Gap)):
                yield rest


class EndsWithTheConnection(Pushing):
    """As alpaca-py did: connected for good, and deaf."""

    async def events(self) -> AsyncIterator[tuple[Event, ...]]:
        async for batch in super().events():
            yield batch
            if any(isinstance(event, Disconnected) for event in batch):
                return


class BelievesInSilence(Pushing):
    async def events(self) -> AsyncIterator[tuple[Event, ...]]:
        async for batch in super().events():
            if rest := tuple(event for event in batch if not isinstance(event, Disconnected)):
                yield rest


class HearsNothing(Pushing):
    """Connected, it says, and has not even asked."""

    async def events(self) -> AsyncIterator[tuple[Event, ...]]:
        yield (Connected(as_of=asyncio.get_running_loop().time()),)
        await asyncio.Event().wait()


def kit_for(defect: type[Defective]) -> BrokerConformance:
    class Kit(BrokerConformance):
        ORDERS = 24
        PUSHES = issubclass(defect, Pushing)

        @asynccontextmanager
        async def over(self, world: World) -> AsyncIterator[Broker]:
            yield defect(world)

    return Kit()


Found = Callable[[BrokerConformance], None]
DEFECTS: list[tuple[type[Defective], Found]] = [
    (Raises, lambda kit: kit.test_a_read_without_an_answer_is_unanswered(Kind.RESET_BEFORE, Operation.LOOK)),
    (
        CallsFailuresMissing,
        lambda kit: kit.test_a_read_without_an_answer_is_unanswered(Kind.SERVER_ERROR, Operation.LOOK),
    ),
    (CallsFailuresMissing, lambda kit: kit.test_an_outage_is_survived()),
    (CallsFailuresEmpty, lambda kit: kit.test_a_read_without_an_answer_is_unanswered(Kind.CUT_OFF, Operation.LIST)),
    (
        CallsFailuresEmpty,
        lambda kit: kit.test_a_page_that_is_lost_proves_nothing_and_can_be_asked_for_again(Kind.CUT_OFF),
    ),
    (TakesOnePageForAll, lambda kit: kit.test_the_list_is_complete_when_it_says_so_and_not_before()),
    (StepsOverTheSeam, lambda kit: kit.test_the_list_is_complete_when_it_says_so_and_not_before()),
    (
        CallsAllOfThemEnded,
        lambda kit: kit.test_a_list_of_the_ended_alone_has_every_end_and_no_order_at_rest(),
    ),
    (ForgetsBounds, lambda kit: kit.test_bounds_of_the_list_are_kept()),
    (TakesBustsForFills, lambda kit: kit.test_the_tape_is_the_ledgers_row_by_row()),
    (KeepsOnePageOfTheTape, lambda kit: kit.test_the_tape_is_the_ledgers_row_by_row()),
    (ForgetsTheSign, lambda kit: kit.test_positions_are_signed_and_those_of_the_tape()),
    (GoesThroughFloats, lambda kit: kit.test_a_submit_places_one_order_as_it_was_asked_for()),
    (SubmitsTwice, lambda kit: kit.test_a_submit_without_an_answer_is_unknown_and_sent_once(Kind.ERROR_AFTER)),
    (
        CallsLostSubmitsRefused,
        lambda kit: kit.test_a_submit_without_an_answer_is_unknown_and_sent_once(Kind.TIMEOUT_AFTER),
    ),
    (TakesRequestsForCancels, lambda kit: kit.test_a_cancel_is_requested_or_too_late()),
    (CallsLostCancelsTaken, lambda kit: kit.test_a_cancel_without_an_answer_is_unknown(Kind.RESET_BEFORE)),
    (CallsPartialFillsFilled, lambda kit: kit.test_a_look_says_what_the_broker_knows()),
    (CallsPartialFillsFilled, lambda kit: kit.test_an_engine_tells_the_truth_in_every_scenario("calm")),
    (TakesAnythingForAnId, lambda kit: kit.test_a_malformed_id_is_a_value_error()),
    (LeavesOutExecutions, lambda kit: kit.test_the_feed_tells_what_the_ledger_says()),
    (SaysNothingOfGaps, lambda kit: kit.test_what_cannot_be_read_is_a_gap()),
    (EndsWithTheConnection, lambda kit: kit.test_a_lost_connection_is_told_and_made_again()),
    (BelievesInSilence, lambda kit: kit.test_a_connection_that_falls_silent_is_given_up()),
    (BelievesInSilence, lambda kit: kit.test_a_slot_that_somebody_else_holds_is_told_apart()),
    (HearsNothing, lambda kit: kit.test_an_engine_tells_the_truth_in_every_scenario("mute-stream")),
    (
        AnswersForAnotherTime,
        lambda kit: kit.test_a_look_describes_the_order_and_is_stamped_when_it_was_sent(),
    ),
]


@pytest.mark.parametrize(("defect", "found"), DEFECTS, ids=lambda part: getattr(part, "__name__", "").strip("<>"))
def test_a_known_defect_is_found(defect: type[Defective], found: Found) -> None:
    found(kit_for(Pushing if issubclass(defect, Pushing) else Defective))
    with pytest.raises((AssertionError, BrokerError)):
        found(kit_for(defect))


def test_who_does_not_push_has_to_say_so() -> None:
    class Silent(BrokerConformance):
        @asynccontextmanager
        async def over(self, world: World) -> AsyncIterator[Broker]:
            yield SimulatedBroker(world)

    with pytest.raises(AssertionError, match="PUSHES = False"):
        Silent().test_a_lost_connection_is_told_and_made_again()


def test_of_who_does_not_push_no_test_of_pushing_is_collected() -> None:
    kit = kit_for(Defective)
    pushed = [name for name in vars(Pushed) if name.startswith("test_")]
    assert len(pushed) >= 6
    assert not any(callable(getattr(kit, name)) for name in pushed)
    assert callable(kit.test_an_outage_is_survived)
