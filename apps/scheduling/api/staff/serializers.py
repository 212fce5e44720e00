from datetime import time
from itertools import pairwise
from typing import Any, ClassVar

from rest_framework import serializers

from apps.catalog.models import DAY_MINUTES
from apps.core.api.fields import ShapedField, WallTimeField
from apps.core.api.reading import InputSerializer, ResourceSerializer
from apps.scheduling.models import DateOverride, TimeOff, WeeklyHours

MAX_WINDOWS = 24


class WeeklyHoursSerializer(ResourceSerializer):
    """One opening of a week in the practitioner's local time; an end at or before the start lies on the next day."""

    class Meta:
        model = WeeklyHours
        fields: ClassVar = [
            "id",
            "practitioner",
            "weekday",
            "start",
            "end",
            "valid_from",
            "valid_to",
            "every_weeks",
            "anchor",
            "priority",
            "created_at",
            "updated_at",
        ]
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {"every_weeks": {"min_value": 1, "max_value": 52}}

    def build_standard_field(self, field_name: str, model_field: Any) -> Any:
        # A weekday is a number from 0; as a choice "0" and "monday" would be two more spellings of it.
        if field_name == "weekday":
            return self.serializer_field_mapping[type(model_field)], {"min_value": 0, "max_value": 6, "help_text": "0 is Monday."}
        return super().build_standard_field(field_name, model_field)

    def validate(self, hours: dict[str, Any]) -> dict[str, Any]:
        def value(name: str, otherwise: Any = None) -> Any:
            return hours.get(name, getattr(self.instance, name, otherwise))

        if value("every_weeks", 1) > 1 and value("anchor") is None:
            raise serializers.ValidationError({"anchor": "Say in which week the rhythm begins: any day of that week."})
        since, until = value("valid_from"), value("valid_to")
        if since and until and until < since:
            raise serializers.ValidationError({"valid_to": "This cannot lie before valid_from."})
        return hours


class WindowSerializer(InputSerializer):
    """An opening in local time; an end at or before the start lies on the next day."""

    start = WallTimeField()
    end = WallTimeField()


class DateOverrideSerializer(ResourceSerializer):
    """Other hours on one date: ``windows`` replace the day's hours (none: closed), or come on top of them (``adds``)."""

    windows = ShapedField(WindowSerializer, many=True, max_length=MAX_WINDOWS, required=False, help_text="Empty: closed.")

    class Meta:
        model = DateOverride
        fields: ClassVar = ["id", "practitioner", "date", "windows", "adds", "created_at", "updated_at"]

    def validate_windows(self, windows: list[dict[str, str]]) -> list[dict[str, str]]:
        spans = sorted(_minutes(window) for window in windows)
        if any(following[0] < end for (_, end), following in pairwise(spans)):
            raise serializers.ValidationError("Windows of one date may not overlap.")
        return windows


def _minutes(window: dict[str, str]) -> tuple[int, int]:
    """Start and end in minutes since the date's midnight on the wall."""
    start, end = (t.hour * 60 + t.minute for t in (time.fromisoformat(window["start"]), time.fromisoformat(window["end"])))
    return start, end if end > start else end + DAY_MINUTES


class TimeOffSerializer(ResourceSerializer):
    """A span without work, half-open. Without a practitioner it counts for the whole account."""

    class Meta:
        model = TimeOff
        fields: ClassVar = ["id", "practitioner", "starts_at", "ends_at", "reason", "created_at", "updated_at"]

    def validate(self, span: dict[str, Any]) -> dict[str, Any]:
        starts_at = span.get("starts_at", getattr(self.instance, "starts_at", None))
        ends_at = span.get("ends_at", getattr(self.instance, "ends_at", None))
        if starts_at and ends_at and ends_at <= starts_at:
            raise serializers.ValidationError({"ends_at": "This must lie after starts_at."})
        return span
