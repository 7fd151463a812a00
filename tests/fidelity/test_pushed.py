"""What is pushed, to a socket and as server-sent events: the same documented orders, read by alpaca-py's models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from fillwatch.simulator import Fate
from tests.fidelity import document
from tests.fidelity.alpaca_client import Clock, Order, TradeUpdate
from tests.fidelity.answers import one
from tests.fidelity.offline import Offline
from tests.fidelity.verdicts import against_document_order

Json = Any  # what json.loads gives

FATES = sorted(set(Fate) - {Fate.UNKNOWN_STATUS})
#: What comes with an execution and with nothing else; the last two are strings of decimals.
OF_AN_EXECUTION = ("execution_id", "qty", "price")
EXECUTIONS = {"fill", "partial_fill", "trade_bust", "trade_correct"}


@contextmanager
def listening(broker: Offline) -> Iterator[ClientConnection]:
    """A socket that hears of trades."""
    with connect(broker.address.stream_url, proxy=None) as socket:
        keys = {"key_id": broker.address.key, "secret_key": broker.address.secret}
        socket.send(json.dumps({"action": "authenticate", "data": keys}))
        assert json.loads(socket.recv(5.0))["data"]["status"] == "authorized"
        socket.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates"]}}))
        assert json.loads(socket.recv(5.0)) == {"stream": "listening", "data": {"streams": ["trade_updates"]}}
        yield socket


def heard(socket: ClientConnection) -> Iterator[Json]:
    """What was said until now."""
    while True:
        try:
            frame = json.loads(socket.recv(0.15))
        except TimeoutError:
            return
        assert frame["stream"] == "trade_updates"
        yield frame["data"]


def check(update: Json) -> None:
    """An update that is as documented and that the real client can read."""
    if not document.absence():
        assert against_document_order(update["order"]) == [], update
    TradeUpdate(**update)
    if update["event"] in EXECUTIONS:
        assert set(OF_AN_EXECUTION) <= set(update)
        assert all(isinstance(update[name], str) and Decimal(update[name]) for name in ("qty", "price"))
        assert isinstance(update["position_qty"], str)
    else:
        assert not {"qty", "price"} & set(update), update


@pytest.mark.parametrize("fate", FATES)
def test_every_update_on_the_socket_is_documented(broker: Offline, fate: Fate) -> None:
    with listening(broker) as socket:
        order_id = broker.do(lambda world: world.place(fate=fate))
        for seconds in (0.5, 5.0, 60.0):
            broker.wait(seconds)
        broker.client().cancel_orders()
        broker.wait(600.0)
        updates = list(heard(socket))
    for update in updates:
        check(update)
    told = [update["order"] for update in updates if update["order"]["id"] == order_id]
    assert told
    last = one(Order, broker.client().get_order_by_id(order_id))
    assert told[-1]["status"] == last.status.value
    if fate is not Fate.LATE_FIELDS:  # whose figures come later, without an event
        assert told[-1]["filled_qty"] == last.filled_qty


def test_every_server_sent_event_is_documented(broker: Offline) -> None:
    broker.do(lambda world: [world.place(fate=fate) for fate in FATES])
    broker.wait(60.0)
    now = one(Clock, broker.client().get_clock()).timestamp
    asked = {"since": "2020-01-01", "until": now.isoformat()}
    broker.wait(1.0)  # past the end that is asked for, so that the answer has one
    with httpx.stream(
        "GET", f"{broker.address.url}/v2/events/trades", params=asked, headers=broker.headers(), trust_env=False
    ) as stream:
        assert stream.headers["content-type"].partition(";")[0] == "text/event-stream"
        seen = [json.loads(line[5:]) for line in stream.iter_lines() if line.startswith("data:")]
    for update in seen:
        check(update)
    assert {"new", "fill", "partial_fill", "canceled", "trade_bust"} <= {update["event"] for update in seen}
    assert [update["event_id"] for update in seen] == sorted({update["event_id"] for update in seen})
