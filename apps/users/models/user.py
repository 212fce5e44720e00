"""The login."""

import unicodedata
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models import Func, UniqueConstraint
from django.db.models.functions import Lower
from django.utils.timezone import now

from apps.core.models import global_history
from apps.core.zones import validate_zone


def normalize_email(email: str) -> str:
    """One spelling per address: NFKC and lower case, as the unique index compares it."""
    return unicodedata.normalize("NFKC", email).strip().lower()


class Nfkc(Func):
    """normalize(text, NFKC)"""

    template = "normalize(%(expressions)s, NFKC)"
    output_field = models.TextField()


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A login with a normalised e-mail; without a password it cannot sign in with one."""
        if not email:
            raise ValueError("A user needs an e-mail address.")
        user = self.model(email=normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, **{"is_staff": True, "is_superuser": True, **fields})

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=normalize_email(username or ""))


class User(AbstractBaseUser, PermissionsMixin):
    """A login, known by its e-mail. What the person may do in an account is in Membership; who they are, in Customer."""

    email = models.EmailField(max_length=254, unique=True)
    username = models.CharField(max_length=150, unique=True, null=True, blank=True)  # NULL: many have none, and it is unique
    language = models.CharField(max_length=8, choices=settings.LANGUAGES, default="en")
    timezone = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        validators=[validate_zone],
        help_text="IANA name of the zone in which this person reads times; empty: the account's.",
    )
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False, help_text="May sign in to the admin site.")
    date_joined = models.DateTimeField(default=now)

    objects: ClassVar[UserManager] = UserManager()
    history = global_history(excluded_fields=["password", "last_login"])

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints: ClassVar = [UniqueConstraint(Lower(Nfkc("email")), name="users_user_unique_email")]

    def __str__(self) -> str:
        return self.email

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.email = normalize_email(self.email)
        super().save(*args, **kwargs)
