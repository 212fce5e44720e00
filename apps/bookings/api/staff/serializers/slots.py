from rest_framework import serializers


class SlotSerializer(serializers.Serializer):
    start = serializers.DateTimeField(help_text="With the offset of the asked time zone.")
    end = serializers.DateTimeField()
    bookable_until = serializers.DateTimeField(help_text="When the minimum notice runs out.")
    practitioner = serializers.IntegerField()
    seats_left = serializers.IntegerField()
    price_cents = serializers.IntegerField()
    currency = serializers.CharField()


class ReasonSerializer(serializers.Serializer):
    """One obstacle. Codes are those of the errors that booking would answer."""

    code = serializers.CharField(
        help_text="`notice_too_short`, `beyond_horizon`, `outside_hours`, `slot_taken` or `limit_reached`; `validation_error` when the "
        "service is not offered."
    )
    rule = serializers.CharField(
        help_text="What caused it: `past`, `min_notice`, `horizon`, `season`, `weekly_hours`, `no_weekly_hours`, `date_override:<date>`, "
        "`time_off:<id>`, `closure:<id>` (time off of the whole account), `padding`, `booking`, `buffer`, `seats`, `slot_step`, or a "
        "limit such as `service.per_day`, `practitioner.minutes_per_week`, `client.per_month`."
    )
    detail = serializers.CharField(help_text="A sentence for a person; it names nobody.")
    practitioner = serializers.IntegerField(allow_null=True, help_text="Whose obstacle it is.")


class SlotListSerializer(serializers.Serializer):
    """Bookable starts, in the asked time zone; with `explain` what stands in the way of one start."""

    timezone = serializers.CharField()
    slots = SlotSerializer(many=True, required=False, help_text="With `from` and `to`.")
    bookable = serializers.BooleanField(required=False, help_text="With `explain`: at least one of the asked practitioners is free then.")
    reasons = ReasonSerializer(
        many=True,
        required=False,
        help_text="With `explain`: everything that is in the way, by practitioner, first what booking meets first.",
    )
    nearest = SlotSerializer(
        many=True, required=False, help_text="With `explain`: the five bookable starts closest to it, at most 14 days away."
    )
