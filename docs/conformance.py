"""Writes docs/conformance.md from a run: each request is sent over HTTP, and what comes back is what the page says."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import TypeAlias
from urllib.parse import quote

from flask_smmapi.hooks import DIALECT_NAMES
from tests.exchanges import (
    BODIES,
    EXCHANGES,
    KEY,
    RAW,
    TIGHT,
    Exchange,
    Raw,
    Reply,
    open_panel,
    params_of,
    send,
)
from tests.panel import serve

Played: TypeAlias = "tuple[str, Reply]"
"""A request as it is shown, and its answer."""

HEAD = """# Conformance

What the server answers, action by action and form by form, in both dialects. `make docs` writes this page: it sends
each request to a new panel over HTTP. Those of an action it sends three times, as a urlencoded form, as multipart, and
as JSON with texts; it stops if the three answers differ.

The panel has an order in each status. They have the numbers 1, 2, 3, …, and the ObjectIds `507f1f77bcf86cd799439001`,
`…002`, `…003`, …; 99 is nobody's. (`tests/exchanges.py` has them.) `65f0c0ffee65f0c0ffee65f0` stands for an ObjectId
that the server has minted for the answer. The requests of the actions have the `key` too. A line that begins with `>`
is a request, the others are answers with their HTTP status. Line breaks after commas are this page's; the server sends
none.

## Where the dialects differ

| | `standard` | `panel` | why |
|---|---|---|---|
"""

DIFFERENCES = (
    (
        "a request that could be read, and is refused",
        "400, 401",
        "200",
        "the field's clients look into the body, and many give up at any other status",
    ),
    ("id of an order", "ObjectId, as text", "number", "the field's clients keep it in a column of integers"),
    ("id of a refill", "ObjectId, as text", "number; as text for one order", "that is how the field's panels have it"),
    (
        "`status` of one order",
        "a map with one entry",
        "the entry alone",
        "the field's clients read `charge` at the top",
    ),
    ("`status` of one unknown order", "a map with one entry", "`error` at the top", "likewise"),
    (
        "Awaiting, Fail, Error",
        "as they are",
        "Pending, Canceled, Canceled",
        "resellers' scripts know six for orders",
    ),
    (
        "rows of `services`",
        "the document's nine fields",
        "`dripfeed` too; `desc` and `average_time` where they are known",
        "the field's importers read them",
    ),
    (
        "`status` of a drip-feed or a subscription",
        "nothing more",
        "`runs`, or `posts` and `expiry`, so far, and `orders`; once there are orders for them",
        "the field's scripts follow those orders",
    ),
)

FOOT = """
An account speaks the dialect that its key lookup names, `Account(id, dialect="panel")`, which may be another one for
each of its keys; else the app's `SMMAPI_DIALECT`. What fails before an account is known speaks the app's. A request
decides nothing, and either dialect takes either form of an id. 405, 413, 429, 500 and 503 keep their status in both,
and so does a body that cannot be read: they are for what stands between, and for whoever watches it. Money, orders,
rules and texts are the same: the tests play each request of this page in both dialects, and compare what is stored
then.

"""


def page() -> str:
    rows = "".join(f"| {' | '.join(row)} |\n" for row in DIFFERENCES)
    return HEAD + rows + FOOT + "\n".join(_sections())


def _sections() -> Iterator[str]:
    for action, exchanges in EXCHANGES.items():
        played = {
            exchange.form: [_play(dialect, action, exchange) for dialect in DIALECT_NAMES] for exchange in exchanges
        }
        yield _section(action, played)
    yield _section(
        "Bodies, methods and keys",
        {request.form: [_play_raw(dialect, request) for dialect in DIALECT_NAMES] for request in RAW},
        "Here is all that was sent. The app speaks the dialect; a body may have 500 bytes, a caller one failure.\n\n",
    )


def _section(title: str, played: dict[str, list[Played]], text: str = "") -> str:
    blocks = "\n\n".join(f"# {form}\n{_block(both)}" for form, both in played.items())
    return f"## {title}\n\n{text}```text\n{blocks}\n```\n"


def _play(dialect: str, action: str, exchange: Exchange) -> Played:
    """The request as it is shown, and its answer, which is the same for each kind of body."""
    params = params_of(action, exchange, dialect)
    replies = set()
    for as_body in BODIES:
        with serve(open_panel(dialect).app) as url:
            replies.add(send(url, *as_body({"key": KEY, **params})))
    [reply] = replies
    return "&".join(f"{name}={quote(text, safe=':/,')}" for name, text in params.items()), reply


def _play_raw(dialect: str, request: Raw) -> Played:
    with serve(open_panel(dialect, **TIGHT).app) as url:
        for _ in range(request.times):
            reply = send(url, request.body, request.content_type, request.method)
    shown = request.body.decode()
    head = f"{request.method} {request.content_type}".strip()
    lines = shown.splitlines() if len(shown) < 200 else [f"{shown[:60]}… {len(shown)} bytes"]
    return "\n  ".join([head, *lines]), reply


def _block(played: list[Played]) -> str:
    """Both dialects' request and answer; each once, where they are the same."""
    lines: list[str] = []
    for (request, reply), dialect in zip(played, DIALECT_NAMES, strict=True):
        if f"> {request}" not in lines:
            lines.append(f"> {request}")
        if len(set(played)) > 1:
            lines.append(f"{dialect:8} {reply.status} {_broken(reply.body)}")
    if len(set(played)) == 1:
        lines.append(f"{'both':8} {reply.status} {_broken(reply.body)}")
    return "\n".join(lines)


def _broken(body: str) -> str:
    """*body* with a line for each row of a list, and each entry of a map of maps."""
    return re.sub(r'(?<=\}),(?=[{"])', ",\n             ", body)


if __name__ == "__main__":
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    print(page(), end="")
