"""What an object must have to play a part: seen at start-up, by the Protocols' own methods, and told with a remedy."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, Mock, create_autospec

import pytest
from flask import Flask, current_app
from werkzeug.local import LocalProxy

from flask_smmapi import Account, Catalog, KeyLookup, OrderStore, SmmApi, Wallet, parts
from flask_smmapi.stores.memory import MemoryStore

from .panel import SERVICES, WRONG_KEY, Panel
from .steps import Broken, Kill, Killing
from .test_extension import ME, ORDER, Purse, playing, verbs_of

PROTOCOLS: dict[str, type] = {"key_lookup": KeyLookup, "catalog": Catalog, "wallet": Wallet, "orders": OrderStore}
OBJECTS = {part: protocol for part, protocol in PROTOCOLS.items() if verbs_of(protocol)}
FUNCTIONS = [part for part in PROTOCOLS if part not in OBJECTS]


def start(**given: Any) -> None:
    """Start an app with these parts; those that are not given, an honest store plays."""
    SmmApi(Flask("panel"), **{"store": MemoryStore(), **given})


def sentence_of(**given: Any) -> str:
    """What stops that start-up."""
    with pytest.raises(RuntimeError) as stopped:
        start(**given)
    return str(stopped.value)


def purse_with(**verbs: Any) -> SimpleNamespace:
    """A wallet with these verbs instead of its own."""
    purse = playing(Wallet)
    vars(purse).update(verbs)
    return purse


def orders_with(**verbs: Any) -> SimpleNamespace:
    orders = playing(OrderStore)
    vars(orders).update(verbs)
    return orders


# The parts and their verbs


def test_the_verbs_of_a_part_are_those_of_its_protocol() -> None:
    assert {part: [*verbs] for part, verbs in parts.OBJECTS.items()} == {
        part: verbs_of(protocol) for part, protocol in OBJECTS.items()
    }
    assert [*parts.FUNCTIONS] == FUNCTIONS


def test_what_is_called_is_what_the_protocol_says() -> None:
    assert str(parts.FUNCTIONS["catalog"]).startswith("(account: ")
    assert [*parts.OBJECTS["wallet"]["debit"].parameters] == ["account", "amount", "reference"]
    assert [*parts.OBJECTS["orders"]["list"].parameters] == ["account", "limit", "before"]


# A part that nobody plays, or not whole


@pytest.mark.parametrize(("part", "verb"), [(part, verb) for part in OBJECTS for verb in verbs_of(OBJECTS[part])])
def test_a_part_that_lacks_a_verb_stops_the_start_up(part: str, verb: str) -> None:
    """Given on its own, or as what the store plays."""
    app = Flask("panel")
    lacking = playing(OBJECTS[part], but=verb)
    others: dict[str, Any] = {"key_lookup": print, "catalog": print, "wallet": Purse(), "orders": MemoryStore()}
    for given in ({**others, part: lacking}, {**others, part: None, "store": lacking}):
        with pytest.raises(RuntimeError, match=rf"the {part}: it lacks {verb}\. .*SmmApi\(app, {part}=…\)"):
            SmmApi(app, **given)
    SmmApi(app, **others)  # nothing was left behind


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"store": object()}, r"Nobody plays the key_lookup\b.*SmmApi\(app, key_lookup=…\)"),
        ({"store": Purse(), "key_lookup": print}, r"Nobody plays the catalog\b.*SmmApi\(app, catalog=…\)"),
        (
            {"store": object(), "key_lookup": print, "catalog": print},
            r"object .*the wallet: it lacks balance, debit, credit, void\..*SmmApi\(app, wallet=…\)",
        ),
        ({"store": Purse(), "key_lookup": print, "catalog": print}, r"Purse .*the orders: it lacks add, find,"),
        ({"key_lookup": {}}, r"dict is no function .*the key_lookup\b.*SmmApi\(app, key_lookup=…\)"),
        ({"catalog": SERVICES}, r"tuple is no function .*the catalog\b.*SmmApi\(app, catalog=…\)"),
        ({"store": SimpleNamespace(key_lookup=print, catalog=())}, r"tuple is no function .*the catalog\b"),
        ({"wallet": 0}, r"int .*the wallet: it lacks .*SmmApi\(app, wallet=…\)"),
        ({"orders": Purse()}, r"Purse .*the orders: it lacks .*SmmApi\(app, orders=…\)"),
        ({"check_link": "https?://.*"}, r"str is no function .*the check_link\b.*SmmApi\(app, check_link=…\)"),
    ],
)
def test_a_part_that_nobody_can_play_stops_the_start_up(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RuntimeError, match=sentence):
        SmmApi(Flask("panel"), **given)


@pytest.mark.parametrize("part", ["store", *PROTOCOLS, "check_link"])
def test_a_class_is_not_the_object_that_it_makes(part: str) -> None:
    assert (
        sentence_of(**{part: MemoryStore}) == f"MemoryStore is a class and cannot be the {part}; give an object of it."
    )


# A verb that cannot be called


def short_debit(account: Any, amount: Decimal) -> bool:
    return True


def keyword_debit(account: Any, amount: Decimal, *, reference: str) -> bool:
    return True


def long_debit(account: Any, amount: Decimal, reference: str, currency: str) -> bool:
    return True


def find_account(key: str, session: object) -> Account | None:
    return None


class Directory:
    """A callable object, and a store's method, that take too much."""

    def __call__(self, key: str, session: object) -> None: ...

    key_lookup = __call__


