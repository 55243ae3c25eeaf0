"""Processes that coverage need not count: they are killed, run none of the package's code, or what others run too.

Counting takes a process as long again as its work, and one that is killed leaves no figures.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


def uncounted() -> dict[str, str]:
    """This environment, without what has a new interpreter count."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS_")}


@contextmanager
def new_processes_uncounted() -> Iterator[None]:
    """What is started meanwhile counts nothing, where an environment cannot be given; this process goes on counting."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ.keys() - uncounted().keys():
            patch.delenv(name)
        yield
