"""The block list: nothing is sold online to whoever is on it; staff may."""

import pytest
from django.db import transaction

from apps.clients.errors import NotAccepted
from apps.clients.models import Client
from apps.clients.services.blocking import block_client, refuse_blocked
from apps.core.models import Event
from apps.core.tenancy import account_scope
from factories.accounts import token_for
from factories.clients import ClientFactory
from factories.crm import BlockedContactFactory
from factories.users import CustomerFactory
from tests.conftest import ApiClient
from tests.studio import MONDAY_TEN, NOW, open_studio

GUEST = {"full_name": "Grace", "email": "grace@example.test", "phone_number": "+4930123456", "method": "cash"}


@pytest.fixture
def studio(account):
    return open_studio(account)


@pytest.fixture
def anybody(db):
    return ApiClient()


def test_a_client_is_blocked_and_unblocked(owner, account):
    client = ClientFactory(account=account)
    path = f"/api/clients/{client.pk}/"

    blocked = owner.post(f"{path}block/", {"reason": "Three times absent"}).json()
    assert (blocked["blocked_at"] is not None, blocked["blocked_reason"]) == (True, "Three times absent")
    assert owner.post(f"{path}block/", {"reason": "Four times"}).json()["blocked_at"] == blocked["blocked_at"]
    assert [one["id"] for one in owner.get("/api/clients/?is_blocked=true").json()["results"]] == [client.pk]
    free = owner.post(f"{path}unblock/").json()
    assert (free["blocked_at"], free["blocked_reason"]) == (None, "")
    assert owner.post(f"{path}unblock/").status_code == 200
    assert owner.get("/api/clients/?is_blocked=true").json()["results"] == []

    with account_scope(account):
        told = list(Event.objects.order_by("id").values_list("type", "changes"))
    assert told == [("client.blocked", {}), ("client.unblocked", {})]  # why is nobody else's business


@pytest.mark.parametrize("by", ["email", "phone_number"])
def test_a_stranger_is_refused_and_nothing_is_written(anybody, account, studio, by):
    BlockedContactFactory(account=account, **{"email": "", "phone_number": "", by: GUEST[by]})

    answer = anybody.post(f"/api/public/{account.slug}/checkout/", {**GUEST, "package": studio.package.pk})

    assert (answer.status_code, answer.json()["error"]) == (409, "not_accepted")
    with account_scope(account):
        assert not Client.objects.filter(full_name="Grace").exists()


def test_a_block_elsewhere_and_of_others_refuses_nobody(anybody, account, other_account, studio):
    BlockedContactFactory(account=other_account, email=GUEST["email"])
    BlockedContactFactory(account=account, email="another@example.test")
    ClientFactory(account=account, blocked_at=NOW)

    assert anybody.post(f"/api/public/{account.slug}/checkout/", {**GUEST, "package": studio.package.pk}).status_code == 201


def test_a_blocked_client_is_refused_as_guest_and_signed_in_but_not_by_staff(anybody, owner, account, studio):
    customer = CustomerFactory(user__email="grace@example.test")
    client = ClientFactory(account=account, email="grace@example.test", customer=customer, blocked_at=NOW)
    signed_in = ApiClient(token_for(customer.user))
    sale = {"package": studio.package.pk, "method": "cash"}

    for caller, said in ((anybody, GUEST), (signed_in, {})):
        answer = caller.post(f"/api/public/{account.slug}/checkout/", {**sale, **said})
        assert (answer.status_code, answer.json()["error"]) == (409, "not_accepted")

    sold = owner.post("/api/checkout/", {**sale, "client": client.pk})
    assert sold.status_code == 201
    booking = sold.json()["bookings"][0]["id"]
    wish = {"practitioner": studio.practitioner.pk, "start_time": MONDAY_TEN.isoformat()}
    for action in ("schedule", "hold"):
        answer = signed_in.post(f"/api/customer/bookings/{booking}/{action}/", wish)
        assert (answer.status_code, answer.json()["error"]) == (409, "not_accepted")


def test_a_client_with_a_blocked_address_or_number_is_refused_too(account):
    BlockedContactFactory(account=account, email="grace@example.test")
    BlockedContactFactory(account=account, email="", phone_number="+4930123456")
    by_email = ClientFactory(account=account, email="Grace@Example.test")
    by_phone = ClientFactory(account=account, phone_number="+4930123456")
    other = ClientFactory(account=account)

    with account_scope(account):
        for client in (by_email, by_phone):
            with pytest.raises(NotAccepted), transaction.atomic():
                refuse_blocked(client.pk)
        refuse_blocked(other.pk)


def test_the_list_of_blocked_contacts(owner, other_account):
    path = "/api/blocked-contacts/"
    made = owner.post(path, {"email": "Grace@Example.Test", "phone_number": "+49 30 123456", "reason": "Rude"})
    assert (made.status_code, made.json()["email"], made.json()["phone_number"]) == (201, "grace@example.test", "+4930123456")
    again = owner.post(path, {"email": "GRACE@example.test"})
    assert (again.status_code, list(again.json()["fields"])) == (400, ["email"])
    assert owner.post(path, {"reason": "nobody"}).status_code == 400
    foreign = BlockedContactFactory(account=other_account)
    assert [one["id"] for one in owner.get(f"{path}?search=grace").json()["results"]] == [made.json()["id"]]
    assert owner.delete(f"{path}{foreign.pk}/").status_code == 404
    assert owner.delete(f"{path}{made.json()['id']}/").status_code == 204


def test_who_is_on_the_block_list_is_for_the_desk(client_as, account):
    client = ClientFactory(account=account)

    for role, status in (("front_desk", 200), ("practitioner", 403), ("bookkeeper", 403), ("manager", 200)):
        assert client_as(role).get("/api/blocked-contacts/").status_code == status
        assert client_as(role).post(f"/api/clients/{client.pk}/block/", {}).status_code == status


def test_blocking_keeps_who_and_when(account, owner):
    client = ClientFactory(account=account)
    with account_scope(account):
        assert block_client(client, at=NOW).blocked_at == NOW
