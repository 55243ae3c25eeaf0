"""Clients of the API that keep their connections, ask without a pause, and know what they may hear.

They keep a model of the money in whole units of 10⁻⁸, made without the package's code: see :class:`Book`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlencode

from ..panel import LINK, WRONG_KEY

FORM, JSON = "application/x-www-form-urlencoded", "application/json"

PATIENCE = 60.0
"""Seconds after which a request counts as one without an answer."""

MAX_BODY = 65_536
"""``SMMAPI_MAX_CONTENT_LENGTH`` of the server."""

LARGEST_QUANTITY = 10_000

RATES = {1: 123_456_789, 2: 33_333_333, 3: 1_200_000_001}
"""Units for 1,000 pieces of Default (1) and of Custom Comments (3), and for one Package (2)."""

STUBBORN = 20
"""Addresses that guess again and again; the other half of the wrong keys comes from an address of its own each."""

UNAVAILABLE = (503, "Service unavailable")


class Answer(NamedTuple):
    """What a client got."""

    status: int
    json: Any
    headers: Mapping[str, str]

    @property
    def heard(self) -> tuple[int, str]:
        """The status, and the text of the error; an empty one for none."""
        text = self.json.get("error", "") if isinstance(self.json, dict) else ""
        return self.status, str(text)


class Unanswered(Exception):
    """The server hung up, or said nothing, or something that is no JSON."""


class Line:
    """A connection that is kept."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.connected = 0

    async def ask(self, body: bytes, content_type: str, address: str, headers: Mapping[str, str]) -> Answer:
        """Send a request as the proxy would that has *address* for its caller.

        :raises Unanswered: if there is no answer to it.
        """
        more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = (
            f"POST /api/v2 HTTP/1.1\r\nHost: panel\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
            f"X-Forwarded-For: {address}\r\nUser-Agent: load\r\n{more}\r\n"
        )
        try:
            return await asyncio.wait_for(self._ask(head.encode() + body), PATIENCE)
        except (OSError, EOFError, ValueError, asyncio.TimeoutError) as failure:
            await self.close()
            raise Unanswered(f"{type(failure).__name__}: {failure}") from failure

    async def _ask(self, request: bytes) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            self.connected += 1
        reader, writer = self._streams
        writer.write(request)
        status, headers = _read_head(await reader.readuntil(b"\r\n\r\n"))
        body = await reader.readexactly(int(headers["content-length"]))
        if headers.get("connection", "").lower() == "close":
            await self.close()
        if headers["content-type"] != JSON:
            raise ValueError(f"it was answered in {headers['content-type']}: {body[:200]!r}")
        return Answer(status, json.loads(body), headers)

    async def close(self) -> None:
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
            with suppress(OSError):  # the server was faster
                await writer.wait_closed()


def _read_head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}


@dataclass(eq=False)
class Add:
    """An order that a client wants, and what it was told of it.

    :param order: the id, once it was told.
    :param refused: whether it was told that there is not enough money.
    """

    params: Mapping[str, Any]
    charge: int
    key: str | None
    order: str | None = None
    refused: bool = False


@dataclass(eq=False)
class Book:
    """One account: what was asked for it and what was answered, and so what its balance can be.

    :param asked: units that the adds cost which were sent,
    :param refused: which were refused, and
    :param accepted: which were told an id; likewise
    :param wanted_back: of the orders whose cancel was asked for, and
    :param given_back: whose cancel was answered.
    """

    key: str
    opening: int
    address: str
    asked: int = 0
    refused: int = 0
    accepted: int = 0
    wanted_back: int = 0
    given_back: int = 0
    adds: dict[str, Add] = field(default_factory=dict)  # by link
    told: dict[str, Add] = field(default_factory=dict)  # by order
    newest: list[str] = field(default_factory=list)  # orders
    answered_keys: list[Add] = field(default_factory=list)
    canceling: set[str] = field(default_factory=set)
    canceled: set[str] = field(default_factory=set)
    completed: list[str] = field(default_factory=list)
    refills: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def bounds(self) -> Callable[[], range]:
        """Begin to ask; at the answer the result gives what the balance may have been at some moment in between."""
        refused, accepted, given_back = self.refused, self.accepted, self.given_back

        def at_answer() -> range:
            least = self.opening - (self.asked - refused) + given_back
            most = self.opening - accepted + self.wanted_back
            return range(least, most + 1)

        return at_answer


@dataclass(eq=False)
class Record:
    """What all clients heard."""

    wrong: Counter[str] = field(default_factory=Counter)
    heard: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    seconds: list[tuple[float, float]] = field(default_factory=list)  # when it was answered, and after how long
    unavailable: list[float] = field(default_factory=list)  # when
    guesses: dict[str, list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))
    sent_adds: int = 0
    first_unavailable: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, what: str, answer: Answer, began: float) -> None:
        moment = time.monotonic()
        status, text = answer.heard
        self.heard[what, status, text] += 1
        self.seconds.append((moment, moment - began))
        if status == 503:
            self.unavailable.append(moment)
            self.first_unavailable.set()
            if not answer.headers.get("retry-after", "").isdigit():
                self.wrong["A 503 has no Retry-After."] += 1


