"""Archives that people ask for themselves."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Index, Q

from apps.core.models import StoredArchive, TimestampedModel


class PersonExport(StoredArchive, TimestampedModel):
    """An archive of everything about one login, over all accounts it is a client of; to be fetched once. Its files lie in folder 0."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="exports")

    class Meta(StoredArchive.Meta):
        constraints: ClassVar[list[Any]] = [*StoredArchive.rules("users_personexport")]
        indexes: ClassVar = [Index(fields=["expires_at"], condition=~Q(storage_key=""), name="users_personexport_expiring")]

    def __str__(self) -> str:
        return f"export {self.pk}"
