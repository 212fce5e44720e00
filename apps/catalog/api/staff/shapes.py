"""The JSON shapes of a service and a practitioner: limits and cancellation policy (api.md, rules.md §3)."""

from typing import Any

from rest_framework import serializers

from apps.catalog.models import DAY_MINUTES
from apps.core.api.fields import StrictIntegerField
from apps.core.api.reading import InputSerializer

MAX_CENTS = 10**12
MAX_SESSIONS = 10_000
MAX_HOURS = 365 * 24
MAX_TIERS = 20


class LimitsSerializer(InputSerializer):
    """How much may be booked in a local day, week (from Monday) or month: sessions, or minutes. A missing key: no limit."""

    per_day = StrictIntegerField(min_value=1, max_value=MAX_SESSIONS, required=False)
    per_week = StrictIntegerField(min_value=1, max_value=MAX_SESSIONS, required=False)
    per_month = StrictIntegerField(min_value=1, max_value=MAX_SESSIONS, required=False)
    minutes_per_day = StrictIntegerField(min_value=1, max_value=DAY_MINUTES, required=False)
    minutes_per_week = StrictIntegerField(min_value=1, max_value=7 * DAY_MINUTES, required=False)
    minutes_per_month = StrictIntegerField(min_value=1, max_value=31 * DAY_MINUTES, required=False)


class ServiceLimitsSerializer(LimitsSerializer):
    """Limits of a service over all practitioners and clients; those in ``client`` hold for each client by themselves."""

    client = LimitsSerializer(required=False)


class FeeSerializer(InputSerializer):
    """``value`` is cents for ``fixed`` and whole per cent of the session's amount for ``percent``."""

    kind = serializers.ChoiceField(choices=["none", "fixed", "percent"])
    value = StrictIntegerField(min_value=0, max_value=MAX_CENTS, required=False)

    def validate(self, fee: dict[str, Any]) -> dict[str, Any]:
        kind, value = fee["kind"], fee.get("value")
        if kind == "none" and value:
            raise serializers.ValidationError({"value": "A fee of kind none has no value."})
        if kind != "none" and value is None:
            raise serializers.ValidationError({"value": "This field is required."})
        if kind == "percent" and value is not None and value > 100:
            raise serializers.ValidationError({"value": "A percentage lies between 0 and 100."})
        return fee


class ConsequenceSerializer(InputSerializer):
    """What a cancellation or a no-show costs: a fee, and whether the session comes back."""

    fee = FeeSerializer()
    session = serializers.ChoiceField(choices=["returned", "consumed"])


class TierSerializer(ConsequenceSerializer):
    """Applies when at least ``hours_before`` hours of elapsed time are left until the start."""

    hours_before = StrictIntegerField(min_value=0, max_value=MAX_HOURS)


class GraceSerializer(InputSerializer):
    """Free for ``minutes`` after booking when the start is more than ``if_hours_away`` hours away."""

    minutes = StrictIntegerField(min_value=0, max_value=7 * DAY_MINUTES)
    if_hours_away = StrictIntegerField(min_value=0, max_value=MAX_HOURS)


class CancellationPolicySerializer(InputSerializer):
    """Tiers by hours before the start, what a no-show costs, free moves per session and a grace after booking."""

    tiers = TierSerializer(many=True, required=False, max_length=MAX_TIERS)  # type: ignore[call-arg]  # many takes it
    no_show = ConsequenceSerializer(required=False)
    free_moves = StrictIntegerField(min_value=0, max_value=1000, required=False)
    grace = GraceSerializer(required=False)

    def validate_tiers(self, tiers: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if len({tier["hours_before"] for tier in tiers}) < len(tiers):
            raise serializers.ValidationError("Two tiers have the same hours_before.")
        return tiers
