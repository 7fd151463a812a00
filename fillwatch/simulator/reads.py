"""What the broker's read routes show: the book as it was at some moment, perhaps not the present one."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from fillwatch.core.orders import OrderSnapshot
from fillwatch.simulator.answers import NO_POSITION, Answer, Query, order_not_found
from fillwatch.simulator.book import Trade, standing
from fillwatch.simulator.draws import symbol_price
from fillwatch.simulator.faults import Kind
from fillwatch.simulator.market import Market


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How one read sees the book: the state of `at` (clock seconds), bent by `fault`; `hidden` orders are left out."""

    at: float
    stream: random.Random
    fault: Kind | None = None
    hidden: frozenset[str] = frozenset()


def order_by_id(market: Market, order_id: str, view: View) -> Answer:
    """One order, or 404."""
    record = market.records.get(order_id)
    version = None if record is None else record.version_at(view.at)
    return order_not_found(order_id) if version is None else Answer(versions=(version,))


def order_by_client_id(market: Market, client_order_id: str, view: View) -> Answer:
    """One order by its sender's id, or 404."""
    return order_by_id(market, market.by_client_id.get(client_order_id, client_order_id), view)


def orders(market: Market, query: Query, view: View) -> Answer:
    """The list route: bounds exclusive, on submission time; a `held` order counts as closed."""
    rows = [
        version
        for record in market.records.values()
        if record.order_id not in view.hidden
        and (version := record.version_at(view.at)) is not None
        and _is_wanted(version.order, query)
    ]
    rows.sort(key=lambda version: (submitted(version.order), version.order.order_id), reverse=query.descending)
    if view.fault is Kind.PAGE_SHIFT:
        rows = rows[1:]
    return Answer(versions=tuple(rows[: query.limit]))


def _is_wanted(order: OrderSnapshot, query: Query) -> bool:
    closed = order.status.is_terminal or order.raw_status == "held"
    at = submitted(order)
    return (
        (query.status == "all" or closed == (query.status == "closed"))
        and (query.after is None or at > query.after)
        and (query.until is None or at < query.until)
        and (not query.symbols or order.symbol in query.symbols)
        and (query.side is None or order.side == query.side)
    )


def submitted(order: OrderSnapshot) -> datetime:
    """The list's cursor."""
    assert order.submitted_at is not None
    return order.submitted_at


def _row_id(trade: Trade) -> str:
    return trade.row_id


def _printed(trade: Trade) -> datetime:
    assert trade.execution.at is not None
    return trade.execution.at


def tape(market: Market, query: Query, view: View) -> Answer:
    """The executions, by row id; `page_token` is the last row's id of the page before."""
    rows = [trade for trade in market.tape if trade.t <= view.at]
    rows.sort(key=_row_id, reverse=query.descending)
    wanted = [trade for trade in rows if _is_wanted_row(trade, query)]
    if view.fault is Kind.SHUFFLED_TAPE:
        view.stream.shuffle(wanted)
        wanted.sort(key=lambda trade: trade.row_id.partition("::")[0], reverse=query.descending)
    if view.fault is Kind.DUPLICATED_TAPE and wanted:
        first = rows.index(wanted[0])
        wanted = rows[max(first - 3, 0) : first] + wanted
    return Answer(trades=tuple(wanted[: query.limit]))


def _is_wanted_row(trade: Trade, query: Query) -> bool:
    at, name, token = _printed(trade), trade.row_id, query.page_token
    return (
        (query.after is None or at > query.after)
        and (query.until is None or at < query.until)
        and (token is None or (name < token if query.descending else name > token))
    )


def holdings(market: Market, view: View) -> dict[str, Decimal]:
    """Signed quantity by symbol as of the view; flat ones are absent."""
    held: dict[str, Decimal] = {}
    for trade in market.tape:
        if trade.t <= view.at:
            row = trade.execution
            assert row.side is not None
            held[row.symbol] = held.get(row.symbol, Decimal(0)) + row.side.sign * trade.change
    return {symbol: quantity for symbol, quantity in held.items() if quantity}


def positions(market: Market, view: View) -> Answer:
    """Every open position."""
    return Answer(rows=tuple(position_row(market, s, q) for s, q in sorted(holdings(market, view).items())))


def position(market: Market, symbol: str, view: View) -> Answer:
    """One open position, or 404."""
    quantity = holdings(market, view).get(symbol)
    return NO_POSITION if quantity is None else Answer(rows=(position_row(market, symbol, quantity),))


def position_row(market: Market, symbol: str, quantity: Decimal) -> dict[str, object]:
    """A position as the broker describes it, at the symbol's price."""
    price = symbol_price(market.seed, symbol)
    rows = standing(trade for trade in market.tape if trade.execution.symbol == symbol)
    shares = sum((row.qty for row in rows), Decimal(0))
    entry = sum((row.price * row.qty for row in rows), Decimal(0)) / shares if shares else price
    return {"symbol": symbol, "qty": quantity, "price": price, "entry": round(entry, 6)}


def hidden_at(market: Market, share: float, seconds: float, t: float) -> frozenset[str]:
    """Orders that the list leaves out at `t` (clock seconds): each for one spell within its first ten seconds."""
    if not share:
        return frozenset()
    gone = set()
    for record in market.records.values():
        stream = random.Random(f"{market.seed}/absent/{record.number}")
        start = record.versions[0].t + stream.uniform(0.0, 10.0)
        if stream.random() < share and start <= t < start + stream.uniform(0.1, 1.0) * seconds:
            gone.add(record.order_id)
    return frozenset(gone)
