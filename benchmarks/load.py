"""The client of the bench: so many connections, each sends its next request when it has the answer to the last.

It runs in a process of its own, is the same for every system, and says how busy it was: a client that is at work all
the time measures itself. ``python -m benchmarks.load`` takes a job in JSON on stdin and writes what came of it.
"""

from __future__ import annotations

import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from http.client import HTTPConnection
from itertools import cycle
from typing import Any, NamedTuple
from urllib.parse import urlencode

WARM = 0.15
"""The part of the time that does not count, at the beginning."""


class Outcome(NamedTuple):
    """What the client saw.

    :param per_second: requests.
    :param median: milliseconds that a request took.
    :param busy: the share of the time that the client itself was at work.
    """

    per_second: float
    median: float
    p99: float
    busy: float


def load(port: int, forms: Sequence[dict[str, str]], connections: int, seconds: float) -> Outcome:
    """Send *forms* in turn, over that many connections; any answer but 200 stops the bench.

    :raises RuntimeError: with the answer that was none.
    """
    job = {"port": port, "forms": forms, "connections": connections, "seconds": seconds}
    command = [sys.executable, "-m", "benchmarks.load"]
    done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True)  # noqa: S603 - ourselves
    if done.returncode:
        raise RuntimeError(done.stderr)
    return Outcome(**json.loads(done.stdout))


def answer(port: int, form: dict[str, str]) -> Any:
    """One request, and what came back."""
    connection = HTTPConnection("127.0.0.1", port)
    headers = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "bench"}
    connection.request("POST", "/api/v2", urlencode(form), headers)
    body = connection.getresponse().read()
    connection.close()
    return json.loads(body)


def request(form: dict[str, str]) -> bytes:
    """The bytes of a request with *form* in it."""
    body = urlencode(form)
    lines = [
        "POST /api/v2 HTTP/1.1",
        "Host: 127.0.0.1",
        "User-Agent: bench",
        "Accept: */*",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", body]).encode()


class Connection:
    """One keep-alive connection, and the answer that is on its way."""

    def __init__(self, port: int, requests: Sequence[bytes]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._requests = cycle(requests)
        self._answer = b""
        self._missing = 0
        self.begun = 0.0

    def send(self) -> None:
        self._answer, self._missing = b"", 0
        self.begun = time.perf_counter()
        self.socket.sendall(next(self._requests))

    def receive(self) -> bool:
        """Take what has come; whether the answer is complete."""
        part = self.socket.recv(1 << 18)
        if not part:
            raise SystemExit("The server hung up.")
        if self._missing:
            self._missing -= len(part)
            return self._missing == 0
        self._answer += part
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end:
            return False
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(self._answer.decode())
        self._missing = content_length(head) - len(body)
        return self._missing == 0


def content_length(head: bytes) -> int:
    at = head.lower().index(b"content-length:") + len(b"content-length:")
    return int(head[at : at + 12].split(b"\r\n")[0])


def drive(port: int, forms: list[dict[str, str]], connections: int, seconds: float) -> Outcome:
    """Keep the connections at work for so long."""
    requests = [request(form) for form in forms]
    selector = selectors.DefaultSelector()
    for first in range(connections):  # so that they do not all begin with the same account
        at = first * len(requests) // connections
        connection = Connection(port, requests[at:] + requests[:at])
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send()
    begun = time.perf_counter()
    counts_from, ends = begun + seconds * WARM, begun + seconds
    cpu, taken = 0.0, []
    counting = False
    while (now := time.perf_counter()) < ends or not taken:  # a slow moment of the machine is no empty round
        if not counting and now >= counts_from:
            counting, counts_from, cpu = True, now, time.process_time()
        for key, _ in selector.select(max(0.01, ends - now)):
            connection = key.data
            if connection.receive():
                if counting:
                    taken.append(time.perf_counter() - connection.begun)
                connection.send()
    wall = now - counts_from
    taken.sort()
    return Outcome(
        per_second=len(taken) / wall,
        median=taken[len(taken) // 2] * 1000,
        p99=taken[len(taken) * 99 // 100] * 1000,
        busy=(time.process_time() - cpu) / wall,
    )


if __name__ == "__main__":
    print(json.dumps(drive(**json.load(sys.stdin))._asdict()))
