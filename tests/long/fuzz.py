"""100,000 requests that nobody should send, other ones each time; ``CASES=1000`` for less.

They are those of tests/test_fuzz_*.py, which compare each answer with the documented texts and the books with a model.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from . import Seen

ROOT = Path(__file__).parents[2]
CASES = int(os.environ.get("CASES", "100000"))
PATIENCE = 6 * 3600.0
"""Seconds after which the tests hang."""


def run() -> Seen:
    """Try them in a process of their own, and count them by kind."""
    files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests").glob("test_fuzz_*.py"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files],
        cwd=ROOT,
        env={**os.environ, "SMMAPI_FUZZ_CASES": str(CASES)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
    )
    if done.returncode:
        print(done.stdout, flush=True)  # what fails is there, and how to try it again
    return judge(done.returncode, done.stdout)


def judge(code: int, output: str) -> Seen:
    """What the tests have printed, and what is wrong with it."""
    wrong = [f"{line}." for line in re.findall("^(?:FAILED|ERROR) .*", output, re.MULTILINE)]
    if code and not wrong:
        wrong.append(f"The tests have ended with code {code}.")
    summary = re.search(r"^([\d,]+) cases: (.*)$", output, re.MULTILINE)
    if summary is None:
        return Seen("Nothing was counted.", [*wrong, "The tests have not said how many requests they tried."])
    if number(summary[1]) < CASES:
        wrong.append(f"Only {summary[1]} of {CASES:,} requests were tried.")
    counts = [part.split(" ", 1) for part in re.split(", (?=[0-9])", summary[2])]
    rows = [f"| {kind} | {count} |" for count, kind in counts]
    return Seen("\n".join(["| requests by kind | tried |", "|---|---|", *rows, f"| all | {summary[1]} |"]), wrong)


def number(text: str) -> int:
    return int(text.replace(",", ""))
