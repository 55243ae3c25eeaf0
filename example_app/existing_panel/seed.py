"""Something to try: users with keys and money, and services. ``flask seed`` may be run again at any time."""

from __future__ import annotations

import os
from decimal import Decimal

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from flask_smmapi.keys import digest

from .database import Database
from .hooks import Wallet
from .models import ApiKey, Service, User

KEY_1 = "a11ce001a11ce001a11ce001a11ce001"
KEY_2 = "b0b00002b0b00002b0b00002b0b00002"
PANEL_KEY = "a11ce004a11ce004a11ce004a11ce004"
KEY_OF_INACTIVE = "deadbee3deadbee3deadbee3deadbee3"

OPENING = Decimal(1_000)
"""What each user has at first."""


def seed(app: Flask) -> None:
    """Put in what is missing, and put back what was changed, but for the money."""
    database: Database = app.extensions["panel"]
    users = demo_users()
    with database.transaction() as session:
        for row in (*users.values(), *demo_services()):
            session.merge(row)
        session.flush()  # the users must be there before their keys
        for key, user in users.items():
            session.merge(ApiKey(digest=digest(key), user_id=user.id, revoked=False))
        session.merge(ApiKey(digest=digest(PANEL_KEY), user_id=1, revoked=False, dialect="panel"))
    wallet = Wallet(database)
    for user in users.values():
        wallet.credit(user.id, OPENING, "opening")


def demo_users() -> dict[str, User]:
    """By their keys."""
    return {
        KEY_1: User(id=1, name="Alice", discount=Decimal(10), active=True),
        KEY_2: User(id=2, name="Bob", discount=Decimal(0), active=True),
        KEY_OF_INACTIVE: User(id=3, name="Dean", discount=Decimal(0), active=False),
    }


def demo_services() -> list[Service]:
    return [
        service(1, "Instagram Followers", "Default", "Instagram", "0.33333333", 100, 10_000, "refill", "dripfeed"),
        service(2, "Instagram Starter Package", "Package", "Instagram", "4.90", 1, 1),
        service(3, "Instagram Custom Comments", "Custom Comments", "Instagram", "12.00", 1, 1_000, "cancel"),
        service(4, "Instagram Auto Likes", "Subscriptions", "Instagram", "0.85", 1, 10_000, "cancel"),
        service(5, "Telegram Poll Votes", "Poll", "Telegram", "0.64", 10, 10_000, "cancel"),
        service(6, "Website Visitors", "Web Traffic", "Traffic", "0.15", 100, 1_000_000, "cancel", "dripfeed"),
        service(123, "YouTube Likes", "Default", "YouTube", "1.00", 10, 100_000, "refill", "cancel"),
    ]


def service(
    id_: int, name: str, type_: str, category: str, rate: str, minimum: int, maximum: int, *offers: str
) -> Service:
    """A row of the price list; *offers* are those of refill, cancel and dripfeed that it has."""
    has = {offer: offer in offers for offer in ("refill", "cancel", "dripfeed")}
    return Service(
        id=id_, name=name, type=type_, category=category, rate=Decimal(rate), minimum=minimum, maximum=maximum, **has
    )


@click.command("seed")
@with_appcontext
def seed_command() -> None:
    """Fill the panel with something to try, and say what."""
    seed(current_app)
    url = f"http://127.0.0.1:{os.environ.get('FLASK_RUN_PORT', '5000')}/api/v2"
    click.echo("API keys:\n")
    for key, user in demo_users().items():
        click.echo(f"  {key}  {user.name}, {user.discount} % off" if user.active else f"  {key}  {user.name}, inactive")
    click.echo(f"  {PANEL_KEY}  Alice, in the panel dialect")
    click.echo("\nWhile the panel runs, try:\n")
    curl = f"curl {url} -d key={KEY_1}"
    for params in (
        "-d action=services",
        "-d action=add -d service=123 -d link=https://example.com/post -d quantity=1000",
        "-d action=status -d order=1",
        "-d action=balance",
    ):
        click.echo(f"  {curl} {params}")
