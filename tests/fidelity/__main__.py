"""`python -m tests.fidelity`: run the fidelity tests and print endpoint × judge, with counts of calls and failures.

Exit status 1 when a test fails or an answer was wrong. Further arguments go to pytest.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest


def main(arguments: list[str]) -> int:
    """The exit status."""
    # One process, because it counts; everything else is imported by pytest first, which warns when it comes second.
    outcome = pytest.main([str(Path(__file__).parent), "-p", "no:xdist", *arguments])

    from tests.fidelity import report

    return 1 if report.printed() or outcome else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
