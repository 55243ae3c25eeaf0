"""Threads that begin together and step aside for each other at random, so that what can be overtaken is."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

T = TypeVar("T")

THREADS = 8
ROUNDS = 8
"""How often a race is run, since a wrong host may win a single one by chance."""

OFTEN, CALLS = 0.3, 1000
"""How likely a thread steps aside at each of its first calls, and at how many of them."""

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
                with _stepping_aside():
                    results[number] = work(number)
        except BaseException as failure:
            failures.append(failure)
            barrier.abort()  # nobody waits for one who does not come

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    ends = time.monotonic() + PATIENCE
    with _eager_switching():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, ends - time.monotonic()))
    if failures:
        raise failures[0]
    if len(results) < count:
        raise AssertionError(f"{count - len(results)} of {count} threads have not come back: a deadlock?")
    return [results[number] for number in range(count)]


@contextmanager
def _stepping_aside() -> Iterator[None]:
    """Let this thread stop at calls picked at random, so that another one gets between two of its steps.

    Without that, a verb that works in memory is over before another thread is awake, however wrong it is. Where a
    thread makes many more calls it waits for a database, and is overtaken meanwhile.
    """
    chance, calls = random.Random(), iter(range(CALLS))

    def step_aside(*_: Any) -> None:
        if next(calls, None) is None:
            sys.setprofile(before)
        elif chance.random() < OFTEN:
            time.sleep(1e-9)  # as short as can be; a sleep of 0 gives the turn to nobody

    before = sys.getprofile()
    sys.setprofile(step_aside)
    try:
        yield
    finally:
        sys.setprofile(before)


@contextmanager
def _eager_switching() -> Iterator[None]:
    """Let Python switch between threads at nearly every step, as a busy server does sooner or later."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
