"""Accounts (tenants), who works in them, and the tokens they sign in with."""

import secrets
import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import CheckConstraint, Index, Q, UniqueConstraint
from knox.models import AbstractAuthToken

from apps.core.constraints import TenantKey
from apps.core.models import TenantModel, TimestampedModel, global_history, history
from apps.core.zones import validate_zone, zone_names
from apps.location.models import Country

__all__ = ["Account", "ApiToken", "Invitation", "Membership", "Role", "new_nonce", "validate_zone", "zone_names"]


class Role(models.TextChoices):
    """What a member is, from most to least powerful."""

    OWNER = "owner"
    MANAGER = "manager"
    PRACTITIONER = "practitioner"
    FRONT_DESK = "front_desk"
    BOOKKEEPER = "bookkeeper"


class Account(TimestampedModel):
    """One business. ``currency`` (ISO 4217) and ``timezone`` (IANA) are the defaults of everything it sells."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        CLOSED = "closed"

    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=63, unique=True)
    timezone = models.CharField(max_length=64, validators=[validate_zone])
    currency = models.CharField(max_length=3)
    country = models.ForeignKey(Country, models.PROTECT, related_name="accounts")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ACTIVE)
    settings = models.JSONField(default=dict, blank=True)

    history = global_history()

    class Meta:
        constraints: ClassVar = [CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="accounts_account_currency_code")]

    def __str__(self) -> str:
        return self.name


class Membership(TenantModel):
    """A user with a role in an account. An account always keeps at least one active owner."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role.choices)
    is_active = models.BooleanField(default=True)

    history = history()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="accounts_membership_tenant_key"),
            UniqueConstraint(fields=["account", "user"], name="accounts_membership_unique_user"),
        ]
        indexes: ClassVar = [Index(fields=["account", "-created_at", "-id"], name="accounts_membership_recent")]  # members/

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"


def new_nonce() -> str:
    """128 random bits."""
    return secrets.token_hex(16)


class Invitation(TenantModel):
    """An offer of a membership to one e-mail address: single use, at most 72 hours.

    The token in the mail is signed with the server's secret over account, id and ``nonce``; nothing in this row, nor in a
    dump of it, can be used as a token.
    """

    email = models.EmailField(max_length=254)
    role = models.CharField(max_length=16, choices=Role.choices)
    nonce = models.CharField(max_length=32, default=new_nonce, editable=False)
    expires_at = models.DateTimeField()
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, related_name="+", null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="accounts_invitation_tenant_key"),
            CheckConstraint(
                condition=Q(accepted_at=None) | Q(revoked_at=None),
                name="accounts_invitation_one_end",
            ),
        ]
        indexes: ClassVar = [Index(fields=["account", "-created_at", "-id"], name="accounts_invitation_recent")]  # invitations/

    def __str__(self) -> str:
        return f"{self.email} ({self.role})"


class ApiToken(AbstractAuthToken):
    """A token of one device, stored as its SHA-256 digest and shown once (``Authorization: Token …``)."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    label = models.CharField(max_length=100, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [CheckConstraint(condition=Q(digest__regex=r"^[0-9a-f]{64}$"), name="accounts_apitoken_digest")]

    def __str__(self) -> str:
        return f"{self.label or 'token'} of {self.user_id}"

    def natural_key(self) -> tuple[Any, ...]:
        return (self.public_id,)
