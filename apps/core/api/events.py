"""How events are shown, at whichever door."""

from typing import Any, ClassVar

from rest_framework import serializers

from apps.core.api.reading import Computed, ResourceSerializer
from apps.core.events import in_words
from apps.core.models import Event


class SubjectSerializer(serializers.Serializer):
    """What it happened to. ``version`` is the one after it, where the thing has versions (bookings)."""

    type = serializers.CharField(help_text="For example `bookings.booking`.")
    id = serializers.IntegerField()
    version = serializers.IntegerField(allow_null=True)


class LoggedEventSerializer(serializers.Serializer):
    """One thing that happened. Types, and what `changes` may hold, are in docs/events.md."""

    sequence = serializers.IntegerField(help_text="Its place; send the last one you have seen as `after`.")
    type = serializers.CharField(help_text="For example `booking.rescheduled`.")
    created_at = serializers.DateTimeField()
    subject = SubjectSerializer()
    client = serializers.IntegerField(allow_null=True, help_text="Whose client it is about.")
    actor = serializers.IntegerField(allow_null=True, help_text="The user who did it; null: nobody who had signed in, or a job.")
    source = serializers.CharField(  # type: ignore[assignment]  # the answer's key has the name of an attribute of DRF's
        help_text="Through which door: staff, customer, public, admin, command, job …"
    )
    changes = serializers.DictField(help_text="`{key: [before, after]}`")


class LogSerializer(serializers.Serializer):
    """A page of the log, oldest first."""

    results = LoggedEventSerializer(many=True)
    after = serializers.IntegerField(help_text="Where to go on, now or later.")
    next = serializers.URLField(allow_null=True, help_text="The next page, if there is one now.")
    previous = serializers.URLField(allow_null=True, help_text="Always null: a log is read forwards.")


def _subject(subject_type: str, subject_id: int, version: int | None) -> dict[str, Any]:
    return {"type": subject_type, "id": subject_id, "version": version}


class TimelineSerializer(ResourceSerializer):
    """What happened, in the business's own words, newest first."""

    sequence = serializers.IntegerField(source="id", read_only=True)
    says = Computed(in_words, needs=("type",), schema=serializers.CharField(help_text="The type in words."))
    subject = Computed(_subject, needs=("subject_type", "subject_id", "version"), schema=SubjectSerializer())
    actor = serializers.IntegerField(source="actor_id", read_only=True, allow_null=True)

    class Meta:
        model = Event
        fields: ClassVar[list[str]] = ["sequence", "type", "says", "created_at", "subject", "actor", "source", "changes"]
        read_only_fields = fields
