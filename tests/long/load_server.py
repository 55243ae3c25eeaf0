"""The API as it is served under load: granian with several workers behind a proxy, as ``make demo`` serves it.

``python -m tests.long.load_server PORT WORKERS THREADS FOLDER``. The settings come from the environment; each worker
leaves a file with its process id for a name in FOLDER.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from flask import Flask
from granian import Granian
from granian.constants import Interfaces
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_smmapi import SmmApi

FOLDER = "LOAD_FOLDER"
"""The environment variable that tells a worker where to leave its file."""


def create_app() -> Flask:
    logging.basicConfig()
    app = Flask("load")
    app.config.from_prefixed_env()
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1)  # type: ignore[method-assign]  # as docs/operations.md has it
    SmmApi(app)
    Path(os.environ[FOLDER], str(os.getpid())).touch()
    return app


def main(port: str, workers: str, threads: str, folder: str) -> None:
    os.environ[FOLDER] = folder
    Granian(
        "tests.long.load_server:create_app",
        factory=True,
        interface=Interfaces.WSGI,
        address="127.0.0.1",
        port=int(port),
        workers=int(workers),
        blocking_threads=int(threads),
        workers_kill_timeout=6,  # as the demo has it
        log_enabled=False,
    ).serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
