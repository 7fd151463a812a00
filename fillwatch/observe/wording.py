"""Every entry of a journal in a few plain words."""

from __future__ import annotations

from decimal import Decimal

from fillwatch.core.config import AtTimeout
from fillwatch.core.results import Amendment, FillOutcome, FillResult, Transition
from fillwatch.core.text import plain
from fillwatch.core.trade_facts import Placed, Sending
from fillwatch.core.trade_result import words as trade_words
from fillwatch.execution.migration import Disagreement
from fillwatch.journal.watching import Canceling, Learnt, Piece, Released, TimeoutKind, Traded, WatchBegun
from fillwatch.observe.lines import Line, WatchFact

#: The longest that text of a broker's may be on a line.
WIDTH = 200


def words(line: Line) -> str:
    """What the entry says."""
    if line.problem is not None:
        return f"cannot be read: {plain(line.problem, WIDTH)}"
    if line.trade is not None:
        return plain(trade_words(line.trade), WIDTH)
    if line.watch is not None:
        return plain(_watch_words(line.watch), WIDTH)
    if line.shadow is not None:
        return shadow_words(line.shadow)
    return ""


def speaker(line: Line) -> str:
    """Who said or did it: a route of the broker's, `us` for requests of ours, `caller`, `engine`, or `trade`."""
    match line.watch or line.trade:
        case Learnt(route=route) | Traded(route=route):
            return route.value
        case Transition(route=route):
            return route.value if route else ""
        case Canceling(answer=None) | Sending():
            return "us"
        case Canceling():
            return "cancel"
        case Placed():
            return "submit"
        case WatchBegun(told=None, resumed=False):
            return "caller"
        case _:
            return "trade" if line.trade is not None else "engine" if line.watch is not None else ""


def number(value: Decimal | None) -> str:
    """A price or a quantity as people write it, "?" for one that is not known."""
    if value is None:
        return "?"
    return f"{value.normalize():f}" if value == value.to_integral_value() else f"{value:f}"


def amount(filled: Decimal | None, wanted: Decimal | None) -> str:
    """`40 of 100`."""
    return number(filled) if wanted is None else f"{number(filled)} of {number(wanted)}"


def outcome(word: FillOutcome) -> str:
    """An outcome in words; an unresolved order may be live, and that is always said."""
    text = word.value.replace("_", " ")
    return f"{text} (may be live)" if word is FillOutcome.UNRESOLVED else text


def result_words(result: FillResult) -> str:
    """`filled 100 of 100 at 187.23`, and the reason if there is one."""
    price = "" if result.fill_price is None else f" at {number(result.fill_price)}"
    reason = f": {result.reason}" if result.reason else ""
    return f"{outcome(result.outcome)} {amount(result.fill_quantity, result.requested_quantity)}{price}{reason}"


def shadow_words(found: Disagreement) -> str:
    """Both answers."""
    old, new = (
        "not filled" if price is None else f"filled at {number(price)}" for price in (found.legacy_price, found.price)
    )
    return f"the old loop says {old}, fillwatch says {new}"


def _watch_words(fact: WatchFact) -> str:
    match fact:
        case WatchBegun():
            return begun_words(fact)
        case Learnt():
            return learnt_words(fact)
        case Transition():
            return transition_words(fact)
        case Traded(execution=row):
            kind = {"fill": "executed", "trade_bust": "undone", "trade_correct": "corrected to"}[row.kind.value]
            return f"{kind} {number(row.qty)} at {number(row.price)} (execution {row.execution_id})"
        case Canceling(answer=None):
            return f"a cancel of {fact.target} goes out"
        case Canceling():
            return f"the cancel of {fact.target}: {CANCEL_ANSWERS.get(str(fact.answer), str(fact.answer))}"
        case FillResult():
            return result_words(fact)
        case Amendment():
            return f"amended ({fact.kind.value.replace('_', ' ')}): now {result_words(fact.amended)}"
        case Released():
            return f"nothing more is sought: {fact.reason}"


#: What a broker may answer to a cancel, and what that says.
CANCEL_ANSWERS = {
    "requested": "noted by the broker, which proves no end",
    "already_over": "the broker says that it is over already",
    "not_there": "the broker does not know the order",
    "refused": "refused",
    "unknown": "no answer; it may have worked",
    "not_sent": "not sent after all; it was not needed any more",
}


def begun_words(fact: WatchBegun) -> str:
    """How the order is watched."""
    again = "taken up again after a restart" if fact.resumed else ""
    if fact.told is not None:
        return f"{again or 'looked at further'}: what was told ({outcome(fact.told.outcome)}) is not all"
    begun = again or "the watch begins"
    if fact.timeout is TimeoutKind.NONE or fact.timeout_seconds is None:
        said = [begun, "no timeout"]
    else:
        by = " by the configuration" if fact.timeout is TimeoutKind.CONFIGURED else ""
        then = {AtTimeout.CANCEL: "then it is cancelled", AtTimeout.LEAVE: "then it is left alone"}[fact.at_timeout]
        said = [begun, f"timeout {seconds(fact.timeout_seconds)}{by}", then]
    if fact.expected_price is not None:
        said.append(f"expected price {number(fact.expected_price)}")
    return ", ".join(said)


def seconds(value: float) -> str:
    """`60 s`, `0.25 s`: to the hundredth."""
    return f"{value:.2f}".rstrip("0").rstrip(".") + " s"


def learnt_words(fact: Learnt) -> str:
    """What the broker said."""
    match fact.piece:
        case Piece.UNANSWERED:
            return f"no answer: {fact.error or 'unknown why'}"
        case Piece.MISSING:
            return "the broker does not know the order"
        case Piece.SEEN:
            said = fact.raw_status or (fact.status.value if fact.status else "?")
            price = "" if fact.filled_avg_price is None else f" at {number(fact.filled_avg_price)}"
            successor = "" if fact.replaced_by is None else f", replaced by {fact.replaced_by}"
            return f"{said}, {amount(fact.filled_qty, fact.qty)}{price}{successor}"


def transition_words(fact: Transition) -> str:
    """What changed."""
    if fact.before is fact.status:
        change = f"still {fact.status.value}, now"
    else:
        change = f"{'first seen' if fact.before is None else fact.before.value} -> {fact.status.value},"
    successor = "" if fact.successor_id is None else f", goes on as {fact.successor_id}"
    odd = ", which should not follow" if fact.surprising else ""
    return f"{change} {amount(fact.filled_quantity, fact.requested_quantity)}{successor}{odd}"
