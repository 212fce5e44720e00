"""GET events/: the account's log over HTTP."""

import pytest

from apps.core.events import acting
from apps.core.tenancy import account_scope
from factories.clients import ClientFactory
from tests.logbook import settled

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_log_is_followed_from_page_to_page(owner, other_owner, account):
    for name in ("Ada", "Bea", "Cleo"):
        assert owner.post("/api/clients/", {"full_name": name}).status_code == 201
    assert other_owner.post("/api/clients/", {"full_name": "Foreign"}).status_code == 201

    settled(owner, count=3)
    first = owner.get("/api/events/?page_size=2").json()
    second = owner.get(first["next"]).json()
    end = owner.get(f"/api/events/?after={second['after']}").json()

    told = [*first["results"], *second["results"]]
    assert [event["type"] for event in told] == ["client.created"] * 3
    assert first["after"] == told[1]["sequence"]
    assert (second["next"], first["previous"]) == (None, None)
    assert end == {"next": None, "previous": None, "after": second["after"], "results": []}


def test_an_event_says_what_who_and_through_which_door(owner, account):
    client = owner.post("/api/clients/", {"full_name": "Ada"}).json()["id"]
    owner.patch(f"/api/clients/{client}/", {"full_name": "Ada Lovelace"})

    [_, event] = settled(owner, count=2)["results"]

    assert set(event) == {"sequence", "type", "created_at", "subject", "client", "actor", "source", "changes"}
    assert event["type"] == "client.updated"
    assert event["subject"] == {"type": "clients.client", "id": client, "version": None}
    assert event["client"] == client
    assert event["source"] == "staff"
    assert event["actor"] == owner.get("/api/me/").json()["id"]
    assert event["changes"] == {"full_name": ["Ada", "Ada Lovelace"]}
    assert event["created_at"].endswith("Z")


def test_only_what_happened_to_one_thing(owner):
    ada, bea = (owner.post("/api/clients/", {"full_name": name}).json()["id"] for name in ("Ada", "Bea"))
    owner.patch(f"/api/clients/{ada}/", {"full_name": "Ada L."})

    settled(owner, count=3)
    found = owner.get(f"/api/events/?subject_type=clients.client&subject_id={ada}").json()["results"]
    other = owner.get(f"/api/events/?subject_type=clients.client&subject_id={bea}").json()["results"]

    assert [event["type"] for event in found] == ["client.created", "client.updated"]
    assert [event["type"] for event in other] == ["client.created"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("after=x", "after"),
        ("after=-1", "after"),
        ("after=1.5", "after"),
        ("after=99999999999999999999", "after"),
        ("after=9223372036854775807", "after"),
        ("page_size=0", "page_size"),
        ("page_size=101", "page_size"),
        ("subject_id=1", "subject_type"),
        ("subject_type=clients.client", "subject_type"),
        ("subject_type=clients.client&subject_id=x", "subject_id"),
        ("subject_type=a%00b&subject_id=1", "subject_type"),
        ("type=booking.cancelled", "type"),
    ],
)
def test_a_wrong_query_is_refused(owner, query, field):
    answer = owner.get(f"/api/events/?{query}")

    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == [field]


def test_another_accounts_event_is_no_place_in_ours(owner, other_owner):
    other_owner.post("/api/clients/", {"full_name": "Foreign"})
    foreign = settled(other_owner)["after"]

    assert owner.get(f"/api/events/?after={foreign}").status_code == 400


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("manager", 200), ("practitioner", 403), ("front_desk", 403), (None, 401)])
def test_who_may_read_the_log(client_as, role, status):
    assert client_as(role).get("/api/events/").status_code == status


@pytest.mark.parametrize("count", [1, 30])
def test_the_log_takes_a_fixed_number_of_statements(owner, account, statements, count):
    for _ in range(count):
        with account_scope(account), acting(None, "command"):
            ClientFactory(account=account)
    owner.post("/api/clients/", {"full_name": "Ada"})
    after = settled(owner)["after"]
    for i in range(count):
        owner.post("/api/clients/", {"full_name": f"Client {i}"})

    settled(owner, f"/api/events/?after={after}", count)
    with statements() as captured:
        found = owner.get(f"/api/events/?after={after}").json()["results"]

    assert len(found) == count
    assert len(captured()) == 4
