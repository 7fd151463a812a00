"""The command line: `fillwatch --help` names the commands."""

from __future__ import annotations

from fillwatch.cli.app import main

__all__ = ["main"]