def no_account(key: str) -> None: ...


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            {"wallet": purse_with(debit=short_debit)},
            "SimpleNamespace cannot be the wallet: debit(account, amount) cannot be called as debit(account, amount, "
            "reference). Let it take that, or give another: SmmApi(app, wallet=…).",
        ),
        (
            {"wallet": purse_with(debit=keyword_debit)},
            "debit(account, amount, *, reference) cannot be called as debit(account, amount, reference).",
        ),
        (
            {"wallet": purse_with(debit=long_debit)},
            "debit(account, amount, reference, currency) cannot be called as debit(account, amount, reference).",
        ),
        (
            {"wallet": purse_with(debit=functools.partial(long_debit, 1, currency="USD"))},
            "debit(amount, reference, *, currency='USD') cannot be called as debit(account, amount, reference).",
        ),
        ({"wallet": purse_with(balance=Purse.balance)}, "balance(self, account) cannot be called as balance(account)."),
        (
            {"orders": orders_with(list=lambda account: ())},
            "list(account) cannot be called as list(account, limit=…, before=…).",
        ),
        (
            {"orders": orders_with(list=lambda account, limit, before: ())},
            "list(account, limit, before) cannot be called as list(account).",
        ),
        (
            {"orders": orders_with(list=lambda account, *, limit=50, after=None: ())},
            "list(account, *, limit=50, after=None) cannot be called as list(account, limit=…, before=…).",
        ),
        ({"orders": orders_with(unsettled=lambda: ())}, "unsettled() cannot be called as unsettled(before)."),
        (
            {"key_lookup": find_account},
            "find_account cannot be the key_lookup: find_account(key, session) cannot be called as find_account(key). "
            "Let it take that, or give another: SmmApi(app, key_lookup=…).",
        ),
        (
            {"key_lookup": Directory()},
            "Directory cannot be the key_lookup: Directory(key, session) cannot be called as Directory(key).",
        ),
        (
            {"store": Directory()},
            "Directory.__call__ cannot be the key_lookup: Directory.__call__(key, session) cannot be called as ",
        ),
        ({"catalog": lambda: SERVICES}, "<lambda>() cannot be called as <lambda>(account)."),
        (
            {"check_link": lambda: True},
            "<lambda> cannot be the check_link: <lambda>() cannot be called as <lambda>(link).",
        ),
    ],
)
def test_a_verb_that_cannot_be_called_as_it_will_be_stops_the_start_up(given: dict[str, Any], sentence: str) -> None:
    assert sentence in sentence_of(**given)


async def slowly(*_: Any, **__: Any) -> bool:
    return False


async def one_by_one(account: Account) -> Any:
    for row in SERVICES:
        yield row


def later(*_: Any) -> Any:
    yield from ()


@pytest.mark.parametrize("verb", ["balance", "debit", "credit", "void"])
def test_a_verb_that_is_a_generator_would_do_nothing(verb: str) -> None:
    sentence = sentence_of(wallet=purse_with(**{verb: later}))
    assert f"cannot be the wallet: {verb} is a generator, and does nothing when it is called." in sentence


def test_what_answers_several_may_be_a_generator() -> None:
    panel = Panel(orders=orders_with(find=later, unsettled=later), catalog=later)
    assert panel.post("services").json == []
    assert panel.smmapi.reconcile().failed == 0


