"""Reviews at the staff door, and the rating on the practitioner."""

import pytest

from apps.accounts.models import Role
from apps.bookings.models import Review
from apps.core.tenancy import account_scope
from factories.bookings import BookingFactory, ReviewFactory
from factories.catalog import PractitionerFactory
from factories.orders import OrderFactory

URL = "/api/reviews/"


@pytest.fixture
def practitioner(account):
    return PractitionerFactory(account=account)


@pytest.fixture
def review(account, practitioner):
    return ReviewFactory(account=account, practitioner=practitioner, rating=4, comment="Calm <b>and</b> clear.")


def test_a_review_is_shown_with_names_and_what_may_be_done(owner, review, practitioner):
    response = owner.get(f"{URL}{review.pk}/")

    body = response.json()
    assert response.status_code == 200
    assert body.pop("created_at")
    assert body.pop("updated_at")
    assert body == {
        "id": review.pk,
        "booking": review.booking_id,
        "client": review.client_id,
        "client_name": review.client.full_name,
        "practitioner": practitioner.pk,
        "practitioner_name": practitioner.display_name,
        "service": review.booking.service_id,
        "service_name": review.booking.service.name,
        "rating": 4,
        "comment": "Calm <b>and</b> clear.",
        "status": "pending",
        "published_at": None,
        "reply": "",
        "replied_at": None,
        "allowed_actions": ["publish", "hide", "reply"],
    }


def test_publish_hide_and_the_rating_of_the_practitioner(owner, account, review, practitioner):
    second = ReviewFactory(account=account, practitioner=practitioner, rating=5)

    def shown():
        found = owner.get(f"/api/practitioners/{practitioner.pk}/").json()
        return found["rating_average"], found["rating_count"]

    assert shown() == (None, 0)
    published = owner.post(f"{URL}{review.pk}/publish/")
    assert (published.status_code, published.json()["status"], published.json()["allowed_actions"]) == (200, "published", ["hide", "reply"])
    assert published.json()["published_at"]
    assert shown() == (4.0, 1)
    owner.post(f"{URL}{second.pk}/publish/")
    assert shown() == (4.5, 2)
    hidden = owner.post(f"{URL}{review.pk}/hide/")
    assert (hidden.status_code, hidden.json()["status"], hidden.json()["published_at"]) == (200, "hidden", None)
    assert shown() == (5.0, 1)

    again = owner.post(f"{URL}{review.pk}/hide/")
    assert (again.status_code, again.json()["error"], again.json()["allowed_actions"]) == (409, "invalid_transition", ["publish", "reply"])


@pytest.mark.parametrize("field", ["rating_average", "rating_count"])
def test_nobody_writes_a_rating(owner, practitioner, field):
    response = owner.patch(f"/api/practitioners/{practitioner.pk}/", {field: 5})

    assert (response.status_code, response.json()["error"]) == (400, "unknown_field")


def test_reply_keeps_lines_and_takes_plain_text_only(owner, review):
    response = owner.post(f"{URL}{review.pk}/reply/", {"reply": "Thank you,\nAda 👩‍⚕️"})

    assert (response.status_code, response.json()["reply"]) == (200, "Thank you,\nAda 👩‍⚕️")
    assert response.json()["replied_at"]
    gone = owner.post(f"{URL}{review.pk}/reply/", {"reply": ""})
    assert (gone.status_code, gone.json()["reply"], gone.json()["replied_at"]) == (200, "", None)


@pytest.mark.parametrize("body", [{}, {"reply": "x" * 5001}, {"reply": "a\x07b"}, {"reply": "a\x85b"}, {"reply": None}, {"reply": ["x"]}])
def test_a_reply_that_is_not_plain_text_is_refused(owner, account, review, body):
    response = owner.post(f"{URL}{review.pk}/reply/", body)

    assert (response.status_code, response.json()["error"], list(response.json()["fields"])) == (400, "validation_error", ["reply"])
    with account_scope(account):
        assert Review.objects.get().reply == ""


def test_list_is_filtered_by_status_practitioner_and_rating(owner, account, review, practitioner):
    other = ReviewFactory(account=account, rating=2)
    owner.post(f"{URL}{other.pk}/publish/")

    def ids(**query):
        return [one["id"] for one in owner.get(URL, query).json()["results"]]

    assert ids() == [other.pk, review.pk]
    assert ids(status="published") == [other.pk]
    assert ids(practitioner=practitioner.pk) == [review.pk]
    assert ids(rating=4) == [review.pk]
    assert ids(rating=2, status="pending") == []
    for query in ({"rating": "6"}, {"rating": "x"}, {"status": "secret"}, {"practitioner": "0"}):
        response = owner.get(URL, query)
        assert (response.status_code, list(response.json()["fields"])) == (400, list(query))
    assert owner.get(URL, {"client_name": "x"}).json()["error"] == "unknown_field"


@pytest.mark.parametrize("count", [1, 3])
def test_list_takes_a_fixed_number_of_statements(owner, account, statements, count):
    for _ in range(count):
        order = OrderFactory(account=account)
        ReviewFactory(account=account, booking=BookingFactory(account=account, order=order))

    with statements() as made:
        assert len(owner.get(URL).json()["results"]) == count

    assert len(made()) == 3  # token, membership, page


@pytest.mark.parametrize(
    ("role", "status"), [(Role.MANAGER, 200), (Role.FRONT_DESK, 200), (Role.PRACTITIONER, 403), (Role.BOOKKEEPER, 403), (None, 401)]
)
def test_who_may_publish(client_as, review, role, status):
    assert client_as(role).post(f"{URL}{review.pk}/publish/").status_code == status


def test_a_review_of_another_account_does_not_exist(other_owner, account, review):
    for address in ("", "publish/", "hide/", "reply/"):
        send = other_owner.post if address else other_owner.get
        assert send(f"{URL}{review.pk}/{address}").status_code == 404
    with account_scope(account):
        assert Review.objects.get().status == "pending"
