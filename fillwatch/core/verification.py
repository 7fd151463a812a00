"""What one order object proves about its fill: four methods, each reading one field, and the rule that joins them.

`filled_avg_price` and `filled_at` are set on partial fills too, and Alpaca documents an order whose status is `filled`
while its `filled_qty` is 0 (the sample of a trade bust), so no field is believed alone against another: an order is
filled when at least one method says *complete* and none *contradicts*. Four fields of one answer are still one witness.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum, StrEnum
from types import MappingProxyType

from fillwatch.core.orders import OrderSnapshot, OrderStatus, exact


class Verdict(StrEnum):
    """What one method says.

    `COMPLETE`: all of it was executed. `SOME`: something was, whether all is not said. `CONTRADICTS`: not all of it
    was. `SILENT`: the field is missing, unreadable, or says nothing about executions.
    """

    COMPLETE = "complete"
    SOME = "some"
    SILENT = "silent"
    CONTRADICTS = "contradicts"


@dataclass(frozen=True, slots=True, kw_only=True)
class FillVerification:
    """What the four methods say together.

    `methods_confirmed`: those that said complete and, when the order is filled, those that said some.
    `methods_contradicting`: those that said it is not filled; both at once is a disagreement to be settled by looking
    through another route. `fill_price` (quote currency) and `fill_quantity` (shares) are None when not known, which
    includes a zero that lags behind the status `filled`; `fill_quantity` is `Decimal(0)` when nothing was executed.
    `confidence_score`: the share, out of all four methods, of those that spoke and agree with `is_filled`: complete or
    some for a filled order, contradicts for one that is not. It is 0.0 when an order is not filled and no method
    contradicts: nothing speaks for a fill, and nothing against one.
    """

    is_filled: bool
    methods_confirmed: tuple[str, ...]
    methods_contradicting: tuple[str, ...] = ()
    fill_price: Decimal | None = None
    fill_quantity: Decimal | None = None
    confidence_score: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fields:
    """The five fields that the methods read; None where the order has none or an unreadable one."""

    status: OrderStatus | None
    qty: Decimal | None
    filled_qty: Decimal | None
    price: Decimal | None
    filled_at: datetime | None


_S, _V = OrderStatus, Verdict

#: Total over `OrderStatus`. `stopped` guarantees a trade that has not happened yet, `calculated` is filled or merely
#: done for the day, and an order may have been executed in part or whole before it was cancelled, expired or replaced.
STATUS_VERDICTS: Mapping[OrderStatus, Verdict] = MappingProxyType(
    {
        _S.NEW: _V.SILENT,
        _S.ACCEPTED: _V.SILENT,
        _S.PENDING_NEW: _V.SILENT,
        _S.PENDING_REVIEW: _V.SILENT,
        _S.ACCEPTED_FOR_BIDDING: _V.SILENT,
        _S.HELD: _V.SILENT,
        _S.SUSPENDED: _V.SILENT,
        _S.STOPPED: _V.SILENT,
        _S.PARTIALLY_FILLED: _V.SOME,
        _S.DONE_FOR_DAY: _V.SILENT,
        _S.CALCULATED: _V.SILENT,
        _S.PENDING_REPLACE: _V.SILENT,
        _S.PENDING_CANCEL: _V.SILENT,
        _S.UNKNOWN: _V.SILENT,
        _S.REPLACED: _V.SILENT,
        _S.REJECTED: _V.CONTRADICTS,
        _S.EXPIRED: _V.SILENT,
        _S.CANCELED: _V.SILENT,
        _S.FILLED: _V.COMPLETE,
    }
)


def _check_status_field(order: _Fields) -> Verdict:
    return Verdict.SILENT if order.status is None else STATUS_VERDICTS[order.status]


def _check_quantity_match(order: _Fields) -> Verdict:
    """Silent for notional orders (Alpaca sends `qty: null`): there the status decides."""
    if not order.qty or order.filled_qty is None:
        return Verdict.SILENT
    return Verdict.COMPLETE if order.filled_qty >= order.qty else Verdict.CONTRADICTS


def _check_fill_price(order: _Fields) -> Verdict:
    return Verdict.SOME if order.price else Verdict.SILENT


def _check_timestamps(order: _Fields) -> Verdict:
    return Verdict.SOME if order.filled_at else Verdict.SILENT


#: The four methods, in the order in which they are named in results.
METHODS: Mapping[str, Callable[[_Fields], Verdict]] = MappingProxyType(
    {
        "status": _check_status_field,
        "quantity": _check_quantity_match,
        "price": _check_fill_price,
        "timestamp": _check_timestamps,
    }
)


class MultiMethodVerifier:
    """Asks four methods whether an order is filled. It holds no state; one may serve everybody."""

    def verify_fill(self, order: object) -> FillVerification:
        """Whether `order` is filled, and which of its fields say so.

        `order` is an `OrderSnapshot`, an alpaca-py `Order`, or the broker's JSON object as a mapping. The status may
        be an enum member or its text (`"filled"`, `"OrderStatus.FILLED"`), numbers may be text, int, float or Decimal.
        A field that is missing or unreadable is silent. Raises `TypeError` for what is no order at all.
        """
        fields = _read(order)
        verdicts = {name: method(fields) for name, method in METHODS.items()}
        contradicting = _naming(verdicts, Verdict.CONTRADICTS)
        is_filled = bool(_naming(verdicts, Verdict.COMPLETE)) and not contradicting
        confirmed = _naming(verdicts, Verdict.COMPLETE, *((Verdict.SOME,) if is_filled else ()))
        return FillVerification(
            is_filled=is_filled,
            methods_confirmed=confirmed,
            methods_contradicting=contradicting,
            fill_price=fields.price or None,
            fill_quantity=_known_quantity(fields, verdicts),
            confidence_score=len(confirmed if is_filled else contradicting) / len(METHODS),
        )

    def verdicts(self, order: object) -> Mapping[str, Verdict]:
        """What each method says of `order`, by the method's name. Takes and raises what `verify_fill` does."""
        fields = _read(order)
        return MappingProxyType({name: method(fields) for name, method in METHODS.items()})


