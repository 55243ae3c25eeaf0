"""Failed attempts: who is counted, what counts, what a blocked caller hears, and that the count is exact."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_smmapi import Account, StoreUnavailable

from .panel import LINK, WRONG_KEY, Answer, Panel, at_once, serve

MINUTE = 60.0
ADDRESS, AGENT = "192.0.2.1", "php-curl/8.0"
BLOCKED = {"error": "Too many failed attempts"}
STRICT = {"SMMAPI_FAILED_ATTEMPTS": "1 per 15 minutes"}
"""One failed attempt, and the next one is refused."""


def guess(panel: Panel, *, address: str = ADDRESS, agent: str = AGENT, key: str = WRONG_KEY, **headers: str) -> Answer:
    """Ask for the balance with a key that is wrong, unless another is given."""
    return panel.send(
        data={"key": key, "action": "balance"},
        headers={"User-Agent": agent, **headers},
        environ_overrides={"REMOTE_ADDR": address},
    )


def guesses(panel: Panel, count: int, **caller: str) -> list[int]:
    """The statuses of so many wrong keys from one caller."""
    return [guess(panel, **caller).status for _ in range(count)]


class Clock:
    """The time of day, standing still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock in the place of ``time.time``, which the limiter's storage and the throttle read."""
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    return clock


class MeetingLookup:
    """A key lookup that knows no key and lets nobody go before so many callers are in it.

    Each of them has passed the check by then and none is counted, which is the worst case for an exact count.
    """

    def __init__(self, callers: int) -> None:
        self._barrier = threading.Barrier(callers, timeout=30)

    def __call__(self, key: str) -> Account | None:
        self._barrier.wait()
        return None


def post_over_http(url: str, **form: str) -> int:
    """The status of a form sent without a User-Agent."""
    parts = urlsplit(url)
    with closing(HTTPConnection(parts.hostname or "", parts.port, timeout=30)) as connection:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", parts.path, urlencode(form), headers)
        with connection.getresponse() as response:
            response.read()
            return response.status


# What a caller hears


def test_ten_wrong_keys_answer_401_and_the_eleventh_429(panel: Panel) -> None:
    heard = [(answer.status, answer.json) for answer in (guess(panel) for _ in range(11))]
    assert heard == [(401, {"error": "Invalid API key"})] * 10 + [(429, BLOCKED)]


def test_the_refusal_says_in_whole_seconds_when_to_come_again(panel: Panel) -> None:
    assert [guess(panel).headers.get("Retry-After") for _ in range(10)] == [None] * 10
    retry_after = guess(panel).headers["Retry-After"]
    assert re.fullmatch("[0-9]+", retry_after)
    assert 1 <= int(retry_after) <= 900


@pytest.mark.parametrize(("passed", "retry_after"), [(0, "900"), (60.5, "840"), (899.9, "1")])
def test_retry_after_is_what_remains_of_the_window_rounded_up(clock: Clock, passed: float, retry_after: str) -> None:
    panel = Panel()
    guesses(panel, 10)
    clock.forward(passed)
    assert guess(panel).headers["Retry-After"] == retry_after


def test_a_good_key_from_a_blocked_caller_is_refused_too(panel: Panel) -> None:
    """Else guessing would still pay."""
    guesses(panel, 10)
    answer = guess(panel, key=panel.key)
    assert (answer.status, answer.json) == (429, BLOCKED)
    assert "Retry-After" in answer.headers


def test_a_blocked_caller_costs_no_key_lookup() -> None:
    asked: list[str] = []
    panel = Panel(config=STRICT, key_lookup=asked.append)
    assert guesses(panel, 3) == [401, 429, 429]
    assert asked == [WRONG_KEY]


# What counts


def post_revoked_key(panel: Panel) -> Answer:
    panel.store.revoke_key(panel.key)
    return panel.post("balance")


def post_key_of_inactive_account(panel: Panel) -> Answer:
    return panel.post("balance", key=panel.store.add_account(Account(id=2), active=False))


def post_from_an_address_not_allowed(panel: Panel) -> Answer:
    return panel.post("balance", key=panel.store.add_account(Account(id=3, allowed_ips=("198.51.100.7",))))


