"""The examples that resellers are shown: each file is run as it is, with a served app's address, key and ids in it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from subprocess import CompletedProcess, run
from textwrap import indent
from typing import Any, TypeAlias

import pytest
from flask import Flask, request

import flask_smmapi
from flask_smmapi import Order, Refill
from flask_smmapi.actions import ACTIONS
from flask_smmapi.snippets import ADDRESS, CLIENT, FILES, KEY, ORDER_IDS, REFILL_ID, read_snippets

from ..panel import SERVICES, WRONG_KEY, Panel, serve
from .programs import TIMEOUT, find
from .test_node import HAS_FETCH
from .test_php import HAS_CURL

SNIPPETS = read_snippets()
SOURCES = {
    language: (Path(flask_smmapi.__file__).parent / "snippets" / name).read_text("utf-8")
    for language, name in FILES.items()
}
WITH_A_CLIENT = [language for language in FILES if language != "curl"]
SCOPES = {
    "curl": ("(", ")"),
    "PHP": ("(function () {", "})();"),
    "Python": ("def section() -> None:", "section()"),
    "JavaScript": ("{", "}"),
}
"""What a language puts around lines whose names are to be seen by nobody else."""

ORDER = ["balance", "services", "add", "status", "cancel", "refill", "refill_status"]

Run: TypeAlias = "Callable[..., CompletedProcess[str]]"


def command(language: str) -> list[str]:
    """What runs a file of that language; a warning is an error, or at least seen."""
    if language == "curl":
        find("curl")
        return [find("bash")]
    if language == "PHP":
        return [find("php", "-r", HAS_CURL), "-d", "error_reporting=-1", "-d", "display_errors=stderr"]
    if language == "Python":
        return [sys.executable, "-W", "error"]
    return [find("node", "-e", HAS_FETCH)]


@pytest.fixture
def start(tmp_path: Path) -> Run:
    """Runs a source of that language, with what stands for the reader's own replaced."""

    def start(language: str, source: str, own: dict[str, str]) -> CompletedProcess[str]:
        for placeholder, value in own.items():
            source = source.replace(placeholder, value)
        file = tmp_path / FILES[language]
        file.write_text(source, "utf-8")
        return run([*command(language), str(file)], capture_output=True, text=True, timeout=TIMEOUT)

    return start


def each_alone(language: str, *names: str) -> str:
    """The client with these sections behind it, none of which sees what another one has named."""
    before, after = SCOPES[language]
    sections = (indent(SNIPPETS[language][name], "    ") for name in names)
    return SNIPPETS[language][CLIENT] + "".join(f"{before}\n{section}{after}\n" for section in sections)


# The files and their sections


@pytest.mark.parametrize("language", FILES)
def test_each_action_has_its_section(language: str) -> None:
    assert set(ORDER) == ACTIONS.keys()
    assert list(SNIPPETS[language]) == [CLIENT, *ORDER]
    assert all(text.strip() for text in SNIPPETS[language].values())


@pytest.mark.parametrize("language", FILES)
def test_the_sections_put_together_are_the_file(language: str) -> None:
    comment = "//" if language in ("PHP", "JavaScript") else "#"
    sections = dict(SNIPPETS[language])
    together = sections.pop(CLIENT) + "".join(f"{comment} --- {name}\n{text}" for name, text in sections.items())
    assert without_blank_lines(together) == without_blank_lines(SOURCES[language])


def without_blank_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


@pytest.mark.parametrize("language", FILES)
def test_the_address_and_the_key_stand_in_one_place(language: str) -> None:
    client = SNIPPETS[language][CLIENT]
    for placeholder in (ADDRESS, KEY):
        assert SOURCES[language].count(placeholder) == client.count(placeholder) == 1
        assert re.search(f"(['\"]){re.escape(placeholder)}\\1", client)


@pytest.mark.parametrize("language", FILES)
@pytest.mark.parametrize("id_", [*ORDER_IDS, REFILL_ID])
def test_what_stands_for_an_id_is_in_each_file(language: str, id_: str) -> None:
    assert id_ in SOURCES[language]


