"""Groups of orders in a wild market: random requests, prices that jump, partial fills; what must hold all the same."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from fillwatch.core.orders import Side
from fillwatch.simulator import Call, Fate, Faults, Op
from fillwatch.simulator.answers import Patch
from fillwatch.simulator.ledger import Truth
from fillwatch.simulator.prices import RandomWalk
from tests.simulator.at import Scene

SYMBOLS = ("AAPL", "TSLA")
REQUESTS = 50


@dataclass(slots=True)
class Wild:
    """A scene in which a seed decides what is asked and when. `looks`: how often the world is looked at in between."""

    seed: int
    hours: str
    looks: int
    scene: Scene = field(init=False)

    def __post_init__(self) -> None:
        self.scene = Scene(
            self.seed,
            fate=Fate.MARKET,
            hours=self.hours,
            partial_fills=0.4,
            prices=RandomWalk(self.seed, volatility=0.4),
            faults=Faults(legs_replaced=0.3),
        )
        draw = Random(f"requests/{self.seed}")
        for number in range(REQUESTS):
            self.pass_time(draw.choice((0.0, 0.03, 0.5, 2.0, 30.0, 400.0)))
            self.ask(draw, number)
        self.pass_time(30 * 3600.0)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, with a look now and then."""
        clock = self.scene.clock
        end = clock.t + seconds
        draw = Random(f"looks/{self.seed}/{end}")
        for t in sorted(draw.uniform(clock.t, end) for _ in range(self.looks)):
            clock.t = t
            self.scene.world.advance()
        clock.t = end
        self.scene.world.advance()

    def ask(self, draw: Random, number: int) -> None:
        """A new order, a cancel or a replacement."""
        ids = self.scene.ledger.order_ids
        kind = draw.random()
        if kind < 0.55 or not ids:
            self.scene.submit(f"bot-{number}", **self.order(draw))
        elif kind < 0.75:
            self.scene.cancel(draw.choice(ids))
        else:
            order = self.scene.order(draw.choice(ids))
            patch = Patch(limit_price=moved(order.limit_price, "1.001"), stop_price=moved(order.stop_price, "0.999"))
            self.scene.world.receive(Call(op=Op.REPLACE, target=order.order_id, patch=patch))

    def order(self, draw: Random) -> dict[str, Any]:
        """Some bracket, OTO, OCO or simple order around the price."""
        symbol, side = draw.choice(SYMBOLS), draw.choice(tuple(Side))
        price, way = self.scene.world.price(symbol), Decimal(side.sign)

        def off(percent: float) -> Decimal:
            return (price + way * price * Decimal(round(percent * draw.uniform(0.3, 1.0), 4)) / 100).quantize(
                Decimal("0.01")
            )

        terms: dict[str, Any] = {"symbol": symbol, "side": side, "qty": Decimal(draw.randint(1, 50))}
        shape = draw.choice(("simple", "bracket", "bracket", "oto_stop", "oto_profit", "oco"))
        if shape == "oco":
            target = off(-1.0)
            exits = {"take_profit_limit_price": target, "stop_loss_stop_price": off(1.0)}
            return terms | exits | {"order_class": "oco", "order_type": "limit", "limit_price": target}
        if draw.random() < 0.5:
            terms |= {"order_type": "limit", "limit_price": off(-0.2)}
        terms["time_in_force"] = draw.choice(("day", "gtc"))
        if shape in ("bracket", "oto_profit"):
            terms["take_profit_limit_price"] = off(1.0)
        if shape in ("bracket", "oto_stop"):
            terms["stop_loss_stop_price"] = off(-1.0)
        return terms | {"order_class": shape.partition("_")[0]}

    def text(self) -> str:
        """All that became of the orders."""
        return json.dumps(self.scene.ledger.as_dict()["orders"], sort_keys=True)


def moved(price: Decimal | None, factor: str) -> Decimal | None:
    """A price a little further on."""
    return None if price is None else (price * Decimal(factor)).quantize(Decimal("0.01"))


@pytest.mark.parametrize("hours", ["always", "exchange"])
@pytest.mark.parametrize("seed", range(6))
def test_groups_in_a_wild_market(seed: int, hours: str) -> None:
    wild = Wild(seed, hours, looks=0)
    ledger = wild.scene.ledger
    truths = [ledger.truth(one) for one in ledger.order_ids]
    closed = 0
    for truth in truths:
        assert truth.filled_qty <= truth.target
        assert all(word not in ("filled", "canceled", "expired", "rejected") for word, _ in pairwise(words(truth)))
        if truth.parent_id is not None or truth.replaces is not None:
            continue
        chain = ledger.chain(truth.order_id)
        legs = [leg for leg in truths if leg.parent_id in chain]
        if not legs or legs[0].side is truth.side:
            continue
        sold = sum((ledger.executed_at(leg.order_id) for leg in legs), Decimal(0))
        assert sold <= ledger.executed_in_chain(truth.order_id)
        last = ledger.truth(chain[-1])
        assert not sold or last.raw_status == "filled"
        assert all(leg.status.is_terminal for leg in legs) or not (
            last.status.is_terminal and (last.raw_status != "filled" or "filled" in {leg.raw_status for leg in legs})
        )
        closed += sold > 0
    assert closed > 0, "or it shows little"


def words(truth: Truth) -> list[str]:
    """The statuses an order went through."""
    return [word for _, _, word in truth.statuses]


@pytest.mark.parametrize("hours", ["always", "exchange"])
def test_looking_more_often_changes_nothing(hours: str) -> None:
    for seed in range(6, 9):
        assert Wild(seed, hours, looks=0).text() == Wild(seed, hours, looks=7).text()
