"""The command line ``occreid-prepare``: one file a command, each parses, calls and prints."""

from __future__ import annotations

from .app import main

__all__ = ["main"]
