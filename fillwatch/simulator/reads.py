"""What the broker's read routes show: the book as it was at some moment, perhaps not the present one."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from fillwatch.core.orders import OrderSnapshot
from fillwatch.simulator import groups
from fillwatch.simulator.account import Account, Holding, Positions
from fillwatch.simulator.answers import NO_POSITION, Answer, Query, order_not_found
from fillwatch.simulator.assets import EQUITY, OPTION, asset, asset_id
from fillwatch.simulator.book import Record, Trade, Version
from fillwatch.simulator.draws import symbol_price
from fillwatch.simulator.kinds import Kind
from fillwatch.simulator.market import Market
from fillwatch.simulator.shelf import submitted
from fillwatch.simulator.summary import position_row


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How one read sees the book: the state of `at` (clock seconds), bent by `fault`; `hidden` orders are left out."""

    at: float
    stream: random.Random
    fault: Kind | None = None
    hidden: frozenset[str] = frozenset()


def order_by_id(market: Market, order_id: str, view: View, *, nested: bool = False) -> Answer:
    """One order, or 404."""
    record = market.records.get(order_id)
    version = None if record is None else record.version_at(view.at)
    if version is None:
        return order_not_found(order_id)
    return Answer(versions=(version,), legs=legs_of(market, version, view, nested=nested))


def order_by_client_id(market: Market, client_order_id: str, view: View) -> Answer:
    """One order by its sender's id, or 404."""
    return order_by_id(market, market.by_client_id.get(client_order_id, client_order_id), view)


def orders(market: Market, query: Query, view: View, *, nested: bool = False) -> Answer:
    """The list route: bounds exclusive, on submission time; a `held` order counts as closed.

    `nested` shows legs inside their parents alone, whose filters they follow: of a filled bracket the open legs are not
    among the open orders (facts §3c). The legs of an mleg order are never listed by themselves.
    """
    cursor = _cursor(market, query, view)
    if isinstance(cursor, Answer):
        return cursor
    rows = (
        version
        for version in _listed(market, query, view)
        if version.order.order_id not in view.hidden
        and _is_wanted(version.order, query, cursor)
        and not _is_rolled_up(market, version, nested=nested)
    )
    skipped = 1 if view.fault is Kind.PAGE_SHIFT else 0
    page = [*islice(rows, skipped, skipped + query.limit)]
    legs: dict[str, tuple[Version, ...]] = {}
    for version in page:
        legs |= legs_of(market, version, view, nested=nested)
    return Answer(versions=tuple(page), legs=legs)


def _listed(market: Market, query: Query, view: View) -> Iterable[Version]:
    """Every order as the view shows it, in the order of the list; at least those between the query's bounds."""
    if not market.changes or market.changes[-1].t <= view.at:
        return market.shelf.rows(
            market.records, market.changes, after=query.after, until=query.until, descending=query.descending
        )
    rows = [version for record in market.records.values() if (version := _seen(record, view.at)) is not None]
    rows.sort(key=lambda version: _place(version.order), reverse=query.descending)
    return rows


def _seen(record: Record, t: float) -> Version | None:
    """`version_at`, without a search for the many that have not changed since."""
    newest = record.versions[-1]
    return newest if newest.t <= t else record.version_at(t)


def _is_rolled_up(market: Market, version: Version, *, nested: bool) -> bool:
    is_leg = market.records[version.order.order_id].parent_id is not None
    return is_leg and (nested or version.order.order_class == "mleg")


def legs_of(market: Market, version: Version, view: View, *, nested: bool) -> dict[str, tuple[Version, ...]]:
    """The legs that one order is shown with: an mleg order always with all of them."""
    record = market.records[version.order.order_id]
    if not record.leg_ids or not (nested or version.order.order_class == "mleg"):
        return {}
    return {record.order_id: groups.nested(market.records, record, view.at)}


def _cursor(market: Market, query: Query, view: View) -> tuple[datetime, str] | Answer | None:
    """Where the order that `after_order_id` or `before_order_id` names stands in the list."""
    name = query.after_order_id or query.before_order_id
    if name is None:
        return None
    record = market.records.get(name)
    version = None if record is None else record.version_at(view.at)
    return order_not_found(name) if version is None else _place(version.order)


def _place(order: OrderSnapshot) -> tuple[datetime, str]:
    return submitted(order), order.order_id


def _is_wanted(order: OrderSnapshot, query: Query, cursor: tuple[datetime, str] | None) -> bool:
    closed = order.status.is_terminal or order.raw_status == "held"
    at = submitted(order)
    return (
        (query.status == "all" or closed == (query.status == "closed"))
        and (query.after is None or at > query.after)
        and (query.until is None or at < query.until)
        and (cursor is None or (_place(order) > cursor if query.after_order_id else _place(order) < cursor))
        and (not query.symbols or _is_named(order.symbol, query))
        and (query.side is None or order.side == query.side)
        and (not query.classes or _kind(order.symbol) in query.classes)
    )


def _is_named(symbol: str, query: Query) -> bool:
    """A pair may be named without its slash, an option by its underlying when options alone are asked for."""
    names = query.symbols
    if symbol in names or symbol.replace("/", "") in names:
        return True
    return query.classes == {OPTION} and symbol[:-15] in names


def _kind(symbol: str) -> str:
    known = asset(symbol)
    return EQUITY if known is None else known.kind


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


def positions_at(market: Market, account: Account, view: View) -> Positions:
    """The positions as of the view; the account's own unless something has been traded since."""
    if not market.tape or market.tape[-1].t <= view.at:
        return account.catch_up().positions
    return Positions.of(trade for trade in market.tape if trade.t <= view.at)


def positions(market: Market, account: Account, view: View) -> Answer:
    """Every open position."""
    found = positions_at(market, account, view).holdings
    rows = (_position(market, account, symbol, holding, view) for symbol, holding in sorted(found.items()))
    return Answer(rows=tuple(row for row in rows if row["qty"]))


def position(market: Market, account: Account, name: str, view: View) -> Answer:
    """One open position, by symbol or asset id, or 404."""
    for symbol, holding in positions_at(market, account, view).holdings.items():
        if holding.qty and name in (symbol, symbol.replace("/", ""), asset_id(symbol)):
            return Answer(rows=(_position(market, account, symbol, holding, view),))
    return NO_POSITION


def _position(market: Market, account: Account, symbol: str, holding: Holding, view: View) -> dict[str, object]:
    last = symbol_price(market.seed, symbol)
    return position_row(symbol, holding, account.price(symbol, view.at), last, account)


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
