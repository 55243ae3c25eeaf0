"""SmmApi: who plays which part, what it reads and refuses at start-up, and what the host does with it in Python."""

from __future__ import annotations

import dataclasses
import re
from ast import literal_eval
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Blueprint, Flask

from flask_smmapi import Account, Order, OrderStatus, OrderStore, Refill, SmmApi, SmmError, config, errors
from flask_smmapi.hooks import AccountId
from flask_smmapi.state import current_state, state_of
from flask_smmapi.stores.memory import MemoryStore

from .panel import BARE, DEFAULT, DRIPFEED, LINK, SERVICES, WRONG_KEY, Panel, service

ME = Account(id=1)
ORDER: dict[str, Any] = {"service": DEFAULT, "link": LINK, "quantity": 1000}
"""It costs 1.00."""

COMMENTS = 3
"""The service of type Custom Comments."""


def post(app: Flask, key: str, action: str, url: str = "/api/v2", **params: Any) -> Any:
    """The JSON that *app* answers; None if it is no JSON."""
    return app.test_client().post(url, data={"key": key, "action": action, **params}).get_json(silent=True)


def rich_store() -> tuple[MemoryStore, str]:
    """A store in which ME has 100.00, and a key of it."""
    store = MemoryStore(SERVICES)
    return store, store.add_account(ME, balance=Decimal(100))


# One app and several


def by_constructor(app: Flask, **given: Any) -> SmmApi:
    return SmmApi(app, **given)


def by_init_app(app: Flask, **given: Any) -> SmmApi:
    smmapi = SmmApi(**given)
    smmapi.init_app(app)
    return smmapi


@pytest.mark.parametrize("register", [by_constructor, by_init_app])
def test_it_serves_an_app_and_its_python_needs_no_context(register: Callable[..., SmmApi]) -> None:
    app, (store, key) = Flask("panel"), rich_store()
    smmapi = register(app, store=store)
    order = post(app, key, "add", **ORDER)["order"]
    assert smmapi.status(ME, order).id == order
    assert smmapi.store is store


@pytest.mark.parametrize("register", [by_constructor, by_init_app])
def test_without_a_store_everything_is_in_mongodb(register: Callable[..., SmmApi], mongo_uri: str) -> None:
    app = Flask("panel")
    app.config["SMMAPI_MONGODB_URI"] = mongo_uri
    store = register(app).store
    key = store.add_account(ME, balance=Decimal(5))
    assert post(app, key, "balance") == {"balance": "5.00000000", "currency": "USD"}


def test_the_apps_of_a_factory_have_one_store_and_each_its_own_config() -> None:
    store, key = rich_store()
    smmapi = SmmApi(store=store)

    def create_app(currency: str) -> Flask:
        app = Flask("panel")
        app.config["SMMAPI_CURRENCY"] = currency
        smmapi.init_app(app)
        return app

    apps = {currency: create_app(currency) for currency in ("EUR", "GBP")}
    for currency, app in apps.items():
        assert post(app, key, "balance") == {"balance": "100.00000000", "currency": currency}
    for currency, app in apps.items():
        with app.app_context():
            assert smmapi.place(ME, ORDER).currency == currency
    assert store.balance(ME.id) == 98


def test_of_several_apps_none_is_guessed_outside_a_context() -> None:
    """Each has a config of its own, and an order keeps its currency."""
    store, _ = rich_store()
    smmapi = SmmApi(Flask("one"), store=store)
    smmapi.init_app(Flask("other"))
    with pytest.raises(RuntimeError, match="app_context"):
        smmapi.place(ME, ORDER)
    assert store.balance(ME.id) == 100


def test_two_extensions_in_two_apps_have_nothing_in_common() -> None:
    one, other = Panel(balance="100"), Panel(balance="7")
    assert one.post("add", **ORDER).status == 200
    assert [one.balance, other.balance] == [99, 7]
    assert other.post("balance", key=one.key).status == 401
    assert other.smmapi.balance(other.account) == 7


def test_an_extension_never_moves_the_money_of_another_whatever_app_is_at_work() -> None:
    one, other = Panel(), Panel()
    with other.app.app_context(), suppress(RuntimeError):
        one.place()
    assert other.balance == 100


@pytest.mark.parametrize("register", [lambda panel: panel.smmapi.init_app(panel.app), lambda panel: SmmApi(panel.app)])
def test_a_second_registration_is_refused_and_the_first_goes_on(
    panel: Panel, register: Callable[[Panel], object]
) -> None:
    with pytest.raises(RuntimeError, match="registered with this app already"):
        register(panel)
    assert panel.post("balance").json["balance"] == "100.00000000"
    assert panel.smmapi.balance(panel.account) == 100


