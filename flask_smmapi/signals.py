"""Signals, as Flask has its own: what has happened, for whoever wants to know. The sender is the Flask app.

A signal is sent when the fact is durable. It is no queue: what a process that was killed has not sent, nobody hears.
A receiver that raises is logged, and disturbs neither the request nor the other receivers.
"""

from __future__ import annotations

import logging
from typing import Any

from blinker import Namespace

log = logging.getLogger("flask_smmapi")

_signals = Namespace()

order_placed = _signals.signal("order_placed")
"""An order was paid, and may be worked on. *order*"""

order_status_changed = _signals.signal("order_status_changed")
"""An order has another status. *order* as it is now, and its status *before*"""

order_canceled = _signals.signal("order_canceled")
"""An order was canceled, by its client or its owner, and paid back. *order*"""

refill_requested = _signals.signal("refill_requested")
"""A client has asked for a refill. *refill*"""

key_refused = _signals.signal("key_refused")
"""A request had no key that is good where it came from. *address*, and the *text* that it was answered with"""

caller_blocked = _signals.signal("caller_blocked")
"""A request was refused after too many failed attempts; sent for each. *address*, and *retry_after* in seconds"""


def send(app: Any, name: str, **facts: Any) -> None:
    """Tell each receiver of the signal of that name."""
    signal = _signals[name]
    for receiver in () if signal.is_muted else signal.receivers_for(app):
        try:
            receiver(app, **facts)
        except Exception:  # whatever it is, it is the receiver's, and the fact stands
            log.exception("A receiver of the signal %s failed.", name)
