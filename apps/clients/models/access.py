"""Links by e-mail with which a client without a password reaches their own things."""

from typing import ClassVar

from django.db import models
from django.db.models import CheckConstraint, F, Index, Q, UniqueConstraint

from apps.clients.models.client import Client
from apps.core.constraints import SameAccount
from apps.core.models import TenantForeignKey, TenantModel


class GuestAccess(TenantModel):
    """A link that was mailed to a client, and the guest token that it was opened for.

    Only digests are kept: of both secrets, and of the address that the link went to, which has to be the client's still when the token
    is used. ``expires_at`` is the link's end until it is opened, and the token's from then on.
    """

    client = TenantForeignKey(Client, models.CASCADE, related_name="guest_accesses", db_index=False)
    address_digest = models.CharField(max_length=64)
    link_digest = models.CharField(max_length=64)
    token_digest = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001  NULL: unopened links have none, and it is unique
    expires_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True, help_text="When the client signed out.")

    class Meta:
        verbose_name_plural = "guest accesses"
        constraints: ClassVar = [
            SameAccount("client", name="clients_guestaccess_client_account"),
            UniqueConstraint(fields=["account", "link_digest"], name="clients_guestaccess_unique_link"),
            UniqueConstraint(fields=["account", "token_digest"], name="clients_guestaccess_unique_token"),
            CheckConstraint(
                condition=Q(opened_at=None, token_digest=None) | Q(opened_at__isnull=False, token_digest__isnull=False),
                name="clients_guestaccess_token_when_opened",
            ),
            CheckConstraint(
                condition=Q(closed_at=None) | Q(opened_at__isnull=False, closed_at__gte=F("opened_at")),
                name="clients_guestaccess_closed_after_opened",
            ),
        ]
        indexes: ClassVar = [Index(fields=["account", "client", "expires_at"], name="clients_guestaccess_of")]

    def __str__(self) -> str:
        return f"guest access of client {self.client_id}"
