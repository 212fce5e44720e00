"""Inputs of the actions of a booking, shared by every door."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from apps.bookings.api.wall import WallStartField, known_zone, start_from_input
from apps.bookings.models import Side
from apps.bookings.services.claims import Override
from apps.catalog.models import Practitioner
from apps.core.api.fields import InstantField, StrictIntegerField
from apps.core.api.reading import InputSerializer, ScopedRelatedField
from apps.core.errors import StaleVersion

ANYBODY = "any"


@extend_schema_field({"oneOf": [{"type": "integer"}, {"type": "string", "enum": [ANYBODY]}]})
class PractitionerField(ScopedRelatedField):
    """A practitioner's id, or ``any`` for whoever is free, which becomes None."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(model=Practitioner, help_text="An id, or `any` for whoever is free.", **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        return None if data == ANYBODY else super().to_internal_value(data)


class VersionInput(InputSerializer):
    """``version`` is the one the caller has seen; an older one is refused with 412 (the same as ``If-Match``)."""

    version = StrictIntegerField(min_value=1, required=False, allow_null=True, default=None)


class OverridableInput(VersionInput):
    """``override`` bends notice, horizon, hours, limits, overlap and early completion, and needs a ``reason``."""

    override = serializers.BooleanField(default=False)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["override"] and not attrs["reason"]:
            raise serializers.ValidationError({"reason": ["An override needs a reason."]})
        attrs["override"] = Override(attrs["reason"]) if attrs.pop("override") else None
        return attrs


