"""The pytest plugin, as the tests of somebody else's project meet it."""

from __future__ import annotations

import subprocess
import sys
import threading
from importlib.metadata import entry_points

import pytest

import fillwatch.testing.plugin
import fillwatch.testing.serving  # noqa: F401  # inner runs forget what they are the first to import
import tests.simulator.alpaca_client  # noqa: F401  # likewise, and quietly

pytest_plugins = ["pytester"]

MAX_SECONDS = 0.020
_INSTALLED = any(point.value == "pytest_fillwatch" for point in entry_points(group="pytest11"))


#: Where fillwatch is not installed the plugin is named instead of found.
NAMED = () if _INSTALLED else ("-p", "pytest_fillwatch")
#: schemathesis is used as a library; its plugin would cost every inner run a second.
OPTIONS = (
    *(*NAMED, "-p", "no:cacheprovider", "-p", "no:schemathesis"),
    *("-W", "error", "-o", "asyncio_default_fixture_loop_scope=function"),
)


def run(pytester: pytest.Pytester, source: str, *, mode: str = "strict", **outcomes: int) -> str:
    """Run `source` as a test module; what is shown."""
    pytester.makepyfile(source)
    result = pytester.runpytest_inprocess("--strict-markers", *OPTIONS, "-o", f"asyncio_mode={mode}")
    result.assert_outcomes(**(outcomes or {"passed": 1}))
    return result.stdout.str()


VIRTUAL = """
    import asyncio
    import pytest
    from decimal import Decimal
    from fillwatch import FillDetectionEngine, OrderRequest
    from fillwatch.testing import VirtualLoop, assert_truthful

    {mark}
    async def test_an_order(simulated_broker):
        assert isinstance(asyncio.get_running_loop(), VirtualLoop)
        before = asyncio.get_running_loop().time()
        answer = await simulated_broker.submit(OrderRequest(symbol="AAPL", side="buy", qty=Decimal(10)))
        async with FillDetectionEngine(simulated_broker) as engine:
            result = await engine.monitor_order_fill(answer.order.order_id)
        await asyncio.sleep(3600)
        assert asyncio.get_running_loop().time() > before + 3600
        assert result.filled
        assert_truthful([result], simulated_broker.ledger)
        assert_truthful([result], simulated_broker)
"""


@pytest.mark.parametrize("mode", ["strict", "auto"])
@pytest.mark.parametrize("mark", ["", "@pytest.mark.asyncio", '@pytest.mark.scenario("flaky-network", seed=3)'])
def test_an_asynchronous_test_runs_in_virtual_time(pytester: pytest.Pytester, mark: str, mode: str) -> None:
    run(pytester, VIRTUAL.format(mark=mark), mode=mode)


def test_other_tests_are_left_to_whoever_runs_them(pytester: pytest.Pytester) -> None:
    source = """
        import asyncio
        import pytest
        from fillwatch.testing import VirtualLoop

        @pytest.mark.asyncio
        async def test_of_pytest_asyncio():
            assert not isinstance(asyncio.get_running_loop(), VirtualLoop)

        async def test_of_nobody():
            raise AssertionError("nobody runs this")

        def test_plain():
            pass
    """
    shown = run(pytester, source, passed=2, failed=1)
    assert "async def functions are not natively supported" in shown


def test_methods_parameters_and_fixtures_work_as_usual(pytester: pytest.Pytester) -> None:
    source = """
        import pytest

        @pytest.fixture
        def order_id(simulated_broker):
            return simulated_broker.world.place()

        @pytest.fixture(autouse=True)
        def after(simulated_broker):
            yield
            assert len(simulated_broker.ledger.order_ids) == 1

        class TestBot:
            @pytest.mark.parametrize("tries", [1, 2])
            async def test_look(self, tries, order_id, simulated_broker):
                for _ in range(tries):
                    assert (await simulated_broker.look(order_id)).order.order_id == order_id
                assert len(simulated_broker.ledger.arrivals) == tries
    """
    run(pytester, source, passed=2)


def test_an_ordinary_test_runs_its_bot_itself(pytester: pytest.Pytester) -> None:
    source = """
        import asyncio

        def test_bot(simulated_broker):
            order_id = simulated_broker.world.place()
            first = simulated_broker.run(lambda: simulated_broker.look(order_id))
            simulated_broker.run(lambda: asyncio.sleep(60))
            second = simulated_broker.run(lambda: simulated_broker.look(order_id))
            assert second.as_of >= first.as_of + 60
    """
    run(pytester, source)


