"""What a journal holds: its trades and its watches, and how each of them stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from fillwatch.core.results import Amendment, FillResult, Transition
from fillwatch.core.trade import Trade, fold
from fillwatch.core.trade_facts import Intended, Part
from fillwatch.journal import Entry, FactKind, JournalReader
from fillwatch.journal.watching import Learnt, Released, WatchBegun
from fillwatch.observe.lines import Line, lines
from fillwatch.observe.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One trade or one watch. `since` is when it began (UTC); quantities are shares, None when not known.

    `bare`: shares of a trade that its facts leave without exits.
    """

    what: str
    id: str
    state: str
    is_open: bool
    since: datetime
    symbol: str = ""
    side: str = ""
    wanted: Decimal | None = None
    filled: Decimal | None = None
    bare: Decimal = Decimal(0)


def overview(reader: JournalReader, *, open_only: bool = False, limit: int | None = None) -> tuple[list[Row], int]:
    """Trades and watches, open ones first, among each the newest first; and how many there are in all."""
    open_now = {entry.number for entry in (*reader.intents(open_only=True), *reader.watches(open_only=True))}
    found = [entry for entry in (*reader.intents(), *reader.watches()) if entry.number in open_now or not open_only]
    found.sort(key=lambda entry: (entry.number not in open_now, -entry.number))
    return [_row(reader, entry, is_open=entry.number in open_now) for entry in found[:limit]], len(found)


def open_rows(known: Record) -> tuple[Row, ...]:
    """What a journal that was read as a whole holds open: trades, then watches, in order."""
    trades = (trade_row(mine) for mine in known.intents.values() if not is_closed(mine))
    watches = (watch_row(mine) for mine in known.orders.values() if is_watched(mine))
    return tuple(replace(row, is_open=True) for row in (*trades, *watches) if row is not None)


def is_closed(found: Sequence[Line]) -> bool:
    """Whether nothing is left to be done about the trade of these entries."""
    turns = [each.kind for each in found if each.kind.value in _TURNS]
    return bool(turns) and turns[-1] is FactKind.CLOSED


def is_watched(found: Sequence[Line]) -> bool:
    """Whether the watch of these entries goes on."""
    turns = [each.kind for each in found if each.kind in (FactKind.WATCH, FactKind.RESULT, FactKind.RELEASED)]
    return bool(turns) and turns[-1] is FactKind.WATCH


def _row(reader: JournalReader, entry: Entry, *, is_open: bool) -> Row:
    fact = entry.fact
    if fact.kind is FactKind.INTENT:
        row = trade_row(lines(reader.read(intent_id=fact.intent_id)))
        what, name = "trade", fact.intent_id
    else:
        row = watch_row(lines(reader.read(order_id=fact.order_id)))
        what, name = "watch", fact.order_id
    if row is None:
        return Row(what=what, id=name, state="cannot be read", is_open=is_open, since=fact.at)
    return replace(row, is_open=is_open)


def trade_of(found: Sequence[Line]) -> Trade | None:
    """The trade that the entries of one intent make; None when its beginning is not among them."""
    facts = [each.trade for each in found if each.trade is not None]
    return fold(facts[0], *facts[1:]) if facts and isinstance(facts[0], Intended) else None


def trade_row(found: Sequence[Line]) -> Row | None:
    """The trade of the entries of one intent; None when they have no beginning."""
    trade = trade_of(found)
    if trade is None:
        return None
    wish = trade.intent
    return Row(
        what="trade",
        id=wish.intent_id,
        state=trade_state(trade),
        is_open=True,
        since=found[0].at,
        symbol=wish.symbol,
        side=wish.side.value,
        wanted=wish.quantity,
        filled=trade.entry.filled,
        bare=trade.bare,
    )


#: Kinds of facts that end a trade or take it up again.
_TURNS = ("closed", "reopened")

#: What is asked of a trade, the most pressing first; the first that holds names its state.
_STATES: Sequence[tuple[Callable[[Trade], bool], str]] = (
    (lambda trade: trade.declined is not None, "declined"),
    (lambda trade: bool(trade.excess), "exits for too many shares"),
    (lambda trade: bool(trade.bare) and trade.told is not None, "UNPROTECTED"),
    (lambda trade: bool(trade.bare), "filled, exits to come"),
    (lambda trade: not trade.orders, "nothing sent yet"),
    (lambda trade: not trade.entry.is_answered, "sent, no answer yet"),
    (lambda trade: trade.entry.refusal is not None and trade.entry.refusal.arrived, "refused"),
    (lambda trade: not trade.entry.is_placed, "never arrived"),
    (lambda trade: not trade.entry.is_over, "entry working"),
    (lambda trade: not trade.entry.filled, "ended without a fill"),
    (lambda trade: bool(trade.those(Part.CLOSE)) and trade.is_protected, "closed again"),
    (lambda trade: bool(trade.those(Part.CLOSE)), "being closed"),
    (lambda trade: trade.is_protected and not trade.held, "exited"),
    (lambda trade: trade.is_protected, "protected"),
)


def trade_state(trade: Trade) -> str:
    """How a trade stands, in a few words."""
    return next((words for holds, words in _STATES if holds(trade)), "exits not seen yet")


def watch_row(found: Sequence[Line]) -> Row | None:
    """The watch of the engine's entries about one order; None when there are none."""
    row: Row | None = None
    for each in found:
        fact = each.watch
        if row is None:
            if fact is None:
                continue
            row = Row(what="watch", id=each.order_id, state="not seen yet", is_open=True, since=each.at)
        match fact:
            case WatchBegun(told=None, resumed=False):
                row = replace(row, state="not seen yet", since=fact.began)
            case WatchBegun(told=FillResult() as told):
                row = _with(row, told, ", looked at further")
            case Learnt():
                row = replace(
                    row,
                    wanted=row.wanted if fact.qty is None else fact.qty,
                    symbol=fact.symbol or row.symbol,
                    side=fact.side.value if fact.side else row.side,
                )
            case Transition():
                row = replace(row, state=fact.status.value, filled=fact.filled_quantity)
            case FillResult():
                row = _with(row, fact, "")
            case Amendment():
                row = _with(row, fact.amended, ", amended")
            case Released() if "released" not in row.state:
                row = replace(row, state=row.state if _has_result(found) else "released")
            case _:
                pass
    return row


def _with(row: Row, result: FillResult, more: str) -> Row:
    return replace(
        row,
        state=result.outcome.value.replace("_", " ") + more,
        symbol=result.symbol,
        side=result.side.value if result.side else "",
        wanted=result.requested_quantity or row.wanted,
        filled=result.fill_quantity,
    )


def _has_result(found: Sequence[Line]) -> bool:
    return any(isinstance(each.watch, FillResult) for each in found)
