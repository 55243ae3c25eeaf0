"""The demo's pages, over WSGI: who may see and do what, what each form does, and what it does with bad input."""

from __future__ import annotations

import hashlib
import html
import io
import json
import random
import re
import secrets
import shlex
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask, url_for
from jinja2 import BytecodeCache, FileSystemBytecodeCache
from werkzeug.test import TestResponse

import example_app
from example_app import create_app, secret
from example_app.demo import INACTIVE_KEY, NO_MONEY_KEY, PANEL_KEY, STANDARD_KEY, seed
from example_app.panel import MAX_BODY, people, plot, price_list
from example_app.panel.ordering import LABELS
from example_app.panel.sign_in import USERS
from flask_smmapi import Account, Order, OrderStatus, Service, SmmApi
from flask_smmapi.price_lists import write
from flask_smmapi.service_types import SERVICE_TYPES

from .panel import LINK, WRONG_KEY, at_once, service

LIKES = {"service": "123", "link": LINK, "quantity": "1000"}
RESELLER_PAGES = ["/overview", "/statement", "/keys", "/services", "/orders/new", "/orders/mass", "/orders"]
OWNER_PAGES = ["/owner/work", "/owner/accounts", "/owner/price-list", "/owner/figures", "/owner/blocked"]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> BytecodeCache:
    """Templates that were compiled for another test's app: that takes longer than all else."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


def build(compiled: BytecodeCache) -> Flask:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("EXAMPLE_STORE", "memory")
        app = create_app()
    app.jinja_env.bytecode_cache = compiled
    return app


@pytest.fixture(scope="module")
def shared(compiled: BytecodeCache) -> Flask:
    """For tests that change nothing: to build an app takes longer than most of them."""
    return build(compiled)


@pytest.fixture
def app(request: pytest.FixtureRequest, compiled: BytecodeCache) -> Flask:
    shared: Flask | None = request.getfixturevalue("shared") if "unchanged" in request.fixturenames else None
    return shared or build(compiled)


@pytest.fixture
def unchanged(shared: Flask) -> Iterator[None]:
    """The test uses the shared app, and leaves it as it was."""
    before = state(shared)
    yield
    assert state(shared) == before


CHANGES_NOTHING = pytest.mark.usefixtures("unchanged")


def state(app: Flask) -> list[Any]:
    """What somebody could have changed: money, orders, keys, the price list."""
    store = app.extensions["demo"].smmapi.store
    accounts = list(store.accounts())
    return [accounts, [(list(store.list(info.id)), list(store.keys(info.id))) for info in accounts], services_of(store)]


def services_of(store: Any) -> list[Service]:
    return list(store.catalog(Account(1)))


@pytest.fixture
def smmapi(app: Flask) -> SmmApi:
    return app.extensions["demo"].smmapi


class Visitor:
    """Somebody with a browser that keeps cookies, and sends the token that the pages give him."""

    def __init__(self, app: Flask, user: str | None = None) -> None:
        self.client = app.test_client()
        self.token = ""
        if user is not None:
            assert self.post("/sign-in", user=user).status_code == 302
            self.token = ""  # that of the session of before

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, **options)

    def read(self, path: str) -> str:
        """The page's text, as a browser shows it."""
        response = self.get(path)
        assert response.status_code == 200
        return shown(response)

    def post(self, path: str, **form: Any) -> TestResponse:
        self.token = self.token or field(self.client.get("/", follow_redirects=True).text, "csrf_token")
        return self.client.post(path, data={"csrf_token": self.token, **form})

    def send(self, path: str, **form: Any) -> str:
        """What is shown in the end."""
        response = self.post(path, **form)
        while response.status_code == 302:
            response = self.get(response.location)
        return shown(response)


def field(page: str, name: str) -> str:
    """The value of the page's first hidden field of that name."""
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)">', page)
    assert found, name
    return html.unescape(found[1])


def shown(response: TestResponse) -> str:
    text = re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", response.text, flags=re.DOTALL)
    return " ".join(html.unescape(text).split())


@pytest.fixture
def reseller(app: Flask) -> Visitor:
    return Visitor(app, "standard")


@pytest.fixture
def owner(app: Flask) -> Visitor:
    return Visitor(app, "owner")


def place(smmapi: SmmApi, **params: str) -> Order:
    return smmapi.place(Account(1), {**LIKES, **params})


# Who may see it