def test_a_blueprint_or_command_of_our_name_stops_the_start_up_and_stays() -> None:
    app = Flask("panel")
    app.cli.command("smmapi")(print)
    theirs = app.cli.commands["smmapi"]
    with pytest.raises(RuntimeError, match="has a command of its own that is named smmapi; give that another name"):
        SmmApi(app, store=MemoryStore())
    assert app.cli.commands["smmapi"] is theirs
    with pytest.raises(RuntimeError, match="has a blueprint of its own that is named smmapi; give that another name"):
        SmmApi(host_with(Blueprint("smmapi", "smmapi")), store=MemoryStore())
    SmmApi(host_with(Blueprint("smmapi", "smmapi")), store=MemoryStore(), parent=Blueprint("shop", "shop"))


def test_python_without_an_app_is_an_error_that_says_what_to_call() -> None:
    with pytest.raises(RuntimeError, match=r"SmmApi is not registered .* init_app\(app\)"):
        SmmApi().reconcile()
    with Flask("stranger").app_context(), pytest.raises(RuntimeError, match=r"SmmApi\(app\) or init_app\(app\)"):
        SmmApi().reconcile()


def test_the_state_of_an_app_is_frozen_and_the_current_one_is_that_of_the_app_at_work(panel: Panel) -> None:
    with panel.app.app_context():
        assert current_state() is state_of(panel.app)
    with pytest.raises(dataclasses.FrozenInstanceError):
        state_of(panel.app).dialect = None  # type: ignore[assignment,misc]
    with pytest.raises(RuntimeError, match="not registered with this app"):
        state_of(Flask("stranger"))


# The host's app stays as it is


def host_app() -> Flask:
    """An app with one of everything."""
    app = Flask("host")
    app.config.update(SECRET_KEY="secret", MAX_CONTENT_LENGTH=10_000, JSON_SORT_KEYS=True)
    app.add_url_rule("/page", "page", lambda: "page")
    for status in (404, 405, 500):
        app.register_error_handler(status, lambda failure: (f"the host's {failure.code}", failure.code))
    app.before_request(lambda: None)
    app.after_request(lambda response: response)
    app.teardown_appcontext(lambda _: None)
    app.context_processor(dict)
    app.cli.command("audit")(lambda: None)
    return app


OURS = ("smmapi.", "smmapi_docs.")


def traits(app: Flask) -> dict[str, Any]:
    """Whatever an extension could change in an app, less what is named after ours."""
    url_map, hooks = app.url_map, ("before_request_funcs", "after_request_funcs", "teardown_request_funcs")
    tables = ("error_handler_spec", "template_context_processors", "url_value_preprocessors", "url_default_functions")
    plain = ("json", "session_interface", "request_class", "response_class", "wsgi_app", "jinja_options", "logger")
    lists = ("teardown_appcontext_funcs", "shell_context_processors", "url_build_error_handlers")
    return {
        "config": {name: value for name, value in app.config.items() if not name.startswith("SMMAPI_")},
        "rules": [repr(rule) for rule in url_map.iter_rules() if not rule.endpoint.startswith(OURS)],
        "views": {name: view for name, view in app.view_functions.items() if not name.startswith(OURS)},
        "commands": {name: command for name, command in app.cli.commands.items() if name != "smmapi"},
        "extensions": {name: value for name, value in app.extensions.items() if name != "smmapi"},
        "blueprints": {name: value for name, value in app.blueprints.items() if f"{name}." not in OURS},
        "url_map": (url_map.strict_slashes, url_map.redirect_defaults, url_map.merge_slashes, dict(url_map.converters)),
        "jinja": (dict(app.jinja_env.filters), dict(app.jinja_env.globals), dict(app.jinja_env.tests)),
        **{name: deepcopy(getattr(app, name).get(None)) for name in (*hooks, *tables)},
        **{name: list(getattr(app, name)) for name in lists},
        **{name: getattr(app, name) for name in plain},
    }


def test_nothing_of_the_host_is_changed() -> None:
    app = host_app()
    before = traits(app)
    panel = Panel(app=app)
    panel.post("balance")
    assert traits(app) == before


