"""The PHP class that panels print on their API page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..panel import LINK
from .contract import ClientContract
from .programs import Client, Program, find, started

HAS_CURL = 'exit(extension_loaded("curl") ? 0 : 1);'


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    with started(find("php", "-r", HAS_CURL), "-d", "display_errors=stderr", "client.php") as program:
        yield program


class TestThePhpClass(ClientContract):
    def test_a_body_that_its_curl_announces_first_is_answered(self, client: Client) -> None:
        """It sends ``Expect: 100-continue`` with a body of more than 1 MiB; older ones do from 1 KiB on."""
        comments = "A comment\n" * 200_000
        assert client("order", {"service": 3, "link": LINK, "comments": comments}) == {"error": "Request too large"}

    def test_false_is_no_value(self, client: Client) -> None:
        """PHP writes it into a form as nothing."""
        order = client("order", {"service": 123, "link": LINK, "quantity": 1000, "runs": False, "interval": False})
        assert client("status", order["order"])["remains"] == "1000"
