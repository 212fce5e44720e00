"""Strangers to whom nothing is sold online. Clients of the account are blocked on their own row."""

from typing import ClassVar

from django.db import models
from django.db.models import CheckConstraint, F, Q, UniqueConstraint
from django.db.models.functions import Lower
from phonenumber_field.modelfields import PhoneNumberField

from apps.accounts.models import Membership
from apps.core.constraints import SameAccount, TenantKey
from apps.core.models import TenantForeignKey, TenantModel


class BlockedContact(TenantModel):
    """An e-mail address, a phone number, or both, that may not buy or book online here."""

    email = models.EmailField(max_length=254, blank=True)
    phone_number = PhoneNumberField(blank=True)
    reason = models.CharField(max_length=500, blank=True)
    author = TenantForeignKey(Membership, models.SET_NULL, related_name="+", null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            TenantKey(name="clients_blockedcontact_tenant_key"),
            SameAccount("author", name="clients_blockedcontact_author_account"),
            CheckConstraint(
                condition=~Q(email="") | ~Q(phone_number=""),
                name="clients_blockedcontact_contact",
                violation_error_message="Send an e-mail address or a phone number.",
            ),
            UniqueConstraint(
                F("account"),
                Lower("email"),
                condition=~Q(email=""),
                name="clients_blockedcontact_unique_email",
                violation_error_message="This e-mail address is blocked already.",
            ),
            UniqueConstraint(
                fields=["account", "phone_number"],
                condition=~Q(phone_number=""),
                name="clients_blockedcontact_unique_phone",
                violation_error_message="This phone number is blocked already.",
            ),
        ]

    def __str__(self) -> str:
        return f"blocked contact {self.pk}"
