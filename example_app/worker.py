"""What each of the demo's processes does: serve, say what there is to try, and put right what a kill left."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from ipaddress import ip_address

from flask import Flask

from flask_smmapi import desk_of

from . import create_app, store_name
from .demo import PANEL_KEY, STANDARD_KEY
from .fulfilment import fulfil_forever
from .panel.sign_in import USERS

RECONCILE_EVERY = 30.0
"""Seconds."""

_greeting = multiprocessing.Lock()  # one for all workers, which are forked


def work() -> Flask:
    """The app, in a worker."""
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)  # Ctrl-C is for the main process, which ends its workers in order
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    try:
        app = create_app()
    except RuntimeError as wrong:  # a setting, for instance
        sys.exit(str(wrong))
    threading.Thread(target=reconcile_forever, args=(app,), daemon=True).start()
    if fulfils():
        desk, name = desk_of(app), f"worker {os.getpid()}"
        threading.Thread(target=fulfil_forever, args=(desk, name), daemon=True).start()
    if _greeting.acquire(block=False):
        threading.Thread(target=greet, args=(app,), daemon=True).start()
    return app


def end_with(parent: int) -> None:
    """End this worker when the process that started it was killed, else it would keep the port."""
    wait = threading.Event()
    while os.getppid() == parent:
        wait.wait(1)
    os.kill(os.getpid(), signal.SIGTERM)


def reconcile_forever(app: Flask) -> None:
    """What a scheduler does for a panel: finish what a killed process left undone. All workers may do it at once."""
    wait = threading.Event()
    while not wait.wait(RECONCILE_EVERY):
        try:
            app.extensions["demo"].smmapi.reconcile()
        except Exception:  # the store is away, for instance; the next round comes
            logging.getLogger(__name__).exception("Reconcile failed; it is tried again.")


def fulfils() -> bool:
    """Whether the demo works its orders off: ``EXAMPLE_FULFIL`` is ``on``, or ``off``.

    :raises ValueError: if it is neither.
    """
    value = os.environ.get("EXAMPLE_FULFIL", "on")
    if value not in ("on", "off"):
        raise ValueError(f"EXAMPLE_FULFIL is {value!r}; it must be on or off.")
    return value == "on"


def address() -> tuple[str, int]:
    """Where to serve: ``HOST`` and ``PORT``, else 127.0.0.1 and 8000.

    :raises ValueError: if they are no IP address and no port.
    """
    host, port = os.environ.get("HOST", "127.0.0.1"), os.environ.get("PORT", "8000")
    if not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ValueError(f"PORT is {port!r}; it must be a number from 1 to 65535.")
    try:
        return str(ip_address(host)), int(port)
    except ValueError:
        raise ValueError(f"HOST is {host!r}; it must be an IP address such as 127.0.0.1 or 0.0.0.0.") from None


def greet(app: Flask) -> None:
    """Print what to try, as soon as it works."""
    host, port = address()
    wait_until_it_listens(host, port)
    panel = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    url = f"{panel}api/v2"
    kept = "in memory" if store_name() == "memory" else "in MongoDB, also when it ends"
    print(f"\nThe panel is at {panel}; open it in a browser. These can sign in there, without a password:\n")
    for user in USERS.values():
        print(f"  {user.name:<25}{user.about}")
    print()
    print(f"The order API is at {url}, and its reference at {url}/docs. It keeps everything {kept}; Ctrl-C ends it.")
    if fulfils():
        print("New orders are worked off, from half a minute after they were placed.")
    print("Try:\n")
    print(f"  curl {url} -d key={STANDARD_KEY} -d action=balance")
    order = "-d service=123 -d link=https://example.com/post -d quantity=1000"
    print(f"  curl {url} -d key={STANDARD_KEY} -d action=add {order}\n")
    print("That account has these orders:\n")
    demo = app.extensions["demo"]
    for order in demo.orders:
        print(f"  {order.id}  {order.status.value}")
    print("\nThe same for an account that speaks the panel dialect:\n")
    print(f"  curl {url} -d key={PANEL_KEY} -d action=status -d order={demo.panel_orders[0].number}\n")
    for order in demo.panel_orders:
        print(f"  {order.number}  {order.status.value}")
    print(flush=True)


def wait_until_it_listens(host: str, port: int) -> None:
    while True:
        try:
            socket.create_connection((host, port)).close()
            return
        except OSError:
            time.sleep(0.05)
