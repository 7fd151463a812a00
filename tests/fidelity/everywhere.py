"""A pytest plugin that puts the witness before every server of any test: `pytest -p tests.fidelity.everywhere tests`.

It is for looking, not for the suite: tests that let the broker misbehave (unknown statuses, bent fields) fail under it.
Failures are pardoned, since faults make them on purpose, and so are worlds without a rate limit, which tell of none.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

PARDONED = {500, 502, 503, 504}


@pytest.fixture(autouse=True)
def witnessed() -> Iterator[None]:
    """No server of this test may have given an answer that is not documented."""
    # A plugin that is named on the command line is loaded before pytest may rewrite what these import.
    from tests.fidelity.tally import judged
    from tests.fidelity.witness import Witness

    with Witness().watching() as watching:
        watching.pardoned |= PARDONED
        yield
    wrong = [fault for fault in judged(watching.exchanges) if "header x-ratelimit" not in fault]
    assert not wrong, f"{len(wrong)} faults\n" + "\n".join(wrong[:20])
