"""Hosts that have everything which real panels have: all of it keeps working beside the API, and the API beside it.

Each case runs with the API in the app itself and in a blueprint of the host, and what the host does is done before and
after the extension is set up.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

import pytest
from flask import Blueprint, Flask, Response, abort, g, jsonify, redirect, request, session
from flask.json.provider import DefaultJSONProvider
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_wtf import CSRFProtect, FlaskForm
from flask_wtf.csrf import generate_csrf
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client
from wtforms import StringField

from flask_smmapi import Account, SmmApi
from flask_smmapi.stores.memory import MemoryStore

from .panel import DEFAULT, LINK, SERVICES, WRONG_KEY, at_once
from .test_throttle import MeetingLookup

BALANCE = (200, {"balance": "100.00000000", "currency": "USD"})
NO_KEY = (401, {"error": "Invalid API key"})
NO_METHOD = (405, {"error": "Method not allowed"})
INCORRECT = (400, {"error": "Incorrect request"})
TOO_LARGE = (413, {"error": "Request too large"})
FAILED = (500, {"error": "Internal server error"})
BLOCKED_AFTER_TEN = [401] * 10 + [429]
MIB = 1024 * 1024


class Site:
    """A host with the same pages in its app and in a blueprint at ``/shop``.

    :param nested: whether the API is in that blueprint.
    :param settings: its config.
    """

    def __init__(self, nested: bool, **settings: Any) -> None:
        self.app = Flask("host")
        self.app.config.update(SECRET_KEY="secret", **settings)
        self.blueprint = Blueprint("shop", "shop")
        self.nested = nested
        self.url = "/shop/api/v2" if nested else "/api/v2"
        self.store = MemoryStore(SERVICES)
        self.key = self.store.add_account(Account(id=1), balance=Decimal(100))
        for scaffold in (self.app, self.blueprint):
            scaffold.add_url_rule("/page", "page", lambda: "page", methods=["GET", "POST"])
            scaffold.add_url_rule("/fail/<int:code>", "fail", abort)
            scaffold.add_url_rule("/crash", "crash", crash)

    def install(self, **given: Any) -> None:
        """Set up the extension."""
        SmmApi(self.app, parent=self.blueprint if self.nested else None, **{"store": self.store, **given})

    def open_shop(self) -> None:
        """Register the blueprint, as the last thing that a host does."""
        self.app.register_blueprint(self.blueprint, url_prefix="/shop")

    def ask(self, action: str = "balance", **params: Any) -> tuple[int, Any]:
        """Status and JSON of the API's answer to a form with the account's key; ``key=`` sends another."""
        return self.send(data={"key": self.key, "action": action, **params})

    def send(self, **given: Any) -> tuple[int, Any]:
        response = self.app.test_client().open(self.url, **{"method": "POST", **given})
        assert response.mimetype == "application/json", response.text
        return response.status_code, response.get_json()

    def guesses(self, count: int) -> list[int]:
        """The statuses of so many wrong keys."""
        return [self.ask(key=WRONG_KEY)[0] for _ in range(count)]

    def page_statuses(self, count: int, url: str = "/page") -> list[int]:
        client = self.app.test_client()
        return [client.get(url).status_code for _ in range(count)]


Equip: TypeAlias = Callable[[Site], object]
"""What a host does to its app."""

Build: TypeAlias = Callable[..., Site]
"""A site whose host does that before or after the extension is set up."""


def crash(*_: Any) -> Any:
    raise LookupError("a bug of the host")


@pytest.fixture(params=[False, True], ids=["in the app", "in a blueprint"])
def nested(request: pytest.FixtureRequest) -> bool:
    nested: bool = request.param
    return nested


@pytest.fixture(params=[True, False], ids=["the host first", "the extension first"])
def build(request: pytest.FixtureRequest, nested: bool) -> Build:
    def build(equip: Equip = lambda site: None, *, given: dict[str, Any] | None = None, **settings: Any) -> Site:
        site = Site(nested, **settings)
        steps: list[Callable[[], object]] = [lambda: equip(site), lambda: site.install(**given or {})]
        for step in steps if request.param else reversed(steps):
            step()
        site.open_shop()
        return site

    return build


def check_api(site: Site) -> None:
    """Everything that the API does, it does."""
    assert site.ask() == BALANCE
    status, placed = site.ask("add", service=DEFAULT, link=LINK, quantity=1000)
    assert status == 200
    assert site.ask("status", order=placed["order"])[1][placed["order"]]["charge"] == "1.00000000"
    assert site.ask("cancel", order=placed["order"]) == (200, {"cancel": 1})
    assert site.send(json={"key": site.key, "action": "balance"}) == BALANCE
    assert site.send(method="GET") == NO_METHOD
    assert site.send(data=b"{", content_type="application/json") == INCORRECT
    assert site.send(data=b"x" * (MIB + 1)) == TOO_LARGE
    assert site.guesses(11) == BLOCKED_AFTER_TEN


# Error handlers


CODES = (400, 401, 403, 404, 405, 413, 429, 500, 503)
KINDS = (*CODES, HTTPException, Exception)


def handling(kind: Any, *scaffolds: str) -> Equip:
    """A host with an error page of its own, in its app or its blueprint or both."""

    def equip(site: Site) -> None:
        for scaffold in scaffolds:
            getattr(site, scaffold).register_error_handler(kind, lambda failure: ("the host's page", 418))

    return equip


def failing_page(kind: Any) -> str:
    return {HTTPException: "/fail/418", Exception: "/crash"}.get(kind, f"/fail/{kind}")


@pytest.mark.parametrize("kind", KINDS)
def test_the_error_pages_of_a_host_are_for_its_own_pages(kind: Any, build: Build) -> None:
    site = build(handling(kind, "app"))
    check_api(site)
    for prefix in ("", "/shop"):
        assert site.app.test_client().get(prefix + failing_page(kind)).text == "the host's page"


@pytest.mark.parametrize("kind", KINDS)
def test_the_error_pages_of_a_blueprint_are_for_its_own_pages(kind: Any, build: Build) -> None:
    site = build(handling(kind, "blueprint"))
    check_api(site)
    assert site.app.test_client().get("/shop" + failing_page(kind)).text == "the host's page"
    assert site.app.test_client().get("/fail/404").text != "the host's page"


def test_an_address_that_is_nobodys_and_a_method_that_is_no_pages_get_the_hosts_error_page(build: Build) -> None:
    site = build(lambda site: [handling(kind, "app", "blueprint")(site) for kind in KINDS])
    for url, method in (("/nowhere", "GET"), ("/shop/api/v1", "POST"), (f"{site.url}/x", "POST"), ("/page", "PUT")):
        assert site.app.test_client().open(url, method=method).text == "the host's page"


@pytest.mark.parametrize("failure", [RuntimeError, ConnectionError, HTTPException, NotFound])
def test_no_error_page_of_a_host_answers_for_a_hook_of_it(failure: type[Exception], build: Build) -> None:
    def lookup(key: str) -> None:
        raise failure

    every = [handling(kind, "app", "blueprint") for kind in (*KINDS, failure)]
    site = build(lambda site: [equip(site) for equip in every], given={"key_lookup": lookup})
    unavailable = (503, {"error": "Service unavailable"})
    assert site.ask() == (unavailable if failure is ConnectionError else FAILED)


TEXTS = {
    400: "Incorrect request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method not allowed",
    413: "Request too large",
    418: "I'm a teapot",
    429: "Too Many Requests",
    451: "Unavailable For Legal Reasons",
    500: "Internal server error",
    503: "Service unavailable",
}
"""What a client hears when a ``before_request`` function aborts: the documented text, where the status has one."""


class PaymentRequired(HTTPException):
    """Werkzeug has no exception of this status."""

    code = 402


def gate(scaffold: str, failure: Callable[[], Any]) -> Equip:
    """A host whose ``before_request`` function fails for the API, for a reason of its own."""

    def equip(site: Site) -> None:
        @getattr(site, scaffold).before_request
        def guard() -> None:
            if request.path == site.url:
                failure()

    return equip


def fail_with(status: int) -> Callable[[], Any]:
    def fail() -> None:
        raise PaymentRequired if status == 402 else abort(status)

    return fail


@pytest.mark.parametrize("handled", [False, True], ids=["plain", "with error pages"])
@pytest.mark.parametrize("status", TEXTS)
def test_what_a_host_aborts_with_before_us_is_json(status: int, handled: bool, build: Build) -> None:
    """Also if it has error pages for just that; see the next test for what is out of reach."""

    def equip(site: Site) -> None:
        gate("blueprint" if site.nested else "app", fail_with(status))(site)
        for kind in KINDS if handled else ():
            handling(kind, "app", "blueprint")(site)

    assert build(equip).ask() == (status, {"error": TEXTS[status]})


def test_a_host_that_handles_a_status_which_werkzeug_does_not_know_answers_itself(build: Build) -> None:
    """Flask asks an app's handler of a status before a blueprint's of all exceptions, and we can have one of every
    status that Werkzeug has an exception for, no more."""
    site = build(lambda site: (gate("app", fail_with(402))(site), handling(PaymentRequired, "app")(site)))
    assert site.app.test_client().post(site.url).text == "the host's page"


@pytest.mark.parametrize("status", [429, 503])
def test_an_abort_keeps_its_headers(status: int, build: Build) -> None:
    site = build(gate("app", lambda: abort(status, retry_after=120)))
    response = site.app.test_client().post(site.url)
    assert (response.status_code, response.mimetype) == (status, "application/json")
    assert response.headers.getlist("Retry-After") == ["120"]
    assert len(response.headers.getlist("Content-Type")) == 1


MODES = ("DEBUG", "TESTING", "PROPAGATE_EXCEPTIONS", "TRAP_HTTP_EXCEPTIONS", "TRAP_BAD_REQUEST_ERRORS")


@pytest.mark.parametrize("mode", MODES)
def test_the_modes_of_an_app_are_for_its_own_pages(mode: str, build: Build) -> None:
    site = build(gate("app", lambda: request.args.get("crash") and crash()), **{mode: True})
    check_api(site)
    assert site.send(query_string="crash=1") == FAILED
    if mode in ("DEBUG", "TESTING", "PROPAGATE_EXCEPTIONS"):
        with pytest.raises(LookupError, match="a bug of the host"):
            site.app.test_client().get("/crash")


@pytest.mark.parametrize("handled", [False, True], ids=["plain", "with error pages"])
def test_a_bug_in_what_a_host_does_after_a_request_is_json_too(handled: bool, build: Build) -> None:
    def equip(site: Site) -> None:
        handling(500, *(["app", "blueprint"] if handled else []))(site)

        @site.app.after_request
        def stamp(response: Response) -> Response:
            return response if response.status_code == 500 else crash()

    assert build(equip).ask() == FAILED


# Limits


LIMITS: dict[str, dict[str, Any]] = {
    "default limits, moving window": {"default_limits": ["2 per hour"], "strategy": "moving-window"},
    "default limits, fixed window": {"default_limits": ["2 per hour"], "strategy": "fixed-window"},
    "default limits, sliding window": {"default_limits": ["2 per hour"], "strategy": "sliding-window-counter"},
    "limits for each method": {"default_limits": ["2 per hour"], "default_limits_per_method": True},
    "application limits": {"application_limits": ["2 per hour"]},
    "meta limits": {"default_limits": ["2 per hour"], "meta_limits": ["1 per hour"]},
    "headers": {"default_limits": ["2 per hour"], "headers_enabled": True},
}


def limiting(**settings: Any) -> Equip:
    return lambda site: Limiter(get_remote_address, app=site.app, storage_uri="memory://", **settings)


@pytest.mark.parametrize("settings", LIMITS.values(), ids=LIMITS)
def test_the_general_limits_of_a_host_are_for_its_pages(settings: dict[str, Any], build: Build) -> None:
    """Nor does the API use them up, nor is a visitor kept from it who has used them up."""
    site = build(limiting(**settings))
    assert [site.ask() for _ in range(5)] == [BALANCE] * 5
    assert site.page_statuses(3) == [200, 200, 429]
    check_api(site)


@pytest.mark.parametrize("settings", [*LIMITS.values(), {"enabled": False}], ids=[*LIMITS, "disabled"])
def test_failed_attempts_stay_exact_beside_the_limits_of_a_host(settings: dict[str, Any], build: Build) -> None:
    site = build(limiting(**settings), given={"key_lookup": MeetingLookup(30)})
    assert sorted(at_once(30, lambda _: site.ask(key=WRONG_KEY)[0])) == [401] * 10 + [429] * 20


def test_a_limiter_that_is_switched_off_limits_nothing_and_our_own_limit_holds(build: Build) -> None:
    site = build(limiting(default_limits=["1 per hour"], enabled=False))
    assert site.page_statuses(3) == [200] * 3
    check_api(site)


def test_an_error_page_for_429_is_for_the_hosts_limits(build: Build) -> None:
    site = build(lambda site: (limiting(default_limits=["1 per hour"])(site), handling(429, "app", "blueprint")(site)))
    assert [site.app.test_client().get("/shop/page").text for _ in range(2)] == ["page", "the host's page"]
    check_api(site)


def test_a_limit_that_a_host_sets_on_the_very_blueprint_is_its_own_decision() -> None:
    """It says: everything in here. Give the API a blueprint without a limit, or ``exempt_when``, if that is not meant.

    The refusal is JSON."""
    site = Site(nested=True)
    limiter = Limiter(get_remote_address, app=site.app, storage_uri="memory://")
    limiter.limit("2 per hour")(site.blueprint)
    site.install()
    site.open_shop()
    assert [site.ask() for _ in range(3)] == [BALANCE, BALANCE, (429, {"error": "Too Many Requests"})]


# CSRF protection


class Profile(FlaskForm):
    name = StringField()


def forms(site: Site) -> None:
    """Pages with a form, and the token that it needs, in the app and in the blueprint."""

    def edit() -> Any:
        form = Profile()
        return "saved" if form.validate_on_submit() else (jsonify(form.errors), 422)

    for scaffold in (site.app, site.blueprint):
        scaffold.add_url_rule("/form", "form", edit, methods=["POST"])
        scaffold.add_url_rule("/token", "token", generate_csrf)


def protecting(site: Site) -> CSRFProtect:
    forms(site)
    return CSRFProtect(site.app)


def check_forms(site: Site, refusal: int = 400) -> None:
    """Each form of the host needs its token, and is content with it."""
    for prefix in ("", "/shop"):
        client = site.app.test_client()
        assert client.post(f"{prefix}/form").status_code == refusal
        token = client.get(f"{prefix}/token").text
        assert client.post(f"{prefix}/form", data={"csrf_token": token}).text == "saved"
        assert client.post(f"{prefix}/form", data={"csrf_token": token[:-1]}).status_code == refusal


def test_csrf_protection_is_for_the_hosts_forms_and_not_for_the_api(build: Build) -> None:
    site = build(protecting)
    check_forms(site)
    check_api(site)
    assert site.app.test_client().post("/page").status_code == 400
    check_forms(site)


def test_csrf_protection_asks_no_api_client_for_a_referrer(build: Build) -> None:
    """As it asks those of forms over HTTPS."""
    site = build(protecting)
    assert site.send(base_url="https://localhost", data={"key": site.key, "action": "balance"}) == BALANCE


def test_forms_without_a_general_protection_need_their_tokens(build: Build) -> None:
    site = build(forms)
    check_forms(site, refusal=422)
    check_api(site)


def test_csrf_protection_by_default_off_leaves_forms_their_own_check(build: Build) -> None:
    site = build(protecting, WTF_CSRF_CHECK_DEFAULT=False)
    check_forms(site, refusal=422)
    assert site.app.test_client().post("/page").status_code == 200
    check_api(site)


def is_ours() -> bool:
    """How a host tells a request to the API from others, wherever that is registered."""
    return (request.endpoint or "").split(".")[-2:] == ["smmapi", "api"]


@pytest.mark.parametrize("spared", [True, False])
def test_a_host_that_calls_the_protection_itself_spares_the_api_by_its_endpoint(spared: bool, build: Build) -> None:
    """``csrf.protect()`` knows no exemptions: they are for the check by default, which this host has switched off."""

    def equip(site: Site) -> None:
        csrf = protecting(site)

        @site.app.before_request
        def check() -> None:
            if not (spared and is_ours()):
                csrf.protect()

    site = build(equip, WTF_CSRF_CHECK_DEFAULT=False)
    check_forms(site)
    assert site.ask() == (BALANCE if spared else INCORRECT)


# Functions of the host that run for every request


LOGIN = (302, "/login")


def members_only(*let_through: Callable[[], bool]) -> Equip:
    """A panel that sends whoever has not logged in to its login page, whatever he asks for."""

    def equip(site: Site) -> None:
        site.app.add_url_rule("/login", "login", lambda: session.update(user=1) or "welcome", methods=["POST"])

        @site.app.before_request
        def require_login() -> Any:
            if "user" in session or request.endpoint == "login" or any(passes() for passes in let_through):
                return None
            return redirect("/login")

    return equip


WAYS: dict[str, Callable[[], bool]] = {
    "by its endpoint": is_ours,
    "by its blueprint": lambda: (request.blueprint or "").split(".")[-1] == "smmapi",
    "by its path": lambda: request.path.rstrip("/").endswith("/api/v2"),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_host_that_requires_a_login_everywhere_lets_the_api_through(way: Callable[[], bool], build: Build) -> None:
    """By its endpoint, for instance, ``smmapi.api``, or ``<parent's name>.smmapi.api`` in a blueprint of the host."""
    site = build(members_only(way))
    check_api(site)
    client = site.app.test_client()
    for url in ("/page", "/shop/page"):
        response = client.get(url)
        assert (response.status_code, response.headers["Location"]) == LOGIN
    assert client.post("/login").text == "welcome"
    assert client.get("/page").text == "page"


