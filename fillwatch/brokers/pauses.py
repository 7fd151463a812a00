"""How long a feed waits before it connects again: growing pauses, drawn at random so that no two keep step."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Mapping
from enum import StrEnum
from types import MappingProxyType

import backoff

#: Seconds between two attempts at the most, whatever has happened.
LONGEST = 60.0
#: Seconds that a connection must stand before its loss counts as a new misfortune and not as the next of a row.
STOOD = 10.0


class Loss(StrEnum):
    """Why there is no connection, as far as it decides how soon to try again.

    `BROKEN`: it was lost or could not be made. `TAKEN`: somebody else holds the only slot. `KEYS`: the keys were
    refused. Whoever has lost to the last two gains nothing by hurrying.
    """

    BROKEN = "broken"
    TAKEN = "taken"
    KEYS = "keys"


#: Total over `Loss`: the longest first pause, and that of all that follow, in seconds.
_TERMS: Mapping[Loss, tuple[float, float]] = MappingProxyType(
    {
        Loss.BROKEN: (0.25, 30.0),
        Loss.TAKEN: (8.0, LONGEST),
        Loss.KEYS: (30.0, LONGEST),
    }
)


class Pauses:
    """The pauses of one feed. `rng`: where the jitter is drawn from (None: the random numbers of the process)."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self._jitter: Callable[[float], float] = backoff.full_jitter if rng is None else _jitter_of(rng)
        self._rows: dict[Loss, Generator[float, None, None]] = {}

    def next(self, loss: Loss) -> float:
        """Seconds to wait now. Each loss of the same kind makes it longer, up to its limit, until `reset`."""
        if loss not in self._rows:
            self._rows[loss] = _growing(loss)
        longest = next(self._rows[loss])
        if loss is Loss.BROKEN:
            return self._jitter(longest)
        return longest / 2 + self._jitter(longest / 2)  # never at once: full jitter alone may draw next to nothing

    def reset(self) -> None:
        """A connection has stood for `STOOD` seconds: the next loss is the first of a new row."""
        self._rows.clear()


def _growing(loss: Loss) -> Generator[float, None, None]:
    first, most = _TERMS[loss]
    waits = backoff.expo(2, first, most)
    next(waits)  # the generator begins with the None with which `backoff` starts it
    return waits


def _jitter_of(rng: random.Random) -> Callable[[float], float]:
    return lambda longest: rng.uniform(0.0, longest)
