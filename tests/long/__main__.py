"""Run the long tests, all or those that are named, and write their sections in docs/hardening.md.

    python -m tests.long            # all
    python -m tests.long load       # one

The exit code says whether something was wrong.
"""

from __future__ import annotations

import importlib
import os
import platform
import re
import sys
import time
from datetime import date
from pathlib import Path

from . import PARTS, Seen

PAGE = Path(__file__).parents[2] / "docs" / "hardening.md"


def main(names: list[str]) -> int:
    """Run the parts of those *names* one after another."""
    unknown = set(names) - set(PARTS)
    if unknown:
        print(f"There is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}.", file=sys.stderr)
        return 2
    wrong = 0
    for name in names or PARTS:
        print(f"{name} …", flush=True)
        began = time.monotonic()
        seen: Seen = importlib.import_module(f".{name}", __package__).run()
        print("\n".join([seen.text, *(f"WRONG: {sentence}" for sentence in seen.wrong)]), flush=True)
        write_section(name, section(name, seen, time.monotonic() - began))
        wrong += len(seen.wrong)
    return bool(wrong)


def section(name: str, seen: Seen, seconds: float) -> str:
    """What the page says of one part."""
    where = f"Python {platform.python_version()}, {os.cpu_count()} cores"
    head = f"`python -m tests.long {name}`, {date.today():%Y-%m-%d}, {seconds / 60:.0f} minutes, {where}."
    verdict = "\n".join(f"- **Wrong:** {sentence}" for sentence in seen.wrong) or "Nothing was wrong."
    return "\n\n".join([head, verdict, seen.text])


def write_section(name: str, text: str) -> None:
    """Put *text* between the marks of its part.

    :raises ValueError: if the page has no such marks.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    page, found = re.subn(
        f"(?s){re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}{text.strip()}\n{end}", PAGE.read_text("utf-8")
    )
    if not found:
        raise ValueError(f"{PAGE} has no place for {name}; put {begin.strip()} and {end} there.")
    PAGE.write_text(page, "utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