@pytest.mark.parametrize(
    ("method", "url", "text"),
    [
        ("GET", "/page", "page"),
        ("POST", "/page", "the host's 405"),
        ("GET", "/nowhere", "the host's 404"),
        ("POST", "/api/v2/nowhere", "the host's 404"),
        ("POST", "/api", "the host's 404"),
    ],
)
def test_the_hosts_pages_answer_as_before_and_ours_not_with_the_hosts_errors(method: str, url: str, text: str) -> None:
    panel = Panel(app=host_app())
    assert panel.app.test_client().open(url, method=method).text == text
    assert panel.send(method="GET").json == {"error": "Method not allowed"}


# The config


def test_defaults_can_be_read_in_the_config_and_what_the_host_has_set_stays() -> None:
    panel = Panel(config={"SMMAPI_CURRENCY": "EUR", "SMMAPI_REFILL_INTERVAL": 0})
    expected = {
        "SMMAPI_URL_PREFIX": "",
        "SMMAPI_DOCS_PATH": "/api/v2/docs",
        "SMMAPI_DIALECT": "standard",
        "SMMAPI_CURRENCY": "EUR",
        "SMMAPI_KEY_PATTERN": r"[A-Za-z0-9]{8}\.[A-Za-z0-9]{8}-[A-Za-z0-9]{8}",
        "SMMAPI_MAX_CONTENT_LENGTH": 1_048_576,
        "SMMAPI_MAX_IDS": 100,
        "SMMAPI_REFILL_INTERVAL": 0,
        "SMMAPI_FAILED_ATTEMPTS": "10 per 15 minutes",
        "SMMAPI_FAILED_ATTEMPTS_PER_IP": "100 per 15 minutes",
    }
    assert {name: panel.app.config[name] for name in expected} == expected


@pytest.mark.parametrize("prefix", ["", "/", "/shop", "/shop/de/"])
def test_the_prefix_comes_before_both_forms_of_the_url(prefix: str) -> None:
    panel = Panel(config={"SMMAPI_URL_PREFIX": prefix})
    for url in ("/api/v2", "/api/v2/"):
        answer = post(panel.app, panel.key, "balance", url=f"{prefix.rstrip('/')}{url}")
        assert answer == {"balance": "100.00000000", "currency": "USD"}
    assert post(panel.app, panel.key, "balance", url="/elsewhere/api/v2") is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMMAPI_DIALECT", "Standard"),
        ("SMMAPI_DIALECT", None),
        ("SMMAPI_KEY_PATTERN", "("),
        ("SMMAPI_KEY_PATTERN", 8),
        ("SMMAPI_MAX_IDS", "x"),
        ("SMMAPI_MAX_IDS", "100"),
        ("SMMAPI_MAX_IDS", 0),
        ("SMMAPI_MAX_IDS", None),
        ("SMMAPI_REFILL_INTERVAL", -1),
        ("SMMAPI_REFILL_INTERVAL", "86400"),
        ("SMMAPI_REFILL_INTERVAL", None),
        ("SMMAPI_MAX_CONTENT_LENGTH", "1 MiB"),
        ("SMMAPI_MAX_CONTENT_LENGTH", 0),
        ("SMMAPI_MAX_CONTENT_LENGTH", None),
        ("SMMAPI_URL_PREFIX", "shop"),
        ("SMMAPI_URL_PREFIX", 5),
        ("SMMAPI_CURRENCY", ""),
        ("SMMAPI_CURRENCY", None),
        ("SMMAPI_FAILED_ATTEMPTS", "ten"),
        ("SMMAPI_FAILED_ATTEMPTS", "0 per hour"),
        ("SMMAPI_FAILED_ATTEMPTS_PER_IP", 10),
    ],
)
def test_a_wrong_value_stops_the_start_up_names_its_key_and_leaves_nothing_behind(name: str, value: Any) -> None:
    app = Flask("panel")
    app.config[name] = value
    with pytest.raises(RuntimeError, match=rf"\b{name}\b"):
        SmmApi(app)
    del app.config[name]
    SmmApi(app)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("SMMAPI_MAX_ID", "SMMAPI_MAX_ID is no setting; did you mean SMMAPI_MAX_IDS?"),
        ("SMMAPI_PREFIX", "SMMAPI_PREFIX is no setting; did you mean SMMAPI_URL_PREFIX?"),
        ("SMMAPI_max_ids", "SMMAPI_max_ids is no setting; the settings are: " + ", ".join(config.SETTINGS) + "."),
        ("SMMAPI_X", "SMMAPI_X is no setting; the settings are: " + ", ".join(config.SETTINGS) + "."),
    ],
)
def test_a_key_that_is_no_setting_stops_the_start_up_and_the_nearest_is_named(name: str, sentence: str) -> None:
    app = Flask("panel")
    app.config[name] = None
    with pytest.raises(RuntimeError) as stopped:
        SmmApi(app, store=MemoryStore())
    assert str(stopped.value) == sentence
    del app.config[name]
    SmmApi(app, store=MemoryStore())