@pytest.mark.parametrize(
    ("attempt", "text"),
    [
        pytest.param(lambda panel: panel.send(), "Invalid API key format", id="empty body"),
        pytest.param(lambda panel: panel.post("balance", key=None), "Invalid API key format", id="no key"),
        pytest.param(lambda panel: panel.post("balance", key="undefined"), "Invalid API key format", id="undefined"),
        pytest.param(lambda panel: panel.post("balance", key="malformed"), "Invalid API key format", id="malformed"),
        pytest.param(lambda panel: panel.send(json={"key": 12345678}), "Invalid API key format", id="not a string"),
        pytest.param(lambda panel: panel.post("balance", key=WRONG_KEY), "Invalid API key", id="unknown"),
        pytest.param(lambda panel: panel.post("nonsense", key=WRONG_KEY), "Invalid API key", id="unknown, no action"),
        pytest.param(post_revoked_key, "Invalid API key", id="revoked"),
        pytest.param(post_key_of_inactive_account, "Invalid API key", id="inactive account"),
        pytest.param(post_from_an_address_not_allowed, "Invalid API key", id="address not allowed"),
    ],
)
def test_both_kinds_of_401_are_failed_attempts(attempt: Callable[[Panel], Answer], text: str) -> None:
    panel = Panel(config=STRICT)
    failed = attempt(panel)
    assert (failed.status, failed.json) == (401, {"error": text})
    assert attempt(panel).status == 429


def test_both_kinds_of_401_share_one_count(panel: Panel) -> None:
    keys = [WRONG_KEY, "malformed"] * 6
    assert [guess(panel, key=key).status for key in keys] == [401] * 10 + [429] * 2


UNREADABLE = [
    pytest.param(405, {"method": "GET"}, id="method"),
    pytest.param(413, {"data": b"x" * (1024 * 1024 + 1), "content_type": "text/plain"}, id="size"),
    pytest.param(400, {"data": b"{", "content_type": "application/json"}, id="broken JSON"),
    pytest.param(400, {"data": b"key=%ff", "content_type": "application/x-www-form-urlencoded"}, id="no UTF-8"),
    pytest.param(400, {"data": b"key=x", "content_type": "text/plain"}, id="content type"),
    pytest.param(400, {"json": ["key", WRONG_KEY]}, id="no object"),
]


@pytest.mark.parametrize(("status", "request_"), UNREADABLE)
def test_a_request_that_cannot_be_read_is_no_failed_attempt(status: int, request_: dict[str, Any]) -> None:
    panel = Panel(config=STRICT)
    assert [panel.send(**request_).status for _ in range(3)] == [status] * 3
    assert panel.post("balance", key=WRONG_KEY).status == 401


@pytest.mark.parametrize(("status", "request_"), UNREADABLE)
def test_method_size_and_body_are_checked_before_the_block(status: int, request_: dict[str, Any]) -> None:
    panel = Panel(config=STRICT)
    assert [panel.post("balance", key=WRONG_KEY).status for _ in range(2)] == [401, 429]
    assert panel.send(**request_).status == status


@pytest.mark.parametrize(
    ("status", "form"),
    [
        pytest.param(200, {"action": "balance"}, id="success"),
        pytest.param(200, {"action": "status", "order": "507f1f77bcf86cd799439011"}, id="unknown order"),
        pytest.param(400, {"action": None}, id="no action"),
        pytest.param(400, {"action": "nonsense"}, id="unknown action"),
        pytest.param(400, {"action": "add", "service": 0}, id="unknown service"),
        pytest.param(400, {"action": "add", "service": 1, "link": LINK, "quantity": 0}, id="quantity"),
        pytest.param(400, {"action": "add", "service": 1, "link": LINK, "quantity": 5000}, id="insufficient funds"),
    ],
)
def test_nothing_that_a_good_key_does_is_a_failed_attempt(status: int, form: dict[str, Any]) -> None:
    panel = Panel(balance="1", config=STRICT)
    assert [panel.post(**form).status for _ in range(3)] == [status] * 3
    assert panel.post("balance", key=WRONG_KEY).status == 401


