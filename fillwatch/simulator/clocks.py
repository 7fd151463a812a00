"""The clock of a world that is served: as fast as the real one, faster or slower, or moved by hand."""

from __future__ import annotations

from collections.abc import Callable


class Clock:
    """Seconds since a world began: `rate` of them for each second of `source`.

    With rate 0 it stands still and is moved by hand. `source` is any monotonic clock, such as the running loop's.
    """

    def __init__(self, source: Callable[[], float] = lambda: 0.0, *, rate: float = 0.0, at: float = 0.0) -> None:
        self._source = source
        self._rate = rate
        self._at = at
        self._since = source()

    @property
    def rate(self) -> float:
        """How many of its seconds pass in one of the source's."""
        return self._rate

    @property
    def is_manual(self) -> bool:
        """Whether it stands still until it is moved."""
        return self._rate == 0.0

    def __call__(self) -> float:
        """The seconds it shows."""
        if self._rate == 0.0:
            return self._at
        return self._at + (self._source() - self._since) * self._rate

    def move_to(self, t: float) -> None:
        """Let it show `t` now; `ValueError` when that is in the past."""
        if not t >= self():
            raise ValueError(f"clock: {t!r} is not allowed; it shows {self():g} s already and never goes back")
        self._at, self._since = t, self._source()

    def go(self, rate: float) -> None:
        """Let it run at another rate from now on."""
        self._at, self._since, self._rate = self(), self._source(), rate

    def seconds_until(self, t: float) -> float | None:
        """The source's seconds until it shows `t`; None when it will not by itself."""
        return None if self._rate == 0.0 else (t - self()) / self._rate


def rate_of(name: str) -> float:
    """How fast the clock of this name goes: 1 for `real`, N for `scaled:N`, 0 for `manual`; else `ValueError`."""
    kind, _, factor = name.partition(":")
    if name in ("real", "manual"):
        return 1.0 if name == "real" else 0.0
    try:
        rate = float(factor) if kind == "scaled" else 0.0
    except ValueError:
        rate = 0.0
    if not 0.001 <= rate <= 100_000:
        raise ValueError(f"clock: {name!r} is not allowed; give real, manual or scaled:N, N from 0.001 to 100000")
    return rate
