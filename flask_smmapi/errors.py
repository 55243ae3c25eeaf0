"""Every failure that a client can see: one class each, with its HTTP status and its text beside it.

Clients match on the texts; they are part of the protocol and must not be reworded. A host never raises these: its
hooks answer ``False`` or ``None``, or raise :class:`flask_smmapi.StoreUnavailable`.
"""

from __future__ import annotations


class SmmError(Exception):
    """A failure with a documented text. ``str()`` of it is the text."""

    status = 400
    text = "Incorrect request"

    def __init__(self, text: str | None = None) -> None:
        super().__init__(text or self.text)

    @property
    def headers(self) -> dict[str, str]:
        """Headers that belong to the answer beside its body."""
        return {}


class IncorrectRequest(SmmError):
    """The action is unknown, or what it needs is missing."""


class UnreadableBody(IncorrectRequest):
    """The body is broken, too nested, no UTF-8, or of a content type that we do not read. 400 in every dialect."""


class InvalidKeyFormat(SmmError):
    status = 401
    text = "Invalid API key format"


class InvalidKey(SmmError):
    status = 401
    text = "Invalid API key"


class MethodNotAllowed(SmmError):
    status = 405
    text = "Method not allowed"

    @property
    def headers(self) -> dict[str, str]:
        return {"Allow": "POST"}


class RequestTooLarge(SmmError):
    status = 413
    text = "Request too large"


class TooManyFailedAttempts(SmmError):
    """:param retry_after: whole seconds until the caller may try again."""

    status = 429
    text = "Too many failed attempts"

    def __init__(self, retry_after: int) -> None:
        super().__init__()
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)}


class InternalServerError(SmmError):
    status = 500
    text = "Internal server error"


class ServiceUnavailable(SmmError):
    status = 503
    text = "Service unavailable"

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": "5"}


class IncorrectServiceId(SmmError):
    text = "Incorrect service ID"


class IncorrectParameter(SmmError):
    """:param name: the parameter that is missing or malformed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Incorrect {name}")


class QuantityTooSmall(SmmError):
    """:param minimum: the least that the service takes."""

    def __init__(self, minimum: int) -> None:
        super().__init__(f"Quantity less than minimal {minimum}")


class QuantityTooLarge(SmmError):
    """:param maximum: the most that the service takes."""

    def __init__(self, maximum: int) -> None:
        super().__init__(f"Quantity more than maximum {maximum}")


class NotEnoughFunds(SmmError):
    text = "Not enough funds on balance"


class IdempotencyKeyReused(SmmError):
    text = "Idempotency key was used for another order"


class TooManyIds(SmmError):
    """:param maximum: how many ids one request may name."""

    def __init__(self, maximum: int) -> None:
        super().__init__(f"Maximum {maximum} orders per request")


class IncorrectOrderId(SmmError):
    text = "Incorrect order ID"


class NotCancelable(SmmError):
    text = "Order not eligible for cancellation"


class RefillDisabled(SmmError):
    text = "Refill is disabled for this service"


class OrderNotCompleted(SmmError):
    text = "The order is not completed"


class RefillTooEarly(SmmError):
    """The text names 24 hours whatever ``SMMAPI_REFILL_INTERVAL`` says: clients match on it."""

    text = "The order was completed or refill was requested less than 24 hours ago"


class RefillNotFound(SmmError):
    text = "Refill not found"
