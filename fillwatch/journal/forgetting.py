"""Makes room: takes facts out of the file that nobody will need to carry anything on."""

from __future__ import annotations

import sqlite3
from typing import Final

from fillwatch.journal.schema import CLOSED

#: Facts taken out in one transaction: about 30 ms, for which a durable fact may have to wait.
SLICE: Final = 1_000

#: Old, indexed, about no open intent and no watched order; never the last, whose number the next one counts on from.
_CHOOSE: Final = f"""
INSERT INTO temp.doomed
SELECT number, intent_id, order_id FROM facts
WHERE number > :after AND number <= (SELECT indexed FROM progress) AND number < (SELECT max(number) FROM facts)
AND at < :before
AND intent_id NOT IN (
    SELECT intent_id FROM turning WHERE kind = 'intent'
    EXCEPT {CLOSED}
)
AND order_id NOT IN (
    SELECT order_id FROM turning WHERE number IN (
        SELECT max(number) FROM turning WHERE kind IN ('watch', 'result', 'released') GROUP BY order_id
    ) AND kind = 'watch'
)
ORDER BY number LIMIT {SLICE}
"""
_FORGET: Final = (
    """
    DELETE FROM mentions WHERE (subject, number) IN (
        SELECT intent_id, number FROM temp.doomed UNION ALL SELECT order_id, number FROM temp.doomed
    )
    """,
    "DELETE FROM turns WHERE number IN (SELECT number FROM temp.doomed)",
    "DELETE FROM facts WHERE number IN (SELECT number FROM temp.doomed)",
)


def forget(connection: sqlite3.Connection, before: int, after: int) -> tuple[int, int]:
    """Take out some facts told before `before` (microseconds) and numbered above `after`, inside a transaction.

    Gives how many they were and the number of the last of them: `after` for the next time. None were left when it is 0.
    """
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS doomed (number INTEGER PRIMARY KEY, intent_id, order_id)")
    connection.execute("DELETE FROM temp.doomed")
    connection.execute(_CHOOSE, {"before": before, "after": after})
    count, last = connection.execute("SELECT count(*), coalesce(max(number), 0) FROM temp.doomed").fetchone()
    for statement in _FORGET:
        connection.execute(statement)
    return int(count), int(last)
