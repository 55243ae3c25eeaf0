"""What the product is measured against: the same API, as panels usually have it. Each file stands alone.

Each answers ``add``, ``status``, ``services`` and ``balance`` with the same fields for the same form. None has
intents, a ledger, idempotency keys or dialects.
"""
