"""What an account wants to know about its clients beyond what every account does."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint

from apps.core.constraints import TenantKey
from apps.core.models import TenantModel, history


class CustomField(TenantModel):
    """A field of ``Client.custom_fields`` that the account has declared: its values are checked and stored in one spelling.

    Keys that nobody declared stay allowed, as texts, numbers, booleans or lists.
    """

    class Kind(models.TextChoices):
        TEXT = "text"
        NUMBER = "number"
        INTEGER = "integer"
        BOOLEAN = "boolean"
        DATE = "date"
        CHOICE = "choice"
        CHOICES = "choices"

    WITH_OPTIONS = (Kind.CHOICE, Kind.CHOICES)

    key = models.CharField(max_length=64, help_text="Its name in custom_fields; cannot be changed.")
    label = models.CharField(max_length=100, help_text="What people read.")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    options = ArrayField(models.CharField(max_length=100), default=list, blank=True, help_text="What may be chosen (choice, choices).")
    is_required = models.BooleanField(default=False, help_text="Must have a value when a client is entered.")
    is_active = models.BooleanField(default=True, help_text="Inactive: values stay and are not checked any more.")
    position = models.PositiveSmallIntegerField(default=0)

    history = history()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="clients_customfield_tenant_key"),
            UniqueConstraint(
                fields=["account", "key"],
                name="clients_customfield_unique_key",
                violation_error_message="A custom field with this key exists already.",
            ),
            CheckConstraint(
                condition=Q(kind__in=("choice", "choices")) ^ Q(options=[]),
                name="clients_customfield_options",
                violation_error_message="Options belong to the kinds choice and choices, and these need some.",
            ),
        ]

    def __str__(self) -> str:
        return self.label
