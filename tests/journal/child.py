"""Run as a process of its own by the tests of crashes and of full disks: `python -m tests.journal.child TASK PATH`."""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import sys
from contextlib import closing

from fillwatch.journal import Fact, FactKind, JournalUnwritable, SqliteJournal
from tests.journal.stage import fact, numbers

WRITERS = 20


async def write_until_killed(path: str) -> None:
    """Each writer tells its number and how many of its facts are acknowledged, after each one."""

    async def one(writer: int) -> None:
        count = 0
        while True:
            journal.note(fact(FactKind.EVIDENCE, count, order=str(writer)))
            await journal.write(fact(FactKind.EXECUTION, count, order=str(writer), size=count * 37 % 3_000))
            count += 1
            os.write(1, f"{writer} {count}\n".encode())

    async with SqliteJournal(path) as journal, asyncio.TaskGroup() as group:
        for writer in range(WRITERS):
            group.create_task(one(writer))


async def fill_the_disk(path: str) -> None:
    """Files may not grow past a limit, then they may again. What was kept has to be there in the end, in order."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with SqliteJournal(path) as journal:
        await journal.write(fact(FactKind.INTENT, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        given = await _fill(journal)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        await journal.write(fact(FactKind.INTENT, given[-1] + 1))
        assert journal.problem is None
        assert journal.lost == 0
        entries = await journal.read(kinds=(FactKind.INTENT, FactKind.RESULT))
        assert numbers(entries) == [0, *given, given[-1] + 1]
        assert given[-1] not in numbers(await journal.read(kinds=(FactKind.SENDING,)))
    os.write(1, f"survived {len(given)}\n".encode())


async def fail_once(path: str) -> None:
    """After a write has failed, the next one brings what was committed before out of the log first."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with SqliteJournal(path) as journal:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        number = 0
        while await _is_written(journal, fact(FactKind.RESULT, number, size=3_000)):
            number += 1
        assert not _in_database(path)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        await journal.write(fact(FactKind.RESULT, number + 1))
        assert _in_database(path) >= number
    os.write(1, f"survived {number}\n".encode())


def _in_database(path: str) -> int:
    """How many facts would be there without the log."""
    with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as database:
        (count,) = database.execute("SELECT count(*) FROM facts").fetchone()
    return int(count)


async def _fill(journal: SqliteJournal) -> list[int]:
    """Write results until a request can no longer be announced; what has to be there once there is room again.

    The first failure need not be the end: bringing the log into the database makes room in the log.
    """
    given = []
    for number in range(1, 1_000):
        given.append(number)
        if not await _is_written(journal, fact(FactKind.RESULT, number, size=3_000)) and not await _is_written(
            journal, fact(FactKind.SENDING, number)
        ):
            return given
    raise AssertionError("the limit was not felt")


async def _is_written(journal: SqliteJournal, given: Fact) -> bool:
    try:
        await journal.write(given)
    except JournalUnwritable as error:
        if error.kept != (given.kind is FactKind.RESULT):
            raise
        return False
    return True


TASKS = {"write": write_until_killed, "fill": fill_the_disk, "fail": fail_once}

if __name__ == "__main__":
    asyncio.run(TASKS[sys.argv[1]](sys.argv[2]))
