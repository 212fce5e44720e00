"""A person in one account."""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Index, Q, UniqueConstraint
from django.db.models.functions import Lower
from phonenumber_field.modelfields import PhoneNumberField

from apps.accounts.models import Membership
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel, history, scoped
from apps.users.models import Customer


class ClientQuerySet(models.QuerySet):
    def current(self) -> "ClientQuerySet":
        """Without the rows that were merged into another."""
        return self.filter(merged_into=None)


class Client(TenantModel):
    """A person in one account's CRM: a customer with a login, or a lead without one."""

    class Stage(models.TextChoices):
        LEAD = "lead"
        ACTIVE = "active"
        INACTIVE = "inactive"
        ARCHIVED = "archived"

    class TaxCode(models.TextChoices):
        """Why no tax is charged."""

        EXEMPT = "exempt"
        REVERSE_CHARGE = "reverse_charge"

    customer = models.ForeignKey(Customer, models.PROTECT, related_name="clients", null=True, blank=True)
    full_name = models.CharField(max_length=255)
    email = models.EmailField(max_length=254, blank=True)
    phone_number = PhoneNumberField(blank=True)
    stage = models.CharField(max_length=10, choices=Stage.choices, default=Stage.ACTIVE)
    source = models.CharField(max_length=50, blank=True)
    owner = TenantForeignKey(Membership, models.SET_NULL, related_name="owned_clients", null=True, blank=True)
    tags = ArrayField(models.CharField(max_length=50), default=list, blank=True)
    custom_fields = models.JSONField(default=dict, blank=True)
    consents = models.JSONField(default=dict, blank=True)
    tax_id = models.CharField(max_length=32, blank=True, db_default="", help_text="VAT number or the like, printed on invoices.")
    tax_code = models.CharField(
        max_length=16, choices=TaxCode.choices, blank=True, db_default="", help_text="Why this client is charged no tax; empty: they are."
    )
    billing_address = models.TextField(max_length=500, blank=True, db_default="", help_text="As invoices print it, line by line.")
    merged_into = TenantForeignKey("self", models.SET_NULL, related_name="merged_from", null=True, blank=True)

    objects: ClassVar[Any] = scoped(ClientQuerySet)
    history = history()

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="clients_client_tenant_key"),
            SameAccount("owner", name="clients_client_owner_account"),
            SameAccount("merged_into", name="clients_client_merged_account"),
            UniqueConstraint(fields=["account", "customer"], name="clients_client_unique_customer"),
            UniqueConstraint(
                F("account"),
                Lower("email"),
                condition=~Q(email="") & Q(merged_into=None),
                name="clients_client_unique_email",
                violation_error_message="A client with this e-mail exists already.",
            ),
        ]
        indexes: ClassVar = [
            Index(fields=["account", "-created_at", "-id"], name="clients_client_recent"),  # clients/
            Index(fields=["account", "full_name", "id"], name="clients_client_by_name"),  # clients/?ordering=full_name
            Index(fields=["account", "updated_at", "id"], name="clients_client_by_update"),  # clients/?updated_since=
        ]

    def __str__(self) -> str:
        return self.full_name

    @property
    def concerned_client_id(self) -> int:
        return self.pk
