"""Calendar feeds: secret addresses at which sessions can be read by any calendar program."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.indexes import BTreeIndex
from django.db import models
from django.db.models import CheckConstraint, Q, UniqueConstraint

from apps.catalog.models import Practitioner
from apps.clients.models import Client
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel


class CalendarFeed(TenantModel):
    """The sessions of one practitioner or of one client, for whoever knows the token in the address; only its digest is kept.

    A token outlives nothing: the feed answers only while those who were shown its address belong here. ``made_by`` made it, at the
    staff door as a member (``by_member``) or at the customer door as the client; ``handed_to`` is the login its practitioner had then.
    """

    class Detail(models.TextChoices):
        FULL = "full"
        BUSY = "busy"

    practitioner = TenantForeignKey(Practitioner, models.CASCADE, related_name="calendar_feeds", null=True, blank=True)
    client = TenantForeignKey(Client, models.CASCADE, related_name="calendar_feeds", null=True, blank=True)
    detail = models.CharField(max_length=4, choices=Detail.choices, default=Detail.FULL)
    label = models.CharField(max_length=100, blank=True)
    token_digest = models.CharField(max_length=64, editable=False)
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", null=True, blank=True)
    by_member = models.BooleanField(default=True)
    handed_to = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_read_at = models.DateTimeField(null=True, blank=True, help_text="To the minute.")

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="integrations_calendarfeed_tenant_key"),
            SameAccount("practitioner", name="integrations_calendarfeed_practitioner_account"),
            SameAccount("client", name="integrations_calendarfeed_client_account"),
            UniqueConstraint(fields=["account", "token_digest"], name="integrations_calendarfeed_unique_token"),
            CheckConstraint(
                condition=Q(practitioner__isnull=False, client=None) | Q(practitioner=None, client__isnull=False),
                name="integrations_calendarfeed_of_one",
            ),
        ]
        indexes: ClassVar = [BTreeIndex(fields=["account", "-created_at", "-id"], name="integrations_calendarfeed_all")]  # calendar-feeds/

    def __str__(self) -> str:
        return self.label or f"feed {self.pk}"
