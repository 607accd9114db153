"""``occreid-prepare`` with the tiny set of these tests registered: what a subprocess runs."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

if __name__ == "__main__":
    from tinyset import register

    from occluded_datasets.cli import main

    register()
    main()