def test_keys_without_our_prefix_are_the_hosts() -> None:
    panel = Panel(config={"SMMAPI": "", "SMM_API_KEY": "", "PANEL_SMMAPI_X": ""})
    assert panel.post("balance").status == 200


@pytest.mark.parametrize("name", config.SETTINGS)
def test_a_settings_example_is_a_value_that_is_taken_and_its_effect_a_sentence(name: str) -> None:
    setting = config.SETTINGS[name]
    app = Flask("panel")
    app.config[name] = literal_eval(setting.example)
    SmmApi(app, store=MemoryStore())
    assert setting.is_valid(setting.default)
    assert re.fullmatch(r"[A-Z][^.\n]+\.", setting.effect)


# A parent blueprint


def nested_panel(parent: Blueprint, prefix: str | None = "/shop", **given: Any) -> Panel:
    """A panel whose API is in *parent*, which is registered."""
    panel = Panel(parent=parent, **given)
    panel.app.register_blueprint(parent, url_prefix=prefix)
    return panel


@pytest.mark.parametrize("prefix", [None, "/", "/shop", "/shop/de/"])
@pytest.mark.parametrize("ours", ["", "/", "/reseller", "/reseller/x/"])
def test_the_url_is_the_parents_prefix_then_ours(prefix: str | None, ours: str) -> None:
    panel = nested_panel(Blueprint("shop", "shop"), prefix, config={"SMMAPI_URL_PREFIX": ours})
    before = f"{(prefix or '').rstrip('/')}{ours.rstrip('/')}"
    for url in (f"{before}/api/v2", f"{before}/api/v2/"):
        assert post(panel.app, panel.key, "balance", url=url) == {"balance": "100.00000000", "currency": "USD"}
    assert {rule.rule for rule in panel.app.url_map.iter_rules() if rule.endpoint == "shop.smmapi.api"} == {
        f"{before}/api/v2",
        f"{before}/api/v2/",
    }
    assert "smmapi" not in panel.app.blueprints


def test_a_parent_may_have_a_parent() -> None:
    parent, grandparent = Blueprint("shop", "shop", url_prefix="/shop"), Blueprint("panel", "panel")
    grandparent.register_blueprint(parent)
    panel = Panel(parent=parent)
    panel.app.register_blueprint(grandparent, url_prefix="/panel")
    assert post(panel.app, panel.key, "balance", url="/panel/shop/api/v2")["currency"] == "USD"
    with pytest.raises(RuntimeError, match="shop is registered already"):
        SmmApi(host_with(grandparent), store=MemoryStore(), parent=parent)


def host_with(blueprint: Blueprint) -> Flask:
    app = Flask("host")
    app.register_blueprint(blueprint, url_prefix="/shop")
    return app


def test_a_parent_that_is_registered_twice_serves_the_api_twice() -> None:
    parent = Blueprint("shop", "shop")
    panel = nested_panel(parent)
    panel.app.register_blueprint(parent, url_prefix="/outlet", name="outlet")
    for url in ("/shop/api/v2", "/outlet/api/v2"):
        assert post(panel.app, panel.key, "balance", url=url)["currency"] == "USD"


def test_variables_in_a_parents_prefix_are_the_hosts() -> None:
    panel = nested_panel(Blueprint("shop", "shop"), "/<lang>/<int:shop>")
    assert post(panel.app, panel.key, "balance", url="/de/7/api/v2")["currency"] == "USD"
    assert post(panel.app, panel.key, "balance", url="/de/x/api/v2") is None


def one_for_all(parent: Blueprint) -> Callable[..., SmmApi]:
    smmapi = SmmApi(store=MemoryStore(SERVICES), parent=parent)

    def register(app: Flask) -> SmmApi:
        smmapi.init_app(app)
        return smmapi

    return register


def one_each(parent: Blueprint) -> Callable[..., SmmApi]:
    return lambda app: SmmApi(app, store=MemoryStore(SERVICES), parent=parent)


