"""``doctor``: looks at the whole set-up, and says what is wrong, what to think of, and what to do about either."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

import click
from flask import Flask, current_app
from flask.cli import with_appcontext
from werkzeug.middleware.proxy_fix import ProxyFix

from ..hooks import UNAVAILABLE, Order, OrderStore
from ..parts import FUNCTIONS, OBJECTS
from ..placement import now
from ..state import State, state_of
from ..statuses import HIDDEN
from ..throttle import Counting, Throttle
from .output import as_json, plain, print_json, speaking
from .store import plays

PATIENCE = 10.0
"""Seconds that a limiter's storage has to answer; a host's own may have no time limit at all."""

CLOCKS_DIFFER = timedelta(seconds=2)
"""By more than this a clock is wrong."""

OVERDUE = timedelta(minutes=5)
"""For so long nothing is left undone where ``reconcile`` runs every minute."""

READ, SHOWN = 100, 3
"""Orders that are looked at, and those of them that are named."""


class Findings(NamedTuple):
    """What the doctor has to say, in sentences: what is wrong, and what works and should be thought of."""

    problems: list[str]
    advice: list[str]


@click.command()
@as_json
@with_appcontext
@speaking
def doctor(as_json: bool) -> None:
    """Say what is wrong with the set-up, and what to do. Exits with 1 if something is; advice alone is no failure.

    Looks at the database, the clock, the limiter's storage, the proxies, and at work that was left undone.

    \b
    Example:
      flask smmapi doctor
    """
    problems, advice = examine(current_app._get_current_object())  # type: ignore[attr-defined]  # Flask's own idiom
    if as_json:
        print_json({"ok": not problems, "problems": problems, "advice": advice})
    else:
        for sentence in advice:
            click.echo(plain(sentence))
        for sentence in problems:
            click.echo(f"Error: {plain(sentence)}", err=True)
        if not problems:
            click.echo("All is well.")
    if problems:
        raise SystemExit(1)


def examine(app: Flask) -> Findings:
    """Every check; none is left out because another one found something."""
    state = state_of(app)
    findings = Findings([], [])
    readable = _check_store(state.store, findings)
    _check_parts(state, findings)
    _check_limiter(state.throttle, findings)
    _check_proxies(app, findings)
    if readable or state.context.orders is not state.store:  # else the same failure would be said again
        _check_work(state.context.orders, findings)
    return findings


# The store


def _check_store(store: Any, findings: Findings) -> bool:
    """Connection, indexes, rights and clock, of a store that has them. False if nothing can be read there."""
    if not _can_be_examined(store):
        return True
    try:
        missing = store.missing_indexes()
    except Exception as failure:  # as in each check: the others have something to say, whatever this one meets
        findings.problems.append(_of_store(failure))
        return False
    if missing:
        findings.problems.append(f"Missing indexes: {', '.join(missing)}. Run: flask smmapi init-db")
    for check in (_check_clock,) if missing else (_check_rights, _check_clock):
        try:
            check(store, findings)
        except Exception as failure:  # likewise
            findings.problems.append(_of_store(failure))
    return not missing


def _can_be_examined(store: Any) -> bool:
    return hasattr(store, "missing_indexes")


def _check_rights(store: Any, findings: Findings) -> None:
    store.check_rights()


def _check_clock(store: Any, findings: Findings) -> None:
    difference: timedelta = store.clock_difference()
    if abs(difference) > CLOCKS_DIFFER:
        seconds = difference.total_seconds()
        findings.problems.append(
            f"This machine's clock is {abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} the database's; "
            "let NTP set both."
        )


def _of_store(failure: Exception) -> str:
    if isinstance(failure, (*UNAVAILABLE, RuntimeError)):  # a sentence of ours, with the remedy in it
        return str(failure)
    return f"The database cannot be examined ({_reason(failure)}); see whether it is the one that you mean."


def _check_parts(state: State, findings: Findings) -> None:
    """What no check can know: whether the parts that the host plays keep what they promise."""
    examined = _can_be_examined(state.store)
    own = [part for part in (*FUNCTIONS, *OBJECTS) if not (examined and plays(state, part))]
    if own:
        findings.advice.append(
            f"Nothing here looks into {', '.join(own)}; prove parts of your own with flask_smmapi.testing."
        )


# Failed attempts


def _check_limiter(throttle: Throttle, findings: Findings) -> None:
    tried = _begin(throttle.probe)
    if not wait([tried], PATIENCE).done:
        findings.problems.append(
            f"The limiter's storage does not answer within {PATIENCE:g} seconds, and a request would wait for it, too; "
            "see whether its server runs, and give it timeouts in RATELIMIT_STORAGE_OPTIONS."
        )
        return
    failure = tried.exception()
    if isinstance(failure, RuntimeError):  # of several Limiters; it has the remedy in it
        findings.problems.append(str(failure))
    elif failure is not None:
        findings.problems.append(
            f"The limiter's storage cannot be used ({_reason(failure)}), so each process counts failed attempts on its "
            "own; see whether RATELIMIT_STORAGE_URI is right, its server runs, and its driver is installed."
        )
    else:
        findings.advice.extend(_on_counting(tried.result()))


def _begin(ask: Callable[[], Counting]) -> Future[Counting]:
    """Let a thread of its own *ask*, which nobody has to wait for, not even the process at its end."""
    answer: Future[Counting] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except Exception as failure:  # whoever asks for the answer gets it
            answer.set_exception(failure)

    threading.Thread(target=run, name="smmapi-doctor", daemon=True).start()
    return answer


def _on_counting(counting: Counting) -> Iterator[str]:
    if counting.together:
        return
    why = f", since {counting.unfit} knows no moving window" if counting.unfit else ""
    yield (
        f"Each process counts failed attempts on its own{why}; more than one worker wants Redis or MongoDB in "
        "RATELIMIT_STORAGE_URI."
    )


# Proxies


def _check_proxies(app: Flask, findings: Findings) -> None:
    fixes = [layer for layer in _layers(app) if isinstance(layer, ProxyFix)]
    if any(fix.x_for for fix in fixes):
        return
    if fixes:
        findings.problems.append(
            "Every caller has the proxy's address, so one guesser blocks everybody: ProxyFix has x_for=0. Give it the "
            "number of your proxies: ProxyFix(app.wsgi_app, x_for=1)"
        )
    else:
        findings.advice.append(
            "Callers are known by the address of their connection. Behind a proxy that is the proxy's, and one guesser "
            "blocks everybody: app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1). Without a proxy there is nothing to do."
        )


def _layers(app: Flask) -> Iterator[Any]:
    """What a request passes, from the outside, as far as the layers name the next one."""
    layer: Any = app.wsgi_app
    seen: set[int] = set()
    while layer is not None and id(layer) not in seen:  # one that wraps the app itself leads back to the outside
        seen.add(id(layer))
        yield layer
        layer = getattr(layer, "app", None) or getattr(layer, "wsgi_app", None)


# Work


def _check_work(orders: OrderStore, findings: Findings) -> None:
    before = now() - OVERDUE
    try:
        unsettled = list(islice(orders.unsettled(before), READ))
        overdue = [order for order in unsettled if _since(order) < before]
    except Exception as failure:  # of a host's own store, whatever it raises
        findings.problems.append(f"The orders cannot be read ({_reason(failure)}); see what is wrong with their store.")
        return
    if overdue:
        named = ", ".join(str(order.number) for order in overdue[:SHOWN])
        more = ", and others" if len(overdue) > SHOWN else ""
        findings.problems.append(
            f"Unpaid or not paid back for more than five minutes: {named}{more}. Run: flask smmapi reconcile, and let "
            "it run every minute; the log says what it cannot put right."
        )


def _since(order: Order) -> datetime:
    """Since when *order* is unsettled, at the latest."""
    return order.created if order.status in HIDDEN else order.ended or order.created


def _reason(failure: BaseException) -> str:
    """*failure* in one line, without a password of a URI in it."""
    text = re.sub(r"//[^/\s@]*@", "//…@", str(failure)).rstrip(". ")
    return f"{type(failure).__name__}: {text}" if text else type(failure).__name__
