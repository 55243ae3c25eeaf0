"""What takes too long for every change: more cases, real load, real faults, mutants. ``make long`` runs it all.

Each part is a module with a function ``run`` that gives what was seen as Markdown, and what was wrong. The sections of
docs/hardening.md between its marks are written from that; the text around them is written by hand.
"""

from __future__ import annotations

from typing import NamedTuple

PARTS = ("fuzz", "key_lookup", "faults", "load", "mutants")
"""The modules, in the order in which they run."""


class Seen(NamedTuple):
    """What one part has seen."""

    text: str
    """Markdown: figures, and where they come from."""
    wrong: list[str]
    """A sentence for each thing that must not be; the part has failed if there is one."""
