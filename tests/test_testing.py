"""The contract kit catches what integrators get wrong, each mistake by its duty, and lets right hosts pass."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import NamedTuple, TypeAlias
from xml.etree import ElementTree

import pytest

import flask_smmapi.testing
from flask_smmapi.testing import CatalogContract, KeyLookupContract, OrderStoreContract, PanelContract, WalletContract
from flask_smmapi.testing.duties import duty

from . import wrong_hosts as hosts
from .panel import at_once

ROOT = Path(__file__).parent.parent

CONTRACTS: tuple[type, ...] = (KeyLookupContract, CatalogContract, WalletContract, OrderStoreContract, PanelContract)
"""The last one has the duties of all others too."""

DUTIES = {name: test for contract in CONTRACTS for name, test in vars(contract).items() if name.startswith("test_")}

CAUGHT: Mapping[type[hosts.Right], str] = {
    # Key lookups
    hosts.UserObject: "test_an_active_key_opens_its_account",
    hosts.IdAsText: "test_an_active_key_opens_its_account",
    hosts.RevokedKeysOpen: "test_a_refused_key_opens_nothing",
    hosts.InactiveAccountsOpen: "test_a_refused_key_opens_nothing",
    hosts.UnknownKeyRaises: "test_a_refused_key_opens_nothing test_an_unknown_key_opens_nothing",
    hosts.KeysWithoutCaseOpen: "test_an_unknown_key_opens_nothing",
    hosts.StripsKeys: "test_an_unknown_key_opens_nothing",
    hosts.LikeKeys: "test_an_unknown_key_opens_nothing test_an_odd_key_opens_nothing",
    hosts.PastedKeys: "test_an_odd_key_opens_nothing",
    hosts.SharedResult: "test_lookups_at_once",
    # Catalogs
    hosts.PlainRows: "test_a_catalog_answers_services",
    hosts.RowForEachCategory: "test_a_catalog_answers_services",
    hosts.OneShotIterator: "test_a_catalog_answers_the_same_again",
    hosts.NoOrderBy: "test_a_catalog_answers_the_same_again",
    hosts.DiscountOnDiscount: "test_prices_of_accounts_do_not_mix",
    hosts.RatesInCents: "test_rates_are_exact",
    hosts.SharedRows: "test_calls_at_once",
    # Wallets
    hosts.FloatBalance: "test_a_balance_is_a_decimal",
    hosts.NoBalanceYet: "test_a_balance_is_a_decimal",
    hosts.FloatColumn: "test_no_float_touches_an_amount",
    hosts.Cents: (
        "test_amounts_keep_eight_places test_ending_in_part_never_pays_back_more_than_the_charge "
        "test_the_desk_pays_back_what_was_not_delivered"
    ),
    hosts.NarrowType: "test_the_largest_charge_is_refused",
    hosts.AmountsAsText: "test_an_amount_may_be_written_in_two_ways",
    hosts.OnePurse: "test_accounts_are_apart",
    hosts.Overdraft: "test_a_debit_of_more_than_there_is_answers_false",
    hosts.CreditLimit: "test_a_debit_of_more_than_there_is_answers_false",
    hosts.MoreThan: "test_a_debit_that_was_made_answers_true test_a_debit_of_nothing_is_legal",
    hosts.ZeroIsNoAmount: "test_a_debit_of_nothing_is_legal",
    hosts.NoneForFalse: "test_a_debit_of_more_than_there_is_answers_false",
    hosts.RowCountForTrue: "test_a_debit_that_was_made_answers_true",
    hosts.TakesAgain: "test_a_repeated_debit_takes_once",
    hosts.GivesAgain: (
        "test_a_repeated_credit_gives_once test_racing_cancels_pay_back_once test_reconcile_pays_back_once "
        "test_racing_verbs_have_one_outcome"
    ),
    hosts.BalanceBeforeReference: "test_a_repeat_of_the_debit_that_emptied_the_wallet_is_true",
    hosts.AnyAmount: "test_a_reference_has_one_amount",
    hosts.SwallowedExceptions: "test_a_reference_has_one_amount",
    hosts.SharedReferences: "test_accounts_do_not_share_references",
    hosts.ShortReferences: "test_a_long_reference_is_kept_whole",
    hosts.VoidGivesEachTime: "test_void_undoes_a_debit_once_and_bars_it_for_ever",
    hosts.VoidGivesWhatWasAsked: "test_a_debit_that_was_refused_can_be_voided",
    hosts.VoidDeletes: "test_void_undoes_a_debit_once_and_bars_it_for_ever",
    hosts.VoidNeedsADebit: "test_void_of_what_was_not_debited_bars_it_for_ever",
    hosts.VoidSkipsZero: "test_a_debit_of_nothing_can_be_voided",
    hosts.VoidBarsOnce: "test_void_undoes_a_debit_once_and_bars_it_for_ever test_every_void_is_kept",
    hosts.VoidIsForgotten: "test_every_void_is_kept",
    hosts.Uncommitted: "test_effects_are_committed test_placing_takes_the_charge",
    hosts.WritesBehind: "test_effects_are_committed test_orders_are_committed",
    hosts.CachedBalance: "test_a_verb_sees_what_others_did_meanwhile",
    hosts.ReadThenWrite: "test_racing_debits_take_no_more_than_there_is test_racing_orders_take_no_more_than_there_is",
    hosts.ReadThenWriteCredit: "test_racing_credits_all_arrive",
    hosts.LockOfTheProcess: "test_racing_debits_take_no_more_than_there_is",
    hosts.ReferenceBeforeLock: "test_racing_repeats_of_a_debit_take_once",
    hosts.UniqueIndexRaises: "test_racing_repeats_of_a_debit_take_once",
    hosts.BusyIsFalse: "test_racing_repeats_of_a_debit_take_once",
    hosts.LoserFindsItEmpty: "test_racing_repeats_of_the_debit_that_empties_the_wallet",
    hosts.VoidInTwoSteps: "test_racing_voids_give_back_once test_a_debit_that_races_its_void_is_undone",
    hosts.VoidLooksBeforeItLocks: "test_a_debit_that_races_its_void_is_undone",
    hosts.DebitLooksBeforeItLocks: "test_a_debit_that_races_its_void_is_undone",
    hosts.TwoLocks: "test_two_accounts_at_once",
    # Order stores
    hosts.LostParameters: "test_parameters_are_kept_to_the_letter",
    hosts.CutsTexts: "test_parameters_are_kept_to_the_letter",
    hosts.CutsLongTexts: "test_parameters_are_kept_to_the_letter",
    hosts.NoEmoji: "test_parameters_are_kept_to_the_letter",
    hosts.FloatCharges: "test_every_field_of_an_order_is_kept",
    hosts.TextStatus: "test_every_field_of_an_order_is_kept",
    hosts.ListOfChildren: "test_every_field_of_an_order_is_kept",
    hosts.NaiveTimes: "test_times_are_aware_and_utc",
    hosts.LocalTimes: "test_times_are_aware_and_utc",
    hosts.NumbersOfEachAccount: "test_numbers_grow_and_are_unique",
    hosts.RandomNumbers: "test_numbers_grow_and_are_unique",
    hosts.LargestNumberPlusOne: "test_numbers_are_not_reused",
    hosts.NumberInTwoSteps: "test_racing_adds_get_a_number_each",
    hosts.NumbersAlone: "test_many_are_found_by_id_and_number",
    hosts.FindHidesUnpaid: "test_many_are_found_by_id_and_number",
    hosts.EmptyIn: "test_many_are_found_by_id_and_number",
    hosts.SmallNumbers: "test_unknown_ids_find_nothing",
    hosts.AnybodysOrders: "test_another_accounts_orders_do_not_exist test_another_accounts_order",
    hosts.AnybodysKeys: "test_another_accounts_orders_do_not_exist",
    hosts.AnybodysPages: "test_another_accounts_orders_do_not_exist",
    hosts.AnybodysRefills: "test_another_accounts_orders_do_not_exist",
    hosts.KeyHidesUnpaid: "test_a_key_finds_its_order_in_any_status",
    hosts.NoKeyColumn: (
        "test_every_field_of_an_order_is_kept test_a_key_finds_its_order_in_any_status test_a_repeat_is_the_same_order"
    ),
    hosts.NoUniqueKey: "test_a_key_is_taken_once_in_an_account test_racing_repeats_are_one_order",
    hosts.KeyOfAllAccounts: "test_a_key_is_taken_once_in_an_account",
    hosts.TakenKeyRaises: "test_a_key_is_taken_once_in_an_account",
    hosts.KeysWithoutCase: "test_keys_are_told_apart_to_the_letter",
    hosts.ShortKeys: "test_keys_are_told_apart_to_the_letter",
    hosts.LooksThenInserts: "test_racing_adds_with_one_key_store_one",
    hosts.WritesTheStatusAlone: "test_replace_writes_and_raises_the_revision test_canceling_pays_back_once",
    hosts.RowCountOfReplace: "test_replace_writes_and_raises_the_revision",
    hosts.RevisionStays: "test_replace_writes_and_raises_the_revision",
    hosts.LastOneWins: "test_replace_minds_the_revision test_confirming_races_reconcile",
    hosts.ComparesTheStatus: "test_replace_minds_the_revision",
    hosts.Upsert: "test_replace_stores_no_order_anew",
    hosts.ReadsThenReplaces: (
        "test_of_racing_replaces_one_wins test_confirming_races_abandoning test_canceling_races_the_start_of_the_work "
        "test_racing_claims_hand_out_each_once test_racing_verbs_have_one_outcome"
    ),
    hosts.DropsNothing: "test_drop_deletes_an_order_that_is_voiding test_an_order_without_money_leaves_nothing",
    hosts.DropsByIdAlone: "test_drop_minds_what_is_stored",
    hosts.DropBelievesItsArgument: "test_drop_minds_what_is_stored",
    hosts.UncommittedOrders: "test_orders_are_committed",
    hosts.StaleOrders: "test_orders_are_read_anew",
    hosts.OldestFirst: "test_pages_come_newest_first",
    hosts.BeforeIncludes: "test_pages_come_newest_first",
    hosts.TwentyAPage: "test_a_page_has_fifty_orders",
    hosts.ShowsUnpaid: "test_pages_hide_unpaid_orders test_an_unpaid_order_does_not_exist",
    hosts.HidesAfterTheCut: "test_pages_hide_unpaid_orders",
    hosts.ForgetsUnpaid: "test_unsettled_orders_of_all_accounts test_reconcile_undoes_what_was_never_confirmed",
    hosts.ForgetsVoiding: "test_unsettled_orders_of_all_accounts",
    hosts.ForgetsWhatIsOwed: "test_unsettled_orders_of_all_accounts test_reconcile_pays_back_once",
    hosts.UnsettledOfOneAccount: "test_unsettled_orders_of_all_accounts",
    hosts.UnsettledOfAnyAge: "test_unsettled_orders_of_all_accounts test_reconcile_leaves_young_orders_alone",
    hosts.StatesOfAnybody: "test_states_are_those_of_the_orders",
    hosts.StatesWithoutRefunds: "test_states_are_those_of_the_orders",
    hosts.OneQueue: "test_a_store_has_both_queues_or_none",
    hosts.QueueOfOneAccount: "test_what_waits_is_found_across_accounts",
    hosts.QueueOfAnyStatus: "test_what_waits_is_found_across_accounts",
    hosts.QueueOfOneStatus: "test_what_waits_is_found_across_accounts",
    hosts.DueAtTheMoment: "test_what_waits_is_due_before_the_moment",
    hosts.DueInTheServersZone: "test_what_waits_is_due_before_the_moment",
    hosts.DueWithoutAMoment: "test_what_waits_is_due_before_the_moment",
    hosts.DueSinceItsCreation: "test_what_waits_is_due_before_the_moment",
    hosts.NewestWorkFirst: "test_what_has_waited_for_longest_comes_first",
    hosts.WorkByItsNumber: "test_what_has_waited_for_longest_comes_first",
    hosts.EndlessQueue: "test_what_has_waited_for_longest_comes_first",
    hosts.LimitOfEachStatus: "test_what_has_waited_for_longest_comes_first",
    hosts.CutsBeforeItSorts: "test_what_has_waited_for_longest_comes_first",
    hosts.CutsBeforeItFilters: "test_what_has_waited_for_longest_comes_first",
    hosts.KeptQueue: "test_what_was_claimed_waits_no_more",
    hosts.StaleQueue: "test_what_was_claimed_waits_no_more",
    hosts.ClaimIsNotWritten: (
        "test_replace_writes_and_raises_the_revision test_what_was_claimed_waits_no_more "
        "test_a_claim_that_ran_out_is_lost test_the_desk_pays_back_what_was_not_delivered"
    ),
    hosts.DueIsNotWritten: (
        "test_replace_writes_and_raises_the_revision test_what_was_claimed_waits_no_more "
        "test_racing_claims_hand_out_each_once"
    ),
    hosts.RefillStatusIsLost: "test_every_field_of_a_refill_is_kept",
    hosts.RefillPlaceIsFree: "test_a_refills_place_is_taken_once",
    hosts.TakenPlaceRaises: "test_a_refills_place_is_taken_once",
    hosts.LooksThenInsertsRefill: "test_of_racing_refills_one_is_stored",
    hosts.RefillsByTheirIdAlone: "test_refills_are_found_by_id_number_and_order",
    hosts.RefillsTwice: "test_refills_are_found_by_id_number_and_order",
    hosts.RefillsLastOneWins: "test_replace_refill_minds_the_revision",
    hosts.WritesTheRefillsStatusAlone: "test_replace_refill_minds_the_revision test_what_was_claimed_waits_no_more",
    hosts.ReadsThenReplacesRefill: "test_racing_claims_hand_out_each_once",
}
"""Wrong hosts, each with the duties that must catch it. It may break others too."""

NAMED = [(kind, name) for kind, names in CAUGHT.items() for name in names.split()]

RIGHT = {
    "TestInAnApp": "all tests share one host, and it relies on an application context and a key pattern",
    "TestUnusual": "what the Protocols leave open is done otherwise than by our own stores",
}


def contract_of(kind: type[hosts.Right]) -> str:
    """The smallest contract that has all duties named for that host."""
    return next(c.__name__ for c in CONTRACTS if all(hasattr(c, name) for name in CAUGHT[kind].split()))


def class_of(kind: type[hosts.Right]) -> str:
    """The test of a host, as an integrator writes it."""
    return f"""
