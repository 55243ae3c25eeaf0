"""``flask smmapi …``: what an owner does from the shell. A module a topic; each gives its commands to the group."""

from __future__ import annotations

from flask.cli import AppGroup

from . import orders, refills, services, upkeep

group = AppGroup("smmapi", help="The order API: database, money, orders, price list.")

for command in (*upkeep.COMMANDS, orders.group, refills.group, services.group):
    group.add_command(command)
