"""Money that came too late (rules.md §4), by the account's ``late_money``: it stays, becomes credit, or goes back; never lost."""

from datetime import timedelta

import pytest

from apps.bookings.services.endings import cancel_booking
from apps.bookings.services.scheduling import release_hold
from apps.core.events import acting
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.payments.handlers import give_late_money_back
from apps.payments.models import Payment, Refund
from apps.payments.services import create_payment, mark_received
from apps.payments.services.settling import lapse_payment
from apps.payments.services.wallet import balance_of
from tests.bookings.owned import fresh, states
from tests.payments.refunding import do, refunds, sums, unsound
from tests.portal import become
from tests.studio import MONDAY_TEN, NOW


def wish(studio, late_money):
    studio.account.settings = {"late_money": late_money}
    studio.account.save(update_fields=["settings"])


def late_transfer(studio, start_is_taken=True, **options):
    """A client's bank transfer for a start comes after it was given up; somebody else has the start by now."""
    slot = {"practitioner": studio.practitioner, "start_time": MONDAY_TEN}
    sale = studio.sell(method="bank_transfer", by="client", **slot, **options)
    do(studio, lapse_payment, sale.payment, at=NOW + timedelta(days=1))
    if start_is_taken:
        studio.sell(service=studio.service, client=studio.other_client(), **slot)
    do(studio, mark_received, sale.payment, at=NOW + timedelta(days=1))
    return sale


def deliver(studio, times=1):
    """Run the handler for what was said about money that is left over."""
    with account_scope(studio.account):
        for _ in range(times):
            for event in Event.objects.filter(type="payment.left_over").order_by("pk"):
                give_late_money_back(event)


def test_a_lost_start_of_a_single_service_goes_back_by_setting(studio):
    wish(studio, "refund")
    sale = late_transfer(studio, service=studio.service)

    deliver(studio, times=2)

    assert refunds(studio) == [("bank_transfer", 5000, "pending")]
    assert states(studio, sale.order) == ["cancelled"]
    assert unsound() == []


def test_it_becomes_credit_by_setting(studio):
    become(studio)
    wish(studio, "credit")
    late_transfer(studio, service=studio.service)

    deliver(studio, times=2)

    assert refunds(studio) == [("wallet", 5000, "succeeded")]
    with account_scope(studio.account):
        assert balance_of(studio.client, "EUR", at=NOW) == 5000
    assert unsound() == []


@pytest.mark.parametrize(
    ("late_money", "session", "order"),
    [("keep", "draft", "paid"), ("credit", "cancelled", "overpaid")],  # this client has no login
)
def test_otherwise_it_stays_on_its_order(studio, late_money, session, order):
    wish(studio, late_money)
    sale = late_transfer(studio, service=studio.service)

    deliver(studio)

    assert (refunds(studio), states(studio, sale.order)) == ([], [session])
    assert fresh(studio, sale.order).payment_status == order


def test_a_start_that_is_still_free_is_kept(studio):
    wish(studio, "refund")
    sale = late_transfer(studio, start_is_taken=False, service=studio.service)

    deliver(studio)

    assert (refunds(studio), states(studio, sale.order)) == ([], ["confirmed"])


def test_a_packages_session_can_be_used_at_another_time(studio):
    wish(studio, "refund")
    sale = late_transfer(studio, package=studio.package)

    deliver(studio)

    assert (refunds(studio), states(studio, sale.order)) == ([], ["draft"] * 3)


def test_money_for_a_cancelled_order_goes_back(studio):
    wish(studio, "refund")
    sale = studio.sell(method="bank_transfer", service=studio.service)
    do(studio, cancel_booking, sale.bookings[0])
    do(studio, lapse_payment, sale.payment)
    do(studio, mark_received, sale.payment)

    deliver(studio)

    assert refunds(studio) == [("bank_transfer", 5000, "pending")]
    assert sums(studio, sale.payment) == (5000, 0, 5000, 0)


def test_a_providers_refund_is_due_at_once_for_the_reconciler(studio):
    wish(studio, "refund")
    sale = late_transfer(studio, service=studio.service)
    with account_scope(studio.account):
        Payment.objects.filter(pk=sale.payment.pk).update(method="stripe", provider_ref="pi_1")

    deliver(studio)

    with account_scope(studio.account):
        refund = Refund.objects.get()
        assert (refund.method, refund.status) == ("stripe", "pending")
        assert refund.next_check_at - refund.created_at < timedelta(minutes=1)


def test_a_package_that_was_given_up_is_sold_again_even_when_its_start_is_gone(studio):
    slot = {"practitioner": studio.practitioner, "start_time": MONDAY_TEN}
    with acting(None, "public"):
        sale = studio.sell(method="bank_transfer", by="client", **slot)
    do(studio, lapse_payment, sale.payment, at=NOW + timedelta(days=1))
    assert set(states(studio, sale.order)) == {"cancelled"}
    studio.sell(service=studio.service, client=studio.other_client(), **slot)

    do(studio, mark_received, sale.payment, at=NOW + timedelta(days=1))

    order = fresh(studio, sale.order)
    assert (order.status, order.payment_status, set(states(studio, sale.order))) == ("active", "paid", {"draft"})
    assert unsound() == []


@pytest.mark.parametrize("why", ["cancelled", "paid"])
def test_money_that_nobody_needs_any_more_is_late(studio, why):
    """The order was cancelled, or is paid already, and this payment could not be stopped in time."""
    wish(studio, "refund")
    sale = studio.sell(service=studio.service, method="bank_transfer")
    if why == "cancelled":
        do(studio, cancel_booking, sale.bookings[0], by="provider", void=True, at=NOW)
    else:
        with account_scope(studio.account):
            other = create_payment(order=sale.order, method="cash", amount_cents=5000, at=NOW)
        do(studio, mark_received, other, at=NOW)

    do(studio, mark_received, sale.payment, at=NOW)
    deliver(studio)

    assert refunds(studio) == [("bank_transfer", 5000, "pending")]
    assert unsound() == []


@pytest.mark.parametrize(
    ("give_up", "session"),
    [
        ((release_hold, {"why": "released"}), "draft"),
        ((cancel_booking, {"by": "client"}), "draft"),
        ((cancel_booking, {"by": "provider"}), "draft"),
        ((release_hold, {"why": "lapsed"}), "confirmed"),  # nobody has given that up: it is claimed again
        ((release_hold, {"why": "unpaid"}), "confirmed"),
    ],
)
def test_money_does_not_book_a_start_again_that_people_have_given_up(studio, give_up, session):
    with acting(None, "public"):
        sale = studio.sell(method="bank_transfer", by="client", practitioner=studio.practitioner, start_time=MONDAY_TEN)
    use_case, options = give_up
    do(studio, use_case, sale.bookings[0], **options)

    do(studio, mark_received, sale.payment, at=NOW)

    assert states(studio, sale.order) == [session, "draft", "draft"]
    assert fresh(studio, sale.order).payment_status == "paid"
    assert sums(studio, sale.payment) == (10000, 0, 0, 0)
    assert unsound() == []