class Test{kind.__name__}({contract_of(kind)}):
    @pytest.fixture
    def host(self):
        return hosts.{kind.__name__}.as_host()
"""


IMPORTS = """
import pytest
from flask import Flask
from flask_smmapi import *
from flask_smmapi.stores.memory import MemoryStore
from flask_smmapi.testing import *
from tests import wrong_hosts as hosts
from tests.panel import BARE, SERVICES, host_of, service
"""

WRONG_HOSTS = """
@pytest.fixture(autouse=True)
def patience(request, monkeypatch):
    if request.cls is TestTwoLocks:
        monkeypatch.setattr("flask_smmapi.testing.races.PATIENCE", 1.0)
"""

RIGHT_HOSTS = """
@pytest.fixture(scope="module")
def host():
    return hosts.InAnApp.as_host()

class TestInAnApp(PanelContract):
    pass

class TestUnusual(PanelContract):
    service = SERVICES[0].id

    @pytest.fixture
    def host(self):
        return hosts.Unusual.as_host()

class TestNoQueue(OrderStoreContract):
    @pytest.fixture
    def host(self):
        return hosts.NoQueue.as_host()
"""

EIGHT_LINES = """
TEST_DATABASE = "memory"

def create_app(database):
    app, store = Flask("panel"), MemoryStore(SERVICES)
    app.config["SMMAPI_KEY_PATTERN"] = None
    for id_ in (1, 2):
        store.add_account(Account(id_), key=f"key of user {id_}")
    SmmApi(app, store=store)
    return app