class Client:
    """One connection. It asks for the account of *book*; its wrong keys come from elsewhere."""

    _fresh = itertools.count()
    _links = itertools.count(1)

    def __init__(self, port: int, book: Book, record: Record, seed: int) -> None:
        self._line = Line(port)
        self._book = book
        self._record = record
        self._random = random.Random(seed)
        self._open: Add | None = None  # has a key, and no answer yet

    async def run(self, over: asyncio.Event) -> None:
        """Ask until it is over; what was begun is waited for."""
        while not over.is_set():
            try:
                await self._turn()
            except Unanswered as failure:
                self._record.wrong[f"A request had no answer: {failure}."] += 1
        await self._line.close()

    @property
    def connected(self) -> int:
        """How often it had to connect."""
        return self._line.connected

    async def ask_balance(self) -> int | None:
        """What the account has, in units; None if that is not answered. The connection is closed then."""
        try:
            for _ in range(3):
                answer = await self._ask("balance", {"action": "balance"})
                if self._expect("The last question for a balance", answer, (200, "")):
                    return _units(answer.json["balance"])
            return None
        finally:
            await self._line.close()

    async def _turn(self) -> None:
        ways: dict[Callable[[], Any], float] = {
            self._guess: 10,
            self._send_bad: 10,
            self._add: 40,
            self._status: 18,
            self._balance: 10,
            self._cancel: 6,
            self._refill: 4,
            self._services: 2,
        }
        [way] = self._random.choices(list(ways), ways.values())
        await way()

    async def _send(
        self,
        what: str,
        body: bytes,
        content_type: str = FORM,
        address: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        began = time.monotonic()
        answer = await self._line.ask(body, content_type, address or self._book.address, headers or {})
        self._record.note(what, answer, began)
        return answer

    async def _ask(self, what: str, params: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
        """As a form, or as JSON."""
        full = {"key": self._book.key, **params}
        if self._random.random() < 0.5:
            return await self._send(what, json.dumps(full).encode(), JSON, headers=headers)
        return await self._send(what, urlencode(full).encode(), headers=headers)

    def _expect(self, what: str, answer: Answer, *expected: tuple[int, str]) -> bool:
        """Whether it is one of those; 503 is no surprise, and is looked at when all is over."""
        if answer.heard in expected:
            return True
        if answer.heard != UNAVAILABLE:
            self._record.wrong[f"{what} was answered {answer.status} {json.dumps(answer.json)[:200]}."] += 1
        return False

    def _blame(self, sentence: str) -> None:
        self._record.wrong[sentence] += 1

    # Wrong ones

    async def _guess(self) -> None:
        stubborn = self._random.random() < 0.5
        fresh = 0 if stubborn else next(self._fresh)
        address = (
            f"198.51.100.{self._random.randrange(STUBBORN)}"
            if stubborn
            else f"2001:db8:{fresh >> 16:x}:{fresh & 0xFFFF:x}::1"
        )
        key, text = self._random.choice([(WRONG_KEY, "Invalid API key"), ("guess", "Invalid API key format")])
        body = urlencode({"key": key, "action": "balance"}).encode()
        answer = await self._send("wrong key", body, address=address)
        allowed = [(401, text), (429, "Too many failed attempts")] if stubborn else [(401, text)]
        if self._expect("A wrong key", answer, *allowed) and stubborn:
            self._record.guesses[address].append((time.monotonic(), answer.status))

    async def _send_bad(self) -> None:
        body, content_type, expected = self._random.choice(bad_bodies(self._book.key))
        self._expect("A bad body", await self._send("bad body", body, content_type), expected)

    # Right ones

    async def _add(self) -> None:
        add = self._next_add()
        book, bounds = self._book, self._book.bounds()
        if add.order is None:  # else it has been paid for
            book.asked += add.charge
        self._record.sent_adds += 1
        answer = await self._ask(
            "add", {"action": "add", **add.params}, None if add.key is None else {"Idempotency-Key": add.key}
        )
        if not self._expect("An add", answer, (200, ""), (400, "Not enough funds on balance")):
            return
        if self._open is add:
            self._open = None
        if answer.status == 400:
            if add.order is not None:
                self._blame("An add that had been answered with an id was refused when it was repeated.")
            elif bounds().start >= 0:
                self._blame("An add was refused for want of money that was there.")
            book.refused += add.charge
            add.refused = True
            return
        order = answer.json["order"]
        if add.order is None:
            add.order = order
            book.accepted += add.charge
            book.newest.append(order)
            if book.told.setdefault(order, add) is not add:
                self._blame("Two adds were answered with one id.")
            if add.key is not None:
                book.answered_keys.append(add)
        elif add.order != order:
            self._blame("An idempotency key was answered with two orders.")

    def _next_add(self) -> Add:
        """A new one; with a key, or the one whose key has no answer yet; or one that is repeated with its key."""
        book, chance = self._book, self._random.random()
        if chance < 0.07 and book.answered_keys:
            return self._random.choice(book.answered_keys)
        if chance < 0.35 and self._open is not None:
            return self._open
        number = next(self._links)
        link = f"{LINK}/{number}"
        params, charge = self._draw(link)
        key = f"load-{number:08}" if chance < 0.35 else None
        add = book.adds[link] = Add(params, charge, key)
        if key is not None:
            self._open = add
        return add

    def _draw(self, link: str) -> tuple[dict[str, Any], int]:
        service = self._random.choice([1, 1, 1, 2, 3])
        params: dict[str, Any] = {"service": service, "link": link}
        if service == 2:
            return params, RATES[2]
        if service == 1:
            count = params["quantity"] = self._random.randint(1, LARGEST_QUANTITY)
        else:
            count = self._random.randint(1, 20)
            params["comments"] = "\n".join(f"Comment {n}" for n in range(count))
        return params, -(-RATES[service] * count // 1000)

    async def _status(self) -> None:
        book = self._book
        orders = book.newest[-200:]
        some = self._random.sample(orders, min(len(orders), self._random.choice([1, 1, 10])))
        if not some:
            return
        canceled = book.canceled & set(some)
        name = "order" if len(some) == 1 else "orders"
        answer = await self._ask("status", {"action": "status", name: ",".join(some)})
        if not self._expect("A status", answer, (200, "")):
            return
        if list(answer.json) != some:
            self._blame("A status was answered for other orders.")
        for order, row in answer.json.items():
            state = row.get("status"), row.get("charge")
            awaiting = order not in canceled and state == ("Awaiting", _text(book.told[order].charge))
            if not awaiting and not (order in book.canceling and state == ("Canceled", _text(0))):
                self._blame(f"The status of an order was {json.dumps(row)}.")

    async def _balance(self) -> None:
        bounds = self._book.bounds()
        answer = await self._ask("balance", {"action": "balance"})
        if self._expect("A balance", answer, (200, "")) and _units(answer.json["balance"]) not in bounds():
            self._blame("A balance cannot have been.")

    async def _cancel(self) -> None:
        book = self._book
        if not book.newest:
            return
        order = self._random.choice(book.newest[-20:])
        charge = book.told[order].charge
        if order not in book.canceling:
            book.canceling.add(order)
            book.wanted_back += charge
        answer = await self._ask("cancel", {"action": "cancel", "order": order})
        if self._expect("A cancel", answer, (200, "")):
            if answer.json != {"cancel": 1}:
                self._blame(f"A cancel was answered {answer.json}.")
            if order not in book.canceled:
                book.canceled.add(order)
                book.given_back += charge

    async def _refill(self) -> None:
        order = self._random.choice(self._book.completed)
        early = "The order was completed or refill was requested less than 24 hours ago"
        answer = await self._ask("refill", {"action": "refill", "order": order})
        if self._expect("A refill", answer, (200, ""), (400, early)) and answer.status == 200:
            self._book.refills[order].add(answer.json["refill"])

    async def _services(self) -> None:
        answer = await self._ask("services", {"action": "services"})
        if self._expect("The price list", answer, (200, "")) and (
            {row["service"]: _units(row["rate"]) for row in answer.json} != RATES
        ):
            self._blame(f"The price list was {answer.json}.")


def bad_bodies(key: str) -> list[tuple[bytes, str, tuple[int, str]]]:
    """Bodies, their content types, and what they have to hear."""
    incorrect = (400, "Incorrect request")
    add = {"key": key, "action": "add", "service": "1", "link": LINK, "quantity": "10"}

    def form(text: str, **params: Any) -> tuple[bytes, str, tuple[int, str]]:
        return urlencode({**add, **params}).encode(), FORM, (400, text)

    return [
        (b'{"key": ', JSON, incorrect),
        (b"[" * 5_000, JSON, incorrect),
        (json.dumps({**add, "quantity": {"$gt": 0}}).encode(), JSON, incorrect),
        (urlencode(add).encode() + b"&link=%ff", FORM, incorrect),
        (urlencode(add).encode(), "text/plain", incorrect),
        form("Incorrect request", action="steal"),
        form("Incorrect service ID", service="999"),
        form("Incorrect link", link="https://example.com/\0"),
        form("Incorrect quantity", quantity="1e3"),
        form("Incorrect quantity", quantity="9" * 3_000),
        form(f"Quantity more than maximum {LARGEST_QUANTITY}", quantity=str(LARGEST_QUANTITY + 1)),
        form("Maximum 100 orders per request", action="status", orders=",".join("1" for _ in range(101))),
        (urlencode({**add, "comments": "x" * MAX_BODY}).encode(), FORM, (413, "Request too large")),
    ]


def _units(amount: str) -> int:
    whole, _, fraction = amount.partition(".")
    if len(fraction) != 8:
        raise ValueError(f"{amount} has not eight places.")
    return int(whole + fraction)


def _text(units: int) -> str:
    return f"{units // 10**8}.{units % 10**8:08}"
