from typing import Any, ClassVar

from rest_framework import serializers

from apps.accounts.models import Membership
from apps.catalog.models import Practitioner, Service
from apps.clients.models import Client
from apps.core.api.fields import InstantField, OneLineField, StrictIntegerField
from apps.core.api.reading import Computed, InputSerializer, ResourceSerializer, ScopedRelatedField
from apps.orders.models import Order
from apps.sites.api.addressing import SiteField
from apps.tickets.api.words import MAX_CATEGORY, MAX_NOTE, LongText, category_field, subject_field
from apps.tickets.lifecycle import allowed_actions
from apps.tickets.models import (
    Priority,
    SlaTarget,
    SupportHours,
    Ticket,
    TicketAttachment,
    TicketCategory,
    TicketMessage,
    TicketTime,
)
from apps.tickets.models.terms import MOST_MINUTES


class TicketSerializer(ResourceSerializer):
    """What a client asks for. ``subject`` and ``description`` are plain text; escape them where you show them.

    The due times count your support hours. They are null while the ticket waits for its client, and `…_overdue_at` says since when you
    know that one has passed.
    """

    client_name = serializers.CharField(source="client.full_name", read_only=True)
    customer = serializers.IntegerField(source="client.customer_id", read_only=True, allow_null=True)
    site_id = serializers.UUIDField(source="site.site_id", read_only=True, allow_null=True)
    site_title = serializers.CharField(source="site.site_title", read_only=True, allow_null=True)
    assignee_email = serializers.CharField(source="assignee.user.email", read_only=True, allow_null=True)
    allowed_actions = Computed(
        allowed_actions,
        needs=["status"],
        schema=serializers.ListField(child=serializers.CharField(), read_only=True),
        help_text="What the state allows now, as the last part of the action's address.",
    )

    class Meta:
        model = Ticket
        fields: ClassVar = [
            "id",
            "number",
            "client",
            "client_name",
            "customer",
            "site_id",
            "site_title",
            "subject",
            "description",
            "category",
            "priority",
            "status",
            "status_changed_at",
            "assignee",
            "assignee_email",
            "source",
            "opened_at",
            "first_answered_at",
            "first_answer_due_at",
            "first_answer_overdue_at",
            "solution_due_at",
            "solution_overdue_at",
            "resolved_at",
            "allowed_actions",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class MemberField(ScopedRelatedField):
    """A member by id; whoever does not work here any more is refused by the service."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(model=Membership, **kwargs)


class TicketInput(InputSerializer):
    """A ticket for a client, who called or wrote elsewhere. Its site has to be theirs."""

    client = ScopedRelatedField(model=Client)
    site_id = SiteField(required=False, allow_null=True, default=None, help_text="The site's UUID; without it the ticket is about none.")
    subject = subject_field()
    description = LongText(help_text="Plain text; the client reads it.")
    category = category_field(required=False, default="")
    priority = serializers.ChoiceField(choices=Priority.choices, default=Priority.NORMAL)
    assignee = MemberField(required=False, allow_null=True, default=None)


class TicketChange(InputSerializer):
    """What may be changed; the description is the client's and never is."""

    subject = subject_field(required=False)
    category = category_field(required=False)
    priority = serializers.ChoiceField(
        choices=Priority.choices, required=False, help_text="Another priority has other due times, counted from the beginning."
    )


class TicketAssignInput(InputSerializer):
    """Who looks after the ticket from now on; null: nobody."""

    assignee = MemberField(allow_null=True)


class TicketMessageSerializer(ResourceSerializer):
    """One message. ``internal`` ones are seen by staff only. ``body`` is plain text; escape it where you show it."""

    internal = serializers.BooleanField(source="is_internal", read_only=True)
    author_email = serializers.CharField(source="author.email", read_only=True, allow_null=True)

    class Meta:
        model = TicketMessage
        fields: ClassVar = ["id", "ticket", "side", "internal", "body", "author", "author_email", "sent_at", "created_at"]
        read_only_fields = fields


class TicketMessageInput(InputSerializer):
    """A message to the client, or an ``internal`` one for staff, which the client never sees."""

    body = LongText()
    internal = serializers.BooleanField(default=False)


class TicketAttachmentSerializer(ResourceSerializer):
    """A file of a ticket; the file itself is at `ticket-attachments/{id}/download/`. ``size`` is that of what was kept."""

    internal = serializers.BooleanField(source="is_internal", read_only=True)

    class Meta:
        model = TicketAttachment
        fields: ClassVar = [
            "id",
            "ticket",
            "client",
            "name",
            "content_type",
            "size",
            "sha256",
            "internal",
            "uploaded_by",
            "created_at",
        ]
        read_only_fields = fields


class TicketAttachmentUpload(InputSerializer):
    """A file for a ticket, sent as `multipart/form-data`."""

    file = serializers.FileField(
        allow_empty_file=True,  # the check of files says it in the words of files
        help_text="PDF, PNG, JPEG, WebP, docx or plain text (UTF-8) of at most 10 MiB; its name ends accordingly.",
    )
    internal = serializers.BooleanField(default=False, help_text="Whether it is kept from the client.")


class TicketTimeSerializer(ResourceSerializer):
    """Work on a ticket, and the session of the client's that it used up. ``minutes`` is what it really took."""

    order = serializers.IntegerField(source="booking.order_id", read_only=True)
    practitioner = serializers.IntegerField(source="booking.practitioner_id", read_only=True)
    practitioner_name = serializers.CharField(source="booking.practitioner.display_name", read_only=True)
    service_name = serializers.CharField(source="booking.service.name", read_only=True)
    start_time = serializers.DateTimeField(source="booking.start_time", read_only=True)

    class Meta:
        model = TicketTime
        fields: ClassVar = [
            "id",
            "ticket",
            "booking",
            "order",
            "practitioner",
            "practitioner_name",
            "service_name",
            "start_time",
            "minutes",
            "note",
            "logged_by",
            "created_at",
        ]
        read_only_fields = fields


class TicketTimeInput(InputSerializer):
    """Work that was done: when it began, and whose sessions pay for it."""

    practitioner = ScopedRelatedField(model=Practitioner, help_text="Who did it; they offer the session's service.")
    start_time = InstantField(help_text="When it began. It is over by now.")
    order = ScopedRelatedField(
        model=Order,
        required=False,
        allow_null=True,
        default=None,
        help_text="The client's package to draw from; without it, the one that ends first.",
    )
    service = ScopedRelatedField(
        model=Service, required=False, allow_null=True, default=None, help_text="Draw a session of this service only."
    )
    minutes = StrictIntegerField(
        min_value=1,
        max_value=1440,
        required=False,
        allow_null=True,
        default=None,
        help_text="How long it took, at most the session; left out: all of it.",
    )
    note = OneLineField(max_length=MAX_NOTE, required=False, allow_blank=True, default="", help_text="For staff.")


class TicketCategorySerializer(ResourceSerializer):
    """A kind of question. While you have active ones, a new ticket names one of them or none. Renaming changes no older ticket."""

    name = OneLineField(max_length=MAX_CATEGORY)

    class Meta:
        model = TicketCategory
        fields: ClassVar = ["id", "name", "is_active", "created_at", "updated_at"]


class SlaTargetSerializer(ResourceSerializer):
    """How soon you answer and solve tickets of one priority, in minutes of your support hours.

    A priority without one has the defaults: urgent 60 and 480 minutes, high 240 and 1440, normal 480 and 4320, low 1440 and 7200. A change
    counts for tickets whose priority or state changes afterwards.
    """

    class Meta:
        model = SlaTarget
        fields: ClassVar = ["id", "priority", "first_answer_minutes", "solution_minutes", "created_at", "updated_at"]
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {
            "first_answer_minutes": {"min_value": 1, "max_value": MOST_MINUTES},
            "solution_minutes": {"min_value": 1, "max_value": MOST_MINUTES, "help_text": "Not less than for the first answer."},
        }


class SupportHoursSerializer(ResourceSerializer):
    """An opening of your support's week, in your account's time zone; an `end` at or before the `start` lies on the next day.

    Without any you are open from Monday to Friday, 09:00 to 17:00. Time off of the whole account closes the support, too.
    """

    class Meta:
        model = SupportHours
        fields: ClassVar = ["id", "weekday", "start", "end", "created_at", "updated_at"]
        extra_kwargs: ClassVar[dict[str, dict[str, Any]]] = {"weekday": {"help_text": "0 is Monday."}}
