"""Books for what was sold before there were any."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from apps.bookings.services.endings import complete_booking
from apps.bookings.services.scheduling import schedule_booking
from apps.core.tenancy import account_scope, platform_scope
from apps.payments.models import LedgerTransaction
from apps.payments.services import mark_received
from apps.payments.services.refunds import request_refund
from tests.bookings.owned import do
from tests.payments.ledgers import agree, found_wrong, sheet, transactions
from tests.security.worlds import thaw
from tests.studio import MONDAY_TEN, NOW

pytestmark = pytest.mark.django_db


def run(*arguments):
    out = StringIO()
    call_command("open_books", *arguments, stdout=out)
    return out.getvalue()


def forget_the_books():
    """What an upgrade finds: documents, and no ledger."""
    thaw("payments_ledgerentry")
    thaw("payments_ledgertransaction")
    with platform_scope("as before the upgrade"), connection.cursor() as cursor:
        cursor.execute("DELETE FROM payments_ledgerentry")
        cursor.execute("DELETE FROM payments_ledgertransaction")


@pytest.fixture
def sold(studio):
    """A package that was paid, partly used and partly given back, and one that was not paid; and what their books said."""
    sale, unpaid = studio.sell(), studio.sell()
    with account_scope(studio.account):
        payment = mark_received(sale.payment, at=NOW)
    session = do(studio, schedule_booking, sale.bookings[0], practitioner=studio.practitioner, start_time=MONDAY_TEN)
    do(studio, complete_booking, session, at=MONDAY_TEN)
    do(studio, request_refund, payment, amount_cents=1000, reason="goodwill")
    said = sheet(studio, sale.order), sheet(studio, unpaid.order)
    forget_the_books()
    assert "I13" in found_wrong("I13")
    return (sale.order, unpaid.order), said


def test_the_books_are_opened_once_and_say_what_they_would_have_said(studio, sold):
    orders, said = sold

    assert "2 orders, 1 payments, 1 refunds posted" in run("--account", studio.account.slug, "--apply", "--batch", "1")

    assert tuple(sheet(studio, order) for order in orders) == said
    for order in orders:
        agree(studio, order)
    count = transactions(studio)
    assert "0 orders, 0 payments, 0 refunds posted" in run("--all", "--apply")
    assert transactions(studio) == count


def test_without_apply_nothing_is_written_and_what_is_left_is_an_error(studio, sold):
    with pytest.raises(CommandError, match="4 to post; nothing was written"):
        run("--all")

    assert transactions(studio) == 0


def test_it_goes_on_where_it_was_stopped(studio, sold):
    from apps.payments.services.opening import open_batch  # noqa: PLC0415  beside its use

    with account_scope(studio.account):
        assert open_batch("orders", limit=1).posted == 1
        assert LedgerTransaction.objects.count() == 1

    assert "1 orders, 1 payments, 1 refunds posted" in run("--all", "--apply")


def test_an_unknown_account_is_an_error(studio):
    with pytest.raises(CommandError, match="no account with the slug nobody"):
        run("--account", "nobody")
