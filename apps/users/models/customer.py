"""The person behind a login."""

import secrets
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.db import models
from phonenumber_field.modelfields import PhoneNumberField

from apps.core.models import TimestampedModel, global_history
from apps.location.models import Country
from apps.users.models.user import User

REFERRAL_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"


def new_referral_code() -> str:
    """Ten characters that cannot be misread, about 49 bits."""
    return "".join(secrets.choice(REFERRAL_ALPHABET) for _ in range(10))


class Address(TimestampedModel):
    """A postal address of a person."""

    user = models.ForeignKey(User, models.CASCADE, related_name="addresses")
    label = models.CharField(max_length=50, blank=True)
    line1 = models.CharField(max_length=200)
    line2 = models.CharField(max_length=200, blank=True)
    city = models.CharField(max_length=100)
    region = models.CharField(max_length=100, blank=True)
    postal_code = models.CharField(max_length=20, blank=True)
    country = models.ForeignKey(Country, models.PROTECT, related_name="addresses")

    class Meta:
        verbose_name_plural = "addresses"

    def __str__(self) -> str:
        return ", ".join(part for part in (self.line1, self.postal_code, self.city, self.country_id) if part)


class Customer(TimestampedModel):
    """A person's profile, one to one with the login, shared by every account the person is a client of (source 001)."""

    class Gender(models.TextChoices):
        NOT_SPECIFIED = "NS", "not specified"
        FEMALE = "F", "female"
        MALE = "M", "male"
        OTHER = "O", "other"

    user = models.OneToOneField(User, models.CASCADE, related_name="customer")
    phone_number = PhoneNumberField(unique=True, null=True, blank=True)
    image = models.ImageField(upload_to="customers/", blank=True)
    full_name = models.CharField(max_length=255, blank=True)
    gender = models.CharField(max_length=2, choices=Gender.choices, default=Gender.NOT_SPECIFIED)
    birth_date = models.DateField(null=True, blank=True)
    country = models.ForeignKey(Country, models.PROTECT, related_name="customers", null=True, blank=True)
    primary_address = models.OneToOneField(Address, models.SET_NULL, related_name="primary_of", null=True, blank=True)
    is_verified = models.BooleanField(default=False)
    inviter = models.ForeignKey("self", models.SET_NULL, related_name="invitees", null=True, blank=True)
    referral_code = models.CharField(max_length=16, unique=True, default=new_referral_code, editable=False)

    history = global_history()

    class Meta:
        ordering: ClassVar = ["-user__date_joined"]

    def __str__(self) -> str:
        return self.full_name or self.user.email

    @property
    def email(self) -> str:
        """The login's e-mail."""
        return self.user.email

    @property
    def username(self) -> str | None:
        """The login's user name."""
        return self.user.username

    @property
    def language(self) -> str:
        """The login's language."""
        return self.user.language

    @property
    def is_active(self) -> bool:
        """Whether the login may sign in."""
        return self.user.is_active

    @property
    def date_joined(self) -> datetime:
        """When the login was made."""
        return self.user.date_joined

    def set_password(self, raw_password: str | None) -> None:
        """Set the login's password without saving it."""
        self.user.set_password(raw_password)

    def check_password(self, raw_password: str) -> bool:
        """Whether this is the login's password."""
        return self.user.check_password(raw_password)

    # -- sites (source 003), by reverse relations only: apps.sites lies above. All of it is about current ownerships of sites in use,
    # of the accounts whose scope is open.

    @property
    def sites(self) -> list[Any]:
        """The sites this customer owns: primary first, then as they were acquired."""
        return [ownership.site for ownership in self._owned().select_related("site").in_order()]

    @property
    def has_site(self) -> bool:
        """Whether there is at least one."""
        return self._owned().exists()

    @property
    def has_multiple_sites(self) -> bool:
        """Whether there are several."""
        return self.site_count > 1

    @property
    def site_count(self) -> int:
        """How many there are."""
        return self._owned().count()

    @property
    def primary_site(self) -> Any:
        """The default site: of all accounts' primary ones, the one acquired first; None without a site."""
        primary = self.get_primary_ownership()
        return primary.site if primary is not None else None

    def get_primary_ownership(self) -> Any:
        """The ownership of the primary site (over several accounts: the one acquired first), None without a site."""
        return self._owned().filter(is_primary=True).select_related("site").order_by("acquired_at", "pk").first()

    def owns_site(self, site: Any) -> bool:
        """Whether this customer owns a site: the site itself, or the one of this UUID (``site_id``)."""
        found = self._owned()
        return (found.filter(site__site_id=site) if isinstance(site, UUID) else found.filter(site=site)).exists()

    def _owned(self) -> Any:
        return self.owned_sites.live()  # type: ignore[attr-defined]
