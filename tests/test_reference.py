"""The reference leaves nothing of the protocol out, and its examples are what the server does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_smmapi import OrderStatus, SmmApi, errors
from flask_smmapi.actions import ACTIONS
from flask_smmapi.errors import SmmError, UnreadableBody
from flask_smmapi.hooks import DIALECT_NAMES
from flask_smmapi.reference import (
    ACCOUNT,
    ACTIONS_IN_WORDS,
    LAST,
    PARAMETERS,
    REFILL_WORDS,
    SHOWN,
    STATUS_WORDS,
    Played,
    add_params,
    failures,
    object_id,
    play,
    sample_store,
)
from flask_smmapi.service_types import FIELDS, SERVICE_TYPES
from flask_smmapi.statuses import HIDDEN, RefillStatus


def served(dialect: str) -> tuple[FlaskClient, str]:
    """A client of the examples' panel, and a key of its account."""
    app = Flask("reference")
    app.config["SMMAPI_DIALECT"] = dialect
    store = sample_store()
    SmmApi(app, store=store)
    return app.test_client(), store.create_key(ACCOUNT.id)


def examples() -> Iterator[Any]:
    for dialect in DIALECT_NAMES:
        for action in ACTIONS:
            for example in play(action, dialect):
                yield pytest.param(dialect, example, id=f"{action}, {example.form}, {dialect}")


class TestNothingIsLeftOut:
    def test_of_the_actions(self) -> None:
        assert list(ACTIONS_IN_WORDS) == list(ACTIONS)

    def test_of_the_parameters(self) -> None:
        assert set(PARAMETERS) == {"link", *FIELDS}

    def test_of_the_statuses(self) -> None:
        assert set(STATUS_WORDS) == set(OrderStatus) - HIDDEN
        assert set(REFILL_WORDS) == set(RefillStatus)

    def test_of_the_failures(self) -> None:
        every = {failure for failure in vars(errors).values() if isinstance(failure, type)} - {SmmError, UnreadableBody}
        told = [type(failure) for failure, _ in failures(max_ids=100)]
        assert set(told) == {failure for failure in every if issubclass(failure, SmmError)}
        assert len(told) == len(set(told))

    def test_of_a_limit_that_the_host_has_set(self) -> None:
        assert "Maximum 7 orders per request" in [str(failure) for failure, _ in failures(max_ids=7)]


@pytest.mark.parametrize(("dialect", "example"), list(examples()))
def test_an_example_is_what_the_server_does(dialect: str, example: Played) -> None:
    client, key = served(dialect)
    response = client.post("/api/v2", data={"key": key, **example.params})
    assert response.status_code == example.status
    answer = response.get_json()
    if example.params["action"] == "services":
        answer = answer[:SHOWN]
    assert shaped(answer) == shaped(example.answer)


def shaped(answer: Any) -> str:
    """*answer* as text; an ObjectId that was minted for it is the one that the examples have in its place."""
    minted = {object_id(number) for number in range(20)}
    text = json.dumps(answer)
    for found in set(_object_ids(text)) - minted:
        text = text.replace(found, object_id(LAST + 1))
    return text


def _object_ids(text: str) -> Iterator[str]:
    for word in text.split('"'):
        if len(word) == 24 and set(word) <= set("0123456789abcdef"):
            yield word


@pytest.mark.parametrize("type_", SERVICE_TYPES)
def test_an_order_of_each_type_is_taken(type_: str) -> None:
    client, key = served("standard")
    response = client.post("/api/v2", data={"key": key, "action": "add", **add_params(type_)})
    assert (response.status_code, list(response.get_json())) == (200, ["order"])


@pytest.mark.parametrize(("type_", "row"), list(SERVICE_TYPES.items()))
def test_the_example_of_an_optional_parameter_is_taken(type_: str, row: Any) -> None:
    client, key = served("standard")
    optional = {name: PARAMETERS[name].example for name in row.optional}
    response = client.post("/api/v2", data={"key": key, "action": "add", **add_params(type_), **optional})
    assert (response.status_code, list(response.get_json())) == (200, ["order"])
