"""A business with a site, whose owner asks for something."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from apps.accounts.models import Account
from apps.core.models import Event
from apps.core.tenancy import account_scope
from apps.sites.models import SiteOwnership
from apps.tickets.models import Ticket
from apps.tickets.services import open_ticket
from factories.sites import SiteFactory, SiteOwnershipFactory
from tests.studio import NOW, Studio

MONDAY_NINE = datetime.fromisoformat("2026-11-23T08:00:00+00:00")  # 09:00 in Berlin, when support begins
HOUR = timedelta(hours=1)


def own(studio: Studio, *, slug: str = "plumber-joe", primary: bool = True, since: datetime = NOW - timedelta(days=30)) -> SiteOwnership:
    """The studio's client (who needs a login) owns a site."""
    site = SiteFactory(account=studio.account, slug=slug, site_title=slug.title())
    common = {"account": studio.account, "client": studio.client, "site": site, "is_primary": primary, "acquired_at": since}
    return SiteOwnershipFactory(**common)


def ask(studio: Studio, *, at: datetime = MONDAY_NINE, **options: Any) -> Ticket:
    """A ticket of the studio's client."""
    words = {"subject": "The form does not send", "description": "I tried it twice."}
    with account_scope(studio.account), transaction.atomic():
        return open_ticket(studio.client, **{**words, "at": at, **options})


def do(account: Account, service: Callable[..., Any], thing: Any, **options: Any) -> Any:
    """Call a service in the account's scope and a transaction of its own."""
    with account_scope(account), transaction.atomic():
        return service(thing, **options)


def stored(ticket: Ticket) -> Ticket:
    """The ticket as it is kept now."""
    with account_scope(ticket.account_id):
        return Ticket.objects.get(pk=ticket.pk)


def log(account: Account, *types: str) -> list[tuple[str, dict[str, Any]]]:
    """What the log says about tickets, oldest first."""
    with account_scope(account):
        found = Event.objects.filter(subject_type="tickets.ticket").order_by("pk")
        return list((found.filter(type__in=types) if types else found).values_list("type", "changes"))
