"""What hosts write is checked as in their own build: by mypy, strictly, with the package as one that is installed.

tests/typing/accepted.py holds what must be accepted, tests/typing/refused.py what must not.
"""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

import pytest

from .uncounted import uncounted

ROOT = Path(__file__).parent.parent
ACCEPTED = ROOT / "tests" / "typing" / "accepted.py"
REFUSED = ROOT / "tests" / "typing" / "refused.py"

OPTIONS = ("--strict", "--python-version=3.10", "--config-file=", "--no-error-summary", "--no-color-output")
"""No config file: neither ours, which has mypy check the package, nor one of whoever runs the tests."""

IGNORE = re.compile(r"  # type: ignore\[([a-z, -]+)\]$", re.MULTILINE)
ERROR = re.compile(r"^host\.py:(\d+): error: .*  \[([a-z-]+)\]$", re.MULTILINE)

Check: TypeAlias = Callable[[str], str]
"""Gives what mypy prints about a source; nothing, if it is content."""

Errors: TypeAlias = "set[tuple[int, str]]"
"""Lines, and the codes of what is wrong with them."""


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Check:
    """It works in a folder of its own, and keeps there what it has learned of the package.

    What the PYTHONPATH leads to counts as installed: it is believed only if it has its ``py.typed``.
    """
    folder = tmp_path_factory.mktemp("host")

    def check(source: str) -> str:
        (folder / "host.py").write_text(source, "utf-8")
        command = [sys.executable, "-m", "mypy", *OPTIONS, "host.py"]
        environment = {**uncounted(), "PYTHONPATH": str(ROOT)}
        run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert run.returncode in (0, 1), run.stdout + run.stderr  # 2 is mypy's own trouble
        assert bool(run.stdout) is bool(run.returncode), run.stdout + run.stderr
        return run.stdout

    return check


def reported(printed: str) -> Errors:
    return {(int(line), code) for line, code in ERROR.findall(printed)}


def numbered(codes: Iterable[str], start: int = 1) -> Errors:
    """The codes that are given for each line, with a comma between two; empty for a line that is right."""
    lines = enumerate(codes, start)
    return {(number, code) for number, given in lines for code in given.split(", ") if code}


def test_what_a_host_may_write_is_accepted(check: Check) -> None:
    assert check(ACCEPTED.read_text("utf-8")) == ""


def test_the_start_up_accepts_it_too() -> None:
    runpy.run_path(str(ACCEPTED))


def test_what_no_host_may_write_is_refused(check: Check) -> None:
    """A line that is accepted after all is one whose ``type: ignore`` is not used, and that is an error."""
    assert check(REFUSED.read_text("utf-8")) == ""


def test_without_the_ignores_each_of_their_lines_is_reported_and_no_other(check: Check) -> None:
    source = REFUSED.read_text("utf-8")
    found = [IGNORE.search(line) for line in source.splitlines()]
    expected = numbered(mark[1] if mark else "" for mark in found)
    assert expected
    assert reported(check(IGNORE.sub("", source))) ^ expected == set()


WRONG = {
    "SmmApi(wallet=Orders())": "arg-type",
    "SmmApi(key_lookup=a_list)": "arg-type",
    "SmmApi(catalog=find_account)": "arg-type",
    "MINE.id = 8": "misc",
    "SmmApi().buy(MINE)": "attr-defined",
    "assert_type(LIKES.rate, float)": "assert-type",
    "def no_types(account): ...": "no-untyped-def",
}


def test_wrong_lines_among_the_accepted_are_reported(check: Check) -> None:
    right = ACCEPTED.read_text("utf-8")
    expected = numbered(WRONG.values(), start=right.count("\n") + 1)
    assert reported(check(right + "\n".join(WRONG))) ^ expected == set()


def test_a_right_line_among_the_refused_is_reported(check: Check) -> None:
    wrong = REFUSED.read_text("utf-8")
    right = "SmmApi(wallet=Purse())  # type: ignore[arg-type]\n"
    assert reported(check(wrong + right)) == {(wrong.count("\n") + 1, "unused-ignore")}