def test_a_loop_of_ones_own_is_told_what_to_do(pytester: pytest.Pytester) -> None:
    source = """
        import asyncio

        def test_bot(simulated_broker):
            asyncio.run(simulated_broker.clock())
    """
    assert "simulated_broker.run(main)" in run(pytester, source, failed=1)


def test_a_test_that_leaves_tasks_behind_or_waits_for_ever_fails(pytester: pytest.Pytester) -> None:
    source = """
        import asyncio

        async def test_leaves(simulated_broker):
            asyncio.get_running_loop().kept = asyncio.create_task(asyncio.sleep(1))

        async def test_waits(simulated_broker):
            await asyncio.get_running_loop().create_future()
    """
    shown = run(pytester, source, failed=2)
    assert "LeftOverTasks" in shown
    assert "Deadlock" in shown
    assert "virtual loop: seed=0" in shown


def test_the_marker_decides_scenario_and_seed(pytester: pytest.Pytester) -> None:
    source = """
        import pytest

        def test_default(simulated_broker):
            assert (simulated_broker.scenario.name, simulated_broker.world.seed) == ("calm", 0)

        @pytest.mark.scenario("cancel-races", seed=7)
        class TestRaces:
            def test_class(self, simulated_broker):
                assert (simulated_broker.scenario.name, simulated_broker.world.seed) == ("cancel-races", 7)
                assert simulated_broker.world.faults.cancel_race > 0

            @pytest.mark.scenario("mine.toml")
            def test_file(self, simulated_broker):
                assert (simulated_broker.scenario.name, simulated_broker.world.seed) == ("mine", 41)
                assert simulated_broker.world.faults.server_error == 0.5
    """
    pytester.maketxtfile(mine="")
    pytester.path.joinpath("mine.toml").write_text(
        'name = "mine"\nsentence = "Half of it fails."\nseed = 41\n[faults]\nserver_error = 0.5\n', "utf-8"
    )
    run(pytester, source, passed=3)


def test_a_seed_repeats_a_run_and_another_does_not(pytester: pytest.Pytester) -> None:
    source = """
        import pytest

        seen = {}

        @pytest.mark.parametrize("name, seed", [("a", 1), ("b", 1), ("c", 2)])
        def test_run(name, seed, request):
            request.node.add_marker(pytest.mark.scenario("everything", seed=seed))
            broker = request.getfixturevalue("simulated_broker")
            broker.world.populate(20)
            seen[name] = broker.ledger.as_dict()["orders"]

        def test_compare():
            assert seen["a"] == seen["b"] != seen["c"]
    """
    run(pytester, source, passed=4)


