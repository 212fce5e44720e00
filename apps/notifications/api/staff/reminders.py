from typing import Any, ClassVar

from django.db import models
from django_filters import rest_framework as filters
from rest_framework import serializers

from apps.accounts.api.doors import StaffViewSet
from apps.bookings.models import Booking
from apps.clients.api.own import OwnClientsViewSet
from apps.core.api.doors import ListMixin, ResourceMixin, RetrieveMixin
from apps.core.api.fields import StrictIntegerField
from apps.core.api.listing import FilterSet, FlagFilter, ScopedChoiceFilter
from apps.core.api.reading import Computed, ResourceSerializer
from apps.notifications.models import Channel, Reminder, ReminderRule
from apps.notifications.models.reminders import MOST_MINUTES
from apps.notifications.services.reminder_rules import change_rule, create_rule, delete_rule


class ReplanningSerializer(serializers.Serializer):
    """How far the sessions ahead follow the rule's last change."""

    is_done = serializers.BooleanField()
    sessions = serializers.IntegerField(help_text="Sessions that were looked at since.")


class ReminderRuleSerializer(ResourceSerializer):
    """Clients are reminded this long before their session, on each of the channels. An account may have several rules.

    A change reaches the sessions ahead within moments, by a job (`replanning`); what would have been due before the change is not sent
    late. Of one start nobody is reminded twice by the same rule.
    """

    channels = serializers.ListField(
        child=serializers.ChoiceField(choices=Channel.choices),
        allow_empty=False,
        max_length=len(Channel),
        help_text="`in_app` reaches clients who sign in, `email` and `sms` those with an address; who chose otherwise is left out.",
    )
    replanning = Computed(
        lambda through, planned: {"is_done": through is None, "sessions": planned},
        needs=["replanned_through", "replanned"],
        schema=ReplanningSerializer(),
    )

    class Meta:
        model = ReminderRule
        fields: ClassVar = ["id", "minutes_before", "channels", "service", "is_active", "replanning", "created_at", "updated_at"]
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            "minutes_before": {"min_value": 10, "max_value": MOST_MINUTES},
            "service": {"help_text": "Only sessions of this service; null: of all."},
        }


class ReminderRuleFilter(FilterSet):
    is_active = FlagFilter()

    class Meta:
        model = ReminderRule
        fields: ClassVar[list[str]] = []


class ReminderRuleViewSet(ResourceMixin, StaffViewSet):
    """When clients are reminded of their sessions.

    Quiet hours are settings of the account (`reminder_quiet_from`, `reminder_quiet_to`, in the client's time zone): what would fall
    into them comes at their end, or at their beginning when that would be less than half an hour before the start. A rule that has
    reminders cannot be deleted (409 `in_use`), only deactivated.
    """

    model = ReminderRule
    serializer_class = ReminderRuleSerializer
    filterset_class = ReminderRuleFilter
    orderings: ClassVar[dict[str, str]] = {
        "created_at": "created_at",
        "updated_at": "updated_at",
        "minutes_before": "minutes_before",
    }
    default_ordering = "-minutes_before"

    def perform_create(self, serializer: Any) -> models.Model:
        return create_rule(self.account, **serializer.validated_data)

    def perform_update(self, serializer: Any) -> None:
        change_rule(serializer.instance, **serializer.validated_data)

    def perform_destroy(self, instance: ReminderRule) -> None:
        delete_rule(instance)


class ReminderSerializer(ResourceSerializer):
    """One reminder of one version of a session: planned, sent, or skipped with a reason."""

    rule_minutes_before = StrictIntegerField(source="rule.minutes_before", read_only=True)

    class Meta:
        model = Reminder
        fields: ClassVar = [
            "id",
            "booking",
            "version",
            "rule",
            "rule_minutes_before",
            "channel",
            "start_time",
            "due_at",
            "state",
            "reason",
            "sent_at",
            "delivery",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            "due_at": {"help_text": "After quiet hours were considered."},
            "delivery": {"help_text": "The mail or short message, once it was written."},
        }


class ReminderFilter(FilterSet):
    booking = ScopedChoiceFilter(model=Booking)
    state = filters.ChoiceFilter(choices=Reminder.State.choices)

    class Meta:
        model = Reminder
        fields: ClassVar[list[str]] = []


class ReminderViewSet(ListMixin, RetrieveMixin, OwnClientsViewSet):
    """What clients were, will be and will not be reminded of; `?booking=` narrows to one session."""

    model = Reminder
    client_path = "booking__client_id"
    serializer_class = ReminderSerializer
    filterset_class = ReminderFilter
