"""Threads that begin together, so that what can be overtaken is."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

T = TypeVar("T")

THREADS = 8
ROUNDS = 8
"""How often a race is run, since the slower one wins a single one by chance."""

PATIENCE = 60.0
"""Seconds until threads that do not come back count as waiting for each other."""


def at_once(
    count: int, work: Callable[[int], T], context: Callable[[], AbstractContextManager[Any]] = nullcontext
) -> list[T]:
    """*work* of 0, 1, … in as many threads that begin together; their results, or the first one's exception.

    :param context: what each thread works in, such as an application context.
    """
    barrier = threading.Barrier(count)
    results: dict[int, T] = {}
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            with context():
                barrier.wait(PATIENCE)
                results[number] = work(number)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    with _eager_switching():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    if failures:
        raise failures[0]
    if len(results) < count:
        raise AssertionError(f"{count - len(results)} of {count} threads have not come back: a deadlock?")
    return [results[number] for number in range(count)]


@contextmanager
def _eager_switching() -> Iterator[None]:
    """Let Python switch between threads at nearly every step, as a busy server does sooner or later."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
