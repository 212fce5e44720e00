"""Reviews: who may write one, when it shows, and the practitioner's rating."""

import threading

import pytest
from django.db import connection, transaction

from apps.bookings.errors import AlreadyReviewed
from apps.bookings.models import Booking, Review
from apps.bookings.services.endings import complete_booking
from apps.bookings.services.reviews import create_review, hide_review, publish_review, reply_to_review
from apps.bookings.services.scheduling import schedule_booking
from apps.catalog.models import Practitioner
from apps.catalog.ratings import rating_average
from apps.core.doctor import findings
from apps.core.errors import InvalidTransition
from apps.core.models import Event
from apps.core.tenancy import account_scope, platform_scope
from factories.accounts import MembershipFactory
from factories.clients import ClientFactory
from tests.studio import MONDAY_TEN, NOW


def attended(studio):
    """A session that took place. The time is given back to the next one by its being over."""
    booking = studio.draft()
    with account_scope(studio.account):
        schedule_booking(booking, practitioner=studio.practitioner, start_time=MONDAY_TEN, at=NOW)
        return complete_booking(booking, at=MONDAY_TEN)


def call(studio, service, *args, **options):
    with account_scope(studio.account), transaction.atomic():
        return service(*args, **options)


def reviewed(studio, rating):
    return call(studio, create_review, attended(studio), rating=rating)


def rating(studio):
    with account_scope(studio.account):
        found = Practitioner.objects.get(pk=studio.practitioner.pk)
    return found.rating_total, found.rating_count


def events(studio):
    with account_scope(studio.account):
        found = Event.objects.filter(type__startswith="review.").order_by("pk")
        return [(one.type, one.changes) for one in found]


def broken(studio):
    """The invariants that do not hold, in a studio that has an owner as it must."""
    MembershipFactory(account=studio.account)
    with platform_scope("test"):
        return [one.code for one, found in findings() if found]


def test_a_completed_session_is_reviewed_by_its_client(studio):
    booking = attended(studio)

    review = call(studio, create_review, booking, rating=4, comment="Calm and clear.")

    with account_scope(studio.account):
        row = Review.objects.get()
        assert (row.pk, row.booking_id, row.client_id, row.practitioner_id) == (
            review.pk,
            booking.pk,
            studio.client.pk,
            studio.practitioner.pk,
        )
    assert (row.rating, row.comment, row.status, row.published_at, row.reply) == (4, "Calm and clear.", "pending", None, "")
    assert events(studio) == [("review.created", {"booking": [None, booking.pk], "rating": [None, 4]})]
    assert rating(studio) == (0, 0)


def test_only_one_review_each(studio):
    booking = attended(studio)
    call(studio, create_review, booking, rating=4)

    with pytest.raises(AlreadyReviewed):
        call(studio, create_review, booking, rating=5)

    with account_scope(studio.account):
        assert list(Review.objects.values_list("rating", flat=True)) == [4]


@pytest.mark.parametrize("status", ["draft", "confirmed", "checked_in", "cancelled", "no_show", "forfeited"])
def test_only_a_session_that_took_place_is_reviewed(studio, status):
    booking = studio.draft()
    with account_scope(studio.account):
        if status in ("confirmed", "checked_in", "no_show"):
            schedule_booking(booking, practitioner=studio.practitioner, start_time=MONDAY_TEN, at=NOW)
        Booking.objects.filter(pk=booking.pk).update(status=status)

    with pytest.raises(InvalidTransition):
        call(studio, create_review, booking, rating=5)


def test_what_the_caller_believes_about_the_session_does_not_count(studio):
    booking = studio.draft()
    booking.status = "completed"

    with pytest.raises(InvalidTransition):
        call(studio, create_review, booking, rating=5)


def test_published_reviews_make_the_rating(studio):
    five, two, three = reviewed(studio, 5), reviewed(studio, 2), reviewed(studio, 3)

    call(studio, publish_review, five, at=NOW)
    published = call(studio, publish_review, two, at=NOW)
    assert (published.status, published.published_at, rating(studio)) == ("published", NOW, (7, 2))
    hidden = call(studio, hide_review, five)
    assert (hidden.status, hidden.published_at, rating(studio)) == ("hidden", None, (2, 1))
    call(studio, hide_review, three)  # was never shown
    assert rating(studio) == (2, 1)
    call(studio, publish_review, five)
    assert rating(studio) == (7, 2)

    assert [name for name, _ in events(studio)[3:]] == [
        "review.published",
        "review.published",
        "review.hidden",
        "review.hidden",
        "review.published",
    ]
    assert broken(studio) == []


def test_states_that_do_not_allow_it_are_refused(studio):
    review = reviewed(studio, 5)
    call(studio, publish_review, review)
    with pytest.raises(InvalidTransition) as refused:
        call(studio, publish_review, review)
    assert refused.value.extras["allowed_actions"] == ["hide", "reply"]

    call(studio, hide_review, review)
    with pytest.raises(InvalidTransition) as refused:
        call(studio, hide_review, review)
    assert refused.value.extras["allowed_actions"] == ["publish", "reply"]
    assert rating(studio) == (0, 0)


def test_a_reply_is_replaced_and_taken_back(studio):
    review = reviewed(studio, 5)

    answered = call(studio, reply_to_review, review, reply="Thank you.", at=NOW)
    assert (answered.reply, answered.replied_at, answered.status) == ("Thank you.", NOW, "pending")
    call(studio, reply_to_review, review, reply="Thanks!", at=MONDAY_TEN)
    gone = call(studio, reply_to_review, review, reply="")

    assert (gone.reply, gone.replied_at) == ("", None)
    assert events(studio)[1:] == [
        ("review.replied", {"reply": ["", "Thank you."]}),
        ("review.replied", {"reply": ["Thank you.", "Thanks!"]}),
        ("review.replied", {"reply": ["Thanks!", ""]}),
    ]


@pytest.mark.parametrize(("total", "count", "shown"), [(0, 0, None), (5, 1, 5.0), (14, 3, 4.7), (13, 3, 4.3), (17, 4, 4.3), (89, 20, 4.5)])
def test_the_average_has_one_decimal_rounded_half_up(total, count, shown):
    assert rating_average(total, count) == shown


def test_doctor_finds_a_rating_that_is_not_the_sum_of_its_reviews(studio):
    review = reviewed(studio, 5)
    call(studio, publish_review, review)
    assert broken(studio) == []

    with account_scope(studio.account), transaction.atomic():
        Review.objects.filter(pk=review.pk).update(rating=1)
        assert "I41" in broken(studio)
        Review.objects.filter(pk=review.pk).update(rating=5)
        Practitioner.objects.filter(pk=studio.practitioner.pk).update(rating_count=2)
        assert "I41" in broken(studio)
        Practitioner.objects.filter(pk=studio.practitioner.pk).update(rating_count=1)
    assert broken(studio) == []
    other = ClientFactory(account=studio.account)
    with account_scope(studio.account):
        Review.objects.filter(pk=review.pk).update(client_id=other.pk)
    assert broken(studio) == ["I18.reviews"]


@pytest.mark.django_db(transaction=True)
def test_reviews_published_at_once_are_all_counted(make_studio):
    studio = make_studio()
    reviews = [reviewed(studio, stars) for stars in (1, 2, 3, 4, 5, 5)]
    ready = threading.Barrier(len(reviews))

    def publish(review):
        try:
            with account_scope(studio.account):
                ready.wait()
                publish_review(review)
        finally:
            connection.close()

    threads = [threading.Thread(target=publish, args=(review,)) for review in reviews]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert rating(studio) == (20, 6)