WRONG = {
    "name": ('"calmer"', "'calmer' is not known"),
    "file": ('"none.toml"', "none.toml"),
    "nothing": ("", "takes the name of a scenario"),
    "word": ('"calm", sed=3', "takes the name of a scenario"),
    "seed": ('"calm", seed="x"', "seed: 'x' is not allowed; it must be a whole number"),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("fixture", ["simulated_broker", "alpaca_server"])
def test_a_marker_that_makes_no_sense_is_explained(pytester: pytest.Pytester, case: str, fixture: str) -> None:
    arguments, told = WRONG[case]
    source = f"""
        import pytest

        @pytest.mark.scenario({arguments})
        def test_bot({fixture}):
            pass
    """
    shown = run(pytester, source, errors=1)
    assert told in shown
    assert "pytest.mark.scenario" in shown.partition("ERROR at setup")[2]
    assert "fillwatch/testing" not in shown


def test_the_server_serves_a_bot_that_knows_nothing_of_it(pytester: pytest.Pytester) -> None:
    source = """
        import json, time, urllib.error, urllib.request
        import pytest
        from fillwatch.testing import assert_truthful

        def ask(server, path, data=None, headers=None):
            body = None if data is None else json.dumps(data).encode()
            request = urllib.request.Request(server.url + path, body, headers or dict(server.headers))
            with urllib.request.urlopen(request, timeout=5) as response:
                return json.load(response)

        def test_bot(alpaca_server):
            order = {"symbol": "AAPL", "qty": "5", "side": "buy", "type": "market", "time_in_force": "day"}
            order_id = ask(alpaca_server, "/v2/orders", order)["id"]
            while (seen := ask(alpaca_server, f"/v2/orders/{order_id}"))["status"] != "filled":
                time.sleep(0.01)
            assert_truthful([seen], alpaca_server.ledger)
            assert_truthful({order_id: 5}, alpaca_server)
            with pytest.raises(AssertionError, match="said filled, 4 executed at .*; in truth filled since"):
                assert_truthful([{**seen, "filled_qty": "4"}], alpaca_server)

        @pytest.mark.scenario("mute-stream", seed=5)
        def test_control(alpaca_server):
            sim = alpaca_server.sim
            assert sim.overview()["seed"] == 5
            assert sim.faults["stream"]["mute"]
            assert sim.prices(AAPL="123.45") == {"AAPL": "123.45"}
            [order_id] = sim.orders([{"fate": "never"}])
            assert len(sim.populate(3)) == 3
            assert sim.change_faults(server_error=0.5)["server_error"] == 0.5
            assert sim.replace_faults(stale=0.25).get("server_error", 0) == 0
            assert sim.scenario("calm")["name"] == "calm"
            sim.strike("server_error", "look")
            with pytest.raises(urllib.error.HTTPError, match="500"):
                ask(alpaca_server, f"/v2/orders/{order_id}")
            assert ask(alpaca_server, f"/v2/orders/{order_id}")["id"] == order_id
            with pytest.raises(ValueError, match="POST /sim/scenario: name: 'storm' is not allowed; give one of calm"):
                sim.scenario("storm")

        def test_keys(alpaca_server):
            assert alpaca_server.secret not in repr(alpaca_server)
            assert alpaca_server.stream_url.startswith("ws://127.0.0.1:")
            with pytest.raises(urllib.error.HTTPError, match="401"):
                ask(alpaca_server, "/v2/account", headers={"APCA-API-KEY-ID": "x", "APCA-API-SECRET-KEY": "y"})
            assert set(alpaca_server.environment) == {
                "APCA_API_KEY_ID", "APCA_API_SECRET_KEY", "APCA_API_BASE_URL"
            }
    """
    run(pytester, source, passed=3)
    assert not [thread for thread in threading.enumerate() if thread.name == "alpaca_server"]


def test_a_hanging_request_does_not_keep_the_server_up(pytester: pytest.Pytester) -> None:
    source = """
        import socket

        def test_hang(alpaca_server):
            alpaca_server.sim.strike("timeout_before", "clock")
            host, port = alpaca_server.url.removeprefix("http://").split(":")
            kept.append(socket.create_connection((host, int(port))))
            lines = ["GET /v2/clock HTTP/1.1", "Host: x", *(f"{k}: {v}" for k, v in alpaca_server.headers.items())]
            kept[0].sendall("\\r\\n".join([*lines, "", ""]).encode())
            kept[0].settimeout(0.2)
            try:
                raise AssertionError(kept[0].recv(10))
            except TimeoutError:
                pass

        kept = []

        def test_over():
            kept[0].settimeout(2.0)
            try:
                assert kept[0].recv(10) == b""
            except ConnectionError:
                pass
            kept[0].close()
    """
    run(pytester, source, passed=2)


def test_the_marker_and_the_fixtures_are_documented(pytester: pytest.Pytester) -> None:
    assert "@pytest.mark.scenario(name, seed=None)" in pytester.runpytest_inprocess(*OPTIONS, "--markers").stdout.str()
    shown = pytester.runpytest_inprocess(*OPTIONS, "--fixtures").stdout.str()
    assert "simulated_broker" in shown
    assert "alpaca_server" in shown


COST = """
import time, sys, pytest, _pytest.fixtures
began = time.perf_counter()
import pytest_fillwatch
seconds = time.perf_counter() - began
print(seconds, sorted(name for name in sys.modules if name.partition(".")[0] in {"fillwatch", "httpx", "asyncio"}))
"""


def test_it_costs_nothing_to_those_who_do_not_use_it() -> None:
    """The best of a few: a busy machine makes any single one slow."""
    fastest = 1.0
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", COST], capture_output=True, text=True, check=True)
        seconds, _, loaded = done.stdout.partition(" ")
        assert loaded.strip() == "[]"
        fastest = min(fastest, float(seconds))
        if fastest < MAX_SECONDS:
            break
    assert fastest < MAX_SECONDS
