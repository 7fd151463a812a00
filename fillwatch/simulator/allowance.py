"""What the account allows: buying power, shares that are free to be sold, short sales, orders against one's own.

All are refused with 403 and Alpaca's extra fields (facts §6), but for what the account could never do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from fillwatch.core.orders import OrderRequest, Side
from fillwatch.simulator.account import MULTIPLIER, SHORT_MARGIN, ZERO, Account, multiplier
from fillwatch.simulator.answers import Answer, refusal
from fillwatch.simulator.assets import CRYPTO, OPTION, Asset
from fillwatch.simulator.book import Record
from fillwatch.simulator.rivals import AT_ANY_PRICE
from fillwatch.simulator.rules import is_fractional
from fillwatch.simulator.summary import buying_power, cents


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """An order that somebody would like to stand at clock second `t`, in place of `old` if there is such a one.

    `intent` is what they say that it does to the position, e.g. "sell_to_close"; "" if they do not say.
    """

    account: Account
    request: OrderRequest
    asset: Asset
    t: float
    old: Record | None = None
    intent: str = ""

    @property
    def held(self) -> Decimal:
        """Signed shares of the symbol on the account."""
        return self.account.positions.held(self.request.symbol).qty

    @property
    def closes(self) -> bool:
        """Whether it would make a position smaller."""
        return self.held * self.request.side.sign < 0

    @property
    def shares(self) -> Decimal:
        """The quantity asked for, or what the amount of money buys."""
        request = self.request
        if request.qty is not None:
            return request.qty
        return (request.notional or ZERO) / self.account.price(request.symbol, self.t)


def refused(wish: Wish) -> Answer | None:
    """The refusal of an order that the account does not allow; None: it may stand. Legs came in with their entry."""
    if wish.old is not None and wish.old.parent_id is not None:
        return None
    for rule in _RULES:
        if (answer := rule(wish)) is not None:
            return answer
    return None


def too_dear(wish: Wish) -> Answer | None:
    """The refusal of what the account could not have bought on its first day, for worlds where it does not count."""
    return _beyond(wish, wish.account.starting_cash * MULTIPLIER)


def insufficient(account: Account, symbol: str, side: Side, asked: Decimal, but: Record | None = None) -> Answer:
    """The refusal of an order for more than is held and free."""
    held, kept = abs(account.positions.held(symbol).qty), account.on_hold(symbol, side, but)
    available = max(held - kept, ZERO)
    return refusal(
        403,
        40310000,
        f"insufficient qty available for order (requested: {asked:f}, available: {available:f})",
        available=f"{available:f}",
        existing_qty=f"{held:f}",
        held_for_orders=f"{kept:f}",
        related_orders=[order.record.order_id for order in account.open_orders(symbol, side, but)],
        symbol=symbol,
    )


def _intent(wish: Wish) -> Answer | None:
    inferred = f"{wish.request.side}_to_{'close' if wish.closes else 'open'}"
    if wish.intent in ("", inferred):
        return None
    return refusal(422, 42210000, f"position intent mismatch, inferred: {inferred}, specified: {wish.intent}")


def _class(wish: Wish) -> Answer | None:
    if wish.request.order_class == "bracket" and wish.closes:
        return refusal(422, 42210000, "bracket orders must be entry orders")
    if wish.request.order_class == "oco" and not wish.closes:
        return refusal(422, 42210000, "oco orders must be exit orders")
    return None


def _free_shares(wish: Wish) -> Answer | None:
    """What closes a position must be free, and cannot turn it over: that takes two orders."""
    symbol, side = wish.request.symbol, wish.request.side
    free = abs(wish.held) - wish.account.on_hold(symbol, side, wish.old)
    if not wish.closes or wish.shares <= free:
        return None
    if wish.asset.kind == CRYPTO:
        return _no_balance(wish.asset.symbol.partition("/")[0], wish.shares, free, wish.held)
    return insufficient(wish.account, symbol, side, wish.shares, wish.old)


def _short(wish: Wish) -> Answer | None:
    request, asset = wish.request, wish.asset
    if request.side is Side.BUY or request.order_class == "mleg" or wish.held > 0 or asset.kind == OPTION:
        return None
    if asset.kind == CRYPTO:
        return _no_balance(asset.symbol.partition("/")[0], wish.shares, ZERO, ZERO)
    if is_fractional(request):
        return refusal(422, 42210000, "fractional orders cannot be sold short")
    if not asset.has("shortable"):
        return refusal(422, 42210000, f'asset "{asset.symbol}" cannot be sold short')
    if not asset.has("easy_to_borrow") and request.time_in_force != "day":
        return refusal(422, 42210000, f"only day orders are allowed for hard-to-borrow asset {asset.symbol}")
    if not wish.held and wish.account.openings(request.symbol, Side.BUY).groups:
        return refusal(403, 40310000, "cannot open a short sell while a long buy order is open")
    return None


def _own_orders(wish: Wish) -> Answer | None:
    """Alpaca keeps an account from trading with itself; orders with legs and trailing stops are let through."""
    request = wish.request
    if request.order_class != "simple" or request.order_type == "trailing_stop":
        return None
    other_side = Side.SELL if request.side is Side.BUY else Side.BUY
    rival = wish.account.openings(request.symbol, other_side).rivals.met_by(request)
    if rival is None:
        return None
    at_any_price = rival.request.order_type in AT_ANY_PRICE
    reason = "market/stop order exists" if at_any_price else "limit order exists. use complex/limit/stop_limit orders"
    return refusal(
        403,
        40310000,
        "potential wash trade detected. use complex orders",
        existing_order_id=rival.order_id,
        reject_reason=f"opposite side {reason}",
    )


def _money(wish: Wish) -> Answer | None:
    if wish.closes or wish.request.order_class == "mleg":
        return None
    released = wish.account.reserved_by(wish.old)
    if wish.asset.kind != CRYPTO:
        return _beyond(wish, buying_power(wish.account, wish.t) + released)
    cash, cost = wish.account.positions.cash, _cost(wish)
    free = cash - wish.account.reserved + released
    return None if cost <= free else _no_balance("USD", cents(cost), cents(free), cents(cash))


def _no_balance(currency: str, asked: Decimal, free: Decimal, held: Decimal) -> Answer:
    """The refusal of more coins or, since they are not bought on margin, more cash than there is."""
    available = f"{max(free, ZERO):f}"
    return refusal(
        403,
        40310000,
        f"insufficient balance for {currency} (requested: {asked:f}, available: {available})",
        available=available,
        balance=f"{held:f}",
        symbol=currency,
    )


def _beyond(wish: Wish, power: Decimal) -> Answer | None:
    cost = _cost(wish)
    if cost <= power:
        return None
    figures = {"buying_power": f"{max(power, ZERO):.2f}", "cost_basis": f"{cost:.2f}"}
    return refusal(403, 40310000, "insufficient buying power", **figures)


def _cost(wish: Wish) -> Decimal:
    """What an order that opens a position is counted at."""
    request = wish.request
    if request.notional is not None:
        return request.notional
    unit = request.limit_price or request.stop_price or wish.account.price(request.symbol, wish.t)
    if request.side is Side.SELL and request.order_class != "mleg":
        unit = max(unit, SHORT_MARGIN * wish.account.price(request.symbol, wish.t))
    return wish.shares * unit * multiplier(request.symbol)


_RULES: tuple[Callable[[Wish], Answer | None], ...] = (_intent, _class, _short, _free_shares, _own_orders, _money)
