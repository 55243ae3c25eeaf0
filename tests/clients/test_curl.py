"""curl, as it is typed into a terminal or a shell script."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from example_app.demo import PANEL_KEY

from ..panel import LINK, WRONG_KEY
from ..test_example_app import Demo
from .contract import UNKNOWN, url_of
from .programs import TIMEOUT, find

BALANCE = ("-d", f"key={PANEL_KEY}", "-d", "action=balance")
COMMENTS = ("-d", f"key={PANEL_KEY}", "-d", "action=add", "-d", "service=3", "-d", f"link={LINK}")


class Answer(NamedTuple):
    """:param heard: what the server said, line by line, headers included."""

    status: int
    redirects: int
    version: str
    json: Any
    heard: list[str]


@pytest.fixture(scope="module")
def program() -> str:
    return find("curl")


def curl(program: str, *arguments: str) -> Answer:
    told = r"\n%{http_code} %{num_redirects} %{http_version}"
    done = subprocess.run(
        [program, "--silent", "--show-error", "--verbose", "--write-out", told, *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    body, told = done.stdout.rsplit("\n", 1)
    status, redirects, version = told.split()
    heard = [line[2:] for line in done.stderr.splitlines() if line.startswith("< ")]
    return Answer(int(status), int(redirects), version, json.loads(body), heard)


def assert_remains(program: str, demo: Demo, order: Any, remains: str) -> None:
    """That the answer names an order of so many pieces."""
    arguments = ("-d", f"key={PANEL_KEY}", "-d", "action=status", "-d", f"order={order.json['order']}")
    assert curl(program, url_of(demo), *arguments).json["remains"] == remains


def test_a_form(program: str, demo: Demo) -> None:
    answer = curl(program, url_of(demo), *BALANCE)
    assert answer[:3] == (200, 0, "1.1")
    assert list(answer.json) == ["balance", "currency"]
    assert "content-type: application/json" in answer.heard


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_form_with_comments_from_a_file(program: str, demo: Demo, tmp_path: Path, line_end: str) -> None:
    file = tmp_path / "comments.txt"
    file.write_bytes(line_end.join(["Good & cheap", "100% שלום", "", "Last one", ""]).encode())
    order = curl(program, url_of(demo), *COMMENTS, "--data-urlencode", f"comments@{file}")
    assert_remains(program, demo, order, "3")


def test_multipart(program: str, demo: Demo, tmp_path: Path) -> None:
    file = tmp_path / "comments.txt"
    file.write_text("Good & cheap\n100% שלום\n", "utf-8")
    fields = {"key": PANEL_KEY, "action": "add", "service": "3", "link": LINK, "comments": f"<{file}"}
    arguments = [word for name, value in fields.items() for word in ("-F", f"{name}={value}")]
    assert_remains(program, demo, curl(program, url_of(demo), *arguments), "2")


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8"])
def test_json(program: str, demo: Demo, content_type: str) -> None:
    order = {"key": PANEL_KEY, "action": "add", "service": 123, "link": LINK, "quantity": "1000"}
    answer = curl(program, url_of(demo), "-H", f"Content-Type: {content_type}", "-d", json.dumps(order))
    assert_remains(program, demo, answer, "1000")


def test_http_1_0(program: str, demo: Demo) -> None:
    answer = curl(program, url_of(demo), "--http1.0", *BALANCE)
    assert (answer.status, answer.json["currency"]) == (200, "USD")
    assert answer.heard[0].startswith("HTTP/1.0 200")


def test_a_body_that_waits_for_100_continue(program: str, demo: Demo) -> None:
    comments = "\n".join(f"A comment that says a little more, number {n}" for n in range(1000))
    # Without the 100 it would wait for longer than this test does.
    waiting = ("-H", "Expect: 100-continue", "--expect100-timeout", "600")
    order = curl(program, url_of(demo), *COMMENTS, *waiting, "--data-urlencode", f"comments={comments}")
    assert order.heard[0].startswith("HTTP/1.1 100")
    assert_remains(program, demo, order, "1000")


def test_a_body_that_is_too_large_is_answered(program: str, demo: Demo, tmp_path: Path) -> None:
    """curl announces one of more than 1 MiB by itself."""
    file = tmp_path / "comments.txt"
    file.write_text("A comment\n" * 200_000)
    answer = curl(program, url_of(demo), *COMMENTS, "--data-urlencode", f"comments@{file}")
    assert (answer.status, answer.json) == (413, {"error": "Request too large"})


@pytest.mark.parametrize("ending", ["", "/"])
def test_neither_url_redirects(program: str, demo: Demo, ending: str) -> None:
    """curl makes a GET of the POST that it follows a redirect with."""
    answer = curl(program, "-L", url_of(demo) + ending, *BALANCE)
    assert (answer.status, answer.redirects, answer.json["currency"]) == (200, 0, "USD")


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ("action=add&service=999999", "Incorrect service ID"),
        (f"action=add&service=123&link={LINK}&quantity=9", "Quantity less than minimal 10"),
        (f"action=status&order={UNKNOWN}", "Incorrect order ID"),
        (f"action=refill&order={UNKNOWN}", "Incorrect order ID"),
        (f"action=refill_status&refill={UNKNOWN}", "Refill not found"),
        ("action=nothing", "Incorrect request"),
    ],
)
def test_with_fail_it_does_not_fail_for_an_error_in_the_body(program: str, demo: Demo, params: str, text: str) -> None:
    """In this dialect a script tells an error by its text."""
    answer = curl(program, "--fail", url_of(demo), "-d", f"key={PANEL_KEY}&{params}")
    assert (answer.status, answer.json) == (200, {"error": text})


@pytest.mark.parametrize(
    ("key", "text"), [(WRONG_KEY, "Invalid API key"), ("0123456789abcdef", "Invalid API key format")]
)
def test_a_wrong_key_is_answered_in_the_apps_dialect(
    program: str, demo: Demo, panel_url: str, key: str, text: str
) -> None:
    assert curl(program, url_of(demo), "-d", f"key={key}&action=balance")[::3] == (401, {"error": text})
    assert curl(program, panel_url, "-d", f"key={key}&action=balance")[::3] == (200, {"error": text})
