"""Invoice numbers have no gaps, however many are issued at once and however many of those are taken back (rules.md §7)."""

import pytest
from django.db import connection, connections

from apps.core.db import rows
from apps.core.tenancy import account_scope
from apps.payments.models import Invoice
from apps.payments.services import invoices
from apps.payments.services.invoices import issue_invoice
from factories.accounts import AccountFactory
from tests.bookings.test_races import at_once
from tests.studio import NOW, open_studio

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
PER_ACCOUNT = 10
TAKEN_BACK = (1, 4, 5, 8)


class TakenBack(Exception):
    """The sale fails after its invoice was written."""


def twenty_at_once():
    """Ten invoices in each of two accounts at the same moment, four of each rolled back; the sequences that are left per account."""
    studios = [open_studio(AccountFactory()) for _ in range(2)]
    orders = [(studio, n, studio.sell().order) for n in range(PER_ACCOUNT) for studio in studios]

    def call(studio, n, order):
        def issue():
            with account_scope(studio.account):
                issue_invoice(order, at=NOW)
                if n in TAKEN_BACK:
                    raise TakenBack

        return issue

    outcomes = at_once(studios[0].account, [call(*one) for one in orders])
    assert sorted(outcomes) == ["TakenBack"] * 8 + ["done"] * 12, outcomes
    left = []
    for studio in studios:
        with account_scope(studio.account):
            left.append(list(Invoice.objects.order_by("sequence").values_list("sequence", flat=True)))
    return left


def test_twenty_sales_in_two_accounts_leave_no_gap():
    assert twenty_at_once() == [[1, 2, 3, 4, 5, 6]] * 2


def test_a_sequence_of_the_database_would_leave_gaps(monkeypatch):
    """The negative control: nextval() is not taken back with its transaction."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SEQUENCE h7_invoice_numbers")
    monkeypatch.setattr(invoices, "next_number", lambda account_id, name: rows("SELECT nextval('h7_invoice_numbers')")[0][0])
    try:
        left = twenty_at_once()
    finally:
        connections["default"].cursor().execute("DROP SEQUENCE h7_invoice_numbers")

    numbers = sorted(left[0] + left[1])
    assert len(numbers) == 12
    assert numbers != list(range(1, 13))


def test_two_who_invoice_one_order_at_once_make_one_document():
    studio = open_studio(AccountFactory())
    order = studio.sell().order

    outcomes = at_once(studio.account, [lambda: issue_invoice(order, at=NOW) for _ in range(6)])

    assert sorted(outcomes) == ["NothingToInvoice"] * 5 + ["done"]
    with account_scope(studio.account):
        assert list(Invoice.objects.values_list("number", flat=True)) == ["INV-00001"]