class Slow:
    """A callable object whose answer is to be awaited."""

    async def __call__(self, key: str) -> None: ...


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"wallet": purse_with(debit=slowly)}, "debit"),
        ({"wallet": purse_with(debit=functools.partial(slowly, 1))}, "debit"),
        ({"orders": orders_with(replace=slowly)}, "replace"),
        ({"key_lookup": slowly}, "slowly"),
        ({"key_lookup": Slow()}, "Slow"),
        ({"key_lookup": Slow().__call__}, "Slow.__call__"),
        ({"catalog": one_by_one}, "one_by_one"),
        ({"check_link": slowly}, "slowly"),
    ],
)
def test_an_async_verb_stops_the_start_up(given: dict[str, Any], name: str) -> None:
    """Nobody would await it, and a coroutine is true: a debit that never fails, a link that is always good."""
    [part] = given
    sentence = sentence_of(**given)
    assert f"cannot be the {part}: {name} is async, and its answer, a coroutine, would pass for true." in sentence
    assert sentence.endswith(f"SmmApi(app, {part}=…).")


# What works


class Ledger:
    """A wallet whose parameters have names of their own, and more of them than are needed."""

    def __init__(self) -> None:
        self._purse = Purse()

    def balance(self, user_id: Any) -> Decimal:
        return self._purse.balance(user_id)

    def debit(self, user_id: Any, total: Decimal, ticket: str, note: str = "") -> bool:
        return self._purse.debit(user_id, total, ticket)

    def credit(self, *movement: Any, **_: Any) -> None:
        self._purse.credit(*movement)

    def void(self, *movement: Any) -> None:
        self._purse.void(*movement)


def test_the_names_of_parameters_are_free_since_arguments_go_by_position() -> None:
    panel = Panel(wallet=Ledger(), key_lookup=lambda token, /: ME, catalog=lambda user, day=None: SERVICES)
    order = panel.post("add", **ORDER).json["order"]
    assert panel.post("cancel", order=order).json == {"cancel": 1}
    assert panel.post("balance").json["balance"] == "7.00000000"


def supplying(**more: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that gives a function what it takes beyond a hook's arguments, such as a database session."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        return functools.wraps(function)(lambda *args: function(*args, **more))

    return decorate


class Bound:
    def find(self, key: str) -> Account | None:
        return {WRONG_KEY: ME}.get(key)

    @staticmethod
    def find_anywhere(key: str) -> Account | None:
        return {WRONG_KEY: ME}.get(key)

    __call__ = find


def find_in(table: dict[str, Account], key: str) -> Account | None:
    return table.get(key)


@supplying(session=object())
def find_in_session(key: str, *, session: object) -> Account | None:
    return {WRONG_KEY: ME}.get(key)


@pytest.mark.parametrize(
    "lookup",
    [
        pytest.param(Bound().find, id="a bound method"),
        pytest.param(Bound().find_anywhere, id="a static method"),
        pytest.param(Bound(), id="a callable object"),
        pytest.param(functools.partial(find_in, {WRONG_KEY: ME}), id="a partial"),
        pytest.param(functools.lru_cache(Bound().find), id="a cached function"),
        pytest.param(find_in_session, id="a decorated function"),
        pytest.param({WRONG_KEY: ME}.get, id="a C function"),
        pytest.param({WRONG_KEY: ME}.__getitem__, id="a C slot"),
        pytest.param(Mock(return_value=ME), id="a mock"),
        pytest.param(create_autospec(Bound().find, return_value=ME), id="a mock with a signature"),
    ],
)
def test_whatever_can_be_called_with_a_key_looks_keys_up(lookup: Any) -> None:
    assert Panel(key_lookup=lookup).post("balance", key=WRONG_KEY).status == 200


class Anything:
    """A proxy that has whatever it is asked for, as those for remote calls have."""

    def __init__(self, path: str = "") -> None:
        self._path = path

    def __getattr__(self, name: str) -> Anything:
        return Anything(f"{self._path}.{name}")

    def __call__(self, *args: Any) -> Any:
        raise ConnectionError(self._path)


@pytest.mark.parametrize("function", [min, iter])
def test_a_function_that_does_not_tell_what_it_takes_is_taken_as_it_is(function: Any) -> None:
    with pytest.raises(ValueError, match="no signature"):
        inspect.signature(function)
    start(catalog=function)


@pytest.mark.parametrize("store", [MagicMock(), Anything()], ids=["a mock", "a proxy"])
def test_an_object_that_does_not_tell_what_it_takes_plays_every_part(store: Any) -> None:
    start(store=store)


def test_a_proxy_plays_what_is_behind_it() -> None:
    proxy: Any = Killing(MemoryStore(), Kill(-1, False, Broken))
    panel = Panel(store=proxy)
    assert panel.post("add", **ORDER).status == 200
    assert panel.balance == 99


def test_a_function_that_is_not_there_before_its_app_is_at_work_is_taken_as_it_is() -> None:
    panel = Panel(key_lookup=LocalProxy(lambda: current_app.config["LOOKUP"]))
    panel.app.config["LOOKUP"] = {WRONG_KEY: ME}.get
    assert panel.post("balance", key=WRONG_KEY).status == 200