def test_a_host_that_lets_nobody_through_has_decided_so(build: Build) -> None:
    """What a ``before_request`` function answers is the answer, and no attempt at anything: nothing of ours runs."""
    site = build(members_only(), given={"key_lookup": crash})
    response = site.app.test_client().post(site.url, data={"key": site.key, "action": "balance"})
    assert (response.status_code, response.headers["Location"]) == LOGIN


def test_the_functions_of_a_parent_blueprint_run_for_the_api_and_those_of_another_do_not(build: Build) -> None:
    seen: list[str] = []

    def equip(site: Site) -> None:
        site.app.before_request(lambda: seen.append("app"))
        site.blueprint.before_request(lambda: seen.append("blueprint"))

    site = build(equip)
    assert site.ask() == BALANCE
    assert seen == (["app", "blueprint"] if site.nested else ["app"])


def test_what_a_host_does_after_and_at_the_end_of_each_request_it_does_for_the_api_too(build: Build) -> None:
    ended: list[BaseException | None] = []

    def equip(site: Site) -> None:
        @site.app.after_request
        def stamp(response: Response) -> Response:
            response.headers["X-Host"] = "panel"
            return response

        site.app.teardown_request(ended.append)

    site = build(equip)
    check_api(site)
    ended.clear()
    for url in (site.url, "/page"):
        assert site.app.test_client().post(url).headers["X-Host"] == "panel"
    assert ended == [None, None]


