"""The in-memory broker keeps every promise of the `Broker` protocol, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TypeVar

import pytest

from fillwatch.brokers.base import (
    Accepted,
    Account,
    AlreadyTerminal,
    Broker,
    Fills,
    Listing,
    MarketClock,
    NotThere,
    Positions,
    Refused,
    Requested,
    Unknown,
)
from fillwatch.core.errors import AmbiguousError, BrokerError, Failure, KeysRefused, RateLimited, TransientError
from fillwatch.core.evidence import Missing, Route, Seen, Unanswered
from fillwatch.core.orders import OrderRequest, OrderStatus, Side
from fillwatch.simulator import Fate, Faults, Kind, Op, SimulatedBroker, World
from fillwatch.testing import run_virtual

T = TypeVar("T")
NOBODY = "00000000-0000-4000-8000-000000000000"


def with_broker(
    test: Callable[[SimulatedBroker], Awaitable[T]],
    *,
    faults: Faults | None = None,
    latency: tuple[float, float] = (0.02, 0.08),
    page_size: int = 500,
    fills_page_size: int = 100,
    requests_per_minute: int | None = None,
) -> T:
    """Run `test` with a fresh world, whose clock is the virtual loop's."""

    async def run() -> T:
        world = World(
            2,
            clock=asyncio.get_running_loop().time,
            faults=faults or Faults(),
            fate=Fate.INSTANT,
            requests_per_minute=requests_per_minute,
        )
        broker = SimulatedBroker(world, latency=latency, page_size=page_size, fills_page_size=fills_page_size)
        result = await test(broker)
        await broker.aclose()
        return result

    return run_virtual(run)


def now() -> float:
    """The virtual clock."""
    return asyncio.get_running_loop().time()


def test_the_calm_path_from_submit_to_position() -> None:
    async def test(broker: SimulatedBroker) -> None:
        assert isinstance(broker, Broker)
        request = OrderRequest(symbol="AAPL", side=Side.SELL, qty=Decimal(5), client_order_id="mine")
        accepted = await broker.submit(request)
        assert isinstance(accepted, Accepted)
        order_id = accepted.order.order_id
        assert not accepted.order.status.is_terminal
        await asyncio.sleep(0.1)
        sent = now()
        seen = await broker.look(order_id.upper())
        assert isinstance(seen, Seen)
        assert (seen.order.status, seen.route, seen.as_of) == (OrderStatus.FILLED, Route.ORDER, sent)
        by_client_id = await broker.look_by_client_id("mine")
        assert isinstance(by_client_id, Seen)
        assert (by_client_id.order, by_client_id.route) == (seen.order, Route.CLIENT_ID)
        page = await broker.list()
        assert isinstance(page, Listing)
        assert (page.orders, page.complete, page.until) == ((seen.order,), True, None)
        fills = await broker.fills()
        assert isinstance(fills, Fills)
        assert sum(row.qty for row in fills.executions) == 5
        positions = await broker.positions()
        assert isinstance(positions, Positions)
        assert positions.quantities == {"AAPL": Decimal(-5)}
        account, clock = await broker.account(), await broker.clock()
        assert isinstance(account, Account)
        assert account.can_trade
        assert isinstance(clock, MarketClock)
        assert clock.is_open
        assert clock.at < clock.next_close < clock.next_open

    with_broker(test)


def test_answers_to_cancels() -> None:
    async def test(broker: SimulatedBroker) -> None:
        live, refused = broker.world.place(fate=Fate.NEVER), broker.world.place(fate=Fate.CANCEL_REFUSED)
        dead = broker.world.place(fate=Fate.INSTANT)
        await asyncio.sleep(1.0)
        assert await broker.cancel(live) == Requested()
        gone = await broker.cancel(dead)
        assert isinstance(gone, AlreadyTerminal)
        assert (gone.status, gone.message) == (OrderStatus.FILLED, 'order is already in "filled" state')
        no = await broker.cancel(refused)
        assert isinstance(no, Refused)
        assert (no.error.failure, no.error.status) == (Failure.PERMANENT, 422)
        assert isinstance(await broker.cancel(NOBODY), NotThere)
        assert isinstance(await broker.look(NOBODY), Missing)

    with_broker(test)


def test_malformed_ids_raise_before_anything_is_sent() -> None:
    async def test(broker: SimulatedBroker) -> int:
        for bad in ("", "x", "../account", f"{NOBODY}?status=all"):
            with pytest.raises(ValueError, match="order_id"):
                await broker.look(bad)
            with pytest.raises(ValueError, match="order_id"):
                await broker.cancel(bad)
        return len(broker.world.ledger.arrivals)

    assert with_broker(test) == 0