def test_who_reads_them_changes_none() -> None:
    assert read_snippets() is SNIPPETS
    with pytest.raises(TypeError):
        SNIPPETS["Python"]["add"] = ""


# Against a served app


@dataclass
class Reseller:
    """An account of a served panel: it has an order that nobody works on, one that is completed, and a refill.

    :param own: what a reader has in the place of the placeholders.
    """

    panel: Panel
    dialect: str
    own: dict[str, str]

    @property
    def words(self) -> tuple[str, str, str]:
        """What became of the three orders; the third is nobody's."""
        return ("Pending" if self.dialect == "panel" else "Awaiting", "Completed", "Incorrect order ID")

    @property
    def orders(self) -> list[Order]:
        """All of them, the newest one last."""
        return sorted(self.panel.store.list(1), key=lambda order: order.number)

    @property
    def refills(self) -> list[Refill]:
        found = self.panel.store.find_refills(1, [order.id for order in self.orders])
        return sorted(found, key=lambda refill: refill.number)

    def written(self, record: Order | Refill) -> str:
        """The record's id in the dialect."""
        return str(record.number if self.dialect == "panel" else record.id)


@pytest.fixture(params=["standard", "panel"])
def reseller(request: pytest.FixtureRequest) -> Iterator[Reseller]:
    panel = Panel(config={"SMMAPI_DIALECT": request.param})
    with serve(panel.app) as url:
        reseller = Reseller(panel, request.param, {ADDRESS: url, KEY: panel.key})
        pending, completed, refilled = (panel.place() for _ in range(3))
        panel.complete(completed)
        panel.complete(refilled)
        refill = panel.smmapi.refill(panel.account, refilled.id)
        stand_ins = {ORDER_IDS[0]: pending, ORDER_IDS[1]: completed, REFILL_ID: refill}
        reseller.own.update({id_: reseller.written(record) for id_, record in stand_ins.items()})
        yield reseller


def expected(reseller: Reseller) -> list[str]:
    """What a program prints, line by line, having been run."""
    asked = (reseller.own.get(id_, id_) for id_ in ORDER_IDS)
    return [
        "balance 97.00000000 USD",
        *(f"{service.id} {service.name} 1.00000000" for service in SERVICES),
        f"order {reseller.written(reseller.orders[-1])}",
        *(f"{order} {word}" for order, word in zip(asked, reseller.words, strict=True)),
        "canceled",
        f"refill {reseller.written(reseller.refills[-1])}",
        "refill_status Pending",
    ]


def assert_it_has_happened(reseller: Reseller) -> None:
    """Three orders were there; another one was placed and the first one paid back."""
    assert len(reseller.orders) == 4
    assert reseller.panel.balance == Decimal(97)


@pytest.mark.parametrize("language", WITH_A_CLIENT)
def test_the_file_runs(start: Run, language: str, reseller: Reseller) -> None:
    done = start(language, SOURCES[language], reseller.own)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == expected(reseller)
    assert_it_has_happened(reseller)


@pytest.mark.parametrize("language", WITH_A_CLIENT)
@pytest.mark.parametrize("reseller", ["panel"], indirect=True)
def test_each_section_runs_alone_behind_the_client_and_an_order_sent_again_is_placed_once(
    start: Run, language: str, reseller: Reseller
) -> None:
    done = start(language, each_alone(language, *ORDER, "add"), reseller.own)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [*expected(reseller), f"order {reseller.written(reseller.orders[-1])}"]
    assert_it_has_happened(reseller)


def answers(printed: str) -> list[Any]:
    """The JSON documents that curl has printed one behind the other."""
    decoder, found, end = json.JSONDecoder(), [], 0
    while end < len(printed):
        answer, end = decoder.raw_decode(printed, end)
        found.append(answer)
    return found


