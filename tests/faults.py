"""What the tests of faults share: a proxy that is slow, full or away, a MongoDB with options, and an app to hurt.

``python -m tests.faults 8000`` serves that app as the demo is served: granian, two workers. Its settings come from the
environment, as ``FLASK_SMMAPI_MONGODB_URI=…`` and ``FLASK_RATELIMIT_STORAGE_URI=…``, and it logs to its standard error.
``FAULTS_OWN_MONGODB`` names a folder for a MongoDB of its own, which is kept running as the demo keeps its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from flask import Flask
from granian import Granian
from granian.constants import Interfaces

from example_app.mongod import Mongod, _options, find_mongod
from flask_smmapi import SmmApi

AT_MOST = 5.0
"""Seconds that a request may take, whatever is wrong: docs/operations.md says so."""

HANGS = 20.0
"""Seconds after which a request hangs, also on a machine that has much else to do."""

PATIENCE = 60.0
"""Seconds after which something that does not happen is a failure."""

KILL_TIMEOUT = 6
"""Seconds that a worker which is told to end may take: as long as a request may take, and a little longer."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


class Proxy:
    """Stands between a client and a server on 127.0.0.1, and can be told to be a bad connection. A context manager.

    :param target: the port of the server; it may change, for new connections.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.delay = 0.0
        """Seconds that everything takes longer, in each direction half of them."""
        self.passed = 0
        """Messages of clients that were handed on."""
        self.slow_after = 0
        """So many of them pass as if there was no delay."""
        self.port = free_port()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._full = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def listen(self) -> None:
        """Be there; again, if it was away."""
        self._run(self._listen())

    def go_away(self) -> None:
        """Cut every connection, and refuse new ones as a machine does on which no server runs."""
        self._run(self._go_away())

    def cut(self) -> None:
        """Cut every connection; new ones are welcome."""
        self._run(self._cut())

    def be_full(self) -> None:
        """Cut every connection, and hang up on whoever comes, as MongoDB does when it has too many."""
        self._full = True
        self.cut()

    def have_room(self) -> None:
        self._full = False

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _go_away(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._cut()

    async def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _end(self) -> None:
        await self._go_away()
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._full:
            writer.transport.abort()
            return
        try:
            there, onwards = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, onwards}
        self._writers |= both
        try:
            await asyncio.gather(self._pump(reader, onwards, 1), self._pump(there, writer, 0))
        finally:
            self._writers -= both
            for end in both:
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counts: int) -> None:
        """Hand on what *reader* gives, late if it must be, in order. What is late is handed on, even to nobody."""
        last = 0.0
        with suppress(OSError):
            while data := await reader.read(65536):
                self.passed += counts
                late = self.delay if self.passed > self.slow_after else 0.0
                last = max(last, self._loop.time() + late / 2)
                self._loop.call_at(last, self._hand_on, writer, data)
        self._loop.call_at(max(last, self._loop.time()), writer.transport.abort)

    def _hand_on(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if not writer.transport.is_closing():
            writer.write(data)


class LoneMongod:
    """A server that is no member of a replica set, with options of its own. A context manager."""

    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.uri = f"mongodb://127.0.0.1:{self.port}/?directConnection=true"
        usual = [option for option in _options(folder) if option not in ("--replSet", "rs0")]
        self._command = [find_mongod(), "--port", str(self.port), *usual, *options]
        self._log = folder / "log"

    def __enter__(self) -> LoneMongod:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        wait_until(lambda: self._process.poll() is not None or listens(self.port))
        assert self._process.poll() is None, f"{self._log} says why it has ended"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


# The app


def log_everything() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("pymongo").setLevel(logging.WARNING)


def create_app() -> Flask:
    log_everything()
    app = Flask("faults")
    app.config.from_prefixed_env()
    SmmApi(app)
    return app


def main(port: str) -> None:
    log_everything()
    own = os.environ.get("FAULTS_OWN_MONGODB")
    if own:
        server = Mongod(Path(own))
        server.acquire()
        threading.Thread(target=server.watch, daemon=True).start()
    Granian(
        "tests.faults:create_app",
        factory=True,
        interface=Interfaces.WSGI,
        address="127.0.0.1",
        port=int(port),
        workers=2,
        workers_kill_timeout=KILL_TIMEOUT,
        log_enabled=False,
    ).serve()


def wait_until(condition: Any, seconds: float = PATIENCE) -> float:
    """Seconds until *condition* was true.

    :raises AssertionError: if it never was.
    """
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        time.sleep(0.02)  # between two looks
    return time.monotonic() - began


if __name__ == "__main__":
    main(*sys.argv[1:])
