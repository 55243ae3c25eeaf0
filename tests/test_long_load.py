"""A few seconds of what ``python -m tests.long load`` does for minutes: real processes, and servers that go away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from example_app.mongod import Mongod

from .long.load import load
from .mongo import start_or_skip
from .test_limiter_integration import RedisServer, redis

__all__ = ["redis"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Mongod]:
    """One that nobody else uses."""
    server = start_or_skip(tmp_path / "mongodb")
    yield server
    server.release()


def test_nothing_is_lost_while_mongodb_and_redis_are_restarted(
    server: Mongod, redis: RedisServer, tmp_path: Path
) -> None:
    seen = load(server, redis, tmp_path, seconds=4, connections=20, workers=2, away=0)
    assert seen.wrong == []
    assert "| add | 200 |" in seen.text
    assert "| add | 503 | Service unavailable |" in seen.text
