"""/api/customer/reviews/, and the documents of a client's sessions."""

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test.client import MULTIPART_CONTENT

from apps.bookings.models import BookingDocument, Review, Status
from apps.bookings.services.reviews import publish_review, reply_to_review
from apps.core.tenancy import account_scope
from factories.bookings import BookingDocumentFactory
from factories.clients import ClientFactory
from factories.users import CustomerFactory
from tests.bookings.life import SOON
from tests.bookings.uploads import PDF, stored, upload
from tests.portal import BOOKINGS, become, brought, sign_in
from tests.studio import NOW

pytestmark = pytest.mark.usefixtures("_saturday")


@pytest.fixture
def _saturday():
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture
def me(studio):
    return sign_in(become(studio))


# -- reviews


def test_a_completed_session_is_reviewed_once(me, studio):
    booking = brought(studio, Status.COMPLETED)

    response = me.post("/api/customer/reviews/", {"booking": booking.pk, "rating": 4, "comment": "Calm.\nThorough."})

    body = response.json()
    assert response.status_code == 201
    assert body == {
        "id": body["id"],
        "account_slug": "berlin",
        "account_name": "Berlin Studio",
        "booking": booking.pk,
        "practitioner": studio.practitioner.pk,
        "practitioner_name": studio.practitioner.display_name,
        "service": studio.service.pk,
        "service_name": studio.service.name,
        "rating": 4,
        "comment": "Calm.\nThorough.",
        "status": "pending",
        "published_at": None,
        "reply": "",
        "replied_at": None,
        "created_at": body["created_at"],
        "updated_at": body["updated_at"],
    }
    assert me.get("/api/customer/reviews/").json()["results"] == [body]
    again = me.post("/api/customer/reviews/", {"booking": booking.pk, "rating": 1})
    assert (again.status_code, again.json()["error"]) == (409, "already_reviewed")
    with account_scope(studio.account):
        review = Review.objects.get()
        assert (review.rating, review.client_id) == (4, studio.client.pk)


def test_a_review_shows_the_businesss_answer(me, studio):
    booking = brought(studio, Status.COMPLETED)
    pk = me.post("/api/customer/reviews/", {"booking": booking.pk, "rating": 5}).json()["id"]
    with account_scope(studio.account):
        reply_to_review(Review.objects.get(), reply="Thank you.", at=SOON)
        publish_review(Review.objects.get(), at=SOON)

    body = me.get(f"/api/customer/reviews/{pk}/").json()

    assert (body["status"], body["reply"], body["published_at"]) == ("published", "Thank you.", "2026-11-21T08:01:00Z")


@pytest.mark.parametrize("status", [Status.DRAFT, Status.CONFIRMED, Status.NO_SHOW, Status.CANCELLED])
def test_what_did_not_take_place_is_not_reviewed(me, studio, status):
    booking = brought(studio, status)

    response = me.post("/api/customer/reviews/", {"booking": booking.pk, "rating": 5})

    assert (response.status_code, response.json()["error"]) == (409, "invalid_transition")
    assert set(response.json()["allowed_actions"]) <= {"schedule", "hold", "reschedule", "cancel"}


