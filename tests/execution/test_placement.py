"""What answers of the broker come to in the dialogue that places an order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

import pytest

from fillwatch.brokers.base import Accepted, Refused, SubmitAnswer, Unknown
from fillwatch.core.errors import PermanentError, RateLimited, TransientError
from fillwatch.core.evidence import Look, Missing, Route
from fillwatch.core.orders import OrderRequest, OrderSnapshot, OrderStatus, Side
from fillwatch.core.placing import NotThere, There, placing
from fillwatch.execution.placement import place
from fillwatch.testing import run_virtual

REQUEST = OrderRequest(symbol="AAPL", side=Side.SELL, qty=Decimal(100), client_order_id="x1")
HERE = Accepted(order=OrderSnapshot(order_id="o", status=OrderStatus.NEW))
NO_SHARES = Refused(error=PermanentError("insufficient qty available", status=403))
NO = Refused(error=PermanentError("invalid", status=422))
BUSY = Refused(error=RateLimited("slow down", status=429, reset_in=7.0))
LOST = Unknown(error=TransientError("gone"))


class Counter:
    """A desk that gives scripted answers, the last for ever; each takes a tenth of a second."""

    def __init__(self, *answers: SubmitAnswer) -> None:
        self.sent: list[float] = []
        self._answers = list(answers)

    async def submit(
        self, request: OrderRequest, *, protects: bool, on_sent: Callable[[float], None] | None = None
    ) -> SubmitAnswer:
        self.sent.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.1)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    async def find(self, client_order_id: str, *, on_sent: Callable[[float], None] | None = None) -> Look:
        await asyncio.sleep(0.1)
        return Missing(order_id=client_order_id, route=Route.CLIENT_ID, as_of=asyncio.get_running_loop().time())


def held(*answers: SubmitAnswer, protects: bool) -> tuple[There | NotThere, list[float]]:
    counter = Counter(*answers)

    async def run() -> There | NotThere:
        now = asyncio.get_running_loop().time()
        return await place(
            counter,  # type: ignore[arg-type]  # the two methods of the door that are used
            REQUEST,
            placing(now=now, patience=30.0, quarantine=60.0, begun=False, protects=protects),
            protects=protects,
            insist_until=now + 15.0,
            on_sent=lambda _: None,
            on_doubt=lambda reason: asyncio.sleep(0),
        )

    return run_virtual(run), counter.sent


@pytest.mark.parametrize(
    ("answers", "protects", "there", "sent"),
    [
        ([HERE], False, True, 1),
        ([NO], False, False, 1),
        ([NO], True, False, 1),
        ([NO_SHARES], False, False, 1),
        ([NO_SHARES, NO_SHARES, HERE], True, True, 3),  # the position is not booked yet
        ([BUSY, HERE], False, True, 2),
        ([LOST, HERE], False, True, 2),
    ],
)
def test_answers(answers: list[SubmitAnswer], protects: bool, there: bool, sent: int) -> None:
    came, times = held(*answers, protects=protects)
    assert isinstance(came, There) == there
    assert len(times) == sent


def test_shares_that_are_never_free_are_waited_for_so_long_and_no_longer() -> None:
    came, times = held(NO_SHARES, protects=True)
    assert came == NotThere(reason="insufficient qty available")
    assert 15.0 <= times[-1] - times[0] <= 21.0


def test_a_rate_limit_is_sat_out() -> None:
    _, times = held(BUSY, HERE, protects=False)
    assert times[1] - times[0] >= 7.0