class StartInput(OverridableInput):
    """A start: ``start_time`` with its offset, or ``local_start`` as the wall clock of ``timezone`` (default: the account's) shows it.

    A wall time that the clock skips is 400 `local_time_missing`, one that it shows twice 400 `local_time_ambiguous`.
    """

    start_time = InstantField(required=False)
    local_start = WallStartField(required=False)
    timezone = serializers.CharField(max_length=64, required=False, validators=[known_zone], help_text="IANA name; for local_start only.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        local, zone = attrs.pop("local_start", None), attrs.pop("timezone", None)
        if (local is None) == ("start_time" not in attrs):
            raise serializers.ValidationError({"start_time": ["Send either start_time or local_start."]})
        if local is not None:
            attrs["start_time"] = start_from_input(local, zone or self.context["account"].timezone)
        return attrs


class ScheduleInput(StartInput):
    """A session gets its time. Of ``any`` practitioner who is free one is chosen, and why is kept in ``allocation``."""

    practitioner = PractitionerField()
    attendee_name = serializers.CharField(
        max_length=255, required=False, allow_blank=True, default="", help_text="Who comes, when it is not the client."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        attrs.pop("reason")
        return attrs


class HoldInput(ScheduleInput):
    """A session's time is kept for some minutes (default: the account's setting) until it is confirmed."""

    minutes = StrictIntegerField(min_value=1, max_value=60, required=False, allow_null=True, default=None)


UNCHANGED: dict[str, Any] = {"required": False, "allow_null": True, "default": None}


class RescheduleInput(StartInput):
    """Another start, and perhaps another practitioner (left out: the same; ``any``: whoever is free, the same first).

    ``by`` says whose wish it is: a client's move is bound to the policy, the business's is not and opens free cancellation.
    ``quote`` is the token of reschedule/quote/.
    """

    practitioner = PractitionerField(**UNCHANGED)
    by = serializers.ChoiceField(choices=[Side.CLIENT, Side.PROVIDER], default=Side.CLIENT)
    waive = serializers.BooleanField(default=False, help_text="No fee for a late move; needs a reason.")
    quote = serializers.CharField(max_length=1000, required=False, allow_null=True, default=None)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if attrs["waive"] and not attrs["reason"]:
            raise serializers.ValidationError({"reason": ["Waiving a fee needs a reason."]})
        attrs["anybody"] = isinstance(self.initial_data, dict) and self.initial_data.get("practitioner") == ANYBODY
        return attrs


class CancelInput(VersionInput):
    """``by`` says whose wish it is: the client's is bound to the policy, the business's gives everything back.

    ``waive`` drops the client's fee and needs a reason. ``quote`` is the token of cancel/quote/.
    """

    by = serializers.ChoiceField(choices=[Side.CLIENT, Side.PROVIDER], default=Side.CLIENT)
    waive = serializers.BooleanField(default=False)
    void = serializers.BooleanField(default=False, help_text="Take an unscheduled session of a package off its order.")
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    quote = serializers.CharField(max_length=1000, required=False, allow_null=True, default=None)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["waive"] and not attrs["reason"]:
            raise serializers.ValidationError({"reason": ["Waiving a fee needs a reason."]})
        return attrs


class NoShowInput(VersionInput):
    """``waive`` gives the session back for nothing and needs a reason. ``quote`` is the token of no-show/quote/."""

    waive = serializers.BooleanField(default=False)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    quote = serializers.CharField(max_length=1000, required=False, allow_null=True, default=None)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["waive"] and not attrs["reason"]:
            raise serializers.ValidationError({"reason": ["Waiving a fee needs a reason."]})
        return attrs


class ReasonInput(VersionInput):
    """A reason, kept in the log."""

    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class TenderSerializer(serializers.Serializer):
    """What goes back to one payment."""

    payment = serializers.IntegerField()
    method = serializers.CharField()
    amount_cents = serializers.IntegerField()


class QuotedSessionSerializer(serializers.Serializer):
    """What becomes of a session: ``returned`` (a draft again), ``consumed``, ``cancelled`` or ``moved``."""

    id = serializers.IntegerField()
    outcome = serializers.ChoiceField(choices=["returned", "consumed", "cancelled", "moved"])
    price_cents = serializers.IntegerField(help_text="The session's share of its order.")


class TierAppliedSerializer(serializers.Serializer):
    """Why it costs what it costs; ``hours_before`` names the tier."""

    why = serializers.ChoiceField(choices=["free", "grace", "tier", "beyond_tiers", "no_show", "waived", "provider"])
    hours_before = serializers.IntegerField(allow_null=True)


class EndingQuoteSerializer(serializers.Serializer):
    """What a cancellation or no-show would cost. Send ``token`` as ``quote`` to make exactly this happen, within ten minutes."""

    token = serializers.CharField()
    expires_at = serializers.DateTimeField()
    fee_cents = serializers.IntegerField(help_text="Fee added to the order; negative when earlier fees go back.")
    kept_cents = serializers.IntegerField(help_text="Price of the session that is used up by it.")
    refund_cents = serializers.IntegerField(help_text="By how much the order is overpaid afterwards.")
    currency = serializers.CharField()
    late = serializers.BooleanField()
    tier = TierAppliedSerializer()
    per_tender = TenderSerializer(many=True)
    sessions = QuotedSessionSerializer(many=True)


class MoveQuoteSerializer(serializers.Serializer):
    """What a move would cost. Send ``token`` as ``quote`` to make exactly this happen, within ten minutes."""

    token = serializers.CharField()
    expires_at = serializers.DateTimeField()
    start_time = serializers.DateTimeField()
    end_time = serializers.DateTimeField()
    practitioner = serializers.IntegerField()
    late = serializers.BooleanField()
    fee_cents = serializers.IntegerField()
    refund_cents = serializers.IntegerField()
    currency = serializers.CharField()
    sessions = QuotedSessionSerializer(many=True)


def etag(booking: dict[str, Any]) -> dict[str, str]:
    """The header that goes with a booking: its version, to be sent back as If-Match."""
    return {"ETag": f'"{booking["version"]}"'}


def with_version(request: Request, data: dict[str, Any]) -> dict[str, Any]:
    """``version`` from the body, or from If-Match (the ETag of the booking); one that is not a number is not the current one."""
    header = request.headers.get("If-Match", "").strip()
    if data.get("version") is None and header and header != "*":
        text = header.removeprefix("W/").strip('"')
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise StaleVersion
        data["version"] = int(text)
    return data
