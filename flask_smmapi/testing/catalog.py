"""What the extension relies on when it asks what an account may order."""

from __future__ import annotations

import pytest

from ..hooks import Account, Catalog, Service
from .duties import duty
from .host import Contract, Host, Race
from .races import THREADS


class CatalogContract(Contract):
    """Duties of a catalog: each account's own services at its own exact prices, and the same at each call."""

    @pytest.fixture
    def catalog(self, host: Host) -> Catalog:
        found: Catalog = host.part("catalog")
        return found

    @duty(
        "A catalog answers Service records, each with an id of its own.",
        likely="it answers rows of the database, None for an empty list, or one service for each of its categories.",
    )
    def test_a_catalog_answers_services(self, host: Host, catalog: Catalog) -> None:
        for account in host.accounts:
            services = list(catalog(Account(account)))
            assert all(isinstance(service, Service) for service in services)
            assert len({service.id for service in services}) == len(services)

    @duty(
        "A catalog answers the same list in the same order at each call, until the owner changes it.",
        likely="it keeps an iterator, which is empty the second time, or its query has no ORDER BY.",
    )
    def test_a_catalog_answers_the_same_again(self, host: Host, catalog: Catalog) -> None:
        first = list(catalog(Account(host.accounts[0])))
        assert first, "The catalog is empty; give it services for the test."
        assert list(catalog(Account(host.accounts[0]))) == first

    @duty(
        "An account sees its own prices, whoever asked before.",
        likely="the discount is taken off rows that are kept, so that it is taken off again at the next call.",
    )
    def test_prices_of_accounts_do_not_mix(self, host: Host, catalog: Catalog) -> None:
        one, other = (Account(account) for account in host.accounts)
        before = [list(catalog(one)), list(catalog(other))]
        for _ in range(3):
            assert [list(catalog(one)), list(catalog(other))] == before

    @duty(
        "An account pays the exact rate that it was promised.",
        likely="a discount is computed with floats, or rounded to cents; flask_smmapi.money.price rounds for you.",
    )
    def test_rates_are_exact(self, host: Host, catalog: Catalog) -> None:
        for account, rates in host.rates.items():
            found = {service.id: service.rate for service in catalog(Account(account))}
            assert {service: found.get(service) for service in rates} == dict(rates)

    @duty(
        "Eight calls at once answer what one answers.",
        likely="the list is kept in a place that all threads share, or a session is used by several threads.",
    )
    def test_calls_at_once(self, host: Host, catalog: Catalog, race: Race) -> None:
        alone = [list(catalog(Account(account))) for account in host.accounts]
        together = race(THREADS, lambda number: list(catalog(Account(host.accounts[number % 2]))))
        assert together == [alone[number % 2] for number in range(THREADS)]
