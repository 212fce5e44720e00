"""A lead becomes a customer's client when that customer has proved the lead's address, and never before."""

import pytest
from allauth.account.models import EmailAddress
from allauth.account.signals import email_confirmed

from apps.clients.models import Client
from apps.clients.services import create_client, update_client
from apps.clients.services.linking import link_client, link_clients
from apps.core import jobs
from apps.core.models import Event
from apps.core.tenancy import account_scope
from factories.clients import ClientFactory
from factories.users import CustomerFactory
from tests.studio import NOW

ADDRESS = "grace@example.test"


def person(verified=True, email=ADDRESS):
    customer = CustomerFactory(user__email=email)
    EmailAddress.objects.update_or_create(user=customer.user, email=email, defaults={"verified": verified, "primary": True})
    return customer


def owner_of(client):
    with account_scope(client.account_id):
        return Client.objects.get(pk=client.pk).customer_id


def confirm(customer):
    address = EmailAddress.objects.get(user=customer.user, email=customer.user.email)
    address.verified = True
    address.save()
    email_confirmed.send(sender=EmailAddress, request=None, email_address=address)


def test_verifying_links_the_leads_of_every_account(account, other_account):
    customer = person(verified=False)
    here, there = ClientFactory(account=account, email="Grace@Example.TEST"), ClientFactory(account=other_account, email=ADDRESS)
    assert link_clients(customer.user) == []
    assert (owner_of(here), owner_of(there)) == (None, None)

    confirm(customer)

    assert (owner_of(here), owner_of(there)) == (customer.pk, customer.pk)
    with account_scope(account):
        event = Event.objects.get(type="client.linked")
    assert (event.subject_id, event.client_id, event.changes) == (here.pk, here.pk, {"customer": [None, customer.pk]})
    assert link_clients(customer.user) == []


def test_what_is_blocked_merged_taken_or_only_alike_stays_as_it_is(account, other_account):
    customer, other = person(), CustomerFactory()
    winner = ClientFactory(account=account, email="winner@example.test")
    blocked = ClientFactory(account=other_account, email=ADDRESS, blocked_at=NOW)
    merged = ClientFactory(account=account, email=ADDRESS, merged_into=winner)
    taken = ClientFactory(account=account, email=ADDRESS, customer=other)
    by_phone = ClientFactory(account=account, email="", phone_number=str(customer.phone_number or "+4930123456"))
    alike = ClientFactory(account=account, email="grace@example.tes")

    assert link_clients(customer.user) == []
    assert [owner_of(one) for one in (blocked, merged, taken, by_phone, alike)] == [None, None, other.pk, None, None]


def test_a_customer_has_one_client_in_an_account(account):
    customer = person()
    mine = ClientFactory(account=account, email="other@example.test", customer=customer)
    lead = ClientFactory(account=account, email=ADDRESS)

    assert link_clients(customer.user) == []
    with account_scope(account):
        assert link_client(lead) is None
    assert (owner_of(mine), owner_of(lead)) == (customer.pk, None)


def test_of_two_leads_with_two_proved_addresses_one_is_linked(account):
    customer = person()
    EmailAddress.objects.create(user=customer.user, email="second@example.test", verified=True)
    first, second = ClientFactory(account=account, email=ADDRESS), ClientFactory(account=account, email="second@example.test")

    assert [client.pk for client in link_clients(customer.user)] == [first.pk]
    assert (owner_of(first), owner_of(second)) == (customer.pk, None)


def test_an_inactive_login_gets_nothing(account):
    customer = person()
    customer.user.is_active = False
    customer.user.save()
    lead = ClientFactory(account=account, email=ADDRESS)

    assert link_clients(customer.user) == []
    with account_scope(account):
        assert link_client(lead) is None


@pytest.mark.django_db(transaction=True)
def test_entering_or_correcting_an_address_links_after_commit(account):
    customer = person()
    person(verified=False, email="ada@example.test")
    with account_scope(account):
        entered = create_client(account_id=account.pk, full_name="Grace", email=ADDRESS)
        waiting = create_client(account_id=account.pk, full_name="Ada", email="ada@example.test")
        corrected = create_client(account_id=account.pk, full_name="Eve", email="typo@example.test")
    jobs.run_pending()
    assert (owner_of(entered), owner_of(waiting)) == (customer.pk, None)

    eve = person(email="eve@example.test")
    with account_scope(account):
        update_client(corrected, email="eve@example.test")
        update_client(waiting, full_name="Ada L.")
    jobs.run_pending()
    assert (owner_of(corrected), owner_of(waiting)) == (eve.pk, None)
