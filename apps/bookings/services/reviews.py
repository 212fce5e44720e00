"""Reviews: written once by the client of a completed session, shown once the business has published them."""

from datetime import datetime
from typing import Any

from django.db.models import Count, Sum
from django.utils import timezone

from apps.bookings.errors import AlreadyReviewed
from apps.bookings.lifecycle import allowed_actions
from apps.bookings.models import Booking, Review, Status
from apps.catalog.models import Practitioner
from apps.core.db import constraint_error, joined
from apps.core.errors import InvalidTransition
from apps.core.events import emit

ONE_EACH = "bookings_review_one_each"


def review_actions(status: str) -> list[str]:
    """What staff may do with a review in this state, as the last part of the action's address."""
    return {
        Review.Status.PENDING.value: ["publish", "hide", "reply"],
        Review.Status.PUBLISHED.value: ["hide", "reply"],
        Review.Status.HIDDEN.value: ["publish", "reply"],
    }[status]


@joined
def create_review(booking: Booking, *, rating: int, comment: str = "", at: datetime | None = None) -> Review:
    """The booking's client rates (1 to 5) a completed session. It waits until it is published.

    Raises InvalidTransition (not completed), AlreadyReviewed.
    """
    booking = Booking.objects.only("account", "client", "practitioner", "status").get(pk=booking.pk)
    # No lock: a completed session stays one.
    if booking.status != Status.COMPLETED or booking.practitioner_id is None:
        raise InvalidTransition("Only a session that took place can be reviewed.", allowed_actions=allowed_actions(booking.status))
    with constraint_error({ONE_EACH: AlreadyReviewed}, savepoint=False):
        review = Review.objects.create(
            account_id=booking.account_id,
            booking=booking,
            client_id=booking.client_id,
            practitioner_id=booking.practitioner_id,
            rating=rating,
            comment=comment,
        )
    emit("review.created", review, changes={"booking": [None, booking.pk], "rating": [None, rating]})
    return review


@joined
def publish_review(review: Review, *, at: datetime | None = None) -> Review:
    """Show a review to everybody; it counts in the practitioner's rating. Raises InvalidTransition."""
    return _turn(review, "publish", Review.Status.PUBLISHED, at or timezone.now())


@joined
def hide_review(review: Review, *, at: datetime | None = None) -> Review:
    """Show a review to nobody; it counts no longer. Raises InvalidTransition."""
    return _turn(review, "hide", Review.Status.HIDDEN, at or timezone.now())


@joined
def reply_to_review(review: Review, *, reply: str, at: datetime | None = None) -> Review:
    """The business's answer, shown below the review; it replaces an earlier one, and an empty one takes it back."""
    review = Review.objects.select_for_update(no_key=True).get(pk=review.pk)
    before, review.reply = review.reply, reply
    review.replied_at = (at or timezone.now()) if reply else None
    review.save(update_fields=["reply", "replied_at", "updated_at"])
    emit("review.replied", review, changes={"reply": [before, reply]})
    return review


def _turn(review: Review, action: str, status: Review.Status, at: datetime) -> Review:
    """Write a new state, and the practitioner's rating with it, under the practitioner's lock (lock order: practitioner, review)."""
    practitioner = Practitioner.objects.select_for_update(no_key=True).get(pk=review.practitioner_id)
    review = Review.objects.select_for_update(no_key=True).get(pk=review.pk)
    if action not in review_actions(review.status):
        raise InvalidTransition(allowed_actions=review_actions(review.status))
    before, review.status = review.status, status
    review.published_at = at if status == Review.Status.PUBLISHED else None
    review.save(update_fields=["status", "published_at", "updated_at"])
    _count(practitioner)
    name = "review.published" if status == Review.Status.PUBLISHED else "review.hidden"
    emit(name, review, changes={"status": [before, review.status], "rating": [review.rating, review.rating]})
    return review


def _count(practitioner: Practitioner) -> None:
    """Counted anew each time, so that an error cannot stay; the doctor compares (I41)."""
    published = Review.objects.filter(practitioner_id=practitioner.pk, status=Review.Status.PUBLISHED)
    found: dict[str, Any] = published.aggregate(total=Sum("rating"), count=Count("pk"))
    if (practitioner.rating_total, practitioner.rating_count) == (found["total"] or 0, found["count"]):
        return
    practitioner.rating_total, practitioner.rating_count = found["total"] or 0, found["count"]
    practitioner.save(update_fields=["rating_total", "rating_count", "updated_at"])


__all__ = ["create_review", "hide_review", "publish_review", "reply_to_review", "review_actions"]