def test_the_lines_for_curl_run(start: Run, reseller: Reseller) -> None:
    done = start("curl", SOURCES["curl"], reseller.own)
    assert done.returncode == 0, done.stderr
    balance, services, added, status, canceled, refill, refill_status = answers(done.stdout)
    assert balance == {"balance": "97.00000000", "currency": "USD"}
    assert [row["service"] for row in services] == [service.id for service in SERVICES]
    assert str(added["order"]) == reseller.written(reseller.orders[-1])
    assert list(status) == [reseller.own.get(id_, id_) for id_ in ORDER_IDS]
    assert tuple(row.get("status") or row["error"] for row in status.values()) == reseller.words
    assert canceled == {"cancel": 1}
    assert refill == {"refill": reseller.written(reseller.refills[-1])}
    assert refill_status == {"status": "Pending"}
    assert_it_has_happened(reseller)


@pytest.mark.parametrize("reseller", ["panel"], indirect=True)
def test_an_order_that_curl_sends_again_is_placed_once(start: Run, reseller: Reseller) -> None:
    first, again = answers(start("curl", each_alone("curl", "add", "add"), reseller.own).stdout)
    assert first == again == {"order": reseller.orders[-1].number}
    assert len(reseller.orders) == 4
    assert reseller.panel.balance == Decimal(96)


@pytest.mark.parametrize("language", WITH_A_CLIENT)
def test_a_wrong_key_ends_it_with_the_refusals_text(start: Run, language: str, reseller: Reseller) -> None:
    """Its HTTP status is 401 in one dialect and 200 in the other."""
    done = start(language, SOURCES[language], {**reseller.own, KEY: WRONG_KEY})
    assert done.returncode != 0
    assert re.search(r"ApiError: Invalid API key\b(?! format)", done.stderr)
    assert done.stdout == ""


def test_curl_prints_the_refusal_of_a_wrong_key(start: Run, reseller: Reseller) -> None:
    done = start("curl", SOURCES["curl"], {**reseller.own, KEY: WRONG_KEY})
    assert answers(done.stdout) == [{"error": "Invalid API key"}] * len(ORDER)


# Against what else may answer in the API's place

OTHERS: dict[str, tuple[str, int, dict[str, str]]] = {
    "blocked": ('{"error":"Too many failed attempts"}', 429, {"Retry-After": "17"}),
    "away": ('{"error":"Service unavailable"}', 503, {"Retry-After": "5"}),
    "proxy": ("<html>Bad gateway</html>", 502, {}),
    "proxy_that_waits": ("<html>Come back later</html>", 503, {"retry-after": "60"}),
    "login_page": ("<html>Who are you?</html>", 200, {}),
    "empty": ("", 200, {}),
    "other_json": ('{"message":"Bad gateway"}', 502, {}),
}
"""Answers by the action that is asked for."""

HEARD = [
    "Too many failed attempts|429|17",
    "Service unavailable|503|5",
    "HTTP 502 without JSON|502|-",
    "HTTP 503 without JSON|503|60",
    "HTTP 200 without JSON|200|-",
    "HTTP 200 without JSON|200|-",
    "HTTP 502|502|-",
]

ASK_ALL = {
    "PHP": """
foreach (explode(' ', 'ACTIONS') as $action) {
    try {
        call($action);
    } catch (ApiError $error) {
        echo $error->getMessage(), '|', $error->getCode(), '|', $error->retryAfter ?? '-', "\n";
    }
}
""",
    "Python": """
for action in "ACTIONS".split():
    try:
        call(action)
    except ApiError as error:
        print(error, error.status, error.retry_after or "-", sep="|")
""",
    "JavaScript": """
for (const action of "ACTIONS".split(" ")) {
  await call(action).catch((error) => {
    if (!(error instanceof ApiError)) throw error;
    console.log([error.message, error.status, error.retryAfter ?? "-"].join("|"));
  });
}
""",
}


@pytest.fixture
def other_url() -> Iterator[str]:
    app = Flask("other")
    app.add_url_rule("/api/v2", view_func=lambda: OTHERS[request.form["action"]], methods=["POST"], endpoint="other")
    with serve(app) as url:
        yield url


@pytest.mark.parametrize("language", WITH_A_CLIENT)
def test_what_is_no_answer_of_the_api_is_an_error_too(start: Run, language: str, other_url: str) -> None:
    source = SNIPPETS[language][CLIENT] + ASK_ALL[language].replace("ACTIONS", " ".join(OTHERS))
    done = start(language, source, {ADDRESS: other_url})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == HEARD
