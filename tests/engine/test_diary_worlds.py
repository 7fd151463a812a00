"""Whole worlds with a journal: every invariant holds as it does without one."""

from __future__ import annotations

from typing import Any

import pytest

from fillwatch import FillDetectionEngine
from fillwatch.journal import MemoryJournal
from fillwatch.testing import worlds
from fillwatch.testing.worlds import run_world


@pytest.mark.parametrize("seed", range(6))
def test_every_invariant_holds_with_a_journal(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    journals: list[MemoryJournal] = []

    def with_a_journal(*given: Any, **settings: Any) -> FillDetectionEngine:  # noqa: ANN401 - an engine's parameters
        journals.append(MemoryJournal())
        return FillDetectionEngine(*given, journal=journals[-1], **settings)

    monkeypatch.setattr(worlds, "FillDetectionEngine", with_a_journal)
    report = run_world(seed)
    assert not report.violations, report
    [journal] = journals
    assert len(journal._entries) > 100
