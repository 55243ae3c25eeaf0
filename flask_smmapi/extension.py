"""SmmApi: takes the hooks, reads the config once, wires one app."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

from flask import Blueprint, Flask, current_app, has_app_context
from flask_limiter import Limiter
from limits import parse_many
from limits.strategies import MovingWindowRateLimiter

from . import actions, cli, config
from .actions import Context
from .catalog import ServiceList
from .dialects import DIALECTS
from .errors import IncorrectOrderId, SmmError
from .hooks import Account, Catalog, KeyLookup, LinkCheck, Order, OrderStore, Refill, Wallet
from .ids import parse_id
from .params import clean
from .placement import Reconciled
from .service_types import build_schemas, is_link
from .state import State, state_of
from .throttle import Throttle, find_limiter, host_limiter, own_limiter
from .views import api, make_blueprint

T = TypeVar("T")

VERBS: dict[str, tuple[str, ...]] = {
    "key_lookup": (),
    "catalog": (),
    "wallet": ("balance", "debit", "credit", "void"),
    "orders": (
        "add",
        "find",
        "find_by_key",
        "replace",
        "drop",
        "list",
        "add_refill",
        "find_refills",
        "replace_refill",
        "unsettled",
    ),
}
"""The four parts, and what an object must have to play each; a part without verbs is a callable."""


class SmmApi:
    """The order API for social media services, inside a Flask app: ``SmmApi(app)``, or ``SmmApi()`` and ``init_app``.

    :param store: plays every part that is not given on its own; without it, MongoDB does.
    :param key_lookup: the presented key to its account.
    :param wallet: the accounts' money.
    :param catalog: an account to the services that it may order.
    :param orders: where orders and refills are kept.
    :param limiter: the Flask-Limiter whose storage counts failed attempts, if the app has several.
    :param check_link: takes the place of our own check of a client's ``link``.
    :raises RuntimeError: at start-up, if the parts or the config will not do; the sentence names the remedy.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        store: Any = None,
        key_lookup: KeyLookup | None = None,
        wallet: Wallet | None = None,
        catalog: Catalog | None = None,
        orders: OrderStore | None = None,
        limiter: Limiter | None = None,
        check_link: LinkCheck = is_link,
    ) -> None:
        self._store = store
        self._given = {"key_lookup": key_lookup, "wallet": wallet, "catalog": catalog, "orders": orders}
        self._limiter = limiter
        self._check_link = check_link
        self._apps: list[Flask] = []
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Read the app's ``SMMAPI_*`` config, and serve the API in it.

        :raises RuntimeError: if it was done before, or the parts or the config will not do.
        """
        if "smmapi" in app.extensions:
            raise RuntimeError("SmmApi is registered with this app already; one extension serves one app once.")
        config.complete(app.config)
        state = self._build_state(app)
        blueprint = make_blueprint()
        self._step_aside(app, blueprint)
        app.register_blueprint(blueprint, url_prefix=app.config["SMMAPI_URL_PREFIX"] or None)
        app.cli.add_command(cli.group)
        app.extensions["smmapi"] = state
        self._apps.append(app)

    def place(self, account: Account, params: Mapping[str, Any], idempotency_key: str | None = None) -> Order:
        """Place an order for *account*, as the action ``add`` does.

        :param params: the service and its parameters, as a client would send them.
        :raises SmmError: as the action does.
        """
        key = {} if idempotency_key is None else {"request_id": str(idempotency_key)}
        return actions.add(self._context, account, {**clean(params), **key})

    def cancel(self, account: Account, order: str | int) -> Order:
        """Cancel the order with that id or number.

        :raises SmmError: if there is none, or it cannot be canceled any more.
        """
        return _only(actions.cancel(self._context, account, {"order": _id(order)}))

    def refill(self, account: Account, order: str | int) -> Refill:
        """Ask for a refill of the order with that id or number.

        :raises SmmError: if there is none, or it cannot be refilled now.
        """
        return _only(actions.refill(self._context, account, {"order": _id(order)}).answers)

    def status(self, account: Account, order: str | int) -> Order:
        """The order with that id or number.

        :raises IncorrectOrderId: if the account has none.
        """
        return _only(actions.status(self._context, account, {"order": _id(order)}))

    def services(self, account: Account) -> ServiceList:
        """The price list of *account*."""
        return actions.services(self._context, account, {})

    def balance(self, account: Account) -> Decimal:
        """What *account* has."""
        return actions.balance(self._context, account, {}).amount

    def reconcile(self, older_than: timedelta = timedelta(minutes=1)) -> Reconciled:
        """Finish what a killed process left undone. Call it every minute or so; several at once are safe."""
        return self._context.placement.reconcile(older_than)

    @property
    def store(self) -> Any:
        """What plays the parts that were not given; None if each of them was."""
        return self._state.store

    @property
    def _context(self) -> Context:
        return self._state.context

    @property
    def _state(self) -> State:
        return state_of(self._current_app())

    def _current_app(self) -> Flask:
        """The app that is meant, so that nothing ever moves the money of another one."""
        if len(self._apps) == 1:
            return self._apps[0]
        if has_app_context() and current_app in self._apps:
            return current_app
        if not self._apps:
            raise RuntimeError("SmmApi is not registered with an app; call SmmApi(app) or init_app(app) first.")
        raise RuntimeError("SmmApi serves several apps; say which one is meant: with app.app_context(): …")

    def _build_state(self, app: Flask) -> State:
        settings = app.config
        store = self._find_store(settings)
        parts = {part: self._cast(part, verbs, store) for part, verbs in VERBS.items()}
        context = Context(
            catalog=parts["catalog"],
            wallet=parts["wallet"],
            orders=parts["orders"],
            currency=settings["SMMAPI_CURRENCY"],
            max_ids=settings["SMMAPI_MAX_IDS"],
            refill_interval=timedelta(seconds=settings["SMMAPI_REFILL_INTERVAL"]),
            schemas=build_schemas(self._check_link),
        )
        pattern = settings["SMMAPI_KEY_PATTERN"]
        return State(
            store=store,
            context=context,
            key_lookup=parts["key_lookup"],
            throttle=self._build_throttle(app),
            dialect=DIALECTS[settings["SMMAPI_DIALECT"]],
            key_pattern=None if pattern is None else re.compile(pattern),
            max_content_length=settings["SMMAPI_MAX_CONTENT_LENGTH"],
        )

    def _find_store(self, settings: Mapping[str, Any]) -> Any:
        """The store that was given; MongoDB, if none was and somebody must play a part."""
        if self._store is not None or None not in self._given.values():
            return self._store
        from .stores.mongo import MongoStore  # not before it is used: it takes its time

        return MongoStore(settings["SMMAPI_MONGODB_URI"], settings["SMMAPI_MONGODB_ALIAS"])

    def _cast(self, part: str, verbs: Sequence[str], store: Any) -> Any:
        """Who plays *part*: what was given for it, else the store."""
        player = self._given[part]
        if player is None:
            player = store if verbs else getattr(store, part, None)
        if isinstance(player, type):
            raise RuntimeError(f"{player.__name__} is a class and cannot be the {part}; give an object of it.")
        missing = [verb for verb in verbs if not callable(getattr(player, verb, None))]
        if missing:
            raise RuntimeError(
                f"{type(player).__name__} cannot be the {part}: it lacks {', '.join(missing)}. "
                f"Add that, or give another object: SmmApi(app, {part}=…)."
            )
        if not verbs and not callable(player):
            what = "Nobody plays" if player is None else f"{type(player).__name__} is no function and cannot be"
            raise RuntimeError(f"{what} the {part}: give a function, SmmApi(app, {part}=…).")
        return player

    def _build_throttle(self, app: Flask) -> Throttle:
        def connect() -> MovingWindowRateLimiter:
            limiter = find_limiter(app, self._limiter)
            return host_limiter(limiter) if limiter else own_limiter(app.config)

        names = ("SMMAPI_FAILED_ATTEMPTS", "SMMAPI_FAILED_ATTEMPTS_PER_IP")
        return Throttle(connect, *(parse_many(app.config[name]) for name in names))

    def _step_aside(self, app: Flask, blueprint: Blueprint) -> None:
        """Keep the host's default limits and CSRF protection off our view: they answer HTML, and know no API keys.

        Both may be set up after us. A URL value preprocessor of a blueprint runs for its own requests alone, and
        before any ``before_request`` function.
        """

        def exempt(endpoint: str | None, values: dict[str, Any] | None) -> None:
            for limiter in app.extensions.get("limiter", ()):
                limiter.exempt(api)
            csrf = app.extensions.get("csrf")
            if csrf is not None:
                csrf.exempt(api)

        blueprint.url_value_preprocessor(exempt)


def _only(answers: actions.Answers[T]) -> T:
    """The record of a single answer; its failure is raised."""
    _, record = answers.items[0]
    if isinstance(record, SmmError):
        raise record
    return record


def _id(order: str | int) -> str:
    """*order* as a client writes it; what could not be an id, such as a list of them, names no order."""
    if parse_id(str(order)) is None:
        raise IncorrectOrderId
    return str(order)