def _naming(verdicts: Mapping[str, Verdict], *wanted: Verdict) -> tuple[str, ...]:
    return tuple(name for name, verdict in verdicts.items() if verdict in wanted)


def _known_quantity(fields: _Fields, verdicts: Mapping[str, Verdict]) -> Decimal | None:
    """`filled_qty`, unless it is a zero that another field of the same answer belies: then it lags and is not known."""
    if fields.filled_qty == 0 and _naming(verdicts, Verdict.COMPLETE, Verdict.SOME):
        return None
    return fields.filled_qty


def _read(order: object) -> _Fields:
    if isinstance(order, OrderSnapshot):
        return _Fields(
            status=order.status,
            qty=_amount(order.qty),
            filled_qty=_amount(order.filled_qty),
            price=_amount(order.filled_avg_price),
            filled_at=order.filled_at,
        )
    if isinstance(order, Mapping):
        found: Callable[[str], object] = order.get
    elif hasattr(order, "status") and hasattr(order, "filled_qty"):

        def found(name: str) -> object:
            return getattr(order, name, None)
    else:
        raise TypeError(
            f"order: {type(order).__name__} is no order; "
            "give an OrderSnapshot, an alpaca-py Order or the broker's JSON object as a dict"
        )
    return _Fields(
        status=_status(found("status")),
        qty=_amount(found("qty")),
        filled_qty=_amount(found("filled_qty")),
        price=_amount(found("filled_avg_price")),
        filled_at=_moment(found("filled_at")),
    )


def _status(value: object) -> OrderStatus | None:
    word = value.value if isinstance(value, Enum) else value
    return OrderStatus.parse(word) if isinstance(word, str) else None


def _amount(value: object) -> Decimal | None:
    """A quantity or price: finite and not negative, or None."""
    if not isinstance(value, int | str | float | Decimal):
        return None
    try:
        number = exact(value)
    except ValueError:
        return None
    return None if number < 0 else number


def _moment(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromisoformat(value.strip())
    except ValueError:
        return None
