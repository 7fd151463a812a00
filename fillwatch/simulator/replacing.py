"""Replacing an order: a PATCH is answered with a new order at once, and the exchange decides a moment later.

Alpaca (facts §3d): until then the old order is `pending_replace` and may still execute. If it is filled first, the new
one is rejected and the old one stands; otherwise the old one becomes `replaced` and the new one takes its place.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fillwatch.core.orders import OrderRequest
from fillwatch.simulator.answers import Answer, Patch, order_not_found, refusal
from fillwatch.simulator.assets import CRYPTO, asset
from fillwatch.simulator.book import Record, net, shown_average
from fillwatch.simulator.fates import Fate
from fillwatch.simulator.plans import Act, Step, plan_for

if TYPE_CHECKING:
    from fillwatch.simulator.market import Market

#: Seconds, at least and at most, that the exchange takes to replace an order.
SETTLES_WITHIN = (0.02, 0.25)
#: What is said of an order in a status in which it cannot be replaced.
_STATUS_REFUSALS: Mapping[str, str] = MappingProxyType(
    {
        **{
            word: f"cannot replace order in {word} status"
            for word in ("accepted", "pending_new", "pending_cancel", "pending_replace", "accepted_for_bidding")
        },
        "replaced": "order already replaced",
        **dict.fromkeys(("filled", "canceled", "expired", "rejected"), "unable to replace order, order is not open"),
    }
)
#: The prices that an order of each type has, and so the ones that may be changed.
_PRICES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "market": frozenset(),
        "limit": frozenset({"limit_price"}),
        "stop": frozenset({"stop_price"}),
        "stop_limit": frozenset({"limit_price", "stop_price"}),
        "trailing_stop": frozenset({"trail"}),
    }
)
#: Fates that are about being replaced themselves; what replaces such an order goes another way.
_SUCCESSION: Mapping[Fate, Fate] = MappingProxyType(
    {
        Fate.REPLACED_FILLS: Fate.SLOW,
        Fate.REPLACED_TWICE: Fate.SLOW,
        Fate.REPLACED_AFTER_PARTIAL: Fate.SLOW,
        Fate.REPLACE_REJECTED: Fate.SLOW,
        Fate.REPLACED_NEVER: Fate.NEVER,
    }
)

Check = Callable[[OrderRequest], Answer | None]


def replace_order(
    market: Market, order_id: str, patch: Patch, t: float, *, check: Check, lost: bool = False, timeout: float = 60.0
) -> Answer:
    """Ask for an order to be replaced: the new order, or a refusal. `check` says whether the new one may stand.

    `lost`: the old order is filled before the exchange hears of it, whatever its plan.
    """
    old = market.records.get(order_id)
    if old is None:
        return order_not_found(order_id)
    request = _changed(market, old, patch)
    refused = request if isinstance(request, Answer) else check(request)
    if refused is not None:
        return refused
    assert isinstance(request, OrderRequest)
    stream = random.Random(f"{market.seed}/replacing/{len(market.records)}")
    fate = _SUCCESSION.get(old.plan.fate, old.plan.fate)
    market.publish(old, t, word="pending_replace")
    new = market.place(
        request,
        plan_for(fate, stream, timeout=timeout),
        t,
        foreign=old.foreign,
        replaces=old,
        waits=True,
        shown={name: value for name, value in old.versions[-1].shown.items() if name in _KEPT},
    )
    answer = Answer(versions=(new.versions[-1],))
    if lost:
        market.schedule(old, Step(after=0.01, act=Act.FILL), t, last=False)
    market.schedule(new, Step(after=stream.uniform(*SETTLES_WITHIN), act=Act.SETTLE_REPLACE), t, last=False)
    return answer


#: Fields of the JSON that a successor has from its predecessor.
_KEPT = frozenset({"position_intent", "ratio_qty"})


def settle(market: Market, new: Record, step: Step, t: float) -> bool:
    """The exchange decides: the new order takes the place of the old one, or is rejected because that one is over."""
    old = market.records[new.now.replaces or ""]
    if old.now.raw_status != "pending_replace":
        market.end(new, Act.REJECT, t)
        return True
    _take_over(market, old, new, t)
    if new.left <= 0:  # what was asked for has executed meanwhile
        market.publish(old, t, word="partially_filled")
        market.end(new, Act.REJECT, t)
        return True
    held_back = old.waits
    market.publish(old, t, word="replaced", stamp="replaced_at", replaced_by=new.order_id)
    if new.waits and not held_back:
        market.start(new, t)
    if not new.waits and new.plan.fate is not Fate.MARKET and new.now.raw_status in ("pending_new", "accepted"):
        market.publish(new, t, word="new")
    return True


def _take_over(market: Market, old: Record, new: Record, t: float) -> None:
    """What the old order has executed since the PATCH is no longer for the new one to do."""
    since = [trade for trade in old.trades if trade.t >= new.versions[0].t and trade not in new.carried]
    if not since:
        return
    if new.carried:
        new.carried = old.all_trades
        market.publish(new, t, filled_qty=net(new.carried), filled_avg_price=shown_average(new.carried))
        return
    new.target -= net(since)
    if new.request.qty is not None and new.target > 0:
        new.request = replace(new.request, qty=new.target)
        market.publish(new, t, qty=new.target)


def _changed(market: Market, old: Record, patch: Patch) -> OrderRequest | Answer:
    """The old order's request with the changes made, or why they cannot be."""
    before, word = old.now.replaces, old.now.raw_status
    if before is not None and market.records[before].now.raw_status == "pending_replace":
        return _unprocessable("order chain not fully replaced")
    if word in _STATUS_REFUSALS:
        return _unprocessable(_STATUS_REFUSALS[word])
    request = old.request
    if request.notional is not None:
        return _unprocessable("notional orders cannot be replaced")
    for message in _wrong(old, patch):
        return _unprocessable(message)
    if patch.client_order_id in market.by_client_id:
        return refusal(422, 40010001, "client_order_id must be unique")
    changes: dict[str, Any] = {
        "qty": patch.qty,
        "limit_price": patch.limit_price,
        "stop_price": patch.stop_price,
        "time_in_force": patch.time_in_force,
        "trail_price": patch.trail if request.trail_price is not None else None,
        "trail_percent": patch.trail if request.trail_percent is not None else None,
    }
    shown = replace(request, qty=old.now.qty)
    new = replace(shown, **{name: value for name, value in changes.items() if value is not None})
    if new == shown:
        return _unprocessable("order parameters are not changed")
    return replace(new, client_order_id=patch.client_order_id)


def _wrong(old: Record, patch: Patch) -> list[str]:
    request = old.request
    wrong = [
        f"{name} cannot be changed for a {request.order_type} order"
        for name in ("limit_price", "stop_price", "trail")
        if getattr(patch, name) is not None and name not in _PRICES[request.order_type]
    ]
    if patch.qty is not None and patch.qty != old.now.qty and request.order_class != "simple":
        wrong.append("qty cannot be changed for advanced orders")
    if patch.qty is not None:
        known = asset(request.symbol)
        divisible = known is not None and known.kind == CRYPTO
        if not divisible and any(qty is not None and qty % 1 for qty in (patch.qty, old.now.qty)):
            wrong.append("qty of fractional orders cannot be changed")
        elif patch.qty <= old.executed:
            wrong.append("qty must be > filled_qty")
    return wrong


def _unprocessable(message: str) -> Answer:
    return refusal(422, 42210000, message)
