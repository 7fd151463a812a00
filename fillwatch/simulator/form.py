"""What the broker asks of a new order before it knows what it is for: that its fields fit together.

The messages are those that Alpaca's users have recorded (facts §6, Alpaca's article on common errors); where none was
recorded the wording follows the nearest that was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType

from fillwatch.core.orders import MAX_CLIENT_ORDER_ID
from fillwatch.simulator.answers import Answer, refusal

#: The prices that each type of order needs and those that it may not have, each with what is said otherwise.
PRICES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], str, str]] = MappingProxyType(
    {
        "market": ((), ("limit_price", "stop_price"), "", "market orders require no stop or limit price"),
        "limit": (
            ("limit_price",),
            ("stop_price",),
            "limit orders require a limit price",
            "limit orders require only limit price",
        ),
        "stop": (
            ("stop_price",),
            ("limit_price",),
            "stop orders require a stop price",
            "stop orders require only stop price",
        ),
        "stop_limit": (
            ("limit_price", "stop_price"),
            (),
            "stop limit orders require both stop and limit price",
            "",
        ),
        "trailing_stop": (
            (),
            ("limit_price", "stop_price"),
            "",
            "trailing stop orders require no stop or limit price",
        ),
    }
)
TYPES = frozenset(PRICES)
TIMES_IN_FORCE = frozenset({"day", "gtc", "opg", "cls", "ioc", "fok"})
CLASSES = frozenset({"", "simple", "bracket", "oco", "oto", "mleg"})
INTENTS = frozenset({"", "buy_to_open", "buy_to_close", "sell_to_open", "sell_to_close"})

#: Which of (take profit, stop loss) each class needs.
_EXITS: Mapping[str, Callable[[bool, bool], str]] = MappingProxyType(
    {
        "simple": lambda profit, loss: "take_profit and stop_loss need an order_class" if profit or loss else "",
        "mleg": lambda profit, loss: "mleg orders take no take_profit or stop_loss" if profit or loss else "",
        "bracket": lambda profit, loss: _both_exits("bracket", profit, loss),
        "oco": lambda profit, loss: _both_exits("oco", profit, loss),
        "oto": lambda profit, loss: "" if profit != loss else "oto orders require either take_profit or stop_loss",
    }
)


def _both_exits(name: str, profit: bool, loss: bool) -> str:  # noqa: FBT001 - the row of a table
    missing = [] if profit else ["take_profit.limit_price"]
    if not loss:
        missing.append("stop_loss.stop_price")
    return f"{name} orders require {missing[0]}" if missing else ""


def formal(sent: Mapping[str, object]) -> Answer | None:
    """The refusal of an order whose fields do not fit together, before anything is known of the asset."""
    for message in _formal(sent):
        return refusal(422, 40010001, message)
    return None


def _formal(sent: Mapping[str, object]) -> Iterator[str]:
    kind = str(sent["order_type"])
    if sent["qty"] is None and sent["notional"] is None:
        yield "qty or notional is required"
    if sent["qty"] is not None and sent["notional"] is not None:
        yield "only one of qty or notional is accepted"
    needed, barred, lacking, too_much = PRICES[kind]
    if any(sent[name] is None for name in needed):
        yield lacking
    if any(sent[name] is not None for name in barred):
        yield too_much
    trails = [name for name in ("trail_price", "trail_percent") if sent[name] is not None]
    if kind == "trailing_stop" and len(trails) != 1:
        yield "trailing stop orders must specify one of trail_price or trail_percent"
    if kind != "trailing_stop" and trails:
        yield f"{kind.replace('_', ' ')} orders must not have {trails[0]}"
    for name in ("qty", "notional", "limit_price", "stop_price", "trail_price", "trail_percent"):
        amount = sent[name]
        if isinstance(amount, Decimal) and amount <= 0:
            yield f"{name.replace('_', ' ') if 'price' in name else name} must be > 0"
    percent = sent["trail_percent"]
    if isinstance(percent, Decimal) and percent < Decimal("0.1"):
        yield "trail_percent must be greater than or equal to 0.1"
    if len(str(sent["client_order_id"] or "")) > MAX_CLIENT_ORDER_ID:
        yield f"client_order_id must be no more than {MAX_CLIENT_ORDER_ID} characters"
    exits = _EXITS[str(sent["order_class"])]
    if message := exits(
        sent["take_profit_limit_price"] is not None,
        sent["stop_loss_stop_price"] is not None or sent["stop_loss_limit_price"] is not None,
    ):
        yield message
    if sent["stop_loss_limit_price"] is not None and sent["stop_loss_stop_price"] is None:
        yield "stop_loss.stop_price is required"
