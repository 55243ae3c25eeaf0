"""What the kit must know of the host under test, and what all its contracts share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import KW_ONLY, dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any, NoReturn, Protocol, TypeVar

import pytest
from flask import Flask

from ..hooks import Account, AccountId, Catalog, KeyLookup, OrderStore, Wallet
from ..state import state_of
from .races import ROUNDS, at_once

T = TypeVar("T")


def refuse(sentence: str) -> NoReturn:
    """Fail for what the integrator has not given, with nothing but the sentence."""
    pytest.fail(sentence, pytrace=False)


@dataclass(frozen=True)
class Host:
    """The host under test. A part that is not given is the app's.

    :param app: the app that SmmApi is registered with; every thread of a test works in a context of it. Parts that
        need none do without.
    :param accounts: the ids of two active accounts. The contracts move their money.
    :param keys: keys with the id of the account that each opens, or None for one that must be refused, such as a
        revoked one and one of an inactive account.
    :param rates: what accounts pay for some services, by account and by service: ``{1: {123: Decimal("0.90")}}``.
    :param again: the same storage through connections of its own, to read back what was written. Without it another
        thread reads back, which has another connection if your storage has one for each thread.
    """

    app: Flask | None = None
    _: KW_ONLY
    accounts: tuple[AccountId, AccountId]
    keys: Mapping[str, AccountId | None] = field(default_factory=dict)
    rates: Mapping[Any, Mapping[int, Decimal]] = field(default_factory=dict)
    key_lookup: KeyLookup | None = None
    catalog: Catalog | None = None
    wallet: Wallet[int] | Wallet[str] | None = None
    orders: OrderStore[int] | OrderStore[str] | None = None
    again: Host | None = None

    def part(self, name: str) -> Any:
        """Who plays the part of that name."""
        given = getattr(self, name)
        if given is not None:
            return given
        if self.app is None:
            refuse(f"The host has no {name}: give Host({name}=…), or the app that SmmApi is registered with.")
        state = state_of(self.app)
        return state.key_lookup if name == "key_lookup" else getattr(state.context, name)

    def account(self, id_: AccountId) -> Account:
        """That account as its key opens it, with all that the host's lookup says of it; else what has its id alone."""
        keys = [key for key, opened in self.keys.items() if opened == id_]
        found = self.part("key_lookup")(keys[0]) if keys else None
        return found if isinstance(found, Account) else Account(id_)

    def presented(self, keys: Iterable[str]) -> list[str]:
        """Those of *keys* that the app's ``SMMAPI_KEY_PATTERN`` lets through to the lookup; all if there is no app."""
        pattern = None if self.app is None else state_of(self.app).key_pattern
        return [key for key in keys if pattern is None or pattern.fullmatch(key)]

    def context(self) -> AbstractContextManager[Any]:
        """What a thread works in."""
        return nullcontext() if self.app is None else self.app.app_context()


class Race(Protocol):
    """Runs work of 0, 1, … in as many threads that begin together; gives their results."""

    def __call__(self, count: int, work: Callable[[int], T], /) -> list[T]: ...


class Elsewhere(Protocol):
    """Runs work in a thread of its own, which has seen nothing yet; gives its result."""

    def __call__(self, work: Callable[[], T], /) -> T: ...


class Contract:
    """What all contracts share. A class of yours inherits one, and has a fixture ``host``."""

    rounds: int = ROUNDS
    """How often each race is run. Fewer take less time, and a wrong host wins them all by chance more often."""

    @pytest.fixture
    def host(self, request: pytest.FixtureRequest) -> Host:
        """The host under test, on storage for tests: that of the class itself, else of its module or conftest.py."""
        try:
            found: Host = request.getfixturevalue("host")
        except pytest.FixtureLookupError as missing:
            if missing.argname != "host":
                raise
            refuse(f"{type(self).__name__} needs a fixture named host that returns a flask_smmapi.testing.Host.")
        return found

    @pytest.fixture(autouse=True)
    def _in_context(self, host: Host) -> Iterator[None]:
        with host.context():
            yield

    @pytest.fixture
    def race(self, host: Host) -> Race:
        return partial(at_once, context=host.context)

    @pytest.fixture
    def elsewhere(self, host: Host, race: Race) -> Elsewhere:
        def run(work: Callable[[], T]) -> T:
            def work_there(_: int) -> T:
                with host.again.context() if host.again else nullcontext():
                    return work()

            return race(1, work_there)[0]

        return run

    @pytest.fixture
    def me(self, host: Host) -> AccountId:
        """One account."""
        return host.accounts[0]

    @pytest.fixture
    def other(self, host: Host) -> AccountId:
        """Another one."""
        return host.accounts[1]