def test_other_peoples_sessions_are_not_reviewed_and_their_reviews_not_shown(me, studio, other_account):
    other = CustomerFactory()
    theirs = brought(studio, Status.COMPLETED, studio.draft(client=ClientFactory(account=studio.account, customer=other)))
    sign_in(other).post("/api/customer/reviews/", {"booking": theirs.pk, "rating": 1})

    for pk in (theirs.pk, 2**62):
        response = me.post("/api/customer/reviews/", {"booking": pk, "rating": 5})
        assert (response.status_code, response.json()["fields"]) == (400, {"booking": [f'Invalid pk "{pk}" - object does not exist.']})
    assert me.get("/api/customer/reviews/").json()["results"] == []
    with account_scope(studio.account):
        assert me.get(f"/api/customer/reviews/{Review.objects.get().pk}/").status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"rating": 0}, "rating"),
        ({"rating": 6}, "rating"),
        ({"rating": "4.5"}, "rating"),
        ({"rating": True}, "rating"),
        ({"rating": 5, "comment": "x" * 5001}, "comment"),
        ({"rating": 5, "comment": "\x07"}, "comment"),
        ({"rating": 5, "status": "published"}, "status"),
        ({"rating": 5, "client": 1}, "client"),
        ({}, "rating"),
    ],
)
def test_reviews_refuse_what_cannot_be(me, studio, body, field):
    booking = brought(studio, Status.COMPLETED)

    response = me.post("/api/customer/reviews/", {"booking": booking.pk, **body})

    assert (response.status_code, list(response.json()["fields"])) == (400, [field])
    with account_scope(studio.account):
        assert not Review.objects.exists()


# -- documents


@pytest.fixture
def documents(studio):
    """(shared, kept from the client, another client's) documents of sessions in the same studio."""
    other = studio.other_client()
    mine, theirs = studio.draft(), studio.draft(client=other)
    return (
        BookingDocumentFactory(account=studio.account, booking=mine, client=studio.client, name="plan.pdf"),
        BookingDocumentFactory(account=studio.account, booking=mine, client=studio.client, name="notes.pdf", is_shared=False),
        BookingDocumentFactory(account=studio.account, booking=theirs, client=other, name="theirs.pdf"),
    )


def test_documents_show_what_is_shared(me, documents):
    shared, kept, theirs = documents

    page = me.get(f"{BOOKINGS}{shared.booking_id}/documents/").json()

    assert page == {
        "next": None,
        "previous": None,
        "results": [
            {
                "id": shared.pk,
                "booking": shared.booking_id,
                "name": "plan.pdf",
                "kind": "other",
                "content_type": "application/pdf",
                "size": 1000,
                "created_at": page["results"][0]["created_at"],
            }
        ],
    }
    assert me.get(f"/api/customer/documents/{shared.pk}/").json() == page["results"][0]
    for hidden in (kept, theirs):
        for path in ("", "download/"):
            response = me.get(f"/api/customer/documents/{hidden.pk}/{path}")
            assert (response.status_code, response.json()["message"]) == (404, "Not found.")
    assert me.get(f"{BOOKINGS}{theirs.booking_id}/documents/").status_code == 404


def test_upload_and_download(me, owner, studio, folder):
    booking, theirs = studio.draft(), studio.draft(client=studio.other_client())

    def send(row, **fields):
        data = {"file": SimpleUploadedFile("consent.pdf", PDF), **fields}
        return me.post(f"{BOOKINGS}{row.pk}/documents/", data, MULTIPART_CONTENT)

    sent = send(booking, kind="form")
    assert (sent.status_code, sent.json()["name"], sent.json()["kind"]) == (201, "consent.pdf", "form")
    download = me.get(f"/api/customer/documents/{sent.json()['id']}/download/")
    assert (download.status_code, b"".join(download.streaming_content)) == (200, PDF)
    with account_scope(studio.account):
        document = BookingDocument.objects.get()
        assert (document.is_shared, document.uploaded_by_id, document.client_id) == (True, studio.client.customer.user_id, studio.client.pk)

    refused = send(booking, is_shared="false")
    assert (refused.status_code, refused.json()["error"], list(refused.json()["fields"])) == (400, "unknown_field", ["is_shared"])
    assert send(theirs).status_code == 404
    assert stored(folder) == [document.storage_key]

    kept = upload(owner, booking, is_shared="false").json()
    assert me.get(f"/api/customer/documents/{kept['id']}/download/").status_code == 404
    assert me.delete(f"/api/customer/documents/{document.pk}/").status_code == 405
    assert me.patch(f"/api/customer/documents/{document.pk}/", {"is_shared": False}).status_code == 405
