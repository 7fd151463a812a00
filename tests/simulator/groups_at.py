"""Groups of orders in a scene, for the tests of brackets, OCOs and OTOs."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fillwatch.core.orders import OrderSnapshot, Side
from fillwatch.simulator import Fate
from tests.simulator.at import Scene

EXITS = ("take_profit", "stop_loss")
_PROFIT, _STOP = {"take_profit_limit_price": Decimal(2_000)}, {"stop_loss_stop_price": Decimal(1)}
SHAPES: dict[str, dict[str, Any]] = {
    "bracket": {"order_class": "bracket", **_PROFIT, **_STOP},
    "oto_stop": {"order_class": "oto", **_STOP},
    "oto_profit": {"order_class": "oto", **_PROFIT},
    "oco": {
        "order_class": "oco",
        "side": Side.SELL,
        "order_type": "limit",
        "limit_price": Decimal(2_000),
        **_PROFIT,
        **_STOP,
    },
}


@dataclass(slots=True)
class Group:
    """A group of orders in a scene. `first` is the order that was submitted."""

    scene: Scene
    shape: str
    first: str

    def parent(self) -> str:
        """The order that stands for the first now."""
        return self.scene.ledger.chain(self.first)[-1]

    def living_chain(self) -> tuple[str, ...]:
        """The parent alone, as it is now."""
        return (self.parent(),)

    def everyone(self) -> list[str]:
        """Every order of the group, replaced ones too."""
        return [*self.scene.ledger.chain(self.first), *self.exits()]

    def exits(self) -> list[str]:
        """The legs, replaced ones too."""
        ids = set(self.scene.ledger.chain(self.first))
        return [one for one in self.scene.ledger.order_ids if self.scene.ledger.truth(one).parent_id in ids]

    def exit(self, name: str) -> str:
        """The first order that was this exit."""
        return next(one for one in self.exits() if self.is_stop(one) is (name == "stop_loss"))

    def is_stop(self, order_id: str) -> bool:
        """Whether the leg is a stop-loss, or executes for one."""
        order = self.scene.order(order_id)
        while order.replaces is not None:
            order = self.scene.order(order.replaces)
        return order.stop_price is not None

    def order(self, name: str) -> OrderSnapshot:
        """The exit as a look shows it."""
        return self.scene.order(self.exit(name))

    def word(self, order_id: str) -> str:
        """The order's status."""
        return self.scene.ledger.truth(order_id).raw_status

    def statuses(self, order_id: str) -> list[tuple[float, str]]:
        """The order's statuses, each with the second since the world began at which it came."""
        start = self.scene.world.start
        return [(t - start, word) for t, _, word in self.scene.ledger.truth(order_id).statuses]

    def words(self) -> list[str]:
        """The statuses of the parent, the take-profit and the stop-loss."""
        return [self.word(one) for one in (self.parent(), *(self.exit(name) for name in EXITS))]

    def completed_at(self) -> float:
        """When the entry was filled; infinity: it was not."""
        for t, _, word in self.scene.ledger.truth(self.parent()).statuses:
            if word == "filled":
                return t
        return float("inf")


def grouped(scene: Scene, shape: str, **changes: Any) -> Group:  # noqa: ANN401 - fields of OrderRequest
    """A group of this shape, submitted now."""
    if shape == "oco":  # it closes a position
        scene.place(Fate.INSTANT, foreign=True)
        scene.after(1.0)
    answer = scene.submit(**(SHAPES[shape] | changes))
    assert answer.status == 200, answer
    return Group(scene, shape, answer.versions[0].order.order_id)


def at_market(price: str = "100", shape: str = "bracket", **changes: Any) -> Group:  # noqa: ANN401 - of OrderRequest
    """A group that goes by the market, exits at 110 and 90, submitted when a share costs `price`."""
    scene = Scene(fate=Fate.MARKET, partial_fills=0.0)
    scene.world.set_price("AAPL", price)
    exits = {"take_profit_limit_price": Decimal(110), "stop_loss_stop_price": Decimal(90)}
    wanted = {name: exits[name] for name in SHAPES[shape] if name in exits}
    if shape == "oco":
        wanted["limit_price"] = Decimal(110)
    return grouped(scene, shape, **(wanted | changes))


def entered(shape: str = "bracket", **changes: Any) -> Group:  # noqa: ANN401 - fields of OrderRequest
    """The same, a second later: the entry is filled."""
    group = at_market(shape=shape, **changes)
    group.scene.after(1.0)
    return group


def price(group: Group, at: str) -> Group:
    """Let a share cost so much, and a second pass."""
    group.scene.world.set_price("AAPL", at)
    group.scene.after(1.0)
    return group


def position(group: Group) -> Decimal:
    """Shares held."""
    return group.scene.ledger.position("AAPL")
