"""What every answer of a `Broker` has to be when something goes wrong: one fault at a time, on each operation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType

import pytest

from fillwatch.brokers.base import (
    Accepted,
    AlreadyTerminal,
    CancelAnswer,
    Operation,
    Refused,
    Requested,
    SubmitAnswer,
    Unknown,
)
from fillwatch.core.errors import Failure, KeysRefused
from fillwatch.core.evidence import Seen, Unanswered
from fillwatch.core.orders import OrderRequest, OrderStatus, Side
from fillwatch.simulator import Fate, Kind, Op
from fillwatch.testing.conformance_stage import Scene, Stages

MINE = "mine-1"
ASKED = OrderRequest(symbol="SPY", side=Side.BUY, qty=Decimal(10), client_order_id=MINE)
#: Seconds of grace over the time within which a call has promised to end.
GRACE = 0.1

#: Faults after which there is no answer to be had; the request may have been carried out, or surely was not.
NO_ANSWER = frozenset(
    {
        *(Kind.SERVER_ERROR, Kind.SERVER_ERROR_HTML, Kind.ERROR_AFTER, Kind.TIMEOUT_BEFORE, Kind.TIMEOUT_AFTER),
        *(Kind.RESET_BEFORE, Kind.RESET_AFTER, Kind.CUT_OFF, Kind.RATE_LIMITED, Kind.RATE_LIMITED_BARE),
    }
)
#: Those that certainly came before the request was carried out, and say so.
RATE = frozenset({Kind.RATE_LIMITED, Kind.RATE_LIMITED_BARE})
#: Those that come after it.
AFTER = frozenset({Kind.ERROR_AFTER, Kind.TIMEOUT_AFTER, Kind.RESET_AFTER, Kind.CUT_OFF})

Ask = Callable[[Scene, str], Awaitable[object]]


async def _by_client_id(scene: Scene, order_id: str) -> object:
    return await scene.broker.look_by_client_id(scene.world.ledger.truth(order_id).client_order_id)


#: The reads, how each is asked, and the simulator's name for it.
READS: Mapping[Operation, tuple[Op, Ask]] = MappingProxyType(
    {
        Operation.LOOK: (Op.LOOK, lambda scene, order_id: scene.broker.look(order_id)),
        Operation.LOOK_BY_CLIENT_ID: (Op.LOOK_BY_CLIENT_ID, _by_client_id),
        Operation.LIST: (Op.LIST, lambda scene, _: scene.broker.list()),
        Operation.FILLS: (Op.FILLS, lambda scene, _: scene.broker.fills()),
        Operation.POSITIONS: (Op.POSITIONS, lambda scene, _: scene.broker.positions()),
        Operation.ACCOUNT: (Op.ACCOUNT, lambda scene, _: scene.broker.account()),
        Operation.CLOCK: (Op.CLOCK, lambda scene, _: scene.broker.clock()),
    }
)

by_fault = pytest.mark.parametrize("kind", sorted(NO_ANSWER), ids=str)
by_read = pytest.mark.parametrize("operation", sorted(READS), ids=str)

#: What a cancel of an order with this fate has to be answered with.
CANCELS: Mapping[Fate, type[CancelAnswer]] = MappingProxyType(
    {
        Fate.NEVER: Requested,
        Fate.CANCEL_SLOW: Requested,
        Fate.CANCEL_STUCK: Requested,
        Fate.FILLED_AFTER_CANCEL: Requested,
        Fate.CANCEL_REFUSED: Refused,
        Fate.FILLED_IN_CANCEL_RACE: AlreadyTerminal,
        Fate.INSTANT: AlreadyTerminal,
    }
)


class FaultyAnswers(Stages):
    """On a bad day."""

    @by_read
    @by_fault
    def test_a_read_without_an_answer_is_unanswered(self, kind: Kind, operation: Operation) -> None:
        """Never an exception, never an empty answer, in time; and the next one is answered again."""
        op, ask = READS[operation]

        async def act(scene: Scene) -> None:
            order_id = scene.world.place(fate=Fate.INSTANT)
            scene.world.strike(kind, op)
            began = scene.now
            answer = await ask(scene, order_id)
            assert isinstance(answer, Unanswered), f"{operation} answered {answer!r} after {kind}"
            assert answer.error.failure is not Failure.PERMANENT, "it may be asked again"
            assert (answer.error.failure is Failure.RATE_LIMITED) == (kind in RATE)
            assert began <= answer.as_of <= scene.now <= began + scene.broker.caps.request_timeout + GRACE
            assert not isinstance(await ask(scene, order_id), Unanswered)

        self.play(act)

    @by_fault
    def test_a_cancel_without_an_answer_is_unknown(self, kind: Kind) -> None:
        """It may have been taken; a 429 alone may be called refused."""

        async def act(scene: Scene) -> None:
            order_id = scene.world.place()
            scene.world.strike(kind, Op.CANCEL)
            answer = await scene.broker.cancel(order_id)
            allowed = (Unknown, Refused) if kind in RATE else (Unknown, Requested) if kind is Kind.CUT_OFF else Unknown
            assert isinstance(answer, allowed), f"{answer!r} after {kind}"
            taken = bool(scene.world.ledger.truth(order_id).cancels)
            assert taken == (kind in AFTER)
            assert isinstance(await scene.broker.cancel(order_id), Requested | AlreadyTerminal)

        self.play(act)

    @by_fault
    def test_a_submit_without_an_answer_is_unknown_and_sent_once(self, kind: Kind) -> None:
        """Whether there is an order is then found by its client id; sending the same again makes no second one."""

        async def act(scene: Scene) -> None:
            scene.world.strike(kind, Op.SUBMIT)
            answer: SubmitAnswer = await scene.broker.submit(ASKED)
            assert isinstance(answer, (Unknown, Refused) if kind in RATE else Unknown), f"{answer!r} after {kind}"
            sent = [arrival for arrival in scene.world.ledger.arrivals if arrival.operation == Op.SUBMIT]
            assert len(sent) == 1, "an order is never sent twice by itself"
            assert len(scene.world.ledger.order_ids) == (kind in AFTER)
            assert isinstance(await scene.broker.look_by_client_id(MINE), Seen) == (kind in AFTER)
            assert isinstance(await scene.broker.submit(ASKED), Accepted | Refused)
            assert len(scene.world.ledger.order_ids) == 1

        self.play(act)

    @pytest.mark.parametrize("fate", sorted(CANCELS), ids=str)
    def test_a_cancel_is_answered_as_the_order_stands(self, fate: Fate) -> None:
        """Taken note of, refused, or too late; the last names the state, or none, and never a wrong one."""

        async def act(scene: Scene) -> None:
            order_id = scene.world.place(fate=fate)
            await asyncio.sleep(0.5)
            answer = await scene.broker.cancel(order_id)
            assert isinstance(answer, CANCELS[fate]), repr(answer)
            if isinstance(answer, AlreadyTerminal):
                assert answer.status in (OrderStatus.FILLED, OrderStatus.UNKNOWN)

        self.play(act)

    @by_read
    def test_refused_keys_are_told_apart(self, operation: Operation) -> None:
        """They do not get better by asking again."""

        async def act(scene: Scene) -> None:
            order_id = scene.world.place()
            scene.world.refuse_keys = True
            answer = await READS[operation][1](scene, order_id)
            assert isinstance(answer, Unanswered)
            assert isinstance(answer.error, KeysRefused)
            assert isinstance(await scene.broker.cancel(order_id), Refused)
            assert isinstance(await scene.broker.submit(ASKED), Refused)

        self.play(act)

    def test_a_stale_answer_is_an_answer(self) -> None:
        """The broker cannot tell, and must not refuse it."""

        async def act(scene: Scene) -> None:
            order_id = scene.world.place(fate=Fate.INSTANT)
            await asyncio.sleep(0.5)
            scene.world.strike(Kind.STALE, Op.LOOK)
            assert isinstance(await scene.broker.look(order_id), Seen)

        self.play(act)

    def test_callers_that_give_up_do_no_harm(self) -> None:
        """Many requests abandoned in the middle of a hang; the broker goes on as before."""

        async def act(scene: Scene) -> None:
            order_id = scene.world.place()
            for _ in range(3):
                black_out(scene, 1.0)
                asked = [asyncio.create_task(scene.broker.look(order_id)) for _ in range(10)]
                await asyncio.sleep(0.5)
                for task in asked:
                    task.cancel()
                await asyncio.wait(asked)
                await asyncio.sleep(2 * scene.broker.caps.request_timeout)
                answers = await asyncio.gather(*(scene.broker.look(order_id) for _ in range(10)))
                assert all(isinstance(answer, Seen) for answer in answers), answers

        self.play(act)

    def test_an_outage_is_survived(self) -> None:
        """While nothing answers every read ends unanswered in time, and the first one after it is answered."""

        async def act(scene: Scene) -> None:
            order_id = scene.world.place()
            black_out(scene, 30.0)
            while scene.world.faults.is_out(scene.now - scene.world.start):
                began = scene.now
                assert isinstance(await scene.broker.look(order_id), Unanswered)
                assert scene.now <= began + scene.broker.caps.request_timeout + GRACE
            assert isinstance(await scene.broker.look(order_id), Seen)

        self.play(act)


def black_out(scene: Scene, seconds: float) -> None:
    """Let nothing answer from now on, for so long."""
    since = scene.now - scene.world.start
    scene.world.faults = replace(scene.world.faults, outages=((since, since + seconds),))
