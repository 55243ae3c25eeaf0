"""Stops at each verb that the money flow calls: to kill it there, or to let another caller in between."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from flask_smmapi.stores.memory import MemoryStore


class Killed(BaseException):
    """The process is gone: nothing after this runs."""


class Broken(Exception):
    """A hook has failed; the process lives."""


class Kill(NamedTuple):
    """Which call of a verb fails, whether its effect was stored by then, and how it fails."""

    step: int
    stored: bool
    failure: type[BaseException]


KILLS = tuple(itertools.product((False, True), (Killed, Broken)))
"""Every way to fail at one step."""


class Killing:
    """A store that fails at one step."""

    def __init__(self, store: MemoryStore, kill: Kill) -> None:
        self._store = store
        self._kill = kill
        self._steps = itertools.count()
        self.killed = False

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        real = getattr(self._store, verb)

        def call(*args: Any, **kwargs: Any) -> Any:
            if next(self._steps) != self._kill.step:
                return real(*args, **kwargs)
            self.killed = True
            if self._kill.stored:
                real(*args, **kwargs)
            raise self._kill.failure(verb)

        return call


class Turns:
    """Lets two callers make their steps in a given order; steps of a caller that is done are left out.

    `taken` has whose step each was, in the order in which they were made; those after the given ones come by chance.
    """

    def __init__(self, schedule: Sequence[int]) -> None:
        self.taken: list[int] = []
        self._schedule = list(schedule)
        self._changed = threading.Condition()
        self._done: set[int] = set()

    def take(self, caller: int, step: Callable[[], Any]) -> Any:
        """Make *step* when it is the caller's turn; nobody else makes one meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: self._next() in (caller, None))
            if self._schedule:
                self._schedule.pop(0)
            self.taken.append(caller)
            try:
                return step()
            finally:
                self._changed.notify_all()

    def finish(self, caller: int) -> None:
        """The caller makes no more steps."""
        with self._changed:
            self._done.add(caller)
            self._changed.notify_all()

    def _next(self) -> int | None:
        while self._schedule and self._schedule[0] in self._done:
            self._schedule.pop(0)
        return self._schedule[0] if self._schedule else None


class TakingTurns:
    """One caller's view of a store whose steps wait for their turn."""

    def __init__(self, store: MemoryStore, turns: Turns, caller: int) -> None:
        self._store = store
        self._turns = turns
        self._caller = caller

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        real = getattr(self._store, verb)
        return lambda *args, **kwargs: self._turns.take(self._caller, lambda: real(*args, **kwargs))


def every_order(length: int = 10) -> Iterator[Turns]:
    """Turns for every order in which two callers can make so many steps, each once.

    Between two of them the callers make their steps, always from the same state: what they made shows what is left.
    """
    schedule = [0] * length
    while True:
        turns = Turns(schedule)
        yield turns
        swap = _last_that_could_be_the_others(turns.taken, length)
        if swap is None:
            return
        schedule = [*turns.taken[:swap], 1, *[0] * (length - swap - 1)]


def _last_that_could_be_the_others(taken: list[int], length: int) -> int | None:
    """The last step of caller 0 that caller 1, who makes one later, could have come before."""
    swaps = [number for number, caller in enumerate(taken[:length]) if caller == 0 and 1 in taken[number:]]
    return max(swaps, default=None)
