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
    merged_ids = ArrayField(
        models.BigIntegerField(), db_default=[], default=list, blank=True, help_text="The records that were merged into this one."
    )
    blocked_at = models.DateTimeField(null=True, blank=True, help_text="Since when nothing is sold to them online.")
    blocked_reason = models.CharField(max_length=500, blank=True, db_default="")
    blocked_by = TenantForeignKey(Membership, models.SET_NULL, related_name="+", null=True, blank=True, db_index=False)
    legal_hold_reason = models.CharField(max_length=500, blank=True, db_default="", help_text="Why this person must not be erased.")
    legal_hold_until = models.DateField(null=True, blank=True, help_text="The last day of it; empty: until it is lifted.")
    email_key = models.CharField(
        max_length=1024, blank=True, db_default="", editable=False, help_text="Kept by a trigger: the address in its normal spelling."
    )
    search_text = models.TextField(blank=True, db_default="", editable=False, help_text="Kept by a trigger: what search compares.")

    objects: ClassVar[Any] = scoped(ClientQuerySet)
    history = history(excluded_fields=["merged_ids", "blocked_by", "email_key", "search_text"])

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="clients_client_tenant_key"),
            SameAccount("owner", name="clients_client_owner_account"),
            SameAccount("merged_into", name="clients_client_merged_account"),
            SameAccount("blocked_by", name="clients_client_blocked_by_account"),
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
            Index(fields=["account", "phone_number"], condition=~Q(phone_number=""), name="clients_client_by_phone"),  # duplicates
            Index(  # the client with an address, here or, when a login proves it, in any account
                fields=["email_key", "account"], condition=~Q(email_key="") & Q(merged_into=None), name="clients_client_by_email"
            ),
            Index(  # clients/?search=, read without the table (the policy for people's own rows asks for the customer)
                fields=["account", "id"],
                include=["customer", "search_text"],
                condition=Q(merged_into=None),
                name="clients_client_search",
            ),
            Index(  # clients/?is_blocked=true
                fields=["account", "-created_at", "-id"], condition=Q(blocked_at__isnull=False), name="clients_client_blocked"
            ),
            Index(fields=["blocked_by"], condition=Q(blocked_by__isnull=False), name="clients_client_blocked_by"),  # a member is deleted
        ]

    def __str__(self) -> str:
        return self.full_name

    @property
    def concerned_client_id(self) -> int:
        return self.pk

    @property
    def all_ids(self) -> list[int]:
        """Under which the business has known this person: documents of the books keep the id that they were written with."""
        return [self.pk, *self.merged_ids]
