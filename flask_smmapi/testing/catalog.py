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

    @pytest.fixture
    def buyers(self, host: Host) -> list[Account]:
        """The two accounts, as their keys open them."""
        return [host.account(account) for account in host.accounts]

    @duty(
        "A catalog answers Service records, each with an id of its own.",
        likely="it answers rows of the database, None for an empty list, or one service for each of its categories.",
    )
    def test_a_catalog_answers_services(self, catalog: Catalog, buyers: list[Account]) -> None:
        for buyer in buyers:
            services = list(catalog(buyer))
            assert all(isinstance(service, Service) for service in services)
            assert len({service.id for service in services}) == len(services)

    @duty(
        "A catalog answers the same list in the same order at each call, until the owner changes it.",
        likely="it keeps an iterator, which is empty the second time, or its query has no ORDER BY.",
    )
    def test_a_catalog_answers_the_same_again(self, catalog: Catalog, buyers: list[Account]) -> None:
        first = list(catalog(buyers[0]))
        assert first, "The catalog is empty; give it services for the test."
        assert list(catalog(buyers[0])) == first

    @duty(
        "An account sees its own prices, whoever asked before.",
        likely="the discount is taken off rows that are kept, so that it is taken off again at the next call.",
    )
    def test_prices_of_accounts_do_not_mix(self, catalog: Catalog, buyers: list[Account]) -> None:
        before = [list(catalog(buyer)) for buyer in buyers]
        for _ in range(3):
            assert [list(catalog(buyer)) for buyer in buyers] == before

    @duty(
        "An account pays the exact rate that it was promised.",
        likely="a discount is computed with floats, or rounded to cents; flask_smmapi.money.price rounds for you.",
    )
    def test_rates_are_exact(self, host: Host, catalog: Catalog) -> None:
        if not host.rates:
            pytest.skip("The host names no rates: give Host(rates={1: {123: Decimal('0.90')}}).")
        for account, rates in host.rates.items():
            found = {service.id: service.rate for service in catalog(host.account(account))}
            assert {service: found.get(service) for service in rates} == dict(rates)

    @duty(
        "Eight calls at once answer what one answers.",
        likely="the list is kept in a place that all threads share, or a session is used by several threads.",
        races=1,
    )
    def test_calls_at_once(self, catalog: Catalog, buyers: list[Account], race: Race) -> None:
        alone = [list(catalog(buyer)) for buyer in buyers]
        together = race(THREADS, lambda number: list(catalog(buyers[number % 2])))
        assert together == [alone[number % 2] for number in range(THREADS)]
