"""One price list: indexed once, with a slot for the JSON that is made of it once."""

from __future__ import annotations

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

    def __iter__(self) -> Iterator[Service]:
        return iter(self._services)

    def __len__(self) -> int:
        return len(self._services)

    def get(self, service_id: int) -> Service | None:
        """The service with that number, or None."""
        return self._by_id.get(service_id)


def as_service_list(services: Iterable[Service]) -> ServiceList:
    """*services* as a price list; one that is a ``ServiceList`` already is given back as it is."""
    if services is None:
        raise TypeError("The catalog must answer the account's services, an empty list if there are none; not None.")
    return services if isinstance(services, ServiceList) else ServiceList(services)
