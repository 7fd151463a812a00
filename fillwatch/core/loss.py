"""How much a push route loses, and how often what it tells is therefore to be audited by reads."""

from __future__ import annotations

#: Fills after which what happened before them counts half: a route may become worse, or better, within a session.
MEMORY = 200.0
_KEPT = 0.5 ** (1.0 / MEMORY)
#: What is believed of a route before it has told anything: so many fills, a quarter of one lost. Trust
#: has to be earned.
PRIOR_FILLS, PRIOR_LOST = 50.0, 0.25
#: Seconds of lateness, averaged over all fills, that lost events may cause: a share of 1 % is audited every 2 s.
TOLERATED = 0.02
#: The longest that an order goes without a read although the stream is healthy, in seconds.
LONGEST_AUDIT = 10.0


class LossMeter:
    """The share of fills that reads saw first, over all fills; recent ones count most."""

    __slots__ = ("_fills", "_lost")

    def __init__(self) -> None:
        self._fills, self._lost = PRIOR_FILLS, PRIOR_LOST

    def note(self, *, lost: bool) -> None:
        """A fill happened, and the route told it, or did not."""
        self._fills = self._fills * _KEPT + 1.0
        self._lost = self._lost * _KEPT + lost

    @property
    def share(self) -> float:
        """From 0 (every fill is told) to 1 (none is)."""
        return self._lost / self._fills

    @property
    def audit_interval(self) -> float:
        """Seconds within which an order that the route covers has to be read all the same."""
        return min(TOLERATED / self.share, LONGEST_AUDIT) if self.share > 0 else LONGEST_AUDIT
