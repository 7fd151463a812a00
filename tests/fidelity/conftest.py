"""Fixtures of the fidelity tests: every exchange of every test is judged when the test is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import pytest

from fillwatch.simulator import Fate, World
from tests.fidelity import document, tally
from tests.fidelity.offline import HandClock, Offline, offline
from tests.fidelity.witness import Witness

Serve = Callable[..., Offline]


@pytest.fixture
def needs_document() -> None:
    """Skips where there is no document to compare with."""
    if reason := document.absence():
        pytest.skip(reason)


@pytest.fixture
def witness() -> Iterator[Witness]:
    """Sees every exchange of the servers that the test starts; afterwards nothing may be wrong with any of them."""
    with Witness().watching() as watching:
        yield watching
    wrong = tally.judged(watching.exchanges)
    assert not wrong, f"{len(wrong)} faults\n" + "\n".join(wrong[:20])


@pytest.fixture
def serve(witness: Witness) -> Iterator[Serve]:
    """Serves worlds whose orders go as the market goes; keyword arguments are the world's."""
    with ExitStack() as stack:

        def start(**options: Any) -> Offline:  # noqa: ANN401 - the world's own arguments
            def world(clock: HandClock) -> World:
                usual: dict[str, Any] = {"fate": Fate.MARKET, "requests_per_minute": 1_000_000}
                return World(7, clock=clock, **usual | options)

            serving: AbstractContextManager[Offline] = offline(world)
            return stack.enter_context(serving)

        yield start


@pytest.fixture
def broker(serve: Serve) -> Offline:
    """A broker whose market moves only when the test says so, but for the seeded walk of its prices."""
    return serve()
