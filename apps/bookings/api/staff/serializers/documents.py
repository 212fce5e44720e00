from typing import ClassVar

from rest_framework import serializers

from apps.bookings.models import BookingDocument
from apps.core.api.reading import InputSerializer, ResourceSerializer


class DocumentSerializer(ResourceSerializer):
    """A file of a session; the file itself is at `documents/{id}/download/`. ``size`` and ``sha256`` are of what was kept:
    images are made anew from their pixels, so they differ from what was sent."""

    class Meta:
        model = BookingDocument
        fields: ClassVar = [
            "id",
            "booking",
            "client",
            "name",
            "kind",
            "content_type",
            "size",
            "sha256",
            "is_shared",
            "uploaded_by",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class DocumentUpload(InputSerializer):
    """A file for a session, sent as `multipart/form-data`."""

    file = serializers.FileField(
        allow_empty_file=True,  # the check of files says it in the words of files
        help_text="PDF, PNG, JPEG, WebP, docx or plain text (UTF-8) of at most 10 MiB; its name ends accordingly.",
    )
    kind = serializers.ChoiceField(
        choices=BookingDocument.Kind.choices, required=False, help_text="Left out: `image` for pictures, else `other`."
    )
    is_shared = serializers.BooleanField(default=True, help_text="Whether the client sees it.")


class DocumentChange(InputSerializer):
    """What may be changed; the file itself never is."""

    name = serializers.CharField(max_length=200, required=False, help_text="Keeps its extension.")
    kind = serializers.ChoiceField(choices=BookingDocument.Kind.choices, required=False)
    is_shared = serializers.BooleanField(required=False)