@pytest.mark.parametrize("extension", [one_for_all, one_each])
def test_a_parent_serves_the_apps_of_a_factory_each_with_its_own_settings(extension: Callable[..., Any]) -> None:
    """Its prefix is one of them."""
    parent = Blueprint("shop", "shop")
    register = extension(parent)
    for number, currency in enumerate(("EUR", "GBP", "USD")):
        app = Flask("panel")
        app.config.update(SMMAPI_CURRENCY=currency, SMMAPI_URL_PREFIX=f"/{currency}")
        with app.app_context():
            key = register(app).store.add_account(Account(id=number))
        app.register_blueprint(parent, url_prefix="/shop")
        answer = post(app, key, "balance", url=f"/shop/{currency}/api/v2")
        assert answer == {"balance": "0.00000000", "currency": currency}
        assert len([rule for rule in app.url_map.iter_rules() if rule.endpoint.endswith("smmapi.api")]) == 2


def test_an_app_without_the_extension_gets_no_url_from_a_parent_that_it_shares() -> None:
    parent = Blueprint("shop", "shop")
    parent.add_url_rule("/page", "page", lambda: "page")
    nested_panel(parent)
    app = host_with(parent)
    assert app.test_client().post("/shop/api/v2").status_code == 404
    assert app.test_client().get("/shop/page").text == "page"


def test_a_parent_that_is_registered_with_the_app_already_is_too_late() -> None:
    """Whether it has the API in it, from another app, or not: this app has the parent without."""
    nested, bare = (Blueprint("shop", "shop") for _ in range(2))
    nested_panel(nested)
    for parent in (nested, bare):
        app = host_with(parent)
        with pytest.raises(RuntimeError, match=r"shop is registered already; create SmmApi before app\.register_bl"):
            SmmApi(app, store=MemoryStore(), parent=parent)
        assert "smmapi" not in app.extensions
        SmmApi(app, store=MemoryStore())  # nothing was left behind


def test_a_parent_that_was_registered_with_another_app_before_is_too_late() -> None:
    """Flask nests nothing any more in a blueprint that is at work."""
    parent = Blueprint("shop", "shop")
    host_with(parent)
    with pytest.raises(RuntimeError, match=r"shop is registered already; create SmmApi before app\.register_blueprint"):
        SmmApi(Flask("panel"), store=MemoryStore(), parent=parent)


def test_until_the_host_registers_the_parent_there_is_no_url_and_python_works() -> None:
    panel = Panel(parent=Blueprint("shop", "shop"))
    assert post(panel.app, panel.key, "balance") is None
    assert panel.smmapi.balance(panel.account) == 100


# Parts: each may be the host's, and the others are the store's


def test_a_function_looks_keys_up_and_the_rest_is_the_stores() -> None:
    panel = Panel(key_lookup={WRONG_KEY: ME}.get)
    order = panel.post("add", key=WRONG_KEY, **ORDER).json["order"]
    assert [found.id for found in panel.store.list(ME.id)] == [order]
    assert panel.balance == 99
    assert panel.post("balance").status == 401  # the store's own key


def test_a_function_is_the_catalog_and_the_rest_is_the_stores() -> None:
    panel = Panel(catalog=lambda account: [service(5000 + int(account.id), rate=Decimal(3))])
    assert [row["service"] for row in panel.post("services").json] == [5001]
    assert panel.post("add", **ORDER).json == {"error": "Incorrect service ID"}
    order = panel.post("add", **{**ORDER, "service": 5001}).json["order"]
    assert [found.id for found in panel.store.list(ME.id)] == [order]
    assert panel.balance == 97


class Purse:
    """A wallet as small as one can be: everybody has 7.00, and his movements by their references."""

    def __init__(self) -> None:
        self.movements: dict[tuple[AccountId, str], Decimal] = {}

    def balance(self, account: AccountId) -> Decimal:
        return sum((amount for (owner, _), amount in self.movements.items() if owner == account), Decimal(7))

    def debit(self, account: AccountId, amount: Decimal, reference: str) -> bool:
        if self.balance(account) >= amount:
            self.movements.setdefault((account, reference), -amount)
        return self.movements.get((account, reference)) == -amount

    def credit(self, account: AccountId, amount: Decimal, reference: str) -> None:
        self.movements.setdefault((account, reference), amount)

    def void(self, account: AccountId, reference: str) -> None:
        self.movements[account, reference] = Decimal(0)


def test_a_small_class_is_the_wallet_and_the_rest_is_the_stores() -> None:
    purse = Purse()
    panel = Panel(wallet=purse)
    order = panel.post("add", **ORDER).json["order"]
    assert panel.post("balance").json["balance"] == "6.00000000"
    assert panel.post("add", **{**ORDER, "quantity": 6001}).json == {"error": "Not enough funds on balance"}
    assert panel.post("cancel", order=order).json == {"cancel": 1}
    assert list(purse.movements.values()) == [-1, 1]
    assert [found.id for found in panel.store.list(ME.id)] == [order]
    assert len(panel.store.movements(ME.id)) == 1  # its opening


