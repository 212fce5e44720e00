from datetime import timedelta
from typing import Any

import factory
from django.utils import timezone

from apps.accounts.models import Account, ApiToken, Invitation, Membership, Role
from factories.base import TenantFactory
from factories.users import UserFactory


class AccountFactory(factory.django.DjangoModelFactory):
    name = factory.Sequence(lambda n: f"Studio {n}")
    slug = factory.Sequence(lambda n: f"studio-{n}")
    timezone = "Europe/Berlin"
    currency = "EUR"
    country_id = "DE"

    class Meta:
        model = Account


class MembershipFactory(TenantFactory):
    user = factory.SubFactory(UserFactory)
    role = Role.OWNER

    class Meta:
        model = Membership


class InvitationFactory(TenantFactory):
    email = factory.Sequence(lambda n: f"invited{n}@example.test")
    role = Role.FRONT_DESK
    expires_at = factory.LazyFunction(lambda: timezone.now() + timedelta(hours=72))
    invited_by = factory.SubFactory(UserFactory)

    class Meta:
        model = Invitation


def token_for(user: Any, **fields: Any) -> str:
    """A fresh API token of this user, in plain text."""
    _, token = ApiToken.objects.create(user=user, **{"expiry": timedelta(days=1), **fields})
    return token
