"""What every `Broker` has to keep to, as tests to be inherited: write an adapter, subclass, run them with pytest."""

from __future__ import annotations

from fillwatch.testing.conformance_answers import Answers
from fillwatch.testing.conformance_faults import FaultyAnswers
from fillwatch.testing.conformance_pages import Pages
from fillwatch.testing.conformance_push import Pushed
from fillwatch.testing.conformance_scenarios import Scenarios
from fillwatch.testing.conformance_stage import Scene, Stage, Stages

__all__ = ["BrokerConformance", "Scene", "Stage", "Stages"]


class BrokerConformance(Answers, FaultyAnswers, Pages, Pushed, Scenarios):
    """Subclass as `class TestMine(BrokerConformance)` and give `over`; each test opens a world of its own.

    `PUSHES = False` in the subclass says that the broker has no stream; the tests of pushed events are then not
    collected. Runs in virtual time; override `run`, `play` for a broker that cannot.
    """

    def __init_subclass__(cls, **named: object) -> None:
        super().__init_subclass__(**named)
        if not cls.PUSHES:
            for name in vars(Pushed):
                if name.startswith("test_"):
                    setattr(cls, name, None)  # pytest collects what can be called
