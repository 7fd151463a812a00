"""How often each endpoint was called and by whom, and how often something was wrong with the answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

from tests.fidelity import document
from tests.fidelity.document import Operation
from tests.fidelity.verdicts import against_client, against_document
from tests.fidelity.witness import Exchange


class Judge(StrEnum):
    """Who says whether an answer is right."""

    CLIENT = "alpaca-py"
    DOCUMENT = "OpenAPI"
    FUZZER = "schemathesis"


#: Of this process. The table of `make fidelity` is made from them.
CALLS: Counter[tuple[str, Judge]] = Counter()
FAILURES: Counter[tuple[str, Judge]] = Counter()


def name_of(exchange: Exchange) -> str:
    """The endpoint under which an exchange is counted; "" for routes beside the document and for no route at all."""
    operation: Operation | None = document.operation_at(exchange.method, exchange.path)
    return "" if operation is None else str(operation)


def judged(exchanges: Iterable[Exchange]) -> list[str]:
    """What is wrong with any of them, counted under each judge that has a say in it."""
    wrong = []
    for exchange in exchanges:
        verdicts: dict[Judge, list[str]] = {}
        if not document.absence():
            verdicts[Judge.DOCUMENT] = against_document(exchange)
        if exchange.agent.startswith("APCA-PY"):
            verdicts[Judge.CLIENT] = against_client(exchange)
        if exchange.agent.startswith("schemathesis"):
            verdicts[Judge.FUZZER] = []
        for judge, faults in verdicts.items():
            count(exchange, judge, failed=bool(faults))
            wrong += [f"{exchange}\n    {judge}: {fault}" for fault in faults]
    return wrong


def count(exchange: Exchange, judge: Judge, *, failed: bool) -> None:
    """One more call, and perhaps one more failure."""
    CALLS[name_of(exchange), judge] += 1
    FAILURES[name_of(exchange), judge] += failed
