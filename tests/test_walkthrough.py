"""docs/walkthrough.md, line by line, in a terminal: what an owner sees who follows it on the demo."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from example_app import create_app
from flask_smmapi.stores.mongo import MongoStore

from .panel import serve
from .uncounted import uncounted

PAGE = (Path(__file__).parent.parent / "docs" / "walkthrough.md").read_text("utf-8")
FENCED = re.findall(r"^```(\w*)\n(.+?)^```$", PAGE, re.MULTILINE | re.DOTALL)[1:]  # the first one starts the demo
SCRIPT = "".join(text for language, text in FENCED if language == "sh")
SHOWN = "".join(text for language, text in FENCED if not language)

ACTIVATE = ". .venv/bin/activate\n"
URL = "http://127.0.0.1:8000/api/v2"


def test_each_line_shows_what_the_page_says(mongo_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMMAPI_MONGODB_URI", mongo_uri)
    monkeypatch.setenv("EXAMPLE_INSTANCE", str(tmp_path))
    monkeypatch.delenv("EXAMPLE_STORE", raising=False)
    with serve(create_app()) as url:
        shown = in_a_terminal(as_of_here(url))
    assert unvarying(shown) == unvarying(SHOWN)
    assert list(MongoStore(mongo_uri).audit()) == []


def as_of_here(url: str) -> str:
    """The script in the tests' environment; a prompt of the shell would end what curl prints without a line end."""
    assert SCRIPT.startswith(ACTIVATE)
    assert URL in SCRIPT
    here = f'PATH="{Path(sys.executable).parent}:$PATH"\n'
    return here + SCRIPT.removeprefix(ACTIVATE).replace(URL, url).replace("curl ", "curl -sS -w '\\n' ")


def in_a_terminal(script: str) -> str:
    """What *script* writes to a terminal."""
    ours, theirs = pty.openpty()
    shell = subprocess.Popen(
        ["bash", "-ec", script], env=uncounted(), stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    written = b""
    while data := read(ours):
        written += data
    os.close(ours)
    assert shell.wait() == 0, written
    return written.decode().replace("\r\n", "\n")


def read(terminal: int) -> bytes:
    """Nothing at its end, which Linux tells by an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def unvarying(text: str) -> str:
    """*text* without what is new each time: ids, and moments."""
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "MOMENT", re.sub(r"\b[0-9a-f]{24}\b", "ID", text))
