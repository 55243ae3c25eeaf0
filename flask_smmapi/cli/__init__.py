"""``flask smmapi …``: what an owner does from the shell. A module a topic; each gives its commands to the group."""

from __future__ import annotations

from flask.cli import AppGroup

from . import accounts, doctor, keys, orders, refills, services, statement, upkeep

group = AppGroup("smmapi", help="The order API: accounts, keys, money, price list, orders, and the database.")

for command in (
    *upkeep.COMMANDS,
    doctor.doctor,
    accounts.group,
    keys.group,
    statement.statement,
    services.group,
    orders.group,
    refills.group,
):
    group.add_command(command)
