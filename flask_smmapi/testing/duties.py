"""What a test of the kit checks, in words; they are the first that a failure says."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest


def duty(what: str, *, likely: str, races: int = 0) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A test that says on failure which duty is broken, and what the usual cause is.

    :param what: the duty, as a sentence.
    :param likely: the mistake that usually breaks it.
    :param races: of a race, which a wrong host may win by chance: for each, it is run the contract's ``rounds`` times.
    """

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @wraps(test)
        def run(*args: Any, **kwargs: Any) -> None:
            try:
                for _ in range(races * args[0].rounds if races else 1):
                    test(*args, **kwargs)
            except (Exception, pytest.fail.Exception) as failure:  # the host's own exceptions too
                raise AssertionError(f"{what} Likely cause: {likely}\n{type(failure).__name__}: {failure}") from failure

        run.__doc__ = what
        return run

    return decorate
