"""SmmApi: takes the hooks, reads the config once, wires one app."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar
from weakref import WeakSet

from flask import Blueprint, Flask, current_app, has_app_context
from flask_limiter import Limiter
from limits import parse_many
from limits.strategies import MovingWindowRateLimiter

from . import actions, cli, config, docs, parts, signals
from .actions import Context
from .catalog import ServiceList
from .desk import Desk
from .dialects import DIALECTS
from .errors import IncorrectOrderId, SmmError
from .hooks import Account, Catalog, KeyLookup, LinkCheck, Order, OrderStore, Refill, Wallet
from .ids import parse_id
from .params import clean
from .placement import Reconciled
from .service_types import build_schemas, is_link
from .state import State, state_of
from .throttle import Throttle, find_limiter, host_limiter, own_limiter
from .views import make_blueprint

T = TypeVar("T")

_nested: WeakSet[Blueprint] = WeakSet()
"""The hosts' blueprints that have ours in them. Flask keeps it there, for each app that they are registered with."""


class SmmApi:
    """The order API for social media services, inside a Flask app: ``SmmApi(app)``, or ``SmmApi()`` and ``init_app``.

    :param store: plays every part that is not given on its own; without it, MongoDB does.
    :param key_lookup: the presented key to its account.
    :param wallet: the accounts' money.
    :param catalog: an account to the services that it may order.
    :param orders: where orders and refills are kept.
    :param limiter: the Flask-Limiter whose storage counts failed attempts, if the app has several.
    :param check_link: takes the place of our own check of a client's ``link``.
    :param parent: a blueprint of the host to be nested in, instead of being registered with the app. The URL is then
        ``<parent's prefix><SMMAPI_URL_PREFIX>/api/v2``, and the parent's ``before_request`` functions run for it too.
        The host itself registers the parent, with each app and after SmmApi; until it does, there is no such URL, and
        nothing can tell at start-up that it forgot.
    :raises RuntimeError: at start-up, if the parts or the config will not do; the sentence names the remedy.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        store: Any = None,
        key_lookup: KeyLookup | None = None,
        wallet: Wallet[int] | Wallet[str] | None = None,
        catalog: Catalog | None = None,
        orders: OrderStore[int] | OrderStore[str] | None = None,
        limiter: Limiter | None = None,
        check_link: LinkCheck = is_link,
        parent: Blueprint | None = None,
    ) -> None:
        self._store = store
        self._given = {"key_lookup": key_lookup, "wallet": wallet, "catalog": catalog, "orders": orders}
        self._limiter = limiter
        self._check_link = check_link
        self._parent = parent
        self._apps: list[Flask] = []
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Read the app's ``SMMAPI_*`` config, and serve the API in it.

        :raises RuntimeError: if it was done before, or the parts, the parent or the config will not do.
        """
        if "smmapi" in app.extensions:
            raise RuntimeError("SmmApi is registered with this app already; one extension serves one app once.")
        _check_names(app, self._parent)
        config.complete(app.config)
        state = self._build_state(app)
        if self._parent is not None:
            _nest_in(self._parent, app)
        app.extensions["smmapi"] = state  # where our blueprint looks for it when it is registered
        if self._parent is None:
            for blueprint in _blueprints():
                app.register_blueprint(blueprint)
        app.cli.add_command(cli.group)
        self._apps.append(app)

    def place(self, account: Account, params: Mapping[str, Any], idempotency_key: str | None = None) -> Order:
        """Place an order for *account*, as the action ``add`` does.

        :param params: the service and its parameters, as a client would send them.
        :raises SmmError: as the action does.
        """
        key = {} if idempotency_key is None else {"request_id": str(idempotency_key)}
        return actions.add(self._context, account, {**clean(params), **key})

    def quote(self, account: Account, params: Mapping[str, Any]) -> Decimal:
        """What :meth:`place` would charge for *params* now; nothing is placed, and the balance is not looked at.

        :raises SmmError: as :meth:`place` does for parameters that will not do.
        """
        return actions.quote(self._context, account, clean(params))

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
        return _only(actions.Answers(actions.find_orders(self._context, account, [_id(order)]), many=False))

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
    def desk(self) -> Desk:
        """The owner's verbs for orders and refills: hand them out, move them along, pay back."""
        return self._state.desk

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
        players = parts.cast(self._given, store)
        parts.check_function("check_link", self._check_link, inspect.signature(is_link))
        context = Context(
            catalog=players["catalog"],
            wallet=players["wallet"],
            orders=players["orders"],
            currency=settings["SMMAPI_CURRENCY"],
            max_ids=settings["SMMAPI_MAX_IDS"],
            refill_interval=timedelta(seconds=settings["SMMAPI_REFILL_INTERVAL"]),
            schemas=build_schemas(self._check_link),
            notify=partial(signals.send, app),
        )
        pattern = settings["SMMAPI_KEY_PATTERN"]
        return State(
            store=store,
            context=context,
            desk=Desk(context.orders, context.placement),
            key_lookup=players["key_lookup"],
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

    def _build_throttle(self, app: Flask) -> Throttle:
        def connect() -> MovingWindowRateLimiter:
            limiter = find_limiter(app, self._limiter)
            return host_limiter(limiter) if limiter else own_limiter(app.config)

        names = ("SMMAPI_FAILED_ATTEMPTS", "SMMAPI_FAILED_ATTEMPTS_PER_IP")
        return Throttle(connect, *(parse_many(app.config[name]) for name in names))


def desk_of(app: Flask) -> Desk:
    """The desk of *app*, for code that has no request: a worker's loop, a scheduler.

    :raises RuntimeError: if SmmApi is not registered there.
    """
    return state_of(app).desk


def _blueprints() -> tuple[Blueprint, Blueprint]:
    return make_blueprint(), docs.make_blueprint()


def _check_names(app: Flask, parent: Blueprint | None) -> None:
    """Flask would not say what to do about a blueprint of our name, and would replace a command without a word.

    :raises RuntimeError: if the host has either.
    """
    blueprints = {} if parent else app.blueprints
    for what, name, names in (
        ("command", "smmapi", app.cli.commands),
        ("blueprint", "smmapi", blueprints),
        ("blueprint", "smmapi_docs", blueprints),
    ):
        if name in names:
            raise RuntimeError(f"The app has a {what} of its own that is named {name}; give that another name.")


def _nest_in(parent: Blueprint, app: Flask) -> None:
    """Put our blueprints into *parent*, once for all apps.

    :raises RuntimeError: if *parent* was registered before, with *app* or, still without ours, with another.
    """
    late = RuntimeError(
        f"The blueprint {parent.name} is registered already; create SmmApi before app.register_blueprint(parent)."
    )
    if parent in app.blueprints.values():
        raise late
    if parent in _nested:
        return
    try:
        for blueprint in _blueprints():
            parent.register_blueprint(blueprint)
    except AssertionError:  # how Flask says that an app has it already
        raise late from None
    _nested.add(parent)


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
