"""Ids of orders and refills, and API keys: their forms, that they cannot be guessed, and that no key is kept."""

from __future__ import annotations

import random
import re
import string
import time
from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from flask_smmapi import Account
from flask_smmapi.ids import new_id, parse_id, parse_number
from flask_smmapi.keys import PATTERN, digest, generate

from .panel import LINK, WRONG_KEY, Panel

DOCUMENTED_KEY = "abcd1234.efgh5678-ijkl9012"
DOCUMENTED_ID = "507f1f77bcf86cd799439011"


def strings_in(root: object) -> set[str]:
    """Every string that can be reached from *root* through attributes and containers."""
    found: set[str] = set()
    seen: dict[int, object] = {}
    waiting: list[Any] = [root]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen[id(thing)] = thing
        if isinstance(thing, str):
            found.add(thing)
        elif isinstance(thing, bytes):
            found.add(thing.decode("latin-1"))
        elif isinstance(thing, dict):
            waiting += [*thing.keys(), *thing.values()]
        elif isinstance(thing, (list, tuple, set, frozenset)):
            waiting += thing
        elif is_dataclass(thing):
            waiting += [getattr(thing, field.name) for field in fields(thing)]
        else:
            waiting += getattr(thing, "__dict__", {}).values()
    return found


# API keys


def test_a_new_key_has_the_documented_format() -> None:
    for _ in range(100):
        assert re.fullmatch(r"[A-Za-z0-9]{8}\.[A-Za-z0-9]{8}-[A-Za-z0-9]{8}", generate(), re.ASCII)


def test_the_pattern_takes_new_keys_and_the_documented_one() -> None:
    assert re.fullmatch(PATTERN, generate())
    assert re.fullmatch(PATTERN, DOCUMENTED_KEY)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "your-api-key",
        DOCUMENTED_KEY[:-1],
        DOCUMENTED_KEY + "3",
        DOCUMENTED_KEY + "\n",
        " " + DOCUMENTED_KEY,
        "abcd1234-efgh5678.ijkl9012",
        "abcd1234xefgh5678-ijkl9012",
        "abcd123_.efgh5678-ijkl9012",
        "abcd123é.efgh5678-ijkl9012",
        "abcd123٣.efgh5678-ijkl9012",
    ],
)
def test_the_pattern_takes_nothing_else(key: str) -> None:
    assert not re.fullmatch(PATTERN, key)


def test_no_key_is_made_twice() -> None:
    assert len({generate() for _ in range(5_000)}) == 5_000


def test_each_part_of_a_key_draws_on_all_letters_and_digits() -> None:
    parts = zip(*(re.split(r"[.-]", generate()) for _ in range(1_000)), strict=True)
    assert [set("".join(part)) for part in parts] == [set(string.ascii_letters + string.digits)] * 3


@pytest.mark.parametrize("make", [generate, new_id])
def test_seeding_pythons_generator_does_not_make_the_next_one_known(make: Any) -> None:
    made = []
    for _ in range(2):
        random.seed(20_260_101)
        made.append(make())
    assert made[0] != made[1]


def test_a_digest_is_the_keys_sha_256() -> None:
    assert digest(DOCUMENTED_KEY) == "8bd194a1739534bdfe498cd52a00dc49b4b19d2189ea1fbc4d39daa79e33fede"


def test_keys_that_differ_in_one_letter_have_different_digests() -> None:
    assert digest(DOCUMENTED_KEY) != digest(DOCUMENTED_KEY.upper())


def test_a_key_in_any_alphabet_has_a_digest() -> None:
    """``SMMAPI_KEY_PATTERN = None`` lets the keys of old panels in, whatever they look like."""
    assert re.fullmatch("[0-9a-f]{64}", digest("ключ"))


