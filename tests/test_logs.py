"""Log lines: their form, their elapsed time, and what must never be in them."""

from __future__ import annotations

import asyncio
import io
import pickle
import re
import subprocess
import sys

import pytest
from loguru import logger

from fillwatch.logs import LINES, SECONDS, Ears, enable_logging, order_logger, plain_logger
from fillwatch.testing import virtual

pytestmark = pytest.mark.usefixtures("quiet_loguru")

LINE = re.compile(
    r"\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\] \[(?P<level>[A-Z]+)\] "
    r"\[(?P<order_id>[^]]+)\] \[(?P<elapsed>-|\d+\.\d{3}s)\] (?P<message>.*)\n"
)


@pytest.fixture(autouse=True)
def _as_if_from_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records are told apart by the module they come from: these tests speak as a module of the package."""
    monkeypatch.setitem(globals(), "__name__", "fillwatch.engine.spoken_here")


def matched(sink: io.StringIO) -> list[re.Match[str]]:
    lines = [LINE.fullmatch(line) for line in sink.getvalue().splitlines(keepends=True)]
    assert all(lines), sink.getvalue()
    return [line for line in lines if line]


def test_a_line_has_time_level_order_elapsed_and_message() -> None:
    sink = io.StringIO()
    enable_logging(sink=sink)
    order_logger("order-1", lambda: 1.5).info("filled {} of {}", 3, 10)
    (line,) = matched(sink)
    assert line.groupdict() == {
        "level": "INFO",
        "order_id": "order-1",
        "elapsed": "1.500s",
        "message": "filled 3 of 10",
    }


def test_a_record_of_no_order_shows_dashes() -> None:
    sink = io.StringIO()
    enable_logging(sink=sink)
    plain_logger().warning("the broker says: slow down")
    logger.warning("unbound")
    assert [(line["order_id"], line["elapsed"]) for line in matched(sink)] == [("-", "-"), ("-", "-")]


@virtual
async def test_elapsed_is_read_for_each_line_on_the_loops_clock() -> None:
    sink = io.StringIO()
    enable_logging(sink=sink)
    loop = asyncio.get_running_loop()
    started = loop.time()
    log = order_logger("order-1", lambda: loop.time() - started)
    for pause in (0.0, 0.25, 3_600.0):
        await asyncio.sleep(pause)
        log.info("look")
    assert [line["elapsed"] for line in matched(sink)] == ["0.000s", "0.250s", "3600.250s"]


def test_elapsed_is_not_asked_for_while_nobody_listens() -> None:
    asked: list[float] = []

    def elapsed() -> float:
        asked.append(1.0)
        return 1.0

    log = order_logger("order-1", elapsed)
    log.error("not shown: no handler")
    sink = io.StringIO()
    enable_logging("INFO", sink)
    log.debug("not shown: below the level")
    assert (asked, sink.getvalue()) == ([], "")


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("DEBUG", ["DEBUG", "INFO", "WARNING", "ERROR"]),
        ("INFO", ["INFO", "WARNING", "ERROR"]),
        ("ERROR", ["ERROR"]),
        (30, ["WARNING", "ERROR"]),
    ],
)
def test_records_below_the_level_are_not_shown(level: str | int, shown: list[str]) -> None:
    sink = io.StringIO()
    enable_logging(level, sink)
    log = order_logger("order-1", float)
    for name in ("DEBUG", "INFO", "WARNING", "ERROR"):
        log.log(name, "said")
    assert [line["level"] for line in matched(sink)] == shown


def test_an_unknown_level_is_refused_and_changes_nothing() -> None:
    with pytest.raises(ValueError, match="LOUD"):
        enable_logging("LOUD", io.StringIO())
    sink = io.StringIO()
    logger.add(sink)
    order_logger("order-1", float).info("still silent")
    assert sink.getvalue() == ""


def test_records_stay_off_for_other_handlers_until_enabled() -> None:
    sink = io.StringIO()
    logger.add(sink, format="{message}")
    log = order_logger("order-1", float)
    log.error("before")
    enable_logging(sink=io.StringIO())
    log.error("after")
    assert sink.getvalue() == "after\n"


def test_the_handler_can_be_taken_away_by_its_number() -> None:
    sink = io.StringIO()
    number = enable_logging(sink=sink)
    logger.remove(number)
    order_logger("order-1", float).error("gone")
    assert sink.getvalue() == ""


def test_records_of_others_are_not_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = io.StringIO()
    enable_logging(sink=sink)
    monkeypatch.setitem(globals(), "__name__", "somebodys.bot")
    logger.error("my own line")
    assert sink.getvalue() == ""


@pytest.mark.parametrize(
    "text",
    ["two\nlines", "an \x1b[31mescape", "<red>markup</red>", "a\r\n[2026-01-01] [ERROR] [x] [0s] forged", "x\u202ey"],
)
def test_text_from_outside_can_neither_forge_a_line_nor_be_markup(text: str) -> None:
    sink = io.StringIO()
    enable_logging(sink=sink)
    order_logger(f"id {text}", float).info(f"the broker says: {text}")
    order_logger("order-2", float).info("the broker says: {}", text)
    lines = matched(sink)
    assert len(lines) == 2
    assert all(line["message"].isprintable() and "<red>" not in line["message"] for line in lines)
    assert lines[0]["order_id"].isprintable()


def test_braces_in_text_from_outside_are_left_alone() -> None:
    sink = io.StringIO()
    enable_logging(sink=sink)
    order_logger("{extra}", float).info('body: {"code": 1} {0} {message}')
    (line,) = matched(sink)
    assert (line["order_id"], line["message"]) == ("{extra}", 'body: {"code": 1} {0} {message}')


def test_a_traceback_shows_no_variables() -> None:
    sink = io.StringIO()
    enable_logging("DEBUG", sink)

    def send(key: str) -> None:
        raise RuntimeError(f"refused a key of {len(key)} characters")

    canary = "canary-" + "7" * 20
    try:
        send(canary)
    except RuntimeError:
        order_logger("order-1", float).exception("failed")
    shown = sink.getvalue()
    assert "RuntimeError: refused a key of 27 characters" in shown
    assert canary not in shown


def test_bound_values_cross_to_another_process_as_text() -> None:
    seen: list[object] = []
    enable_logging(sink=lambda message: seen.append(message.record["extra"]["elapsed"]))
    order_logger("order-1", lambda: 2.0).info("said")
    assert pickle.loads(pickle.dumps(seen[0])) == "2.000s"


SPEAK = """
import sys
from loguru import logger
import fillwatch.logs
exec(compile("def speak(): fillwatch.logs.order_logger('order-1', float).error('said')", "x", "exec"),
     space := {"fillwatch": fillwatch, "__name__": "fillwatch.engine.spoken"})
