"""A broker that is not one: seeded orders, fates and faults, and a ledger of the truth to check a client against.

`World` is the broker and the market behind it, `SimulatedBroker` speaks to it in memory (for virtual time), and
`fillwatch.simulator.server` puts it behind Alpaca's HTTP API on loopback (needs the extra `simulator`).
"""

from fillwatch.simulator.answers import Answer, Call, Delivery, Op, Query, Reply
from fillwatch.simulator.book import CancelRequest, Trade
from fillwatch.simulator.broker import SimulatedBroker
from fillwatch.simulator.fates import ENDS_WITHIN, NEEDS_CANCEL, USUAL_MIX, Fate
from fillwatch.simulator.faults import NO_FAULTS, Faults, Kind, Rule
from fillwatch.simulator.ledger import Arrival, Ledger, Truth
from fillwatch.simulator.prices import Prices, RandomWalk, Replay
from fillwatch.simulator.stream_faults import StreamFaults
from fillwatch.simulator.world import EPOCH, World

__all__ = [
    "ENDS_WITHIN",
    "EPOCH",
    "NEEDS_CANCEL",
    "NO_FAULTS",
    "USUAL_MIX",
    "Answer",
    "Arrival",
    "Call",
    "CancelRequest",
    "Delivery",
    "Fate",
    "Faults",
    "Kind",
    "Ledger",
    "Op",
    "Prices",
    "Query",
    "RandomWalk",
    "Replay",
    "Reply",
    "Rule",
    "SimulatedBroker",
    "StreamFaults",
    "Trade",
    "Truth",
    "World",
]