def test_a_session_that_a_host_keeps_for_every_visitor_is_kept(build: Build) -> None:
    def equip(site: Site) -> None:
        @site.app.before_request
        def count() -> None:
            session["visits"] = session.get("visits", 0) + 1
            g.visits = session["visits"]

        site.app.add_url_rule("/visits", "visits", lambda: str(g.visits))

    site = build(equip)
    check_api(site)
    client = site.app.test_client()
    assert client.get("/visits").text == "1"
    assert client.post(site.url, data={"key": WRONG_KEY}).mimetype == "application/json"
    assert client.get("/visits").text == "3"


# What a host replaces


class OwnJSON(DefaultJSONProvider):
    """Sorts, indents, and writes numbers in a way of its own."""

    sort_keys = True
    compact = False

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return f"/* host */ {super().dumps(obj, indent=4)}"

    def loads(self, s: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


def test_the_json_of_a_host_is_its_own(build: Build) -> None:
    def equip(site: Site) -> None:
        site.app.json = OwnJSON(site.app)
        site.app.add_url_rule("/json", "json", lambda: {"b": 1, "a": 2})

    site = build(equip)
    assert site.app.test_client().get("/json").text.startswith("/* host */ {\n")
    body = {"key": site.key, "action": "balance"}
    for answer in (site.app.test_client().post(site.url, data=body), site.app.test_client().post(site.url, json={})):
        assert not answer.text.startswith("/* host */")
    assert site.app.test_client().post(site.url, data=body).text == '{"balance":"100.00000000","currency":"USD"}'


class OwnResponse(Response):
    """A host's class of answers; its ``after_request`` function relies on what is made in it."""

    default_mimetype = "text/plain"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.maker = "panel"


def test_our_answers_are_of_the_hosts_class(build: Build) -> None:
    def equip(site: Site) -> None:
        site.app.response_class = OwnResponse

        @site.app.after_request
        def stamp(response: OwnResponse) -> OwnResponse:
            response.headers["X-Made-By"] = response.maker
            return response

    site = build(equip)
    check_api(site)
    page = site.app.test_client().get("/page")
    assert (page.mimetype, page.headers["X-Made-By"]) == ("text/plain", "panel")
    assert site.app.test_client().post(site.url).headers["X-Made-By"] == "panel"


def test_the_size_limits_of_a_host_are_for_its_own_pages(build: Build) -> None:
    def equip(site: Site) -> None:
        site.app.add_url_rule("/upload", "upload", lambda: str(len(request.form)), methods=["POST"])

    site = build(equip, MAX_CONTENT_LENGTH=30, MAX_FORM_MEMORY_SIZE=10, MAX_FORM_PARTS=1)
    assert site.app.test_client().post("/upload", data={"a": "b"}).text == "1"
    assert site.app.test_client().post("/upload", data={"a": "b" * 40}).status_code == 413
    check_api(site)
    assert site.app.test_client().post("/upload", data={"a": "b" * 40}).status_code == 413


# Addresses


def test_a_prefix_from_the_config_comes_after_that_of_the_blueprint(build: Build) -> None:
    site = build(SMMAPI_URL_PREFIX="/reseller")
    assert site.app.test_client().post(site.url).status_code == 404
    site.url = f"{'/shop' if site.nested else ''}/reseller/api/v2"
    check_api(site)


@pytest.mark.parametrize("methods", [["GET"], ["GET", "POST"]])
def test_a_page_for_all_addresses_that_are_nobodys_leaves_ours_alone(methods: list[str], build: Build) -> None:
    def equip(site: Site) -> None:
        for scaffold in (site.app, site.blueprint):
            scaffold.add_url_rule("/<path:path>", "front", lambda path: f"front of {path}", methods=methods)

    site = build(equip)
    check_api(site)
    assert site.app.test_client().get("/api/v3").text == "front of api/v3"


def test_a_host_that_does_not_tell_slashes_apart_answers_at_both_urls_too(build: Build) -> None:
    def equip(site: Site) -> None:
        site.app.url_map.strict_slashes = False

    site = build(equip)
    check_api(site)
    site.url += "/"
    assert site.ask(key="x")[0] == 429


def test_languages_in_every_address_of_a_host() -> None:
    """Its functions take the language out of an address and put it in again, as Flask's documentation shows."""
    site = Site(nested=True)

    @site.app.url_value_preprocessor
    def pull(endpoint: str | None, values: dict[str, Any] | None) -> None:
        g.language = values.pop("language", "en") if values else "en"

    @site.app.url_defaults
    def push(endpoint: str, values: dict[str, Any]) -> None:
        values.setdefault("language", g.language)

    site.install()
    site.app.register_blueprint(site.blueprint, url_prefix="/<language>/shop")
    site.url = "/de/shop/api/v2"
    check_api(site)


def test_an_app_that_is_mounted_beside_others(build: Build) -> None:
    site = build(APPLICATION_ROOT="/panel")
    site.app.wsgi_app = DispatcherMiddleware(NotFound(), {"/panel": site.app.wsgi_app})  # type: ignore[method-assign]
    client = Client(site.app)
    assert client.post(site.url).status_code == 404
    site.url = f"/panel{site.url}"
    check_api(site)


def test_a_parent_in_a_subdomain_takes_the_api_there() -> None:
    site = Site(nested=True, SERVER_NAME="panel.test")
    site.app = Flask("host", subdomain_matching=True)
    site.app.config["SERVER_NAME"] = "panel.test"
    site.app.add_url_rule("/page", "page", lambda: "page")
    site.blueprint = Blueprint("shop", "shop", subdomain="api")
    site.install()
    site.app.register_blueprint(site.blueprint)
    site.url = "http://api.panel.test/api/v2"
    check_api(site)
    for host, status in (("panel.test", 404), ("www.panel.test", 404)):
        assert site.app.test_client().post(f"http://{host}/api/v2").status_code == status
    assert site.app.test_client().get("http://panel.test/page").text == "page"


@pytest.mark.parametrize("host", ["localhost", "panel.test", "other.panel.test:8080"])
def test_the_name_of_the_server_in_the_config_binds_nobody_without_subdomains(host: str, build: Build) -> None:
    site = build(SERVER_NAME="panel.test")
    site.url = f"http://{host}{site.url}"
    check_api(site)


@pytest.mark.parametrize("host", ["panel.test", "other.test:8080"])
def test_an_app_that_matches_hosts_has_the_api_on_all_of_them(host: str, nested: bool) -> None:
    """A blueprint can say nothing of hosts; a ``before_request`` function can, if one host alone shall have it."""
    site = Site(nested)
    site.app = Flask("host", host_matching=True, static_host="panel.test")
    site.app.add_url_rule("/page", "page", lambda: "page", host="panel.test")
    site.install()
    site.open_shop()
    site.url = f"http://{host}{site.url}"
    check_api(site)
    assert site.app.test_client().get("http://panel.test/page").text == "page"
    assert site.app.test_client().get("http://other.test/page").status_code == 404


# A factory


FACTORY_BLUEPRINT = Blueprint("outlet", "outlet")


def create_app(nested: bool, **settings: Any) -> Site:
    """What a factory does at each call; the blueprint is made once, where the module is imported."""
    site = Site(nested, **settings)
    site.blueprint = FACTORY_BLUEPRINT if nested else Blueprint("outlet", "outlet")
    Limiter(get_remote_address, app=site.app, default_limits=["1 per hour"], storage_uri="memory://")
    CSRFProtect(site.app)
    site.install()
    site.open_shop()
    prefix = settings.get("SMMAPI_URL_PREFIX", "")
    site.url = f"{'/shop' if nested else ''}{prefix}/api/v2"
    return site


def test_the_apps_of_a_factory_have_nothing_in_common_but_the_code(nested: bool) -> None:
    shared = {"nested": nested, "SMMAPI_DIALECT": "standard"}
    one = create_app(**shared, SMMAPI_CURRENCY="EUR", SMMAPI_FAILED_ATTEMPTS="2 per hour", SMMAPI_URL_PREFIX="/one")
    other = create_app(**shared, SMMAPI_CURRENCY="GBP", SMMAPI_FAILED_ATTEMPTS="3 per hour", SMMAPI_MAX_IDS=1)
    assert one.ask() == (200, {"balance": "100.00000000", "currency": "EUR"})
    assert other.ask() == (200, {"balance": "100.00000000", "currency": "GBP"})
    assert other.ask(key=one.key) == NO_KEY
    assert one.ask("status", orders="1,2")[0] == 200
    assert other.ask("status", orders="1,2") == (400, {"error": "Maximum 1 orders per request"})
    assert [one.guesses(3), other.guesses(3)] == [[401, 401, 429], [401, 401, 429]]
    for site in (one, other):
        assert site.page_statuses(2) == [200, 429]
        assert len([rule for rule in site.app.url_map.iter_rules() if rule.endpoint.endswith("smmapi.api")]) == 2
    assert other.app.test_client().post(one.url).status_code == 404
