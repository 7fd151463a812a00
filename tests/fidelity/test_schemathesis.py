"""schemathesis draws requests from the document: no failure, no undocumented status, no undocumented shape."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from fillwatch.core.orders import OrderRequest, Side
from fillwatch.simulator import USUAL_MIX, Fate, World
from tests.fidelity import tally
from tests.fidelity.aim import SYMBOLS, aimed
from tests.fidelity.document import SERVED, Operation
from tests.fidelity.offline import Offline

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
checks = pytest.importorskip("schemathesis.specs.openapi.checks")

#: Requests drawn for each operation: of those that the document allows, and of those that it does not.
EXAMPLES = {"positive": 30, "negative": 20}
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


def busy(world: World) -> tuple[list[str], list[str]]:
    """Positions, orders that wait, and some of the usual fates; ids of the orders, and their senders' ids."""
    known: dict[Fate, int] = {fate: weight for fate, weight in USUAL_MIX.items() if fate is not Fate.UNKNOWN_STATUS}
    ids = world.populate(6, mix=known)
    client_ids = []
    for symbol in SYMBOLS:
        for word, fate, limit in (("bought", Fate.INSTANT, None), ("waiting", Fate.NEVER, Decimal(2))):
            client_ids.append(f"{word} {symbol}")
            bought = OrderRequest(
                symbol=symbol,
                side=Side.BUY,
                qty=Decimal(50),
                order_type="market" if limit is None else "limit",
                limit_price=limit,
                client_order_id=client_ids[-1],
            )
            ids.append(world.place(bought, fate))
    return ids, client_ids


@pytest.mark.usefixtures("needs_document")
@pytest.mark.parametrize("mode", list(EXAMPLES))
@pytest.mark.parametrize("operation", SERVED, ids=str)
def test_no_request_meets_a_failure_or_an_undocumented_answer(broker: Offline, operation: Operation, mode: str) -> None:
    schema = schemathesis.openapi.from_dict(aimed(*broker.do(busy)))
    found = schema[operation.path][operation.method]
    broker.wait(1.0)

    @settings(
        max_examples=EXAMPLES[mode],
        derandomize=True,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=found.as_strategy(generation_mode=schemathesis.GenerationMode(mode)))
    def ask(case: Any) -> None:  # noqa: ANN401 - schemathesis.Case, which is not there in every installation
        broker.wait(0.5)
        response = case.call(broker.address.url, headers=broker.headers())
        try:
            case.validate_response(response, checks=CHECKS)
        except schemathesis.core.failures.FailureGroup:
            tally.FAILURES[str(operation), tally.Judge.FUZZER] += 1
            raise

    ask()
