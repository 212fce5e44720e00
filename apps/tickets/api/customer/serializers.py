from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from rest_framework import serializers

from apps.core.api.reading import Computed, InputSerializer, ResourceSerializer
from apps.sites.api.addressing import parse_uuid
from apps.tickets.api.words import LongText, category_field, subject_field
from apps.tickets.lifecycle import client_actions
from apps.tickets.models import Priority, Ticket, TicketAttachment, TicketMessage


def actions_now(status: str, resolved_at: datetime | None) -> list[str]:
    """What you may do with a ticket of yours."""
    return client_actions(status, resolved_at, timezone.now())


class OwnTicketSerializer(ResourceSerializer):
    """Something that you have asked a business for. `reopen` is possible until 14 days after `resolved_at`."""

    account_slug = serializers.CharField(source="account.slug", read_only=True, help_text="What `?account=` takes.")
    account_name = serializers.CharField(source="account.name", read_only=True)
    site_id = serializers.UUIDField(source="site.site_id", read_only=True, allow_null=True)
    site_title = serializers.CharField(source="site.site_title", read_only=True, allow_null=True)
    allowed_actions = Computed(
        actions_now,
        needs=["status", "resolved_at"],
        schema=serializers.ListField(child=serializers.CharField(), read_only=True),
        help_text="What you may do now, as the last part of the action's address.",
    )

    class Meta:
        model = Ticket
        fields: ClassVar = [
            "id",
            "number",
            "account_slug",
            "account_name",
            "site_id",
            "site_title",
            "subject",
            "description",
            "category",
            "priority",
            "status",
            "opened_at",
            "resolved_at",
            "allowed_actions",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class SiteIdField(serializers.UUIDField):
    """A site's UUID in its usual spelling. Whose it is the service says: a foreign one and a missing one alike."""

    def to_internal_value(self, data: Any) -> UUID:
        found = parse_uuid(data)
        if found is None:
            self.fail("invalid", value=data)
        return found


class OwnTicketInput(InputSerializer):
    """What you ask for, and about which of your sites."""

    subject = subject_field()
    description = LongText(help_text="Plain text.")
    category = category_field(required=False, default="")
    priority = serializers.ChoiceField(choices=Priority.choices, default=Priority.NORMAL)
    site_id = SiteIdField(required=False, allow_null=True, default=None, help_text="Needed when you own several sites (`my-sites/`).")


class OwnTicketMessageSerializer(ResourceSerializer):
    """A message between you (`side` client) and the business (provider). ``body`` is plain text; escape it where you show it."""

    class Meta:
        model = TicketMessage
        fields: ClassVar = ["id", "ticket", "side", "body", "sent_at"]
        read_only_fields = fields


class OwnTicketMessageInput(InputSerializer):
    """A message to the business."""

    body = LongText()


class OwnTicketAttachmentSerializer(ResourceSerializer):
    """A file of a ticket of yours; the file itself is at `ticket-attachments/{id}/download/`."""

    class Meta:
        model = TicketAttachment
        fields: ClassVar = ["id", "ticket", "name", "content_type", "size", "created_at"]
        read_only_fields = fields


class OwnTicketAttachmentUpload(InputSerializer):
    """A file for a ticket of yours, sent as `multipart/form-data`."""

    file = serializers.FileField(
        allow_empty_file=True,  # the check of files says it in the words of files
        help_text="PDF, PNG, JPEG, WebP, docx or plain text (UTF-8) of at most 10 MiB; its name ends accordingly.",
    )


class OwnTicketCategorySerializer(serializers.Serializer):
    """A kind of question that a business of yours knows."""

    account_slug = serializers.CharField()
    name = serializers.CharField()
