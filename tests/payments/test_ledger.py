"""What the database itself says about the books, and what the doctor finds when somebody has gone around it."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from apps.core.db import constraint_name, rows
from apps.core.tenancy import account_scope, platform_scope
from apps.payments.models import Book, LedgerEntry, LedgerTransaction, WalletBalance
from apps.payments.services import mark_received
from apps.payments.services.invoices import issue_invoice
from apps.payments.services.ledger import Leg, post, reverse
from apps.payments.services.refunds import request_refund
from factories.accounts import AccountFactory
from factories.money import CouponFactory, CouponUseFactory, LedgerTransactionFactory, ProviderEventFactory
from factories.orders import OrderFactory
from factories.payments import PaymentFactory
from tests.payments.credit import rich
from tests.payments.ledgers import MONEY_CODES, found_wrong
from tests.security.worlds import FROZEN, thaw
from tests.studio import NOW, open_studio

pytestmark = pytest.mark.django_db

ENTRY = "INSERT INTO payments_ledgerentry (account_id, transaction_id, book, amount_cents, currency, created_at, updated_at) VALUES "


def write(studio, *legs, **about):
    with account_scope(studio.account), transaction.atomic():
        return post(account_id=studio.account.pk, kind="credit", currency="EUR", legs=legs, **about)


@pytest.mark.parametrize("legs", [[Leg(Book.CASH, 100), Leg(Book.WALLET, -99)], [Leg(Book.CASH, 100)]], ids=["uneven", "alone"])
def test_what_does_not_balance_is_refused_at_once(studio, legs):
    with pytest.raises(IntegrityError) as refused:
        write(studio, *legs)

    assert constraint_name(refused.value) == "payments_ledgerentry_balanced"
    with account_scope(studio.account):
        assert LedgerTransaction.objects.count() == 0


def slip_in(studio, *legs):
    """Write entries behind the service's back, and come to the end of the transaction."""
    posted = LedgerTransactionFactory(account=studio.account)
    with account_scope(studio.account), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        for values in legs:
            cursor.execute(f"{ENTRY} (%s, %s, {values}, now(), now())", [studio.account.pk, posted.pk])
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what COMMIT does


def test_entries_may_be_written_one_by_one(studio):
    slip_in(studio, "'cash', 100, 'EUR'", "'wallet', -100, 'EUR'")


def test_two_currencies_do_not_balance_each_other(studio):
    with pytest.raises(IntegrityError):
        slip_in(studio, "'cash', 100, 'EUR'", "'cash', -100, 'USD'")


def test_an_entry_that_is_slipped_in_is_refused_at_the_latest_when_it_is_committed(studio):
    with pytest.raises(IntegrityError) as refused:
        slip_in(studio, "'cash', 1, 'EUR'")

    assert constraint_name(refused.value) == "payments_ledgerentry_balanced"


def test_nothing_is_posted_for_nothing(studio):
    assert write(studio, Leg(Book.CASH, 0), Leg(Book.WALLET, 0)) is None


@pytest.mark.parametrize("statement", ["UPDATE {} SET updated_at = now()", "DELETE FROM {}"])
@pytest.mark.parametrize("table", [one for one in FROZEN if one.startswith("payments_")])
def test_what_is_written_is_never_changed(studio, table, statement):
    sale = studio.sell()
    with account_scope(studio.account):
        issue_invoice(sale.order, at=NOW)

    with account_scope(studio.account), connection.cursor() as cursor, pytest.raises(IntegrityError) as refused, transaction.atomic():
        cursor.execute(statement.format(table))

    assert constraint_name(refused.value) == f"{table}_frozen"


@pytest.mark.parametrize("whose", ["transaction_id", "order_id"])
def test_an_entry_of_another_account_is_refused(studio, whose):
    other = AccountFactory()
    foreign = OrderFactory(account=other) if whose == "order_id" else LedgerTransactionFactory(account=other)
    ours = LedgerTransactionFactory(account=studio.account)
    values = {"transaction_id": ours.pk, "order_id": None, whose: foreign.pk}

    with platform_scope("even so"), connection.cursor() as cursor, pytest.raises(IntegrityError) as refused, transaction.atomic():
        cursor.execute(
            "INSERT INTO payments_ledgerentry (account_id, transaction_id, order_id, book, amount_cents, currency) VALUES"
            " (%s, %s, %s, 'cash', 1, 'EUR')",
            [studio.account.pk, values["transaction_id"], values["order_id"]],
        )

    assert constraint_name(refused.value) == f"payments_ledgerentry_{whose.removesuffix('_id')}_account"


def test_a_transaction_is_reversed_by_its_mirror_image_and_once(studio):
    posted = LedgerTransactionFactory(account=studio.account, client=studio.client)

    with account_scope(studio.account), transaction.atomic():
        reverse(posted, memo="a mistake")

    with account_scope(studio.account):
        assert sorted(LedgerEntry.objects.values_list("book", "amount_cents")) == [
            ("goodwill", -1000),
            ("goodwill", 1000),
            ("wallet", -1000),
            ("wallet", 1000),
        ]
        with pytest.raises(IntegrityError), transaction.atomic():
            reverse(posted)
    assert found_wrong("I14", "I16") == {}


# -- the doctor


@pytest.fixture
def business(account):
    """A package that was paid, invoiced and partly refunded; credit; a coupon that was used."""
    studio = open_studio(account)
    sale = studio.sell()
    with account_scope(account):
        payment = mark_received(sale.payment, at=NOW)
        issue_invoice(sale.order, at=NOW)
        with transaction.atomic():
            request_refund(payment, amount_cents=1000, reason="goodwill", at=NOW)
    rich(studio, 500)
    coupon = CouponFactory(account=account, uses=1)
    CouponUseFactory(account=account, coupon=coupon, order=sale.order)
    return studio