own = lambda: logger.error("own line")
"""


def stderr_of(program: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", SPEAK + program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_nothing_is_said_on_import_nor_before_logging_is_enabled() -> None:
    assert stderr_of("space['speak']()") == []


def test_logurus_own_handler_does_not_double_our_lines_and_still_serves_others() -> None:
    lines = stderr_of(
        "fillwatch.logs.enable_logging(); fillwatch.logs.enable_logging('CRITICAL'); space['speak'](); own()"
    )
    assert [line.rsplit(" ", 2)[-2:] for line in lines] == [["[0.000s]", "said"], ["own", "line"]]


def test_importing_adds_no_handler() -> None:
    assert stderr_of("assert list(logger._core.handlers) == [0]") == []


class TestEars:
    """Whether anybody listens is asked of loguru once for many lines, and never left open for long."""

    def test_nobody_is_heard_until_logging_is_enabled_and_then_at_once(self) -> None:
        ears, sink = Ears(lambda: 0.0), io.StringIO()
        assert not ears.hear("INFO")
        number = enable_logging("INFO", sink)
        assert ears.hear("INFO")
        assert not ears.hear("DEBUG")
        assert ears.hear("WARNING")
        assert sink.getvalue() == ""  # to ask writes no line
        logger.remove(number)
        assert not ears.hear("INFO")

    @pytest.mark.parametrize("waited", ["lines", "seconds"])
    def test_who_enables_loguru_himself_is_heard_soon(self, waited: str) -> None:
        now = 0.0
        ears = Ears(lambda: now)
        assert not ears.hear("INFO")
        logger.add(io.StringIO(), level="INFO")
        logger.enable("fillwatch")
        if waited == "seconds":
            now = SECONDS
            assert ears.hear("INFO")
        else:
            assert [ears.hear("INFO") for _ in range(LINES + 1)] == [False] * LINES + [True]

    def test_one_module_may_be_listened_to_alone(self) -> None:
        logger.add(io.StringIO())
        logger.enable(__name__)
        assert Ears(lambda: 0.0).hear("DEBUG")
