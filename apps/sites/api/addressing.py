"""How sites and people are named at the doors: a site by its UUID, an owner by the id of the customer."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from rest_framework import serializers

from apps.core.api.reading import ScopedRelatedField
from apps.core.errors import NotFound
from apps.core.parsing import parse_integer
from apps.core.tenancy import current_account_id
from apps.sites.models import Site
from apps.users.models import Customer


def parse_uuid(text: Any) -> UUID | None:
    """A UUID in its usual spelling (with dashes); None for everything else."""
    try:
        found = UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is not None and str(found) == text.lower() else None


def uuid_in(address: str) -> UUID:
    """The UUID in an address. What cannot be one does not exist."""
    found = parse_uuid(address)
    if found is None:
        raise NotFound
    return found


def id_in(address: str) -> int:
    """The id in an address. What cannot be one does not exist."""
    try:
        found = parse_integer(address)
    except ValueError as error:
        raise NotFound from error
    if found < 0:
        raise NotFound
    return found


class SiteField(serializers.PrimaryKeyRelatedField):
    """A site in reach, by its UUID; a foreign one does not exist."""

    default_error_messages = {"incorrect_type": "Send the site's UUID."}

    def __init__(self, **kwargs: Any) -> None:
        if not kwargs.get("read_only"):
            kwargs["queryset"] = Site._base_manager.none()
        super().__init__(pk_field=serializers.UUIDField(), **kwargs)

    def get_queryset(self) -> QuerySet:
        super().get_queryset()
        return Site.objects.all()

    def to_internal_value(self, data: Any) -> Site:
        wanted = parse_uuid(data)
        if wanted is None:
            self.fail("incorrect_type")
        found: Site | None = self.get_queryset().filter(site_id=wanted).first()
        if found is None:
            self.fail("does_not_exist", pk_value=data)
        return found


class CustomerOfAccount(ScopedRelatedField):
    """A customer who is a client of the account, by the customer's id; somebody who is nothing to it does not exist."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(model=Customer, **kwargs)

    def get_queryset(self) -> QuerySet:
        super().get_queryset()
        return Customer.objects.filter(clients__account_id=current_account_id(), clients__merged_into=None).select_related("user")
