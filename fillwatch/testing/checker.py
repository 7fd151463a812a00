"""Was every word kept? Plain functions over a history and the broker's ledger, one for each invariant.

The numbers are those of the list of invariants the project is held to; `INVARIANTS` says each in a line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from fillwatch.simulator.ledger import Ledger
from fillwatch.testing import claims, conduct
from fillwatch.testing.history import History
from fillwatch.testing.violations import Terms, Violation

Check = Callable[[History, Ledger, Terms], Iterator[Violation]]

INVARIANTS: Mapping[int, str] = MappingProxyType(
    {
        1: "no missed fill: in the end each order's result or amendment says what the ledger says",
        2: "no phantom: nothing is called executed before it was, no execution is invented",
        3: "cumulative quantity rises; quantity and average price were true together",
        4: "one result for each watch, and only amendments after it",
        5: "every watch, request and caller comes to an end",
        6: "no call to the broker after close; close is bounded",
        7: "never above our share of the limit in any window; silence after a 429",
        8: "no cancel after a known end; a look is tried before each cancel",
        14: "every outcome is the broker's doing: no failure of a request becomes an end",
        15: "no cancel of an order that is not ours to cancel",
        16: "no watched order goes unseen for long",
    }
)

#: Total over `INVARIANTS`.
CHECKS: Mapping[int, Check] = MappingProxyType(
    {
        1: claims.missed_fills,
        2: claims.phantoms,
        3: claims.wrong_figures,
        4: conduct.results_that_are_not_one,
        5: conduct.what_never_ended,
        6: conduct.calls_after_close,
        7: conduct.too_many_requests,
        8: conduct.needless_cancels,
        14: claims.invented_ends,
        15: conduct.foreign_cancels,
        16: conduct.orders_unseen,
    }
)


def check(history: History, ledger: Ledger, terms: Terms | None = None) -> list[Violation]:
    """Every violation there is, by invariant and time. `terms`: what was agreed for the run (None: the usual)."""
    agreed = Terms() if terms is None else terms
    return sorted(
        (found for examine in CHECKS.values() for found in examine(history, ledger, agreed)),
        key=lambda violation: (violation.invariant, violation.t, violation.order),
    )
