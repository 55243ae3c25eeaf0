"""The existing panel keeps every duty of the seam: on SQLite and on PostgreSQL, with its orders there or in MongoDB.

One database serves all tests of a class, as an integrator's would: the contracts mind nothing but their own orders.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from uuid import uuid4

import mongoengine
import pymongo
import pytest

from example_app.existing_panel import create_app
from example_app.existing_panel.database import Database
from example_app.existing_panel.hooks import Wallet
from example_app.existing_panel.models import ApiKey
from example_app.existing_panel.orders import Orders
from example_app.existing_panel.seed import KEY_1, KEY_2, KEY_OF_INACTIVE, seed
from flask_smmapi.keys import digest
from flask_smmapi.testing import Host, PanelContract

from .mongo import with_database
from .panel import ROUNDS_ON_SERVERS
from .postgres import new_database

REVOKED = "0" * 32
KEYS = {KEY_1: 1, KEY_2: 2, KEY_OF_INACTIVE: None, REVOKED: None}
RATES = {1: {123: Decimal("0.90000000")}, 2: {123: Decimal("1.00000000")}}


@pytest.fixture(scope="class", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('panel') / 'panel.db'}"
    else:
        with new_database(request.getfixturevalue("postgres")) as created:
            yield created


@pytest.fixture(scope="class")
def other_database(url: str) -> Iterator[Database]:
    """The same database through connections of its own."""
    with closing(Database(url)) as other:
        yield other


@pytest.fixture(scope="class")
def mongodb(mongod: str) -> Iterator[str]:
    """The URI of an empty database."""
    uri = with_database(mongod, f"smmapi_existing_{uuid4().hex}")
    yield uri
    mongoengine.disconnect_all()
    with pymongo.MongoClient(uri) as client:
        client.drop_database(client.get_default_database())


@contextmanager
def panel(url: str, other: Database, orders: str) -> Iterator[Host]:
    """The panel with the demo's users in it, and a revoked key."""
    app = create_app(url, orders=orders)
    seed(app)
    with other.transaction() as session:
        session.merge(ApiKey(digest=digest(REVOKED), user_id=1, revoked=True))
    again = Host(
        wallet=Wallet(other),
        orders=Orders(other) if orders == "sql" else app.extensions["smmapi"].store,
        accounts=(1, 2),
    )
    yield Host(app, accounts=(1, 2), keys=KEYS, rates=RATES, again=again)
    app.extensions["panel"].close()


@pytest.fixture(scope="class")
def sql_panel(url: str, other_database: Database) -> Iterator[Host]:
    with panel(url, other_database, "sql") as host:
        yield host


@pytest.fixture(scope="class")
def mongodb_panel(url: str, other_database: Database, mongodb: str) -> Iterator[Host]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SMMAPI_MONGODB_URI", mongodb)
        with panel(url, other_database, "mongodb") as host:
            yield host


class TestEverythingInSql(PanelContract):
    rounds = ROUNDS_ON_SERVERS

    @pytest.fixture
    def host(self, sql_panel: Host) -> Host:
        return sql_panel


# Its money is proven above, its orders in test_stores_mongo.py, both together by the golden tests; the rest takes time.
@pytest.mark.skipif(not os.environ.get("SMMAPI_LONG_TESTS"), reason="it takes a minute; SMMAPI_LONG_TESTS=1 runs it")
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
class TestOrdersInMongodb(PanelContract):
    rounds = ROUNDS_ON_SERVERS

    @pytest.fixture
    def host(self, mongodb_panel: Host) -> Host:
        return mongodb_panel
