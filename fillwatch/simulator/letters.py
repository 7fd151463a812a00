"""How a letter is written: the trade update, as the fault that has struck it leaves it, in JSON or MessagePack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from random import Random
from types import MappingProxyType
from typing import Any

import msgspec

from fillwatch.simulator.events import body
from fillwatch.simulator.plans import NEW_WORDS
from fillwatch.simulator.pump import Letter
from fillwatch.simulator.stream_faults import StreamKind

Said = dict[str, Any]


class Coding(StrEnum):
    """How a message is made of values."""

    JSON = "json"
    MSGPACK = "msgpack"


def _as_it_is(said: Said, chance: Random) -> Said | None:
    return said


def new_word(chance: Random) -> str:
    """A word that no client has heard of."""
    return chance.choice(NEW_WORDS)


def _new_event(said: Said, chance: Random) -> Said:
    return {**said, "event": new_word(chance)}


def _new_status(said: Said, chance: Random) -> Said:
    return {**said, "order": {**said["order"], "status": new_word(chance)}}


def _new_field(said: Said, chance: Random) -> Said:
    order = {**said["order"], "settlement_venue": "X1", "routing": {"hops": chance.randint(1, 9)}}
    return {**said, "order": order, "revision": chance.randint(1, 9)}


#: Total over `StreamKind`: what a fault makes of a trade update. An unreadable one is cut when it is written.
TWISTS: Mapping[StreamKind, Callable[[Said, Random], Said | None]] = MappingProxyType(
    {
        StreamKind.DROP: lambda said, chance: None,
        StreamKind.DUPLICATE: _as_it_is,
        StreamKind.REORDER: _as_it_is,
        StreamKind.DELAY: _as_it_is,
        StreamKind.DATA_NULL: lambda said, chance: None,
        StreamKind.UNREADABLE: _as_it_is,
        StreamKind.UNKNOWN_EVENT: _new_event,
        StreamKind.UNKNOWN_STATUS: _new_status,
        StreamKind.UNKNOWN_FIELD: _new_field,
    }
)


def written(
    letter: Letter,
    coding: Coding,
    *,
    say: Callable[[Letter], Said] = lambda letter: body(letter.event),
    wrap: Callable[[Said | None], object] = lambda said: said,
) -> bytes:
    """The bytes of a letter: what `say` makes of its event, twisted, in the envelope that `wrap` puts around it."""
    said: Said | None = say(letter)
    if letter.kind is not None and said is not None:
        said = TWISTS[letter.kind](said, letter.chance)
    raw = coded(wrap(said), coding)
    return raw[: len(raw) // 2] if letter.kind is StreamKind.UNREADABLE else raw


def coded(message: object, coding: Coding) -> bytes:
    """Any message as bytes."""
    return msgspec.msgpack.encode(message) if coding is Coding.MSGPACK else msgspec.json.encode(message)
