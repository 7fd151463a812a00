"""Log lines of the form `[TIMESTAMP] [LEVEL] [order_id] [elapsed] message`, silent until somebody asks for them.

Importing turns fillwatch's records off and adds no handler; `enable_logging` turns them on and adds one. What a broker
or a caller has written is made plain before any handler sees it, so that it can neither forge a line nor be markup.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from loguru import logger

from fillwatch.core.text import plain

if TYPE_CHECKING:
    from loguru import Logger, Message, Record

logger.disable("fillwatch")
#: Grows with each call of `enable_logging`, after which whoever believed that nobody listens asks again at once.
_calls = [0]

#: Characters of one message; an explanation of a broker is cut at 300 where it enters one.
MESSAGE_LIMIT = 2_000
#: The number of the handler that loguru itself installs.
_STOCK_HANDLER = 0
#: For how many lines of a level, and for how long, it is believed that nobody listens: see `Ears`.
LINES, SECONDS = 64, 0.05
#: Asks in the name of the module that calls `Ears.hear`.
_ASKING = logger.opt(lazy=True, depth=1)


def enable_logging(
    level: str | int = "INFO", sink: TextIO | str | Path | Callable[[Message], None] | None = None
) -> int:
    """Show fillwatch's records from `level` up on `sink` (standard error by default) and return the handler's number.

    `logger.remove(number)` takes the handler away again. Tracebacks never show the values of variables. The handler
    loguru starts with would print every line a second time, and variables with it: if it is still there, it is
    replaced by one that prints everything but fillwatch's records. Raises `ValueError` for an unknown level.
    """
    target = sys.stderr if sink is None else sink
    number = logger.add(
        target,
        level=level,
        format=_line,
        filter="fillwatch",
        backtrace=False,
        diagnose=False,
    )
    with contextlib.suppress(ValueError):
        logger.remove(_STOCK_HANDLER)
        logger.add(sys.stderr, filter={"": True, "fillwatch": False})
    logger.enable("fillwatch")
    _calls[0] += 1
    return number


def order_logger(order_id: str, elapsed: Callable[[], float]) -> Logger:
    """The logger of one watch, to be kept as long as it lasts: binding costs more than a record that is not shown.

    `elapsed()` gives the seconds since the watch began, and is asked anew for each line that is written.
    """
    return bound(plain_logger(), order_id, elapsed)


def bound(log: Logger, order_id: str, elapsed: Callable[[], float]) -> Logger:
    """`log`, saying of which order it speaks; see `order_logger`."""
    return log.bind(order_id=plain(order_id), elapsed=_Elapsed(elapsed))


def often_logger() -> Logger:
    """A logger for lines of orders that are written often and shown seldom; one serves all orders.

    Its arguments are functions, called when a line is shown; `about=` is one that gives an order id and `elapsed()`.
    """
    return logger.patch(_name_order).patch(_make_plain).opt(lazy=True)


class _Heard(Exception):
    """No error: how a line that is never finished says that somebody listens."""


class Ears:
    """Whether anybody listens to lines of a level, for whoever would write thousands of them a second.

    loguru is asked, from the module that writes, by a line that is never finished: its text is only asked for where
    somebody listens. That nobody does is believed for `LINES` lines or `SECONDS`, whichever ends first, and until
    `enable_logging` is called; that somebody does, never: the line itself asks.
    """

    __slots__ = ("_calls", "_clock", "_deaf", "_until")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        #: Lines of each level that nobody need ask about any more.
        self._deaf: dict[str, int] = {}
        self._calls = -1
        self._until = -math.inf

    def hear(self, level: str) -> bool:
        """Whether a line of this level that the caller is about to write may be seen."""
        left = self._deaf.get(level, 0)
        if left and self._calls == _calls[0] and self._clock() < self._until:
            self._deaf[level] = left - 1
            return False
        try:
            _ASKING.log(level, "{}", _say)
        except _Heard:
            self._deaf.clear()
            return True
        if self._calls != _calls[0] or self._clock() >= self._until:
            self._deaf.clear()
            self._calls, self._until = _calls[0], self._clock() + SECONDS
        self._deaf[level] = LINES
        return False


def _say() -> str:
    raise _Heard


def plain_logger() -> Logger:
    """A logger for what concerns no single order."""
    return logger.patch(_make_plain)


class _Elapsed:
    """Seconds that are read when a line is written; what crosses to another process is the text of that moment."""

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[], float]) -> None:
        self._read = read

    def __str__(self) -> str:
        return f"{self._read():.3f}s"

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)


def _name_order(record: Record) -> None:
    extra = record["extra"]
    order_id, elapsed = extra.pop("about")
    extra.update(order_id=plain(order_id), elapsed=_Elapsed(elapsed))


def _make_plain(record: Record) -> None:
    message = record["message"]
    if not (message.isprintable() and message.isascii() and "<" not in message and len(message) <= MESSAGE_LIMIT):
        record["message"] = plain(message, limit=MESSAGE_LIMIT)


def _line(record: Record) -> str:
    bound = record["extra"]
    order_id = "{extra[order_id]}" if "order_id" in bound else "-"
    elapsed = "{extra[elapsed]}" if "elapsed" in bound else "-"
    return f"[{{time:YYYY-MM-DDTHH:mm:ss.SSS!UTC}}Z] [{{level}}] [{order_id}] [{elapsed}] {{message}}\n{{exception}}"
