"""Serves the demo with granian: ``python -m example_app``. ``HOST``, ``PORT`` and ``WORKERS`` change where and how."""

from __future__ import annotations

import os
import socket
import sys

from granian import Granian
from granian.constants import Interfaces

from . import find_server, store_name
from .worker import HOST, PORT


def count_workers() -> int:
    workers = int(os.environ.get("WORKERS", "1"))
    if workers > 1 and store_name() == "memory":
        print("WORKERS is ignored: the memory store lives in one process.")
        return 1
    return workers


def main() -> None:
    try:
        store = store_name()
        # granian shares a port with whoever listens there, and half of the requests would go astray
        socket.create_server((HOST, PORT)).close()
        if store == "mongodb":
            os.environ["SMMAPI_MONGODB_URI"] = find_server()  # for the workers, and held here until they are gone
    except (ValueError, ImportError) as wrong:
        sys.exit(str(wrong))
    except OSError as taken:
        sys.exit(f"{HOST}:{PORT} cannot be listened on ({taken.strerror}); choose another with HOST and PORT.")
    server = Granian(
        "example_app.worker:work",
        factory=True,
        interface=Interfaces.WSGI,
        address=HOST,
        port=PORT,
        workers=count_workers(),
        workers_kill_timeout=3,  # seconds; one that is still loading the app hears no signal
        log_enabled=False,
    )
    server.serve()


if __name__ == "__main__":
    main()
