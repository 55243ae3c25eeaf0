"""``GET /api/v2/docs``: all that a reseller must know, in a page that any host can make its own."""

from __future__ import annotations

import logging
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask
from flask.testing import FlaskClient

from flask_smmapi import SmmApi, docs
from flask_smmapi.actions import ACTIONS
from flask_smmapi.reference import STATUS_WORDS, failures
from flask_smmapi.service_types import FIELDS, SERVICE_TYPES
from flask_smmapi.statuses import ORDER_STATUSES
from flask_smmapi.stores.memory import MemoryStore

from .panel import Panel

URL = "/api/v2/docs"
ASSETS = ("docs.css", "docs.js")


def app_with(app: Flask | None = None, **config: Any) -> Flask:
    app = app or Flask("panel")
    app.config.update(config)
    SmmApi(app, store=MemoryStore())
    return app


@pytest.fixture(scope="module")
def html() -> str:
    return app_with().test_client().get(URL).text


def fetch(client: FlaskClient, url: str) -> tuple[int, bytes]:
    """The status and the content; the file that it came from is closed again."""
    with client.get(url) as response:
        return response.status_code, response.data


class Tags(HTMLParser):
    """Every tag of a page, with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


class TestItSays:
    def test_every_action(self, html: str) -> None:
        assert [name for name in ACTIONS if f'id="action-{name}"' not in html] == []

    def test_every_type_and_every_parameter(self, html: str) -> None:
        assert [name for name in SERVICE_TYPES if f"<summary>{name}</summary>" not in html] == []
        assert [name for name in ("link", *FIELDS) if f'id="parameter-{name}"' not in html] == []

    def test_every_text_of_a_failure(self, html: str) -> None:
        texts = unescape(html)
        assert [str(failure) for failure, _ in failures(max_ids=100) if f"<code>{failure}</code>" not in texts] == []

    def test_every_status_word(self, html: str) -> None:
        words = {word for status in STATUS_WORDS for word in ORDER_STATUSES[status][:2]}
        assert [word for word in words if f"<code>{word}</code>" not in html] == []

    def test_the_limits_of_this_app(self) -> None:
        html = app_with(SMMAPI_MAX_IDS=4321, SMMAPI_FAILED_ATTEMPTS="3 per hour").test_client().get(URL).text
        assert "4,321" in html
        assert "3 per hour" in html

    def test_its_own_address_in_each_language(self) -> None:
        html = app_with().test_client().get(URL, base_url="https://shop.example").text
        assert html.count("https://shop.example/api/v2") == 1 + 4  # on its own, and in each language
        assert "panel.example" not in html

    def test_the_form_of_a_key_if_it_is_the_documents(self, html: str) -> None:
        assert "XXXXXXXX.XXXXXXXX-XXXXXXXX" in html
        assert "XXXXXXXX" not in app_with(SMMAPI_KEY_PATTERN="[0-9a-f]{32}").test_client().get(URL).text

    @pytest.mark.parametrize("dialect", ["standard", "panel"])
    def test_the_apps_own_dialect_first(self, dialect: str) -> None:
        tags = Tags(app_with(SMMAPI_DIALECT=dialect).test_client().get(URL).text).found
        checked = [attributes["id"] for _, attributes in tags if "checked" in attributes]
        assert checked == [f"dialect-{dialect}", "language-curl"]

    def test_nothing_that_a_caller_wrote_unescaped(self) -> None:
        html = app_with().test_client().get(URL, headers={"Host": 'x"><script>alert(1)</script>'}).text
        assert "<script>alert" not in html


class TestThePage:
    def test_has_ids_that_are_unique_and_links_that_lead_somewhere(self, html: str) -> None:
        tags = Tags(html).found
        ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
        assert len(ids) == len(set(ids))
        targets = [attributes["href"] for tag, attributes in tags if tag == "a"]
        assert [href for href in targets if href and href.startswith("#") and href[1:] not in ids] == []

    def test_has_a_label_for_each_field(self, html: str) -> None:
        tags = Tags(html).found
        labelled = {attributes.get("for") for tag, attributes in tags if tag == "label"}
        fields = [attributes for tag, attributes in tags if tag in ("input", "select")]
        assert [field for field in fields if field.get("type") != "radio" and field["id"] not in labelled] == []

    def test_has_nothing_inline_and_nothing_of_another_host(self, html: str) -> None:
        for tag, attributes in Tags(html).found:
            assert tag != "style"
            assert not [name for name in attributes if name == "style" or name.startswith("on")]
            if tag in ("script", "link", "img"):
                assert re.match(r"/api/v2/docs/|data:,$", str(attributes.get("src") or attributes["href"]))

    def test_sends_no_key_by_itself(self, html: str) -> None:
        [form] = [attributes for tag, attributes in Tags(html).found if tag == "form"]
        assert "hidden" in form  # until the script shows it
        fields = [attributes for tag, attributes in Tags(html).found if tag == "input"]
        assert [field["id"] for field in fields if field.get("name") and field["type"] != "radio"] == []

    def test_is_small(self) -> None:
        client = app_with().test_client()
        urls = (URL, *(f"{URL}/{name}" for name in ASSETS))
        assert sum(len(fetch(client, url)[1]) for url in urls) < 100_000

    def test_is_strict_about_what_may_run(self) -> None:
        headers = app_with().test_client().get(URL).headers
        policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
        assert (
            policy["default-src"]
            == policy["form-action"]
            == policy["base-uri"]
            == policy["frame-ancestors"]
            == "'none'"
        )
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"

    def test_is_no_request_of_the_api(self, caplog: pytest.LogCaptureFixture) -> None:
        client = app_with().test_client()
        with caplog.at_level(logging.INFO, "flask_smmapi"):
            assert client.get(URL).status_code == 200
            assert client.post(URL).status_code == 405
        assert caplog.records == []

    @pytest.mark.parametrize("name", ["nothing.css", "../config.py", "..%2fconfig.py", "%2e%2e/docs.py"])
    def test_serves_no_other_file(self, name: str) -> None:
        assert app_with().test_client().get(f"{URL}/{name}").status_code == 404


class TestWhere:
    def test_with_and_without_a_slash(self) -> None:
        client = app_with().test_client()
        assert client.get(f"{URL}/").status_code == client.get(URL).status_code == 200

    def test_behind_the_prefix(self) -> None:
        client = app_with(SMMAPI_URL_PREFIX="/shop").test_client()
        assert 'data-url="/shop/api/v2"' in client.get(f"/shop{URL}").text

    def test_moved(self) -> None:
        client = app_with(SMMAPI_DOCS_PATH="/reference").test_client()
        assert client.get(URL).status_code == 404
        html = client.get("/reference").text
        assert 'data-url="/api/v2"' in html
        assert b"color-scheme" in fetch(client, re.findall(r'stylesheet" href="([^"]+)"', html)[0])[1]

    def test_nowhere(self) -> None:
        client = app_with(SMMAPI_DOCS_PATH=None).test_client()
        assert fetch(client, URL)[0] == fetch(client, f"{URL}/docs.css")[0] == 404
        assert client.post("/api/v2").status_code == 401

    @pytest.mark.parametrize("path", ["", "docs", 1, "/<id>", "/a b"])
    def test_at_a_path_that_cannot_be(self, path: Any) -> None:
        with pytest.raises(RuntimeError, match="it must be a path such as '/api/v2/docs', or None"):
            app_with(SMMAPI_DOCS_PATH=path)

    def test_in_a_blueprint_of_the_host_with_a_variable(self) -> None:
        app, parent = Flask("panel"), Blueprint("shop", __name__, url_prefix="/<tenant>")
        SmmApi(app, store=MemoryStore(), parent=parent)
        app.register_blueprint(parent)
        html = app.test_client().get(f"/anna{URL}").text
        assert 'data-url="/anna/api/v2"' in html
        assert fetch(app.test_client(), f"/anna{URL}/docs.js")[0] == 200
        assert list(app.test_client().get("/anna/api/v2/openapi.json").get_json()["paths"]) == ["/anna/api/v2"]

    def test_where_hosts_are_matched(self) -> None:
        app = app_with(Flask("panel", host_matching=True, static_host="static.example"))
        html = app.test_client().get(URL, base_url="http://shop.example").text
        assert "http://shop.example/api/v2" in html

    def test_of_each_of_two_apps(self) -> None:
        smmapi = SmmApi(store=MemoryStore())
        apps = [Flask(f"app {number}") for number in range(2)]
        apps[0].config["SMMAPI_DOCS_PATH"] = None
        for app in apps:
            smmapi.init_app(app)
        assert [app.test_client().get(URL).status_code for app in apps] == [404, 200]

    def test_with_a_blueprint_of_that_name(self) -> None:
        app = Flask("panel")
        app.register_blueprint(Blueprint("smmapi_docs", __name__))
        with pytest.raises(
            RuntimeError, match="has a blueprint of its own that is named smmapi_docs; give that another"
        ):
            app_with(app)


class TestItsLook:
    def test_is_the_hosts_where_it_has_a_template(self, tmp_path: Path) -> None:
        folder = tmp_path / "templates" / "smmapi"
        folder.mkdir(parents=True)
        (folder / "docs.html").write_text(
            '{% extends "smmapi/docs_base.html" %}{% block title %}Anna\'s API{% endblock %}'
            "{% block footer %}Ask Anna.{% endblock %}"
        )
        html = app_with(Flask("panel", root_path=str(tmp_path))).test_client().get(URL).text
        assert "<title>Anna's API</title>" in html
        assert "Ask Anna." in html
        assert 'id="action-add"' in html

    def test_keeps_a_policy_that_the_host_has_set(self) -> None:
        app = app_with()
        app.after_request(lambda response: response.headers.set("Content-Security-Policy", "default-src *") or response)
        assert app.test_client().get(URL).headers["Content-Security-Policy"] == "default-src *"


def test_the_page_leaves_the_api_as_it_is() -> None:
    panel = Panel()
    assert panel.send(method="GET").status == 405
    assert panel.post("balance").status == 200


class TestItsDocumentation:
    PAGE = (Path(__file__).parent.parent / "docs" / "reference-pages.md").read_text("utf-8")

    def block(self, language: str) -> str:
        [found] = re.findall(rf"^```{language}\n(.+?)^```$", self.PAGE, re.MULTILINE | re.DOTALL)
        return found

    def test_moves_it_as_it_says(self) -> None:
        app = Flask("panel")
        exec(compile(self.block("python"), "docs", "exec"), {"app": app})
        client = app_with(app).test_client()
        assert client.get("/reference").status_code == client.get("/openapi.json").status_code == 200

    def test_restyles_it_as_it_says(self, tmp_path: Path) -> None:
        folder = tmp_path / "templates" / "smmapi"
        folder.mkdir(parents=True)
        (folder / "docs.html").write_text(self.block("html"))
        html = app_with(Flask("panel", root_path=str(tmp_path))).test_client().get(URL).text
        assert "<title>API of my panel</title>" in html
        assert '<link rel="stylesheet" href="/static/api.css">' in html
        assert '<h1><a href="/">My panel</a></h1>' in html
        assert "Write to us." in html

    def test_names_every_block_and_every_colour(self) -> None:
        package = Path(docs.__file__).parent
        template = (package / "templates" / "smmapi" / "docs_base.html").read_text("utf-8")
        for block in re.findall(r"\{% block (\w+) %\}", template):
            assert f"`{block}`" in self.PAGE
        for colour in set(
            re.findall(r"^  (--[a-z]+):", (package / "static" / "docs.css").read_text("utf-8"), re.MULTILINE)
        ):
            assert f"`{colour}`" in self.PAGE