"""

UNFINISHED = """
class TestNoHost(WalletContract):
    pass

class TestNoPart(WalletContract):
    @pytest.fixture
    def host(self):
        return Host(accounts=(1, 2))

class TestNoKeys(KeyLookupContract):
    @pytest.fixture
    def host(self):
        return Host(accounts=(1, 2), key_lookup=MemoryStore().key_lookup)

class TestNoPattern(KeyLookupContract):
    @pytest.fixture
    def host(self):
        app, store = Flask("panel"), MemoryStore()
        SmmApi(app, store=store)
        return Host(app, accounts=(1, 2), keys={store.add_account(Account(1), key="key of user 1"): 1})

class TestNoRates(CatalogContract):
    @pytest.fixture
    def host(self):
        return Host(accounts=(1, 2), catalog=MemoryStore(SERVICES).catalog)

class TestNoService(PanelContract):
    @pytest.fixture
    def host(self):
        store = MemoryStore([service(BARE, cancel=False), service(2, "Package")])
        return Host(accounts=(1, 2), catalog=store.catalog, wallet=store, orders=store)
"""

OF_THE_MODULE = """
@pytest.fixture
def host(storage):
    return Host(accounts=(1, 2), wallet=storage)

class TestNoStorage(WalletContract):
    pass
"""

SENTENCES = {
    "TestNoHost::test_accounts_are_apart": "TestNoHost needs a fixture named host that returns a "
    "flask_smmapi.testing.Host.",
    "TestNoPart::test_accounts_are_apart": "The host has no wallet: give Host(wallet=…), or the app that SmmApi is "
    "registered with.",
    "TestNoKeys::test_an_active_key_opens_its_account": 'The host names no good key: give Host(keys={"the key": 1}), '
    "with the id of its account.",
    "TestNoKeys::test_a_refused_key_opens_nothing": "The host names no key that must be refused: give "
    "Host(keys={'a revoked key': None}).",
    "TestNoPattern::test_an_active_key_opens_its_account": "SMMAPI_KEY_PATTERN refuses the key 'key of user 1' before "
    "your lookup sees it. Set it to your keys' form.",
    "TestNoRates::test_rates_are_exact": "The host names no rates: give Host(rates={1: {123: Decimal('0.90')}}).",
    "TestNoService::test_a_repeat_is_the_same_order": "Give account 1 a service of type Default that costs, with "
    "cancel=True.",
}
"""What an integrator hears who has not given all."""


class Outcome(NamedTuple):
    """Of one test."""

    verdict: str
    message: str


Outcomes: TypeAlias = Mapping[str, list[Outcome]]
"""By ``TestClass::test_name``, one for each of its parameters."""


def example() -> str:
    """The eight lines that the kit's docstring shows."""
    _, _, text = (flask_smmapi.testing.__doc__ or "").partition("::\n\n")
    lines, _, _ = text.partition("\n\nGive it")
    return dedent(lines)


