"""What the ledger's JSON says of an order, made ready to be compared with what somebody else says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal

from fillwatch.core.orders import OrderStatus
from fillwatch.simulator.ledger import Ledger

_EXACT = Context(prec=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the tape. `kind` is `fill`, `trade_bust` or `trade_correct`; `undone` is the row it is about."""

    t: float
    row_id: str
    kind: str
    qty: Decimal
    price: Decimal
    undone: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One order, or a chain of orders of which each replaced the one before. `inherited` are a predecessor's rows."""

    order_id: str
    what: str
    status: OrderStatus
    word: str
    at: str
    replaced_by: str | None
    rows: tuple[Row, ...]
    inherited: tuple[Row, ...] = ()

    @property
    def as_shown(self) -> Fact:
        """With what the broker counts for it besides its own."""
        return replace(self, rows=(*self.inherited, *self.rows), inherited=())

    @classmethod
    def joined(cls, chain: Sequence[Fact]) -> Fact:
        """A chain as one order: the first one's name, the last one's end, everybody's executions."""
        rows = tuple(sorted((row for fact in chain for row in fact.rows), key=lambda row: row.t))
        return replace(chain[-1], order_id=chain[0].order_id, what=chain[0].what, rows=rows)

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self.status.is_terminal

    @property
    def busted(self) -> bool:
        """Whether an execution was taken back."""
        return any(row.kind == "trade_bust" for row in self.rows)

    @property
    def quantities(self) -> frozenset[Decimal]:
        """Every executed quantity that was true at some moment."""
        return frozenset({Decimal(0), *(standing(self.rows[:n])[0] for n in range(1, len(self.rows) + 1))})

    @property
    def final_quantities(self) -> frozenset[Decimal]:
        """What may be said in the end: an execution may have been taken back after it was last asked for."""
        fills = [row for row in self.rows if row.kind != "trade_bust"]
        return frozenset({standing(self.rows)[0], standing(fills)[0]})

    def was_so(self, quantity: Decimal, price: Decimal, tolerance: Decimal) -> bool:
        """Whether quantity and average price were both true at one moment."""
        pairs = (standing(self.rows[:n]) for n in range(1, len(self.rows) + 1))
        return any(
            was == quantity and average is not None and abs(average - price) <= tolerance for was, average in pairs
        )

    @property
    def text(self) -> str:
        """All that is true, in one clause."""
        quantity, average = standing(self.rows)
        done = f"{quantity:f} executed" + ("" if average is None else f" at {round(average, 9).normalize():f}")
        return f"in truth {self.word} {'since' if self.ended else 'at present, since'} {self.at}, {done} ({self.what})"


def standing(rows: Sequence[Row]) -> tuple[Decimal, Decimal | None]:
    """Shares executed, busts taken off, and their average price; None when nothing is left to average."""
    undone = {row.undone for row in rows if row.undone is not None}
    left = [row for row in rows if row.kind != "trade_bust" and row.row_id not in undone]
    quantity = sum((row.qty for row in left), Decimal(0))
    worth = sum((_EXACT.multiply(row.price, row.qty) for row in left), Decimal(0))
    return quantity, _EXACT.divide(worth, quantity) if quantity else None


def facts_of(ledger: object) -> dict[str, Fact]:
    """The orders of a `Ledger` or of its JSON, by id. `TypeError` for anything else."""
    data = ledger.as_dict() if isinstance(ledger, Ledger) else ledger
    orders = data.get("orders") if isinstance(data, Mapping) else None
    if not isinstance(orders, list):
        raise TypeError(f"ledger: a Ledger or the JSON of GET /sim/ledger is needed, not {type(ledger).__qualname__}")
    facts: dict[str, Fact] = {}
    for order in orders:  # in the order of their making, predecessors first
        fact = _fact(order)
        before = facts.get(order["replaces"] or "")
        if before is not None and Decimal(order["filled_qty"]) != standing(fact.rows)[0]:
            fact = replace(fact, inherited=before.as_shown.rows)
        facts[fact.order_id] = fact
    return facts


def _fact(order: Mapping[str, object]) -> Fact:
    size = order["notional"] if order["qty"] is None else order["qty"]
    trades = order["trades"]
    statuses = order["statuses"]
    assert isinstance(trades, list)
    assert isinstance(statuses, list)
    rows = tuple(
        Row(
            t=row["t"],
            row_id=row["id"],
            kind=row["kind"],
            qty=Decimal(row["qty"]),
            price=Decimal(row["price"]),
            undone=row["previous_id"],
        )
        for row in trades
    )
    return Fact(
        order_id=str(order["id"]),
        what=f"{order['symbol']} {order['side']} {'$' if order['qty'] is None else ''}{size}, fate {order['fate']}",
        status=OrderStatus.parse(str(order["status"])),
        word=str(order["status"]),
        at=str(statuses[-1][1])[11:23],
        replaced_by=None if order["replaced_by"] is None else str(order["replaced_by"]),
        rows=rows,
    )
