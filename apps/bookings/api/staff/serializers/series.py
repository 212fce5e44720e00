from datetime import datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from rest_framework import serializers

from apps.accounts.models import zone_names
from apps.bookings.api.wall import WallStartField, start_from_input
from apps.bookings.models import MAX_OCCURRENCES, Booking, BookingSeries, Side
from apps.bookings.planning import WITHIN
from apps.catalog.models import Practitioner, Service
from apps.clients.models import Client
from apps.core.api.fields import DayField, InstantField, StrictIntegerField
from apps.core.api.reading import InputSerializer, ResourceSerializer, ScopedRelatedField
from apps.orders.models import Order

WITHIN_MINUTES = int(WITHIN.total_seconds() // 60)
STATUSES = ["ok", "conflict", "closed", "notice", "horizon", "limit", "expired", "paused", "no_session", "refused"]


class SeriesSerializer(ResourceSerializer):
    """A rule that gives sessions of one client their starts. ``start_wall`` is what the clock in ``timezone`` shows at the first.

    It ends by ``count``, by ``until`` (last local day), or with neither when the sessions are used up. ``previous`` is the series
    that this one continues after a change of what follows.
    """

    client_name = serializers.CharField(source="client.full_name", read_only=True)
    practitioner_name = serializers.CharField(source="practitioner.display_name", read_only=True)
    service_name = serializers.CharField(source="service.name", read_only=True)

    class Meta:
        model = BookingSeries
        fields: ClassVar = [
            "id",
            "client",
            "client_name",
            "practitioner",
            "practitioner_name",
            "service",
            "service_name",
            "order",
            "previous",
            "frequency",
            "every",
            "weekdays",
            "month_end",
            "start_wall",
            "timezone",
            "count",
            "until",
            "policy",
            "status",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class SeriesOccurrenceSerializer(ResourceSerializer):
    """A booking of the series. ``original_start`` is its start by the rule; ``is_detached``: it was changed by itself."""

    class Meta:
        model = Booking
        fields: ClassVar = ["id", "status", "start_time", "end_time", "practitioner", "original_start", "is_detached", "version"]
        read_only_fields = fields
        parent = "series_id"
        order = ("original_start", "id")


class SeriesDetailSerializer(SeriesSerializer):
    """The series with its occurrences. A session that was given back to its package is no occurrence any more."""

    occurrences = SeriesOccurrenceSerializer(source="bookings", many=True, read_only=True)

    class Meta(SeriesSerializer.Meta):
        fields: ClassVar = [*SeriesSerializer.Meta.fields, "occurrences"]
        read_only_fields = fields


class FirstStartInput(InputSerializer):
    """A start, either as an instant with its offset, or as ``local_start`` on the clocks of ``timezone``."""

    start_time = InstantField(required=False, help_text="With its offset. Either this or `local_start`.")
    local_start = WallStartField(required=False)
    timezone = serializers.CharField(
        max_length=64, required=False, help_text="IANA zone whose clocks count; by default the practitioner's, or the series'."
    )

    def validate_timezone(self, value: str) -> str:
        if value not in zone_names():
            raise serializers.ValidationError("This is not an IANA time zone name, for example Europe/Berlin.")
        return value

    def start_in(self, attrs: dict[str, Any], zone: str, *, required: bool) -> datetime | None:
        """The instant that was sent. Raises LocalTimeMissing and LocalTimeAmbiguous for a wall time that is none, or two."""
        instant, wall = attrs.pop("start_time", None), attrs.pop("local_start", None)
        if (instant is not None and wall is not None) or (required and instant is None and wall is None):
            raise serializers.ValidationError({"start_time": ["Send either start_time or local_start."]})
        return start_from_input(wall, zone) if wall is not None else instant


class PolicyInput(FirstStartInput):
    """What happens to occurrences that do not fit, and how far ``nearest`` may move them."""

    policy = serializers.ChoiceField(choices=BookingSeries.Policy.choices, default=BookingSeries.Policy.ALL_OR_NOTHING)
    within_minutes = StrictIntegerField(
        min_value=1,
        max_value=WITHIN_MINUTES,
        default=WITHIN_MINUTES,
        help_text="How far `nearest` may move an occurrence; a week by default.",
    )


class SeriesInput(PolicyInput):
    """The rule of a series and whose sessions it books; ``order`` keeps to the sessions of one purchase.

    ``weekdays`` (0 is Monday) are for weekly rules and include the first start's own. Monthly rules take their day, or their n-th
    weekday, from the first start; ``month_end`` says what a month without it gets. End by ``count``, by ``until`` (last local day)
    or, with neither, when the sessions are used up.
    """

    client = ScopedRelatedField(model=Client)
    service = ScopedRelatedField(model=Service)
    practitioner = ScopedRelatedField(model=Practitioner)
    order = ScopedRelatedField(model=Order, required=False, allow_null=True, default=None)
    frequency = serializers.ChoiceField(choices=BookingSeries.Frequency.choices)
    every = StrictIntegerField(min_value=1, max_value=52, default=1, help_text="Every n-th day, week or month.")
    weekdays = serializers.ListField(child=StrictIntegerField(min_value=0, max_value=6), max_length=7, default=list)
    month_end = serializers.ChoiceField(choices=BookingSeries.MonthEnd.choices, default=BookingSeries.MonthEnd.SKIP)
    count = StrictIntegerField(min_value=1, max_value=MAX_OCCURRENCES, required=False, allow_null=True, default=None)
    until = DayField(required=False, allow_null=True, default=None)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        zone = attrs.setdefault("timezone", attrs["practitioner"].timezone)
        start = self.start_in(attrs, zone, required=True)
        if start is not None:
            attrs["start"] = start.astimezone(ZoneInfo(zone)).replace(tzinfo=None, microsecond=0, fold=0)
        return attrs


class SeriesCreateInput(SeriesInput):
    """The same as for quote/, and the ``quote`` token that it answered."""

    quote = serializers.CharField(max_length=1000, required=False, allow_null=True, default=None)


class SeriesChangeInput(PolicyInput):
    """A change of ``this`` occurrence, of it and the ``following``, or of ``all`` that are to come.

    A move sends the new start of ``from_booking`` (for ``all`` without one: of the first to come); the others follow on the wall
    clock. It may name another practitioner instead, or as well. ``by`` says whose wish it is: the client's is bound to the policy of
    each booking, the business's is free of charge. Occurrences that were changed one by one stay unless ``include_changed``.
    """

    action = serializers.ChoiceField(choices=["move", "cancel"])
    scope = serializers.ChoiceField(choices=["this", "following", "all"])
    from_booking = ScopedRelatedField(model=Booking, required=False, allow_null=True, default=None)
    practitioner = ScopedRelatedField(model=Practitioner, required=False, allow_null=True, default=None)
    include_changed = serializers.BooleanField(default=False)
    by = serializers.ChoiceField(choices=[Side.CLIENT, Side.PROVIDER], default=Side.CLIENT)
    waive = serializers.BooleanField(default=False, help_text="No fees; needs a reason.")
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        zone = attrs.pop("timezone", None) or self.context["series"].timezone
        moves = attrs["action"] == "move"
        start = self.start_in(attrs, zone, required=False)
        if not moves and (start is not None or attrs["practitioner"] is not None):
            raise serializers.ValidationError({"action": ["A cancellation takes neither a start nor a practitioner."]})
        attrs["start_time"] = start
        return attrs


class SeriesChangeCommit(SeriesChangeInput):
    """The same as for change/quote/, and the ``quote`` token that it answered."""

    quote = serializers.CharField(max_length=1000, required=False, allow_null=True, default=None)


class AlternativeSerializer(serializers.Serializer):
    """A bookable start near the one that does not fit."""

    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    practitioner = serializers.IntegerField()


class QuotedOccurrenceSerializer(serializers.Serializer):
    """One occurrence: ``status`` ok, or why its ``start`` does not fit (``code`` is the error booking it would meet).

    ``planned_start`` is what it gets by the policy, null when it gets nothing. ``shifted``: the clocks skip the time that the rule
    says, so it starts later on the wall. Times carry the offset of the series' zone.
    """

    original_start = serializers.DateTimeField()
    start_wall = serializers.CharField()
    start = serializers.DateTimeField(allow_null=True)
    status = serializers.ChoiceField(choices=STATUSES)
    code = serializers.CharField(allow_blank=True)
    shifted = serializers.BooleanField()
    planned_start = serializers.DateTimeField(allow_null=True)
    alternatives = AlternativeSerializer(many=True, help_text="The three nearest bookable starts within a week, the nearest first.")
    booking = serializers.IntegerField(allow_null=True, help_text="The session it would use up.")


class ChangedOccurrenceSerializer(QuotedOccurrenceSerializer):
    """One occurrence that changes: from ``current_start`` to ``planned_start``, at ``fee_cents`` by its own policy.

    ``outcome``: moved, kept (it stays where it is), or for a cancellation returned (to its package), consumed or cancelled.
    """

    current_start = serializers.DateTimeField()
    outcome = serializers.ChoiceField(choices=["moved", "kept", "returned", "consumed", "cancelled"])
    fee_cents = serializers.IntegerField()
    kept_cents = serializers.IntegerField(help_text="Price of the session that is used up by it.")
    refund_cents = serializers.IntegerField(help_text="By how much its order is overpaid afterwards.")
    late = serializers.BooleanField()


class SeriesTotalsSerializer(serializers.Serializer):
    """How many occurrences, how many fit, how many would be booked, and for how much."""

    occurrences = serializers.IntegerField()
    ok = serializers.IntegerField()
    planned = serializers.IntegerField()
    price_cents = serializers.IntegerField(help_text="What the sessions cost that would be used up; they are sold already.")
    currency = serializers.CharField()


class SeriesQuoteSerializer(serializers.Serializer):
    """What the series would book. Send ``token`` as ``quote`` with the same body to make exactly this happen, within ten minutes."""

    token = serializers.CharField()
    expires_at = serializers.DateTimeField()
    occurrences = QuotedOccurrenceSerializer(many=True)
    totals = SeriesTotalsSerializer()


class SeriesChangeTotalsSerializer(serializers.Serializer):
    """How many occurrences are concerned, how many change, and what that costs."""

    occurrences = serializers.IntegerField()
    planned = serializers.IntegerField()
    fee_cents = serializers.IntegerField()
    kept_cents = serializers.IntegerField()
    refund_cents = serializers.IntegerField()
    currency = serializers.CharField()


class SeriesChangeQuoteSerializer(serializers.Serializer):
    """What a change would do. Send ``token`` as ``quote`` with the same body to make exactly this happen, within ten minutes."""

    token = serializers.CharField()
    expires_at = serializers.DateTimeField()
    occurrences = ChangedOccurrenceSerializer(many=True)
    kept = serializers.ListField(child=serializers.IntegerField(), help_text="Bookings that were changed one by one and stay as they are.")
    totals = SeriesChangeTotalsSerializer()