def test_pages_of_the_list_and_of_the_tape_reach_everything() -> None:
    async def test(broker: SimulatedBroker) -> None:
        broker.world.populate(50, mix={Fate.INSTANT: 1, Fate.NEVER: 1})
        await asyncio.sleep(30.0)
        seen, until, pages = set(), None, 0
        while True:
            page = await broker.list(until=until)
            assert isinstance(page, Listing)
            seen |= {order.order_id for order in page.orders}
            pages += 1
            if page.complete:
                break
            until = page.until
        assert seen == set(broker.world.ledger.order_ids)
        assert pages >= 53 // 7
        rows, token = [], None
        while True:
            fills = await broker.fills(page_token=token)
            assert isinstance(fills, Fills)
            rows += [row.execution_id for row in fills.executions]
            if fills.complete:
                break
            token = fills.page_token
        truth = {row.execution_id for i in seen for row in broker.world.ledger.truth(i).executions}
        assert set(rows) == truth
        assert len(rows) == len(truth)

    with_broker(test, page_size=7, fills_page_size=6)


#: What becomes of a look, and of a cancel or a submit, when a fault strikes it.
STRUCK: list[tuple[Kind, type[BrokerError], bool]] = [
    (Kind.RATE_LIMITED, RateLimited, True),
    (Kind.RATE_LIMITED_BARE, RateLimited, True),
    (Kind.SERVER_ERROR, TransientError, False),
    (Kind.SERVER_ERROR_HTML, TransientError, False),
    (Kind.ERROR_AFTER, TransientError, False),
    (Kind.TIMEOUT_BEFORE, TransientError, False),
    (Kind.TIMEOUT_AFTER, TransientError, False),
    (Kind.RESET_BEFORE, TransientError, False),
    (Kind.RESET_AFTER, TransientError, False),
    (Kind.CUT_OFF, AmbiguousError, False),
]


@pytest.mark.parametrize(("kind", "error", "certain"), STRUCK)
def test_a_struck_call_tells_what_it_does_not_know(kind: Kind, error: type[BrokerError], certain: bool) -> None:
    async def test(broker: SimulatedBroker) -> None:
        order_id = broker.world.place(fate=Fate.NEVER)
        broker.world.strike(kind, times=3)
        begun = now()
        look = await broker.look(order_id)
        assert isinstance(look, Unanswered)
        assert type(look.error) is error
        assert (look.route, look.as_of) == (Route.ORDER, begun)
        silent = kind in (Kind.TIMEOUT_BEFORE, Kind.TIMEOUT_AFTER)
        assert now() - begun == (pytest.approx(10.0) if silent else pytest.approx(0.05, abs=0.031))
        for answer in (
            await broker.cancel(order_id),
            await broker.submit(OrderRequest(symbol="F", side=Side.BUY, qty=Decimal(1))),
        ):
            assert isinstance(answer, Refused if certain else Unknown)
            assert type(answer.error) is error

    with_broker(test)


@pytest.mark.parametrize("seed", range(3))
def test_every_call_ends_within_the_request_timeout_and_arrives_between(seed: int) -> None:
    async def test(broker: SimulatedBroker) -> list[float]:
        order_id = broker.world.place(fate=Fate.NEVER)
        taken = []
        for _ in range(60):
            begun = now()
            answer = await broker.look(order_id)
            taken.append(now() - begun)
            arrived = broker.world.ledger.arrivals[-1].t
            assert begun < arrived <= begun + taken[-1]
            assert isinstance(answer, Seen) or taken[-1] == pytest.approx(10.0)
        return taken

    taken = with_broker(test, faults=Faults(slow=0.9, slow_seconds=2.0 + seed))
    assert max(taken) <= 10.0 + 1e-9
    assert len({round(seconds, 1) for seconds in taken}) > 10, "the tail is heavy"


def test_keys_refused_and_the_quota_are_told() -> None:
    async def test(broker: SimulatedBroker) -> None:
        order_id = broker.world.place(fate=Fate.NEVER)
        before = broker.quota
        await broker.clock()
        quota = broker.quota
        assert before is None
        assert quota is not None
        assert (quota.limit, quota.remaining, quota.as_of) == (2, 1, now())
        broker.world.refuse_keys = True
        for refused in (await broker.look(order_id), await broker.cancel(order_id)):
            assert isinstance(refused, Unanswered | Refused)
            assert isinstance(refused.error, KeysRefused)
        broker.world.refuse_keys = False
        await broker.clock()
        limited = await broker.look(order_id)
        assert isinstance(limited, Unanswered)
        assert isinstance(limited.error, RateLimited)
        assert limited.error.reset_in == pytest.approx(60.5, abs=1.1)  # whole seconds, never early
        await asyncio.sleep(limited.error.reset_in or 0.0)
        assert isinstance(await broker.look(order_id), Seen)

    with_broker(test, requests_per_minute=2)


def test_leaving_waits_for_calls_in_flight_and_takes_no_more() -> None:
    async def test(broker: SimulatedBroker) -> None:
        broker.world.strike(Kind.TIMEOUT_AFTER, Op.CLOCK)
        begun = now()
        call = asyncio.create_task(broker.clock())
        await asyncio.sleep(0.1)
        await broker.aclose()
        assert now() - begun == pytest.approx(10.0)
        assert isinstance(await call, Unanswered)
        with pytest.raises(RuntimeError, match="closed"):
            await broker.clock()

    with_broker(test)
