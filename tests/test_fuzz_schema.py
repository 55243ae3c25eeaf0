"""What our own OpenAPI document says may be asked, and what it says may not: Schemathesis makes it up.

Each answer is one of those that the document tells of, and the books are right, as in tests/test_fuzz_bodies.py. The
requests go into the app by WSGI.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import schemathesis
from hypothesis import assume, given
from hypothesis import strategies as st
from schemathesis import GenerationMode, checks

from flask_smmapi.hooks import DIALECT_NAMES

from .fuzzing import check_failure, effort, tried
from .panel import LINK, SERVICES
from .test_fuzz_bodies import Books

DOCUMENTED = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]

# Werkzeug's client leaves the file open in which it puts a multipart body of more than 500,000 bytes.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


@pytest.fixture(autouse=True)
def _no_file_is_left_to_another_test() -> Iterator[None]:
    yield
    gc.collect()


MULTIPART = "multipart/form-data"

KNOWN: dict[str, Any] = {
    "service": st.sampled_from([row.id for row in SERVICES]).flatmap(lambda id_: st.sampled_from([id_, str(id_)])),
    "link": st.just(LINK),
    "quantity": st.integers(1, 20_000),
    **dict.fromkeys(("order", "refill"), st.integers(1, 3)),
    **dict.fromkeys(("orders", "refills"), st.lists(st.integers(1, 3), min_size=1) | st.just("1,2,no")),
}
"""What the document cannot know: what there is to be ordered, and what was."""


@cache
def opened(dialect: str) -> tuple[Books, Any]:
    """A panel, and the operation that its document describes."""
    books = Books(dialect)
    schema = schemathesis.openapi.from_wsgi("/api/v2/openapi.json", books.panel.app)
    return books, schema["/api/v2"]["POST"]


def try_one(dialect: str, case: Any, known: dict[str, Any], *, key: bool) -> Any:
    """Ask, with so much in it that is known, and give the answer."""
    tried["requests from the OpenAPI document"] += 1
    books, _ = opened(dialect)
    books.begin_if_full()
    if isinstance(case.body, dict):
        case.body.update({name: value for name, value in known.items() if name in case.body})
        case.body.update({"key": books.panel.key} if key else {})
    response = case.call(app=books.panel.app, headers={"Accept-Encoding": "identity"})  # nobody unpacks it here
    case.validate_response(response, checks=DOCUMENTED)
    answer = response.json()
    check_failure(response.status_code, answer)
    books.check()
    return answer


def cases(dialect: str, mode: GenerationMode) -> Any:
    return opened(dialect)[1].as_strategy(generation_mode=mode)


some_known = st.just({}) | st.fixed_dictionaries({}, optional=KNOWN)


@pytest.mark.parametrize("dialect", DIALECT_NAMES)
def test_what_the_document_takes_is_a_request(dialect: str) -> None:
    """It may be refused for what it asks; never for its form.

    But Werkzeug's client writes names into multipart as they are, a line end or a quote too.
    """

    @effort(usual=25, percent=2)
    @given(case=cases(dialect, GenerationMode.POSITIVE), known=some_known)
    def ask(case: Any, known: dict[str, Any]) -> None:
        assume(case.media_type != MULTIPART or all(name.isprintable() and '"' not in name for name in case.body))
        assert try_one(dialect, case, known, key=True) != {"error": "Incorrect request"}

    ask()


@pytest.mark.parametrize("dialect", DIALECT_NAMES)
def test_what_the_document_does_not_take_is_answered_as_it_says(dialect: str) -> None:
    @effort(usual=25, percent=2)
    @given(
        case=cases(dialect, GenerationMode.NEGATIVE), known=some_known, key=st.sampled_from([True, True, True, False])
    )
    def ask(case: Any, known: dict[str, Any], key: bool) -> None:
        try_one(dialect, case, known, key=key)

    ask()
