"""What the app's store can do for its owner. A host that plays a part itself does that part's work itself, too."""

from __future__ import annotations

from typing import Any

import click

from ..state import State, current_state
from ..stores.memory import MemoryStore

_ELSEWHERE = {
    "key_lookup": "This app finds accounts by a key lookup of its own; change accounts and keys there.",
    "catalog": "This app's price list comes from a catalog of its own; change it there.",
    "wallet": "This app's money is in a wallet of its own; look at it and move it there.",
    "orders": "This app's orders are in an order store of its own; compare them with the money there.",
}
"""What is said where somebody else plays the part: what the store did then, no client would ever see."""


def verb_of_store(verb: str, *parts: str, otherwise: str = "") -> Any:
    """A verb that the store has besides those of the Protocols.

    :param parts: what the store must play for it to matter.
    :param otherwise: what a store without it does; else the verb is named.
    :raises click.ClickException: if it does not, or has no such verb.
    """
    state = current_state()
    for part in parts:
        if not plays(state, part):
            raise click.ClickException(_ELSEWHERE[part])
    if state.store is None:
        raise click.ClickException("Every part of this app is its own; there is no store of ours to ask.")
    found = getattr(state.store, verb, None)
    if found is None:
        raise click.ClickException(f"This app's store ({type(state.store).__name__}) {otherwise or f'has no {verb}'}.")
    return found


def changing_verb_of_store(verb: str, *parts: str) -> Any:
    """A verb that changes something, as :func:`verb_of_store` finds it; and says if that will not last."""
    found = verb_of_store(verb, *parts)

    def change(*args: Any, **kwargs: Any) -> Any:
        result = found(*args, **kwargs)
        if isinstance(current_state().store, MemoryStore):
            click.echo("This app's store is in memory: what has changed is gone when this command ends.", err=True)
        return result

    return change


def plays(state: State, part: str) -> bool:
    """Whether it is the store that plays *part*, an object or a function of it."""
    player = state.key_lookup if part == "key_lookup" else getattr(state.context, part)
    return player is state.store or player == getattr(state.store, part, None)
