"""The documents: schema and indexes of what is in MongoDB, for mongoengine and for the host's own queries.

Amounts are whole units of 10⁻⁸ (Int64). The money and the hot paths use the collections, not document objects: a
``save()`` of a stale document would lose what others wrote. Every unique index of orders, refills and ledger begins
with the account, so that a large panel can shard by it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from mongoengine import (
    BooleanField,
    DateTimeField,
    DictField,
    Document,
    DynamicField,
    IntField,
    ListField,
    LongField,
    ObjectIdField,
    StringField,
)

SCHEMA = 1
"""The layout of what this release writes. It grows when a release lays documents out so that others cannot read them;
a field that is new and may be absent is no such change."""


def _meta(collection: str, *indexes: dict[str, Any]) -> dict[str, Any]:
    return {
        "collection": f"smmapi_{collection}",
        "indexes": list(indexes),
        "auto_create_index": False,  # building them is a step of its own: MongoStore.create_indexes()
        "strict": False,  # a newer release may add fields
    }


class Index(NamedTuple):
    """What ``create_index`` takes.

    :param keys: each field with its direction.
    :param options: its name among them.
    """

    keys: list[tuple[str, int]]
    options: dict[str, Any]


def _as_index(spec: dict[str, Any]) -> Index:
    """mongoengine's description of an index as pymongo has it."""
    return Index(spec["fields"], {name: value for name, value in spec.items() if name != "fields"})


class SmmAccount(Document):
    """Who pays. The balance is in the ledger.

    ``discount`` is in hundredths of a percent; ``rates`` are of some services, and beat it; ``prices`` counts how often
    they were set.
    """

    meta = _meta("accounts")
    id = DynamicField(primary_key=True)
    currency = StringField()
    allowed_ips = ListField(StringField())
    dialect = StringField()
    active = BooleanField(default=True)
    created = DateTimeField()
    discount = LongField()
    rates = ListField(DictField())
    prices = LongField()


class SmmKey(Document):
    """An API key: its SHA-256, never the key."""

    meta = _meta("keys", {"fields": ["account"], "name": "account"})
    hash = StringField(primary_key=True)
    prefix = StringField()
    label = StringField()
    account = DynamicField()
    dialect = StringField()
    active = BooleanField(default=True)
    created = DateTimeField()
    last_used = DateTimeField()


class SmmService(Document):
    """A row of one edition of the price list; :class:`SmmMeta` ``catalog`` says which edition counts."""

    meta = _meta("services", {"fields": ["edition", "position"], "name": "edition_position", "unique": True})
    id = ObjectIdField(primary_key=True)
    edition = LongField()
    position = LongField()
    number = LongField()
    name = StringField()
    type = StringField()
    category = StringField()
    rate = LongField()
    min = LongField()
    max = LongField()
    refill = BooleanField()
    cancel = BooleanField()
    dripfeed = BooleanField()
    desc = StringField()
    average_time = StringField()


class SmmOrder(Document):
    """An order; its fields are those of :class:`flask_smmapi.Order`."""

    meta = _meta(
        "orders",
        {"fields": ["account", "number"], "name": "account_number", "unique": True},
        {
            "fields": ["account", "idempotency_key"],
            "name": "account_idempotency_key",
            "unique": True,
            "partialFilterExpression": {"idempotency_key": {"$type": "string"}},
        },
        {
            "fields": ["unsettled", "created"],
            "name": "unsettled_created",
            "partialFilterExpression": {"unsettled": True},
        },
        {"fields": ["status", "due", "number"], "name": "status_due_number"},
    )
    id = ObjectIdField(primary_key=True)
    account = DynamicField()
    number = LongField()
    service = LongField()
    params = DictField()
    rate = LongField()
    per = LongField()
    count = LongField()
    charge = LongField()
    currency = StringField()
    cancelable = BooleanField()
    refillable = BooleanField()
    fingerprint = StringField()
    created = DateTimeField()
    remains = LongField()
    idempotency_key = StringField()
    status = StringField()
    ended = DateTimeField()
    start_count = LongField()
    due_back = LongField()
    paid_back = LongField()
    revision = LongField()
    children = ListField(LongField())
    claim = StringField()
    worker = StringField()
    due = DateTimeField()
    reason = StringField()
    unsettled = BooleanField()


class SmmRefill(Document):
    """A refill; its fields are those of :class:`flask_smmapi.Refill`."""

    meta = _meta(
        "refills",
        {"fields": ["account", "order", "n"], "name": "account_order_n", "unique": True},
        {"fields": ["account", "number"], "name": "account_number", "unique": True},
        {"fields": ["status", "due", "number"], "name": "status_due_number"},
    )
    id = ObjectIdField(primary_key=True)
    account = DynamicField()
    number = LongField()
    order = ObjectIdField()
    n = IntField()
    created = DateTimeField()
    status = StringField()
    revision = LongField()
    claim = StringField()
    worker = StringField()
    due = DateTimeField()


class SmmEntry(Document):
    """A movement of money, never changed: the ledger. ``_id`` is the account and the reference.

    ``kind`` is debit, credit, bar (a zero entry that forbids the debit of its reference) or void (undoes a debit).
    ``note`` is the reason of an adjustment.
    """

    meta = _meta("ledger", {"fields": ["account", "seq"], "name": "account_seq", "unique": True})
    id = DictField(primary_key=True)
    account = DynamicField()
    seq = LongField()
    kind = StringField()
    units = LongField()
    balance = LongField()
    at = DateTimeField()
    note = StringField()


class SmmMeta(Document):
    """What the store remembers about itself: ``schema``, ``numbers``, ``catalog``, ``editions``."""

    meta = _meta("meta")
    id = StringField(primary_key=True)
    value = LongField()


_DOCUMENTS: tuple[type[Document], ...] = (SmmAccount, SmmKey, SmmService, SmmOrder, SmmRefill, SmmEntry, SmmMeta)

INDEXES: dict[str, list[Index]] = {
    document._get_collection_name(): [_as_index(spec) for spec in document._meta["index_specs"]]
    for document in _DOCUMENTS
}
"""The indexes of each collection, for pymongo; mongoengine builds its own on the default connection alone."""
