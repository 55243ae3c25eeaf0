"""Reads docs/api-documentation.md: its examples, and the rows of its tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

DOCUMENT = Path(__file__).parent.parent / "docs" / "api-documentation.md"

_PART = re.compile(
    r"^#+ (?P<heading>[^\n]+)$"
    r"|^\*\*(?P<label>[^*\n]*(?:Request|Response)[^*\n]*):\*\*$"
    r"|^```json\n(?P<block>.+?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Example(NamedTuple):
    """One documented exchange; a request with several possible answers makes several."""

    heading: str
    label: str
    request: dict[str, str]
    response: Any


def in_order(text: str | bytes) -> Any:
    """JSON with its maps as lists of pairs, so that a comparison minds the order of keys."""
    return json.loads(text, object_pairs_hook=list)


def examples() -> Iterator[Example]:
    """Every JSON response of the document with the request before it."""
    heading = label = ""
    request: dict[str, str] = {}
    for part in _PART.finditer(DOCUMENT.read_text("utf-8")):
        heading = part["heading"] or heading
        label = part["label"] or label
        if part["block"] and label == "Request":
            request = json.loads(part["block"])
        elif part["block"]:
            yield Example(heading, label, request, in_order(part["block"]))


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under *heading*, without its header."""
    section = DOCUMENT.read_text("utf-8").split(f"# {heading}\n", 1)[1].split("\n#", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
