"""/api/clients/<id>/duplicates/, merge/, merge/quote/, /api/merges/"""

import pytest

from apps.clients.models import Client
from apps.core.tenancy import account_scope
from factories.clients import ClientFactory
from factories.money import InvoiceFactory
from factories.users import CustomerFactory
from tests.portal import sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def pair(account):
    return ClientFactory(account=account, full_name="Ada Lovelace", email=""), ClientFactory(
        account=account, full_name="Ada L.", email="a@x.test"
    )


def test_possible_duplicates_come_with_the_answer_and_on_request(owner, account):
    phone = ClientFactory(account=account, full_name="Somebody", email="s@x.test", phone_number="+4930123456")
    mail = ClientFactory(account=account, full_name="Ada", email="ada@x.test")
    name = ClientFactory(account=account, full_name="ÁDA  Lovelace", email="")
    ClientFactory(account=account, full_name="Ada Lovelace", email="else@x.test", phone_number="+4930123457")
    ClientFactory(full_name="Ada Lovelace", email="ada@x.test")

    made = owner.post("/api/clients/", {"full_name": "Ada Lovelace", "email": "Ada+news@x.test", "phone_number": "+4930123456"}).json()

    expected = [
        {"client": phone.pk, "full_name": "Somebody", "why": ["same_phone"]},
        {"client": mail.pk, "full_name": "Ada", "why": ["same_email"]},
        {"client": name.pk, "full_name": "ÁDA  Lovelace", "why": ["same_name"]},
    ]
    assert made["possible_duplicates"] == expected
    assert owner.get(f"/api/clients/{made['id']}/duplicates/").json() == {"results": expected}
    changed = owner.patch(f"/api/clients/{made['id']}/", {"phone_number": ""}).json()["possible_duplicates"]
    assert [one["client"] for one in changed] != [phone.pk]


def test_merge_quote_merge_and_undo(owner, account, pair):
    winner, loser = pair
    address = f"/api/clients/{winner.pk}/merge/"
    chosen = {"other": loser.pk, "fields": {"full_name": loser.pk}}
    quote = owner.post(f"{address}quote/", chosen)
    assert quote.status_code == 200, quote.content
    assert quote.json()["fields"]["email"] == {"value": "a@x.test", "from": loser.pk, "client": "", "other": "a@x.test"}

    merged = owner.post(address, {**chosen, "quote": quote.json()["token"]})

    assert (merged.status_code, merged.json()["winner"], merged.json()["loser"]) == (201, winner.pk, loser.pk), merged.content
    assert (
        owner.get(f"/api/clients/{winner.pk}/").json() | {"full_name": "Ada L.", "email": "a@x.test"}
        == owner.get(f"/api/clients/{winner.pk}/").json()
    )
    gone = [
        owner.get(f"/api/clients/{loser.pk}/"),
        owner.patch(f"/api/clients/{loser.pk}/", {}),
        owner.get(f"/api/clients/{loser.pk}/timeline/"),
    ]
    assert [(one.status_code, one.json()["error"], one.json()["merged_into"]) for one in gone] == [(404, "not_found", winner.pk)] * 3
    assert owner.get("/api/merges/").json()["results"] == [owner.get(f"/api/merges/{merged.json()['id']}/").json()]
    assert owner.get(f"/api/merges/?client={loser.pk}").json()["results"] == []

    undone = owner.post(f"/api/merges/{merged.json()['id']}/undo/")

    assert (undone.status_code, undone.json()["undone_at"] is not None) == (200, True)
    assert owner.get(f"/api/clients/{loser.pk}/").json()["email"] == "a@x.test"
    assert (
        owner.get(f"/api/clients/{winner.pk}/").json() | {"full_name": "Ada Lovelace", "email": ""}
        == owner.get(f"/api/clients/{winner.pk}/").json()
    )
    assert owner.post(f"/api/merges/{merged.json()['id']}/undo/").json()["error"] == "invalid_transition"


@pytest.mark.parametrize("body", [{}, {"other": None}, {"other": "x"}, {"other": 2**63}, {"other": 1, "quote": "x", "nonsense": 1}])
@pytest.mark.parametrize("action", ["merge/quote", "merge"])
def test_bad_input_is_refused(owner, pair, action, body):
    assert owner.post(f"/api/clients/{pair[0].pk}/{action}/", body).status_code == 400


@pytest.mark.parametrize("fields", [[], "x", {"full_name": "x"}, {"full_name": 1.5}, {"x" * 1000: 1}, {"full_name": None}])
def test_bad_choices_are_refused(owner, pair, fields):
    winner, loser = pair

    response = owner.post(f"/api/clients/{winner.pk}/merge/", {"other": loser.pk, "fields": fields})

    assert (response.status_code, response.json()["error"]) == (400, "validation_error")


def test_a_merge_with_a_key_is_made_once(owner, pair):
    winner, loser = pair
    first, second = (
        owner.post(f"/api/clients/{winner.pk}/merge/", {"other": loser.pk}, headers={"Idempotency-Key": "once"}) for _ in range(2)
    )

    assert (first.status_code, second.status_code, first.json()) == (201, 201, second.json())
    assert len(owner.get("/api/merges/").json()["results"]) == 1


def test_documents_that_stay_with_the_loser_are_still_the_persons(owner, account, pair):
    winner, loser = pair
    customer = CustomerFactory()
    with account_scope(account):
        Client.objects.filter(pk=winner.pk).update(customer=customer)
    invoice = InvoiceFactory(account=account, order__client=loser)
    owner.post(f"/api/clients/{winner.pk}/merge/", {"other": loser.pk})

    assert [one["id"] for one in owner.get(f"/api/invoices/?client={winner.pk}").json()["results"]] == [invoice.pk]
    assert [one["id"] for one in sign_in(customer).get("/api/customer/invoices/").json()["results"]] == [invoice.pk]
