"""The command line: `fillwatch demo`, `fillwatch simulate` and `fillwatch watch`."""

from __future__ import annotations

from fillwatch.cli.app import main

__all__ = ["main"]
