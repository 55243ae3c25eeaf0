"""API keys: make one, and turn one into what a store may keep.

The form is ``XXXXXXXX.XXXXXXXX-XXXXXXXX`` (api-documentation.md, Authentication): 24 letters and digits, which are
142 bits of randomness. So much cannot be guessed from its hash, and a plain SHA-256 is all the protection it needs.
"""

from __future__ import annotations

import hashlib
import secrets
import string

PATTERN = r"[A-Za-z0-9]{8}\.[A-Za-z0-9]{8}-[A-Za-z0-9]{8}"
"""The document's key format, as a regular expression for the whole key."""

_ALPHABET = string.ascii_letters + string.digits


def generate() -> str:
    """A new key from the system's random source. Show it once; keep :func:`digest` of it alone."""
    first, second, third = ("".join(secrets.choice(_ALPHABET) for _ in range(8)) for _ in range(3))
    return f"{first}.{second}-{third}"


def digest(key: str) -> str:
    """What a store keeps in a key's place: its SHA-256, as 64 hexadecimal characters."""
    return hashlib.sha256(key.encode()).hexdigest()
