"""The command `fillwatch explain`: what it takes, and how a story looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from fillwatch.cli.columns import aligned, counted
from fillwatch.cli.ending import give_up
from fillwatch.cli.opening import JournalOption, opened
from fillwatch.cli.output import JsonFlag, Styled, json_text, show, terminal_width

if TYPE_CHECKING:
    from fillwatch.observe.story import Moment, Story


def explain(
    order_id: Annotated[
        str,
        typer.Argument(
            metavar="ORDER_ID", help="The broker's order id, the client order id, or how one of them begins."
        ),
    ],
    path: JournalOption,
    as_json: JsonFlag = False,  # noqa: FBT002  # a flag of the command line
) -> None:
    """Tell the story of one order from the journal, and why its verdict is what it is.

    Every piece of evidence with the route that told it, the time, the seconds since the watch began and what it
    changed; our cancels and the answers to them; the executions; the result with the rule that decided it; what was
    asked and not answered; and what came after the result.

    Routes: order and client_id (one order was asked for), list (a page of orders), activities (the tape of executions),
    stream (pushed by the broker), submit and cancel (the answer to a request of ours).

    Exit code: 0, or 2 if the journal cannot be read or has no such order.
    """
    from fillwatch.observe.naming import NotFound, find
    from fillwatch.observe.story import about, story

    with opened(path) as reader:
        try:
            subject = find(reader, order_id)
        except NotFound as error:
            give_up(str(error))
        if not subject.is_order:
            give_up(f"{order_id} is an intent, not an order; `fillwatch journal show {order_id}` names its orders")
        told = story(about(reader, subject), subject)
    if as_json:
        typer.echo(json_text(told))
        return
    show(_lines(told))


_OUTCOME_STYLES = {"filled": "bold green", "unresolved": "bold yellow"}


def _lines(told: Story) -> list[Styled]:
    from fillwatch.observe.wording import result_words

    result = told.result
    style = "bold" if result is None else _OUTCOME_STYLES.get(result.outcome.value, "bold cyan")
    spent = (
        f"told after {result.elapsed_time:.2f} s, {counted(result.checks_performed, 'answer')}, "
        f"{counted(result.api_calls, 'request')}"
        if result is not None
        else ""
    )
    began = f"{'since ' if told.terms else ''}{told.began:%Y-%m-%d %H:%M:%S.%f}"[:-3]
    facts = [
        ("order", told.order_id or "none: the broker gave it no id"),
        ("client id", told.client_order_id),
        ("replaced by", told.final_order_id if told.final_order_id != told.order_id else ""),
        ("asked for", told.request),
        ("part", f"{told.part} of trade {told.intent_id}" if told.part else told.intent_id),
        ("watched" if told.terms else "sent", f"{began} UTC" + (f": {told.terms}" if told.terms else "")),
        ("result", told.state if result is None else result_words(result)),
        ("", spent),
        ("today", result_words(told.amended) if told.amended is not None else ""),
    ]
    head = aligned([(name, text) for name, text in facts if text])
    return [
        *(Styled(text=line, style=style if line.startswith("result") else "", hang=11) for line in head),
        *_heading("What happened"),
        *_table(told.moments),
        *_heading(f"Why it was told as {result.outcome.value.replace('_', ' ')}" if result else "Where it stands"),
        *(Styled(text=f"  - {sentence}", hang=4) for sentence in told.why),
        *((*_heading("What came after it"), *_table(told.afterwards)) if told.afterwards else ()),
    ]


def _heading(text: str) -> tuple[Styled, ...]:
    return Styled(text=""), Styled(text=text, style="bold")


_BY_STYLES = {"us": "magenta", "cancel": "magenta", "engine": "bold", "trade": "cyan", "caller": "bold"}


def _table(moments: Sequence[Moment]) -> list[Styled]:
    """A row for each moment; where they do not fit the terminal, what was changed stands below what was said."""
    width = terminal_width()
    lines = _rows(moments, apart=True)
    if width is not None and any(len(line.text) > width for line in lines):
        return _rows(moments, apart=False)
    return lines


def _rows(moments: Sequence[Moment], *, apart: bool) -> list[Styled]:
    rows = [("  time (UTC)", "after", "by", "what was said", "what it changed" if apart else "")]
    styles = ["bold"]
    run, day = (moments[0].run, moments[0].at.date()) if moments else (1, None)
    for moment in moments:
        if (moment.run, moment.at.date()) != (run, day):
            what = f"the journal was opened again: run {moment.run}" if moment.run != run else "the next day"
            rows.append((f"  {moment.at:%Y-%m-%d}", "", "", f"({what})", ""))
            styles.append("dim")
        run, day = moment.run, moment.at.date()
        if quiet := _quiet(moment):
            rows.append(("", "", "", quiet, ""))
            styles.append("dim")
        clock = f"  {moment.at:%H:%M:%S.%f}"[:-3]
        changed = moment.changed if apart or not moment.said else ""
        rows.append((clock, f"{moment.after:+.3f} s", moment.by, moment.said, changed))
        styles.append(_BY_STYLES.get(moment.by, ""))
        if moment.changed and not changed:
            rows.append(("", "", "", f"  {moment.changed}", ""))
            styles.append("dim")
    lines = aligned(rows, right={1})
    hang = lines[0].index("what was said") + 2
    return [Styled(text=line, style=style, hang=hang) for line, style in zip(lines, styles, strict=True)]


def _quiet(moment: Moment) -> str:
    """What came before it and told nothing."""
    said = [f"{moment.again} looks told nothing new" if moment.again > 1 else ""]
    said += ["a look told nothing new" if moment.again == 1 else ""]
    said += [f"{moment.unanswered} questions got no answer" if moment.unanswered > 1 else ""]
    said += ["a question got no answer" if moment.unanswered == 1 else ""]
    told = ", ".join(word for word in said if word)
    return f"({told})" if told else ""
