"""Node's own fetch, with a form and with JSON."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..panel import LINK
from .contract import LIKES, ClientContract
from .programs import Client, Program, find, started

HAS_FETCH = 'process.exit(typeof fetch === "function" ? 0 : 1)'


@pytest.fixture(scope="module")
def node() -> str:
    return find("node", "-e", HAS_FETCH)


@pytest.fixture(scope="module")
def with_a_form(node: str) -> Iterator[Program]:
    with started(node, "client.mjs", "form") as program:
        yield program


@pytest.fixture(scope="module")
def with_json(node: str) -> Iterator[Program]:
    with started(node, "client.mjs", "json") as program:
        yield program


class TestAForm(ClientContract):
    @pytest.fixture
    def program(self, with_a_form: Program) -> Program:
        return with_a_form

    def test_undefined_and_null_are_no_values(self, client: Client) -> None:
        """URLSearchParams writes them out."""
        order = client("order", {**LIKES, "interval": None})["order"]
        assert client("sent").endswith("&comments=undefined&runs=undefined&interval=null")
        assert client("status", order)["remains"] == "1000"

    def test_an_array_is_a_comma_list(self, client: Client) -> None:
        order = client("order", LIKES)["order"]
        assert list(client("multiStatus", [order])) == [str(order)]
        assert client("sent").endswith(f"&orders={order}")


class TestJson(ClientContract):
    @pytest.fixture
    def program(self, with_json: Program) -> Program:
        return with_json

    def test_null_is_no_value(self, client: Client) -> None:
        order = client("order", {**LIKES, "runs": None, "interval": None})["order"]
        assert '"runs":null,"interval":null' in client("sent")
        assert client("status", order)["remains"] == "1000"

    def test_an_array_stays_one(self, client: Client) -> None:
        order = client("order", LIKES)["order"]
        assert list(client("multiStatus", [order, str(order)])) == [str(order)]
        assert f'"orders":[{order},"{order}"]' in client("sent")

    def test_comments_may_be_an_array(self, client: Client) -> None:
        order = client("order", {"service": 3, "link": LINK, "comments": ["One", "Two\nThree"]})["order"]
        assert client("status", order)["remains"] == "3"
