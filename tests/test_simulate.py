"""`fillwatch simulate`: what a stranger reads, what a script gets, and that the same seed gives the same bytes."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from fillwatch.cli.simulating import is_loopback
from fillwatch.simulator import scenarios
from tests.test_cli import COMMAND, environment, invoke

ORDER = {"symbol": "AAPL", "qty": "5", "side": "buy", "type": "market", "time_in_force": "day"}


class Started:
    """The command in a process of its own, and requests to what it serves."""

    def __init__(self, process: subprocess.Popen[str], said: dict[str, str]) -> None:
        self.process = process
        self.said = said

    def ask(self, method: str, path: str, data: object = None) -> tuple[int, bytes, bytes]:
        """Status, headers and body of an answer, to the byte; the port is not among them."""
        headers = {"APCA-API-KEY-ID": self.said["key"], "APCA-API-SECRET-KEY": self.said["secret"]}
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(self.said["url"] + path, body, headers, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=10) as answer:
                return answer.status, bytes(answer.headers), answer.read()
        except HTTPError as refused:
            with refused:
                return refused.code, bytes(refused.headers), refused.read()

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """The JSON of an answer."""
        return json.loads(self.ask("GET", path)[2])

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Exit code, further output and errors, once it has ended."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=20)
        return self.process.returncode, out, err


@contextmanager
def started(*words: str, cwd: Path) -> Iterator[Started]:
    """`fillwatch simulate --json` on a free port."""
    command = [*COMMAND, "simulate", "--json", "--port", "0", *words]
    with subprocess.Popen(
        command, cwd=cwd, env=environment({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.stderr and process.stderr.read()
            yield Started(process, json.loads(line))
        finally:
            process.kill()


def test_one_line_of_json_says_where_it_is_and_with_which_keys(tmp_path: Path) -> None:
    with started("--key", "MYKEY", "--secret", "MYSECRET", "--cash", "100000", cwd=tmp_path) as broker:
        port = broker.said["url"].rpartition(":")[2]
        assert broker.said == {
            "url": f"http://127.0.0.1:{port}",
            "stream_url": f"ws://127.0.0.1:{port}/stream",
            "key": "MYKEY",
            "secret": "MYSECRET",
        }
        assert broker.get("/v2/account")["cash"].startswith("100000")
        status, _, body = broker.ask("POST", "/v2/orders", ORDER)
        assert (status, json.loads(body)["symbol"]) == (200, "AAPL")
        assert broker.end(signal.SIGINT) == (0, "", "")


def test_a_person_is_told_the_scenario_the_addresses_and_a_line_to_try(tmp_path: Path) -> None:
    command = [*COMMAND, "simulate", "--port", "0", "--scenario", "mute-stream", "--seed", "5"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = []
        while "Ctrl-C ends it" not in (line := process.stdout.readline()):
            assert line or process.poll() is None
            lines.append(line.strip())
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "ended\n", "")
    text = " ".join(" ".join(lines).split())
    assert f"mute-stream: {scenarios.load('mute-stream').sentence}" in text
    assert "seed 5, clock real" in text
    [line] = [line for line in lines if line.startswith("curl ")]
    assert line.endswith("/v2/account")
    url = line.rpartition(" ")[2].removesuffix("/v2/account")
    assert f"REST {url}" in text
    assert f"stream ws{url.removeprefix('http')}/stream" in text
    assert "\x1b" not in text, "colours belong to terminals"


REQUESTS: list[tuple[str, str, Any]] = [
    ("GET", "/v2/account", None),
    ("POST", "/sim/orders", {"populate": 15}),
    ("POST", "/v2/orders", ORDER | {"client_order_id": "one"}),
    ("POST", "/sim/clock", {"advance": 3}),
    ("POST", "/v2/orders", ORDER | {"type": "limit", "limit_price": "9.50", "time_in_force": "gtc"}),
    ("GET", "/v2/orders:by_client_order_id?client_order_id=one", None),
    ("POST", "/sim/clock", {"advance": 30}),
    ("GET", "/v2/orders?status=all&limit=50&nested=true", None),
    ("GET", "/v2/account/activities/FILL", None),
    ("GET", "/v2/positions", None),
    ("DELETE", "/v2/orders", None),
    ("GET", "/v2/clock", None),
    ("POST", "/sim/scenario", {"name": "stale-reads"}),
    ("POST", "/sim/clock", {"advance": 5}),
    ("GET", "/v2/orders?status=all", None),
    ("GET", "/v2/orders/nothing", None),
    ("GET", "/sim/ledger", None),
]


def test_the_same_seed_and_requests_get_the_same_bytes(tmp_path: Path) -> None:
    runs = []
    for seed in ("8", "8", "9"):
        with started("--clock", "manual", "--seed", seed, "--scenario", "calm", cwd=tmp_path) as broker:
            runs.append([broker.ask(*request) for request in REQUESTS] + [broker.said["key"]])
    assert runs[0] == runs[1]
    assert all(one != other for one, other in zip(runs[0][1:3], runs[2][1:3], strict=True))


def test_with_a_state_it_goes_on_where_it_was(tmp_path: Path) -> None:
    words = ("--state", "kept.db", "--clock", "manual", "--orders", "5", "--scenario", "cancel-races", "--limit", "0")
    with started(*words, "--seed", "4", cwd=tmp_path) as broker:
        keys = broker.said["key"]
        broker.ask("POST", "/sim/clock", {"advance": 60})
        order_id = json.loads(broker.ask("POST", "/v2/orders", ORDER | {"symbol": "IBM"})[2])["id"]
        before = broker.ask("GET", "/v2/orders?status=all")[2], broker.get("/sim/ledger"), broker.get("/sim/faults")
        assert broker.end() == (0, "", "")
    with started(*words, cwd=tmp_path) as broker:
        assert broker.said["key"] == keys
        assert broker.get("/sim")["seconds"] == 60.0
        assert (broker.get("/sim/ledger"), broker.get("/sim/faults")) == before[1:]
        assert broker.ask("GET", "/v2/orders?status=all")[2] == before[0]
        broker.ask("POST", "/sim/clock", {"advance": 5})
        assert broker.get(f"/v2/orders/{order_id}")["status"] == "filled"
    with started("--state", "kept.db", cwd=tmp_path) as broker:
        assert len(broker.get("/sim/ledger")["orders"]) == len(before[1]["orders"]), (
            "killed before, and none placed anew"
        )


def test_prices_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text("time_seconds,symbol,price\n0,AAPL,50\n10,AAPL,40\n")
    words = ("--clock", "manual", "--prices", "prices.csv", "--state", "kept.db")
    with started(*words, cwd=tmp_path) as broker:
        limit = ORDER | {"type": "limit", "limit_price": "45", "time_in_force": "gtc"}
        order_id = json.loads(broker.ask("POST", "/v2/orders", limit)[2])["id"]
        broker.ask("POST", "/sim/clock", {"advance": 9})
        assert broker.get(f"/v2/orders/{order_id}")["status"] == "new"
        broker.ask("POST", "/sim/clock", {"advance": 60})
        assert broker.get(f"/v2/orders/{order_id}")["status"] == "filled"
        broker.end()
    (tmp_path / "prices.csv").write_text("time_seconds,symbol,price\n0,AAPL,51\n")
    code, _, err = invoke("simulate", "--port", "0", "--state", str(tmp_path / "kept.db"))
    assert (code, "prices.csv" in err) == (2, True)


def test_the_scenarios_are_listed_with_their_sentences() -> None:
    code, out, err = invoke("simulate", "--list")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == list(scenarios.names())
    assert all(scenarios.load(name).sentence in out for name in scenarios.names())


def test_help_says_what_a_stranger_needs() -> None:
    code, out, err = invoke("simulate", "--help")
    assert (code, err) == (0, "")
    options = "--port --host --i-know --key --secret --json --scenario --seed --state --clock --hours --prices --orders"
    needed = [*options.split(), "--limit", "--cash", "--list", "/stream", "/sim/ledger", "/sim/faults", "Exit code"]
    assert [word for word in needed if word not in " ".join(out.split())] == []


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--host", "0.0.0.0"], "add --i-know if that is what you want"),
        (["--host", "::"], "add --i-know"),
        (["--host", "somewhere", "--i-know"], "--host: 'somewhere' is not an IP address"),
        (["--scenario", "clam"], "'clam' is not known; give a TOML file or one of calm"),
        (["--scenario", "none.toml"], "none.toml"),
        (["--clock", "fast"], "clock: 'fast' is not allowed; give real, manual or scaled:N"),
        (["--hours", "never"], "hours: 'never' is not allowed"),
        (["--port", "70000"], "port"),
        (["--seed", "-1"], "seed"),
        (["--prices", "none.csv"], "none.csv"),
        (["--state", "pyproject.toml"], "pyproject.toml: it is not a state of the simulator"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(words: list[str], complaint: str) -> None:
    code, out, err = invoke("simulate", "--port", "0", *words)
    assert (code, out) == (2, "")
    assert complaint in " ".join(err.replace("│", " ").split())
    assert "Traceback" not in err


def test_a_port_that_is_taken_is_said_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, out, err = invoke("simulate", "--port", str(taken.getsockname()[1]))
    assert (code, out) == (2, "")
    assert "the simulated broker could not be started" in err


def test_a_kept_world_is_not_made_another(tmp_path: Path) -> None:
    path = str(tmp_path / "kept.db")
    begun = {"--seed": "3", "--scenario": "calm", "--limit": "100", "--orders": "0", "--cash": "5000"}
    with started("--state", path, *(word for pair in begun.items() for word in pair), cwd=tmp_path) as broker:
        broker.end()
    others = {"--seed": "4", "--scenario": "everything", "--limit": "200", "--orders": "7", "--cash": "6000"}
    for option, given in others.items():
        code, _, err = invoke("simulate", "--port", "0", "--state", path, option, given)
        assert code == 2
        assert f"{option}: the world in {path} was begun with" in err


def test_a_file_with_a_scenario_of_ones_own(tmp_path: Path) -> None:
    text = 'name = "mine"\nsentence = "Mine."\nseed = 77\n[faults]\nserver_error = 1\noperations = ["clock"]\n'
    (tmp_path / "mine.toml").write_text(text)
    with started("--scenario", "mine.toml", cwd=tmp_path) as broker:
        assert broker.get("/sim")["seed"] == 77
        assert broker.ask("GET", "/v2/clock")[0] == 500
        assert broker.ask("GET", "/v2/account")[0] == 200


def test_loopback_is_what_only_this_machine_reaches() -> None:
    reached = {"127.0.0.1": True, "127.9.9.9": True, "::1": True, "localhost": True}
    assert {host: is_loopback(host) for host in reached} == reached
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "192.168.1.5", "example.com", ""))


def test_a_scaled_clock_runs_as_fast_as_it_says(tmp_path: Path) -> None:
    with started("--clock", "scaled:1000", cwd=tmp_path) as broker:
        first = broker.get("/sim")["seconds"]
        asyncio.run(asyncio.sleep(0.2))
        assert 100.0 < broker.get("/sim")["seconds"] - first < 5_000.0
