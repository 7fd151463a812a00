"""Settings all tests share."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import Phase, settings
from loguru import logger

# The suite draws the same examples each time, so that a red run is red again; `explore` draws new ones.
settings.register_profile("suite", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("explore", deadline=None, max_examples=2_000, print_blob=True)
# For bugs planted on purpose: that a test fails is enough, its smallest example is not wanted.
settings.register_profile("mutants", deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """For `--numprocesses auto`: half as many again as cores, for a third of the suite's time is spent waiting for
    sockets and for other processes.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + cores // 2


# Thousands of tests are made at the start and none of them is garbage: a collector that looked through them again and
# again would take a third of the time until the first one runs, in each process.
gc.disable()


def pytest_collection_finish() -> None:
    """From now on garbage is collected, though all that is there is seldom looked through: that takes 0.3 seconds."""
    gc.set_threshold(*gc.get_threshold()[:2], 50)
    gc.enable()


@pytest.fixture
def quiet_loguru() -> Iterator[None]:
    """Loguru without any handler during the test and without the test's handlers after it; fillwatch silent again."""
    logger.remove()
    yield
    logger.remove()
    logger.disable("fillwatch")
