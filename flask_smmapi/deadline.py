"""How long the request at work may still take. A hook that waits for a server should wait no longer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

REQUEST_TIMEOUT = 3.5
"""Seconds that the hooks of one request may take in all; a command that is under way then may take a little longer."""

_ends: ContextVar[float] = ContextVar("smmapi_deadline")


@contextmanager
def request_deadline() -> Iterator[None]:
    """The request begins now."""
    token = _ends.set(time.monotonic() + REQUEST_TIMEOUT)
    try:
        yield
    finally:
        _ends.reset(token)


def remaining(most: float) -> float:
    """Seconds that are left of the request, but at most so many; that many outside a request."""
    ends = _ends.get(None)
    return most if ends is None else min(most, ends - time.monotonic())
