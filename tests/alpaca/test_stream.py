"""The trade updates over a WebSocket: the dialogue, liveness, reconnecting, closing, and what must never happen."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from decimal import Decimal

import msgspec
import pytest
from loguru import logger

from fillwatch.brokers.alpaca import line
from fillwatch.brokers.alpaca.inbox import Inbox
from fillwatch.brokers.alpaca.keys import Credentials
from fillwatch.brokers.alpaca.line import Patience
from fillwatch.brokers.alpaca.socket import LONGEST_FRAME
from fillwatch.brokers.alpaca.stream import Stream
from fillwatch.brokers.push import Connected, Disconnected, Gap, Heartbeat
from fillwatch.core.evidence import Seen
from tests.alpaca.pushing import (
    AUTHORIZED,
    LISTEN,
    LISTENING,
    NEWER,
    UNAUTHORIZED,
    USUAL,
    Ear,
    House,
    Visit,
    fill,
    frame,
    sending,
    talk,
    update,
    welcoming,
)
from tests.alpaca.wire import KEY, SECRET


async def connected(ear: Ear, house: House) -> None:
    await ear.until(Connected)


async def a_while(ear: Ear, house: House) -> None:
    await asyncio.sleep(60.0)


def test_the_client_speaks_first_and_waits_for_both_acknowledgements() -> None:
    async def script(visit: Visit) -> None:
        await visit.hear()
        await asyncio.sleep(2.0)
        await visit.say(AUTHORIZED)
        await visit.hear()
        await asyncio.sleep(3.0)
        await visit.say(LISTENING, update())
        await visit.stay()

    async def test(ear: Ear, house: House) -> None:
        await ear.until(Seen)
        assert house.visits[0].said == [USUAL, LISTEN]
        assert ear.times(Connected)[0] == pytest.approx(5.0, abs=0.1)
        assert not ear.of(Disconnected)

    talk(test, script)


def test_where_the_usual_form_is_refused_the_newer_one_is_tried() -> None:
    async def script(visit: Visit) -> None:
        while (await visit.hear())["action"] != "auth":
            await visit.say(UNAUTHORIZED)
        await visit.say(AUTHORIZED)
        await visit.hear()
        await visit.say(LISTENING)
        await visit.stay()

    async def test(ear: Ear, house: House) -> None:
        await ear.until(Connected)
        assert house.visits[0].said == [USUAL, NEWER, LISTEN]

    talk(test, script)


def test_a_broker_that_hangs_up_on_the_usual_form_gets_the_newer_one_next_time(logged: list[str]) -> None:
    async def script(visit: Visit) -> None:
        if (await visit.hear())["action"] != "auth":
            await visit.say(UNAUTHORIZED)
            await visit.socket.close()
            return
        await visit.say(AUTHORIZED)
        await visit.hear()
        await visit.say(LISTENING)
        await visit.stay()

    async def test(ear: Ear, house: House) -> None:
        await ear.until(Connected)
        assert [visit.said[0] for visit in house.visits] == [USUAL, NEWER]

    talk(test, script)
    assert any("ERROR" in text for text in logged)


def test_an_oauth_token_is_shown_in_its_own_form() -> None:
    async def test(ear: Ear, house: House) -> None:
        await ear.until(Connected)
        assert house.visits[0].said[0] == {"action": "authenticate", "data": {"oauth_token": "token-1"}}

    talk(test, credentials=Credentials.token("token-1"))


def test_an_acknowledgement_without_the_stream_is_a_failed_subscription() -> None:
    async def script(visit: Visit) -> None:
        await visit.hear()
        await visit.say(AUTHORIZED)
        await visit.hear()
        await visit.say({"stream": "listening", "data": {"streams": []}})
        await visit.stay()

    async def test(ear: Ear, house: House) -> None:
        await ear.until(Disconnected, 2)
        assert not ear.of(Connected)
        assert "does not offer" in ear.of(Disconnected)[0].reason

    talk(test, script)


def test_a_broker_that_never_answers_is_left_after_ten_seconds() -> None:
    async def script(visit: Visit) -> None:
        await visit.stay()

    async def test(ear: Ear, house: House) -> None:
        await ear.until(Disconnected)
        assert ear.times(Disconnected)[0] == pytest.approx(10.0, abs=1.5)

    talk(test, script)


def test_updates_that_overtake_the_acknowledgement_come_after_it() -> None:
    async def script(visit: Visit) -> None:
        await visit.hear()
        await visit.say(AUTHORIZED)
        await visit.hear()
        await visit.say(fill(), LISTENING)
        await visit.stay()

    async def test(ear: Ear, house: House) -> None:
        await ear.until(Seen)
        assert [type(event) for _, event in ear.heard] == [Connected, Seen]

    talk(test, script)


@pytest.mark.parametrize("text", [True, False])
def test_text_and_binary_frames_say_the_same(text: bool) -> None:
    async def test(ear: Ear, house: House) -> None:
        await ear.until(Seen)
        assert ear.executed()[0].execution.qty == Decimal(4)

    talk(test, sending(fill(), text=text))


def test_message_pack_is_understood_though_json_was_asked_for() -> None:
    async def test(ear: Ear, house: House) -> None:
        await ear.until(Seen)
        assert house.visits[0].socket.request is not None
        assert house.visits[0].socket.request.headers["Content-Type"] == "application/json"
        assert not ear.of(Gap)

    talk(test, sending(msgspec.msgpack.encode(fill())))


def test_one_frame_that_cannot_be_read_costs_that_frame() -> None:
    bad = [b"", b"{", b"\xff\xfe", b"[1,2]", frame({"stream": "trade_updates", "data": None}), frame({"a": 1})]

    async def test(ear: Ear, house: House) -> None:
        await ear.until(Seen, 2)
        assert len(ear.of(Gap)) == len(bad)
        assert not ear.of(Disconnected)

    talk(test, sending(update(), *bad, update()))


def test_a_text_frame_that_is_no_text_costs_that_frame() -> None:
    async def script(visit: Visit) -> None:
        await visit.welcome()
        await visit.socket.send(b"\xff\xfe", text=True)
        await visit.say(update())
        await visit.stay()

    async def test(ear: Ear, house: House) -> None:
        await ear.until(Seen)
        assert len(ear.of(Gap)) == 1

    talk(test, script)


def test_messages_of_other_streams_are_passed_over() -> None:
    async def test(ear: Ear, house: House) -> None:
        await ear.until(Seen)
        assert not ear.of(Gap)

    talk(test, sending({"stream": "account_updates", "data": {"id": 1}}, LISTENING, update()))


def test_a_subscription_that_is_taken_back_ends_the_connection() -> None:
    async def test(ear: Ear, house: House) -> None:
        await ear.until(Connected, 2)
        assert "ended the subscription" in ear.of(Disconnected)[0].reason

    talk(test, sending({"stream": "listening", "data": {"streams": []}}))


def test_a_frame_too_long_to_read_costs_that_frame() -> None:
    async def test(ear: Ear, house: House) -> None:
        await ear.until(Seen, 2)
        assert len(ear.of(Gap)) == 1
        assert not ear.of(Disconnected)

    talk(test, sending(update(), b"x" * 2_000_000, update()))


def test_a_frame_too_long_to_keep_ends_the_connection_and_another_is_made() -> None:
    async def test(ear: Ear, house: House) -> None:
        await ear.until(Connected, 2)
        assert ear.of(Disconnected)

    talk(test, sending(b"x" * (LONGEST_FRAME + 1)))


def test_a_quiet_connection_is_known_to_stand_by_its_pongs() -> None:
    async def test(ear: Ear, house: House) -> None:
        await asyncio.sleep(120.0)
        assert len(ear.of(Heartbeat)) in (23, 24)
        assert not ear.of(Disconnected)

    talk(test)


def test_without_pongs_the_connection_is_given_up_within_twenty_seconds() -> None:
    async def script(visit: Visit) -> None:
        await visit.welcome()
        if visit.number == 0:
            await asyncio.sleep(7.0)
            visit.socket.transport.pause_reading()
            await asyncio.sleep(300.0)
        await visit.stay()

    async def test(ear: Ear, house: House) -> None:
        await ear.until(Connected, 2)
        assert 20.0 <= ear.times(Disconnected)[0] <= 27.0
        assert "nothing was heard" in ear.of(Disconnected)[0].reason
        house.visits[0].socket.transport.abort()

    talk(test, script)


def test_frames_are_signs_of_life_too() -> None:
    async def script(visit: Visit) -> None:
        await visit.welcome()
        visit.socket.transport.pause_reading()
        for _ in range(30):
            await asyncio.sleep(2.0)
            await visit.say(update())
        await asyncio.sleep(100.0)

    async def test(ear: Ear, house: House) -> None:
        await ear.until(Disconnected)
        assert ear.times(Disconnected)[0] == pytest.approx(75.0, abs=1.0)
        house.visits[0].socket.transport.abort()

    talk(test, script)


def test_a_loop_that_slept_does_not_blame_the_broker() -> None:
    async def run() -> None:
        house = House(welcoming)
        async with house.open() as url:
            patience = Patience(ping=0.4, silence=1.2)
            ear = Ear(Stream(url, Credentials.keys(KEY, SECRET), patience=patience))
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(ear.listen())
                await ear.until(Connected)
                time.sleep(2.5)  # noqa: ASYNC251 - everything stands still, which is what is tested
                await asyncio.sleep(0.5)
                assert not ear.of(Disconnected)
                house.visits[0].socket.transport.pause_reading()
                for _ in range(2):
                    await asyncio.sleep(0.1)
                    time.sleep(1.6)  # noqa: ASYNC251 - and this excuses a dead one once only
                await ear.until(Disconnected, within=0.25)
                house.visits[0].socket.transport.abort()
                await ear.stream.aclose()

    asyncio.run(run())


def test_a_lost_connection_is_made_again_after_the_pause_that_was_told() -> None:
    async def script(visit: Visit) -> None:
        await visit.welcome()
        await asyncio.sleep(20.0)
        if visit.number < 3:
            visit.socket.transport.abort()
        await visit.stay()

    async def test(ear: Ear, house: House) -> None:
        await ear.until(Connected, 4)
        for lost, made in zip(ear.of(Disconnected), ear.of(Connected)[1:], strict=True):
            assert lost.retry_in <= 0.25, "a connection that stood for a while begins a new row"
            assert -1e-6 <= made.as_of - lost.as_of - lost.retry_in <= 0.5
            assert not lost.slot_taken

    talk(test, script)


def test_a_broker_that_drops_everybody_at_once_is_asked_ever_more_rarely() -> None:
    async def script(visit: Visit) -> None:
        await visit.welcome()
        visit.socket.transport.abort()

    async def test(ear: Ear, house: House) -> int:
        await asyncio.sleep(600.0)
        return house.upgrades

    assert 20 <= talk(test, script) <= 80


def test_an_error_nobody_has_foreseen_ends_one_connection_only(
    monkeypatch: pytest.MonkeyPatch, logged: list[str]
) -> None:
    def fail(raw: bytes) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(line, "heed", fail)

    async def test(ear: Ear, house: House) -> None:
        await ear.until(Connected, 2)
        assert "ZeroDivisionError" in ear.of(Disconnected)[0].reason

    talk(test, sending({"stream": "other"}))
    assert any("ERROR" in text for text in logged)


def test_nobody_there_is_a_lost_connection_like_any_other() -> None:
    async def test(ear: Ear, house: House) -> None:
        ear.stream._url = "ws://127.0.0.1:9/stream"
        await asyncio.sleep(30.0)
        assert ear.of(Disconnected)

    talk(test, refuse=(500,))


def test_a_taken_slot_slows_down_to_a_minute_and_says_so_once(logged: list[str]) -> None:
    async def test(ear: Ear, house: House) -> None:
        await asyncio.sleep(400.0)
        lost = ear.of(Disconnected)
        assert all(one.slot_taken for one in lost)
        assert 4.0 <= lost[0].retry_in <= 8.0
        assert 30.0 <= lost[-1].retry_in <= 60.0
        house.refuse.clear()
        await ear.until(Connected)

    talk(test, refuse=(429,) * 100)
    assert len([text for text in logged if "WARNING" in text and "429" in text]) == 1


def test_refused_keys_are_an_error_said_once_and_tried_again_slowly(logged: list[str]) -> None:
    async def script(visit: Visit) -> None:
        for _ in range(2):
            await visit.hear()
            await visit.say(UNAUTHORIZED)
        await visit.stay()

    async def test(ear: Ear, house: House) -> None:
        await asyncio.sleep(300.0)
        assert len(ear.of(Disconnected)) <= 9
        assert all(one.retry_in >= 15.0 for one in ear.of(Disconnected))
        house.script = welcoming
        await ear.until(Connected)

    talk(test, script)
    assert len([text for text in logged if "ERROR" in text]) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_keys_may_be_refused_at_the_upgrade(status: int, logged: list[str]) -> None:
    async def test(ear: Ear, house: House) -> None:
        await ear.until(Connected)
        assert ear.of(Disconnected)[0].retry_in >= 15.0

    talk(test, refuse=(status,))
    assert any("ERROR" in text for text in logged)


def test_no_redirect_is_followed() -> None:
    async def test(ear: Ear, house: House) -> None:
        other = House(welcoming)
        async with other.open() as url:
            house.elsewhere = url
            await ear.until(Disconnected, 2)
        assert other.upgrades == 0
        assert "HTTP 302" in ear.of(Disconnected)[-1].reason

    talk(test, refuse=(302,) * 100)


def test_a_burst_of_five_thousand_loses_nothing() -> None:
    burst = [fill(execution_id=f"{number:08x}-0000-4000-8000-000000000000") for number in range(5_000)]

    async def test(ear: Ear, house: House) -> None:
        await ear.until(Seen, 5_000)
        assert [one.execution.execution_id for one in ear.executed()] == [one["data"]["execution_id"] for one in burst]
        assert max(ear.batches) <= 128
        assert not ear.of(Gap)
        assert not ear.of(Disconnected)

    talk(test, sending(*burst))


def test_a_reader_that_is_slow_loses_nothing_and_the_connection_lives() -> None:
    async def script(visit: Visit) -> None:
        await visit.welcome()
        for number in range(200):
            await visit.say(fill(execution_id=f"{number:08x}-0000-4000-8000-000000000000"))
            await asyncio.sleep(0.1)
        await visit.stay()

    async def test(ear: Ear, house: House) -> None:
        ear.pace = 40.0
        await asyncio.sleep(400.0)
        assert len(ear.executed()) == 200
        assert not ear.of(Disconnected)
        late = [t + ear.begun - event.as_of for t, event in ear.heard if isinstance(event, Seen)]
        assert max(late) > 15.0, "as_of is when it came, not when it was read"

    talk(test, script)


def test_a_full_inbox_lets_the_broker_wait_and_the_connection_live() -> None:
    async def test(ear: Ear, house: House) -> None:
        await ear.stream.aclose()
        inbox = Inbox(room=3 * len(frame(update())))
        running = asyncio.create_task(
            line.Line(ear.stream._url, Credentials.keys(KEY, SECRET), inbox, Patience()).run()
        )
        await asyncio.sleep(120.0)
        assert not running.done(), "it is we who do not listen"
        assert inbox.is_full
        taken = sum(isinstance(item, bytes) for _, item in await inbox.take(100))
        assert taken == 3
        while taken < 3_000:
            taken += sum(isinstance(item, bytes) for _, item in await inbox.take(2))
        running.cancel()
        await asyncio.wait({running})

    talk(test, sending(*[update()] * 3_000))  # enough to keep even the pongs in the socket


def test_closing_ends_the_iteration_at_once_even_when_the_broker_hangs() -> None:
    async def script(visit: Visit) -> None:
        await visit.welcome()
        visit.socket.transport.pause_reading()
        await asyncio.sleep(100.0)

    async def test(ear: Ear, house: House) -> None:
        await ear.until(Connected)
        clock = asyncio.get_running_loop().time
        begun = clock()
        await ear.stream.aclose()
        await ear.stream.aclose()
        assert clock() - begun <= 3.5
        house.visits[0].socket.transport.abort()
        assert {task.get_name() for task in asyncio.all_tasks()}.isdisjoint(
            {"fillwatch-stream", "fillwatch-stream-line"}
        )

    talk(test, script)


def test_an_iteration_whose_task_is_cancelled_leaves_nothing_behind() -> None:
    async def test(ear: Ear, house: House) -> None:
        await ear.until(Connected)
        other = Ear(Stream(ear.stream._url, Credentials.keys(KEY, SECRET)))
        listening = asyncio.create_task(other.listen())
        await other.until(Connected)
        listening.cancel()
        await asyncio.wait({listening})
        names = [task.get_name() for task in asyncio.all_tasks()]
        assert names.count("fillwatch-stream") == 1

    talk(test)


def test_a_newer_iteration_ends_the_older_one_and_its_connection() -> None:
    async def test(ear: Ear, house: House) -> None:
        await ear.until(Connected)
        newer = ear.stream.events()
        assert isinstance((await anext(newer))[0], Connected)
        await asyncio.sleep(1.0)
        assert house.visits[0].socket.close_code is not None
        assert not ear.of(Disconnected)

    talk(test)


def test_no_log_and_no_event_shows_a_key(caplog: pytest.LogCaptureFixture, logged: list[str]) -> None:
    for name in ("websockets", "websockets.client", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)

    async def script(visit: Visit) -> None:
        if visit.number == 0:
            await visit.hear()
            await visit.socket.close(1008, f"bad key {KEY} {SECRET}")
            return
        if visit.number == 1:
            await visit.welcome()
            await visit.say(f'{{"stream": "trade_updates", "data": {{"order": "{SECRET}"'.encode())
            await visit.socket.close(1008, SECRET)
            return
        await visit.stay()

    async def test(ear: Ear, house: House) -> str:
        await asyncio.sleep(60.0)
        return repr(ear.heard) + repr(ear.stream) + repr(vars(ear.stream))

    shown = talk(test, script, refuse=(401,))
    mine = [record.getMessage() for record in caplog.records if "client" in record.name or "fillwatch" in record.name]
    for text in (shown, *logged, *mine):
        assert SECRET not in text
        assert KEY not in text


def test_the_same_rng_gives_the_same_pauses() -> None:
    from fillwatch.brokers.pauses import Loss, Pauses

    def drawn() -> list[float]:
        pauses = Pauses(random.Random(7))
        return [pauses.next(loss) for loss in Loss for _ in range(8)]

    assert drawn() == drawn()


@pytest.fixture
def logged() -> object:
    lines: list[str] = []
    logger.enable("fillwatch")
    sink = logger.add(lambda message: lines.append(f"{message.record['level'].name} {message}"), level="DEBUG")
    yield lines
    logger.remove(sink)
    logger.disable("fillwatch")
