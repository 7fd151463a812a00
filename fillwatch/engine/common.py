"""What all cases of an engine share, so that none of them has to hold it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from fillwatch.core.config import FillDetectionConfig
from fillwatch.core.evidence import Missing, Seen
from fillwatch.core.results import Transition
from fillwatch.core.verification import MultiMethodVerifier
from fillwatch.engine.wishes import Wishes
from fillwatch.logs import Ears, often_logger, plain_logger

if TYPE_CHECKING:
    from fillwatch.engine.case import Case
    from fillwatch.engine.diary import Diary

_VERIFIER = MultiMethodVerifier()


class Common:
    """An engine's configuration of the moment, its ear for changes, its diary, its loop and its loggers."""

    __slots__ = ("_wishes", "config", "diary", "ears", "log", "loop", "often", "on_change")

    def __init__(
        self,
        config: Callable[[], FillDetectionConfig],
        on_change: Callable[[Case, tuple[Transition, ...]], None],
        diary: Diary | None = None,
    ) -> None:
        self.config = config
        self.on_change = on_change
        self.diary = diary
        self.loop = asyncio.get_running_loop()
        self.log = plain_logger()
        self.often = often_logger()
        self.ears = Ears(self.loop.time)
        self._wishes = Wishes()

    def shared(self, wishes: Wishes) -> Wishes:
        """The same wishes: those of the case before, if they are the same, for most of many are."""
        if wishes != self._wishes:
            self._wishes = wishes
        return self._wishes


def look_line(evidence: Seen | Missing) -> str:
    """A look as it is logged."""
    if isinstance(evidence, Missing):
        return f"look: {evidence.route.value}: not there"
    order = evidence.order
    methods = ", ".join(f"{name} {verdict.value}" for name, verdict in _VERIFIER.verdicts(order).items())
    said = f"{order.raw_status or order.status} {order.filled_qty} of {order.qty}"
    return f"look: {evidence.route.value}: {said}; methods: {methods}"
