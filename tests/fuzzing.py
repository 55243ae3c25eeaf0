"""How much the fuzz tests try, and what any answer must be, whatever was asked.

In the usual run they try little, and the same each time. ``make fuzz`` sets ``SMMAPI_FUZZ_CASES``: so many requests,
and other ones each time. What fails then is printed, kept in ``.hypothesis``, and tried first in the next run.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, settings

from flask_smmapi.reference import failures
from flask_smmapi.service_types import FIELDS

CASES = int(os.environ.get("SMMAPI_FUZZ_CASES", "0"))

tried: Counter[str] = Counter()
"""The requests of this process by their kind; a run of ``make fuzz`` ends with them."""

UNLIMITED = dict.fromkeys(("SMMAPI_FAILED_ATTEMPTS", "SMMAPI_FAILED_ATTEMPTS_PER_IP"), "1000000 per second")


def effort(usual: int, percent: int, requests: int = 1, **more: Any) -> settings:
    """How many examples a test tries.

    :param usual: in the usual run.
    :param percent: of the cases of ``make fuzz`` that are this test's.
    :param requests: in an example.
    """
    more |= {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
    if not CASES:
        return settings(max_examples=usual, derandomize=True, database=None, **more)
    examples = max(usual, CASES * percent // 100 // requests)
    return settings(max_examples=examples, derandomize=False, print_blob=True, **more)


_TEXTS = {str(failure): failure.status for failure, _ in failures(max_ids=100)}
_TEXTS.update({f"Incorrect {name}": 400 for name in ("link", "request_id", *FIELDS)})
_BOUNDS = re.compile(r"Quantity (less than minimal|more than maximum) [0-9]+")
UNWANTED = (429, 500, 503)
"""What no client may bring about who is not blocked."""


def check_failure(status: int, answer: Any) -> None:
    """A failed request says one of the documented texts, with its status; in the panel dialect with 200."""
    assert status not in UNWANTED, answer
    if not isinstance(answer, dict) or answer.keys() != {"error"} or isinstance(answer["error"], dict):
        assert status == 200, answer
        return
    text = answer["error"]
    expected = 400 if _BOUNDS.fullmatch(text) else _TEXTS[text]
    assert status in ({200, expected} if expected in (400, 401) else {expected}), (status, text)
