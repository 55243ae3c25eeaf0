"""The table of service types: which parameters each takes, and what of them is counted, bounded and charged.

A new type is a row here and a row in its test (api-documentation.md, Service-Specific Parameters).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

from marshmallow import Schema, ValidationError, fields

from .params import split_lines

MAX_LINES = 5_000
MAX_LINK = 2_048

_DIGITS = re.compile(r"[0-9]{1,12}")  # ASCII alone: \d and int() know the digits of every alphabet
_DATE = re.compile(r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")  # all but tabs and line ends
_URL = re.compile(r"https?://[^/?#\s]\S*", re.IGNORECASE)
# A colon only before a port, and a port only behind a dot: "javascript:..." is no host name. The first dot will do; to
# try each would take as many steps as a link of dots is long, squared.
_BARE = re.compile(r"[^\s:/?#]+(?<!\.)(?:[/?#]\S*)?|[^\s:/?#][^\s:/?#.]*\.[^\s:/?#]+:[0-9]{1,5}(?:[/?#]\S*)?")


def is_link(link: str) -> bool:
    """Whether *link* is an absolute http(s) URL or a bare profile or host name, of at most 2,048 characters."""
    if len(link) > MAX_LINK or _CONTROL.search(link):
        return False
    return bool(_URL.fullmatch(link) or _BARE.fullmatch(link))


class Whole(fields.Field[int]):
    """A whole number of at most 12 ASCII digits; marshmallow's own ``Integer`` takes blanks, signs and fractions."""

    least = 0

    def _deserialize(self, value: str, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not _DIGITS.fullmatch(value) or int(value) < self.least:
            raise ValidationError("Not a whole number.")
        return int(value)


class Count(Whole):
    """A whole number of at least 1."""

    least = 1


class Text(fields.Field[str]):
    """Text that is not blank, of at most 5,000 lines and without control characters."""

    def _deserialize(self, value: str, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not 1 <= len(split_lines(value)) <= MAX_LINES or _CONTROL.search(value):
            raise ValidationError("Not a text.")
        return value.strip()


class Lines(fields.Field[tuple[str, ...]]):
    """One to 5,000 lines that are not blank."""

    def _deserialize(self, value: str, attr: str | None, data: Any, **kwargs: Any) -> tuple[str, ...]:
        lines = split_lines(value)
        if not 1 <= len(lines) <= MAX_LINES or _CONTROL.search(value):
            raise ValidationError("Not a list.")
        return tuple(lines)


class Date(fields.Field[str]):
    """A day, written d/m/Y."""

    def _deserialize(self, value: str, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not _DATE.fullmatch(value):
            raise ValidationError("Not a date.")
        try:
            datetime.strptime(value, "%d/%m/%Y")
        except ValueError:
            raise ValidationError("No such day.") from None
        return value


class Link(fields.Field[str]):
    """A link that *check* takes."""

    def __init__(self, check: Callable[[str], bool], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.check = check

    def _deserialize(self, value: str, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not self.check(value):
            raise ValidationError("Not a link.")
        return value


FIELDS: dict[str, type[fields.Field[Any]]] = {
    "quantity": Count,
    "runs": Count,
    "interval": Count,
    "comments": Lines,
    "usernames": Lines,
    "hashtags": Lines,
    "groups": Lines,
    "keywords": Lines,
    "hashtag": Text,
    "username": Text,
    "media": Text,
    "answer_number": Whole,
    "min": Count,
    "max": Count,
    "delay": Whole,  # minutes
    "posts": Whole,  # 0 is what clients send for "no limit"
    "old_posts": Whole,
    "expiry": Date,
    "country": Text,
    "device": Text,
    "type_of_traffic": Text,
    "google_keyword": Text,
    "referring_url": Text,
}
"""What each parameter is, but for ``link``, whose check a host may replace."""


class ServiceType(NamedTuple):
    """One row: a type of service.

    :param required: parameters that must be there, in the order in which they are complained of.
    :param optional: parameters that may be there.
    :param counts: the parameter that is counted and bounded by the service's min and max; None for a package.
    :param times: the parameter that multiplies what is charged, if there is one.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    counts: str | None = "quantity"
    times: str | None = None

    @property
    def per(self) -> int:
        """How many pieces the service's rate is the price of."""
        return 1000 if self.counts else 1

    def count(self, values: Mapping[str, Any]) -> int:
        """What *values* (of :func:`load`) order, as the service's min and max bound it; 1 for a package."""
        if self.counts is None:
            return 1
        counted = values[self.counts]
        return len(counted) if isinstance(counted, tuple) else int(counted)

    def repeats(self, values: Mapping[str, Any]) -> int:
        """How many times the count is charged: runs of a drip-feed, posts of a subscription."""
        return (values.get(self.times) or 1) if self.times else 1


SERVICE_TYPES: dict[str, ServiceType] = {
    "Default": ServiceType(("link", "quantity"), ("runs", "interval"), times="runs"),
    "Package": ServiceType(("link",), counts=None),
    "Custom Comments": ServiceType(("link", "comments"), counts="comments"),
    "Mentions with Hashtags": ServiceType(("link", "quantity", "usernames", "hashtags")),
    "Mentions Custom List": ServiceType(("link", "usernames"), counts="usernames"),
    "Mentions Hashtag": ServiceType(("link", "quantity", "hashtag")),
    "Mentions User Followers": ServiceType(("link", "quantity", "username")),
    "Mentions Media Likers": ServiceType(("link", "quantity", "media")),
    "Comment Likes": ServiceType(("link", "quantity", "username")),
    "Poll": ServiceType(("link", "quantity", "answer_number")),
    "Comment Replies": ServiceType(("link", "username", "comments"), counts="comments"),
    "Invites from Groups": ServiceType(("link", "quantity", "groups")),
    "Subscriptions": ServiceType(
        ("username", "min", "max", "delay"), ("posts", "old_posts", "expiry"), counts="max", times="posts"
    ),
    "Web Traffic": ServiceType(
        ("link", "quantity", "country", "device", "type_of_traffic"),
        ("runs", "interval", "google_keyword", "referring_url"),
        times="runs",
    ),
    # Common in the field, not in the document:
    "SEO": ServiceType(("link", "quantity", "keywords")),
    "Mentions": ServiceType(("link", "quantity", "usernames")),
    "Custom Comments Package": ServiceType(("link", "comments"), counts=None),
}


def load(schema: Schema, params: Mapping[str, str]) -> tuple[Mapping[str, Any], set[str]]:
    """The values of *params*, and the names of those that are missing or malformed; what is no field is passed over.

    Not by ``schema.load``, which looks at every request for processors and contexts, and words messages that nobody
    reads: that is more than twice the work.
    """
    values: dict[str, Any] = {}
    wrong: set[str] = set()
    for name, field in schema.fields.items():
        try:
            if name in params:
                values[name] = field.deserialize(params[name])
            elif field.required:
                wrong.add(name)
        except ValidationError:
            wrong.add(name)
    if "min" in values and "max" in values and values["min"] > values["max"]:  # of a subscription
        wrong.add("min")
    return values, wrong


def build_schemas(check_link: Callable[[str], bool] = is_link) -> Mapping[str, Schema]:
    """A schema for each service type, its fields in the order of the table; apps with the usual check share theirs."""
    return _usual_schemas() if check_link is is_link else _schemas(check_link)


@cache
def _usual_schemas() -> Mapping[str, Schema]:
    return MappingProxyType(_schemas(is_link))


def _schemas(check_link: Callable[[str], bool]) -> dict[str, Schema]:
    return {name: _schema(row, check_link) for name, row in SERVICE_TYPES.items()}


def _schema(row: ServiceType, check_link: Callable[[str], bool]) -> Schema:
    def field(name: str, required: bool) -> fields.Field[Any]:
        if name == "link":
            return Link(check_link, required=required)
        return FIELDS[name](required=required)

    required = {name: field(name, True) for name in row.required}
    optional = {name: field(name, False) for name in row.optional}
    return Schema.from_dict({**required, **optional})()