@pytest.mark.parametrize(("failure", "status"), [(StoreUnavailable(), 503), (RuntimeError(), 500)])
def test_a_lookup_that_fails_is_no_failed_attempt(failure: Exception, status: int) -> None:
    outages = [failure] * 3

    def lookup(key: str) -> None:
        if outages:
            raise outages.pop()

    assert guesses(Panel(config=STRICT, key_lookup=lookup), 5) == [status] * 3 + [401, 429]


def test_successful_requests_neither_count_nor_reset(panel: Panel) -> None:
    statuses = [guess(panel, key=key).status for _ in range(11) for key in (WRONG_KEY, panel.key)]
    assert statuses == [401, 200] * 9 + [401] + [429] * 3


def test_what_a_blocked_caller_sends_counts_for_nothing(clock: Clock) -> None:
    """Neither is the block any longer for it, nor does it use up the address's own cap."""
    panel = Panel(config={"SMMAPI_FAILED_ATTEMPTS_PER_IP": "12 per 15 minutes"})
    guesses(panel, 10)
    clock.forward(14 * MINUTE)
    assert guesses(panel, 20) == [429] * 20
    assert guesses(panel, 3, agent="another") == [401, 401, 429]
    clock.forward(MINUTE + 1)
    assert guesses(panel, 1) == [401]


# The window


def test_a_caller_that_waits_as_long_as_it_was_told_may_try_again(clock: Clock) -> None:
    panel = Panel()
    guesses(panel, 10)
    clock.forward(60.5)
    clock.forward(int(guess(panel).headers["Retry-After"]))
    assert guess(panel, key=panel.key).status == 200
    assert guesses(panel, 11) == [401] * 10 + [429]


def test_the_window_moves_so_that_no_edge_lets_twice_as_many_pass(clock: Clock) -> None:
    panel = Panel()
    assert guesses(panel, 1) == [401]
    clock.forward(14 * MINUTE)
    assert guesses(panel, 9) == [401] * 9
    clock.forward(MINUTE + 1)
    assert guesses(panel, 2) == [401, 429]


# Who is a caller


@pytest.mark.parametrize("other", [{"agent": "another"}, {"agent": ""}, {"address": "192.0.2.2"}])
def test_another_user_agent_or_another_address_is_another_caller(panel: Panel, other: dict[str, str]) -> None:
    guesses(panel, 11)
    assert guess(panel, key=panel.key, **other).status == 200
    assert guesses(panel, 11, **other) == [401] * 10 + [429]


@pytest.mark.parametrize("agent", ["", " ", "Agënt", "a" * 5000])
def test_every_user_agent_counts(panel: Panel, agent: str) -> None:
    assert guesses(panel, 11, agent=agent) == [401] * 10 + [429]


