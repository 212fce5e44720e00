from typing import Any, ClassVar

from rest_framework import serializers

from apps.bookings.api.staff.serializers.bookings import BookingSerializer
from apps.bookings.models import WaitlistEntry, WaitlistOffer
from apps.bookings.services.scheduling import MAX_OPEN_HOLDS
from apps.bookings.services.waiting import entry_actions, offer_actions
from apps.catalog.models import Practitioner, Service
from apps.clients.models import Client
from apps.core.api.fields import DayField, InstantField, StrictIntegerField, WallTimeField
from apps.core.api.reading import Computed, InputSerializer, ResourceSerializer, ScopedRelatedField
from apps.orders.models import Order

YEAR_HOURS = 366 * 24
ACTIONS = serializers.ListField(child=serializers.CharField(), read_only=True)


class WaitlistOfferSerializer(ResourceSerializer):
    """A start that was offered to a waiting client. A `sequential` offer holds its time until `expires_at`; a `broadcast` went to
    several clients at once, holds nothing, and the first to accept books."""

    client_name = serializers.CharField(source="client.full_name", read_only=True)
    practitioner_name = serializers.CharField(source="practitioner.display_name", read_only=True)
    service = serializers.IntegerField(source="entry.service_id", read_only=True)
    allowed_actions = Computed(offer_actions, needs=["status"], schema=ACTIONS, help_text="What the state allows now.")

    class Meta:
        model = WaitlistOffer
        fields: ClassVar = [
            "id",
            "entry",
            "client",
            "client_name",
            "service",
            "practitioner",
            "practitioner_name",
            "start_time",
            "mode",
            "status",
            "expires_at",
            "answered_at",
            "order",
            "allowed_actions",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields
        extra_kwargs: ClassVar = {"order": {"help_text": "What was sold for this offer alone; cancelled when it is not accepted."}}
        parent = "entry_id"
        order = ("id",)


class OfferedSessionSerializer(BookingSerializer):
    """A session that is held by an offer, or was booked by accepting it."""

    class Meta(BookingSerializer.Meta):
        parent = "offer_id"
        order = ("id",)


class OfferWithSessionsSerializer(WaitlistOfferSerializer):
    """An offer with the sessions it holds or has booked: one per person of the party."""

    bookings = OfferedSessionSerializer(many=True, read_only=True)

    class Meta(WaitlistOfferSerializer.Meta):
        fields: ClassVar = [*WaitlistOfferSerializer.Meta.fields, "bookings"]
        read_only_fields = fields


class WaitlistEntrySerializer(ResourceSerializer):
    """A client who waits for a service: for one occurrence (`start_time`), or for any start in a window of local days."""

    client_name = serializers.CharField(source="client.full_name", read_only=True)
    service_name = serializers.CharField(source="service.name", read_only=True)
    practitioner_name = serializers.CharField(source="practitioner.display_name", read_only=True, allow_null=True)
    position = serializers.IntegerField(
        read_only=True,
        allow_null=True,
        help_text="1 is served first, among the open entries of this service that compete for the practitioner; null when not open.",
    )
    allowed_actions = Computed(entry_actions, needs=["status"], schema=ACTIONS, help_text="`leave` is DELETE.")
    offers = WaitlistOfferSerializer(many=True, read_only=True)

    class Meta:
        model = WaitlistEntry
        fields: ClassVar = [
            "id",
            "client",
            "client_name",
            "service",
            "service_name",
            "practitioner",
            "practitioner_name",
            "order",
            "start_time",
            "first_day",
            "last_day",
            "weekdays",
            "earliest",
            "latest",
            "timezone",
            "party",
            "notice_minutes",
            "priority",
            "auto_accept_hours",
            "status",
            "lapses",
            "position",
            "expires_at",
            "note",
            "allowed_actions",
            "offers",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class EntryChange(InputSerializer):
    """What a client waits for: either `start_time`, or `first_day` and `last_day` (inclusive), local days of `timezone`."""

    practitioner = ScopedRelatedField(model=Practitioner, required=False, allow_null=True, help_text="Null: anybody.")
    order = ScopedRelatedField(
        model=Order, required=False, allow_null=True, help_text="Whose sessions to use first. What is missing is sold on acceptance."
    )
    start_time = InstantField(required=False, allow_null=True, help_text="Only this occurrence.")
    first_day = DayField(required=False, allow_null=True)
    last_day = DayField(required=False, allow_null=True)
    weekdays = serializers.ListField(
        child=StrictIntegerField(min_value=0, max_value=6), max_length=7, required=False, help_text="0 is Monday; empty: any."
    )
    earliest = WallTimeField(required=False, allow_null=True, help_text="Earliest local start.")
    latest = WallTimeField(required=False, allow_null=True, help_text="Latest local start, inclusive.")
    timezone = serializers.CharField(max_length=64, required=False, help_text="IANA name; the account's by default.")
    party = StrictIntegerField(min_value=1, max_value=MAX_OPEN_HOLDS, required=False, help_text="Places wanted together.")
    notice_minutes = StrictIntegerField(min_value=0, max_value=YEAR_HOURS * 60, required=False, help_text="Notice the client needs.")
    priority = StrictIntegerField(min_value=-1000, max_value=1000, required=False, help_text="Higher comes first.")
    auto_accept_hours = StrictIntegerField(
        min_value=0,
        max_value=YEAR_HOURS,
        required=False,
        allow_null=True,
        help_text="Book without asking when the start is at least this many hours away; null: always ask.",
    )
    note = serializers.CharField(max_length=500, required=False, allow_blank=True)


class EntryInput(EntryChange):
    """A client joins the waitlist of a service."""

    client = ScopedRelatedField(model=Client)
    service = ScopedRelatedField(model=Service)


class OfferInput(InputSerializer):
    """A start to offer; it need not lie in what the client asked for."""

    practitioner = ScopedRelatedField(model=Practitioner)
    start_time = InstantField()


class CandidateSerializer(serializers.Serializer):
    """Somebody who could fill a gap: `waitlist` entries in order, then `expiring` paid sessions by how soon they run out."""

    kind = serializers.ChoiceField(choices=["waitlist", "expiring"])
    client = serializers.IntegerField()
    client_name = serializers.CharField()
    entry = serializers.IntegerField(allow_null=True, help_text="Of `waitlist`; offer to it with `waitlist/{id}/offer/`.")
    priority = serializers.IntegerField(allow_null=True)
    booking = serializers.IntegerField(allow_null=True, help_text="Of `expiring`: the session to schedule.")
    order = serializers.IntegerField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True, help_text="When the session runs out; null: never.")
    days_left = serializers.IntegerField(allow_null=True)


class CandidateListSerializer(serializers.Serializer):
    """Who could take a start. `bookable` is false, and the list empty, when nobody can book it."""

    bookable = serializers.BooleanField()
    results: Any = CandidateSerializer(many=True)
