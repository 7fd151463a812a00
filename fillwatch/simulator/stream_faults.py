"""What can go wrong with pushed events: faults that strike one event, and those that befall a whole connection."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from random import Random

Windows = tuple[tuple[float, float], ...]


class StreamKind(StrEnum):
    """A fault that strikes one event on its way to one reader. At most one does; values name fields of `StreamFaults`.

    `drop`: it never comes. `duplicate`: it comes twice. `reorder`: it comes after the next one. `delay`: it comes
    late, others overtake it. `data_null`, `unreadable`: `null` or half a frame comes in its place. `unknown_event`,
    `unknown_status`, `unknown_field`: it says a word that nobody has heard of.
    """

    DROP = "drop"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    DELAY = "delay"
    DATA_NULL = "data_null"
    UNREADABLE = "unreadable"
    UNKNOWN_EVENT = "unknown_event"
    UNKNOWN_STATUS = "unknown_status"
    UNKNOWN_FIELD = "unknown_field"


class Frames(StrEnum):
    """How the WebSocket carries JSON: Alpaca's paper endpoint uses binary frames, other clients expect text."""

    BINARY = "binary"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFaults:
    """How often each fault strikes an event (probability), and when whole connections fail.

    Times are seconds since the world began, windows are (start, end). The event faults strike from `start` to `end`,
    and only events of `orders` (order ids, client order ids or symbols; empty: all). `delay_seconds`: the most by
    which a delayed event is late.

    `mute`: pings are answered and no event comes; what happens meanwhile is lost. `half_open`: nothing comes, not even
    a pong, and with the window the connection ends. `disconnect_every`: how many seconds a connection lives (None: for
    ever); `disconnect_at`: moments at which all break. `refuse`: new connections get HTTP 429. `refuse_second`: so do
    those that come while another is open; `second_kicks_first`: they are let in and the older one is closed.
    `frames` is the switch between binary and text. `no_events_route`: `/v2/events/*` answers 404, as it may for
    accounts that are not a broker's.
    """

    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay: float = 0.0
    data_null: float = 0.0
    unreadable: float = 0.0
    unknown_event: float = 0.0
    unknown_status: float = 0.0
    unknown_field: float = 0.0
    delay_seconds: float = 2.0
    start: float = 0.0
    end: float = math.inf
    orders: frozenset[str] = frozenset()
    mute: Windows = ()
    half_open: Windows = ()
    refuse: Windows = ()
    disconnect_every: float | None = None
    disconnect_at: tuple[float, ...] = ()
    refuse_second: bool = False
    second_kicks_first: bool = False
    frames: Frames = Frames.BINARY
    no_events_route: bool = False

    def __post_init__(self) -> None:
        shares = {kind.value: getattr(self, kind.value) for kind in StreamKind}
        for name, share in shares.items():
            if not 0.0 <= share <= 1.0:
                raise ValueError(f"StreamFaults.{name}: {share!r} is not allowed; it must be from 0 to 1")
        if sum(shares.values()) > 1.0 + 1e-9:
            raise ValueError("StreamFaults: the probabilities of the event faults add up to more than 1")
        for name in ("mute", "half_open", "refuse"):
            for start, end in getattr(self, name):
                if not start < end:
                    raise ValueError(f"StreamFaults.{name}: ({start!r}, {end!r}) is not allowed; start before end")
        if self.delay_seconds < 0.0:
            raise ValueError(f"StreamFaults.delay_seconds: {self.delay_seconds!r} is not allowed; 0 or more")
        if self.disconnect_every is not None and self.disconnect_every <= 0.0:
            raise ValueError(
                f"StreamFaults.disconnect_every: {self.disconnect_every!r} is not allowed; more than 0, or None"
            )
        if self.refuse_second and self.second_kicks_first:
            raise ValueError("StreamFaults.second_kicks_first: True is not allowed together with refuse_second")
        object.__setattr__(self, "frames", _frames(self.frames))

    @classmethod
    def rate(cls, share: float) -> StreamFaults:
        """Every kind of event fault equally often, `share` of all events together."""
        return cls(**{kind.value: share / len(StreamKind) for kind in StreamKind})  # type: ignore[arg-type] # all floats

    def strike(self, names: Iterable[str], t: float, stream: Random) -> StreamKind | None:
        """The fault that strikes an event at `t` whose order goes by `names`, if any."""
        point = stream.random()
        if not self.start <= t < self.end or (self.orders and self.orders.isdisjoint(names)):
            return None
        for kind in StreamKind:
            point -= getattr(self, kind.value)
            if point < 0.0:
                return kind
        return None

    def next_edge(self, t: float) -> float:
        """The next moment after `t` at which a window begins or ends or all connections break; `inf`: there is none."""
        edges = [edge for windows in (self.mute, self.half_open) for window in windows for edge in window]
        return min((edge for edge in (*edges, *self.disconnect_at) if edge > t), default=math.inf)


def within(windows: Windows, t: float) -> bool:
    """Whether `t` lies in one of the windows."""
    return any(start <= t < end for start, end in windows)


def _frames(word: str) -> Frames:
    try:
        return Frames(word)
    except ValueError:
        allowed = ", ".join(Frames)
        raise ValueError(f"StreamFaults.frames: {word!r} is not allowed; one of {allowed}") from None


NO_STREAM_FAULTS = StreamFaults()