@pytest.mark.parametrize(
    ("address", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"),
        ("2001:db8:1:2::1", "2001:DB8:0001:2:0:0:0:1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
    ],
)
def test_addresses_that_one_caller_can_move_between_count_as_one(address: str, other: str) -> None:
    panel = Panel(config=STRICT)
    assert guess(panel, address=address).status == 401
    assert guess(panel, address=other).status == 429


@pytest.mark.parametrize(
    ("address", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:3::1"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2"),
        ("::1", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
def test_other_addresses_count_on_their_own(address: str, other: str) -> None:
    panel = Panel(config=STRICT)
    guesses(panel, 2, address=address)
    assert guesses(panel, 2, address=other) == [401, 429]


def test_a_forged_forwarding_header_is_not_read(panel: Panel) -> None:
    forged = [guess(panel, **{"X-Forwarded-For": f"198.51.100.{n}", "X-Real-IP": f"198.51.100.{n}"}) for n in range(11)]
    assert [answer.status for answer in forged] == [401] * 10 + [429]


def test_behind_a_proxy_that_the_host_trusts_its_clients_are_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = Panel(config=STRICT)
    monkeypatch.setattr(panel.app, "wsgi_app", ProxyFix(panel.app.wsgi_app, x_for=1))
    clients = ["198.51.100.1", "198.51.100.2", "198.51.100.1"]
    assert [guess(panel, **{"X-Forwarded-For": client}).status for client in clients] == [401, 401, 429]


# An address as a whole


def test_an_address_has_a_cap_of_100_however_it_calls_itself(panel: Panel) -> None:
    statuses = [guess(panel, agent=f"agent {n}").status for n in range(101)]
    assert statuses == [401] * 100 + [429]
    assert guess(panel, agent="yet another", key=panel.key).status == 429
    assert guess(panel, address="192.0.2.2").status == 401


def test_the_refusal_of_an_address_says_when_to_come_again(clock: Clock) -> None:
    panel = Panel(config={"SMMAPI_FAILED_ATTEMPTS_PER_IP": "2 per hour"})
    answers = [guess(panel, agent=f"agent {n}") for n in range(3)]
    assert (answers[-1].status, answers[-1].json) == (429, BLOCKED)
    assert answers[-1].headers["Retry-After"] == "3600"


def test_an_ipv6_caller_cannot_leave_the_cap_of_its_64() -> None:
    panel = Panel(config={"SMMAPI_FAILED_ATTEMPTS_PER_IP": "3 per 15 minutes"})
    callers = [{"address": f"2001:db8:1:2::{n}", "agent": f"agent {n}"} for n in range(1, 6)]
    assert [guess(panel, **caller).status for caller in callers] == [401] * 3 + [429] * 2


# The settings


@pytest.mark.parametrize("notation", ["3 per hour", "3/hour", "3 per 1 hour", "3/60 minutes"])
def test_the_limit_of_a_caller_is_a_setting_in_flask_limiters_notation(clock: Clock, notation: str) -> None:
    panel = Panel(config={"SMMAPI_FAILED_ATTEMPTS": notation})
    assert guesses(panel, 4) == [401] * 3 + [429]
    assert guess(panel).headers["Retry-After"] == "3600"


def test_a_setting_may_hold_several_limits(clock: Clock) -> None:
    panel = Panel(config={"SMMAPI_FAILED_ATTEMPTS": "2 per minute; 3 per hour"})
    assert guesses(panel, 3) == [401, 401, 429]
    clock.forward(MINUTE + 1)
    assert guesses(panel, 2) == [401, 429]
    assert guess(panel).headers["Retry-After"] == str(3600 - 61)


@pytest.mark.parametrize("name", ["SMMAPI_FAILED_ATTEMPTS", "SMMAPI_FAILED_ATTEMPTS_PER_IP"])
@pytest.mark.parametrize("notation", ["ten per minute", "10", "10 per 15 parsecs", "", None, 10])
def test_a_wrong_notation_stops_the_start_up_and_names_the_setting(name: str, notation: Any) -> None:
    with pytest.raises(RuntimeError, match=rf"\b{name}\b.*10 per 15 minutes"):
        Panel(config={name: notation})


# Exact under concurrency


@pytest.mark.parametrize(
    ("config", "agents"),
    [
        pytest.param({}, 1, id="one caller"),
        pytest.param({"SMMAPI_FAILED_ATTEMPTS_PER_IP": "10 per 15 minutes"}, 50, id="one address, 50 agents"),
    ],
)
def test_of_50_simultaneous_wrong_keys_ten_answer_401_and_40_answer_429(config: dict[str, str], agents: int) -> None:
    panel = Panel(config=config, key_lookup=MeetingLookup(50))
    statuses = at_once(50, lambda n: guess(panel, agent=f"agent {n % agents}").status)
    assert sorted(statuses) == [401] * 10 + [429] * 40


def test_the_count_is_exact_over_http_too_also_without_a_user_agent() -> None:
    panel = Panel(key_lookup=MeetingLookup(50))
    with serve(panel.app) as url:
        statuses = at_once(50, lambda _: post_over_http(url, key=WRONG_KEY, action="balance"))
        assert post_over_http(url, action="balance") == 429
    assert sorted(statuses) == [401] * 10 + [429] * 40


def test_two_apps_in_one_process_count_apart() -> None:
    one, other = Panel(config=STRICT), Panel(config=STRICT)
    assert guesses(one, 2) == [401, 429]
    assert guesses(other, 2) == [401, 429]
