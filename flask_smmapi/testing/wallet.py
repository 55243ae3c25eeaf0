"""What the extension relies on when it moves the host's money."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from ..hooks import AccountId, Wallet
from ..ids import new_id
from ..money import MAX_UNITS, ZERO, from_units
from .duties import duty
from .host import Contract, Elsewhere, Host, Race
from .races import ROUNDS, THREADS

ONE = Decimal("1.00000000")
LEAST = Decimal("0.00000001")
THREE = 3 * ONE


@duty(
    "An account can be emptied and filled again, to the last place.",
    likely="balance answers something else than a Decimal, or debit something else than True.",
)
def fill(wallet: Wallet, account: AccountId, amount: Decimal) -> None:
    """Leave exactly *amount* on the account, whatever was on it."""
    balance = wallet.balance(account)
    assert isinstance(balance, Decimal)
    if balance:
        assert wallet.debit(account, balance, new_id()) is True
    if amount:
        wallet.credit(account, amount, new_id())
    assert wallet.balance(account) == amount


class WalletContract(Contract):
    """Duties of a wallet: exact, never overdrawn, and the same however often a reference is repeated."""

    @pytest.fixture
    def wallet(self, host: Host) -> Wallet:
        found: Wallet = host.part("wallet")
        return found

    @pytest.fixture
    def other_wallet(self, host: Host) -> Wallet:
        """The same money, through another connection if the host gives one."""
        found: Wallet = (host.again or host).part("wallet")
        return found

    @pytest.fixture
    def workers(self, wallet: Wallet, other_wallet: Wallet) -> Sequence[Wallet]:
        """The wallet of each thread in a race: two by turns, since a lock of one process keeps no other one out."""
        return [wallet, other_wallet] * (THREADS // 2)

    @pytest.fixture
    def rich(self, wallet: Wallet, me: AccountId, other: AccountId) -> Wallet:
        """Both accounts have exactly 3."""
        for account in (me, other):
            fill(wallet, account, THREE)
        return wallet

    # Answers

    @duty(
        "A balance is a Decimal, even of an account that has never had anything.",
        likely="it is a float, the text of a column, or None as the sum of no rows.",
    )
    def test_a_balance_is_a_decimal(self, host: Host, wallet: Wallet) -> None:
        for account in host.accounts:
            assert isinstance(wallet.balance(account), Decimal)

    @duty(
        "A debit that was made answers True.",
        likely="debit answers a row count, the new balance or nothing in place of True; or it asks balance > amount.",
    )
    def test_a_debit_that_was_made_answers_true(self, rich: Wallet, me: AccountId) -> None:
        assert rich.debit(me, THREE, new_id()) is True
        assert rich.balance(me) == 0

    @duty(
        "Nobody spends what he has not: such a debit answers False and changes nothing.",
        likely="the balance is not compared before it is lowered, or debit answers None in place of False.",
    )
    def test_a_debit_of_more_than_there_is_answers_false(self, rich: Wallet, me: AccountId) -> None:
        assert rich.debit(me, THREE + ONE, new_id()) is False
        assert rich.balance(me) == THREE

    # Amounts

    @duty(
        "Amounts are kept with all their eight places.",
        likely="the column has two places, or something rounds to cents.",
    )
    def test_amounts_keep_eight_places(self, rich: Wallet, me: AccountId) -> None:
        rich.credit(me, Decimal("0.10000001"), new_id())
        assert rich.balance(me) == Decimal("3.10000001")
        assert rich.debit(me, LEAST, new_id()) is True
        assert rich.balance(me) == Decimal("3.1")
        assert rich.debit(me, Decimal("0.00499999"), new_id()) is True
        assert rich.balance(me) == Decimal("3.09500001")

    @duty(
        "An amount is exact to the last place.",
        likely="the amount was a float somewhere: in the column (SQLite has no other fractions), in JSON, in a sum.",
    )
    def test_no_float_touches_an_amount(self, rich: Wallet, me: AccountId) -> None:
        for amount in ("0.1", "0.2", "123456789.12345681"):  # a float holds neither the sum nor its units
            rich.credit(me, Decimal(amount), new_id())
        assert rich.balance(me) == Decimal("123456792.42345681")
        assert rich.debit(me, Decimal("123456792.42345682"), new_id()) is False
        assert rich.debit(me, Decimal("123456792.42345681"), new_id()) is True
        assert rich.balance(me) == 0

    @duty(
        "The largest charge that there can be is refused like any other that is too large.",
        likely="the amount does not fit into the type that the query gives it.",
    )
    def test_the_largest_charge_is_refused(self, rich: Wallet, me: AccountId) -> None:
        assert rich.debit(me, from_units(MAX_UNITS), new_id()) is False
        assert rich.balance(me) == THREE

    @duty(
        "A debit of 0 is legal, even if there is nothing.",
        likely="an amount of 0 counts as no amount, or 'balance > amount' is asked where '>=' is meant.",
    )
    def test_a_debit_of_nothing_is_legal(self, wallet: Wallet, me: AccountId) -> None:
        fill(wallet, me, ZERO)
        reference = new_id()
        assert [wallet.debit(me, ZERO, reference) for _ in range(2)] == [True, True]
        assert wallet.balance(me) == 0

    @duty("An account's money is its own.", likely="a query does not name the account.")
    def test_accounts_are_apart(self, rich: Wallet, me: AccountId, other: AccountId) -> None:
        assert rich.debit(me, ONE, new_id()) is True
        rich.credit(other, ONE, new_id())
        assert [rich.balance(account) for account in (me, other)] == [2, 4]

    # References

    @duty(
        "A repeated debit takes once and answers the same.",
        likely="debit does not look for its own reference before it takes.",
    )
    def test_a_repeated_debit_takes_once(self, rich: Wallet, me: AccountId) -> None:
        reference = new_id()
        assert [rich.debit(me, ONE, reference) for _ in range(3)] == [True, True, True]
        assert rich.balance(me) == 2

    @duty(
        "The repeat of the debit that emptied the wallet is True.",
        likely="debit compares the balance before it looks for its own reference.",
    )
    def test_a_repeat_of_the_debit_that_emptied_the_wallet_is_true(self, rich: Wallet, me: AccountId) -> None:
        reference = new_id()
        assert [rich.debit(me, THREE, reference) for _ in range(2)] == [True, True]
        assert rich.balance(me) == 0

    @duty(
        "1.1 and 1.10000000 are one amount.",
        likely="amounts are compared or kept as text.",
    )
    def test_an_amount_may_be_written_in_two_ways(self, rich: Wallet, me: AccountId) -> None:
        reference = new_id()
        assert rich.debit(me, Decimal("1.1"), reference) is True
        assert rich.debit(me, Decimal("1.10000000"), reference) is True
        assert rich.debit(me, Decimal("1E+0"), new_id()) is True
        assert rich.balance(me) == Decimal("0.9")

    @duty(
        "A repeated credit gives once.",
        likely="credit does not look for its own reference, so that a client is paid back twice.",
    )
    def test_a_repeated_credit_gives_once(self, rich: Wallet, me: AccountId) -> None:
        reference = f"{new_id()}:back:0"
        for _ in range(3):
            rich.credit(me, ONE, reference)
        assert rich.balance(me) == 4

    @duty(
        "A reference has one amount: the same reference with another amount is a ValueError that moves nothing.",
        likely="a repeat is recognised by its reference alone; it hides a mistake that should be seen.",
    )
    def test_a_reference_has_one_amount(self, rich: Wallet, me: AccountId) -> None:
        taken, given = new_id(), f"{new_id()}:back:0"
        assert rich.debit(me, ONE, taken) is True
        rich.credit(me, ONE, given)
        for verb, reference in ((rich.debit, taken), (rich.credit, given)):
            for amount in (Decimal(2), ZERO, Decimal(1000)):
                with pytest.raises(ValueError):  # noqa: PT011 - its words are the host's own
                    verb(me, amount, reference)
        assert rich.balance(me) == THREE

    @duty(
        "A reference is unique within an account, not across accounts.",
        likely="the reference alone is the key, so that one account's debit counts as another's.",
    )
    def test_accounts_do_not_share_references(self, rich: Wallet, me: AccountId, other: AccountId) -> None:
        reference = new_id()
        assert rich.debit(me, ONE, reference) is True
        assert rich.debit(other, Decimal(2), reference) is True
        assert [rich.balance(account) for account in (me, other)] == [2, 1]
        rich.void(other, reference)
        assert [rich.balance(account) for account in (me, other)] == [2, 3]

    @duty(
        "References of 100 characters are told apart to the last one.",
        likely="the column is shorter than that, and the database cuts what is longer.",
    )
    def test_a_long_reference_is_kept_whole(self, rich: Wallet, me: AccountId) -> None:
        start = f"{new_id()}:{new_id()}:{'x' * 49}"
        assert len(start) == 99
        assert [rich.debit(me, ONE, f"{start}{last}") for last in "ab"] == [True, True]
        assert rich.balance(me) == 1

    # Void

    @duty(
        "A void gives the debit back once, and bars it for ever.",
        likely="void credits at each call, or deletes the debit, so that a late repeat takes the money again.",
    )
    def test_void_undoes_a_debit_once_and_bars_it_for_ever(self, rich: Wallet, me: AccountId) -> None:
        reference = new_id()
        assert rich.debit(me, ONE, reference) is True
        for _ in range(3):
            rich.void(me, reference)
            assert rich.balance(me) == THREE
            assert [rich.debit(me, ONE, reference) for _ in range(2)] == [False, False]
        assert rich.debit(me, ONE, new_id()) is True

    @duty(
        "A void of what was never debited gives nothing, and bars that debit for ever.",
        likely="void credits blindly, or does nothing if there is no debit; a slow debit then comes after its void.",
    )
    def test_void_of_what_was_not_debited_bars_it_for_ever(self, rich: Wallet, me: AccountId, other: AccountId) -> None:
        reference = new_id()
        for _ in range(3):
            rich.void(me, reference)
            assert rich.balance(me) == THREE
            assert rich.debit(me, ONE, reference) is False
        assert rich.balance(me) == THREE
        assert rich.debit(other, ONE, reference) is True

    @duty(
        "A debit that was refused can be voided, and is refused then even if there is money.",
        likely="void takes the refused debit for one that was made, or leaves no trace of itself.",
    )
    def test_a_debit_that_was_refused_can_be_voided(self, rich: Wallet, me: AccountId) -> None:
        reference = new_id()
        assert rich.debit(me, Decimal(4), reference) is False
        rich.void(me, reference)
        rich.credit(me, Decimal(4), new_id())
        assert rich.debit(me, Decimal(4), reference) is False
        assert rich.balance(me) == 7

    @duty(
        "Fifty voids bar fifty debits, each for ever.",
        likely="only the newest voids are kept, or one is forgotten when it has refused its debit.",
    )
    def test_every_void_is_kept(self, rich: Wallet, me: AccountId) -> None:
        references = [new_id() for _ in range(50)]
        for reference in references:
            rich.void(me, reference)
        for _ in range(2):
            assert [rich.debit(me, ONE, reference) for reference in references] == [False] * 50
        assert rich.balance(me) == THREE

    @duty(
        "A debit of 0 is voided like any other.",
        likely="void looks for an amount to give back, finds none, and does nothing.",
    )
    def test_a_debit_of_nothing_can_be_voided(self, rich: Wallet, me: AccountId) -> None:
        reference = new_id()
        assert rich.debit(me, ZERO, reference) is True
        rich.void(me, reference)
        assert rich.debit(me, ZERO, reference) is False
        assert rich.balance(me) == THREE

    # Committed when a verb returns

    @duty(
        "What a verb did is committed when it returns: another connection sees it.",
        likely="the verb leaves the commit to the end of the request, or to somebody who never comes.",
    )
    def test_effects_are_committed(
        self, rich: Wallet, other_wallet: Wallet, me: AccountId, elsewhere: Elsewhere
    ) -> None:
        def seen() -> Decimal:
            return elsewhere(lambda: other_wallet.balance(me))

        reference = new_id()
        assert seen() == THREE
        assert rich.debit(me, ONE, reference) is True
        assert seen() == 2
        rich.credit(me, ONE, new_id())
        assert seen() == 3
        rich.void(me, reference)
        assert seen() == 4

    @duty(
        "A verb decides on the newest state, not on what was read before.",
        likely="the session still holds the row that it has read; read it anew, in a transaction of the verb's own.",
    )
    def test_a_verb_sees_what_others_did_meanwhile(
        self, rich: Wallet, other_wallet: Wallet, me: AccountId, elsewhere: Elsewhere
    ) -> None:
        assert rich.balance(me) == THREE
        elsewhere(lambda: other_wallet.credit(me, ONE, new_id()))
        assert rich.debit(me, Decimal(4), new_id()) is True
        elsewhere(lambda: other_wallet.credit(me, ONE, new_id()))
        assert rich.balance(me) == 1
        assert elsewhere(lambda: other_wallet.debit(me, ONE, new_id())) is True
        assert rich.debit(me, ONE, new_id()) is False

    # Races

    @duty(
        "Debits at once take no more than there is.",
        likely="the balance is read, compared and written back in steps; lock the row, or let the write compare; or a "
        "lock that somebody else holds counts as too little money.",
        races=1,
    )
    def test_racing_debits_take_no_more_than_there_is(
        self, rich: Wallet, workers: Sequence[Wallet], me: AccountId, race: Race
    ) -> None:
        fill(rich, me, THREE)
        taken = race(THREADS, lambda number: workers[number].debit(me, ONE, new_id()))
        assert (taken.count(True), taken.count(False)) == (3, THREADS - 3)
        assert rich.balance(me) == 0

    @duty(
        "Repeats of one debit at once take once, and all answer True.",
        likely="the reference is looked for before the lock is taken, or the unique index raises.",
        races=1,
    )
    def test_racing_repeats_of_a_debit_take_once(
        self, rich: Wallet, workers: Sequence[Wallet], me: AccountId, race: Race
    ) -> None:
        fill(rich, me, THREE)
        reference = new_id()
        assert race(THREADS, lambda number: workers[number].debit(me, ONE, reference)) == [True] * THREADS
        assert rich.balance(me) == 2

    @duty(
        "Repeats at once of the debit that empties the wallet are all True.",
        likely="the loser of the race compares the balance first, and finds it empty.",
        races=1,
    )
    def test_racing_repeats_of_the_debit_that_empties_the_wallet(
        self, rich: Wallet, workers: Sequence[Wallet], me: AccountId, race: Race
    ) -> None:
        fill(rich, me, THREE)
        reference = new_id()
        assert race(THREADS, lambda number: workers[number].debit(me, THREE, reference)) == [True] * THREADS
        assert rich.balance(me) == 0

    @duty(
        "Credits at once all arrive, and their repeats once.",
        likely="the balance is read and written back in steps, so that one credit overwrites another.",
        races=1,
    )
    def test_racing_credits_all_arrive(
        self, rich: Wallet, workers: Sequence[Wallet], me: AccountId, race: Race
    ) -> None:
        fill(rich, me, ZERO)
        references = [new_id() for _ in range(THREADS // 2)]
        race(THREADS, lambda number: workers[number].credit(me, ONE, references[number // 2]))
        assert rich.balance(me) == THREADS // 2

    @duty(
        "Voids at once give the debit back once.",
        likely="void looks whether it was voided before, and gives back, in two steps.",
        races=1,
    )
    def test_racing_voids_give_back_once(
        self, rich: Wallet, workers: Sequence[Wallet], me: AccountId, race: Race
    ) -> None:
        fill(rich, me, THREE)
        reference = new_id()
        assert rich.debit(me, ONE, reference) is True
        race(THREADS, lambda number: workers[number].void(me, reference))
        assert rich.balance(me) == THREE
        assert rich.debit(me, ONE, reference) is False

    @duty(
        "A debit that races its void is undone, whoever comes first.",
        likely="void looks for the debit and bars it in two steps, so that a debit slips in between; or debit does so.",
        races=2,
    )
    def test_a_debit_that_races_its_void_is_undone(
        self, rich: Wallet, workers: Sequence[Wallet], me: AccountId, race: Race
    ) -> None:
        fill(rich, me, THREADS * ONE)
        references = [new_id() for _ in range(THREADS // 2)]

        def move(number: int) -> None:
            reference = references[number // 2]
            if number % 2:
                workers[number].void(me, reference)
            else:
                workers[number].debit(me, ONE, reference)

        race(THREADS, move)
        assert rich.balance(me) == THREADS
        assert [rich.debit(me, ONE, reference) for reference in references] == [False] * len(references)

    @duty(
        "Verbs of two accounts at once do not stand in each other's way, and none is lost.",
        likely="a balance is written back that somebody else has changed, or two verbs wait for each other's lock.",
    )
    def test_two_accounts_at_once(self, rich: Wallet, me: AccountId, other: AccountId, race: Race) -> None:
        def move(number: int) -> None:
            account = (me, other)[number % 2]
            for _ in range(ROUNDS):
                reference = new_id()
                rich.credit(account, ONE, new_id())
                assert rich.debit(account, ONE, reference) is True
                rich.void(account, reference)

        race(THREADS, move)
        gained = ROUNDS * THREADS // 2
        assert [rich.balance(account) for account in (me, other)] == [3 + gained, 3 + gained]