@pytest.fixture(scope="session")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """What pytest says of all hosts: the right ones and the integrators' texts as a whole, the others by name."""
    folder = tmp_path_factory.mktemp("integrators")
    modules = {
        "test_wrong.py": WRONG_HOSTS + "".join(class_of(kind) for kind in CAUGHT),
        "test_right.py": RIGHT_HOSTS,
        "test_panel.py": EIGHT_LINES + example(),
        "test_unfinished.py": UNFINISHED,
        "test_of_the_module.py": OF_THE_MODULE,
    }
    for name, text in modules.items():
        (folder / name).write_text(IMPORTS + text, "utf-8")
    wrong = [f"test_wrong.py::Test{kind.__name__}::{name}" for kind, name in NAMED]
    unfinished = [f"test_unfinished.py::{test}" for test in SENTENCES]
    whole = ("test_right.py", "test_panel.py", "test_of_the_module.py")
    arguments = ("-q", "-W", "error", "--tb=no", "-p", "no:cacheprovider", "--junitxml=outcomes.xml")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, *whole, *wrong, *unfinished],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == pytest.ExitCode.TESTS_FAILED, result.stdout
    return read_outcomes(folder / "outcomes.xml")


def read_outcomes(path: Path) -> Outcomes:
    found: dict[str, list[Outcome]] = defaultdict(list)
    for case in ElementTree.parse(path).iter("testcase"):
        class_name = case.attrib["classname"].rpartition(".")[2]
        name = case.attrib["name"].partition("[")[0]
        said = next(iter(case), None)
        outcome = Outcome("passed", "") if said is None else Outcome(said.tag, f"{said.attrib['message']}\n{said.text}")
        found[f"{class_name}::{name}"].append(outcome)
    return found


