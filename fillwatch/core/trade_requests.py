"""The orders of a trade as they are sent: the entry, its exits as one OCO, and what closes shares without exits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from fillwatch.core import trading_rules as rules
from fillwatch.core.orders import OrderRequest
from fillwatch.core.trade import Trade
from fillwatch.core.trade_facts import ENTRY, Part, client_id


def entering(trade: Trade) -> OrderRequest:
    """The entry."""
    intent, extended = trade.intent, trade.cleared is not None and trade.cleared.extended
    return OrderRequest(
        symbol=intent.symbol,
        side=intent.side,
        qty=intent.quantity,
        order_type="limit",
        limit_price=rules.limit_price(intent.side, intent.signal_price, intent.config.buffer(extended=extended)),
        extended_hours=extended,
        client_order_id=client_id(intent.intent_id, ENTRY),
    )


def _exits_request(trade: Trade, name: str) -> OrderRequest:
    intent, exits = trade.intent, trade.exits
    assert exits is not None
    return OrderRequest(
        symbol=intent.symbol,
        side=rules.opposite(intent.side),
        qty=trade.bare,
        order_type="limit",
        time_in_force=str(intent.config.exit_time_in_force),
        limit_price=exits.take_profit,
        take_profit_limit_price=exits.take_profit,
        stop_loss_stop_price=exits.stop_loss,
        order_class="oco",
        client_order_id=client_id(intent.intent_id, name),
    )


def _closing_request(trade: Trade, name: str) -> OrderRequest:
    intent, price = trade.intent, trade.price
    extended = trade.cleared is not None and trade.cleared.extended and price is not None
    side = rules.opposite(intent.side)
    return OrderRequest(
        symbol=intent.symbol,
        side=side,
        qty=trade.bare,
        order_type="limit" if extended else "market",
        limit_price=rules.closing_price(side, price) if extended and price is not None else None,
        extended_hours=extended,
        client_order_id=client_id(intent.intent_id, name),
    )


def covering(part: Part, trade: Trade, name: str) -> OrderRequest:
    """Exits for the bare shares, or an order that closes them. `KeyError` for another part."""
    return _COVERING[part](trade, name)


_COVERING: Mapping[Part, Callable[[Trade, str], OrderRequest]] = MappingProxyType(
    {Part.EXITS: _exits_request, Part.CLOSE: _closing_request}
)
