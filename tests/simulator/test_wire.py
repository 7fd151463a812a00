"""The JSON of the simulated broker is what alpaca-py's own models take."""

from __future__ import annotations

from decimal import Decimal

from fillwatch.core.orders import OrderStatus
from fillwatch.simulator import Fate, Op
from fillwatch.simulator.wire import body
from tests.simulator.alpaca_client import Order, Position, TradeAccount
from tests.simulator.at import Scene


def test_alpacas_models_take_every_order_position_and_account() -> None:
    scene = Scene()
    scene.world.populate(100)
    for _ in range(8):
        scene.after(2.0)
        answer = scene.ask(Op.LIST).answer
        rows = body(Op.LIST, answer)
        assert isinstance(rows, list)
        assert len(rows) == len(scene.ledger.order_ids)
        for row, version in zip(rows, answer.versions, strict=True):
            if OrderStatus.parse(row["status"]) is OrderStatus.UNKNOWN:
                continue
            order = Order(**row)
            assert str(order.id) == version.order.order_id
            assert Decimal(str(order.filled_qty)) == version.order.filled_qty
            assert order.submitted_at == version.order.submitted_at, "offsets and nanoseconds change no time"
            assert order.filled_at == version.order.filled_at
    positions = body(Op.POSITIONS, scene.ask(Op.POSITIONS).answer)
    assert isinstance(positions, list)
    assert {Position(**row).symbol for row in positions}
    account = body(Op.ACCOUNT, scene.ask(Op.ACCOUNT).answer)
    assert isinstance(account, dict)
    assert TradeAccount(**account).buying_power


def test_rows_of_the_tape() -> None:
    scene = Scene()
    order_id = scene.place(Fate.BUSTED)
    scene.after(20.0)
    rows = body(Op.FILLS, scene.ask(Op.FILLS, descending=False).answer)
    assert isinstance(rows, list)
    first, second, bust = rows
    assert [row["type"] for row in rows] == ["partial_fill", "fill", "trade_bust"]
    assert (first["qty"], first["cum_qty"], first["leaves_qty"], first["order_status"]) == (
        *("5", "5", "5", "partially_filled"),
    )
    assert (second["cum_qty"], second["leaves_qty"], second["order_id"]) == ("10", "0", order_id)
    assert (bust["qty"], bust["cum_qty"], bust["previous_execution_id"]) == ("-5", "5", second["id"].partition("::")[2])
    assert first["id"].startswith("20260615103000"), "New York time"
    assert "client_order_id" not in first
