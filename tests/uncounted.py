"""What a process is started with that coverage need not count: it is killed, or runs none of the package's code."""

from __future__ import annotations

import os


def uncounted() -> dict[str, str]:
    """This environment, without what has a new interpreter count. Who is killed leaves no figures, only costs time."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS_")}
