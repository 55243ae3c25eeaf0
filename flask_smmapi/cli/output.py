"""What commands print: tables for people, lines for pipes, JSON for scripts, and failures in a sentence."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import wraps
from typing import IO, Any, TypeVar, cast

import click
from flask.cli import AppGroup

from ..errors import ServiceUnavailable, SmmError
from ..hooks import UNAVAILABLE
from ..keys import digest
from ..money import to_text
from ..owner import KEY_ID
from ..placement import NotPossible

C = TypeVar("C", bound=Callable[..., Any])

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
"""The option of every command that reads."""

confirmed = click.option("--yes", "confirmed", is_flag=True, help="Do not ask, for scripts.")
"""The option of every command that cannot be undone."""


def speaking(function: C) -> C:
    """*function* as a command that says in a sentence why something cannot be done."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except (click.Abort, click.exceptions.Exit, BrokenPipeError):  # click knows what to do about these
            raise
        except ServiceUnavailable:
            raise click.ClickException("Others changed it at the same time, again and again; try once more.") from None
        except (*UNAVAILABLE, NotPossible, SmmError, RuntimeError) as failure:
            raise click.ClickException(plain(str(failure))) from None
        except OSError as failure:  # a full disk behind stdout, as a rule
            raise click.ClickException(f"This could not be written: {failure.strerror or failure}.") from None

    return cast(C, run)  # which takes what *function* takes


@contextmanager
def refusals() -> Iterator[None]:
    """What a store will not do, as it says with a ``ValueError``, in a sentence."""
    try:
        yield
    except ValueError as refusal:
        raise click.ClickException(plain(str(refusal))) from None


def adding_to(group: AppGroup) -> Callable[[str], Callable[[C], click.Command]]:
    """A decorator that makes a function a command of *group*."""

    def named(name: str) -> Callable[[C], click.Command]:
        def add(function: C) -> click.Command:
            command: click.Command = group.command(name)(speaking(function))
            return command

        return add

    return named


def is_terminal(file: Any = None) -> bool:
    """Whether a person reads there; stdout if nothing is said."""
    stream = file or sys.stdout
    return stream is not None and stream.isatty()  # none is there if whoever started us has closed it


@contextmanager
def written(path: str | None) -> Iterator[IO[str]]:
    """stdout, or a file that takes the place of *path* once all of it is written; if that fails, *path* stays as it is.

    :raises click.FileError: if it cannot be written.
    """
    if path is None:
        yield click.open_file("-", "w", encoding="utf-8")
        return
    try:
        with _whole_file(os.path.realpath(path)) as file:
            yield file
    except UNAVAILABLE:  # which may be an OSError too, but none of the file's
        raise
    except OSError as failure:
        raise click.FileError(path, failure.strerror or str(failure)) from None


@contextmanager
def _whole_file(path: str) -> Iterator[IO[str]]:
    is_there = os.path.exists(path)
    if is_there and not os.path.isfile(path):  # a device or a pipe is written to, not replaced
        with open(path, "w", encoding="utf-8", newline="") as file:
            yield file
        return
    part = f"{path}.{os.getpid()}.part"
    try:
        with open(part, "x", encoding="utf-8", newline="") as file:
            yield file
        if is_there:
            shutil.copymode(path, part)
        os.replace(part, path)
    finally:
        with suppress(FileNotFoundError):  # it has its name by now, or was never there
            os.unlink(part)


def print_key(key: str) -> None:
    """A new key, alone on stdout, for ``KEY=$(flask smmapi keys create 42)``."""
    try:
        if sys.stdout is None:
            raise OSError(errno.EBADF, "stdout is closed")
        click.echo(key)
    except OSError as failure:  # its reader has gone, or a disk is full
        raise click.ClickException(
            f"The new key could not be written ({failure.strerror}), and cannot be shown again. Revoke it and create "
            f"another one: its KEY_ID is {digest(key)[:KEY_ID]}."
        ) from None


def print_json(value: Any) -> None:
    """*value* as JSON; amounts as the protocol writes them, times in ISO 8601."""
    click.echo(json.dumps(value, indent=2, default=_encode))


def _encode(value: Any) -> Any:
    if isinstance(value, Decimal):
        return to_text(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON.")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A line a row: aligned under a heading in a terminal, else with tabs between the cells and no heading."""
    if not is_terminal():
        for row in rows:
            click.echo("\t".join(map(_cell, row)))
        return
    lines = [tuple(map(str.upper, columns)), *(tuple(map(_cell, row)) for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def print_record(fields: Iterable[tuple[str, Any]]) -> None:
    """A line a field: its name, and what it holds."""
    lines = [(name, _cell(value)) for name, value in fields]
    width = max(len(name) for name, _ in lines) if is_terminal() else 0
    for name, text in lines:
        click.echo(f"{name:{width}}  {text}" if width else f"{name}\t{text}")


def _cell(value: Any) -> str:
    """*value* in one line; nothing that a client wrote moves the cursor of a terminal."""
    if value is None:
        return "-"
    if isinstance(value, Decimal):
        return to_text(value)
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")
    return plain(str(value.value if isinstance(value, Enum) else value))


def plain(text: str) -> str:
    """*text* with what cannot be printed written out, such as ``\\n``."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _width(text: str) -> int:
    """The columns that *text* takes in a terminal."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