def verbs_of(protocol: type) -> list[str]:
    return [name for name in vars(protocol) if not name.startswith("_")]


def playing(protocol: type, but: str = "") -> Any:
    """An object that has the verbs of *protocol*, except *but*, and nothing else."""
    store = MemoryStore()
    return SimpleNamespace(**{verb: getattr(store, verb) for verb in verbs_of(protocol) if verb != but})


def test_an_object_with_ten_verbs_keeps_the_orders_and_the_rest_is_the_stores() -> None:
    orders = playing(OrderStore)
    panel = Panel(orders=orders)
    placed, canceled = (panel.post("add", **ORDER).json["order"] for _ in range(2))
    assert panel.post("cancel", order=canceled).json == {"cancel": 1}
    [stored] = orders.find(ME.id, [placed])
    ended = stored.created - timedelta(days=2)
    assert orders.replace(replace(stored, status=OrderStatus.COMPLETED, remains=0, ended=ended))
    assert panel.post("refill", refill=placed).json == {"refill": 1}
    assert panel.post("refill_status", refill=placed).json == {"status": "Pending"}
    assert [found.id for found in orders.list(ME.id)] == [canceled, placed]
    assert panel.store.list(ME.id) == ()
    assert panel.balance == 99


def test_four_parts_need_no_store() -> None:
    app, store, purse = Flask("panel"), MemoryStore(), Purse()
    smmapi = SmmApi(app, key_lookup={WRONG_KEY: ME}.get, catalog=lambda _: SERVICES, wallet=purse, orders=store)
    assert post(app, WRONG_KEY, "add", **ORDER).keys() == {"order"}
    assert purse.balance(ME.id) == 6
    assert smmapi.store is None


@pytest.mark.parametrize("id_", [7, "7", "user/ö"])
def test_an_account_id_goes_back_to_the_hooks_as_it_came(id_: AccountId) -> None:
    account, purse, orders = Account(id=id_), Purse(), MemoryStore()
    panel = Panel(key_lookup={WRONG_KEY: account}.get, wallet=purse, orders=orders)
    order = panel.post("add", key=WRONG_KEY, **ORDER).json["order"]
    assert list(purse.movements) == [(id_, order)]
    assert [found.account for found in orders.list(id_)] == [id_]
    assert panel.smmapi.status(account, order).id == order


def test_an_integer_and_the_text_of_its_digits_are_two_accounts(panel: Panel) -> None:
    key = panel.store.add_account(Account(id=str(ME.id)), balance=Decimal(5))
    order = panel.place()
    assert panel.post("status", key=key, order=order.id).json == {order.id: {"error": "Incorrect order ID"}}
    assert panel.post("balance", key=key).json["balance"] == "5.00000000"


# Accounts


@pytest.mark.parametrize(
    "allowed", [("192.0.2.300",), ("192.0.2.7", "192.0.2.0/33"), ("localhost",), ("",), "192.0.2.7"]
)
def test_an_account_with_a_malformed_address_is_not_made(allowed: Any) -> None:
    """The last one is a text where a tuple should be."""
    with pytest.raises(ValueError, match="allowed_ips"):
        Account(id=1, allowed_ips=allowed)


@pytest.mark.parametrize(
    ("address", "allowed", "status"),
    [
        ("192.0.2.7", (), 200),
        ("192.0.2.7", ("198.51.100.1", "192.0.2.7"), 200),
        ("192.0.2.7", ("192.0.2.0/24",), 200),
        ("192.0.2.7", ("192.0.2.8",), 401),
        ("2001:db8::1", ("192.0.2.7", "2001:db8::/32"), 200),
        ("2001:db9::1", ("2001:db8::/32",), 401),
        ("::ffff:192.0.2.7", ("192.0.2.7",), 200),  # how a server on an IPv6 socket sees an IPv4 caller
        ("192.0.2.7", ("::ffff:192.0.2.7",), 200),
        ("::ffff:192.0.2.7", ("::ffff:192.0.2.0/120",), 200),
        ("192.0.3.7", ("::ffff:192.0.2.0/120",), 401),
        ("192.0.2.7", ("::/0",), 401),
        ("", ("192.0.2.7",), 401),
    ],
)
def test_an_accounts_key_opens_it_from_its_allowed_addresses(
    panel: Panel, address: str, allowed: tuple[str, ...], status: int
) -> None:
    key = panel.store.add_account(Account(id=2, allowed_ips=allowed))
    form = {"key": key, "action": "balance"}
    assert panel.send(data=form, environ_base={"REMOTE_ADDR": address}).status == status


