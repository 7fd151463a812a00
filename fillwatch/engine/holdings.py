"""The account's positions: read at the start, counted on from there, and compared after each fill."""

from __future__ import annotations

import asyncio

from fillwatch.brokers.base import Broker, Operation, Positions
from fillwatch.core.errors import BrokerError, EngineClosed, KeysRefused, TransientError
from fillwatch.core.evidence import Route, Unanswered
from fillwatch.core.positions import PositionBook
from fillwatch.engine.consistency import Hook, StateConsistencyValidator
from fillwatch.engine.limiter import Priority
from fillwatch.engine.tape_feed import TapeReader
from fillwatch.engine.wire import Wire
from fillwatch.logs import plain_logger

#: Seconds between two reads of the positions, however many fills wait to be compared.
SPACING = 10.0
#: Seconds before the positions are asked for again if they did not come at the start; doubled, at most the second.
BASELINE_PAUSE, LONGEST_BASELINE_PAUSE = 0.5, 8.0


class Holdings:
    """The position book, what fills it at the start, and what compares it with the broker's."""

    def __init__(
        self, broker: Broker, wire: Wire, book: PositionBook, tape: TapeReader, on_discrepancy: Hook | None
    ) -> None:
        self.book = book
        self.consistency = StateConsistencyValidator(
            book,
            read_positions=self._read,
            read_fills=tape.until_read if tape.exists else None,
            lag=broker.caps.position_lag,
            on_discrepancy=on_discrepancy,
            spacing=SPACING,
        )
        self._broker = broker
        self._wire = wire

    async def open(self) -> bool:
        """Read the positions, which also tries the keys. False when the broker did not answer.

        Raises `KeysRefused`.
        """
        answer = await self._read()
        if isinstance(answer, Positions):
            self._start(answer)
            return True
        if isinstance(answer.error, KeysRefused):
            raise answer.error
        plain_logger().warning("the broker did not answer at the start: {}; watching all the same", answer.error)
        return False

    async def seek_baseline(self) -> None:
        """The positions from which fills are counted: asked for until they come, or a check has brought them."""
        pause = BASELINE_PAUSE
        while not self.book.has_baseline:
            await asyncio.sleep(pause)
            pause = min(2.0 * pause, LONGEST_BASELINE_PAUSE)
            answer = await self._read()
            if isinstance(answer, Positions) and not self.book.has_baseline:
                self._start(answer)

    def _start(self, answer: Positions) -> None:
        self.book.start(answer.quantities, as_of=answer.as_of, at=answer.at)

    async def _read(self) -> Positions | Unanswered:
        now = asyncio.get_running_loop().time
        try:
            return await self._wire.ask(Priority.POSITION, self._broker.positions, operation=Operation.POSITIONS)
        except BrokerError as error:
            return Unanswered(error=error, route=Route.POSITIONS, as_of=now())
        except EngineClosed as error:
            return Unanswered(error=TransientError(str(error)), route=Route.POSITIONS, as_of=now())
