"""Bodies over a socket, as granian hands them on: slow ones, cut ones, and some without a length."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from .granian_served import KEY, THREADS
from .test_views import FORM, INCORRECT, JSON, MIB, TOO_LARGE, Encode, as_form, as_json, as_multipart

DEADLINE = 30.0
ORDER = {"key": KEY, "action": "add", "service": "1", "link": "https://example.com/post", "quantity": "1000"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """A port, and what the server has written."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("granian") / "log"
    with log.open("w") as file:
        command = [sys.executable, "-m", "tests.granian_served", str(port)]
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, cwd=Path(__file__).parent.parent)
    try:
        wait_for(port, process)
        yield port, log
    finally:
        process.terminate()
        process.wait(DEADLINE)
    assert "Traceback" not in log.read_text()


def wait_for(port: int, process: subprocess.Popen[Any]) -> None:
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        assert process.poll() is None
        with suppress(OSError, HTTPException):
            balance(port)
            return
        time.sleep(0.05)  # between two tries
    raise AssertionError("The server did not come.")


def balance(port: int) -> str:
    body, content_type = as_form({"key": KEY, "action": "balance"})
    with begin(port, len(body), content_type) as connection:
        connection.sendall(body)
        return str(answer(connection)[1]["balance"])


def begin(port: int, length: int | None, content_type: str = FORM) -> socket.socket:
    """Send the head of a request whose body is so long; None for one in chunks."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
    connection.sendall(head(length, content_type))
    return connection


def head(length: int | None, content_type: str) -> bytes:
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return f"POST /api/v2 HTTP/1.1\r\nHost: panel\r\nContent-Type: {content_type}\r\n{size}\r\n\r\n".encode()


def answer(connection: socket.socket) -> tuple[int, Any]:
    with HTTPResponse(connection) as response:
        response.begin()
        assert response.headers["Content-Type"] == JSON
        return response.status, json.load(response)


@pytest.fixture
def port(server: tuple[int, Path]) -> int:
    return server[0]


def test_a_slow_body_is_an_order_when_all_of_it_is_there(port: int) -> None:
    """As many as there are threads: each byte is a packet of its own."""
    before = float(balance(port))
    body, content_type = as_json(ORDER)
    slow = [begin(port, len(body), content_type) for _ in range(THREADS)]
    for byte in body:
        for connection in slow:
            connection.sendall(bytes([byte]))
    assert [list(answer(connection)[1]) for connection in slow] == [["order"]] * THREADS
    for connection in slow:
        connection.close()
    assert float(balance(port)) == before - THREADS


@pytest.mark.parametrize("missing", [1, 2, 40])
def test_a_body_that_is_cut_off_is_no_order(port: int, missing: int) -> None:
    """The client hangs up, or says that it is done, before it has sent what it announced."""
    before = balance(port)
    body, content_type = as_form(ORDER)
    for how in (socket.SHUT_WR, socket.SHUT_RDWR):
        with begin(port, len(body), content_type) as connection:
            connection.sendall(body[:-missing])
            connection.shutdown(how)
            with suppress(OSError):  # there may be no answer to whoever is gone
                connection.recv(1000)
    assert balance(port) == before


@pytest.mark.parametrize("sizes", [(1,), (7, 1000), (5000,)])
def test_a_body_in_chunks_is_read_to_its_end(port: int, sizes: tuple[int, ...]) -> None:
    before = float(balance(port))
    body, content_type = as_form(ORDER)
    with begin(port, None, content_type) as connection:
        at = 0
        while at < len(body):
            for size in sizes:
                chunk = body[at : at + size]
                at += size
                if chunk:
                    connection.sendall(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        assert list(answer(connection)[1]) == ["order"]
    assert float(balance(port)) == before - 1


@pytest.mark.parametrize("encode", [as_json, as_multipart])
def test_a_broken_chunk_is_no_order(port: int, encode: Encode) -> None:
    """These two say themselves where they end. A form does not, and granian does not tell: see docs/security.md."""
    before = balance(port)
    body, content_type = encode(ORDER)
    with begin(port, None, content_type) as connection:
        connection.sendall(f"{len(body) - 8:x}\r\n".encode() + body[:-8] + b"\r\nnonsense\r\n")
        assert answer(connection) == INCORRECT
    assert balance(port) == before


def test_who_never_sends_his_body_gets_no_order_and_others_are_served_when_he_is_gone(port: int) -> None:
    before = balance(port)
    body, content_type = as_form(ORDER)
    idle = [begin(port, len(body), content_type) for _ in range(THREADS * 4)]
    for connection in idle:
        connection.sendall(body[:20])
        connection.close()
    assert balance(port) == before


def test_after_a_body_that_is_too_large_the_connection_is_as_good_as_before(port: int) -> None:
    """Whatever of the body was read: what is asked next is answered, too."""
    balance_of, content_type = as_form({"key": KEY, "action": "balance"})
    for length in [MIB + 1, MIB + 2, 2 * MIB] * 5:
        with begin(port, length) as connection:
            connection.sendall(b"a" * length)
            assert answer(connection) == TOO_LARGE
            connection.sendall(head(len(balance_of), content_type) + balance_of)
            assert answer(connection)[0] == 200
