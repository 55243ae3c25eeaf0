"""What the extension relies on when it asks whose a key is."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from ..hooks import Account, AccountId, KeyLookup
from .duties import duty
from .host import Contract, Host, Race, refuse
from .races import THREADS

_ODD = ("", " ", "'", "' OR '1'='1", "%", "_" * 26, "*", '{"$ne": ""}', "ключ", "0", "None", "x" * 10_000)


class KeyLookupContract(Contract):
    """Duties of a key lookup: the account of an active key, and None for everything else."""

    @pytest.fixture
    def key_lookup(self, host: Host) -> KeyLookup:
        found: KeyLookup = host.part("key_lookup")
        return found

    @pytest.fixture
    def active(self, host: Host) -> Mapping[str, AccountId]:
        """The host's good keys, each with the id of its account."""
        keys = {key: account for key, account in host.keys.items() if account is not None}
        if not keys:
            refuse('The host names no good key: give Host(keys={"the key": 1}), with the id of its account.')
        for key in keys:
            if not host.presented([key]):
                refuse(
                    f"SMMAPI_KEY_PATTERN refuses the key {key!r} before your lookup sees it. Set it to your keys' form."
                )
        return keys

    @duty(
        "An active key opens its own account.",
        likely="the lookup answers a user object or an id in another form; it must be an Account with the host's id.",
    )
    def test_an_active_key_opens_its_account(self, key_lookup: KeyLookup, active: Mapping[str, AccountId]) -> None:
        for key, account in active.items():
            found = key_lookup(key)
            assert isinstance(found, Account)
            assert (found.id, type(found.id)) == (account, type(account))
            assert key_lookup(key) == found

    @duty(
        "A revoked key, and a key of an inactive account, open nothing.",
        likely="the query does not ask whether the key and its account are active, or the lookup raises for them.",
    )
    def test_a_refused_key_opens_nothing(self, host: Host, key_lookup: KeyLookup) -> None:
        refused = [key for key, account in host.keys.items() if account is None]
        if not refused:
            pytest.skip("The host names no key that must be refused: give Host(keys={'a revoked key': None}).")
        assert [key_lookup(key) for key in refused] == [None] * len(refused)

    @duty(
        "A key that is nobody's opens nothing, however close it comes to a good one.",
        likely="the database compares without regard to case or to blanks at the end, or by LIKE.",
    )
    def test_an_unknown_key_opens_nothing(
        self, host: Host, key_lookup: KeyLookup, active: Mapping[str, AccountId]
    ) -> None:
        for key in active:
            close = {key.swapcase(), key.upper(), key.lower(), f"{key} ", f" {key}", key[:-1], f"{key}x", key[::-1]}
            for wrong in host.presented(sorted(close - set(host.keys))):
                assert key_lookup(wrong) is None, wrong

    @duty(
        "A key of any form that can be presented is looked up without an error.",
        likely="the key is pasted into a query, or the lookup raises where it should answer None.",
    )
    @pytest.mark.parametrize("key", _ODD)
    def test_an_odd_key_opens_nothing(self, host: Host, key_lookup: KeyLookup, key: str) -> None:
        may_come = key not in host.keys and host.presented([key])
        assert not may_come or key_lookup(key) is None

    @duty(
        "Eight lookups at once find what one finds.",
        likely="the lookup keeps what it finds in a place that all threads share, such as a cursor or a session.",
        races=1,
    )
    def test_lookups_at_once(
        self, host: Host, key_lookup: KeyLookup, active: Mapping[str, AccountId], race: Race
    ) -> None:
        keys = [*host.keys, *host.presented(["no key"])] * THREADS
        alone = [key_lookup(key) for key in keys[:THREADS]]
        assert race(THREADS, lambda number: key_lookup(keys[number])) == alone
