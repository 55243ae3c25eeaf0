"""The key that signs the sessions: one for all workers of the demo, and the same after a restart."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

NAME = "secret-key"


def kept_in(folder: Path) -> str:
    """The key in *folder*, made by whoever comes first. Nobody but the owner of the file can read it."""
    path = folder / NAME
    if not path.exists():
        _make(path)
    return path.read_text()


def _make(path: Path) -> None:
    """Write a file of our own, and give it the name if nobody else has: so nobody ever reads half a key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ours = path.with_name(f"{NAME}.{secrets.token_hex(8)}")
    descriptor = os.open(ours, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        with suppress(FileExistsError):
            os.link(ours, path)
    finally:
        ours.unlink()
