"""Ids of orders and refills: an ObjectId that we mint, and a number that the order store gives.

24 hexadecimal characters are an ObjectId, 1 to 18 digits a number (api-documentation.md, Order ID Format).
"""

from __future__ import annotations

import re
import secrets
import time

_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}")
_NUMBER = re.compile(r"[0-9]{1,18}")


def new_id() -> str:
    """A new ObjectId: four bytes of time and eight of randomness, so it can be neither guessed nor met twice."""
    return f"{int(time.time()):08x}{secrets.token_hex(8)}"


def parse_id(text: str) -> str | int | None:
    """What *text* names: an ObjectId (in lower case), a number, or nothing that could be an id."""
    if _OBJECT_ID.fullmatch(text):
        return text.lower()
    return parse_number(text)


def parse_number(text: str) -> int | None:
    """The number that *text* writes in ASCII digits, or None."""
    return int(text) if _NUMBER.fullmatch(text) else None