class TestSignIn:
    @CHANGES_NOTHING
    def test_takes_no_more_than_a_body_may_have_and_names_its_methods(self, app: Flask) -> None:
        visitor = Visitor(app)
        assert visitor.post("/sign-in", user="x" * MAX_BODY).status_code == 413
        allowed = visitor.client.get("/sign-in").headers["Allow"]
        assert sorted(allowed.split(", ")) == ["OPTIONS", "POST"]

    @CHANGES_NOTHING
    def test_a_visitor_is_told_what_it_is_and_chooses_who_he_is(self, app: Flask) -> None:
        page = Visitor(app).read("/")
        assert "http://localhost/api/v2" in page
        assert all(user.about in page for user in USERS.values())

    @CHANGES_NOTHING
    @pytest.mark.parametrize(
        ("user", "home"), [("standard", "/overview"), ("poor", "/overview"), ("owner", "/owner/work")]
    )
    def test_each_has_a_home(self, app: Flask, user: str, home: str) -> None:
        assert Visitor(app, user).get("/").location == home

    @CHANGES_NOTHING
    def test_nobody_else_signs_in(self, app: Flask) -> None:
        assert Visitor(app).post("/sign-in", user="root").status_code == 400

    @CHANGES_NOTHING
    def test_the_cookie_is_for_the_server_alone(self, app: Flask) -> None:
        visitor = Visitor(app)
        cookie = visitor.post("/sign-in", user="standard").headers["Set-Cookie"]
        assert {"HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))
        assert "Secure" not in cookie

    def test_behind_https_the_cookie_stays_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EXAMPLE_STORE", "memory")
        monkeypatch.setenv("FLASK_SESSION_COOKIE_SECURE", "true")
        client = create_app().test_client()
        page = client.get("/", base_url="https://panel.test")
        assert "Secure" in page.headers["Set-Cookie"].split("; ")
        form = {"csrf_token": field(page.text, "csrf_token"), "user": "owner"}
        assert (
            client.post("/sign-in", data=form, base_url="https://panel.test").status_code == 302
        )  # without a referrer

    @CHANGES_NOTHING
    def test_who_signs_out_leaves_nothing_behind(self, reseller: Visitor) -> None:
        cookie = reseller.post("/sign-out").headers["Set-Cookie"]
        assert "Expires=Thu, 01 Jan 1970" in cookie
        assert reseller.get("/overview").location == "/"

    @CHANGES_NOTHING
    def test_a_session_of_before_is_not_gone_on_with(self, app: Flask) -> None:
        visitor = Visitor(app)
        token = field(visitor.get("/").text, "csrf_token")
        visitor.post("/sign-in", user="standard")
        assert visitor.client.post("/sign-out", data={"csrf_token": token}).status_code == 400

    @CHANGES_NOTHING
    @pytest.mark.parametrize("path", [*RESELLER_PAGES, *OWNER_PAGES])
    def test_nobody_sees_a_page_before(self, app: Flask, path: str) -> None:
        visitor = Visitor(app)
        assert visitor.get(path).location == "/"
        assert visitor.get(path, headers={"HX-Request": "true"}).headers["HX-Redirect"] == "/"

    @CHANGES_NOTHING
    def test_the_owners_pages_are_the_owners_and_the_resellers_are_not(self, app: Flask) -> None:
        """Every URL of the map, but for those that are everybody's."""
        reseller, owner = Visitor(app, "standard"), Visitor(app, "owner")
        seen = set()
        for path, method in urls(app):
            if path not in ("/", "/sign-in", "/sign-out"):
                refused = reseller if path.startswith("/owner/") else owner
                answer = refused.post(path) if method == "POST" else refused.get(path)
                seen.add((path, method, answer.status_code))
        assert len(seen) > 20
        assert {status for _, _, status in seen} == {403}

    @CHANGES_NOTHING
    def test_every_form_wants_the_token(self, app: Flask, reseller: Visitor) -> None:
        answers = {path: reseller.client.post(path).status_code for path, method in urls(app) if method == "POST"}
        assert len(answers) > 10
        assert set(answers.values()) == {400}
        assert "Copy it now" not in reseller.read("/keys")

    def test_the_api_wants_none(self, app: Flask) -> None:
        answer = app.test_client().post("/api/v2", data={"key": STANDARD_KEY, "action": "balance"})
        assert answer.get_json() == {"balance": "1000000.00000000", "currency": "USD"}


def urls(app: Flask) -> list[tuple[str, str]]:
    """Each URL of the panel and its method, with something in the place of its variables."""
    values = {"number": 1, "key_id": "0" * 12, "verb": "start"}
    rules = [rule for rule in app.url_map.iter_rules() if not rule.endpoint.startswith(("smmapi", "static"))]
    with app.test_request_context():
        paths = [url_for(rule.endpoint, **{name: values[name] for name in rule.arguments}) for rule in rules]
    return [
        (path, "POST" if "POST" in (rule.methods or ()) else "GET") for path, rule in zip(paths, rules, strict=True)
    ]


INLINE = re.compile(r"\sstyle=|\son\w+=|<style|<script(?![^>]*\ssrc=)|(src|href)=\"(https?:)?//")
"""What the policy forbids in a page: styles and scripts in it, and what comes from elsewhere."""


@pytest.mark.parametrize("user", [None, "standard", "owner"])
def test_each_page_has_its_headers_and_nothing_inline(app: Flask, smmapi: SmmApi, user: str | None) -> None:
    number, visitor = place(smmapi).number, Visitor(app, user)
    paths = {
        None: ["/", "/nowhere"],
        "standard": [*RESELLER_PAGES, "/orders/new?service=13"],
        "owner": [*OWNER_PAGES, f"/owner/work/order?account=1&order={number}", "/owner/accounts/account?account=1"],
    }
    for path in paths[user]:
        page = visitor.get(path)
        assert page.status_code == (404 if path == "/nowhere" else 200), path
        policy = page.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self';")
        assert "unsafe" not in policy
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert page.headers["Cache-Control"] == "no-store"
        assert not INLINE.search(page.text), path
        assert not any(key in page.text for key in (STANDARD_KEY, PANEL_KEY, INACTIVE_KEY, NO_MONEY_KEY)), path


def test_what_people_have_written_is_text_on_every_page(app: Flask, smmapi: SmmApi) -> None:
    evil = "<script>alert(1)</script>\"' onload=x"
    rows = [replace(row, name=evil, category=evil, desc=evil) for row in services_of(smmapi.store)]
    smmapi.store.set_services(rows)
    reseller, owner = Visitor(app, "standard"), Visitor(app, "owner")
    reseller.post("/orders/new", service="3", link="https://example.com/<script>", comments=evil)
    reseller.post("/orders/mass", lines=evil)
    reseller.post("/keys", label=evil)
    reseller.post("/orders/quote", service="3", link=LINK, comments=evil)
    owner.post("/owner/accounts/adjust", account="1", token="t", amount="1", reason=evil)
    [order] = smmapi.store.list(1, limit=1)
    assert order.params["comments"] == evil
    smmapi.desk.fail(order, evil)
    pages = [reseller.get(path).text for path in (*RESELLER_PAGES, "/orders/new?service=3", f"/services?q={evil}")]
    pages += [owner.get(path).text for path in (*OWNER_PAGES, f"/owner/work/order?account=1&order={order.id}")]
    pages += [owner.get("/owner/accounts/account?account=1").text, owner.get(f"/owner/work/find?order={evil}").text]
    pages += [
        reseller.post("/orders/mass", lines=evil).text,
        reseller.post("/orders/quote", service="3", comments=evil).text,
    ]
    prices = io.BytesIO(write(rows[1:], "json").encode())
    pages += [owner.post("/owner/price-list/preview", file=(prices, evil), markup=evil).text]
    assert sum("&lt;script&gt;alert(1)" in page for page in pages) >= 8
    assert [page for page in pages if "<script>" in page] == []


@CHANGES_NOTHING
def test_nobody_is_sent_elsewhere_by_signing_in(app: Flask) -> None:
    answer = Visitor(app).post("/sign-in?next=https://example.com/", user="owner", next="https://example.com/")
    assert answer.location == "/"


@CHANGES_NOTHING
def test_what_the_extension_answers_keeps_its_own_headers(app: Flask) -> None:
    page = app.test_client().get("/api/v2/docs")
    assert "form-action 'none'" in page.headers["Content-Security-Policy"]
    assert "Cache-Control" not in app.test_client().post("/api/v2").headers


def test_a_store_that_is_away_is_a_sentence(reseller: Visitor, smmapi: SmmApi, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(smmapi.store, "account_info", away)
    page = reseller.get("/overview")
    assert (page.status_code, "Nothing is lost" in page.text) == (503, True)


class TestKeyOfTheSessions:
    def test_many_that_begin_at_once_have_one_which_nobody_else_can_read(self, tmp_path: Path) -> None:
        folder = tmp_path / "instance"
        got = at_once(8, lambda _: secret.kept_in(folder))
        assert len(set(got)) == 1
        assert len(got[0]) == 64
        assert [path.name for path in folder.iterdir()] == [secret.NAME]
        assert stat.S_IMODE((folder / secret.NAME).stat().st_mode) == 0o600

    @pytest.mark.parametrize("given", ["long and secret", "123456789"])
    def test_the_environment_wins(self, given: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EXAMPLE_STORE", "memory")
        monkeypatch.setenv("FLASK_SECRET_KEY", given)
        app = create_app()
        assert app.secret_key == given
        assert Visitor(app, "owner").get("/owner/work").status_code == 200

    def test_two_workers_know_each_others_sessions(
        self, mongo_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """On MongoDB; every page, too."""
        monkeypatch.delenv("EXAMPLE_STORE", raising=False)
        monkeypatch.setenv("SMMAPI_MONGODB_URI", mongo_uri)
        monkeypatch.setenv("EXAMPLE_INSTANCE", str(tmp_path))
        one, other = create_app(), create_app()
        for user, paths in {"standard": RESELLER_PAGES, "owner": OWNER_PAGES}.items():
            visitor = Visitor(one, user)
            session = visitor.client.get_cookie("session")
            assert session is not None
            elsewhere = Visitor(other)
            elsewhere.client.set_cookie("session", session.value)
            assert [elsewhere.get(path).status_code for path in paths] == [200] * len(paths)
            huge = "9" * 40  # more than a database counts to
            odd = {"standard": f"/orders?before={huge}", "owner": f"/owner/accounts?after={huge}"}[user]
            assert elsewhere.get(odd).status_code == (200 if user == "standard" else 404)
            if user == "standard":
                assert "Incorrect order ID" in visitor.send(f"/orders/{huge}/cancel")


# Resellers


class TestKeys:
    def post(self, app: Flask, key: str) -> Any:
        return app.test_client().post("/api/v2", data={"key": key, "action": "balance"}).get_json()

    def create(self, visitor: Visitor, **form: str) -> str:
        page = visitor.post("/keys", **form).text
        found = re.search(r"<code>(\w{8}\.\w{8}-\w{8})</code>", page)
        assert found
        assert f"curl http://localhost/api/v2 -d key={found[1]} -d action=balance" in page
        return found[1]

    def test_a_new_one_is_shown_once_and_works(self, app: Flask, reseller: Visitor) -> None:
        key = self.create(reseller, label="My shop")
        assert self.post(app, key)["currency"] == "USD"
        assert key not in reseller.get("/keys").text
        assert "My shop" in reseller.read("/keys")

    def test_it_may_have_a_dialect_of_its_own(self, app: Flask, reseller: Visitor) -> None:
        key = self.create(reseller, dialect="panel")
        added = app.test_client().post("/api/v2", data={"key": key, "action": "add", **LIKES}).get_json()
        assert isinstance(added["order"], int)

    def test_rotating_and_revoking(self, app: Flask, reseller: Visitor, smmapi: SmmApi) -> None:
        old = self.create(reseller)
        page = reseller.post(f"/keys/{newest_key(smmapi, 1)}/rotate").text
        new = re.findall(r"<code>(\w{8}\.\w{8}-\w{8})</code>", page)[0]
        assert self.post(app, old) == {"error": "Invalid API key"}
        assert self.post(app, new)["currency"] == "USD"
        assert "was revoked" in reseller.send(f"/keys/{newest_key(smmapi, 1)}/revoke")
        assert self.post(app, new) == {"error": "Invalid API key"}
        revoked = next(key for key in smmapi.store.keys(1) if not key.active)
        assert "no such key in use" in reseller.send(f"/keys/{revoked.key_id}/rotate")

    def test_anothers_cannot_be_touched(self, app: Flask, reseller: Visitor, smmapi: SmmApi) -> None:
        [theirs] = smmapi.store.keys(2)
        assert "You have no such key" in reseller.send(f"/keys/{theirs.key_id}/revoke")
        assert "You have no such key" in reseller.send(f"/keys/{theirs.key_id}/rotate")
        assert theirs.key_id not in reseller.get("/keys").text
        assert self.post(app, PANEL_KEY)["currency"] == "USD"

    @CHANGES_NOTHING
    @pytest.mark.parametrize(
        ("form", "told"), [({"label": "x" * 61}, "at most 60"), ({"dialect": "klingon"}, "unknown dialect")]
    )
    def test_what_cannot_be_makes_none(
        self, reseller: Visitor, smmapi: SmmApi, form: dict[str, str], told: str
    ) -> None:
        assert told in reseller.send("/keys", **form)
        assert len(smmapi.store.keys(1)) == 1


def newest_key(smmapi: SmmApi, account: int) -> str:
    key_id: str = max((key.active, key.created, key.key_id) for key in smmapi.store.keys(account))[2]
    return key_id


def test_the_statement_has_pages_and_names_orders_by_their_numbers(reseller: Visitor, smmapi: SmmApi) -> None:
    order = place(smmapi, quantity="123")
    for number in range(60):
        smmapi.store.top_up(1, Decimal("0.00000001"), f"invoice-{number}")
    first, second = reseller.read("/statement"), reseller.read("/statement?page=2")
    assert "Payment invoice-59 +0.00000001 USD 999,999.8770006 USD" in first
    assert "Payment invoice-10 " in first
    assert "invoice-9 " not in first
    assert "Payment invoice-9 " in second
    assert f"Order {order.number} -0.123 USD 999,999.877 USD" in second
    assert "Opening balance +1,000,000.00 USD" in second
    assert [reseller.get(f"/statement?page={page}").status_code for page in ("0", "-1", "x", "9" * 30, "999999")] == [
        200
    ] * 5


class TestServices:
    @pytest.fixture(scope="class")
    @classmethod
    def app(cls, compiled: BytecodeCache) -> Flask:
        """One for all, since they look on."""
        app = build(compiled)
        rows = [service(number, category=f"Category {number % 7}") for number in range(1, 3001)]
        golden = service(9001, "Package", name="Golden <b>Likes</b>", category="Rare")
        app.extensions["demo"].smmapi.store.set_services([*rows, golden])
        return app

    def numbers(self, visitor: Visitor, query: str) -> list[int]:
        return [
            int(number) for number in re.findall(r"/orders/new\?service=(\d+)", visitor.get(f"/services{query}").text)
        ]

    def test_they_come_in_pages(self, reseller: Visitor) -> None:
        assert self.numbers(reseller, "") == list(range(1, 51))
        assert self.numbers(reseller, "?page=60") == list(range(2951, 3001))
        assert self.numbers(reseller, "?page=61") == [9001]
        assert self.numbers(reseller, "?page=62") == []

    @pytest.mark.parametrize("wanted", ["golden likes", "LIKES", "rare", "package rare", "9001", " 9001 "])
    def test_one_is_found_by_what_is_known_of_it(self, reseller: Visitor, wanted: str) -> None:
        assert self.numbers(reseller, f"?q={wanted}") == [9001]

    def test_nothing_that_is_written_there_is_html(self, reseller: Visitor) -> None:
        assert "Golden &lt;b&gt;Likes&lt;/b&gt;" in reseller.get("/services?q=9001").text
        assert "No service was found." in reseller.read("/services?q=%3Cscript%3E")

    def test_of_so_many_one_is_ordered_by_its_number(self, reseller: Visitor) -> None:
        assert "<select" not in reseller.get("/orders/new").text
        assert "Golden" in reseller.read("/orders/new?service=9001")


def quoted(visitor: Visitor, **form: str) -> str:
    """What is told of the charge; the call for the same order follows."""
    return shown(visitor.post("/orders/quote", **form)).partition(" curl ")[0]


def call_of(page: str) -> str:
    """The page's first line to copy."""
    found = re.search(r'data-copy="([^"]*)"', page)
    assert found
    return html.unescape(found[1])


def body_of(call: str) -> str:
    """What curl would send: ``-d`` goes as it is, ``--data-urlencode`` is encoded behind its first equals sign."""
    curl, _, *words = shlex.split(call)
    assert curl == "curl"
    fields = []
    for option, text in zip(words[::2], words[1::2], strict=True):
        name, _, value = text.partition("=")
        fields.append(f"{name}={quote(value, safe='') if option == '--data-urlencode' else value}")
    return "&".join(fields)


class TestNewOrder:
    @CHANGES_NOTHING
    @pytest.mark.parametrize("number", range(1, 20))
    def test_the_fields_follow_the_type(self, reseller: Visitor, smmapi: SmmApi, number: int) -> None:
        row = smmapi.services(Account(1)).get(number)
        assert row is not None
        type_ = SERVICE_TYPES[row.type]
        page = reseller.get(f"/orders/new?service={number}").text
        form = page[page.index('action="/orders/new" novalidate') :]
        names = re.findall(r'<(?:input|textarea|select) id="\w+" name="(\w+)"', form)
        idle = set() if row.dripfeed else {"runs", "interval"}
        assert names == [*type_.required, *(name for name in type_.optional if name not in idle)]
        assert re.findall(r'name="(\w+)" required', form) == list(type_.required)

    def test_every_parameter_has_a_label(self) -> None:
        assert LABELS.keys() == {name for row in SERVICE_TYPES.values() for name in (*row.required, *row.optional)}

    @CHANGES_NOTHING
    @pytest.mark.parametrize(
        ("form", "told"),
        [
            ({"service": "123"}, "Still to fill in: Link, Quantity."),
            ({**LIKES, "quantity": "157"}, "Charge: 0.157 USD . You have 1,000,000.00 USD."),
            ({**LIKES, "quantity": "1"}, "Quantity less than minimal 10"),
            ({**LIKES, "link": "no link"}, "Incorrect link"),
            ({**LIKES, "service": "777"}, "Incorrect service ID"),
            (
                {"service": "3", "link": LINK, "comments": "one\r\ntwo\r\n"},
                "Charge: 0.024 USD . You have 1,000,000.00 USD.",
            ),
        ],
    )
    def test_the_charge_is_told_before(self, reseller: Visitor, form: dict[str, str], told: str) -> None:
        assert quoted(reseller, **form) == told

    @CHANGES_NOTHING
    def test_who_has_no_money_is_told_so(self, app: Flask) -> None:
        assert quoted(Visitor(app, "poor"), **LIKES).endswith("Not enough funds on balance.")
        answer = Visitor(app, "poor").post("/orders/new", **LIKES)
        assert (answer.status_code, "Not enough funds on balance" in answer.text) == (422, True)

    @CHANGES_NOTHING
    def test_the_call_for_it_grows_with_what_is_typed(self, reseller: Visitor) -> None:
        page = reseller.get("/orders/new?service=123").text
        assert call_of(page).endswith(" -d action=add -d service=123 -d link=LINK -d quantity=QUANTITY")
        page = reseller.post("/orders/quote", service="123", link=LINK, runs="").text
        assert call_of(page).endswith(f" -d service=123 -d link={LINK} -d quantity=QUANTITY")

    @pytest.mark.parametrize(
        ("form", "params"),
        [
            (LIKES, {"link": LINK, "quantity": "1000"}),
            ({**LIKES, "link": f"{LINK}?a=1&b=%20+'$HOME'"}, {"link": f"{LINK}?a=1&b=%20+'$HOME'", "quantity": "1000"}),
            (
                {"service": "3", "link": LINK, "comments": "50% & <more>\r\n'$(id)' \"two\""},
                {"link": LINK, "comments": "50% & <more>\n'$(id)' \"two\""},
            ),
        ],
    )
    def test_the_call_for_it_places_the_same_order(
        self, app: Flask, reseller: Visitor, smmapi: SmmApi, form: dict[str, str], params: dict[str, str]
    ) -> None:
        call = call_of(reseller.post("/orders/quote", **form).text).replace("YOUR-KEY", STANDARD_KEY)
        answer = app.test_client().post("/api/v2", data=body_of(call), content_type="application/x-www-form-urlencoded")
        assert answer.get_json().keys() == {"order"}
        [order] = smmapi.store.list(1, limit=1)
        assert (order.service, order.params) == (int(form["service"]), params)

    def test_a_form_that_is_sent_twice_is_one_order(self, reseller: Visitor, smmapi: SmmApi) -> None:
        token = field(reseller.get("/orders/new?service=123").text, "token")
        first, again = (reseller.send("/orders/new", token=token, **LIKES) for _ in range(2))
        assert "was placed for 1.00 USD." in first
        assert "was placed for 1.00 USD." in again
        assert smmapi.balance(Account(1)) == 999_999

    def test_one_that_was_sent_and_is_sent_again_with_changes_asks_once_more(
        self, reseller: Visitor, smmapi: SmmApi
    ) -> None:
        token = field(reseller.get("/orders/new?service=123").text, "token")
        reseller.post("/orders/new", token=token, **LIKES)
        changed = {**LIKES, "quantity": "2000"}
        answer = reseller.post("/orders/new", token=token, **changed)
        assert "has placed an order already" in answer.text
        assert smmapi.balance(Account(1)) == 999_999
        assert "was placed for 2.00 USD." in reseller.send("/orders/new", token=field(answer.text, "token"), **changed)

    @CHANGES_NOTHING
    def test_what_was_typed_stays_when_it_will_not_do(self, reseller: Visitor) -> None:
        answer = reseller.post("/orders/new", **{**LIKES, "link": "<no link>"})
        assert answer.status_code == 422
        assert 'role="alert">Incorrect link<' in answer.text
        assert 'aria-invalid="true" value="&lt;no link&gt;"' in answer.text
        assert 'value="1000"' in answer.text

    @CHANGES_NOTHING
    @pytest.mark.parametrize("number", ["", "777", "x", "1" * 30, "-1"])
    def test_a_service_that_is_none(self, reseller: Visitor, number: str) -> None:
        assert reseller.get(f"/orders/new?service={number}").status_code == 200
        answer = reseller.post("/orders/new", **{**LIKES, "service": number})
        assert (answer.status_code, "Incorrect service ID" in answer.text) == (422, True)


class TestMassOrder:
    def send(self, visitor: Visitor, lines: str, **form: str) -> tuple[str, str, str]:
        """What is told, which lines are left, and the token for them."""
        answer = visitor.post("/orders/mass", lines=lines, **form)
        left = re.search(r"<textarea[^>]*>(.*?)</textarea>", answer.text, re.DOTALL)
        assert left
        return shown(answer), html.unescape(left[1]), field(answer.text, "token")

    def test_each_line_is_answered_and_those_that_failed_are_left(self, reseller: Visitor, smmapi: SmmApi) -> None:
        good, small, odd = f"123 | {LINK} | 1000", f"123|{LINK}|1", "what?"
        told, left, _ = self.send(reseller, f"{good}\r\n\r\n{small}\r\n{odd}\r\n{good}\r\n")
        assert "2 of 4 lines are placed." in told
        assert f"{small} Quantity less than minimal 10" in told
        assert f"{odd} Write it as: service | link | quantity" in told
        assert left == f"{small}\n{odd}"
        assert smmapi.balance(Account(1)) == 999_998

    def test_the_same_form_again_places_nothing_twice_and_what_was_mended_once(
        self, reseller: Visitor, smmapi: SmmApi
    ) -> None:
        token = field(reseller.get("/orders/mass").text, "token")
        good, bad = f"123 | {LINK} | 1000", f"123 | {LINK} | x"
        for _ in range(2):
            told, left, _ = self.send(reseller, f"{good}\n{bad}", token=token)
            assert (left, "1 of 2 lines is placed" in told) == (bad, True)
        self.send(reseller, f"{bad.replace('x', '2000')}\n{good}", token=token)  # moved, and mended
        assert smmapi.balance(Account(1)) == 999_997

    def test_a_link_may_have_bars_in_it(self, reseller: Visitor, smmapi: SmmApi) -> None:
        self.send(reseller, "123 | https://example.com/a|b | 1000")
        assert smmapi.store.list(1, limit=1)[0].params["link"] == "https://example.com/a|b"

    def test_when_it_is_not_known_all_lines_stay_and_sending_them_again_finds_out(
        self, reseller: Visitor, smmapi: SmmApi, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lines = "\n".join(f"123 | {LINK}/{number} | 1000" for number in range(3))
        debit, calls = smmapi.store.debit, []

        def sometimes_away(*given: Any) -> bool:
            calls.append(given)
            answer: bool = debit(*given)
            if len(calls) == 2:
                raise ConnectionError
            return answer

        monkeypatch.setattr(smmapi.store, "debit", sometimes_away)
        told, left, token = self.send(reseller, lines)
        assert "Of 1 it is not known." in told
        assert left == lines
        told, left, _ = self.send(reseller, left, token=token)
        assert ("3 of 3 lines are placed." in told, left) == (True, "")
        assert smmapi.balance(Account(1)) == 999_997

    @CHANGES_NOTHING
    @pytest.mark.parametrize("lines", ["", " \n \n", "\n".join(["123 | a.example | 1000"] * 201)])
    def test_none_and_too_many(self, reseller: Visitor, smmapi: SmmApi, lines: str) -> None:
        told, left, _ = self.send(reseller, lines)
        assert "Nothing was placed." in told
        assert left.strip() == lines.strip()
        assert smmapi.balance(Account(1)) == 1_000_000


class TestOrders:
    def test_they_come_in_pages_newest_first(self, reseller: Visitor, smmapi: SmmApi) -> None:
        numbers = [place(smmapi).number for _ in range(25)]
        seen = re.findall(r"<strong>(\d+)</strong>", reseller.get("/orders").text)
        assert [int(number) for number in seen] == numbers[:-21:-1]
        assert f'href="/orders?before={numbers[5]}"' in reseller.get("/orders").text
        older = reseller.get(f"/orders?before={numbers[5]}").text
        assert [int(number) for number in re.findall(r"<strong>(\d+)</strong>", older)][:5] == numbers[4::-1]

    def test_a_cancel_gives_the_money_back(self, reseller: Visitor, smmapi: SmmApi) -> None:
        order = place(smmapi)
        assert f"Order {order.number} was canceled; 1.00 USD came back." in reseller.send(
            f"/orders/{order.number}/cancel"
        )
        assert smmapi.balance(Account(1)) == 1_000_000
        assert f'action="/orders/{order.number}/cancel"' not in reseller.get("/orders").text

    def test_a_refill_is_asked_for_where_it_may_be(self, reseller: Visitor, app: Flask) -> None:
        pending, processing, completed = app.extensions["demo"].orders
        page = reseller.get("/orders").text
        assert re.findall(r"/orders/(\d+)/refill", page) == [str(completed.number)]
        assert re.findall(r"/orders/(\d+)/cancel", page) == [str(pending.number)]
        assert "was asked for" in reseller.send(f"/orders/{completed.number}/refill")
        assert "Refill: Pending" in reseller.read("/orders")
        assert "less than 24 hours ago" in reseller.send(f"/orders/{completed.number}/refill")
        assert "not eligible for cancellation" in reseller.send(f"/orders/{processing.number}/cancel")

    def test_a_refill_that_would_be_too_early_has_no_button(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EXAMPLE_STORE", "memory")
        app = create_app({"SMMAPI_REFILL_INTERVAL": 3 * 24 * 60 * 60})
        assert "/refill" not in Visitor(app, "standard").get("/orders").text

    @CHANGES_NOTHING
    def test_anothers_are_not_there(self, reseller: Visitor, app: Flask, smmapi: SmmApi) -> None:
        theirs = app.extensions["demo"].panel_orders[0]
        assert f"Order {theirs.number}: Incorrect order ID" in reseller.send(f"/orders/{theirs.number}/cancel")
        assert f"Order {theirs.number}: Incorrect order ID" in reseller.send(f"/orders/{theirs.number}/refill")
        assert reseller.get(f"/orders/rows?seen={theirs.number}.0").status_code == 204
        assert f"<strong>{theirs.number}</strong>" not in reseller.get("/orders").text
        assert smmapi.status(Account(2), theirs.id).status is OrderStatus.PENDING

    def test_rows_come_again_only_when_one_has_changed_and_rest_when_all_are_over(
        self, reseller: Visitor, smmapi: SmmApi
    ) -> None:
        order = place(smmapi)
        smmapi.store.top_up(1, Decimal(1), "some")
        [path] = re.findall(r'hx-get="(/orders/rows\?seen=[^"]+)"', reseller.get("/orders").text)
        assert reseller.get(path).status_code == 204
        smmapi.desk.start(smmapi.desk.take(order, "me"), 250)
        changed = reseller.get(path).text
        assert f">Order {order.number}: Processing. </p>" in changed
        only_this = f"/orders/rows?seen={order.number}.0"
        assert "hx-get" in reseller.get(only_this).text
        smmapi.desk.complete(smmapi.status(Account(1), order.id))
        assert "hx-get" not in reseller.get(only_this).text

    @CHANGES_NOTHING
    @pytest.mark.parametrize("seen", ["", "x", "1", "1.", "1.1-", "-".join(["1.1"] * 21), "1" * 19 + ".1"])
    def test_nonsense_is_refused(self, reseller: Visitor, seen: str) -> None:
        assert reseller.get(f"/orders/rows?seen={seen}").status_code == 400


# The owner


class TestWork:
    def page(self, owner: Visitor, order: Order) -> str:
        return owner.get(f"/owner/work/order?account=1&order={order.id}").text

    def act(self, owner: Visitor, verb: str, order: Order, **form: str) -> str:
        return owner.send(f"/owner/work/order/{verb}", account="1", order=order.id, **form)

    def test_an_order_from_waiting_to_an_end_in_part(self, owner: Visitor, smmapi: SmmApi) -> None:
        order = place(smmapi)
        assert f"Waiting Order Account Link Status Charge Remains Since (UTC) Work {order.number} " in owner.read(
            "/owner/work"
        )
        assert f"Order {order.number} is Processing now." in self.act(owner, "start", order, start_count="250")
        assert f"In work Order Account Link Status Charge Remains Since (UTC) Work {order.number} " in owner.read(
            "/owner/work"
        )
        assert f"Order {order.number} is In progress now." in self.act(owner, "progress", order, remains="400")
        asked = self.act(owner, "partial", order, remains="157")
        assert "For 157 of 1,000 pieces, 0.157 USD is paid back." in asked
        assert smmapi.status(Account(1), order.id).status is OrderStatus.IN_PROGRESS
        done = self.act(owner, "partial", order, remains="157", pays="0.15700000")
        assert f"Order {order.number} is Partial now; 0.157 USD was paid back." in done
        assert smmapi.balance(Account(1)) == Decimal("999999.157")

    def test_what_would_pay_back_another_amount_than_was_told_is_not_done(self, owner: Visitor, smmapi: SmmApi) -> None:
        order = place(smmapi)
        pays = field(self.page(owner, order), "pays")
        assert pays == "1.00000000"
        current = smmapi.desk.start(smmapi.desk.take(order, "somebody else"))
        smmapi.desk.progress(current, 400)
        for verb in ("cancel", "fail"):
            assert "has changed meanwhile" in self.act(owner, verb, order, pays=pays, reason="gone")
        assert smmapi.balance(Account(1)) == 999_999
        assert "; 0.40 USD was paid back." in self.act(owner, "cancel", order, pays="0.40000000")

    def test_why_one_failed_is_the_owners(self, owner: Visitor, reseller: Visitor, smmapi: SmmApi) -> None:
        order = place(smmapi)
        assert "1.00 USD was paid back" in self.act(
            owner, "fail", order, pays="1.00000000", reason="Account is private"
        )
        assert "Account is private" in self.page(owner, order)
        assert "Account is private" not in reseller.get("/orders").text

    def test_the_amount_follows_what_is_typed(self, owner: Visitor, smmapi: SmmApi) -> None:
        order = smmapi.desk.start(smmapi.desk.take(place(smmapi), "me"))
        for remains, told in {
            "157": "0.157 USD is paid back",
            "": "Say what",
            "1001": "Say what",
            "x": "Say what",
        }.items():
            answer = owner.get(f"/owner/work/order/in-part?account=1&order={order.id}&remains={remains}")
            assert told in shown(answer)

    @pytest.mark.parametrize(
        ("verb", "form", "told"),
        [
            ("complete", {}, "its work must have begun for this"),
            ("start", {"start_count": "x"}, "The start count must be a whole number."),
            ("progress", {"remains": "-1"}, "must be a whole number from 0 to 1000"),
            ("partial", {"remains": "1001"}, "must be a whole number from 0 to 1000"),
        ],
    )
    def test_what_cannot_be_done_is_a_sentence(
        self, owner: Visitor, smmapi: SmmApi, verb: str, form: dict[str, str], told: str
    ) -> None:
        order = place(smmapi)
        if verb == "complete":
            told = "is AWAITING; it cannot become COMPLETED."
        assert told in self.act(owner, verb, order, **form)
        assert smmapi.status(Account(1), order.id).status is OrderStatus.AWAITING

    def test_the_newest_are_there_whoever_they_are_of_and_whatever_became_of_them(
        self, owner: Visitor, app: Flask, smmapi: SmmApi
    ) -> None:
        order = place(smmapi)
        page = owner.get("/owner/work").text
        newest = page[page.index("Newest orders") :]
        numbers = [int(number) for number in re.findall(r"<strong>(\d+)</strong>", newest)]
        assert numbers[0] == order.number
        assert {app.extensions["demo"].orders[0].number, app.extensions["demo"].panel_orders[0].number} < set(numbers)
        assert len(numbers) == 10

    def test_one_is_found_by_number_and_by_id(self, owner: Visitor, smmapi: SmmApi) -> None:
        order = place(smmapi)
        for text in (order.number, order.id, f" {order.number} "):
            assert (
                owner.get(f"/owner/work/find?order={text}").location == f"/owner/work/order?account=1&order={order.id}"
            )
        for text in ("0", "x", "", "f" * 24):
            assert owner.get(f"/owner/work/find?order={text}").location == "/owner/work"

    @pytest.mark.parametrize("account", ["", "9", "x", '"1"', "true", "null", "[1]", "1.0", "9" * 40, "[" * 2000])
    def test_an_order_of_nobody_is_not_there(self, owner: Visitor, smmapi: SmmApi, account: str) -> None:
        order = place(smmapi)
        assert owner.get(f"/owner/work/order?account={account}&order={order.id}").status_code == 404

    def test_refills(self, owner: Visitor, app: Flask, smmapi: SmmApi) -> None:
        completed = app.extensions["demo"].orders[2]
        refill = smmapi.refill(Account(1), completed.id)
        form = {"account": "1", "refill": refill.id}
        assert f"Refill {refill.number} is In progress now." in owner.send("/owner/work/refill/start", **form)
        assert f"Refill {refill.number} is Rejected now." in owner.send("/owner/work/refill/reject", **form)
        assert "it cannot become Completed" in owner.send("/owner/work/refill/complete", **form)
        assert owner.post("/owner/work/refill/start", account="2", refill=refill.id).status_code == 404


class TestAccounts:
    def test_a_payment_counts_once(self, owner: Visitor, smmapi: SmmApi) -> None:
        form = {"account": "4", "amount": "12.5", "payment": "invoice-7"}
        assert "Payment invoice-7 was booked: 12.50 USD." in owner.send("/owner/accounts/top-up", **form)
        assert "was booked before; nothing changed." in owner.send("/owner/accounts/top-up", **form)
        assert "with another amount" in owner.send("/owner/accounts/top-up", **{**form, "amount": "13"})
        assert smmapi.balance(Account(4)) == Decimal("12.5")

    @CHANGES_NOTHING
    @pytest.mark.parametrize("amount", ["", "0", "-1", "x", "1e3", "1_000", "1,5", "٣", "NaN", "0.000000001", "9" * 30])
    def test_what_is_no_payment_gives_nothing(self, owner: Visitor, smmapi: SmmApi, amount: str) -> None:
        page = owner.send("/owner/accounts/top-up", account="4", amount=amount, payment="invoice-7")
        assert "is no amount" in page or f"{amount}.00000000 cannot be paid in" in page
        assert smmapi.balance(Account(4)) == 0

    @CHANGES_NOTHING
    def test_what_is_too_long_to_be_repeated_is_told_of_in_short(self, owner: Visitor) -> None:
        """A message travels in a cookie, of which a browser drops one that is longer than 4 kB."""
        noise = secrets.token_hex(5000)
        for form in ({"amount": noise, "payment": "P"}, {"amount": "1", "payment": noise}):
            answer = owner.post("/owner/accounts/top-up", account="4", **form)
            assert len(answer.headers["Set-Cookie"]) < 2000
            assert noise[:20] in owner.get("/owner/accounts/account?account=4").text

    def test_an_adjustment_counts_once_and_its_client_sees_why(
        self, app: Flask, owner: Visitor, smmapi: SmmApi
    ) -> None:
        token = field(owner.get("/owner/accounts/account?account=2").text, "token")
        for _ in range(2):
            page = owner.send("/owner/accounts/adjust", account="2", token=token, amount="-0.5", reason="A fee")
            assert "The adjustment by -0.50 USD is booked, once." in page
        assert smmapi.balance(Account(2)) == Decimal("999999.5")
        assert "Adjustment: A fee -0.50 USD" in Visitor(app, "panel").read("/statement")

    @CHANGES_NOTHING
    @pytest.mark.parametrize(
        ("amount", "reason", "told"),
        [("-1", "A fee", "less than that"), ("1", "", "needs a reason"), ("0", "x", "of 0")],
    )
    def test_what_cannot_be_changes_nothing(
        self, owner: Visitor, smmapi: SmmApi, amount: str, reason: str, told: str
    ) -> None:
        page = owner.send("/owner/accounts/adjust", account="4", token="t", amount=amount, reason=reason)
        assert told in page
        assert smmapi.balance(Account(4)) == 0

    def test_texts_are_accounts_too_and_come_behind_in_pages(self, owner: Visitor, smmapi: SmmApi) -> None:
        for number in range(60):
            smmapi.store.add_account(Account(f"shop {number:02} & <co>"))
        page = owner.get("/owner/accounts").text
        [after] = re.findall(r'href="(/owner/accounts\?after=[^"]+)"', page)
        assert "shop 59 & <co>" in owner.read(html.unescape(after))
        assert owner.get("/owner/accounts/account", query_string={"account": '"shop 07 & <co>"'}).status_code == 200
        assert owner.get("/owner/accounts/account?account=99").status_code == 404

    @CHANGES_NOTHING
    @pytest.mark.parametrize(
        "page", ["/owner/accounts?after=", "/owner/accounts/account?account=", "/owner/work/order?order=1&account="]
    )
    def test_half_of_a_surrogate_pair_is_nobodys_id(self, owner: Visitor, page: str) -> None:
        assert owner.get(page + r'"\ud800"').status_code == 404


class TestPriceList:
    def upload(self, owner: Visitor, data: bytes, markup: str = "") -> TestResponse:
        answer = owner.post("/owner/price-list/preview", file=(io.BytesIO(data), "prices"), markup=markup)
        answer.request.environ["wsgi.input"].close()  # which may be a file
        return answer

    def list_of(self, *rows: Service) -> bytes:
        return write(rows, "json").encode()

    def current(self, smmapi: SmmApi) -> list[Service]:
        return list(smmapi.services(Account(1)))

    @CHANGES_NOTHING
    def test_has_a_limit(self, owner: Visitor) -> None:
        answer = self.upload(owner, b" " * (price_list.MAX_BYTES + 1))
        assert (answer.status_code, "The file is larger than 8 MiB." in answer.text) == (422, True)
        assert self.upload(owner, b" " * MAX_BODY).status_code == 413

    def test_what_was_looked_at_is_what_is_imported(self, owner: Visitor, smmapi: SmmApi) -> None:
        before = self.current(smmapi)
        new = service(900, name="New ones", desc="='1+1", rate=Decimal("3.33333333"))
        preview = self.upload(owner, self.list_of(*before[1:], new), "10")
        told = shown(preview)
        assert "1 new, 1 gone, 19 dearer, 0 cheaper, 0 otherwise changed, 0 as before." in told
        assert "123 YouTube Likes: rate 1.00 → 1.10" in told
        assert self.current(smmapi) == before
        signed = field(preview.text, "signed")
        assert "20 services were imported." in owner.send("/owner/price-list/import", signed=signed)
        after = {row.id: row for row in self.current(smmapi)}
        assert (after[900].rate, after[900].desc, after[123].rate) == (Decimal("3.66666667"), "='1+1", Decimal("1.1"))
        assert 1 not in after

    def test_a_list_that_has_changed_meanwhile_is_looked_at_anew(self, owner: Visitor, smmapi: SmmApi) -> None:
        signed = field(self.upload(owner, self.list_of(service(1))).text, "signed")
        smmapi.store.set_services([service(2)])
        assert "Nothing was imported" in owner.send("/owner/price-list/import", signed=signed)
        assert self.current(smmapi) == [service(2)]

    @CHANGES_NOTHING
    @pytest.mark.parametrize("signed", ["", "x", "W10.abc"])
    def test_what_we_have_not_shown_is_refused(self, owner: Visitor, smmapi: SmmApi, signed: str) -> None:
        before = self.current(smmapi)
        assert owner.post("/owner/price-list/import", signed=signed).status_code == 400
        assert self.current(smmapi) == before

    def test_thousands_go_through_the_form(self, owner: Visitor, smmapi: SmmApi) -> None:
        rows = [service(number, desc=random.Random(number).randbytes(80).hex()) for number in range(1, 5001)]
        preview = self.upload(owner, self.list_of(*rows))
        assert "… and 4,9" in shown(preview)
        signed = field(preview.text, "signed")
        assert len(signed) > 500_000  # what Flask takes without being told
        assert "5000 services were imported." in owner.send("/owner/price-list/import", signed=signed)
        assert len(self.current(smmapi)) == 5000

    @CHANGES_NOTHING
    @pytest.mark.parametrize(
        ("data", "markup", "told"),
        [
            (b"", "", "Line 1: the column service is missing."),
            (b"[]", "", "The price list is empty."),
            (b'[{"service": 1}]', "", "Row 1: name is missing."),
            (b"\xff", "", "Line 1: this is no UTF-8"),
            (b'{"error": "Invalid API key"}', "", "This is a supplier's refusal"),
            (b"[]", "much", "'much' is no amount"),
            (b"[]", "-101", "The markup must be a percentage"),
        ],
    )
    def test_a_broken_one_is_told_line_by_line(
        self, owner: Visitor, smmapi: SmmApi, data: bytes, markup: str, told: str
    ) -> None:
        before = self.current(smmapi)
        answer = self.upload(owner, data, markup)
        assert answer.status_code == 422
        assert told in shown(answer)
        assert self.current(smmapi) == before

    def test_the_list_that_is_there_can_be_had_as_a_file(self, owner: Visitor, smmapi: SmmApi) -> None:
        smmapi.store.set_services([service(1, name="=1+1"), service(2)])
        file = owner.get("/owner/price-list/current.csv")
        assert file.headers["Content-Disposition"] == 'attachment; filename="price-list.csv"'
        assert "Nothing: these are the 2 services" in shown(self.upload(owner, file.data))

    @CHANGES_NOTHING
    def test_the_same_list_changes_nothing(self, owner: Visitor, smmapi: SmmApi) -> None:
        answer = self.upload(owner, self.list_of(*self.current(smmapi)))
        assert "Nothing: these are the 20 services that are there." in shown(answer)

    @CHANGES_NOTHING
    def test_without_a_file(self, owner: Visitor) -> None:
        assert owner.post("/owner/price-list/preview").status_code == 422


class TestFigures:
    TODAY = date(2026, 3, 2)

    def order(self, smmapi: SmmApi, days_ago: int, **changes: Any) -> Order:
        moment = datetime(2026, 3, 2, 23, 59, tzinfo=timezone.utc) - timedelta(days=days_ago)
        return replace(place(smmapi), created=moment, **changes)

    def test_each_day_has_its_orders_and_what_they_cost_less_what_was_paid_back(self, smmapi: SmmApi) -> None:
        orders = [
            self.order(smmapi, 0),
            self.order(smmapi, 0, due_back=Decimal("0.157")),
            self.order(smmapi, 13, currency="EUR"),
            self.order(smmapi, 14),
        ]
        days = plot.by_day(orders, self.TODAY)
        assert [day.day for day in days] == [date(2026, 2, 17) + timedelta(days=n) for n in range(14)]
        assert [day.orders for day in days] == [1, *[0] * 12, 2]
        assert (days[0].turnover, days[13].turnover) == ({"EUR": Decimal(1)}, {"USD": Decimal("1.843")})
        assert plot.currencies(days) == ["EUR", "USD"]
        assert [chart.title for chart in plot.charts(days)] == ["Orders", "Turnover in EUR", "Turnover in USD"]

    def test_bars_are_as_high_as_their_share_and_the_smallest_can_be_seen(self) -> None:
        days = [plot.Day(self.TODAY, 0, {}) for _ in range(4)]
        assert [bar.height for bar in plot.bars(days, [0, 1, 10**12, 10**12 // 2])] == [0, 2, 150, 75]
        assert [bar.height for bar in plot.bars(days, [0, 0, 0, 0])] == [0, 0, 0, 0]

    @CHANGES_NOTHING
    def test_the_demo_begins_with_two_weeks_of_them_and_makes_them_once(self, owner: Visitor, smmapi: SmmApi) -> None:
        assert re.findall('<rect x="[0-9]+" y="[0-9]+" width="22" height="0"', owner.get("/owner/figures").text) == []
        seed(smmapi)

    def test_the_page_says_it_in_numbers_too(self, owner: Visitor, smmapi: SmmApi) -> None:
        place(smmapi, quantity="157")
        today = datetime.now(timezone.utc).date()
        assert f"{today} 5 4.157" in owner.read("/owner/figures")
        assert owner.get("/owner/figures").text.count('<rect x="') == 28


def test_blocked_callers_are_told_of(app: Flask, owner: Visitor) -> None:
    assert "Nobody was refused yet." in owner.read("/owner/blocked")
    wrong = {"key": WRONG_KEY, "action": "balance"}
    statuses = [app.test_client().post("/api/v2", data=wrong).status_code for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    page = owner.read("/owner/blocked")
    assert page.count("127.0.0.1") == 2
    assert re.search("127.0.0.1 [0-9]+ seconds", page)


# What people read


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("1", "1.00"),
        ("0.00000000", "0.00"),
        ("1234567.50000000", "1,234,567.50"),
        ("0.00000001", "0.00000001"),
        ("-0.1570", "-0.157"),
        ("92233720368.54775807", "92,233,720,368.54775807"),
        ("12345678901234567890123.45", "12,345,678,901,234,567,890,123.45"),
    ],
)
def test_money_is_written_short_and_exactly(amount: str, text: str) -> None:
    assert people.money(Decimal(amount)) == text


def test_what_is_typed_is_an_amount_or_a_sentence() -> None:
    assert people.to_amount(" 12.50 ") == Decimal("12.5")
    assert people.to_amount("-3") == -3
    with pytest.raises(ValueError, match="is no amount; write one such as 25"):
        people.to_amount("1.")


def test_the_mass_orders_example_can_be_placed(reseller: Visitor) -> None:
    example = re.findall("such as <code>(.*?)</code>", reseller.get("/orders/mass").text)
    assert "1 of 1 lines is placed." in shown(reseller.post("/orders/mass", lines=example[0]))


def test_htmx_is_the_file_that_its_note_says() -> None:
    static = Path(example_app.__file__).parent / "static"
    script, note = (static / "htmx.min.js").read_bytes(), (static / "htmx.LICENSE").read_text("utf-8")
    assert hashlib.sha256(script).hexdigest() in note
    assert f'version:"{re.findall("htmx ([0-9.]+[0-9]), unchanged", note)[0]}"' in script.decode()


@CHANGES_NOTHING
def test_what_htmx_is_told_is_json(app: Flask) -> None:
    [config] = re.findall("name=\"htmx-config\" content='([^']+)'", app.test_client().get("/").text)
    assert json.loads(config)["allowEval"] is False