# The front door in Python


@pytest.mark.parametrize(
    ("in_python", "on_the_wire"),
    [
        ({"service": DEFAULT, "quantity": 1000}, {"service": "1", "quantity": "1000"}),
        ({"service": DEFAULT, "quantity": "1000", "runs": None}, {"service": "1", "quantity": "1000"}),
        (
            {"service": DRIPFEED, "quantity": 10, "runs": 2, "interval": 5},
            {"service": "18", "quantity": "10", "runs": "2", "interval": "5"},
        ),
        ({"service": COMMENTS, "comments": ["Nice", "So nice"]}, {"service": "3", "comments": "Nice\nSo nice"}),
        ({"service": COMMENTS, "comments": ("Nice", "So nice")}, {"service": "3", "comments": "Nice\nSo nice"}),
    ],
)
def test_an_order_is_the_same_from_python_and_over_the_wire(
    panel: Panel, in_python: dict[str, Any], on_the_wire: dict[str, Any]
) -> None:
    ours = panel.smmapi.place(panel.account, {"link": LINK, **in_python})
    sent = panel.post("add", link=LINK, **on_the_wire).json["order"]
    theirs = panel.smmapi.status(panel.account, sent)
    own = {"id": ours.id, "number": ours.number, "created": ours.created, "due": ours.due}
    assert ours == panel.read(ours) == replace(theirs, **own)
    assert panel.balance == 100 - 2 * ours.charge


def test_a_repeat_with_its_idempotency_key_is_the_same_order_also_over_the_wire(panel: Panel) -> None:
    orders = [panel.smmapi.place(panel.account, ORDER, idempotency_key="cart-4711") for _ in range(2)]
    sent = panel.post("add", headers={"Idempotency-Key": "cart-4711"}, **ORDER).json["order"]
    assert {sent} == {order.id for order in orders}
    assert panel.balance == 99


FORMS: list[Callable[[Order], str | int]] = [
    lambda order: order.id,
    lambda order: order.id.upper(),
    lambda order: order.number,
    lambda order: str(order.number),
]


@pytest.mark.parametrize("form", FORMS)
def test_an_order_is_named_by_its_id_or_its_number(panel: Panel, form: Callable[[Order], str | int]) -> None:
    first, other = panel.place(), panel.place()
    assert panel.smmapi.status(panel.account, form(first)) == first
    assert panel.smmapi.cancel(panel.account, form(first)).id == first.id
    panel.complete(other)
    assert panel.smmapi.refill(panel.account, form(other)).order == other.id


def test_cancel_gives_the_order_and_pays_back_once(panel: Panel) -> None:
    order = panel.place()
    for _ in range(2):
        canceled = panel.smmapi.cancel(panel.account, order.id)
        assert canceled == panel.read(order)
        assert canceled.status is OrderStatus.CANCELED
        assert [canceled.cost, panel.balance] == [0, 100]
    assert panel.post("status", order=order.id).json[order.id]["status"] == "Canceled"


def test_refill_gives_the_refill_that_the_wire_knows(panel: Panel) -> None:
    refill = panel.smmapi.refill(panel.account, panel.complete(panel.place()).id)
    assert isinstance(refill, Refill)
    assert panel.post("refill_status", refill=refill.id).json == {"status": "Pending"}
    assert panel.post("refill_status", refill=refill.number).json == {"status": "Pending"}


def test_a_quote_is_what_an_order_would_cost_and_places_none(panel: Panel) -> None:
    params = {"service": DRIPFEED, "link": LINK, "quantity": 250, "runs": 3, "interval": 60}
    assert panel.smmapi.quote(panel.account, params) == Decimal("0.75")
    assert (panel.balance, list(panel.store.list(1))) == (100, [])
    assert panel.smmapi.place(panel.account, params).charge == Decimal("0.75")


def test_a_quote_refuses_what_an_order_would(panel: Panel) -> None:
    with pytest.raises(SmmError, match=r"\AQuantity more than maximum 10000\Z"):
        panel.smmapi.quote(panel.account, {"service": 1, "link": LINK, "quantity": 10_001})
    with pytest.raises(SmmError, match=r"\AIncorrect link\Z"):
        panel.smmapi.quote(panel.account, {"service": 1, "quantity": 1})


