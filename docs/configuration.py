"""Writes docs/configuration.md from the table that the code reads: ``make docs``."""

from __future__ import annotations

from flask_smmapi.config import SETTINGS, Setting

HEAD = """# Configuration

Each key is read from `app.config` once, when `SmmApi` is registered with the app. A wrong value, or a key that begins
with `SMMAPI_` and is none of these, stops the start-up with a sentence that says what would do. Defaults are written
into `app.config`, where you can read them.

```python
app.config["SMMAPI_CURRENCY"] = "EUR"
app.config.from_prefixed_env()  # or from the environment: FLASK_SMMAPI_CURRENCY=EUR
```

| key | default | what it does | example |
|---|---|---|---|
"""

FOOT = """
Objects are arguments of `SmmApi`, not config: `store`, `key_lookup`, `catalog`, `wallet`, `orders`, `limiter`,
`check_link` and `parent`; the docstring of `SmmApi` says what each is.

Two settings are Flask-Limiter's own and are read as well, if your app has no `Limiter`: `RATELIMIT_STORAGE_URI` and
`RATELIMIT_STORAGE_OPTIONS`. They say where failed attempts are counted; see [operations.md](operations.md).
"""


def row(name: str, setting: Setting) -> str:
    return f"| `{name}` | `{setting.default!r}` | {setting.effect} | `{setting.example}` |\n"


if __name__ == "__main__":
    print(HEAD, *(row(name, setting) for name, setting in SETTINGS.items()), FOOT, sep="", end="")
