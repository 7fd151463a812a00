"""Is it true? What a bot says of its orders, whatever bot it is, against what the simulator's ledger says of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol, runtime_checkable

from fillwatch.core.orders import OrderStatus, exact
from fillwatch.core.results import FillOutcome
from fillwatch.testing.facts import Fact, facts_of

#: The broker shows averages to nine places; an average of such averages may be off by a little more.
SAME_PRICE = Decimal("0.00000001")

#: Where the parts of a claim are found: in alpaca-py's orders, in the API's JSON, and in results of fillwatch's.
_ID = ("id", "order_id")
_STATUS = ("status", "outcome")
_QUANTITY = ("filled_qty", "fill_quantity", "filled_quantity")
_PRICE = ("filled_avg_price", "fill_price", "average_price")
#: What an outcome of fillwatch's says of how the order ended; None: that it is not known.
_ENDS: Mapping[FillOutcome, frozenset[OrderStatus] | None] = {
    FillOutcome.FILLED: frozenset({OrderStatus.FILLED}),
    FillOutcome.PARTIALLY_FILLED: frozenset({OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED}),
    FillOutcome.CANCELED: frozenset({OrderStatus.CANCELED}),
    FillOutcome.TIMED_OUT: frozenset({OrderStatus.CANCELED}),
    FillOutcome.EXPIRED: frozenset({OrderStatus.EXPIRED}),
    FillOutcome.REJECTED: frozenset({OrderStatus.REJECTED}),
    FillOutcome.UNRESOLVED: None,
}


@runtime_checkable
class HasLedger(Protocol):
    """A simulated broker, or the control client of a server."""

    @property
    def ledger(self) -> object:
        """Its ledger, as an object or as the JSON of `GET /sim/ledger`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What was said of one order. None: nothing was said.

    `ends` are the statuses, one of which the order is said to have.
    """

    order_id: str
    word: str
    ends: frozenset[OrderStatus] | None
    quantity: Decimal | None
    price: Decimal | None

    @property
    def text(self) -> str:
        """The claim in short."""
        parts = [self.word] if self.word else []
        if self.quantity is not None:
            parts.append(f"{self.quantity:f} executed" + ("" if self.price is None else f" at {self.price:f}"))
        return ", ".join(parts) or "nothing"


def assert_truthful(results: object, ledger: object, *, orders: Iterable[str] | None = None) -> None:
    """Raise `AssertionError`, naming every result that is untrue and what is true instead.

    `results`: those of fillwatch's (`FillResult`), orders as alpaca-py gives them or as the API's JSON has them, or a
    mapping from order ids to any of these, to executed quantities, or to mappings with `status`, `filled_qty` and
    `filled_avg_price`. What a result does not say is not checked; one that says "unresolved" is no lie, and of a live
    order any quantity that it had at some moment is true.

    `ledger`: the `Ledger` of a world, the JSON of `GET /sim/ledger`, or what has a `.ledger`. `orders`: ids that must
    have a result.

    No result at all is an error as well: a test that checks nothing should not pass.
    """
    wrong = untruths(results, ledger, orders=orders)
    if wrong:
        lines = "".join(f"\n  {line}" for line in wrong)
        raise AssertionError(f"{len(wrong)} untrue {'result' if len(wrong) == 1 else 'results'}:{lines}")


def untruths(results: object, ledger: object, *, orders: Iterable[str] | None = None) -> list[str]:
    """A sentence for every result that is untrue; empty when all are true."""
    claims = [_claim(raw, order_id) for order_id, raw in _listed(results)]
    if not claims:
        return ["there is no result; nothing was claimed, so nothing could be checked"]
    facts = facts_of(ledger.ledger if isinstance(ledger, HasLedger) else ledger)
    wrong = [f"{claim.order_id}: said {claim.text}; {why}" for claim in claims if (why := _untrue(claim, facts))]
    told = {claim.order_id for claim in claims}
    wrong += [f"{order_id}: no result" for order_id in orders or () if str(order_id) not in told]
    return wrong


def _listed(results: object) -> list[tuple[str | None, object]]:
    if isinstance(results, Mapping):
        if any(name in results for name in _ID):
            return [(None, results)]
        return [(str(order_id), raw) for order_id, raw in results.items()]
    if isinstance(results, Iterable) and not isinstance(results, str | bytes):
        return [(None, raw) for raw in results]
    return [(None, results)]


def _claim(raw: object, order_id: str | None) -> Claim:
    if isinstance(raw, int | float | Decimal | str) and order_id is not None:
        raw = {"filled_qty": raw}
    found = order_id or str(_part(raw, _ID) or "")
    if not found:
        raise TypeError(f"results: {raw!r} names no order; it needs an `id` or an `order_id`")
    word, ends = _said(_part(raw, _STATUS))
    return Claim(
        order_id=found,
        word=word,
        ends=ends,
        quantity=_number(raw, _QUANTITY),
        price=_number(raw, _PRICE),
    )


def _part(raw: object, names: Sequence[str]) -> Any:  # noqa: ANN401 - whatever the caller's bot keeps there
    for name in names:
        value = raw.get(name) if isinstance(raw, Mapping) else getattr(raw, name, None)
        if value is not None:
            return value
    return None


def _number(raw: object, names: Sequence[str]) -> Decimal | None:
    value = _part(raw, names)
    return None if value is None else exact(value, names[0])


def _said(value: object) -> tuple[str, frozenset[OrderStatus] | None]:
    if isinstance(value, FillOutcome):
        return value.value, _ENDS[value]
    if value is None:
        return "", None
    word = str(getattr(value, "value", value))
    status = OrderStatus.parse(word)
    return word, None if status is OrderStatus.UNKNOWN else frozenset({status})


def _untrue(claim: Claim, facts: Mapping[str, Fact]) -> str:
    """Why a claim is untrue, "" if it is not."""
    own = facts.get(claim.order_id)
    if own is None:
        return "the broker has no such order"
    heirs = [own]
    while (heir := facts.get(heirs[-1].replaced_by or "")) is not None:
        heirs.append(heir)
    chain = Fact.joined(heirs)
    # What is said may be about the order and all that replaced it, or about this one alone, as the broker shows it: it
    # may count what the predecessor executed.
    readings = [chain, own.as_shown, Fact.joined([own.as_shown, *heirs[1:]])]
    found = [_against(claim, reading) for reading in readings]
    return "" if "" in found else found[0]


def _against(claim: Claim, fact: Fact) -> str:
    # An order that was filled and had an execution taken back is still called filled, and is filled in part.
    undone = fact.busted and claim.ends == _ENDS[FillOutcome.PARTIALLY_FILLED] and fact.status is OrderStatus.FILLED
    # Live statuses change by the millisecond; one is as good as another.
    alive = not fact.ended and not any(status.is_terminal for status in claim.ends or ())
    if claim.ends is not None and fact.status not in claim.ends and not undone and not alive:
        return fact.text
    is_final = fact.ended and claim.word != FillOutcome.UNRESOLVED
    allowed = fact.final_quantities if is_final else fact.quantities
    if claim.quantity is not None and claim.quantity not in allowed:
        return fact.text
    if claim.quantity and claim.price is not None and not fact.was_so(claim.quantity, claim.price, SAME_PRICE):
        return f"never so: {fact.text}"
    return ""