def failure_of(outcomes: Outcomes, kind: type[hosts.Right], name: str) -> str:
    """What the first failure says."""
    failures = [outcome for outcome in outcomes[f"Test{kind.__name__}::{name}"] if outcome.verdict == "failure"]
    assert failures, f"{name} does not catch it."
    return failures[0].message


def words_of(name: str) -> tuple[str, str]:
    """A duty, and the likely cause of its breach."""
    words = inspect.getclosurevars(DUTIES[name]).nonlocals
    return words["what"], words["likely"]


@pytest.mark.parametrize(("kind", "name"), NAMED, ids=[f"{kind.__name__}-{name}" for kind, name in NAMED])
def test_a_wrong_host_is_caught(outcomes: Outcomes, kind: type[hosts.Right], name: str) -> None:
    what, likely = words_of(name)
    assert failure_of(outcomes, kind, name).startswith(f"AssertionError: {what} Likely cause: {likely}\n")


@pytest.mark.parametrize("host", RIGHT, ids=list(RIGHT.values()))
def test_a_right_host_passes_everything(outcomes: Outcomes, host: str) -> None:
    said = {name: outcomes[f"{host}::{name}"] for name in DUTIES}
    assert {name: found for name, found in said.items() if {*found} != {Outcome("passed", "")}} == {}


