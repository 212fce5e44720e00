"""clients/<id>/timeline/: a view of the log."""

import pytest

from tests.studio import open_studio

pytestmark = pytest.mark.django_db


@pytest.fixture
def studio(account):
    return open_studio(account)


def test_everything_about_a_client_newest_first(owner, studio):
    owner.patch(f"/api/clients/{studio.client.pk}/", {"full_name": "Somebody Else"})
    sale = owner.post("/api/checkout/", {"client": studio.client.pk, "package": studio.package.pk, "method": "cash"}).json()
    owner.post(f"/api/payments/{sale['payment']['id']}/mark-received/", {})
    owner.post("/api/clients/", {"full_name": "Another"})

    page = owner.get(f"/api/clients/{studio.client.pk}/timeline/").json()

    assert [event["type"] for event in page["results"]] == ["order.paid", "payment.succeeded", "order.placed", "client.updated"]
    newest = page["results"][0]
    assert set(newest) == {"sequence", "type", "says", "created_at", "subject", "actor", "source", "changes"}
    assert newest["says"] == "All of it is paid."
    assert newest["subject"] == {"type": "orders.order", "id": sale["order"]["id"], "version": None}


def test_pages(owner, studio):
    for i in range(3):
        owner.patch(f"/api/clients/{studio.client.pk}/", {"full_name": f"Name {i}"})

    first = owner.get(f"/api/clients/{studio.client.pk}/timeline/?page_size=2").json()
    second = owner.get(first["next"]).json()

    sequences = [event["sequence"] for event in [*first["results"], *second["results"]]]
    assert sequences == sorted(sequences, reverse=True)
    assert (len(sequences), second["next"]) == (3, None)


def test_practitioners_do_not_see_money(client_as, owner, studio):
    sale = owner.post("/api/checkout/", {"client": studio.client.pk, "package": studio.package.pk, "method": "cash"}).json()
    owner.post(f"/api/payments/{sale['payment']['id']}/mark-received/", {})

    found = client_as("practitioner").get(f"/api/clients/{studio.client.pk}/timeline/").json()["results"]

    assert [event["type"] for event in found] == ["order.paid", "order.placed"]


def test_a_foreign_client_has_no_timeline_here(other_owner, studio):
    assert other_owner.get(f"/api/clients/{studio.client.pk}/timeline/").status_code == 404


@pytest.mark.parametrize("count", [1, 30])
def test_the_timeline_takes_a_fixed_number_of_statements(owner, studio, statements, count):
    for i in range(count):
        owner.patch(f"/api/clients/{studio.client.pk}/", {"full_name": f"Name {i}"})

    with statements() as captured:
        found = owner.get(f"/api/clients/{studio.client.pk}/timeline/").json()["results"]

    assert len(found) == count
    assert len(captured()) == 4


def test_what_happened_to_merged_records_is_there_too(owner, account):
    loser = owner.post("/api/clients/", {"full_name": "Ada L."}).json()["id"]
    winner = owner.post("/api/clients/", {"full_name": "Ada Lovelace"}).json()["id"]
    owner.post(f"/api/clients/{loser}/notes/", {"body": "x"})

    merged = owner.post(f"/api/clients/{winner}/merge/", {"other": loser})

    assert merged.status_code in (200, 201), merged.json()
    told = [(event["type"], event["subject"]["id"]) for event in owner.get(f"/api/clients/{winner}/timeline/").json()["results"]]
    assert {("client.created", loser), ("client.created", winner)} <= set(told)
    assert "note.added" in [name for name, _ in told]
