"""Starts what is measured, each as its own users would: Flask on granian, FastAPI on uvicorn, Express on node.

Where the machine lets us choose, the servers have one core, and the client and MongoDB the other.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymongo
from bson.decimal128 import Decimal128

from benchmarks.data import ACCOUNTS, BALANCE, key_of, services
from benchmarks.product import fill
from benchmarks.report import OURS
from flask_smmapi.stores.mongo import MongoStore

HERE = Path(__file__).parent
EXPRESS_FOLDER = HERE / "express"
STARTS_WITHIN = 30.0
"""Seconds."""

SERVER, CLIENT = (0,), (1,)
"""Cores. One that is not there is nobody's."""


def flask_on_granian(target: str, workers: int = 1) -> list[str]:
    """As the demo is served: WSGI, with threads enough for the bench's connections."""
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--factory", "--no-log", "--port", "{port}"]
    return [*command, "--workers", str(workers), "--blocking-threads", "16", target]


def on_uvicorn(target: str) -> list[str]:
    command = [sys.executable, "-m", "uvicorn", target, "--port", "{port}", "--workers", "1", "--no-access-log"]
    return [*command, "--log-level", "warning", "--loop", "uvloop", "--http", "httptools"]


def on_node(script: str) -> list[str]:
    return ["node", str(EXPRESS_FOLDER / script), "{port}"]


BARE, USUAL, FASTAPI, EXPRESS = "bare Flask", "Flask + Flask-Limiter", "FastAPI", "Express"
USUAL_ON_MONGODB = "Flask + mongoengine"

IN_MEMORY = {
    OURS: flask_on_granian("benchmarks.product:in_memory"),
    BARE: flask_on_granian("benchmarks.peers.bare_flask:create_app"),
    USUAL: flask_on_granian("benchmarks.peers.flask_limiter_memory:create_app"),
    FASTAPI: on_uvicorn("benchmarks.peers.fastapi_memory:app"),
    EXPRESS: on_node("memory.mjs"),
}

ON_MONGODB = {
    OURS: flask_on_granian("benchmarks.product:on_mongodb"),
    USUAL_ON_MONGODB: flask_on_granian("benchmarks.peers.flask_limiter_mongoengine:create_app"),
    FASTAPI: on_uvicorn("benchmarks.peers.fastapi_mongodb:app"),
    EXPRESS: on_node("mongodb.mjs"),
}


@dataclass(frozen=True)
class Server:
    """A system that runs.

    :param process: it, or the one that has started its workers.
    """

    port: int
    process: subprocess.Popen[bytes]


@contextmanager
def serving(
    commands: Mapping[str, Sequence[str]], uris: Mapping[str, str], cores: Sequence[int] = SERVER
) -> Iterator[dict[str, Server]]:
    """Start all of them; those that do not work are idle while another is measured.

    :param uris: of the database of each, if it has one.
    """
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(started(command, {"BENCH_MONGODB_URI": uris.get(name, "")}, cores))
            for name, command in commands.items()
            if "node" not in command[0] or can_run_express()
        }


@contextmanager
def started(command: Sequence[str], environment: Mapping[str, str], cores: Sequence[int]) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    filled = [part.format(port=port) for part in command]
    process = subprocess.Popen(filled, cwd=HERE.parent, env={**os.environ, **environment})  # noqa: S603 - our own
    pin(process.pid, cores)
    try:
        wait_until_it_listens(port, process)
        yield Server(port, process)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    """:raises RuntimeError: if it does not come to that."""
    ends = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < ends and process.poll() is None:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.02)
    raise RuntimeError(f"{process.args!r} does not listen.")


def can_run_express() -> bool:
    """Whether node is here, with the packages; they are installed if npm can."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        return False
    if not (EXPRESS_FOLDER / "node_modules").is_dir():
        command = ["npm", "ci", "--silent", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=EXPRESS_FOLDER)  # noqa: S603 - the npm on the PATH, as a user has it
        return done.returncode == 0
    return True


def pin(pid: int, cores: Sequence[int]) -> None:
    """Keep a process, with its threads and what it will start, on those cores, where there are such."""
    if not hasattr(os, "sched_setaffinity"):
        return
    for thread in os.listdir(f"/proc/{pid}/task"):
        with suppress(OSError):  # no such core, or the thread has ended
            os.sched_setaffinity(int(thread), cores)


# Databases


@contextmanager
def databases(uri: str, *names: str) -> Iterator[dict[str, str]]:
    """A filled database for each system, all on one server; every write is journaled, and a majority has it.

    :param uri: of the server.
    """
    uris = {name: f"{uri.partition('?')[0]}bench_{number}?{TERMS}" for number, name in enumerate(names)}
    for name, database in uris.items():
        (fill_ours if name.startswith(OURS) else fill_peer)(database)
    yield uris
    with pymongo.MongoClient(uri) as client:
        for database in uris.values():
            client.drop_database(pymongo.uri_parser.parse_uri(database)["database"])


TERMS = "directConnection=true&w=majority&journal=true"


def fill_ours(uri: str) -> None:
    store = MongoStore(uri, alias=uri)
    store.create_indexes()
    fill(store)


def fill_peer(uri: str) -> None:
    """What all three peers read: their accounts, services and orders have the same documents."""
    with pymongo.MongoClient[dict[str, Any]](uri) as client:
        database = client.get_default_database()
        for collection, field in (("users", "key"), ("services", "service")):
            database[collection].create_index(field, unique=True)
        database["orders"].create_index("user")
        money = Decimal128(BALANCE)
        users = [{"key": key_of(account), "balance": money, "currency": "USD"} for account in range(1, ACCOUNTS + 1)]
        database["users"].insert_many(users)
        database["services"].insert_many([{**row, "rate": Decimal128(row["rate"])} for row in services()])
