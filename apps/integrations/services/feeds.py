"""Calendar feeds: making their secret addresses, replacing and revoking them, and noting that they are read."""

import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.catalog.models import Practitioner
from apps.clients.models import Client
from apps.core.db import joined
from apps.core.errors import Invalid, NotFound
from apps.core.events import current_actor, emit
from apps.core.tenancy import account_scope
from apps.integrations.errors import TooManyFeeds
from apps.integrations.models import CalendarFeed
from apps.integrations.selectors import digest_of

MAX_FEEDS = 10
NOTE_EVERY = timedelta(minutes=1)


def new_token() -> str:
    """256 random bits for an address."""
    return secrets.token_urlsafe(32)


@joined
def make_feed(
    *,
    practitioner: Practitioner | None = None,
    client: Client | None = None,
    detail: str = CalendarFeed.Detail.FULL,
    label: str = "",
    by_member: bool = True,
) -> tuple[CalendarFeed, str]:
    """A feed of exactly one practitioner or client, and its token, which nobody can read again.

    ``by_member``: a member of the business makes it; otherwise the client themself. Raises Invalid, TooManyFeeds.
    """
    if (practitioner is None) == (client is None):
        raise Invalid("Name either a practitioner or a client.")
    token = new_token()
    owner = practitioner or client
    assert owner is not None  # noqa: S101  one of them is there
    # One after another, so that they are counted.
    type(owner).objects.select_for_update(no_key=True).only("pk").get(pk=owner.pk)
    if CalendarFeed.objects.filter(practitioner=practitioner, client=client, revoked_at=None).count() >= MAX_FEEDS:
        raise TooManyFeeds
    feed = CalendarFeed.objects.create(
        account_id=owner.account_id,
        practitioner=practitioner,
        client=client,
        detail=detail,
        label=label,
        token_digest=digest_of(token),
        made_by_id=current_actor().actor_id,
        by_member=by_member,
        handed_to_id=_login_of(practitioner),
    )
    emit("calendar_feed.created", feed, changes={"detail": [None, detail], "label": ["", label]})
    return feed, token


@joined
def rotate_feed(feed: CalendarFeed, *, by_member: bool = True) -> tuple[CalendarFeed, str]:
    """Give a feed another address; the old one is dead at once. Whoever does it counts as its maker from now on."""
    feed = _locked(feed)
    token = new_token()
    feed.token_digest, feed.made_by_id, feed.by_member = digest_of(token), current_actor().actor_id, by_member  # type: ignore[attr-defined]
    feed.handed_to_id, feed.last_read_at = _login_of(feed.practitioner), None  # type: ignore[attr-defined]
    feed.save(update_fields=["token_digest", "made_by", "by_member", "handed_to", "last_read_at", "updated_at"])
    emit("calendar_feed.rotated", feed)
    return feed, token


@joined
def revoke_feed(feed: CalendarFeed, *, at: datetime | None = None) -> CalendarFeed:
    """Nothing answers at its address any more."""
    at = at or timezone.now()
    feed = _locked(feed)
    feed.revoked_at = at
    feed.save(update_fields=["revoked_at", "updated_at"])
    emit("calendar_feed.revoked", feed, changes={"revoked_at": [None, at.isoformat()]})
    return feed


def note_reading(feed: CalendarFeed, at: datetime) -> None:
    """Remember that a feed was read: after the reading's own transaction, and at most once a minute."""
    if feed.last_read_at is not None and feed.last_read_at > at - NOTE_EVERY:
        return

    def note() -> None:
        with account_scope(feed.account_id):
            unless_noted = Q(last_read_at=None) | Q(last_read_at__lte=at - NOTE_EVERY)
            CalendarFeed.objects.filter(unless_noted, pk=feed.pk).update(last_read_at=at)

    transaction.on_commit(note, robust=True)


def _locked(feed: CalendarFeed) -> CalendarFeed:
    """The feed as it is now, locked. A revoked one is gone for good: raises NotFound."""
    found = CalendarFeed.objects.select_for_update(no_key=True, of=("self",)).select_related("practitioner__member")
    current = found.filter(pk=feed.pk, revoked_at=None).first()
    if current is None:
        raise NotFound
    return current


def _login_of(practitioner: Practitioner | None) -> int | None:
    """The login of a practitioner who has one: they will know the address, too."""
    if practitioner is None or practitioner.member is None:
        return None
    return practitioner.member.user_id  # type: ignore[attr-defined]


__all__ = ["MAX_FEEDS", "make_feed", "new_token", "note_reading", "revoke_feed", "rotate_feed"]
