"""The table of `make fidelity` says what was counted, and a failure makes its exit status."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.fidelity import report, tally
from tests.fidelity.tally import Judge
from tests.fidelity.witness import Exchange

PATH = "GET /v2/clock"


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts of this test alone."""
    monkeypatch.setattr(tally, "CALLS", Counter())
    monkeypatch.setattr(tally, "FAILURES", Counter())


def answered(agent: str, body: bytes) -> Exchange:
    return Exchange(
        method="GET", path="/v2/clock", agent=agent, status=200, headers={"content-type": "application/json"}, body=body
    )


@pytest.mark.usefixtures("fresh")
def test_each_judge_is_asked_about_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    good = b'{"timestamp":"2026-06-15T10:30:00-04:00","is_open":true,"next_open":"2026-06-16T09:30:00-04:00",'
    good += b'"next_close":"2026-06-15T16:00:00-04:00"}'
    wrong = tally.judged([answered("APCA-PY/0.44", good), answered("APCA-PY/0.44", b"{}"), answered("curl", good)])
    assert tally.CALLS[PATH, Judge.CLIENT] == 2
    assert tally.FAILURES[PATH, Judge.CLIENT] == 1
    assert tally.CALLS[PATH, Judge.FUZZER] == 0
    assert any("alpaca-py" in fault for fault in wrong)
    failures = report.printed()
    assert failures == sum(tally.FAILURES.values()) > 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.strip().startswith(PATH))
    assert "2 / 1" in row
    assert row.rstrip().endswith("-"), "schemathesis was not asked"


@pytest.mark.usefixtures("fresh")
def test_without_a_failure_there_is_none() -> None:
    assert report.printed() == 0
