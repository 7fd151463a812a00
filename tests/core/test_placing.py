"""The dialogue that gets an order to the broker once: whole conversations, question by question."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwatch.core.orders import OrderSnapshot, OrderStatus
from fillwatch.core.placing import AskFind, AskSubmit, AskWait, NotThere, Placing, Reply, Said, There, placing

ORDER = OrderSnapshot(order_id="o", status=OrderStatus.NEW)
S, F = AskSubmit, AskFind
HERE, DENIED, REFUSED, NOT_NOW, SILENT = Said.HERE, Said.DENIED, Said.REFUSED, Said.NOT_NOW, Said.SILENT
#: Seconds that a request takes in these conversations.
TAKES = 1.0


class Talk:
    """Answers the dialogue from a script, the last line of it for ever; waits take as long as they ask for."""

    def __init__(self, dialogue: Placing, *script: Said, answers: dict[type, Said] | None = None) -> None:
        self.now = 0.0
        self.asked: list[type] = []
        self.times: list[float] = []
        self.doubted_at = math.inf
        self._script = list(script)
        self._answers = answers or {}
        self.end = self._hold(dialogue)

    def _hold(self, dialogue: Placing) -> There | NotThere:
        question = next(dialogue)
        try:
            for _ in range(10_000):
                question = dialogue.send(self._reply(question))
        except StopIteration as end:
            came: There | NotThere = end.value
            return came
        pytest.fail("the dialogue never ends")

    def _reply(self, question: object) -> Reply:
        if isinstance(question, AskWait):
            if question.doubtful:
                self.doubted_at = min(self.doubted_at, self.now)
            self.now += question.seconds
            return Reply(now=self.now)
        self.asked.append(type(question))
        self.times.append(self.now)
        said = self._answers.get(type(question)) or (self._script.pop(0) if len(self._script) > 1 else self._script[0])
        sent, self.now = self.now, self.now + TAKES
        return Reply(now=self.now, said=said, sent_at=sent, order=ORDER if said is HERE else None, reason="why")


def talk(*script: Said, begun: bool = False, answers: dict[type, Said] | None = None, **terms: bool) -> Talk:
    return Talk(placing(now=0.0, patience=30.0, quarantine=60.0, begun=begun, **terms), *script, answers=answers)


@pytest.mark.parametrize(
    ("begun", "script", "asked", "end"),
    [
        (False, [HERE], [S], There(order=ORDER)),
        (False, [REFUSED], [S], NotThere(reason="why")),
        (False, [SILENT, HERE], [S, F], There(order=ORDER)),
        (False, [SILENT, DENIED, HERE], [S, F, S], There(order=ORDER)),
        (False, [SILENT, SILENT, HERE], [S, F, S], There(order=ORDER)),
        (False, [NOT_NOW, NOT_NOW, HERE], [S, S, S], There(order=ORDER)),
        (False, [NOT_NOW, REFUSED], [S, S], NotThere(reason="why")),
        (True, [HERE], [F], There(order=ORDER)),
        (True, [DENIED, HERE], [F, S], There(order=ORDER)),
    ],
)
def test_conversations(begun: bool, script: list[Said], asked: list[type], end: There | NotThere) -> None:
    held = talk(*script, begun=begun)
    assert held.asked == asked
    assert held.end == end


def test_a_refusal_after_silence_is_no_refusal_of_the_order() -> None:
    """The first request may have arrived and be the very reason: nothing more is sent, and the order is looked for."""
    held = talk(SILENT, DENIED, REFUSED, DENIED, DENIED, HERE)
    assert held.asked == [S, F, S, F, F, F]
    assert held.end == There(order=ORDER)


def test_an_order_that_never_arrived_is_denied_for_a_whole_quarantine_first() -> None:
    held = talk(answers={S: SILENT, F: DENIED})
    last_sent = max(t for t, asked in zip(held.times, held.asked, strict=True) if asked is S)
    assert isinstance(held.end, NotThere)
    assert not held.end.arrived
    assert last_sent <= 30.0
    assert held.times[-1] >= last_sent + TAKES + 60.0


def test_what_is_not_answered_at_all_never_ends_and_the_caller_is_told() -> None:
    dialogue = placing(now=0.0, patience=30.0, quarantine=60.0, begun=False)
    now, doubted, question = 0.0, math.inf, next(dialogue)
    while now < 5_000.0:
        now += question.seconds if isinstance(question, AskWait) else TAKES
        if isinstance(question, AskWait) and question.doubtful:
            doubted = min(doubted, now)
        question = dialogue.send(Reply(now=now))
    assert 90.0 <= doubted <= 100.0


def test_after_a_restart_nothing_is_sent_unless_the_caller_wants_it() -> None:
    held = talk(DENIED, begun=True, resend=False)
    assert set(held.asked) == {F}
    assert isinstance(held.end, NotThere)
    assert not held.end.arrived
    assert held.times[-1] >= 60.0


def test_what_protects_is_sent_again_however_long_it_takes() -> None:
    held = talk(*[SILENT, DENIED] * 100, HERE, protects=True)
    assert held.end == There(order=ORDER)
    assert held.asked.count(S) > 90
    assert 90.0 <= held.doubted_at <= 100.0


@given(st.lists(st.sampled_from(Said), max_size=30), st.booleans(), st.booleans())
def test_no_conversation_denies_an_order_that_may_have_arrived(script: list[Said], begun: bool, resend: bool) -> None:
    """Whatever is answered: refused means that no request went unanswered before; never arrived, that a whole
    quarantine of denials came after the last one."""
    replies = [said for said in script if said is not HERE]
    dialogue = placing(now=0.0, patience=30.0, quarantine=60.0, begun=begun, resend=resend)
    now, question, open_since = 0.0, next(dialogue), 0.0 if begun else math.inf
    denied: list[float] = []
    try:
        for _ in range(500):
            if isinstance(question, AskWait):
                now += question.seconds
                question = dialogue.send(Reply(now=now))
                continue
            said = replies.pop() if replies else (SILENT if isinstance(question, AskSubmit) else DENIED)
            if isinstance(question, AskSubmit):
                said = SILENT if said is DENIED else said
                if said is SILENT:
                    open_since, denied = min(open_since, now), []
            else:
                said = SILENT if said in (REFUSED, NOT_NOW) else said
                if said is DENIED:
                    denied.append(now)
            sent, now = now, now + TAKES
            question = dialogue.send(Reply(now=now, said=said, sent_at=sent, reason="why"))
    except StopIteration as end:
        came = end.value
        assert isinstance(came, NotThere)
        if came.arrived:
            assert open_since == math.inf
        else:
            assert len(denied) >= 3
            assert denied[-1] - denied[0] >= 60.0
