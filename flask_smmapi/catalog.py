"""One price list: indexed once, with a slot for the JSON that is made of it once."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable, Iterator

from .hooks import Service


class ServiceList:
    """The services that some account may order, at its prices, in the order to be shown.

    A catalog hook that gives the same ``ServiceList`` again saves building the index and the JSON for each request.

    :param services: rows with ids of their own; the first of two rows with one id is the one that can be ordered.
    """

    def __init__(self, services: Iterable[Service]) -> None:
        self._services = tuple(services)
        self._by_id = {service.id: service for service in reversed(self._services)}
        self.json: dict[str, bytes] = {}
        """The JSON of the list, by the name of the dialect that made it."""
        self._packed: dict[str, bytes | None] = {}
        self._versions: dict[str, str] = {}

    def __iter__(self) -> Iterator[Service]:
        return iter(self._services)

    def __len__(self) -> int:
        return len(self._services)

    def get(self, service_id: int) -> Service | None:
        """The service with that number, or None."""
        return self._by_id.get(service_id)

    def packed(self, dialect: str) -> bytes | None:
        """That JSON under gzip, from the second call on: who makes a list for each request needs none.

        :param dialect: the name of one that has made the JSON.
        """
        if dialect not in self._packed:
            self._packed[dialect] = None
        elif self._packed[dialect] is None:
            self._packed[dialect] = gzip.compress(self.json[dialect], mtime=0)
        return self._packed[dialect]

    def version(self, dialect: str) -> str:
        """What changes when that JSON does, and is the same in every process."""
        if dialect not in self._versions:
            self._versions[dialect] = hashlib.sha256(self.json[dialect]).hexdigest()[:16]
        return self._versions[dialect]


def as_service_list(services: Iterable[Service]) -> ServiceList:
    """*services* as a price list; one that is a ``ServiceList`` already is given back as it is."""
    if services is None:
        raise TypeError("The catalog must answer the account's services, an empty list if there are none; not None.")
    return services if isinstance(services, ServiceList) else ServiceList(services)
