"""Bugs of trades that have been made, or easily could be; see `mutants_table`."""

from __future__ import annotations

from tests.mutants_table import Mutant

LOST = ("tests/execution/test_lost_answers.py",)
TRADES = ("tests/execution/test_execute_trade.py",)
EXITS = ("tests/execution/test_exits.py",)
SEEN = ("tests/core/test_exits_seen.py",)
SURVIVAL = ("tests/execution/test_survival.py",)
RECOVER = ("tests/execution/test_recover.py",)
FOLD = ("tests/core/test_trade.py",)

TRADE_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="an id that is taken is denied like any other",
        file="fillwatch/core/placing.py",
        old="self.is_open = self._has_arrived = True",
        new="self.is_open = True",
        tests=LOST,
    ),
    Mutant(
        name="no bound on entries",
        file="fillwatch/execution/floor.py",
        old="if most is None or len(self._sent) < most:",
        new="if True:",
        tests=TRADES,
    ),
    Mutant(
        name="exits are believed to stand after a restart",
        file="fillwatch/core/trade.py",
        old="is_stale=order.seen is not None",
        new="is_stale=False",
        tests=EXITS,
    ),
    Mutant(
        name="shares that somebody sold are sold again",
        file="fillwatch/execution/protection.py",
        old="gone = rest - min(max(free, ZERO), rest)",
        new="gone = ZERO",
        tests=EXITS,
    ),
    Mutant(
        name="a late fact does not reopen a trade",
        file="fillwatch/execution/ledger.py",
        old="if self.trade.is_closed and not self.trade.is_settled:",
        new="if False:",
        tests=EXITS,
    ),
    Mutant(
        name="a status ahead of its quantity ends an exit",
        file="fillwatch/core/exits_seen.py",
        old="return order.qty is not None and order.filled_qty == order.qty",
        new="return True",
        tests=SEEN,
    ),
    Mutant(
        name="exits at fault are not noticed",
        file="fillwatch/execution/guard.py",
        old="return complaint(order.quantity, target, stop)",
        new="return None",
        tests=EXITS,
    ),
    Mutant(
        name="exits are not watched",
        file="fillwatch/execution/protection.py",
        old="if order.seen is not None and not order.is_over:",
        new="if False:",
        tests=EXITS,
    ),
    Mutant(
        name="a watch may have more than its whole time left",
        file="fillwatch/execution/sending.py",
        old="return max(min(whole, whole - gone), _AT_LEAST)",
        new="return max(whole - gone, _AT_LEAST)",
        tests=SURVIVAL,
    ),
    Mutant(
        name="what was begun is sent as if it were new",
        file="fillwatch/core/trade_steps.py",
        old="return Place(name=order.name, request=order.request, begun=True)",
        new="return Place(name=order.name, request=order.request, begun=False)",
        tests=FOLD,
    ),
    Mutant(
        name="an entry is sent unwritten",
        file="fillwatch/execution/sending.py",
        old="if why is not None and not protects:",
        new="if False:",
        tests=RECOVER,
    ),
    Mutant(
        name="a target's end stands for its stop's",
        file="fillwatch/core/trade_order.py",
        old="return not is_alone or",
        new="return True or",
        tests=FOLD,
    ),
    Mutant(
        name="amendments are kept to ourselves",
        file="fillwatch/execution/ledger.py",
        old="self._amend(found)",
        new="pass",
        tests=EXITS,
    ),
)
