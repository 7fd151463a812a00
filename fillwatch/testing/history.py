"""What happened in a run, line by line: who asked what of whom, and what came of it.

Nothing here knows the engine. A history is written by `fillwatch.testing.recorder` from outside and read by
`fillwatch.testing.checker`; it can be written by hand to test a check, or from another broker's log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import count

from fillwatch.brokers.base import Fills, Listing
from fillwatch.core.errors import BrokerError


class Phase(StrEnum):
    """Where in its life the operation of a line is: asked for, done, failed, or noted with no end of its own."""

    INVOKE = "invoke"
    OK = "ok"
    FAIL = "fail"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line. `t`: seconds of the loop's clock; `order`: the order's id, "" for what concerns many or none.

    Lines of one operation share their `actor`. `value` is what was asked with, answered, raised or observed.
    """

    t: float
    actor: str
    order: str
    op: str
    phase: Phase
    value: object = None

    def __str__(self) -> str:
        return f"{self.t!r} {self.actor} {self.order or '-'} {self.op} {self.phase} {_told(self.value)}"


class History:
    """Lines in the order in which they were written. `clock` gives the seconds of each."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.lines: list[Line] = []
        self._clock = clock
        self._numbers = count(1)

    def actor(self, kind: str) -> str:
        """A name for one more actor of this kind."""
        return f"{kind}-{next(self._numbers)}"

    def write(self, actor: str, op: str, phase: Phase, value: object = None, *, order: str = "") -> None:
        """Add a line at the present time."""
        self.lines.append(Line(t=self._clock(), actor=actor, order=order, op=op, phase=phase, value=value))

    def of(self, op: str, *phases: Phase) -> Iterator[Line]:
        """The lines of an operation, of these phases if any are named."""
        return (line for line in self.lines if line.op == op and (not phases or line.phase in phases))

    def about(self, order: str) -> str:
        """The lines that name an order, or whose answer shows it, as text."""
        return "\n".join(text for text in map(str, self.lines) if order in text)

    def digest(self) -> str:
        """A hash of all lines: equal for two runs that went exactly the same way."""
        text = hashlib.sha256()
        for line in self.lines:
            text.update(str(line).encode())
        return text.hexdigest()


def _told(value: object) -> str:
    match value:
        case None:
            return ""
        case BrokerError():
            return f"{type(value).__name__}({value.message!r}, status={value.status})"
        case Listing():
            rows = " ".join(f"{o.order_id}:{o.raw_status}:{o.filled_qty}" for o in value.orders)
            return f"list complete={value.complete} [{rows}]"
        case Fills():
            rows = " ".join(f"{row.order_id}:{row.execution_id}:{row.kind}:{row.qty}" for row in value.executions)
            return f"fills complete={value.complete} [{rows}]"
        case _:
            return repr(value)