SEEDS = {
    "I11.waiting": "UPDATE payments_payment SET method = 'stripe', status = 'pending', captured_cents = 0, refunded_cents = 0",
    "I13 twice": "INSERT INTO payments_ledgertransaction (account_id, kind, payment_id, memo)"
    " SELECT account_id, 'payment', payment_id, '' FROM payments_ledgertransaction WHERE kind = 'payment'",
    "I13 never": "UPDATE payments_ledgertransaction SET kind = 'credit' WHERE kind = 'payment'",
    "I13 amount": "UPDATE payments_ledgerentry SET amount_cents = amount_cents + sign(amount_cents)"
    " WHERE transaction_id IN (SELECT id FROM payments_ledgertransaction WHERE kind = 'payment')",
    "I13.refunds": "UPDATE payments_ledgertransaction SET kind = 'credit' WHERE kind = 'refund'",
    "I13.amounts": "UPDATE payments_ledgerentry SET amount_cents = amount_cents + sign(amount_cents)"
    " WHERE transaction_id IN (SELECT id FROM payments_ledgertransaction WHERE kind = 'refund')",
    "I14 uneven": "UPDATE payments_ledgerentry SET amount_cents = amount_cents + 1 WHERE book = 'cash'",
    "I14 alone": "DELETE FROM payments_ledgerentry WHERE book = 'goodwill'",
    "I14 empty": "DELETE FROM payments_ledgerentry WHERE book IN ('goodwill', 'wallet')",
    "I14.receivable": "UPDATE payments_ledgerentry SET amount_cents = amount_cents + 1 WHERE book = 'receivable' AND amount_cents > 5000",
    "I14.tax tax": "UPDATE orders_order SET tax_cents = 1",
    "I14.tax fees": "UPDATE orders_orderline SET kind = 'fee'",
    "I14.net": "UPDATE payments_ledgerentry SET amount_cents = amount_cents + 1 WHERE book = 'deferred'",
    "I14.sessions ended": "UPDATE bookings_booking SET status = 'cancelled'",
    "I14.sessions expired": "UPDATE bookings_booking SET status = 'forfeited'",
    "I15 lots": "UPDATE payments_walletlot SET remaining_cents = remaining_cents - 1",
    "I15 balance": "UPDATE payments_walletbalance SET balance_cents = balance_cents + 1",
    "I15 statement": "UPDATE payments_wallettransaction SET balance_after_cents = 1",
    "I15.books": "UPDATE payments_ledgerentry SET book = 'cash' WHERE book = 'wallet'",
    "I16 twice": "INSERT INTO payments_ledgertransaction (account_id, kind, reverses_id, memo)"
    " SELECT account_id, 'credit', min(id), '' FROM payments_ledgertransaction, generate_series(1, 2) GROUP BY account_id, generate_series",
    "I16 mirror": "UPDATE payments_ledgertransaction SET reverses_id = (SELECT min(id) FROM payments_ledgertransaction)"
    " WHERE id = (SELECT max(id) FROM payments_ledgertransaction)",
    "I60 gap": "UPDATE payments_invoice SET sequence = sequence + 1",
    "I60.lines": "UPDATE payments_invoice SET total_cents = total_cents + 1",
    "I60.lines order": "UPDATE payments_invoice SET currency = 'USD'",
    "I61 uses": "UPDATE payments_coupon SET uses = 2",
    "I61 most": "UPDATE payments_coupon SET max_uses = 0",
}  # fmt: skip


@pytest.mark.parametrize("name", SEEDS)
def test_the_doctor_finds_what_was_broken(business, name):
    assert found_wrong(*MONEY_CODES) == {}  # the control

    _go_around(SEEDS[name])

    assert name.split()[0] in found_wrong(*MONEY_CODES)


def _go_around(sql):
    """As somebody who has taken the database's own guards away."""
    for table in FROZEN:
        thaw(table)
    with platform_scope("sabotage"), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in {"payments_payment", "payments_ledgertransaction", "payments_ledgerentry", "payments_invoice", "payments_coupon"}:
            for (guard,) in rows(
                "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'c'"
                " AND conname LIKE 'payments_%%'", [table]
            ):  # fmt: skip
                cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {guard}")
            for (index,) in rows(
                "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = %s::regclass AND indisunique AND indpred IS NOT NULL",
                [table],
            ):
                cursor.execute(f"DROP INDEX {index}")
        cursor.execute("ALTER TABLE payments_ledgerentry DISABLE TRIGGER payments_ledgerentry_balanced")
        cursor.execute(sql)
        assert cursor.rowcount > 0


@pytest.mark.parametrize("status", ["received", "failed"])
def test_the_doctor_finds_an_event_that_nobody_dealt_with(account, status):
    event = ProviderEventFactory(account=account, status=status)
    assert found_wrong("I12") == {}

    with platform_scope("time"), connection.cursor() as cursor:
        cursor.execute("UPDATE payments_providerevent SET created_at = created_at - %s", [timedelta(minutes=16)])

    assert found_wrong("I12") == {"I12": [(event.pk,)]}


def test_the_doctor_finds_a_payment_without_books(account):
    PaymentFactory(account=account, status="succeeded", captured_cents=5000, received_at=NOW)

    assert {"I13", "I14.receivable"} <= set(found_wrong("I13", "I14.receivable"))


def test_a_wallet_is_compared_with_what_is_set_aside(business):
    with account_scope(business.account):
        assert WalletBalance.objects.get().balance_cents == 500
    assert found_wrong("I15", "I15.books") == {}
