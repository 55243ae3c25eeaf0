"""A real MongoDB for the tests: one server for the whole run, and a database that is emptied for each test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import mongoengine
import pymongo
import pytest

from example_app.mongod import Mongod, NoMongod
from flask_smmapi.stores.mongo import MongoStore
from flask_smmapi.stores.mongo.documents import INDEXES

DATABASE = "smmapi_test"


def start_or_skip(folder: Path) -> Mongod:
    """A running server; where none can be had the test is skipped, with the reason; with ``CI=true`` it fails."""
    server = Mongod(folder)
    try:
        server.acquire()
    except NoMongod as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    return server


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a server; ``SMMAPI_TEST_MONGODB_URI`` names one that runs already."""
    uri = os.environ.get("SMMAPI_TEST_MONGODB_URI")
    if uri:
        yield uri
        return
    server = start_or_skip(tmp_path_factory.mktemp("mongodb"))
    yield server.uri
    server.release()


@pytest.fixture(scope="session")
def prepared_database(mongod: str) -> Iterator[str]:
    """The URI of a database that has the indexes."""
    uri = with_database(mongod, DATABASE)
    store = MongoStore(uri, alias="preparation")
    store.create_indexes()
    yield uri
    mongoengine.disconnect("preparation")


@pytest.fixture
def mongo_uri(prepared_database: str) -> Iterator[str]:
    """The URI of a database that has the indexes and nothing else; connections to it are closed again."""
    with pymongo.MongoClient(prepared_database) as client:
        for collection in INDEXES:
            client[DATABASE][collection].delete_many({"_id": {"$ne": "schema"}})
    yield prepared_database
    mongoengine.disconnect_all()


@pytest.fixture
def mongo_store(mongo_uri: str) -> MongoStore:
    """A store in it."""
    return MongoStore(mongo_uri)


def with_database(uri: str, name: str) -> str:
    """*uri*, naming the database *name*."""
    start, _, options = uri.partition("?")
    return f"{start.rstrip('/')}/{name}?{options}"
