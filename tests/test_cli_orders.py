"""``flask smmapi orders …`` and ``refills …``: what an owner sees of them, and moves along by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from click.testing import Result

from flask_smmapi import Account, Order, OrderStatus, Refill, RefillStatus
from flask_smmapi.placement import now
from flask_smmapi.stores.memory import MemoryStore
from flask_smmapi.stores.mongo import MongoStore

from .panel import DRIPFEED, LINK, Panel

UNKNOWN = "0" * 24


@pytest.fixture(params=["memory", "mongo"])
def panel(request: pytest.FixtureRequest) -> Panel:
    """A panel on either store of ours."""
    return Panel(store=MongoStore(request.getfixturevalue("mongo_uri")) if request.param == "mongo" else MemoryStore())


def run(panel: Panel, *args: Any, answer: str | None = None) -> Result:
    return panel.app.test_cli_runner().invoke(args=["smmapi", *map(str, args)], input=answer)


def done(panel: Panel, *args: Any, answer: str | None = None) -> str:
    """What the command printed; it must have succeeded."""
    result = run(panel, *args, answer=answer)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(panel: Panel, *args: Any, answer: str | None = None) -> str:
    """The sentence on stderr; nothing else was printed."""
    result = run(panel, *args, answer=answer)
    assert (result.exit_code, result.stdout) == (1, "")
    return result.stderr


def begun(panel: Panel, **params: Any) -> Order:
    order = panel.place(**params)
    desk = panel.smmapi.desk
    return desk.start(desk.take(order, "worker"))


def aged(panel: Panel, order: Order, age: timedelta) -> Order:
    return panel.move(order, panel.read(order).status, due=now() - age)


def ids(output: str) -> list[str]:
    return [line.split("\t")[1] for line in output.splitlines()]


class TestList:
    def test_has_the_newest_first_in_pages(self, panel: Panel) -> None:
        first, second, third = (panel.place() for _ in range(3))
        assert ids(done(panel, "orders", "list", 1)) == [third.id, second.id, first.id]
        assert ids(done(panel, "orders", "list", 1, "--limit", 2)) == [third.id, second.id]
        assert ids(done(panel, "orders", "list", 1, "--before", second.number)) == [first.id]

    def test_has_a_line_an_order(self, panel: Panel) -> None:
        order = panel.place()
        cells = done(panel, "orders", "list", 1).rstrip("\n").split("\t")
        assert cells[:9] == [str(order.number), order.id, "1", "1", "AWAITING", "1000", "1000", "1.00000000", "USD"]

    def test_is_json_for_scripts(self, panel: Panel) -> None:
        order = panel.place()
        [record] = json.loads(done(panel, "orders", "list", 1, "--json"))
        assert record["id"] == order.id
        assert record["charge"] == "1.00000000"
        assert record["params"] == {"link": LINK, "quantity": "1000"}

    def test_is_of_the_account_that_is_named(self, panel: Panel) -> None:
        text = Account(id="1")
        panel.store.add_account(text, balance=Decimal(1))
        theirs = panel.smmapi.place(text, {"service": 1, "link": LINK, "quantity": 1000})
        ours = panel.place()
        assert ids(done(panel, "orders", "list", "1")) == [ours.id]
        assert ids(done(panel, "orders", "list", "str:1")) == [theirs.id]
        assert done(panel, "orders", "list", "str:1").split("\t")[2] == "str:1"
        assert "There is no account nobody" in refused(panel, "orders", "list", "nobody")


class TestShow:
    def test_takes_the_id_and_the_number(self, panel: Panel) -> None:
        order = panel.place()
        by_id = done(panel, "orders", "show", 1, order.id)
        assert by_id == done(panel, "orders", "show", 1, order.number)
        assert f"params.link\t{LINK}\n" in by_id

    def test_shows_no_token_and_no_hash(self, panel: Panel) -> None:
        order = begun(panel)
        for output in (
            done(panel, "orders", "show", 1, order.id),
            done(panel, "orders", "show", 1, order.id, "--json"),
        ):
            assert order.claim is not None
            assert order.claim not in output
            assert order.fingerprint not in output

    def test_does_not_let_a_clients_text_write_on_the_terminal(self, panel: Panel) -> None:
        order = panel.move(panel.place(), OrderStatus.AWAITING, params={"link": "x\x1b[2J\nstatus\tCOMPLETED"})
        assert "params.link\tx\\x1b[2J\\nstatus\\tCOMPLETED\n" in done(panel, "orders", "show", 1, order.id)

    def test_does_not_know_what_is_not_there_nor_anothers(self, panel: Panel) -> None:
        order = panel.place()
        assert refused(panel, "orders", "show", 1, UNKNOWN) == f"Error: Account 1 has no order {UNKNOWN}.\n"
        assert refused(panel, "orders", "show", 2, order.id) == f"Error: Account 2 has no order {order.id}.\n"


class TestWaiting:
    def test_is_what_the_desk_would_hand_out(self, panel: Panel) -> None:
        waiting, claimed, dead = (panel.place() for _ in range(3))
        desk = panel.smmapi.desk
        desk.take(claimed, "worker")
        aged(panel, desk.take(dead, "dead"), timedelta(minutes=1))
        begun(panel)
        assert set(ids(done(panel, "orders", "waiting"))) == {waiting.id, dead.id}

    def test_can_be_of_some_age(self, panel: Panel) -> None:
        old, _ = panel.place(), panel.place()
        aged(panel, old, timedelta(hours=3))
        assert ids(done(panel, "orders", "waiting", "--older-than", "2h")) == [old.id]

    def test_stuck_is_what_was_begun_and_forgotten(self, panel: Panel) -> None:
        old, _ = begun(panel), begun(panel)
        aged(panel, old, timedelta(days=2))
        assert ids(done(panel, "orders", "stuck")) == [old.id]
        [record] = json.loads(done(panel, "orders", "stuck", "--older-than", "36h", "--json"))
        assert record["id"] == old.id

    @pytest.mark.parametrize("command", [("orders", "waiting"), ("orders", "stuck"), ("refills", "waiting")])
    def test_an_order_store_without_a_queue_is_a_sentence(self, command: tuple[str, str]) -> None:
        class Orders:
            """The verbs of an order store, and no more."""

            def __getattribute__(self, name: str) -> Any:
                if name in ("waiting", "refills_waiting"):
                    raise AttributeError(name)
                return object.__getattribute__(self, name)

        class NoQueue(Orders, MemoryStore): ...

        assert "cannot say which work waits" in refused(Panel(store=NoQueue()), *command)


class TestByHand:
    def test_an_order_goes_from_the_queue_to_its_end(self, panel: Panel) -> None:
        order = panel.place()
        done(panel, "orders", "take", 1, order.number, "--worker", "me", "--lease", "2h")
        taken = panel.read(order)
        assert (taken.status, taken.worker) == (OrderStatus.PENDING, "me")
        assert taken.due is not None
        assert taken.due - now() > timedelta(minutes=119)
        done(panel, "orders", "start", 1, order.number, "--start-count", 250)
        done(panel, "orders", "progress", 1, order.number, "--remains", 400)
        assert (panel.read(order).start_count, panel.read(order).remains) == (250, 400)
        said = done(panel, "orders", "partial", 1, order.number, "--remains", 157, "--yes")
        assert said == (
            f"Order {order.number} ({order.id}) is PARTIAL; it costs 0.84300000 USD, 0.15700000 USD were paid back.\n"
        )
        assert panel.balance == Decimal("99.157")

    def test_what_cannot_be_done_is_a_sentence_and_changes_nothing(self, panel: Panel) -> None:
        order = panel.place()
        before = panel.read(order)
        assert "only a PENDING one can be started" in refused(panel, "orders", "start", 1, order.id)
        assert "its work must have begun" in refused(panel, "orders", "progress", 1, order.id, "--remains", 1)
        assert "it cannot become COMPLETED" in refused(panel, "orders", "complete", 1, order.id, answer="y\n")
        assert "it has no children" in refused(panel, "orders", "child", 1, begun(panel).id, "--n", 1, "--quantity", 10)
        assert panel.read(order) == before

    @pytest.mark.parametrize("verb", ["take", "start", "complete", "cancel"])
    def test_an_order_that_is_not_there_is_a_sentence(self, panel: Panel, verb: str) -> None:
        assert refused(panel, "orders", verb, 1, UNKNOWN) == f"Error: Account 1 has no order {UNKNOWN}.\n"

    def test_more_than_the_order_has_cannot_remain(self, panel: Panel) -> None:
        order = begun(panel)
        assert run(panel, "orders", "partial", 1, order.id, "--remains", 1001, "--yes").exit_code == 2
        assert "from 0 to 1000" in refused(panel, "orders", "progress", 1, order.id, "--remains", 1001)

    def test_a_child_is_placed_once(self, panel: Panel) -> None:
        parent = begun(panel, service=DRIPFEED, runs=2, interval=5, quantity=100)
        command = ("orders", "child", 1, parent.id, "--n", 2, "--quantity", 100, "--link", f"{LINK}/2")
        said = done(panel, *command)
        assert said == done(panel, *command)
        [number] = panel.read(parent).children
        [child] = panel.store.find(1, [number])
        assert (child.charge, child.params["link"]) == (0, f"{LINK}/2")
        assert said == f"Order {number} ({child.id}) is child 2 of {parent.id}; it costs 0.00000000 USD.\n"


ENDS: list[tuple[str, tuple[Any, ...], str, str]] = [
    ("complete", (), "COMPLETED with 0", "0.00000000"),
    ("partial", ("--remains", 157), "PARTIAL with 157", "0.15700000"),
    ("cancel", (), "CANCELED with 400", "0.40000000"),
    ("fail", ("--reason", "gone"), "FAIL with 400", "0.40000000"),
]


@pytest.mark.parametrize(("verb", "options", "end", "back"), ENDS)
class TestWhatCannotBeUndone:
    @pytest.fixture
    def order(self, panel: Panel) -> Order:
        return panel.smmapi.desk.progress(begun(panel), 400)

    def test_shows_order_charge_and_what_is_paid_back(
        self, panel: Panel, order: Order, verb: str, options: tuple[Any, ...], end: str, back: str
    ) -> None:
        result = run(panel, "orders", verb, 1, order.id, *options, answer="n\n")
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"Order {order.number} ({order.id}) of account 1 is IN_PROGRESS." in result.stderr
        assert "Its charge was 1.00000000 USD" in result.stderr
        assert f"As {end} of 1000 remaining, {back} USD would be paid back." in result.stderr
        assert panel.read(order) == order

    def test_is_not_done_when_nobody_answers(
        self, panel: Panel, order: Order, verb: str, options: tuple[Any, ...], end: str, back: str
    ) -> None:
        assert run(panel, "orders", verb, 1, order.id, *options).exit_code == 1
        assert panel.read(order) == order

    @pytest.mark.parametrize("agreed", [{"answer": "y\n"}, {}])
    def test_is_done_once_it_was_agreed_to(
        self,
        panel: Panel,
        order: Order,
        verb: str,
        options: tuple[Any, ...],
        end: str,
        back: str,
        agreed: dict[str, str],
    ) -> None:
        yes = () if agreed else ("--yes",)
        done(panel, "orders", verb, 1, order.id, *options, *yes, **agreed)
        ended = panel.read(order)
        assert ended.status.value == end.partition(" ")[0]
        assert ended.paid_back == Decimal(back)
        assert panel.balance == Decimal(99) + Decimal(back)

    def test_may_be_repeated_and_asks_no_more(
        self, panel: Panel, order: Order, verb: str, options: tuple[Any, ...], end: str, back: str
    ) -> None:
        said = done(panel, "orders", verb, 1, order.id, *options, "--yes")
        assert done(panel, "orders", verb, 1, order.id, *options) == said
        assert panel.balance == Decimal(99) + Decimal(back)


def test_a_later_part_shows_the_difference(panel: Panel) -> None:
    order = panel.smmapi.desk.partial(begun(panel), 100)
    result = run(panel, "orders", "cancel", 1, order.id)
    assert "0.10000000 USD were paid back" in result.stderr
    assert "As CANCELED with 100 of 1000 remaining, 0.00000000 USD would be paid back more." in result.stderr
    result = run(panel, "orders", "partial", 1, order.id, "--remains", 150)
    assert "0.05000000 USD would be paid back more." in result.stderr
    assert refused(panel, "orders", "partial", 1, order.id, "--remains", 50) == (
        f"Error: Order {order.id} was paid back for 100 remaining; that never falls.\n"
    )


def test_whoever_takes_the_order_while_it_is_asked_about_keeps_it(
    panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = panel.place()

    def agree_late(*args: Any, **kwargs: Any) -> bool:
        panel.smmapi.desk.claim(1, "worker")
        return True

    monkeypatch.setattr("click.confirm", agree_late)
    assert "was given to another worker (worker)" in refused(panel, "orders", "cancel", 1, order.id)
    assert panel.read(order).status is OrderStatus.PENDING


def test_the_reason_of_a_failure_is_kept(panel: Panel) -> None:
    order = panel.place()
    done(panel, "orders", "fail", 1, order.id, "--reason", "the post is gone", "--yes")
    assert "reason\tthe post is gone\n" in done(panel, "orders", "show", 1, order.id)


class TestRefills:
    @pytest.fixture
    def refill(self, panel: Panel) -> Refill:
        return panel.smmapi.refill(panel.account, panel.complete(panel.place()).id)

    def read(self, panel: Panel, refill: Refill) -> Refill:
        [found] = panel.store.find_refills(1, [refill.id])
        return found

    def test_wait_and_are_worked_off(self, panel: Panel, refill: Refill) -> None:
        assert ids(done(panel, "refills", "waiting")) == [refill.id]
        assert done(panel, "refills", "waiting", "--older-than", "1h") == ""
        said = done(panel, "refills", "start", 1, refill.number)
        assert said == f"Refill {refill.number} ({refill.id}) is In progress.\n"
        assert done(panel, "refills", "waiting") == ""
        done(panel, "refills", "complete", 1, refill.id, answer="y\n")
        assert self.read(panel, refill).status is RefillStatus.COMPLETED

    def test_that_were_begun_and_forgotten_are_stuck(self, panel: Panel, refill: Refill) -> None:
        begun = panel.smmapi.desk.start_refill(refill)
        assert done(panel, "refills", "stuck") == ""
        assert panel.store.replace_refill(replace(begun, due=now() - timedelta(days=2)))
        [record] = json.loads(done(panel, "refills", "stuck", "--json"))
        assert (record["id"], record["status"], record["account"]) == (refill.id, "In progress", 1)

    @pytest.mark.parametrize(("verb", "status"), [("complete", "Completed"), ("reject", "Rejected")])
    def test_end_once_it_was_agreed_to(self, panel: Panel, refill: Refill, verb: str, status: str) -> None:
        result = run(panel, "refills", verb, 1, refill.id, answer="n\n")
        assert result.exit_code == 1
        assert f"number 1 of order {refill.order} of account 1, is Pending. It would become {status}." in result.stderr
        assert self.read(panel, refill) == refill
        said = done(panel, "refills", verb, 1, refill.id, "--yes")
        assert said == done(panel, "refills", verb, 1, refill.id)  # a repeat
        assert self.read(panel, refill).status.value == status

    def test_that_have_ended_stay_so(self, panel: Panel, refill: Refill) -> None:
        panel.smmapi.desk.reject_refill(refill)
        assert "is Rejected; it cannot become Completed." in refused(panel, "refills", "complete", 1, refill.id)
        assert "is Rejected; it cannot become In progress." in refused(panel, "refills", "start", 1, refill.id)

    def test_are_not_named_by_their_order(self, panel: Panel, refill: Refill) -> None:
        assert refused(panel, "refills", "start", 1, refill.order) == (
            f"Error: Account 1 has no refill {refill.order}.\n"
        )
        assert "Account 2 has no refill" in refused(panel, "refills", "start", 2, refill.id)


def test_the_ledger_is_right_after_a_life_from_the_shell(mongo_uri: str) -> None:
    """Begun, ended in part, canceled after all; each command once more, as an impatient owner would."""
    panel = Panel(store=MongoStore(mongo_uri))
    order = panel.place()
    steps = [
        ("take",),
        ("start", "--start-count", 250),
        ("progress", "--remains", 400),
        ("partial", "--remains", 157, "--yes"),
        ("partial", "--remains", 200, "--yes"),
        ("cancel", "--yes"),
    ]
    for verb, *options in steps:
        for _ in range(2):
            done(panel, "orders", verb, 1, order.number, *options)
    assert panel.balance == Decimal("99.2")
    assert list(panel.store.audit(older_than=timedelta(0))) == []
    assert json.loads(done(panel, "audit", "--json")) == {"differences": []}
