"""What support reads: its hours and promises, and which site a ticket is about."""

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import Exists, OuterRef, Q, QuerySet

from apps.accounts.models import Account
from apps.core.errors import Invalid
from apps.scheduling.hours import WeeklyPlan
from apps.scheduling.models import TimeOff
from apps.sites.errors import NoSite, SiteNotOwned, SiteSelectionRequired
from apps.sites.models import SiteOwnership
from apps.sites.selectors import get_customer_sites
from apps.tickets.models import SlaTarget, SupportHours, TicketCategory
from apps.tickets.sla import DEFAULT_HOURS, DEFAULT_MINUTES, SupportCalendar, Target
from apps.users.models import Customer


def support_calendar(account: Account, *, since: datetime) -> SupportCalendar:
    """The account's support hours as they are now, and its closures from ``since`` on: two statements."""
    rows = SupportHours.objects.order_by("weekday", "start").values_list("weekday", "start", "end")
    plans = tuple(WeeklyPlan(weekday, start, end) for weekday, start, end in rows)
    closed = TimeOff.objects.filter(practitioner=None, ends_at__gt=since).order_by("starts_at", "pk")
    return SupportCalendar(ZoneInfo(account.timezone), plans or DEFAULT_HOURS, tuple(closed.values_list("starts_at", "ends_at")))


def target_of(priority: str) -> Target:
    """What the account in scope promises for a priority."""
    found = SlaTarget.objects.filter(priority=priority).values_list("first_answer_minutes", "solution_minutes").first()
    answer, solution = found or DEFAULT_MINUTES[priority]
    return Target(answer * 60, solution * 60)


def check_category(name: str) -> str:
    """The category as it is kept. Raises Invalid for one that the account in scope does not have, if it has any; '' is none."""
    known = list(TicketCategory.objects.filter(is_active=True).order_by("name", "pk").values_list("name", flat=True))
    if name and known and name not in known:
        raise Invalid(fields={"category": [f"Choose one of: {', '.join(known)}."]})
    return name


def chosen_ownership(customer: Customer, *, site_id: UUID | None) -> SiteOwnership:
    """By the rule of source 003, under which ownership a customer's new ticket is opened; over all accounts in scope.

    A named site must be theirs now, and in use. Without a name their only one is taken. Raises NoSite (they own none), SiteNotOwned
    (also for one that does not exist), SiteSelectionRequired (they own several) with the list to choose from.
    """
    owned = get_customer_sites(customer)
    if not owned:
        raise NoSite(wanted=True)
    if site_id is not None:
        named = [one for one in owned if one.site.site_id == site_id]
        if not named:
            raise SiteNotOwned
        return named[0]
    if len(owned) > 1:
        raise SiteSelectionRequired(
            sites=[
                {
                    "site_id": str(one.site.site_id),
                    "slug": one.site.slug,
                    "site_title": one.site.site_title,
                    "is_primary": one.is_primary,
                }
                for one in owned
            ]
        )
    return owned[0]


def shown_to_client(tickets: QuerySet, path: str = "") -> QuerySet:
    """Those that a client sees among their own: without a site, or about a site that they own now.

    ``path`` leads from the rows to their ticket ("ticket__").
    """
    site, client = OuterRef(f"{path}site_id"), OuterRef(f"{path}client_id")
    owned = SiteOwnership.objects.current().filter(site_id=site, client_id=client)
    return tickets.filter(Q(**{f"{path}site": None}) | Exists(owned))
