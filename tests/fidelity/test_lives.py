"""Whole lives of orders, looked at through every read route as they go: each answer must be a documented one."""

from __future__ import annotations

import pytest

from fillwatch.simulator import Fate, World
from tests.fidelity.alpaca_client import GetOrdersRequest, Order, OrderStatus, Position, QueryOrderStatus
from tests.fidelity.answers import many, one
from tests.fidelity.conftest import Serve
from tests.fidelity.offline import Offline
from tests.fidelity.witness import Witness

#: Seconds between two looks, so that the quick changes are seen and the slow ones too.
LOOKS = (0.01, 0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 600.0)
#: Fates whose whole point is a status that nobody has documented.
UNDOCUMENTED = {Fate.UNKNOWN_STATUS}


@pytest.mark.parametrize("fate", sorted(set(Fate) - UNDOCUMENTED))
def test_every_fate_shows_documented_orders_only(serve: Serve, witness: Witness, fate: Fate) -> None:
    broker = serve()
    client = broker.client()

    def place(world: World) -> list[str]:
        return [world.place(fate=fate) for _ in range(4)]

    ids = broker.do(place)
    seen = set()
    for number, seconds in enumerate(LOOKS):
        broker.wait(seconds)
        orders = many(Order, client.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL, nested=number % 2 == 0)))
        assert len(orders) >= 4
        seen |= {one(Order, client.get_order_by_id(order_id)).status for order_id in ids}
        many(Position, client.get_all_positions())
        client.get("/account/activities")
        client.get_account()
        if number == 6:
            client.cancel_orders()
    assert seen
    assert len(witness.exchanges) > 60


def test_an_unknown_status_is_noticed(serve: Serve, witness: Witness) -> None:
    broker: Offline = serve()
    order_id = broker.do(lambda world: world.place(fate=Fate.UNKNOWN_STATUS))
    raw = broker.client(raw=True)
    shown = set()
    for seconds in LOOKS:
        broker.wait(seconds)
        shown.add(one(dict, raw.get_order_by_id(order_id))["status"])
    unknown = shown - {status.value for status in OrderStatus}
    assert unknown
    witness.exchanges = [one for one in witness.exchanges if not any(word.encode() in one.body for word in unknown)]