def test_the_store_keeps_no_key_only_its_digest(panel: Panel) -> None:
    for key in (panel.key, DOCUMENTED_KEY):
        panel.store.add_key(panel.account.id, key)
        assert panel.post("services", key=key).status == 200
        assert panel.post("add", key=key, service=1, link=LINK, quantity=10, request_id="repeat-1").status == 200
    panel.post("balance", key=WRONG_KEY)
    kept = strings_in(panel.store)
    assert {LINK, "repeat-1", digest(panel.key), digest(DOCUMENTED_KEY)} <= kept
    for key in (panel.key, DOCUMENTED_KEY, WRONG_KEY):
        assert not [text for text in kept for part in re.split(r"[.-]", key) if part in text]


def test_every_account_gets_a_key_of_its_own_that_opens_it_alone(panel: Panel) -> None:
    other = panel.store.add_account(Account(id=2))
    assert panel.store.key_lookup(other) == Account(id=2)
    assert panel.store.key_lookup(panel.key) == panel.account
    assert panel.store.key_lookup(digest(other)) is None


def test_an_account_may_have_several_keys_and_lose_one(panel: Panel) -> None:
    panel.store.add_key(panel.account.id, DOCUMENTED_KEY)
    panel.store.revoke_key(panel.key)
    assert panel.post("balance").json == {"error": "Invalid API key"}
    assert panel.post("balance", key=DOCUMENTED_KEY).status == 200


# Ids


def test_a_new_id_is_24_lower_case_hexadecimal_characters() -> None:
    for _ in range(100):
        assert re.fullmatch("[0-9a-f]{24}", new_id())


def test_a_new_id_begins_with_the_time_as_an_object_id_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: float(0x507F1F77))
    assert new_id()[:8] == DOCUMENTED_ID[:8]


def test_no_id_is_made_twice_within_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)
    assert len({new_id() for _ in range(10_000)}) == 10_000


def test_a_new_id_is_an_id_and_never_a_number() -> None:
    made = new_id()
    assert parse_id(made) == made
    assert parse_number("0" * 24) is None


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        (DOCUMENTED_ID, DOCUMENTED_ID),
        (DOCUMENTED_ID.upper(), DOCUMENTED_ID),
        ("123456789012345678901234", "123456789012345678901234"),  # 24 digits are hexadecimal, so no number
        ("1", 1),
        ("007", 7),
        ("999999999999999999", 999_999_999_999_999_999),
        ("9999999999999999999", None),
        (DOCUMENTED_ID[:-1], None),
        (DOCUMENTED_ID + "1", None),
        (DOCUMENTED_ID[:-1] + "g", None),
        (DOCUMENTED_ID + "\n", None),
        ("1\n", None),
        ("", None),
        ("-1", None),
        ("+1", None),
        (" 1", None),
        ("1.0", None),
        ("1e3", None),
        ("1_0", None),
        ("0x1f", None),
        ("١٢٣", None),
        ("１２３", None),
        ("²", None),
    ],
)
def test_24_hex_are_an_object_id_and_up_to_18_digits_a_number(text: str, meaning: str | int | None) -> None:
    assert parse_id(text) == meaning
    assert type(parse_id(text)) is type(meaning)


@pytest.mark.parametrize(("text", "number"), [("12", 12), ("0", 0), (DOCUMENTED_ID, None), ("", None), ("1.5", None)])
def test_only_digits_are_a_number(text: str, number: int | None) -> None:
    assert parse_number(text) == number


def test_an_order_is_found_by_its_id_in_any_case_and_by_its_number(panel: Panel) -> None:
    order = panel.place()
    for written in (order.id, order.id.upper(), str(order.number)):
        assert panel.post("status", order=written).json[written]["charge"] == "1.00000000"


def test_numbers_of_orders_grow_and_fit_into_32_bits(panel: Panel) -> None:
    numbers = [panel.place(quantity=1).number for _ in range(20)]
    assert numbers == sorted(set(numbers))
    assert numbers[0] > 0
    assert numbers[-1] < 2**31
