"""What a process has used of the processor, whoever started it."""

from __future__ import annotations

import os


def processor_of(process: int) -> float:
    """Seconds of processor time that a process has used; 0 where the system does not tell."""
    try:
        with open(f"/proc/{process}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
