"""Finds what somebody means by an id: an order by the broker's id or ours, or an intent; a unique beginning will do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fillwatch.core.results import FillResult, Transition
from fillwatch.core.trade_facts import Looked, Placed, Sending
from fillwatch.journal import FactKind, JournalReader
from fillwatch.journal.watching import Learnt
from fillwatch.observe.lines import Line, line, pages

#: Candidates that are named when a beginning fits several.
SHOWN = 5
#: The facts in which an id is first named; looked through in this order until one fits.
_WHERE: Sequence[Sequence[FactKind]] = (
    (FactKind.INTENT, FactKind.SENDING, FactKind.ACCEPTED, FactKind.WATCH, FactKind.EXITS),
    (FactKind.EVIDENCE, FactKind.TRANSITION, FactKind.RESULT),
    tuple(FactKind),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What an id means: an intent, one order of it (`name`), or an order by the id it is watched under (`order_id`)."""

    order_id: str = ""
    intent_id: str = ""
    name: str | None = None

    @property
    def is_order(self) -> bool:
        """Whether it is one order, and not a trade as a whole."""
        return bool(self.order_id) or self.name is not None


class NotFound(ValueError):
    """No id, or more than one, begins like that."""


def find(reader: JournalReader, text: str) -> Subject:
    """What `text` names. Raises `NotFound` in words, and what the reader raises."""
    wanted = text.strip()
    if not wanted:
        raise NotFound("an empty id names nothing")
    for kinds in _WHERE:
        named: dict[str, Subject] = {}
        for entry in pages(reader, kinds=kinds):
            for name, subject in _named(line(entry)):
                if name.startswith(wanted):
                    named[name] = _fuller(name, named.get(name), subject)
        if wanted in named:
            return _completed(reader, named[wanted])
        if len(set(named.values())) == 1:
            return _completed(reader, next(iter(named.values())))
        if named:
            raise NotFound(f"{wanted!r} is the beginning of {len(named)} ids: {_some(named)}; give more of it")
    raise NotFound(f"{wanted!r} is no order and no intent of this journal")


def _fuller(name: str, known: Subject | None, new: Subject) -> Subject:
    """Both that one id means: a leg of the exits is watched under its own id, and named by the order it belongs to."""
    if known is None:
        return new
    ids = [one for one in (known.order_id, new.order_id) if one]
    return Subject(
        order_id=name if name in ids else next(iter(ids), ""),
        intent_id=known.intent_id or new.intent_id,
        name=known.name or new.name,
    )


def _completed(reader: JournalReader, subject: Subject) -> Subject:
    """With the broker's id of an order that is known by its part in a trade, or the other way round."""
    if not (subject.intent_id and subject.is_order) or (subject.order_id and subject.name):
        return subject
    for entry in reader.read(intent_id=subject.intent_id, kinds=[FactKind.ACCEPTED]):
        placed = line(entry).trade
        if isinstance(placed, Placed) and (placed.name == subject.name or placed.order_id == subject.order_id):
            return Subject(order_id=placed.order_id, intent_id=subject.intent_id, name=placed.name)
    return subject


def _named(line: Line) -> Iterator[tuple[str, Subject]]:
    """Every id that the entry names, and what it means."""
    here = Subject(order_id=line.order_id, intent_id=line.intent_id, name=line.name)
    if line.order_id:
        yield line.order_id, here
    if line.intent_id:
        yield line.intent_id, Subject(intent_id=line.intent_id)
    match line.trade or line.watch:
        case Sending(request=request) if request.client_order_id:
            yield request.client_order_id, here
        case Placed(order_id=order_id):
            yield order_id, here
        case Learnt(client_order_id=client_order_id) if client_order_id:
            yield client_order_id, here
        case Looked(order_ids=order_ids):
            yield from ((order_id, here) for order_id in order_ids)
        case Transition(successor_id=str() as successor):
            yield successor, here
        case FillResult(final_order_id=final):
            yield final, here
        case _:
            pass


def _some(names: Iterable[str]) -> str:
    found = sorted(names)
    return ", ".join(found[:SHOWN]) + (", ..." if len(found) > SHOWN else "")
