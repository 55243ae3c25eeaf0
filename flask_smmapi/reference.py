"""What the API reference says beside the protocol's own tables: words for people, and examples that are never made up.

An example is a request; its answer is what the protocol does with it in a panel in memory, in either dialect.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from .actions import ACTIONS, Context, RefillAnswers
from .dialects import DIALECTS
from .errors import (
    IdempotencyKeyReused,
    IncorrectOrderId,
    IncorrectParameter,
    IncorrectRequest,
    IncorrectServiceId,
    InternalServerError,
    InvalidKey,
    InvalidKeyFormat,
    MethodNotAllowed,
    NotCancelable,
    NotEnoughFunds,
    OrderNotCompleted,
    QuantityTooLarge,
    QuantityTooSmall,
    RefillDisabled,
    RefillNotFound,
    RefillTooEarly,
    RequestTooLarge,
    ServiceUnavailable,
    SmmError,
    TooManyFailedAttempts,
    TooManyIds,
)
from .hooks import Account, Order, Refill, Service
from .params import clean
from .service_types import SERVICE_TYPES
from .statuses import OrderStatus, RefillStatus
from .stores.memory import MemoryStore


class Parameter(NamedTuple):
    """A parameter of an order.

    :param text: what it is.
    :param example: a value as a client writes it.
    """

    text: str
    example: str


PARAMETERS: dict[str, Parameter] = {
    "link": Parameter(
        "Where to deliver: an address that begins with https:// or http://, or a name.", "https://example.com/post"
    ),
    "quantity": Parameter("How many pieces; at least the service's min, at most its max.", "1000"),
    "runs": Parameter("Drip-feed: how often the quantity is delivered. Each run is charged.", "3"),
    "interval": Parameter("Drip-feed: minutes between two runs.", "60"),
    "comments": Parameter("The comments, one a line. They are counted.", "Great!\nWell done"),
    "usernames": Parameter("Names, one a line. Where no quantity is sent, they are counted.", "anna\nben"),
    "hashtags": Parameter("Hashtags, one a line.", "#summer\n#travel"),
    "groups": Parameter("Groups, one a line.", "https://example.com/groups/1\nhttps://example.com/groups/2"),
    "keywords": Parameter("Keywords, one a line.", "blue shoes\nrunning shoes"),
    "hashtag": Parameter("The hashtag whose users are mentioned.", "#summer"),
    "username": Parameter("A profile: its name, or its address.", "anna"),
    "media": Parameter("The post whose likers are mentioned.", "https://example.com/p/2"),
    "answer_number": Parameter("Which answer of the poll gets the votes.", "2"),
    "min": Parameter("The least that a new post gets.", "100"),
    "max": Parameter("The most that a new post gets; it is charged.", "150"),
    "delay": Parameter("Minutes from a new post to its delivery; 0 for none.", "30"),
    "posts": Parameter("How many new posts are delivered to. Each is charged; without it, one.", "5"),
    "old_posts": Parameter("How many posts that are there already are delivered to.", "2"),
    "expiry": Parameter("The last day of the subscription: day/month/year.", "31/12/2027"),
    "country": Parameter("Where the visitors come from.", "US"),
    "device": Parameter("What they visit with.", "desktop"),
    "type_of_traffic": Parameter("How they come.", "organic"),
    "google_keyword": Parameter("What they searched for.", "blue shoes"),
    "referring_url": Parameter("The page that they come from.", "https://example.com/blog"),
}
"""Every parameter that a type of service may take."""


class Asked(NamedTuple):
    """A parameter of an action.

    :param needed: when it must be there, in a word or two.
    """

    name: str
    needed: str
    text: str


class Example(NamedTuple):
    """A request that is shown. ``{2}`` in it stands for the id of the order or refill with the number 2.

    :param form: what is special about it.
    """

    form: str
    params: Mapping[str, str]


class Action(NamedTuple):
    """An action, for people."""

    title: str
    text: str
    params: tuple[Asked, ...]
    examples: tuple[Example, ...]


ONE_OF_THESE = "one of these"

_ORDERS = (
    Asked("order", ONE_OF_THESE, "The id of one order."),
    Asked("orders", ONE_OF_THESE, "The ids of many: with commas between them, or as an array in JSON."),
)

ACTIONS_IN_WORDS: dict[str, Action] = {
    "services": Action("List the services", "All that you may order, at your prices.", (), (Example("All", {}),)),
    "add": Action(
        "Place an order",
        "What an order needs depends on the type of its service. The answer is the order's id; your balance pays for "
        "it. Send a request_id of your own with each order: when an answer is lost on the way, send the same again, "
        "and it is the same order, charged once.",
        (
            Asked("service", "required", "The service's number."),
            Asked("request_id", "optional", "8 to 128 printable ASCII characters. Also as the header Idempotency-Key."),
        ),
        (
            Example(
                "An order",
                {
                    "service": "123",
                    "link": PARAMETERS["link"].example,
                    "quantity": "1000",
                    "request_id": "cart-2041-line-1",
                },
            ),
            Example(
                "A drip-feed",
                {
                    "service": "123",
                    "link": PARAMETERS["link"].example,
                    "quantity": "100",
                    "runs": "3",
                    "interval": "60",
                },
            ),
            Example("A refusal", {"service": "123", "link": PARAMETERS["link"].example, "quantity": "5"}),
        ),
    ),
    "status": Action(
        "Ask how orders stand",
        "charge is what the order costs by now: what was paid back is taken off. remains is what is not delivered yet.",
        _ORDERS,
        (
            Example("One order", {"order": "{1}"}),
            Example("Many orders", {"orders": "{1},{2},{9}"}),
            Example("An unknown order", {"order": "{9}"}),
        ),
    ),
    "cancel": Action(
        "Cancel orders",
        "Before the work on them has begun, if their service has cancel. The charge is paid back, once.",
        _ORDERS,
        (
            Example("One order", {"order": "{3}"}),
            Example("Many orders", {"orders": "{3},{9}"}),
            Example("Too late", {"order": "{1}"}),
        ),
    ),
    "refill": Action(
        "Ask for refills",
        "Of what was lost after the delivery, if the order's service has refill. One at a time.",
        (
            *_ORDERS,
            Asked("refill", ONE_OF_THESE, "The id of one order, too; the answer is 1, and not the refill's id."),
        ),
        (
            Example("One order", {"order": "{2}"}),
            Example("Many orders", {"orders": "{2},{1}"}),
            Example("Without an id for it", {"refill": "{2}"}),
        ),
    ),
    "refill_status": Action(
        "Ask how refills stand",
        "By the refill's id. The long id of an order stands for its newest refill.",
        (
            Asked("refill", ONE_OF_THESE, "The id of one refill."),
            Asked("refills", ONE_OF_THESE, "The ids of many, written like those of orders."),
        ),
        (
            Example("One refill", {"refill": "{4}"}),
            Example("Many refills", {"refills": "{4},{9}"}),
        ),
    ),
    "balance": Action("Ask for the balance", "What you have left to spend.", (), (Example("Yours", {}),)),
}
"""In the order of :data:`flask_smmapi.actions.ACTIONS`."""

STATUS_WORDS: dict[OrderStatus, str] = {
    OrderStatus.AWAITING: "Received; waits for its turn.",
    OrderStatus.PENDING: "Handed out; the work begins soon.",
    OrderStatus.PROCESSING: "The work has begun.",
    OrderStatus.IN_PROGRESS: "Some of it is delivered.",
    OrderStatus.COMPLETED: "All of it is delivered.",
    OrderStatus.PARTIAL: "Some will not be delivered; what that costs was paid back.",
    OrderStatus.CANCELED: "Canceled; what was not delivered was paid back.",
    OrderStatus.FAIL: "It cannot be done; what was not delivered was paid back.",
    OrderStatus.ERROR: "Something went wrong; what was not delivered was paid back.",
}

REFILL_WORDS: dict[RefillStatus, str] = {
    RefillStatus.PENDING: "Received; waits for its turn.",
    RefillStatus.IN_PROGRESS: "The work has begun.",
    RefillStatus.COMPLETED: "What was lost is delivered again.",
    RefillStatus.REJECTED: "Nothing is delivered again.",
}


def failures(max_ids: int) -> list[tuple[SmmError, str]]:
    """Every failure with an example of its text, and when it comes.

    :param max_ids: the ids that one request may name.
    """
    return [
        (InvalidKeyFormat(), "The key is missing, or does not look like one. It is a failed attempt."),
        (InvalidKey(), "Nobody's key, a revoked one, or not from this address. It is a failed attempt."),
        (TooManyFailedAttempts(retry_after=900), "Wait for as many seconds as the header Retry-After says."),
        (IncorrectRequest(), "The body cannot be read, the action is unknown, or the ids are missing."),
        (IncorrectServiceId(), "There is no such service for you."),
        (IncorrectParameter("link"), "This parameter is missing or malformed; the text names it."),
        (QuantityTooSmall(100), "Less than the service's min."),
        (QuantityTooLarge(10_000), "More than the service's max."),
        (NotEnoughFunds(), "The charge is more than your balance. Nothing was taken."),
        (IdempotencyKeyReused(), "This request_id was sent with other parameters before."),
        (IncorrectOrderId(), "You have no such order."),
        (TooManyIds(max_ids), "Ask for the rest with another request."),
        (NotCancelable(), "The work has begun, or the service has no cancel."),
        (RefillDisabled(), "The service has no refill."),
        (OrderNotCompleted(), "Only what was delivered can be refilled."),
        (RefillTooEarly(), "It was completed, or refilled, not long ago; or a refill is on its way."),
        (RefillNotFound(), "You have no such refill."),
        (MethodNotAllowed(), "Anything but POST."),
        (RequestTooLarge(), "Send less at once."),
        (InternalServerError(), "The order may have been placed: send the same request_id again."),
        (ServiceUnavailable(), "Likewise, after as many seconds as the header Retry-After says."),
    ]


# The panel of the examples


BALANCE = Decimal("100.00")
ACCOUNT = Account(id=1)
LAST = 4
"""The number of the newest of its orders and refills; what an example makes is the next."""

_ID = re.compile(r"\{(\d+)\}")


def object_id(number: int) -> str:
    """The ObjectId of the example with that number; 1 has the one of api-documentation.md."""
    return f"507f1f77bcf86cd7994390{10 + number:02}"


def _service(number: int, name: str, type_: str, category: str, rate: str, least: int, most: int) -> Service:
    is_dripfeed = SERVICE_TYPES[type_].times == "runs"
    return Service(number, name, type_, category, Decimal(rate), least, most, True, True, is_dripfeed)


SERVICES = (
    _service(1, "Instagram Followers", "Default", "Instagram", "0.00100000", 100, 10_000),
    _service(123, "YouTube Likes", "Default", "YouTube", "1.00000000", 10, 100_000),
    *(
        _service(number, type_, type_, "Examples", "0.50000000", 1, 10_000)
        for number, type_ in enumerate(SERVICE_TYPES, 1)
        if type_ != "Default"
    ),
)
"""The first one is the example of api-documentation.md; one for each other type."""

SHOWN = 2
"""Services of the list that are shown."""


def sample_store() -> MemoryStore:
    """The panel: its order 1 is worked on, 2 was completed and refilled (by 4), and 3 waits."""
    store = MemoryStore(SERVICES)
    store.add_account(ACCOUNT, balance=BALANCE)
    long_ago = datetime.now(timezone.utc) - timedelta(days=7)
    first = Order(
        id=object_id(1),
        account=ACCOUNT.id,
        service=123,
        params={"link": PARAMETERS["link"].example, "quantity": "1000"},
        rate=Decimal("1.00"),
        per=1000,
        count=1000,
        charge=Decimal("1.00"),
        currency="USD",
        cancelable=True,
        refillable=True,
        fingerprint="",
        created=long_ago,
        remains=1000,
        status=OrderStatus.PROCESSING,
    )
    for order in (
        first,
        replace(
            first,
            id=object_id(2),
            count=2500,
            charge=Decimal("2.50"),
            remains=0,
            start_count=100,
            status=OrderStatus.COMPLETED,
            ended=long_ago,
        ),
        replace(first, id=object_id(3), status=OrderStatus.AWAITING),
    ):
        store.add(order)
    store.add_refill(Refill(object_id(4), ACCOUNT.id, object_id(2), 1, long_ago, RefillStatus.COMPLETED))
    return store


class Played(NamedTuple):
    """An example in one dialect.

    :param params: what is sent, but for the key.
    :param status: of HTTP.
    :param answer: JSON.
    """

    form: str
    params: dict[str, str]
    status: int
    answer: Any


@cache
def play(action: str, dialect: str) -> tuple[Played, ...]:
    """The examples of *action* in *dialect*, each in a panel of its own."""
    return tuple(_play(action, dialect, example) for example in ACTIONS_IN_WORDS[action].examples)


def _play(action: str, dialect: str, example: Example) -> Played:
    written = {
        name: _ID.sub(lambda found: _written(int(found[1]), dialect), text) for name, text in example.params.items()
    }
    store = sample_store()
    context = Context(store.catalog, store, store)
    try:
        result = ACTIONS[action](context, ACCOUNT, clean(written))
        body, status = getattr(DIALECTS[dialect], action)(result), 200
        for minted in _minted(result):
            body = body.replace(minted.encode(), object_id(LAST + 1).encode())
    except SmmError as failure:
        body, status = DIALECTS[dialect].error(failure)
    answer = json.loads(body)
    return Played(
        example.form, {"action": action, **written}, status, answer[:SHOWN] if action == "services" else answer
    )


def _written(number: int, dialect: str) -> str:
    return str(number) if dialect == "panel" else object_id(number)


def _minted(result: Any) -> Iterator[str]:
    """The ids that are new each time."""
    if isinstance(result, Order):
        yield result.id
    elif isinstance(result, RefillAnswers):
        yield from (record.id for _, record in result.answers.items if isinstance(record, Refill))


def add_params(type_: str) -> dict[str, str]:
    """An order of the type, with all that it requires."""
    service = next(service.id for service in reversed(SERVICES) if service.type == type_)
    return {"service": str(service), **{name: PARAMETERS[name].example for name in SERVICE_TYPES[type_].required}}