def test_services_and_balance_are_what_the_account_sees(panel: Panel) -> None:
    assert tuple(panel.smmapi.services(panel.account)) == SERVICES
    balance = panel.smmapi.balance(panel.account)
    assert isinstance(balance, Decimal)
    assert balance == 100


@pytest.mark.parametrize(
    ("verb", "argument", "failure", "text"),
    [
        ("place", {"service": 999}, errors.IncorrectServiceId, "Incorrect service ID"),
        ("place", {"link": "no link"}, errors.IncorrectParameter, "Incorrect link"),
        ("place", {"quantity": 0}, errors.IncorrectParameter, "Incorrect quantity"),
        ("place", {"quantity": 10_001}, errors.QuantityTooLarge, "Quantity more than maximum 10000"),
        ("place", {"service": 123, "quantity": 9}, errors.NotEnoughFunds, "Not enough funds on balance"),
        ("status", 4711, errors.IncorrectOrderId, "Incorrect order ID"),
        ("cancel", "abc", errors.IncorrectOrderId, "Incorrect order ID"),
        ("cancel", 1, errors.NotCancelable, "Order not eligible for cancellation"),
        ("refill", 1, errors.RefillDisabled, "Refill is disabled for this service"),
        ("refill", 2, errors.OrderNotCompleted, "The order is not completed"),
    ],
)
def test_a_failure_is_raised_with_its_documented_text(
    verb: str, argument: Any, failure: type[SmmError], text: str
) -> None:
    panel = Panel(balance="2")
    panel.store.set_services([*SERVICES[:-1], service(123, rate=Decimal(1000))])
    assert [panel.place(BARE).number, panel.place(DEFAULT).number] == [1, 2]
    with pytest.raises(SmmError) as raised:
        getattr(panel.smmapi, verb)(panel.account, {**ORDER, **argument} if verb == "place" else argument)
    assert (type(raised.value), str(raised.value)) == (failure, text)


def test_a_malformed_idempotency_key_and_one_of_another_order_are_failures(panel: Panel) -> None:
    panel.smmapi.place(panel.account, ORDER, idempotency_key="cart-4711")
    with pytest.raises(errors.IdempotencyKeyReused, match="Idempotency key was used for another order"):
        panel.smmapi.place(panel.account, {**ORDER, "quantity": 1}, idempotency_key="cart-4711")
    with pytest.raises(errors.IncorrectParameter, match="Incorrect request_id"):
        panel.smmapi.place(panel.account, ORDER, idempotency_key="short")


def test_an_order_of_another_account_does_not_exist(panel: Panel) -> None:
    with pytest.raises(errors.IncorrectOrderId):
        panel.smmapi.cancel(Account(id=2), panel.place().id)


@pytest.mark.parametrize("verb", ["status", "cancel", "refill"])
def test_in_python_a_comma_list_names_no_order_and_touches_none(panel: Panel, verb: str) -> None:
    """There is one answer, so it can be about one order only."""
    orders = [panel.place(), panel.complete(panel.place())]
    with pytest.raises(errors.IncorrectOrderId):
        getattr(panel.smmapi, verb)(panel.account, ",".join(order.id for order in orders))
    assert [panel.read(order) for order in orders] == orders
    assert not panel.store.find_refills(ME.id, [order.id for order in orders])


def test_a_host_checks_links_in_python_too() -> None:
    panel = Panel(check_link=lambda link: link.startswith("@"))
    assert panel.place(link="@me").params["link"] == "@me"
    with pytest.raises(SmmError, match="Incorrect link"):
        panel.place(link=LINK)


def test_reconcile_undoes_unpaid_orders_of_a_minute_or_another_age(panel: Panel) -> None:
    order = panel.place()
    panel.move(order, OrderStatus.UNPAID)
    assert panel.smmapi.reconcile().abandoned == 0
    panel.move(order, OrderStatus.UNPAID, created=order.created - timedelta(minutes=2))
    assert panel.smmapi.reconcile(older_than=timedelta(minutes=3)).abandoned == 0
    assert panel.balance == 99
    assert panel.smmapi.reconcile() == (1, 0, 0)
    assert panel.balance == 100


@pytest.mark.parametrize("id_", [None, True, 1.0, b"one"])
def test_an_account_has_an_integer_or_a_string_for_an_id(id_: Any) -> None:
    """Accounts without one would share a purse."""
    with pytest.raises(ValueError, match="neither an integer nor a string"):
        Account(id=id_)
