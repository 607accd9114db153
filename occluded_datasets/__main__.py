"""``python -m occluded_datasets``: the command line ``occreid-prepare``."""

from __future__ import annotations

from importlib import import_module

if __name__ == "__main__":
    import_module(f"{__package__}.cli").main()
