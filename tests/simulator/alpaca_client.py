"""alpaca-py, imported quietly: it uses a part of websockets that is deprecated, and warnings are errors here."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from alpaca.common.exceptions import APIError
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import OrderSide, QueryOrderStatus, TimeInForce
    from alpaca.trading.models import Clock, Order, Position, TradeAccount, TradeUpdate
    from alpaca.trading.requests import GetOrdersRequest, LimitOrderRequest, MarketOrderRequest
    from alpaca.trading.stream import TradingStream

__all__ = [
    "APIError",
    "Clock",
    "GetOrdersRequest",
    "LimitOrderRequest",
    "MarketOrderRequest",
    "Order",
    "OrderSide",
    "Position",
    "QueryOrderStatus",
    "TimeInForce",
    "TradeAccount",
    "TradeUpdate",
    "TradingClient",
    "TradingStream",
]
