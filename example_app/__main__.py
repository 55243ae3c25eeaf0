"""Serves the demo with granian: ``python -m example_app``. ``HOST``, ``PORT`` and ``WORKERS`` change where and how."""

from __future__ import annotations

import os
import socket
import sys

from flask import Flask
from granian import Granian
from granian.constants import Interfaces

from . import create_app, make_store
from .demo import STANDARD_KEY

HOST = os.environ.get("HOST", "127.0.0.1")
PORT = int(os.environ.get("PORT", "8000"))


def create_and_greet() -> Flask:
    """The app, in a worker; it prints what to try, since the ids of its orders are new at each start."""
    app = create_app()
    url = f"http://{HOST}:{PORT}/api/v2"
    print(f"\nThe order API is at {url}. It keeps everything in memory; Ctrl-C ends it. Try:\n")
    print(f"  curl {url} -d key={STANDARD_KEY} -d action=balance\n")
    print("That account has these orders:\n")
    for status, order in app.extensions["demo"].items():
        print(f"  {order.id}  {status}")
    print(flush=True)
    return app


def main() -> None:
    try:
        make_store()
        # granian shares a port with whoever listens there, and half of the requests would go astray
        socket.create_server((HOST, PORT)).close()
    except ValueError as wrong:
        sys.exit(str(wrong))
    except OSError as taken:
        sys.exit(f"{HOST}:{PORT} cannot be listened on ({taken.strerror}); choose another with HOST and PORT.")
    if os.environ.get("WORKERS", "1") != "1":
        print("WORKERS is ignored: the memory store lives in one process.")
    server = Granian(
        "example_app.__main__:create_and_greet",
        factory=True,
        interface=Interfaces.WSGI,
        address=HOST,
        port=PORT,
        log_enabled=False,
    )
    server.serve()


if __name__ == "__main__":
    main()
