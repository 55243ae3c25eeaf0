"""Who plays which part, and what an object must have for it: the Protocols of ``hooks`` say that, and nothing else.

All of it is known at start-up, without a connection. A verb that is missing, or that cannot be called the way the
extension calls it, would else be found in the middle of somebody's order.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from .hooks import Catalog, KeyLookup, OrderStore, Wallet, WorkQueue


def _verbs(protocol: type) -> dict[str, inspect.Signature]:
    """The public methods of *protocol*, each with the way the extension calls it."""
    methods = {name: method for name, method in vars(protocol).items() if inspect.isfunction(method)}
    return {name: _without_self(method) for name, method in methods.items() if not name.startswith("_")}


def _without_self(method: Callable[..., Any]) -> inspect.Signature:
    signature = inspect.signature(method)
    return signature.replace(parameters=[*signature.parameters.values()][1:])


FUNCTIONS: dict[str, inspect.Signature] = {
    "key_lookup": _without_self(KeyLookup.__call__),
    "catalog": _without_self(Catalog.__call__),
}
"""The parts that a function plays, and the way the extension calls it."""

OBJECTS: dict[str, dict[str, inspect.Signature]] = {"wallet": _verbs(Wallet), "orders": _verbs(OrderStore)}
"""The parts that an object plays, and its verbs."""

OPTIONAL: dict[str, dict[str, inspect.Signature]] = {"orders": _verbs(WorkQueue)}
"""The verbs that its player may have besides."""


def cast(given: Mapping[str, Any], store: Any) -> dict[str, Any]:
    """Who plays each part.

    :param given: what was given for each part; None for nothing.
    :param store: plays every part for which nothing was given.
    :raises RuntimeError: for the first part that nobody plays, or that its player cannot; the sentence has the remedy.
    """
    _refuse_class("store", store)
    functions = {part: _cast_function(part, given[part], store) for part in FUNCTIONS}
    return {**functions, **{part: _cast_object(part, given[part], store) for part in OBJECTS}}


def check_function(part: str, function: Any, model: inspect.Signature) -> None:
    """Whether *function* is one, and can be called like *model*.

    :raises RuntimeError: if not.
    """
    _refuse_class(part, function)
    name = _name(function)
    if not callable(function):
        raise RuntimeError(f"{name} is no function and cannot be the {part}: give a function, SmmApi(app, {part}=…).")
    _check_call(part, name, name, function, model)


def _cast_function(part: str, given: Any, store: Any) -> Any:
    player = getattr(store, part, None) if given is None else given
    if player is None:
        raise RuntimeError(f"Nobody plays the {part}: give a function, SmmApi(app, {part}=…).")
    check_function(part, player, FUNCTIONS[part])
    return player


def _cast_object(part: str, given: Any, store: Any) -> Any:
    player = store if given is None else given
    _refuse_class(part, player)
    verbs = {verb: getattr(player, verb, None) for verb in OBJECTS[part]}
    missing = [verb for verb, function in verbs.items() if not callable(function)]
    if missing:
        _refuse(part, _name(player), f"it lacks {', '.join(missing)}", "Add that")
    models = {**OBJECTS[part], **OPTIONAL.get(part, {})}
    for verb, model in models.items():
        function = getattr(player, verb, None)
        if function is not None:
            _check_call(part, _name(player), verb, function, model)
    return player


def _refuse_class(part: str, player: Any) -> None:
    if isinstance(player, type):
        raise RuntimeError(f"{player.__name__} is a class and cannot be the {part}; give an object of it.")


def _check_call(part: str, who: str, name: str, function: Any, model: inspect.Signature) -> None:
    """Whether *function*, which is called *name*, can be called like *model*, and answers at once."""
    try:
        is_async, own = _is_async(function), _signature(function)
        is_generator = inspect.isgeneratorfunction(function)
    except Exception:  # many a C function does not tell, and a proxy may raise anything before its app is at work
        return
    if is_async:
        _refuse(part, who, f"{name} is async, and its answer, a coroutine, would pass for true", "Make it plain")
    if is_generator and "Iterable" not in str(model.return_annotation):
        _refuse(part, who, f"{name} is a generator, and does nothing when it is called", "Let it return its answer")
    for arguments, options in _calls(model):
        if not _can_be_called(own, arguments, options):
            call = ", ".join((*arguments, *(f"{option}=…" for option in options)))
            _refuse(part, who, f"{name}{own} cannot be called as {name}({call})", "Let it take that")


def _refuse(part: str, who: str, why: str, remedy: str) -> NoReturn:
    raise RuntimeError(f"{who} cannot be the {part}: {why}. {remedy}, or give another: SmmApi(app, {part}=…).")


def _calls(model: inspect.Signature) -> Iterator[tuple[list[str], list[str]]]:
    """How the extension calls a function: the names of its arguments and of its options, which may be left out."""
    named = inspect.Parameter.KEYWORD_ONLY
    parameters = model.parameters.values()
    arguments = [parameter.name for parameter in parameters if parameter.kind is not named]
    options = [parameter for parameter in parameters if parameter.kind is named]
    yield arguments, [option.name for option in options if option.default is option.empty]
    yield arguments, [option.name for option in options]


def _can_be_called(signature: inspect.Signature, arguments: list[str], options: list[str]) -> bool:
    try:
        signature.bind(*arguments, **dict.fromkeys(options))
    except TypeError:
        return False
    return True


def _is_async(function: Any) -> bool:
    """Whether the answer is one to be awaited; a callable object is what its ``__call__`` is."""
    kinds = (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
    return any(is_kind(code) for is_kind in kinds for code in (function, type(function).__call__))


def _signature(function: Any) -> inspect.Signature:
    """What *function* takes, without types.

    A decorator's wrapper counts as what it takes itself: it may well supply what the function inside it takes more.
    """
    signature = inspect.signature(function, follow_wrapped=False)
    plain = [parameter.replace(annotation=parameter.empty) for parameter in signature.parameters.values()]
    return signature.replace(parameters=plain, return_annotation=signature.empty)


def _name(thing: Any) -> str:
    """``Purse`` of an object of that class, ``find_account`` of a function, ``Store.key_lookup`` of a method."""
    return thing.__qualname__.rpartition("<locals>.")[2] if inspect.isroutine(thing) else type(thing).__name__
