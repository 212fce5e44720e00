from typing import Any, ClassVar

from rest_framework import serializers

from apps.bookings.api.inputs import ANYBODY, UNCHANGED, PractitionerField, VersionInput
from apps.bookings.api.reviews import PlainTextField
from apps.bookings.api.staff.serializers.bookings import BookingSerializer
from apps.bookings.api.staff.serializers.documents import DocumentSerializer, DocumentUpload
from apps.bookings.api.staff.serializers.reviews import ReviewSerializer
from apps.bookings.lifecycle import allowed_actions
from apps.bookings.models import Booking
from apps.catalog.api.staff.shapes import CancellationPolicySerializer
from apps.core.api.fields import InstantField, StrictIntegerField
from apps.core.api.reading import Computed, InputSerializer, ScopedRelatedField

CLIENT_ACTIONS = frozenset({"schedule", "hold", "confirm", "reschedule", "cancel"})


def for_clients(actions: list[str]) -> list[str]:
    """Those of a state's actions that clients have.

    Whoever may decline is the one to confirm: a request is the business's to grant. And what has no time yet (it can be scheduled) is
    a purchase: giving that back is a refund.
    """
    withheld = {"confirm"} if "decline" in actions else {"cancel"} if "schedule" in actions else set()
    return [name for name in actions if name in CLIENT_ACTIONS - withheld]


def client_actions(status: str) -> list[str]:
    """What a client may do with a booking in this state."""
    return for_clients(allowed_actions(status))


def agreed_terms(policy: dict[str, Any], offered: dict[str, Any]) -> dict[str, Any]:
    """The cancellation policy a booking was made under; before that, the one it would be made under now."""
    rules: dict[str, Any] = policy.get("rules", offered)
    return rules


class OwnBookingSerializer(BookingSerializer):
    """A session of yours. A draft has no time yet; ``price_cents`` is its share of the order's price."""

    client_name = None  # type: ignore[assignment]  # takes the inherited field away
    account_slug = serializers.CharField(source="account.slug", read_only=True, help_text="What `?account=` takes.")
    account_name = serializers.CharField(source="account.name", read_only=True)
    cancellation_policy = Computed(
        agreed_terms,
        needs=["policy", "service__cancellation_policy"],
        schema=CancellationPolicySerializer(read_only=True),
        help_text="The terms you agreed to; of a draft, those that hold when you book now. Empty: free until the start.",
    )
    allowed_actions = Computed(
        client_actions,
        needs=["status"],
        schema=serializers.ListField(child=serializers.CharField(), read_only=True),
        help_text="What you may do now, as the last part of the action's address.",
    )

    class Meta(BookingSerializer.Meta):
        fields: ClassVar = [
            "id",
            "account_slug",
            "account_name",
            "order",
            "practitioner",
            "practitioner_name",
            "service",
            "service_name",
            "position",
            "status",
            "payment_status",
            "start_time",
            "end_time",
            "timezone",
            "attendee_name",
            "capacity",
            "price_cents",
            "tax_cents",
            "currency",
            "fee_cents",
            "version",
            "hold_expires_at",
            "free_until",
            "cancellation_policy",
            "series",
            "cancelled_at",
            "cancelled_side",
            "cancelled_late",
            "allowed_actions",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class PractitionerInReach(PractitionerField):
    """A practitioner of one of the caller's accounts, or ``any`` for whoever is free; left out means None, too."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": False, "allow_null": True, "default": None, **kwargs})

    def to_internal_value(self, data: Any) -> Any:
        return None if data == ANYBODY else ScopedRelatedField.to_internal_value(self, data)


class OwnScheduleInput(VersionInput):
    """A time for a session of yours. Without a practitioner whoever is free is chosen."""

    practitioner = PractitionerInReach(**UNCHANGED)
    start_time = InstantField()
    attendee_name = serializers.CharField(
        max_length=255, required=False, allow_blank=True, default="", help_text="Who comes, when it is not you."
    )


class OwnRescheduleInput(VersionInput):
    """Another start, and perhaps another practitioner (left out: the same; ``any``: whoever is free, the same first).

    ``quote`` is the token of `reschedule/quote/`.
    """

    practitioner = PractitionerInReach(**UNCHANGED)
    start_time = InstantField()
    quote = serializers.CharField(max_length=1000, required=False, allow_null=True, default=None)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs["anybody"] = isinstance(self.initial_data, dict) and self.initial_data.get("practitioner") == ANYBODY
        return attrs


class OwnCancelInput(VersionInput):
    """``quote`` is the token of `cancel/quote/`; ``reason`` is for the business."""

    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    quote = serializers.CharField(max_length=1000, required=False, allow_null=True, default=None)


class OwnDocumentSerializer(DocumentSerializer):
    """A file of a session of yours; the file itself is at `documents/{id}/download/`."""

    class Meta(DocumentSerializer.Meta):
        fields: ClassVar = ["id", "booking", "name", "kind", "content_type", "size", "created_at"]
        read_only_fields = fields


class OwnDocumentUpload(DocumentUpload):
    """A file for a session of yours, sent as `multipart/form-data`. The business sees it, too."""

    is_shared = None  # type: ignore[assignment]  # takes the inherited field away


class OwnBookingField(ScopedRelatedField):
    """A booking of the caller's; somebody else's does not exist."""

    def get_queryset(self) -> Any:
        return self.context["view"].narrow_for_request(super().get_queryset())


class OwnReviewSerializer(ReviewSerializer):
    """What you said about a session that took place, and what the business answered. It is public once it is published."""

    client_name = None  # type: ignore[assignment]  # takes the inherited field away
    allowed_actions = None  # type: ignore[assignment]  # takes the inherited field away
    account_slug = serializers.CharField(source="account.slug", read_only=True)
    account_name = serializers.CharField(source="account.name", read_only=True)

    class Meta(ReviewSerializer.Meta):
        fields: ClassVar = [
            "id",
            "account_slug",
            "account_name",
            "booking",
            "practitioner",
            "practitioner_name",
            "service",
            "service_name",
            "rating",
            "comment",
            "status",
            "published_at",
            "reply",
            "replied_at",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class OwnReviewInput(InputSerializer):
    """One review of one completed session; it cannot be changed afterwards."""

    booking = OwnBookingField(model=Booking)
    rating = StrictIntegerField(min_value=1, max_value=5)
    comment = PlainTextField(required=False, allow_blank=True, default="", help_text="Plain text.")
