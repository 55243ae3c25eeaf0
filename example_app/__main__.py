"""Serves the demo with granian: ``python -m example_app``. ``HOST``, ``PORT`` and ``WORKERS`` change where and how."""

from __future__ import annotations

import os
import socket
import sys

from granian import Granian
from granian.constants import Interfaces

from . import find_server, store_name
from .worker import address, fulfils


def count_workers() -> int:
    """``WORKERS``, else 1.

    :raises ValueError: if it is no number.
    """
    workers = os.environ.get("WORKERS", "1")
    if not workers.isdecimal() or int(workers) < 1:
        raise ValueError(f"WORKERS is {workers!r}; it must be a number, 1 or more.")
    if int(workers) > 1 and store_name() == "memory":
        print("WORKERS is ignored: the memory store lives in one process.")
        return 1
    return int(workers)


def require_free(host: str, port: int) -> None:
    """granian shares a port with whoever listens there, and half of the requests would go astray.

    :raises ValueError: if somebody does.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except OSError as taken:
        raise ValueError(
            f"{host}:{port} cannot be listened on ({taken.strerror}); choose another with HOST and PORT."
        ) from None


def main() -> None:
    try:
        host, port = address()
        fulfils()
        workers = count_workers()
        require_free(host, port)
        if store_name() == "mongodb":
            os.environ["SMMAPI_MONGODB_URI"] = find_server()  # for the workers, and held here until they are gone
    except (ValueError, ImportError) as wrong:
        sys.exit(str(wrong))
    server = Granian(
        "example_app.worker:work",
        factory=True,
        interface=Interfaces.WSGI,
        address=host,
        port=port,
        workers=workers,
        workers_kill_timeout=6,  # seconds: no request takes as long; one that is still loading the app hears no signal
        log_enabled=False,
    )
    server.serve()


if __name__ == "__main__":
    main()
