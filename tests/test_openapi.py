"""``GET /api/v2/openapi.json``: valid OpenAPI 3.1, whose examples are what the server does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from flask_smmapi import SmmApi
from flask_smmapi.actions import ACTIONS
from flask_smmapi.hooks import DIALECT_NAMES
from flask_smmapi.openapi import BODIES, build
from flask_smmapi.reference import SHOWN
from flask_smmapi.service_types import SERVICE_TYPES
from flask_smmapi.stores.memory import MemoryStore

from .test_reference import served, shaped

URL = "/api/v2/openapi.json"


@pytest.fixture(scope="module", params=DIALECT_NAMES)
def dialect(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def document(dialect: str) -> Any:
    """As it is served."""
    client, _ = served(dialect)
    return client.get(URL).get_json()


@pytest.fixture(scope="module")
def operation(document: Any) -> Any:
    return document["paths"]["/api/v2"]["post"]


@pytest.fixture(scope="module")
def takes(document: Any) -> Callable[[Any, Any], bool]:
    """Whether a schema of the document takes a value."""
    registry = Registry().with_resource("urn:api", Resource.from_contents(document, DRAFT202012))

    def resolved(schema: Any) -> Any:
        if isinstance(schema, dict):
            return {name: f"urn:api{value}" if name == "$ref" else resolved(value) for name, value in schema.items()}
        return [resolved(value) for value in schema] if isinstance(schema, list) else schema

    return lambda schema, value: Draft202012Validator(resolved(schema), registry=registry).is_valid(value)


def test_it_is_valid(document: Any) -> None:
    validate(document, cls=OpenAPIV31SpecValidator)


def test_the_action_says_which_schema_a_body_has(document: Any) -> None:
    request = document["components"]["schemas"]["Request"]
    mapping = request["discriminator"]["mapping"]
    assert list(mapping) == list(ACTIONS)
    assert [{"$ref": target} for target in mapping.values()] == request["oneOf"]
    assert {target.rpartition("/")[2] for target in mapping.values()} <= set(document["components"]["schemas"])


def test_there_is_an_order_of_each_type(document: Any) -> None:
    titles = {schema.get("title") for schema in document["components"]["schemas"].values()}
    assert {f"add: {type_}" for type_ in SERVICE_TYPES} <= titles


def test_every_kind_of_body_is_named(operation: Any) -> None:
    assert set(operation["requestBody"]["content"]) == set(BODIES)


@pytest.mark.parametrize("media", BODIES)
def test_each_example_is_what_the_server_does(operation: Any, dialect: str, media: str, takes: Any) -> None:
    content = operation["requestBody"]["content"][media]
    answers = {
        (name, int(status)): example["value"]
        for status, response in operation["responses"].items()
        for name, example in response["content"]["application/json"]["examples"].items()
    }
    for name, example in content["examples"].items():
        assert takes(content["schema"], example["value"])
        client, key = served(dialect)
        body = {**example["value"], "key": key}
        sent = {"json": body} if media == "application/json" else {"data": body, "content_type": media}
        response = client.post("/api/v2", **sent)
        answer = response.get_json()
        if name.startswith("type_"):
            assert (response.status_code, list(answer)) == (200, ["order"]), name
        else:
            shown = answer[:SHOWN] if name == "services_all" else answer
            assert shaped(shown) == shaped(answers[name, response.status_code]), name


def test_each_answer_has_the_form_that_is_told(operation: Any, takes: Any) -> None:
    for response in operation["responses"].values():
        content = response["content"]["application/json"]
        assert content["examples"]
        for name, example in content["examples"].items():
            assert takes(content["schema"], example["value"]), name


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "balance"},
        {"key": "k", "action": "bankrupt"},
        {"key": "k", "action": "status"},
        {"key": "k", "action": "add", "service": 1},
        {"key": "k", "action": "add", "service": "1e3", "link": "x", "quantity": "10"},
        {"key": "k", "action": "add", "service": 1, "link": "x", "quantity": -1, "request_id": "short"},
        {"key": "k", "action": "add", "service": 1, "link": "x", "quantity": 10, "unknown": ["nested"]},
        {"key": "k", "action": "balance", "unknown": {}},
        {"key": "k", "action": "status", "order": " "},
        {"key": "k", "action": "status", "orders": ","},
        {"key": "k", "action": "status", "order": "None"},
        {"key": "k", "action": "refill", "orders": "undefined"},
    ],
)
def test_what_the_server_would_refuse_whatever_the_service_is_no_request(body: Any, takes: Any) -> None:
    assert not takes({"$ref": "#/components/schemas/Request"}, body)


@pytest.mark.parametrize(
    "body",
    [
        {"key": "k", "action": "add", "service": "1", "link": "x", "quantity": "10"},
        {"key": "k", "action": "add", "service": 1, "link": "x", "quantity": 10, "unknown": True},
        {"key": "k", "action": "add", "service": 1, "link": "x", "comments": ["a", "b"]},
        {"key": "k", "action": "status", "orders": [1, "507f1f77bcf86cd799439011"]},
        {"key": "k", "action": "status", "order": 1},
    ],
)
def test_what_the_server_takes_is_a_request(body: Any, takes: Any) -> None:
    assert takes({"$ref": "#/components/schemas/Request"}, body)


class TestWhere:
    def get(self, url: str, **config: Any) -> Any:
        app = Flask("where")
        app.config.update(config)
        SmmApi(app, store=MemoryStore())
        return app.test_client().get(url)

    def test_it_names_the_address_of_the_api(self) -> None:
        assert list(self.get("/shop" + URL, SMMAPI_URL_PREFIX="/shop").get_json()["paths"]) == ["/shop/api/v2"]

    def test_it_is_beside_the_page(self) -> None:
        assert self.get("/openapi.json", SMMAPI_DOCS_PATH="/reference").status_code == 200

    def test_it_goes_with_the_page(self) -> None:
        assert self.get(URL, SMMAPI_DOCS_PATH=None).status_code == 404

    def test_it_is_not_there_without_apispec(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("flask_smmapi.docs.find_spec", lambda name: None)
        assert self.get(URL).status_code == 404
        assert "openapi.json" not in self.get("/api/v2/docs").text

    def test_it_has_the_limit_of_the_app(self) -> None:
        assert "Maximum 7 orders per request" in str(self.get(URL, SMMAPI_MAX_IDS=7).get_json())
        assert "Maximum 7 orders" not in str(build("/api/v2", "API", "standard", 100))
