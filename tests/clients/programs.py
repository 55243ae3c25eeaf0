"""Clients that are programs in another language: found, started, and asked one call at a time."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent

TIMEOUT = 30.0
"""Seconds that a program may take for an answer."""


def find(program: str, *check: str) -> str:
    """The path of *program*; where it is missing the test is skipped, with the reason; with ``CI=true`` it fails.

    :param check: arguments with which it ends well if it has what its client needs.
    """
    path = shutil.which(program)
    if path and (not check or subprocess.run([path, *check], capture_output=True).returncode == 0):
        return path
    missing = f"The {program} that was found lacks what its client needs." if path else f"No {program} was found."
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


class Program:
    """A running client: it reads a line of JSON a call, and writes a line of JSON a result."""

    def __init__(self, *command: str) -> None:
        self._process = subprocess.Popen(
            command, cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def call(self, url: str, key: str, method: str, arguments: tuple[Any, ...]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert not self._process.stdin.closed, "It ended at an earlier call."
        with suppress(BrokenPipeError):  # it has ended; what it says of that comes below
            self._process.stdin.write(json.dumps([url, key, method, arguments]) + "\n")
            self._process.stdin.flush()
        # It writes nothing but answers, so its buffer is empty before each of them.
        ready, _, _ = select.select([self._process.stdout], [], [], TIMEOUT)
        line = self._process.stdout.readline() if ready else ""
        assert line, f"No answer to {method}: {self.stop()}"
        return json.loads(line)

    def stop(self) -> str:
        """End it; gives what it had to complain of."""
        try:
            _, complaints = self._process.communicate(timeout=TIMEOUT)  # closes its input, which ends it
        except subprocess.TimeoutExpired:
            self._process.kill()
            _, complaints = self._process.communicate()
        return complaints


@contextmanager
def started(*command: str) -> Iterator[Program]:
    program = Program(*command)
    try:
        yield program
    finally:
        program.stop()


@dataclass(frozen=True)
class Client:
    """An object of the program's client class; calling this with a method's name calls that method."""

    program: Program
    url: str
    key: str

    def __call__(self, method: str, *arguments: Any) -> Any:
        return self.program.call(self.url, self.key, method, arguments)
