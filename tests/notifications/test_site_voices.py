"""Messages about sites: who hears what when one changes hands."""

from typing import Any

import pytest
import time_machine

from apps.checkout.services import sell
from apps.checkout.sites import grant_site, note_kept_site
from apps.core.tenancy import account_scope
from apps.notifications.models import Kind
from apps.orders.models import Order
from apps.payments.models import Payment
from apps.payments.services import mark_received
from apps.payments.services.refunds import request_refund
from apps.sites.services import accept_transfer, offer_transfer, remove_site_from_customer
from factories.clients import ClientFactory
from tests.notifications.hearing import employ, hear, kinds, told, written
from tests.sites.life import Agency
from tests.studio import NOW, Studio

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _now() -> Any:
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture
def agency(studio: Studio) -> Agency:
    return Agency(studio.account)


def sold(agency: Agency, client: Any) -> Order:
    """A site that is paid."""
    with account_scope(agency.account):
        order = sell(account=agency.account, client=client, method="cash", site=agency.sites["a"], at=NOW).order
        mark_received(Payment.objects.get(order=order), at=NOW)
        grant_site(Order.objects.get(pk=order.pk))
    return order


def test_a_transfer_is_offered_to_one_and_told_to_both(studio: Studio, agency: Agency) -> None:
    ann = agency.person("Ann")
    agency.give("a")
    hear(studio)
    assert [kind for kind, _ in told(studio, agency.joe.customer.user)] == [Kind.SITE_OWNERSHIP]

    offer = agency.do(offer_transfer, agency.sites["a"], customer=ann.customer, at=NOW)
    hear(studio)
    ((kind, message),) = told(studio, ann.customer.user)
    assert kind == Kind.SITE_TRANSFER
    assert "Site a" in message

    agency.do(accept_transfer, offer, at=NOW)
    hear(studio, times=2)

    assert [kind for kind, _ in told(studio, ann.customer.user)] == [Kind.SITE_TRANSFER, Kind.SITE_OWNERSHIP]
    assert [kind for kind, _ in told(studio, agency.joe.customer.user)] == [Kind.SITE_OWNERSHIP] * 2
    assert "does not belong to you any more" in told(studio, agency.joe.customer.user)[-1][1]
    assert not [one for one in written(studio, agency.joe) if "Ann" in one.text], "who has it now is not said"


def test_who_loses_a_site_is_told(studio: Studio, agency: Agency) -> None:
    agency.give("a")
    agency.do(remove_site_from_customer, agency.sites["a"], customer=agency.joe.customer)
    hear(studio)

    assert kinds(studio, agency.joe) == [Kind.SITE_OWNERSHIP] * 2


def test_managers_hear_of_a_paid_site_that_cannot_be_handed_over(studio: Studio, agency: Agency) -> None:
    manager = employ(studio, "manager")
    sold(agency, ClientFactory(account=studio.account, email=""))
    hear(studio)

    ((kind, message),) = told(studio, manager)
    assert (kind, "no_email" in message) == (Kind.SITE_OWNERSHIP, True)


def test_managers_hear_of_a_refunded_site_that_stays(studio: Studio, agency: Agency) -> None:
    manager = employ(studio, "manager")
    order = sold(agency, agency.joe)
    with account_scope(studio.account):
        request_refund(Payment.objects.get(order=order), amount_cents=9900, reason="Unhappy", at=NOW)
        assert [note_kept_site(Order.objects.get(pk=order.pk)) for _ in range(2)] == [True, False]
    hear(studio)

    assert [kind for kind, _ in told(studio, manager)] == [Kind.SITE_OWNERSHIP]
