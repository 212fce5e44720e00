from typing import Any

from rest_framework import serializers

from apps.bookings.api.inputs import QuotedSessionSerializer, TenderSerializer
from apps.bookings.models import Booking, Status
from apps.catalog.models import Practitioner, Service
from apps.core.api.fields import DayField, InstantField
from apps.core.api.reading import InputSerializer, ScopedRelatedField


class AttendeeSerializer(serializers.Serializer):
    """One booking of an occurrence. ``attendee_name`` is empty when the client comes in person."""

    id = serializers.IntegerField(help_text="The booking.")
    client = serializers.IntegerField()
    client_name = serializers.CharField()
    attendee_name = serializers.CharField(allow_blank=True)
    status = serializers.ChoiceField(choices=Status.choices)
    payment_status = serializers.ChoiceField(choices=Booking.PaymentStatus.choices)
    seat = serializers.IntegerField(allow_null=True)


class OccurrenceSerializer(serializers.Serializer):
    """One start of a group: the bookings that share service, practitioner and start. It has no id of its own; these three name it."""

    service = serializers.IntegerField()
    service_name = serializers.CharField()
    practitioner = serializers.IntegerField()
    practitioner_name = serializers.CharField()
    start_time = serializers.DateTimeField(help_text="With the offset of `timezone`.")
    end_time = serializers.DateTimeField()
    capacity = serializers.IntegerField(help_text="The service's of today.")
    taken = serializers.IntegerField(help_text="People who come, requests that wait for approval included.")
    held = serializers.IntegerField(help_text="Seats that are held for somebody.")
    seats_left = serializers.IntegerField()
    oversold = serializers.IntegerField(help_text="Bookings beyond the capacity; lowering it cancels nobody.")
    minimum = serializers.IntegerField(help_text="People it takes; 1 means that there is no minimum.")
    below_minimum = serializers.BooleanField()
    decided_at = serializers.DateTimeField(help_text="When it is decided whether it takes place with so few.")
    bookings = AttendeeSerializer(many=True, help_text="By seat.")


class OccurrenceListSerializer(serializers.Serializer):
    """Occurrences by start, in the account's time zone."""

    timezone = serializers.CharField()
    occurrences = OccurrenceSerializer(many=True)


class OccurrenceQuery(InputSerializer):
    """Query of the list; ``from`` and ``to`` are local dates of the account."""

    service = ScopedRelatedField(model=Service, required=False, default=None)
    practitioner = ScopedRelatedField(model=Practitioner, required=False, default=None)

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "from": DayField(), "to": DayField()}


class OccurrenceInput(InputSerializer):
    """Which occurrence."""

    service = ScopedRelatedField(model=Service)
    practitioner = ScopedRelatedField(model=Practitioner)
    start_time = InstantField()


class MoveOccurrenceInput(OccurrenceInput):
    """Where to, and why; without ``new_practitioner`` the same one gives it. ``override`` bends notice, horizon, hours, limits, overlap."""

    new_start_time = InstantField()
    new_practitioner = ScopedRelatedField(model=Practitioner, required=False, allow_null=True, default=None)
    reason = serializers.CharField(max_length=500)
    override = serializers.BooleanField(default=False)


class CancelOccurrenceInput(OccurrenceInput):
    """Why; ``quote`` is the token of `occurrences/cancel/quote/`."""

    reason = serializers.CharField(max_length=500)
    quote = serializers.CharField(max_length=1000, required=False, allow_null=True, default=None)


class CancelledOccurrenceSerializer(serializers.Serializer):
    """What the cancellation did, summed up over all bookings."""

    fee_cents = serializers.IntegerField(help_text="Always 0: the business cancels.")
    refund_cents = serializers.IntegerField(help_text="By how much the orders are overpaid afterwards.")
    currency = serializers.CharField()
    per_tender = TenderSerializer(many=True)
    sessions = QuotedSessionSerializer(many=True)


class CancelOccurrenceQuoteSerializer(CancelledOccurrenceSerializer):
    """What a cancellation would do. Send ``token`` as ``quote`` to make exactly this happen, within ten minutes."""

    token = serializers.CharField()
    expires_at = serializers.DateTimeField()
