"""Saying yes to an offer is buying: what was sold for it is paid by the rules of a sale, and what has to be paid first is held."""

from datetime import timedelta

import pytest
import time_machine
from django.db import transaction

from apps.bookings.errors import PaymentRequired
from apps.bookings.models import Booking
from apps.checkout.errors import MethodNotOffered
from apps.checkout.waitlist import accept_offer, answer_by_token, token_of
from apps.core.events import acting
from apps.core.tenancy import account_scope
from apps.orders.models import Order
from apps.payments.errors import ProviderOff
from apps.payments.models import DepositRule, Instalment, Payment
from apps.payments.services import mark_received
from apps.payments.services.settling import lapse_payment
from tests.checkout.waiting import HOUR, broken, freed, offer, state, wait
from tests.payments.counter import set_up
from tests.portal import become, sign_in
from tests.studio import MONDAY_TEN, NOW, open_studio


def settings(studio, **values):
    studio.account.settings = values
    studio.account.save(update_fields=["settings"])


def yes(made, **options):
    """The client's own yes."""
    with transaction.atomic():
        return answer_by_token(token=token_of(made), accept=True, **{"at": NOW, **options})


def sold(studio):
    """(method, cents, status) of the payment, the sessions' states, and what the order is worth."""
    with account_scope(studio.account):
        payment = Payment.objects.get()
        sessions = list(Booking.objects.order_by("pk").values_list("status", flat=True))
        order = Order.objects.get()
        return (payment.method, payment.amount_cents, payment.status), sessions, (order.status, order.total_amount_cents)


def test_a_client_pays_in_a_way_that_is_offered(studio):
    settings(studio, online_cash=False)
    made = offer(studio, wait(studio))

    with pytest.raises(MethodNotOffered):
        yes(made, method="cash")
    with pytest.raises(ProviderOff):
        yes(made, method="stripe")
    assert yes(made).status == "accepted"

    assert sold(studio) == (("bank_transfer", 5000, "pending"), ["held"], ("active", 5000))
    assert broken(studio) == []
    with account_scope(studio.account), transaction.atomic():
        mark_received(Payment.objects.get(), at=NOW)
    assert sold(studio) == (("bank_transfer", 5000, "succeeded"), ["confirmed"], ("active", 5000))


def test_where_nothing_is_offered_nothing_is_accepted(studio):
    settings(studio, online_cash=False, online_bank_transfer=False)
    made = offer(studio, wait(studio))

    with pytest.raises(MethodNotOffered):
        yes(made)
    with account_scope(studio.account), transaction.atomic():
        accept_offer(made, at=NOW)  # staff take cash all the same
    assert sold(studio) == (("cash", 5000, "pending"), ["confirmed"], ("active", 5000))


def test_a_transfer_that_holds_no_start_claims_it_when_it_comes(studio):
    settings(studio, bank_transfer_hold_days=0)

    yes(offer(studio, wait(studio)), method="bank_transfer")

    assert sold(studio) == (("bank_transfer", 5000, "pending"), ["draft"], ("active", 5000))
    with account_scope(studio.account), transaction.atomic():
        mark_received(Payment.objects.get(), at=NOW)
        assert Booking.objects.get().start_time == MONDAY_TEN
    assert sold(studio)[1] == ["confirmed"]


@pytest.mark.parametrize("by", ["client", "provider"])
def test_the_deposit_is_what_is_due(studio, by):
    with account_scope(studio.account):
        DepositRule.objects.create(account=studio.account, kind="fixed", value=2000)
    made = offer(studio, wait(studio))

    with account_scope(studio.account), transaction.atomic():
        accept_offer(made, by=by, at=NOW)

    assert sold(studio) == (("cash", 2000, "pending"), ["confirmed"], ("active", 5000))
    with account_scope(studio.account):
        assert list(Instalment.objects.order_by("position").values_list("kind", "amount_cents")) == [("deposit", 2000), ("balance", 3000)]


@pytest.mark.parametrize("by", ["client", "provider"])
@pytest.mark.parametrize("mode", ["sequential", "broadcast"])
def test_by_card_the_start_is_held_and_given_up_without_the_money(studio, mode, by):
    settings(studio, waitlist_mode=mode)
    set_up(studio.account, "stripe", {})
    entry = wait(studio)
    freed(studio)

    with account_scope(studio.account), transaction.atomic():
        accept_offer(entry.offers.get(), method="stripe", by=by, at=NOW)

    assert sold(studio) == (("stripe", 5000, "new"), ["held"], ("active", 5000))
    assert state(studio, entry)[0] == "booked"
    with account_scope(studio.account), transaction.atomic():
        payment, session = Payment.objects.get(), Booking.objects.get()
        expected = NOW + (HOUR if mode == "sequential" else timedelta(minutes=15))
        assert (payment.booking, payment.start_time, payment.expires_at, session.hold_expires_at) == (
            session,
            MONDAY_TEN,
            expected,
            expected,
        )
        lapse_payment(payment, at=NOW + HOUR)
    ended = (["cancelled"], ("cancelled", 0)) if by == "client" else (["draft"], ("active", 5000))
    assert sold(studio) == (("stripe", 5000, "cancelled"), *ended)
    assert broken(studio) == []


def test_a_yes_that_was_given_beforehand_does_not_pay_by_card(studio):
    settings(studio, online_cash=False, online_bank_transfer=False)
    set_up(studio.account, "stripe", {})
    entry = wait(studio, auto_accept_hours=1)

    assert freed(studio) == [entry.pk]

    assert state(studio, entry) == ("offered", 0, [(MONDAY_TEN, "open")])


@pytest.mark.django_db(transaction=True)
def test_a_party_pays_by_card_at_the_customer_door(account, stripe_fake):
    studio = open_studio(account, capacity=3)
    settings(studio, online_cash=False, online_bank_transfer=False)
    set_up(account, "stripe", stripe_fake.credentials)
    me = sign_in(become(studio))
    with time_machine.travel(NOW, tick=True):
        made = offer(studio, wait(studio, client=studio.client, party=2))
        yes(made)
        assert sold(studio) == (("stripe", 10000, "new"), ["held", "held"], ("active", 10000))

        begun = me.post(f"/api/customer/orders/{made.order_id}/pay/", {"method": "stripe"})

        (intent,) = stripe_fake.intents
        assert (begun.status_code, begun.json()["client_secret"]) == (201, intent["client_secret"])
        stripe_fake.confirm(intent["id"])
        paid = me.post(f"/api/customer/payments/{begun.json()['id']}/confirm/").json()
    assert paid["status"] == "succeeded"
    assert sold(studio) == (("stripe", 10000, "succeeded"), ["confirmed", "confirmed"], ("active", 10000))
    assert broken(studio) == []


@pytest.mark.parametrize("mode", ["sequential", "broadcast"])
def test_a_session_that_was_bought_online_and_is_not_paid_is_no_answer(studio, mode):
    settings(studio, waitlist_mode=mode)
    with acting(None, "public"):
        studio.sell(method="bank_transfer", by="client")
    entry = wait(studio, client=studio.client)
    freed(studio)
    with account_scope(studio.account):
        made = entry.offers.get()

    with pytest.raises(PaymentRequired):
        yes(made)

    with account_scope(studio.account), transaction.atomic():
        mark_received(Payment.objects.get(), at=NOW)
    assert yes(made).status == "accepted"
    assert sold(studio)[1] == ["confirmed", "draft", "draft"]