def test_a_host_without_a_queue_hears_what_the_desk_cannot_do(outcomes: Outcomes) -> None:
    said = [outcome for test, found in outcomes.items() if test.startswith("TestNoQueue::") for outcome in found]
    skipped = [outcome for outcome in said if outcome.verdict == "skipped"]
    assert {outcome.verdict for outcome in said} == {"passed", "skipped"}
    assert len(skipped) == 1 + 2 * 4  # the one that says so, and four for orders and refills each
    assert all("waiting and refills_waiting, of flask_smmapi.WorkQueue: the desk can" in said for _, said in skipped)


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, name in NAMED if issubclass(kind, hosts.Queues)])
def test_what_is_wrong_with_both_queues_is_caught_in_each(
    outcomes: Outcomes, kind: type[hosts.Right], name: str
) -> None:
    assert [outcome.verdict for outcome in outcomes[f"Test{kind.__name__}::{name}"]] == ["failure", "failure"]


def test_eight_lines_test_everything(outcomes: Outcomes) -> None:
    assert len(example().splitlines()) <= 8
    said = {name: {outcome.verdict for outcome in outcomes[f"TestMyPanel::{name}"]} for name in DUTIES}
    assert said == {name: {"skipped" if name == "test_rates_are_exact" else "passed"} for name in DUTIES}


@pytest.mark.parametrize("test", SENTENCES)
def test_what_is_not_given_is_asked_for(outcomes: Outcomes, test: str) -> None:
    [outcome] = outcomes[test]
    assert outcome.verdict in ("error", "skipped")
    assert SENTENCES[test] in outcome.message


def test_a_fixture_that_the_host_wants_is_named(outcomes: Outcomes) -> None:
    [outcome] = outcomes["TestNoStorage::test_accounts_are_apart"]
    assert "fixture 'storage' not found" in outcome.message


@pytest.mark.parametrize(
    ("kind", "name", "sides"),
    [
        (hosts.IdAsText, "test_an_active_key_opens_its_account", "('7', <class 'str'>) == (7, <class 'int'>)"),
        (hosts.RatesInCents, "test_rates_are_exact", "{123: Decimal('0.88')} == {123: Decimal('0.87655000')}"),
        (hosts.Cents, "test_amounts_keep_eight_places", "Decimal('3.10000000') == Decimal('3.10000001')"),
        (hosts.LargestNumberPlusOne, "test_numbers_are_not_reused", "assert 1 > 1"),
        (hosts.ShowsUnpaid, "test_an_unpaid_order_does_not_exist", "' not in {'"),
    ],
)
def test_a_failure_shows_both_sides(outcomes: Outcomes, kind: type[hosts.Right], name: str, sides: str) -> None:
    """Each contract's module is rewritten by pytest."""
    assert sides in failure_of(outcomes, kind, name)


def test_a_deadlock_is_named(outcomes: Outcomes) -> None:
    message = failure_of(outcomes, hosts.TwoLocks, "test_two_accounts_at_once")
    assert "threads have not come back: a deadlock?" in message


def test_no_test_is_in_two_contracts() -> None:
    """They are mixed in PanelContract, where one would hide the other."""
    names = [name for contract in CONTRACTS for name in vars(contract) if name.startswith("test_")]
    assert sorted(names) == sorted(DUTIES)


@pytest.mark.parametrize("name", DUTIES)
def test_every_test_says_its_duty(name: str) -> None:
    what, likely = words_of(name)
    assert DUTIES[name].__doc__ == what
    assert not what[0].islower()
    assert what[-1] == likely[-1] == "."


def test_every_duty_catches_somebody() -> None:
    assert {name for _, name in NAMED} == DUTIES.keys()


def test_the_kit_asks_for_pytest_and_the_package_does_not() -> None:
    code = "import sys; sys.modules['pytest'] = None; import flask_smmapi; print('here'); import flask_smmapi.testing"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.stdout, result.returncode) == ("here\n", 1)
    sentence = "ImportError: flask_smmapi.testing runs on pytest, which is not installed: pip install pytest.\n"
    assert result.stderr.endswith(sentence)


@pytest.mark.parametrize(("races", "times"), [(0, 1), (1, 3), (2, 6)])
def test_a_race_is_run_as_often_as_its_contract_says(races: int, times: int) -> None:
    contract, runs = SimpleNamespace(rounds=3), []
    duty("What must be.", likely="what is not.", races=races)(runs.append)(contract)
    assert runs == [contract] * times


def test_a_thread_that_cannot_begin_keeps_nobody_waiting() -> None:
    @contextmanager
    def context() -> Iterator[None]:
        places.pop()
        yield

    places = [1, 2, 3]
    with pytest.raises(IndexError):
        at_once(4, lambda number: number, context)
