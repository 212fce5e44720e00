"""tickets/ of the person who asks: the site rule of source 003, and what they never see."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test.client import MULTIPART_CONTENT

from apps.core.operations import BY_CLIENT
from apps.core.tenancy import account_scope, customer_scope
from apps.sites.services import remove_site_from_customer
from apps.tickets.models import TicketAttachment, TicketMessage
from apps.tickets.services import add_attachment, add_message, step
from factories.clients import ClientFactory
from factories.files import picture
from factories.sites import SiteOwnershipFactory
from factories.tickets import TicketCategoryFactory
from factories.users import CustomerFactory
from tests.conftest import ApiClient
from tests.portal import become, sign_in
from tests.studio import NOW, Studio
from tests.tickets.asking import ask, do, own

pytestmark = pytest.mark.django_db
TICKETS = "/api/customer/tickets/"
WORDS = {"subject": "The form does not send", "description": "I tried it twice."}


@pytest.fixture(autouse=True)
def _now() -> Any:
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture
def me(studio: Studio) -> ApiClient:
    return sign_in(become(studio))


def without_id(response: Any) -> dict[str, Any]:
    body = response.json()
    assert body.pop("request_id")
    return body


# -- which site


def test_without_a_site_nothing_can_be_asked(me: ApiClient) -> None:
    response = me.post(TICKETS, WORDS)

    assert (response.status_code, without_id(response)) == (400, {"error": "no_site", "message": "You do not own a site."})


def test_the_only_site_is_taken(studio: Studio, me: ApiClient) -> None:
    ownership = own(studio)

    response = me.post(TICKETS, {**WORDS, "priority": "high"})

    assert response.status_code == 201
    body = response.json()
    assert {name: body[name] for name in ("number", "account_slug", "site_id", "site_title", "subject", "description", "category")} == {
        "number": 1,
        "account_slug": "berlin",
        "site_id": str(ownership.site.site_id),
        "site_title": "Plumber-Joe",
        **WORDS,
        "category": "",
    }
    assert (body["status"], body["priority"], body["allowed_actions"]) == ("open", "high", ["close"])
    assert not {"assignee", "solution_due_at", "first_answer_due_at", "opened_by"} & body.keys()


def test_of_several_sites_one_has_to_be_chosen(studio: Studio, me: ApiClient) -> None:
    first, second = own(studio, slug="plumber-joe"), own(studio, slug="roofer-bob", primary=False)

    response = me.post(TICKETS, WORDS)

    assert (response.status_code, without_id(response)) == (
        400,
        {
            "error": "site_selection_required",
            "message": "You own multiple sites. Please select which site this ticket is for.",
            "sites": [
                {"site_id": str(first.site.site_id), "slug": "plumber-joe", "site_title": "Plumber-Joe", "is_primary": True},
                {"site_id": str(second.site.site_id), "slug": "roofer-bob", "site_title": "Roofer-Bob", "is_primary": False},
            ],
        },
    )
    chosen = me.post(TICKETS, {**WORDS, "site_id": str(second.site.site_id)})
    assert (chosen.status_code, chosen.json()["site_id"]) == (201, str(second.site.site_id))


def test_a_foreign_site_and_a_missing_one_are_the_same(studio: Studio, me: ApiClient, other_account: Any) -> None:
    own(studio)
    neighbour = SiteOwnershipFactory(account=studio.account)
    elsewhere = SiteOwnershipFactory(account=other_account)
    expected = {"error": "site_not_owned", "message": "You do not own this site."}

    for site_id in (neighbour.site.site_id, elsewhere.site.site_id, uuid4()):
        response = me.post(TICKETS, {**WORDS, "site_id": str(site_id)})
        assert (response.status_code, without_id(response)) == (403, expected)


def test_sites_at_two_businesses(studio: Studio, me: ApiClient, other_account: Any) -> None:
    own(studio)
    with account_scope(studio.account):
        studio.client.refresh_from_db()
    client = ClientFactory(account=other_account, customer=studio.client.customer)
    there = SiteOwnershipFactory(account=other_account, client=client)
    TicketCategoryFactory(account=other_account, name="Change")

    assert me.post(TICKETS, WORDS).json()["error"] == "site_selection_required"
    made = me.post(f"{TICKETS}?account=new-york", {**WORDS, "category": "Change"})
    assert (made.status_code, made.json()["site_id"], made.json()["account_slug"]) == (201, str(there.site.site_id), "new-york")
    assert me.get("/api/customer/ticket-categories/").json()["results"] == [{"account_slug": "new-york", "name": "Change"}]
    assert me.get("/api/customer/ticket-categories/?account=berlin").json()["results"] == []


# -- talking


def test_they_write_and_read_and_see_nothing_internal(studio: Studio, me: ApiClient) -> None:
    own(studio)
    made = me.post(TICKETS, WORDS).json()["id"]
    with account_scope(studio.account):
        ticket = studio.client.tickets.get()
    do(studio.account, add_message, ticket, body="We look at it.")
    do(studio.account, add_message, ticket, body="INTERNAL words", is_internal=True)
    do(studio.account, add_attachment, ticket, name="internal.png", content=picture(), is_internal=True)
    hidden = do(studio.account, add_attachment, ticket, name="internal2.png", content=picture(), is_internal=True)
    said = me.post(f"{TICKETS}{made}/messages/", {"body": "Thank you."})
    assert said.status_code == 201

    messages = me.get(f"{TICKETS}{made}/messages/").json()["results"]
    assert [(one["side"], one["body"]) for one in messages] == [("provider", "We look at it."), ("client", "Thank you.")]
    newest = me.get(f"{TICKETS}{made}/messages/?account=berlin&ordering=-id&page_size=1").json()
    assert ([one["body"] for one in newest["results"]], me.get(newest["next"]).json()["results"][0]["body"]) == (
        ["Thank you."],
        "We look at it.",
    )
    assert set(messages[0]) == {"id", "ticket", "side", "body", "sent_at"}
    assert me.get(f"{TICKETS}{made}/attachments/").json()["results"] == []
    assert me.get(f"/api/customer/ticket-attachments/{hidden.pk}/").status_code == 404
    assert me.get(f"/api/customer/ticket-attachments/{hidden.pk}/download/").status_code == 404
    assert me.post(f"{TICKETS}{made}/messages/", {"body": "x", "internal": True}).json()["error"] == "unknown_field"
    with customer_scope(None, [studio.client.pk], [studio.account.pk]):  # what the database itself shows at this door
        assert list(TicketMessage.objects.order_by("pk").values_list("body", flat=True)) == ["We look at it.", "Thank you."]
        assert not TicketAttachment.objects.exists()
    with account_scope(studio.account):  # the control: they are there
        assert (TicketMessage.objects.count(), TicketAttachment.objects.count()) == (3, 2)


def test_without_its_policy_the_database_would_show_internal_messages(studio: Studio) -> None:
    """The negative control of the test above."""
    become(studio)
    ticket = ask(studio)
    do(studio.account, add_message, ticket, body="INTERNAL words", is_internal=True)

    def seen() -> list[str]:
        with customer_scope(None, [studio.client.pk], [studio.account.pk]):
            return list(TicketMessage.objects.values_list("body", flat=True))

    assert seen() == []
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER POLICY own ON tickets_ticketmessage USING ({BY_CLIENT})")
    assert seen() == ["INTERNAL words"]


def test_files_go_both_ways(studio: Studio, me: ApiClient) -> None:
    own(studio)
    made = me.post(TICKETS, WORDS).json()["id"]
    form = {"file": SimpleUploadedFile("holiday.png", picture())}
    sent = me.post(f"{TICKETS}{made}/attachments/", form, content_type=MULTIPART_CONTENT)
    assert sent.status_code == 201, sent.content

    found = me.get(f"{TICKETS}{made}/attachments/").json()["results"]
    assert [one["name"] for one in found] == ["holiday.png"]
    assert set(found[0]) == {"id", "ticket", "name", "content_type", "size", "created_at"}
    file = me.get(f"/api/customer/ticket-attachments/{found[0]['id']}/download/")
    assert (file.status_code, file["Content-Type"], b"".join(file.streaming_content)[:4]) == (200, "image/png", b"\x89PNG")
    assert file["Content-Disposition"] == 'attachment; filename="holiday.png"'


def test_closing_and_reopening(studio: Studio, me: ApiClient) -> None:
    own(studio)
    made = me.post(TICKETS, WORDS).json()["id"]

    assert me.post(f"{TICKETS}{made}/close/").json()["allowed_actions"] == ["reopen"]
    refused = me.post(f"{TICKETS}{made}/messages/", {"body": "Wait"})
    assert (refused.status_code, refused.json()["error"], refused.json()["allowed_actions"]) == (409, "invalid_transition", ["reopen"])
    assert me.post(f"{TICKETS}{made}/reopen/").json()["status"] == "open"
    me.post(f"{TICKETS}{made}/close/")
    with time_machine.travel(NOW + timedelta(days=15), tick=True):
        late = me.post(f"{TICKETS}{made}/reopen/")
        assert (late.status_code, late.json()["error"]) == (409, "reopening_over")
        assert me.get(f"{TICKETS}{made}/").json()["allowed_actions"] == []
    for action in ("start", "wait", "resolve", "assign"):
        assert me.post(f"{TICKETS}{made}/{action}/").status_code == 404


# -- whose it is


def test_an_owner_of_the_past_has_lost_the_sites_tickets(studio: Studio, me: ApiClient) -> None:
    ownership = own(studio)
    kept = own(studio, slug="roofer-bob", primary=False)
    lost = me.post(TICKETS, {**WORDS, "site_id": str(ownership.site.site_id)}).json()["id"]
    other = me.post(TICKETS, {**WORDS, "site_id": str(kept.site.site_id)}).json()["id"]
    with account_scope(studio.account):
        ticket = studio.client.tickets.get(pk=lost)
    file = do(studio.account, add_attachment, ticket, name="a.png", content=picture())
    assert [one["id"] for one in me.get(TICKETS).json()["results"]] == [other, lost]  # the control

    with account_scope(studio.account), transaction.atomic():
        remove_site_from_customer(ownership.site, customer=ownership.customer)
    heir = SiteOwnershipFactory(account=studio.account, site=ownership.site)

    assert [one["id"] for one in me.get(TICKETS).json()["results"]] == [other]
    addresses = [f"{TICKETS}{lost}/", f"{TICKETS}{lost}/messages/", f"{TICKETS}{lost}/attachments/"]
    addresses += [f"/api/customer/ticket-attachments/{file.pk}/", f"/api/customer/ticket-attachments/{file.pk}/download/"]
    assert {me.get(address).status_code for address in addresses} == {404}
    assert me.post(f"{TICKETS}{lost}/messages/", {"body": "Still there?"}).status_code == 404
    # Whoever has the site now reads nothing of it, and asks anew.
    them = sign_in(heir.customer)
    assert them.get(TICKETS).json()["results"] == []
    assert them.post(TICKETS, WORDS).status_code == 201
    assert len(them.get(TICKETS).json()["results"]) == 1


def test_another_clients_ticket_is_not_found(studio: Studio, me: ApiClient) -> None:
    own(studio)
    made = me.post(TICKETS, WORDS).json()["id"]
    them = sign_in(ClientFactory(account=studio.account, customer=CustomerFactory()).customer)

    assert {them.get(f"{TICKETS}{made}/{part}").status_code for part in ("", "messages/", "attachments/")} == {404}
    assert them.post(f"{TICKETS}{made}/close/").status_code == 404


@pytest.mark.parametrize("count", [1, 3])
def test_the_list_takes_a_fixed_number_of_statements(studio: Studio, me: ApiClient, statements: Any, count: int) -> None:
    ownership = own(studio)
    for _ in range(count):
        ask(studio, ownership=ownership)

    with statements() as made:
        assert len(me.get(TICKETS).json()["results"]) == count

    assert len(made()) == 4, "\n".join(made())


# -- bad input


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"subject", "description"}),
        ({"subject": "a\nb", "description": "x"}, {"subject"}),
        ({"subject": "a\x00b", "description": "x"}, None),
        ({"subject": "a", "description": "x\x00"}, None),
        ({"subject": "a", "description": "x\ud800"}, None),
        ({"subject": "a" * 201, "description": "x" * 10_001}, {"subject", "description"}),
        ({"subject": ["a"], "description": {"b": 1}}, {"subject", "description"}),
        ({"subject": "a", "description": "b", "priority": "now"}, {"priority"}),
        ({"subject": "a", "description": "b", "site_id": "1"}, {"site_id"}),
        ({"subject": "a", "description": "b", "site_id": 1}, {"site_id"}),
        ({"subject": "a", "description": "b", "status": "closed"}, {"status"}),
        ({"subject": "a", "description": "b", "client": 1, "account": 1}, {"client", "account"}),
    ],
)
def test_bad_input_is_said_and_nothing_is_written(studio: Studio, me: ApiClient, body: Any, fields: set[str] | None) -> None:
    own(studio)

    response = me.post(TICKETS, body)

    assert response.status_code == 400, response.content
    if fields is not None:
        assert set(response.json()["fields"]) == fields
    assert me.get(TICKETS).json()["results"] == []


def test_states_of_staff_are_shown(studio: Studio, me: ApiClient) -> None:
    ticket = ask(studio, ownership=own(studio))
    do(studio.account, step, ticket, action="wait")

    assert me.get(f"{TICKETS}?status=waiting").json()["results"][0]["id"] == ticket.pk
    assert me.get(f"{TICKETS}?status=open").json()["results"] == []
