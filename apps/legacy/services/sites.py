"""Sites and their owners out of a database in which a customer has one site at most (``customer_users.site_id``, source 003)."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.accounts.models import Account
from apps.clients.models import Client
from apps.core.errors import Invalid
from apps.core.events import emit
from apps.core.tenancy import account_scope
from apps.legacy.old_database import OldDatabase
from apps.sites.models import Site, SiteOwnership
from apps.sites.services import add_site_to_customer, create_site
from apps.sites.services.owners import IMPORT, lock_clients, settle_primary
from apps.users.models.user import normalize_email

KIND = "convert_single_sites"
TABLES = {"sites": {"id", "slug"}, "customer_users": {"id", "email", "site_id"}}
"""What the old database must have at least."""
COPIED = ("slug", "site_title", "site_url", "status", "subscription_status", "monthly_amount_cents")


@dataclass(frozen=True, slots=True)
class PlannedSite:
    """A site as it will be here; ``site_id`` stays what it was, so that links keep working."""

    site_id: str
    slug: str
    site_title: str
    site_url: str
    status: str
    subscription_status: str
    monthly_amount_cents: int

    @property
    def fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in COPIED}


@dataclass(frozen=True, slots=True)
class PlannedOwner:
    """One line of the junction: which customer of ours owns which site, since when."""

    site_id: str
    customer_id: int
    acquired_at: str


@dataclass(frozen=True, slots=True)
class LeftOver:
    """An old row (by its id) that is not brought: ``bad_value``, ``slug_taken``, ``no_site``, ``no_client``, ``changed``, ``in_use``."""

    old_id: str
    reason: str
    detail: str = ""


@dataclass(slots=True)
class Plan:
    """What a run would do, as it is written to the plan file. No names or addresses of people: ids only."""

    account_id: int
    sites: list[PlannedSite] = field(default_factory=list)
    owners: list[PlannedOwner] = field(default_factory=list)
    left_over: list[LeftOver] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {"kind": KIND, "made_at": timezone.now().isoformat(), **asdict(self)}

    @classmethod
    def from_json(cls, content: Any) -> "Plan":
        """Raises Invalid for anything that ``as_json`` has not made."""
        try:
            if content["kind"] != KIND:
                raise Invalid(f"This is a plan of {content['kind']}.")
            plan = cls(
                int(content["account_id"]),
                [PlannedSite(**one) for one in content["sites"]],
                [PlannedOwner(**one) for one in content["owners"]],
                [LeftOver(**one) for one in content["left_over"]],
            )
            times = [parse_datetime(one.acquired_at) for one in plan.owners]
            uuids = [UUID(text) for text in (*(one.site_id for one in plan.sites), *(one.site_id for one in plan.owners))]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Invalid(f"This is not a plan file of {KIND}.") from error
        if not all(times) or len(uuids) != len(plan.sites) + len(plan.owners):
            raise Invalid(f"This is not a plan file of {KIND}.")
        return plan


@dataclass(slots=True)
class Outcome:
    """How many sites and ownerships were made (or taken away again), how many were as planned already, and what is left over."""

    done: int = 0
    already: int = 0
    left_over: list[LeftOver] = field(default_factory=list)


def plan_conversion(old: OldDatabase, account: Account) -> Plan:
    """What bringing the old sites and their owners into ``account`` would write; nothing is written.

    A site belongs to every old customer that points at it. People are found by the e-mail of their login, and have to be clients of the
    account already. Raises Invalid for a database without the tables of source 003.
    """
    missing = [f"{table}.{column}" for table, columns in TABLES.items() for column in sorted(columns - old.columns(table))]
    if missing:
        raise Invalid(f"The old database lacks {', '.join(missing)}.")
    plan, at = Plan(account.pk), timezone.now()
    with account_scope(account):
        for batch in old.batches_by_text("sites", "id"):
            for row in batch:
                _plan_site(plan, row)
        brought = {one.site_id for one in plan.sites}
        for batch in old.batches_by_text("customer_users", "id"):
            for row in batch:
                if row["site_id"] is not None:
                    _plan_owner(plan, row, brought, at)
    return plan


def _plan_site(plan: Plan, row: dict[str, Any]) -> None:
    old_id = str(row["id"])
    cents = Decimal(str(row.get("monthly_amount") or "99.00")) * 100
    planned = PlannedSite(
        site_id=old_id,
        slug=row["slug"] or "",
        site_title=(row.get("site_title") or row["slug"] or "")[:200],
        site_url=row.get("site_url") or "",
        status=row.get("status") or Site.Status.ACTIVE,
        subscription_status=row.get("subscription_status") or Site.Subscription.NONE,
        monthly_amount_cents=int(cents.quantize(Decimal(1), ROUND_HALF_UP)),
    )
    try:
        Site(account_id=plan.account_id, site_id=UUID(old_id), **planned.fields).clean_fields()
    except (ValidationError, ValueError) as error:
        plan.left_over.append(LeftOver(old_id, "bad_value", ", ".join(sorted(getattr(error, "message_dict", {"id": []})))))
        return
    here = Site.objects.filter(site_id=old_id).first()
    if (here is None and Site.objects.filter(slug=planned.slug).exists()) or planned.slug in {one.slug for one in plan.sites}:
        plan.left_over.append(LeftOver(old_id, "slug_taken", planned.slug))
        return
    plan.sites.append(planned)


def _plan_owner(plan: Plan, row: dict[str, Any], brought: set[str], at: datetime) -> None:
    old_id, site_id = str(row["id"]), str(row["site_id"])
    if site_id not in brought:
        plan.left_over.append(LeftOver(old_id, "no_site", site_id))
        return
    email = normalize_email(row["email"] or "")
    client = Client.objects.current().filter(customer__user__email=email).first() if email else None
    if client is None:
        plan.left_over.append(LeftOver(old_id, "no_client", "nobody with the login of this address is a client of the account"))
        return
    since = min(_aware(row.get("created_at")) or at, at)
    plan.owners.append(PlannedOwner(site_id, client.customer_id, since.isoformat()))


def _aware(value: Any) -> datetime | None:
    """The old project wrote UTC without saying so."""
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def apply_conversion(plan: Plan) -> Outcome:
    """Bring the sites, then who owns them, each in a transaction of its own; what is there as planned is passed over, so a run that
    was interrupted can be repeated."""
    outcome = Outcome(left_over=list(plan.left_over))
    for site in plan.sites:
        with account_scope(plan.account_id):
            _count(outcome, site.site_id, _bring_site(plan.account_id, site))
    for owner in plan.owners:
        with account_scope(plan.account_id):
            _count(outcome, owner.site_id, _bring_owner(owner))
    return outcome


def _count(outcome: Outcome, old_id: str, result: str) -> None:
    if result in ("done", "already"):
        setattr(outcome, result, getattr(outcome, result) + 1)
    else:
        outcome.left_over.append(LeftOver(old_id, result))


def _bring_site(account_id: int, planned: PlannedSite) -> str:
    here = Site.objects.filter(site_id=planned.site_id).first()
    if here is not None:
        return "already" if {name: getattr(here, name) for name in COPIED} == planned.fields else "changed"
    try:
        with transaction.atomic():
            create_site(account_id=account_id, site_id=UUID(planned.site_id), **planned.fields)
    except Invalid:
        return "slug_taken"
    return "done"


def _bring_owner(planned: PlannedOwner) -> str:
    site = Site.objects.filter(site_id=planned.site_id).first()
    client = Client.objects.current().filter(customer=planned.customer_id).select_related("customer").first()
    if site is None or client is None or client.customer is None:
        return "no_site" if site is None else "no_client"
    if SiteOwnership.objects.current().filter(site=site, customer=client.customer).exists():
        return "already"
    if not site.is_live:  # the archive keeps who it belonged to
        SiteOwnership.objects.create(
            account_id=site.account_id, site=site, client=client, customer=client.customer, acquired_at=_since(planned)
        )
        return "done"
    add_site_to_customer(site, customer=client.customer, origin=IMPORT, at=_since(planned))
    return "done"


def _since(planned: PlannedOwner) -> datetime:
    found = parse_datetime(planned.acquired_at)
    assert found is not None  # noqa: S101  from_json has checked
    return found


def undo_conversion(plan: Plan) -> Outcome:
    """Take away what ``apply_conversion`` has brought: the ownerships, then the sites that nothing else refers to.

    An ownership that was changed since, and a site that was sold, offered, given to others or written about, is left over.
    """
    outcome = Outcome()
    for owner in reversed(plan.owners):
        with account_scope(plan.account_id):
            _count(outcome, owner.site_id, _drop_owner(owner))
    for site in reversed(plan.sites):
        with account_scope(plan.account_id):
            _count(outcome, site.site_id, _drop_site(site))
    return outcome


def _drop_owner(planned: PlannedOwner) -> str:
    rows = SiteOwnership.objects.filter(site__site_id=planned.site_id, customer=planned.customer_id)
    found = rows.select_related("site").first()
    if found is None:
        return "already"
    client = lock_clients([found.client_id])[found.client_id]
    if rows.count() > 1 or found.ended_at is not None or found.acquired_at != _since(planned) or _is_referred_to(found):
        return "changed"
    emit("site.owner_removed", found, changes={"site": [str(found.site.site_id), None], "role": [found.role, None]})
    found.delete()
    settle_primary(client)
    return "done"


def _drop_site(planned: PlannedSite) -> str:
    site = Site.objects.select_for_update().filter(site_id=planned.site_id).first()
    if site is None:
        return "already"
    if _is_referred_to(site):
        return "in_use"
    site.delete()
    return "done"


def _is_referred_to(row: Any) -> bool:
    """Whether any row refers to this one, from whichever app."""
    relations: Iterable[Any] = row._meta.related_objects
    return any(one.related_model._base_manager.filter(**{one.field.name: row}).exists() for one in relations)
