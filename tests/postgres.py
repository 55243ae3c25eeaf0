"""A real PostgreSQL for the tests: one server for the whole run, and an empty database for each test."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import make_url

START_TIMEOUT = 30.0
"""Seconds that a server may take until it can be connected to."""

INITDB = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
OPTIONS = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "max_connections=200")

DISCONNECT_ALL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
"""Whom a killed process has left behind may hold a lock."""


class NoPostgres(Exception):
    """There is no PostgreSQL to start; the sentence says what to do."""


def find_programs() -> Path:
    """The folder of ``initdb`` and ``postgres``: the one on the PATH, else Debian's newest.

    :raises NoPostgres: if there is none.
    """
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    debian = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(debian, key=lambda path: float(path.parts[-3]), default=None)
    if newest is None:
        raise NoPostgres("No initdb was found. Install PostgreSQL, or name a server in SMMAPI_TEST_POSTGRES_URL.")
    return newest.parent


class Postgres:
    """A server with a data folder of its own, on a free port of 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        self._programs = find_programs()
        self._data = folder / "data"
        self._log = folder / "log"
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
        if self._user:
            shutil.chown(folder, self._user)
        command = [self._programs / "initdb", *INITDB, "-D", self._data]
        subprocess.run(command, check=True, capture_output=True, user=self._user, cwd=folder)

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        options = [word for option in OPTIONS for word in ("-c", option)]
        command = [self._programs / "postgres", "-D", self._data, "-p", str(self._port), *options]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, user=self._user, cwd=self._data)
        ends = time.monotonic() + START_TIMEOUT
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(f"PostgreSQL does not start:\n{self._log.read_text()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Disconnect everybody, and end."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()
            self._process = None

    def _is_ready(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def postgres_or_skip() -> Iterator[Postgres]:
    """A running server; where none can be had the test is skipped, with the reason; with ``CI=true`` it fails."""
    # Not pytest's own folder, which is closed to other users.
    with TemporaryDirectory(prefix="smmapi-postgres-") as folder:
        try:
            server = Postgres(Path(folder))
        except NoPostgres as missing:
            if os.environ.get("CI") == "true":
                pytest.fail(str(missing))
            pytest.skip(str(missing))
        try:
            server.start()
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a server; ``SMMAPI_TEST_POSTGRES_URL`` names one that runs already."""
    url = os.environ.get("SMMAPI_TEST_POSTGRES_URL")
    if url:
        yield url
        return
    with postgres_or_skip() as server:
        yield server.url


@contextmanager
def new_database(server: str) -> Iterator[str]:
    """The URL of an empty database that is dropped at the end."""
    name = f"smmapi_test_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres_database(postgres: str) -> Iterator[str]:
    """The URL of a database that :func:`postgres_url` empties."""
    with new_database(postgres) as created:
        yield created


@pytest.fixture
def postgres_url(postgres_database: str) -> str:
    """The same, with nothing in it."""
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute(DISCONNECT_ALL)
        connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return postgres_database


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
