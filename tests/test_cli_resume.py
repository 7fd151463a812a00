"""`fillwatch resume`: what a lost process left open is seen through, over HTTP, and told line by line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from fillwatch.brokers.alpaca import AlpacaBroker
from fillwatch.core.config import FillDetectionConfig
from fillwatch.core.errors import EngineClosed
from fillwatch.core.orders import OrderRequest, Side
from fillwatch.core.trade_facts import Cleared, Intended, Sending, client_id
from fillwatch.core.trade_terms import ExecutorConfig
from fillwatch.core.trading_rules import wished
from fillwatch.engine.engine import FillDetectionEngine
from fillwatch.execution.executor import SmartOrderExecutor
from fillwatch.execution.records import written
from fillwatch.journal import Fact, FactKind, SqliteJournal
from fillwatch.observe.audit import audit
from fillwatch.simulator import Fate, World
from fillwatch.simulator.ledger import Truth
from fillwatch.simulator.server import Address, serve
from tests.execution.scene import bare_shares
from tests.test_cli import Done, account, invoke, run


@dataclass(frozen=True, kw_only=True)
class Place:
    """A served world and a journal about it."""

    world: World
    address: Address
    path: Path

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[tuple[FillDetectionEngine, SqliteJournal]]:
        broker = AlpacaBroker(self.address.key, self.address.secret, base_url=self.address.url)
        async with (
            SqliteJournal(self.path) as journal,
            FillDetectionEngine(broker, FillDetectionConfig(), journal=journal) as engine,
        ):
            yield engine, journal

    async def resume(self, *options: str, stop_after: float | None = None) -> Done:
        words, variables = ("resume", str(self.path), *options), account(self.address)
        done = await run(*words, cwd=self.path.parent, variables=variables, stop_after=stop_after)
        assert self.address.secret not in done.out + done.err
        return done


@asynccontextmanager
async def place(directory: Path) -> AsyncIterator[Place]:
    world = World(7, clock=asyncio.get_running_loop().time, fate=Fate.MARKET, partial_fills=0.0)
    async with serve(world) as address:
        yield Place(world=world, address=address, path=directory / "trades.db")


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


def test_a_watch_goes_on_with_what_is_left_of_its_time(tmp_path: Path) -> None:
    async def main() -> tuple[Done, Done, World, str]:
        async with place(tmp_path) as here:
            order_id = here.world.place(fate=Fate.NEVER)
            async with here.engine() as (engine, _):
                engine.watch(order_id, timeout_seconds=2)
                await asyncio.sleep(0.5)
            return await here.resume(), await here.resume(), here.world, order_id

    done, again, world, order_id = asyncio.run(main())
    assert (done.code, done.err) == (0, ""), done.out
    first, *_, result, last = done.out.splitlines()
    assert first == "open in the journal: 0 trades, 1 watch"
    truth = world.ledger.truth(order_id)
    assert result.startswith(f"order {order_id}  {truth.symbol} {truth.side}  timed out 0 of {truth.qty}: ")
    assert last == "everything is protected and resolved"
    assert truth.raw_status == "canceled"
    assert (again.code, again.out) == (0, "open in the journal: 0 trades, 0 watches\nnothing was open\n")


def test_an_order_that_may_be_live_is_not_called_resolved(tmp_path: Path) -> None:
    async def main() -> tuple[Done, World, str]:
        async with place(tmp_path) as here:
            order_id = here.world.place(fate=Fate.NEVER)
            async with here.engine() as (engine, _):
                engine.watch(order_id, timeout_seconds=2, at_timeout="leave")
                await asyncio.sleep(0.5)
            return await here.resume(), here.world, order_id

    done, world, order_id = asyncio.run(main())
    assert (done.code, done.err) == (1, ""), done.out
    assert "unresolved (may be live)" in done.out
    assert done.out.splitlines()[-1].startswith("NOT everything is protected or resolved")
    assert world.ledger.truth(order_id).cancels == ()


def test_ctrl_c_leaves_orders_alone_and_says_so(tmp_path: Path) -> None:
    async def main() -> tuple[Done, World, str, str]:
        async with place(tmp_path) as here:
            order_id = here.world.place(fate=Fate.NEVER)
            async with here.engine() as (engine, _):
                engine.watch(order_id, timeout_seconds=60)
                await asyncio.sleep(0.5)
            done = await here.resume(stop_after=1.0)
            return done, here.world, order_id, invoke("journal", "list", "--open", str(here.path))[1]

    done, world, order_id, listed = asyncio.run(main())
    assert (done.code, done.err) == (
        130,
        "stopped; no order was touched by that, and what is open stays open in the journal\n",
    )
    assert world.ledger.truth(order_id).cancels == ()
    assert order_id in listed


def test_bought_shares_get_their_exits(tmp_path: Path) -> None:
    """The process is lost between the fill and the exits."""

    async def main() -> tuple[Done, World, int]:
        async with place(tmp_path) as here:
            world = here.world

            def entry_is_filled() -> bool:
                found = (world.ledger.truth(order_id) for order_id in world.ledger.order_ids)
                return any(one.raw_status == "filled" for one in found)

            async with here.engine() as (engine, journal):
                executor = SmartOrderExecutor(engine, ExecutorConfig(), journal=journal)
                signal = world.price("IBM")
                trade = asyncio.create_task(executor.execute_trade("IBM", "buy", 10, signal, 2, intent_id="T"))
                await until(entry_is_filled)
            with pytest.raises(EngineClosed):
                await trade
            assert bare_shares(world, "IBM") == 10
            done = await here.resume()
            async with SqliteJournal(here.path) as journal:
                findings = audit(await journal.read()).findings
            sent = [world.ledger.truth(order_id).client_order_id for order_id in world.ledger.order_ids]
            assert [str(finding) for finding in findings] == []
            return done, world, sent.count(client_id("T", "e1"))

    done, world, entries = asyncio.run(main())
    assert (done.code, done.err) == (0, ""), done.out
    assert "trade T  filled 10 IBM at " in done.out
    assert "  protected, stop " in done.out
    assert bare_shares(world, "IBM") == 0
    assert entries == 1


@pytest.mark.parametrize("policy", ["quarantine", "resend"])
def test_an_entry_that_the_broker_does_not_know_is_sent_again_only_if_asked_for(tmp_path: Path, policy: str) -> None:
    async def main() -> tuple[Done, list[Truth]]:
        async with place(tmp_path) as here:
            price = here.world.price("IBM")
            config = ExecutorConfig(quarantine_seconds=1, submit_patience_seconds=1)
            intent = wished(
                "T",
                datetime.now(UTC),
                config,
                symbol="IBM",
                side="buy",
                quantity=10,
                signal_price=price,
                risk_amount=2,
                rr_ratio=2,
            )
            wanted = OrderRequest(
                symbol="IBM",
                side=Side.BUY,
                qty=Decimal(10),
                order_type="limit",
                limit_price=price + 1,
                client_order_id=client_id("T", "e1"),
            )
            at = intent.at
            said = (
                Intended(at=at, intent=intent),
                Cleared(at=at, extended=False),
                Sending(at=at, name="e1", request=wanted),
            )
            async with SqliteJournal(here.path) as journal:
                await journal.write(*(written(fact, intent_id="T", order_id="", monotonic=1.0) for fact in said))
            done = await here.resume("--on-unknown", policy)
            return done, [here.world.ledger.truth(order_id) for order_id in here.world.ledger.order_ids]

    done, orders = asyncio.run(main())
    assert (done.code, done.err) == (0, ""), done.out
    entries = [order for order in orders if order.client_order_id == client_id("T", "e1")]
    assert len(entries) == (policy == "resend")
    line = next(line for line in done.out.splitlines() if line.startswith("trade T  "))
    assert ("filled 10 IBM" if entries else "nothing bought  protected: ") in line


@pytest.mark.parametrize(
    ("words", "variables", "complaint"),
    [
        ([], {}, "APCA_API_KEY_ID is not set"),
        (["--on-unknown", "pray"], {}, "'pray'"),
        ([], {"APCA_API_KEY_ID": "PK", "APCA_API_SECRET_KEY": "s", "APCA_API_BASE_URL": "http://a.b"}, "https://"),
    ],
)
def test_what_cannot_be_resumed_is_said_in_words(
    tmp_path: Path, words: list[str], variables: dict[str, str], complaint: str
) -> None:
    path = tmp_path / "trades.db"

    async def make() -> None:
        async with SqliteJournal(path):
            pass

    asyncio.run(make())
    code, out, err = invoke("resume", str(path), *words, **variables)
    assert (code, out) == (2, "")
    assert complaint in " ".join(err.replace("│", " ").split())


def test_refused_keys_are_said_to_be_refused(tmp_path: Path) -> None:
    async def main() -> Done:
        async with place(tmp_path) as here:
            async with SqliteJournal(here.path):
                pass
            wrong = account(here.address) | {"APCA_API_SECRET_KEY": "wrong"}
            return await run("resume", str(here.path), cwd=tmp_path, variables=wrong)

    done = asyncio.run(main())
    assert done.code == 2
    assert done.err.startswith("fillwatch: the broker refuses: HTTP 401")
    assert len(done.err.splitlines()) == 1


def test_a_trade_that_cannot_be_read_stops_nothing_else_and_is_told(tmp_path: Path) -> None:
    async def main() -> tuple[Done, str]:
        async with place(tmp_path) as here:
            order_id = here.world.place(fate=Fate.NEVER)
            async with here.engine() as (engine, journal):
                engine.watch(order_id, timeout_seconds=2)
                await asyncio.sleep(0.5)
                torn = {"trade": "intended", "is": 5}
                await journal.write(
                    Fact.of(FactKind.INTENT, torn, at=datetime.now(UTC), monotonic=0.0, intent_id="torn")
                )
            return await here.resume(), order_id

    done, order_id = asyncio.run(main())
    assert done.code == 1
    assert f"order {order_id}" in done.out
    assert "timed out" in done.out
    assert "not taken up: a Intended of intent torn cannot be read" in done.out
    assert "NOT everything is protected or resolved" in done.out
    assert "Traceback" not in done.out + done.err
