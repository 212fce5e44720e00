"""API tokens: one per device, shown once, stored as a digest."""

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.accounts.errors import NotSignedIn
from apps.accounts.models import ApiToken
from apps.core.errors import NotFound
from apps.users.models import User

TOKENS_PER_USER = 100


@transaction.atomic
def issue_token(*, user: User, label: str = "") -> tuple[ApiToken, str]:
    """A new token of this user and its plain text, valid for API_TOKEN_DAYS days.

    Expired tokens of the user go; so do the oldest when there are more than TOKENS_PER_USER. Raises NotSignedIn for an
    inactive user.
    """
    # Locked, so that a deactivation comes before (and is seen) or after (and ends this token, too).
    if User.objects.select_for_update(no_key=True).filter(pk=user.pk, is_active=True).first() is None:
        raise NotSignedIn
    ApiToken.objects.filter(user=user, expiry__lte=timezone.now()).delete()
    surplus = ApiToken.objects.filter(user=user).order_by("-created", "pk")[TOKENS_PER_USER - 1 :]
    ApiToken.objects.filter(pk__in=[token.pk for token in surplus]).delete()
    return ApiToken.objects.create(user=user, expiry=timedelta(days=settings.API_TOKEN_DAYS), label=label)


def revoke_token(*, user: User, public_id: uuid.UUID) -> None:
    """End one token. Raises NotFound when the user has none with this id."""
    deleted, _ = ApiToken.objects.filter(user=user, public_id=public_id).delete()
    if not deleted:
        raise NotFound


def revoke_all_tokens(*, user_id: int) -> int:
    """End every token of a user; returns how many there were."""
    deleted, _ = ApiToken.objects.filter(user_id=user_id).delete()
    return deleted
